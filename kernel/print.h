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

/* Append to buf[size]; always terminated; returns the length. */
size_t vformat(char *buf, size_t size, const char *fmt, va_list ap);
size_t format(char *buf, size_t size, const char *fmt, ...);

#endif
