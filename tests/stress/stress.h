/* SPDX-License-Identifier: ISC */
/*
 * tests/stress/stress.h - how much a stress test does.
 *
 * STRESS_SCALE=percent says so.  Without it: everything, or less where each
 * step takes longer or more memory: with DEBUG=1, under sanitizers, emulation,
 * and GORTDEBUG=maymorestack=.
 *
 * Each of these tests prints TAP for one test, and numbers; a wrong count
 * aborts it.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include <gort/gort.h>

#include <time.h>

#include "kernel/check.h"

/* ThreadSanitizer has room for about 8000 goroutines at a time. */
#ifdef WITH_TSAN
#define STRESS_LIVE_MAX	6000
#else
#define STRESS_LIVE_MAX	LONG_MAX
#endif

#include <limits.h>

static inline double stress_percent(void)
{
	const char *s = getenv("STRESS_SCALE");

	if (s && *s)
		return atof(s);
#ifdef WITH_TSAN
	return 0.2;
#endif
	if (mode_emulated())
		return 0.5;
	if (mode_sanitized())
		return 1;
	if (mode_gortdebug("maymorestack="))
		return 2;
#ifdef GORT_DEBUG
	return 25;
#else
	return 100;
#endif
}

static inline long stress_count(long full)
{
	long n = (long)((double)full * stress_percent() / 100);

	return n ? n : 1;
}

/*
 * Of tests that take minutes: a twentieth, unless STRESS_SCALE is set.
 * STRESS_SCALE=100 make check TESTS=stress does it all.
 */
static inline long stress_long_count(long full)
{
	const char *s = getenv("STRESS_SCALE");

	return stress_count(s && *s ? full : full / 20);
}

static inline long stress_live(long full)
{
	long n = stress_count(full);

	return n < STRESS_LIVE_MAX ? n : STRESS_LIVE_MAX;
}

static inline double stress_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void (*stress_fn)(void *);

static void stress_first(void *arg)
{
	struct gort_stats st;

	stress_fn(arg);
	/* Ends may be counted after what announces them. */
	do {
		gort_yield();
		gort_read_stats(&st);
	} while (st.live > 1);
	CHECK_EQ(st.live, 1);
}

/* Run fn(arg); when it returns no goroutine but the first may be left. */
static inline void stress_run(const char *name, void (*fn)(void *), void *arg)
{
	double start = stress_seconds();
	struct gort_stats st;

	stress_fn = fn;
	CHECK_EQ(gort_run(stress_first, arg), 0);
	gort_read_stats(&st);
	printf("# %s: %.1f s, %llu goroutines, %llu switches, %llu steals, %llu MiB of stack at its peak\n",
	       name, stress_seconds() - start,
	       (unsigned long long)st.goroutines,
	       (unsigned long long)st.switches,
	       (unsigned long long)st.steals,
	       (unsigned long long)st.stack_peak >> 20);
	fflush(stdout);
}

static inline int stress_done(const char *name)
{
	printf("1..1\nok 1 - %s\n", name);
	return 0;
}

#endif
