// SPDX-License-Identifier: ISC
/*
 * arch/cycles.c - the frequency of the cycle counter: what the CPU says, or
 * what the clock says.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>

#include <stdatomic.h>
#include <time.h>

#define MEASURE_NS	10000000
#define TRIES		10

static u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

struct reading {
	u64 ns, cycles;
};

/* Both of one moment: of a few, the one with the least time in between, as the
 * kernel may take the CPU away there. */
static struct reading read_both(void)
{
	struct reading best = { 0 };
	u64 least = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		u64 before = clock_ns(), cycles = cpu_cycles();
		u64 took = clock_ns() - before;

		if (took >= least)
			continue;
		least = took;
		best = (struct reading){ before + took / 2, cycles };
	}
	return best;
}

static u64 measure(void)
{
	struct reading a = read_both(), b;

	while (clock_ns() - a.ns < MEASURE_NS)
		;
	b = read_both();
	return (b.cycles - a.cycles) * 1000000000 / (b.ns - a.ns);
}

/* Any thread, any stack of 8 KiB; the first call may take MEASURE_NS. */
u64 cpu_cycles_hz(void)
{
	static _Atomic u64 hz;
	u64 v = atomic_load_explicit(&hz, memory_order_relaxed);

	if (v)
		return v;
	v = cpu_cycles_hz_told();
	if (!v)
		v = measure();
	atomic_store_explicit(&hz, v, memory_order_relaxed);
	return v;
}
