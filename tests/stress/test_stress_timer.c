// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_timer.c - many sleepers, timers stopped by others
 * at the moment they run, and a million timers.
 */
#include "stress/stress.h"

#include <stdatomic.h>

static struct gort_waitgroup all;

static uint64_t rand_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* --- sleepers: each sleeps some times, never too short --- */

#define SLEEPS	10

static atomic_long slept;

static void sleep_often(void *arg)
{
	uint64_t seed = (uint64_t)(long)arg + 1;

	for (int i = 0; i < SLEEPS; i++) {
		int64_t ns = (int64_t)(rand_next(&seed) % 3000000);
		int64_t start = gort_now_ns();

		gort_sleep_ns(ns);
		CHECK_LE(start + ns, gort_now_ns());
		atomic_fetch_add_explicit(&slept, 1, memory_order_relaxed);
	}
	gort_waitgroup_done(&all);
}

static void sleepers(void *arg)
{
	long n = *(long *)arg;

	gort_waitgroup_add(&all, n);
	for (long i = 0; i < n; i++)
		CHECK_EQ(gort_go(sleep_often, (void *)i), 0);
	gort_waitgroup_wait(&all);
	CHECK_EQ(atomic_load(&slept), SLEEPS * n);
}

/* --- one starts a timer, two others stop it; it ends once each time --- */

struct contest {
	struct gort_timer timer;
	atomic_long ended;	/* has run or was stopped */
	atomic_bool over;
	struct gort_waitgroup stoppers;
	long rounds;
};

static atomic_long starts, runs, stops;

static void timer_runs(void *arg)
{
	struct contest *c = arg;

	atomic_fetch_add(&runs, 1);
	atomic_fetch_add(&c->ended, 1);
}

static void stop_again_and_again(void *arg)
{
	struct contest *c = arg;

	while (!atomic_load(&c->over)) {
		int stopped = gort_timer_stop(&c->timer);

		CHECK_LE(0, stopped);
		atomic_fetch_add(&stops, stopped);
		atomic_fetch_add(&c->ended, stopped);
		gort_yield();
	}
	gort_waitgroup_done(&c->stoppers);
}

static void contest(void *arg)
{
	struct contest c = { .rounds = (long)arg };
	uint64_t seed = gort_goid();

	CHECK_EQ(gort_timer_init(&c.timer, timer_runs, &c), 0);
	gort_waitgroup_add(&c.stoppers, 2);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(gort_go(stop_again_and_again, &c), 0);
	for (long i = 0; i < c.rounds; i++) {
		int64_t ns = (int64_t)(rand_next(&seed) % 3000);

		CHECK_EQ(gort_timer_reset(&c.timer, ns, 0), 0);
		atomic_fetch_add(&starts, 1);
		while (atomic_load(&c.ended) <= i)
			gort_yield();
		CHECK_EQ(atomic_load(&c.ended), i + 1);
	}
	atomic_store(&c.over, true);
	gort_waitgroup_wait(&c.stoppers);
	CHECK_EQ(atomic_load(&c.ended), c.rounds);
	gort_waitgroup_done(&all);
}

static void contests(void *arg)
{
	long rounds = *(long *)arg;

	gort_waitgroup_add(&all, 16);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(gort_go(contest, (void *)rounds), 0);
	gort_waitgroup_wait(&all);
	CHECK_EQ(atomic_load(&starts), 16 * rounds);
	CHECK_EQ(atomic_load(&runs) + atomic_load(&stops), 16 * rounds);
	printf("# %ld timers ran, %ld were stopped\n", atomic_load(&runs),
	       atomic_load(&stops));
}

/* --- a million pending at once; every third is stopped, the others run --- */

static atomic_long ran;

static void count(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
	gort_waitgroup_done(&all);
}

static void million(void *arg)
{
	long n = *(long *)arg, stopped = 0;
	struct gort_timer *t = calloc((size_t)n, sizeof(*t));
	int64_t base = gort_now_ns() + 1000000000;
	uint64_t seed = 1;

	if (!t)
		abort();
	gort_waitgroup_add(&all, n);
	for (long i = 0; i < n; i++) {
		int64_t at = base + (int64_t)(rand_next(&seed) % 1000000000);

		CHECK_EQ(gort_timer_init(&t[i], count, NULL), 0);
		CHECK_EQ(gort_timer_start(&t[i], at - gort_now_ns(), 0), 0);
	}
	for (long i = 0; i < n; i += 3)
		stopped += gort_timer_stop(&t[i]);
	gort_waitgroup_add(&all, -stopped);
	gort_waitgroup_wait(&all);
	CHECK_EQ(atomic_load(&ran) + stopped, n);
	for (long i = 0; i < n; i++)
		CHECK_EQ(gort_timer_stop(&t[i]), 0);
	printf("# of %ld timers %ld were stopped\n", n, stopped);
	free(t);
}

int main(void)
{
	long n = stress_live(100000);

	stress_run("sleepers", sleepers, &n);
	n = stress_count(20000);
	stress_run("contests", contests, &n);
	n = stress_live(1000000);
	stress_run("million", million, &n);
	return stress_done("timer");
}
