// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_lockthread.c - goroutines that keep their thread.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"

#define ROUNDS	1000

static struct gort_waitgroup all;
static struct gort_chan *ping, *pong;

static void run(void (*fn)(void *), const char *procs)
{
	memset(&all, 0, sizeof(all));
	setenv("GORTMAXPROCS", procs, 1);
	assert_int_equal(gort_run(fn, NULL), 0);
	unsetenv("GORTMAXPROCS");
}

static void run_all(void (*fn)(void *))
{
	run(fn, "1");
	run(fn, "2");
	run(fn, "4");
}

static void other(void *arg)
{
	(void)arg;
	for (int i = 0; i < mode_times(ROUNDS); i++)
		gort_yield();
	gort_waitgroup_done(&all);
}

static void yielding(void *arg)
{
	int tid;

	gort_lock_os_thread();
	gort_lock_os_thread();
	tid = thread_id();
	gort_unlock_os_thread();
	for (int i = 0; i < mode_times(ROUNDS); i++) {
		gort_yield();
		CHECK_EQ(thread_id(), tid);
	}
	gort_unlock_os_thread();
	other(arg);
}

static void yield_all(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 9);
	for (int i = 0; i < 9; i++)
		CHECK_EQ(gort_go(i % 3 ? other : yielding, NULL), 0);
	gort_waitgroup_wait(&all);
}

static void test_yield(void **state)
{
	(void)state;
	run_all(yield_all);
}

static void player(void *arg)
{
	struct gort_chan *from = arg ? ping : pong, *to = arg ? pong : ping;
	int tid, n;

	gort_lock_os_thread();
	tid = thread_id();
	for (int i = 0; i < mode_times(ROUNDS); i++) {
		if (!arg)
			CHECK_EQ(gort_chan_send(to, &i), 0);
		CHECK_EQ(gort_chan_recv(from, &n), 0);
		CHECK_EQ(n, i);
		if (arg)
			CHECK_EQ(gort_chan_send(to, &i), 0);
		CHECK_EQ(thread_id(), tid);
	}
	gort_waitgroup_done(&all);
	/* Ends locked. */
}

static void play(void *arg)
{
	(void)arg;
	ping = gort_chan_new(sizeof(int), 0);
	pong = gort_chan_new(sizeof(int), 0);
	gort_waitgroup_add(&all, 2);
	CHECK_EQ(gort_go(player, NULL), 0);
	CHECK_EQ(gort_go(player, &all), 0);
	gort_waitgroup_wait(&all);
	gort_chan_free(ping);
	gort_chan_free(pong);
}

static void test_ping_pong(void **state)
{
	(void)state;
	run_all(play);
}

static void lock_and_exit(void *arg)
{
	(void)arg;
	gort_lock_os_thread();
	gort_yield();
	gort_waitgroup_done(&all);
	gort_exit();
}

/* Their threads are good for others afterwards. */
static void exit_all(void *arg)
{
	struct gort_stats st;

	(void)arg;
	for (int i = 0; i < mode_times(ROUNDS); i++) {
		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(lock_and_exit, NULL), 0);
		gort_waitgroup_wait(&all);
	}
	gort_read_stats(&st);
	CHECK_LE(st.threads, 30);
}

static void test_exit_locked(void **state)
{
	(void)state;
	run_all(exit_all);
}

/* The first goroutine keeps the thread that called gort_run(), and ends so. */
static int main_tid;

static void stay_first(void *arg)
{
	gort_lock_os_thread();
	main_tid = thread_id();
	yield_all(arg);
	CHECK_EQ(thread_id(), main_tid);
}

static void test_first(void **state)
{
	(void)state;
	run_all(stay_first);
	assert_int_equal(thread_id(), getpid());
}

static void unlock_too_many(void *arg)
{
	(void)arg;
	gort_lock_os_thread();
	gort_unlock_os_thread();
	gort_unlock_os_thread();
}

static void block_locked(void *arg)
{
	gort_lock_os_thread();
	gort_waitgroup_add(&all, 1);
	gort_waitgroup_wait(&all);
	(void)arg;
}

static void deadlock_locked(void *arg)
{
	CHECK_EQ(gort_go(block_locked, NULL), 0);
	CHECK_EQ(gort_go(block_locked, NULL), 0);
	block_locked(arg);
}

static void run_child(void *fn)
{
	gort_run((void (*)(void *))fn, NULL);
}

static void call_lock(void *arg)
{
	(void)arg;
	gort_lock_os_thread();
}

static void test_fatal(void **state)
{
	(void)state;
	child_run(run_child, (void *)unlock_too_many);
	child_expect_exit(2);
	child_expect_text("gort_unlock_os_thread without gort_lock_os_thread");
	child_run(run_child, (void *)deadlock_locked);
	child_expect_exit(2);
	child_expect_text("all goroutines are asleep");
	child_run(call_lock, NULL);
	child_expect_exit(2);
	child_expect_text("gort_lock_os_thread called outside a goroutine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_ping_pong),
		cmocka_unit_test(test_exit_locked),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
