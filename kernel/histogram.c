// SPDX-License-Identifier: ISC
/*
 * kernel/histogram.c - reading histograms.
 */
#include "kernel/histogram.h"

#include <math.h>

#define NSEC	1e9

void hist_sum(struct time_sum *sum, const struct time_hist *h)
{
	sum->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
	for (u32 i = 0; i < HIST_BUCKETS; i++)
		sum->counts[i] += atomic_load_explicit(&h->counts[i],
						       memory_order_relaxed);
}

/* Filled in by the first who asks. */
const double *hist_borders(void)
{
	static double borders[HIST_BUCKETS + 1];

	if (borders[HIST_BUCKETS] > 0)
		return borders;
	borders[0] = -INFINITY;
	for (u32 i = 1; i < HIST_BUCKETS; i++)
		borders[i] = (double)hist_from_ns(i) / NSEC;
	borders[HIST_BUCKETS] = INFINITY;
	return borders;
}
