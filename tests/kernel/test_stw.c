// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_stw.c - the world stopped.
 */
#include <gort/gort.h>

#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"
#include "kernel/stw.h"
#include "kernel/time.h"

#define NLOAD	6

static _Atomic int done;
static _Atomic long counters[NLOAD + 1];
static struct gort_waitgroup all;

static int setup(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "4", 1);
	atomic_store(&done, 0);
	memset(&all, 0, sizeof(all));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unsetenv("GORTMAXPROCS");
	return 0;
}

/* Even ones without a stack check, every third on its thread. */
static void load(void *arg)
{
	long i = (long)arg;

	if (i % 3 == 0)
		gort_lock_os_thread();
	while (!peek(&done)) {
		atomic_fetch_add_explicit(&counters[i], 1,
					  memory_order_relaxed);
		if (i % 2)
			gort_yield();
	}
	gort_waitgroup_done(&all);
}

static void start_load(void)
{
	gort_waitgroup_add(&all, NLOAD);
	for (long i = 0; i < NLOAD; i++)
		CHECK_EQ(gort_go(load, (void *)i), 0);
}

static void stop_load(void)
{
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
}

static long sum(void)
{
	long n = 0;

	for (int i = 0; i <= NLOAD; i++)
		n += atomic_load(&counters[i]);
	return n;
}

static void expect_still(void)
{
	s64 until = nanotime() + 200000;
	long before;

	stw_begin(STW_TEST);
	before = sum();
	while (nanotime() < until)
		;
	CHECK_EQ(sum(), before);
	stw_end();
}

static void still(void *arg)
{
	struct gort_pause before, after;
	int n = mode_times(300);
	long first;

	(void)arg;
	CHECK_EQ(gort_read_pause(STW_TEST, &before), 0);
	start_load();
	first = sum();
	for (int i = 0; i < n; i++)
		expect_still();
	CHECK_EQ(gort_read_pause(STW_TEST, &after), 0);
	CHECK_EQ(after.count - before.count, n);
	CHECK_EQ(strcmp(after.reason, "test"), 0);
	CHECK_LE(before.stop_ns, after.stop_ns);
	CHECK_LE(after.stop_max_ns, after.total_max_ns);
	CHECK_LE(after.stop_ns, after.total_ns);
	while (sum() == first)
		gort_yield();
	stop_load();
}

static void test_nobody_runs(void **state)
{
	(void)state;
	assert_int_equal(gort_run(still, NULL), 0);
	setup(state);
	setenv("GORTMAXPROCS", "1", 1);
	assert_int_equal(gort_run(still, NULL), 0);
}

static void stopper(void *arg)
{
	(void)arg;
	for (int i = 0; i < mode_times(100); i++)
		expect_still();
	gort_waitgroup_done(&all);
}

static void stop_in_turn(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(gort_go(stopper, NULL), 0);
	gort_waitgroup_wait(&all);
	start_load();
	gort_waitgroup_add(&all, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(gort_go(stopper, NULL), 0);
	for (int i = 0; i < 20; i++)
		expect_still();
	stop_load();
}

static void test_many_stoppers(void **state)
{
	(void)state;
	assert_int_equal(gort_run(stop_in_turn, NULL), 0);
}

/* The run ends while others stop the world, over and over. */
static void stop_for_ever(void *arg)
{
	(void)arg;
	for (;;) {
		stw_begin(STW_TEST);
		stw_end();
	}
}

static void end_meanwhile(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(gort_go(stop_for_ever, NULL), 0);
	for (int i = 0; i < 3; i++)
		gort_yield();
}

static void test_run_ends(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(200); i++)
		assert_int_equal(gort_run(end_meanwhile, NULL), 0);
}

static void changer(void *arg)
{
	unsigned int seed = (unsigned int)(long)arg;

	for (int i = 0; i < mode_times(500); i++) {
		int old = gort_gomaxprocs(1 + (int)(rand_r(&seed) % 8));

		CHECK_LE(1, old);
		CHECK_LE(old, 8);
	}
	gort_waitgroup_done(&all);
}

static void change_procs(void *arg)
{
	struct gort_stats st;

	(void)arg;
	start_load();
	gort_waitgroup_add(&all, 2);
	CHECK_EQ(gort_go(changer, (void *)1), 0);
	CHECK_EQ(gort_go(changer, (void *)2), 0);
	do {
		gort_yield();
		gort_read_stats(&st);
		CHECK_LE(st.procs, 8);
	} while (st.live > NLOAD + 1);
	stop_load();
	CHECK_EQ(gort_gomaxprocs(3), (int)st.procs);
	CHECK_EQ(gort_gomaxprocs(0), 3);
	CHECK_EQ(gort_gomaxprocs(-5), 3);
	CHECK_EQ(gort_gomaxprocs(1025), -EINVAL);
	CHECK_EQ(gort_gomaxprocs(1024), 3);
	CHECK_EQ(gort_gomaxprocs(1), 1024);
}

static void test_gomaxprocs(void **state)
{
	(void)state;
	assert_int_equal(gort_gomaxprocs(1), -EPERM);
	assert_int_equal(gort_run(change_procs, NULL), 0);
}

static void test_read_pause(void **state)
{
	struct gort_pause p;

	(void)state;
	assert_int_equal(gort_read_pause(NR_STW_REASONS, &p), -ENOENT);
	assert_int_equal(gort_read_pause(0, NULL), -EINVAL);
	assert_int_equal(gort_read_pause(STW_MAXPROCS, &p), 0);
	assert_string_equal(p.reason, "GOMAXPROCS");
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_runs),
		TEST(test_many_stoppers),
		TEST(test_run_ends),
		TEST(test_gomaxprocs),
		TEST(test_read_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
