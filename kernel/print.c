// SPDX-License-Identifier: ISC
/*
 * kernel/print.c - text to standard error, from any context.
 *
 * Not stdio: that locks, allocates, and needs more stack than a signal
 * handler or a goroutine at the end of its stack has.
 */
#include "kernel/print.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <arch/tls.h>
#include "kernel/errno.h"

struct sink {
	char *buf;
	size_t size;		/* without the terminator */
	size_t len;
	bool flush;		/* to standard error when full */
};

static _Atomic(struct print_buf *) redirect;

void print_to(struct print_buf *pb)
{
	if (pb)
		pb->owner = tls_self();
	atomic_store_explicit(&redirect, pb, memory_order_release);
}

/* Where this thread's text goes instead; or NULL. */
static struct print_buf *redirected(void)
{
	struct print_buf *pb = atomic_load_explicit(&redirect,
						    memory_order_acquire);

	return pb && pb->owner == tls_self() ? pb : NULL;
}

static void sink_keep(struct sink *s, struct print_buf *pb)
{
	for (size_t i = 0; i < s->len; i++, pb->len++)
		if (pb->len < pb->size)
			pb->buf[pb->len] = s->buf[i];
	s->len = 0;
}

static void sink_flush(struct sink *s)
{
	struct print_buf *pb = redirected();
	size_t off = 0;

	if (pb) {
		sink_keep(s, pb);
		return;
	}
	while (off < s->len) {
		ssize_t n = write(STDERR_FILENO, s->buf + off, s->len - off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		off += (size_t)n;
	}
	s->len = 0;
}

static void sink_char(struct sink *s, char c)
{
	if (s->len == s->size) {
		if (!s->flush)
			return;
		sink_flush(s);
	}
	s->buf[s->len++] = c;
}

static void sink_string(struct sink *s, const char *str)
{
	if (!str)
		str = "(null)";
	while (*str)
		sink_char(s, *str++);
}

static void sink_number(struct sink *s, u64 v, unsigned int base)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		sink_char(s, digits[--n]);
}

static void sink_signed(struct sink *s, s64 v)
{
	if (v < 0)
		sink_char(s, '-');
	sink_number(s, v < 0 ? -(u64)v : (u64)v, 10);
}

static void sink_hex(struct sink *s, u64 v)
{
	sink_string(s, "0x");
	sink_number(s, v, 16);
}

static void sink_format(struct sink *s, const char *fmt, va_list *ap)
{
	for (; *fmt; fmt++) {
		if (*fmt != '%' || !fmt[1]) {
			sink_char(s, *fmt);
			continue;
		}
		switch (*++fmt) {
		case 's':
			sink_string(s, va_arg(*ap, const char *));
			break;
		case 'c':
			sink_char(s, (char)va_arg(*ap, int));
			break;
		case 'd':
			sink_signed(s, va_arg(*ap, int));
			break;
		case 'u':
			sink_number(s, va_arg(*ap, unsigned int), 10);
			break;
		case 'D':
			sink_signed(s, va_arg(*ap, s64));
			break;
		case 'U':
			sink_number(s, va_arg(*ap, u64), 10);
			break;
		case 'p':
			sink_hex(s, (uintptr_t)va_arg(*ap, void *));
			break;
		case 'x':
			sink_hex(s, va_arg(*ap, u64));
			break;
		default:
			sink_char(s, *fmt);
		}
	}
}

void vprint(const char *fmt, va_list ap)
{
	char buf[128];
	struct sink s = { .buf = buf, .size = sizeof(buf), .flush = true };
	int saved = errno;
	va_list copy;

	va_copy(copy, ap);
	sink_format(&s, fmt, &copy);
	va_end(copy);
	sink_flush(&s);
	errno = saved;
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
}

size_t vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct sink s = { .buf = buf, .size = size - 1 };
	va_list copy;

	va_copy(copy, ap);
	sink_format(&s, fmt, &copy);
	va_end(copy);
	buf[s.len] = '\0';
	return s.len;
}

size_t format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
