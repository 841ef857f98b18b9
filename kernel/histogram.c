// SPDX-License-Identifier: ISC
/*
 * kernel/histogram.c - reading histograms.
 */
#include "kernel/histogram.h"

#include <math.h>

#define NSEC	1e9

static void sum_group(struct time_sum *sum, const struct time_hist *h, u32 i)
{
	u32 end = i + HIST_GROUP < HIST_BUCKETS ? i + HIST_GROUP : HIST_BUCKETS;

	for (; i < end; i++)
		sum->counts[i] += atomic_load_explicit(&h->counts[i],
						       memory_order_relaxed);
}

void hist_sum(struct time_sum *sum, const struct time_hist *h)
{
	/* Relaxed: each word only grows, and a group not seen yet is seen by
	 * the next read. */
	u64 used = atomic_load_explicit(&h->used, memory_order_relaxed);

	sum->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
	for (; used; used &= used - 1)
		sum_group(sum, h, (u32)__builtin_ctzll(used) * HIST_GROUP);
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
