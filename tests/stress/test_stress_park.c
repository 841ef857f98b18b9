// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_park.c - a million goroutines parked at once,
 * then all of them run.
 */
#include "stress/stress.h"

#include <stdatomic.h>

static struct gort_chan *gate;
static struct gort_waitgroup all;
static _Atomic long arrived, sum;

static void park(void *arg)
{
	long v = (long)arg;

	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
	CHECK_EQ(gort_chan_recv(gate, NULL), -EPIPE);
	atomic_fetch_add_explicit(&sum, v, memory_order_relaxed);
	gort_waitgroup_done(&all);
}

static void park_all(void *arg)
{
	struct gort_stats st;
	long n = *(long *)arg;

	gate = gort_chan_new(0, 0);
	gort_waitgroup_add(&all, n);
	for (long i = 0; i < n; i++)
		CHECK_EQ(gort_go(park, (void *)i), 0);
	while (atomic_load(&arrived) < n)
		gort_yield();
	gort_read_stats(&st);
	CHECK_EQ(st.goroutines, n + 1);
	CHECK_EQ(st.live, n + 1);
	CHECK_EQ(atomic_load(&sum), 0);
	CHECK_EQ(gort_chan_close(gate), 0);
	gort_waitgroup_wait(&all);
	CHECK_EQ(atomic_load(&sum), n * (n - 1) / 2);
	CHECK_EQ(gort_chan_free(gate), 0);
}

static void run(long n)
{
	atomic_store(&arrived, 0);
	atomic_store(&sum, 0);
	stress_run("park", park_all, &n);
}

/* The second time with slots that were used and given back. */
int main(void)
{
	run(stress_live(1000000));
	run(stress_live(100000));
	return stress_done("park");
}
