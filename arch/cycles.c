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

static u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static u64 measure(void)
{
	u64 t0 = clock_ns(), c0 = cpu_cycles(), t1;

	do
		t1 = clock_ns();
	while (t1 - t0 < MEASURE_NS);
	return (cpu_cycles() - c0) * 1000000000 / (t1 - t0);
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
