// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_preempt.c - a million goroutines stopped at any
 * instruction, their stacks shrunk, and started again.
 *
 * Goroutines that compute without calls, and recurse now and then, while
 * others suspend all of them again and again.  What they compute is known.
 */
#include "stress/stress.h"
#include "stress/signals.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "kernel/spin.h"

#define NSPIN		6
#define NSHAKE		2
#define SUSPENSIONS	1000000
#define CHURN		2000
#define DEPTH		40

static _Atomic int done;
static _Atomic long rounds, given_back;
static struct gort_waitgroup all;
static struct churn expected[NSPIN];
static __thread int where;

static void churn_start(struct churn *c, int i)
{
	*c = (struct churn){ .x = (uint64_t)i + 1, .d = i, .l = i };
	churn(c, CHURN);
}

static __attribute__((noinline)) uint64_t recurse(int depth, uint64_t x)
{
	volatile uint64_t frame[128];

	for (int i = 0; i < 128; i++)
		frame[i] = x + (uint64_t)i;
	if (depth)
		x = recurse(depth - 1, x + 1);
	for (int i = 1; i < 128; i++)
		CHECK_EQ(frame[i] - frame[i - 1], 1);
	return x + 1;
}

/* No stack check inside, so the thread stays the same. */
static void stay(int i)
{
	int *here = &where, tid = thread_id();

	*here = i + 1;
	spin_times(3000);
	CHECK_EQ(*here, i + 1);
	CHECK_EQ(thread_id(), tid);
	where = 0;
}

static void spinner(void *arg)
{
	int i = (int)(long)arg;
	struct churn c;

	while (!peek(&done)) {
		errno = 1000 + i;
		churn_start(&c, i);
		CHECK_EQ(errno, 1000 + i);
		CHECK_EQ(c.x, expected[i].x);
		CHECK_EQ(c.d == expected[i].d, 1);
		CHECK_EQ(c.l == expected[i].l, 1);
		stay(i);
		CHECK_EQ(recurse(DEPTH, 5), 5 + 2 * DEPTH + 1);
		atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed);
	}
	gort_waitgroup_done(&all);
}

/* Each suspends everybody but itself. */
static void shaker(void *arg)
{
	long n = *(long *)arg / (NSPIN + NSHAKE) / NSHAKE + 1;

	for (; n; n--) {
		int64_t bytes = gort_stack_shrink();

		CHECK_LE(0, bytes);
		atomic_fetch_add_explicit(&given_back, bytes,
					  memory_order_relaxed);
	}
	gort_waitgroup_done(&all);
}

static void shake(void *arg)
{

	gort_waitgroup_add(&all, NSHAKE);
	for (long i = 0; i < NSPIN; i++)
		CHECK_EQ(gort_go(spinner, (void *)i), 0);
	for (int i = 0; i < NSHAKE; i++)
		CHECK_EQ(gort_go(shaker, arg), 0);
	gort_waitgroup_wait(&all);
	gort_waitgroup_add(&all, NSPIN);
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
}

int main(void)
{
	long n = stress_long_count(SUSPENSIONS);

	for (int i = 0; i < NSPIN; i++)
		churn_start(&expected[i], i);
	/* More than shakers: they find others running. */
	setenv("GORTMAXPROCS", "3", 1);
	signals_start();
	stress_run("suspended", shake, &n);
	signals_stop();
	printf("# %ld suspensions, %ld rounds, %ld KiB given back\n", n,
	       atomic_load(&rounds), atomic_load(&given_back) >> 10);
	CHECK_LT(0, atomic_load(&rounds));
	return stress_done("stress_preempt");
}
