/* SPDX-License-Identifier: ISC */
/*
 * kernel/print.h - text to standard error, from any context.
 *
 * Async-signal-safe, no allocation, no lock, about 300 bytes of stack.
 * Formats: %s, %c, %d (int), %u (unsigned int), %D (s64), %U (u64),
 * %p and %x (u64, hexadecimal), %%.
 */
#ifndef KERNEL_PRINT_H
#define KERNEL_PRINT_H

#include <stdarg.h>

#include <arch/compiler.h>

void print(const char *fmt, ...);
void vprint(const char *fmt, va_list ap);

/*
 * From now on what this thread prints goes to pb, as far as it fits; len
 * counts all of it.  NULL: to standard error again.  One thread at a time.
 */
struct print_buf {
	char *buf;
	size_t size;
	size_t len;
	void *owner;		/* set by print_to() */
};

void print_to(struct print_buf *pb);

/* Append to buf[size]; always terminated; returns the length. */
size_t vformat(char *buf, size_t size, const char *fmt, va_list ap);
size_t format(char *buf, size_t size, const char *fmt, ...);

#endif
