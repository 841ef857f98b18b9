// SPDX-License-Identifier: ISC
/*
 * kernel/out.c - text to a descriptor, through a buffer.
 *
 * Not stdio, whose locks are those of threads and whose buffers are on the
 * user's heap: this one is in the caller's frame.
 */
#include "kernel/out.h"

#include <gort/io.h>
#include <stdarg.h>
#include <string.h>

#include "kernel/print.h"

void out_flush(struct out *o)
{
	ssize_t n = 0;

	if (!o->err && o->len)
		n = gort_write_all(o->fd, o->buf, o->len);
	if (n < 0)
		o->err = (int)n;
	o->len = 0;
}

void out_line(struct out *o, const char *fmt, ...)
{
	va_list ap;

	if (sizeof(o->buf) - o->len < OUT_LINE_MAX)
		out_flush(o);
	va_start(ap, fmt);
	o->len += vformat(o->buf + o->len, sizeof(o->buf) - o->len, fmt, ap);
	va_end(ap);
}

void out_bytes(struct out *o, const void *p, size_t n)
{
	const char *from = p;

	while (n) {
		size_t some = sizeof(o->buf) - o->len;

		if (some > n)
			some = n;
		memcpy(o->buf + o->len, from, some);
		o->len += some;
		from += some;
		n -= some;
		if (o->len == sizeof(o->buf))
			out_flush(o);
	}
}
