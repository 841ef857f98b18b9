/* SPDX-License-Identifier: ISC */
/*
 * kernel/histogram.h - how long things took: durations in buckets.
 *
 * Log-linear, as in G. Tene's HdrHistogram and Go's runtime/histogram.go,
 * whose borders these are: four buckets per power of two, from 256 ns to 39
 * hours, so that a value is off by a quarter at most; four below 256 ns; one
 * for what is negative, one for what is longer.
 *
 * One writer at a time, with plain stores: a histogram belongs to a P, and
 * anybody reads it meanwhile; or to who has stopped the world, and then
 * nobody does.
 *
 * Rejected: one histogram for all Ps, with atomic additions.  Its cache lines
 * would go from one CPU to the next.
 */
#ifndef KERNEL_HISTOGRAM_H
#define KERNEL_HISTOGRAM_H

#include <stdatomic.h>

#include <arch/compiler.h>

#define HIST_MIN_BITS	8	/* below 2^8 ns: even buckets */
#define HIST_MAX_BITS	47	/* from 2^47 ns on: too long */
#define HIST_SUB_BITS	2
#define HIST_SUBS	(1u << HIST_SUB_BITS)

/* Buckets, with the first for negative values and the last for long ones. */
#define HIST_BUCKETS	((HIST_MAX_BITS - HIST_MIN_BITS + 1) * HIST_SUBS + 2)

/* Readers look at groups of buckets that were ever used; most are not. */
#define HIST_GROUP	4u

struct time_hist {
	_Atomic u64 used;	/* groups, by bit */
	_Atomic u64 sum_ns;	/* of those that are not negative */
	_Atomic u64 counts[HIST_BUCKETS];
};

_Static_assert(HIST_BUCKETS <= 64 * HIST_GROUP, "a bit for each group");

/* What several say together; and one that needs no atomics. */
struct time_sum {
	u64 sum_ns;
	u64 counts[HIST_BUCKETS];
};

/* Which bucket ns falls into. */
static inline u32 hist_bucket(s64 ns)
{
	u32 bits;

	if (unlikely(ns < 0))
		return 0;
	bits = 63 - (u32)__builtin_clzll((u64)ns | (1u << (HIST_MIN_BITS - 1)));
	if (unlikely(bits >= HIST_MAX_BITS))
		return HIST_BUCKETS - 1;
	/* Below 2^8 the leading bit is part of the number. */
	if (bits < HIST_MIN_BITS)
		return 1 + (u32)((u64)ns >> (HIST_MIN_BITS - HIST_SUB_BITS));
	return 1 + (bits - HIST_MIN_BITS + 1) * HIST_SUBS +
	       ((u32)((u64)ns >> (bits - HIST_SUB_BITS)) & (HIST_SUBS - 1));
}

/* The least that is in bucket i, which is not the first, in ns. */
static inline u64 hist_from_ns(u32 i)
{
	u32 power = (i - 1) / HIST_SUBS, sub = (i - 1) % HIST_SUBS;

	if (!power)
		return (u64)sub << (HIST_MIN_BITS - HIST_SUB_BITS);
	return (u64)(HIST_SUBS + sub)
	       << (power - 1 + HIST_MIN_BITS - HIST_SUB_BITS);
}

static inline void hist_add(_Atomic u64 *c, u64 n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed)
			      + n, memory_order_relaxed);
}

/* times: how many durations this one stands for.  The writer only. */
static inline void hist_record(struct time_hist *h, s64 ns, u32 times)
{
	u32 i = hist_bucket(ns);
	u64 used = atomic_load_explicit(&h->used, memory_order_relaxed);

	hist_add(&h->counts[i], times);
	atomic_store_explicit(&h->used, used | (u64)1 << i / HIST_GROUP,
			      memory_order_relaxed);
	if (likely(ns > 0))
		hist_add(&h->sum_ns, (u64)ns * times);
}

/* The same in a histogram that nobody else reads or writes meanwhile. */
static inline void hist_count(struct time_sum *sum, s64 ns)
{
	sum->counts[hist_bucket(ns)]++;
	if (likely(ns > 0))
		sum->sum_ns += (u64)ns;
}

/* Add what is in h, which may be written meanwhile. */
void hist_sum(struct time_sum *sum, const struct time_hist *h);

/* HIST_BUCKETS + 1 borders in seconds, from -Inf to +Inf; those of bucket i
 * are i and i + 1.  Callers come one at a time. */
const double *hist_borders(void);

#endif
