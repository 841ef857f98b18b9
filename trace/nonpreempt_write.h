/* SPDX-License-Identifier: ISC */
/*
 * trace/nonpreempt_write.h - files of the profiler of non-preemptible sections.
 */
#ifndef TRACE_NONPREEMPT_WRITE_H
#define TRACE_NONPREEMPT_WRITE_H

#include <gort/nonpreempt.h>

#include <arch/compiler.h>

struct nonpreempt_report {
	const struct gort_nonpreempt_site *sites; /* in the order they come */
	size_t n;
	struct gort_nonpreempt_stats stats;
	u64 duration_ns;
	s64 wall_ns;		/* when it began, since 1970 */
};

/*
 * nonpreempt_write - the file of a report; what gort_nonpreempt_write() does
 * when it has one.  format is one.
 */
int nonpreempt_write(int fd, enum gort_nonpreempt_format format,
		     const struct nonpreempt_report *r);

/* Microseconds with one digit after the point: "123.4us". */
struct nonpreempt_us {
	char text[32];
};

struct nonpreempt_us nonpreempt_us(u64 ns);

#endif
