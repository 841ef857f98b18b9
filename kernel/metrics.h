/* SPDX-License-Identifier: ISC */
/*
 * kernel/metrics.h - metrics, as the rest of the runtime sees them.
 */
#ifndef KERNEL_METRICS_H
#define KERNEL_METRICS_H

#include <gort/mem.h>
#include <gort/metrics.h>
#include <gort/nonpreempt.h>

#include "kernel/histogram.h"

/* What nonpreempt_ops->sum() knows. */
struct nonpreempt_sum {
	struct time_sum gross[GORT_NONPREEMPT_KINDS]; /* of those outermost */
	u64 sections, lost, exceeded, suppressed;
};

/* Who read in the run before is gone. */
void metrics_begin_run(void);

/* The Ps are about to go: keep what they counted. */
void metrics_end_run(void);

/*
 * read_metrics_slow - for tests: *st and the samples at one moment, with the
 * world stopped, threads held and nothing in between.
 * Context: goroutine; may block.  Returns as gort_metrics_read().
 */
int read_metrics_slow(struct gort_memstats *st,
		      struct gort_metric_sample *samples, size_t n);

#endif
