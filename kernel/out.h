/* SPDX-License-Identifier: ISC */
/*
 * kernel/out.h - text to a descriptor, through a buffer.
 *
 *	struct out o = { .fd = fd };
 *
 *	out_line(&o, "%U\n", n);
 *	out_flush(&o);
 *	return o.err;
 *
 * Context: goroutine; blocks while fd does.
 */
#ifndef KERNEL_OUT_H
#define KERNEL_OUT_H

#include <stddef.h>

#define OUT_LINE_MAX	320	/* of what out_line() writes */

struct out {
	int fd;
	int err;		/* the first; then nothing is written */
	size_t len;
	char buf[8192];
};

void out_flush(struct out *o);

/* Formats are those of print.h. */
void out_line(struct out *o, const char *fmt, ...);

/* However long it is. */
void out_bytes(struct out *o, const void *p, size_t n);

#endif
