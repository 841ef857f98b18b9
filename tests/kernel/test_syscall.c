// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_syscall.c - calls that block the thread, announced.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"

static struct gort_waitgroup all;
static _Atomic int done;
static int fds[2];

static int setup(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "1", 1);
	memset(&all, 0, sizeof(all));
	atomic_store(&done, 0);
	assert_int_equal(pipe(fds), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(fds[0]);
	close(fds[1]);
	unsetenv("GORTMAXPROCS");
	return 0;
}

static void run(void (*fn)(void *))
{
	assert_int_equal(gort_run(fn, NULL), 0);
}

/* Blocks until somebody else has run, which takes the P. */
static void write_one(void *arg)
{
	(void)arg;
	CHECK_EQ(write(fds[1], "x", 1), 1);
	gort_waitgroup_done(&all);
}

static void read_one(void)
{
	char c = 0;

	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'x');
}

static void enter_and_exit(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(write_one, NULL), 0);
		errno = 77;
		gort_syscall_enter();
		read_one();
		gort_syscall_exit();
		CHECK_EQ(errno, 77);
		gort_waitgroup_wait(&all);
	}
}

static void test_p_goes_on(void **state)
{
	(void)state;
	run(enter_and_exit);
}

static void read_one_fn(void *arg)
{
	(void)arg;
	read_one();
}

static void blocking(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(write_one, NULL), 0);
		CHECK_EQ(gort_blocking(read_one_fn, NULL), 0);
		gort_waitgroup_wait(&all);
	}
	CHECK_EQ(gort_blocking(NULL, NULL), -EINVAL);
}

static void test_blocking(void **state)
{
	(void)state;
	run(blocking);
	assert_int_equal(gort_blocking(read_one_fn, NULL), -EPERM);
}

/*
 * Who takes the P has a thread that the runtime's own threads started, which
 * block all signals.  It must not: nobody could preempt it.
 */
static void write_mask(void *arg)
{
	sigset_t mask;

	CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
	CHECK_EQ(sigismember(&mask, SIGURG), 0);
	CHECK_EQ(sigismember(&mask, SIGWINCH), 1);
	write_one(arg);
}

static void call_once(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(write_mask, NULL), 0);
	gort_syscall_enter();
	read_one();
	gort_syscall_exit();
	gort_waitgroup_wait(&all);
}

/* Threads have the signal mask of the one that called gort_run(). */
static void test_signal_mask(void **state)
{
	sigset_t winch, old;

	(void)state;
	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &winch, &old), 0);
	run(call_once);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

/* Sanitizers make frames larger; the stack has 8 MiB. */
static __attribute__((noinline)) int deep(int n)
{
	volatile char frame[1024];

	memset((char *)frame, n, sizeof(frame));
	return n ? deep(n - 1) + (frame[n % 1024] == (char)n) : 0;
}

static void call_deep(void *arg)
{
	*(int *)arg = deep(5000);
}

static void deep_blocking(void *arg)
{
	int n = 0;

	(void)arg;
	CHECK_EQ(gort_blocking(call_deep, &n), 0);
	CHECK_EQ(n, 5000);
	/* On the goroutine's own stack it grows, without a P. */
	gort_syscall_enter();
	n = deep(20000);
	gort_syscall_exit();
	CHECK_EQ(n, 20000);
}

static void test_stack(void **state)
{
	(void)state;
	run(deep_blocking);
}

static void refused(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_go(read_one_fn, NULL), -EPERM);
	CHECK_EQ(gort_gomaxprocs(0), -EPERM);
	CHECK_EQ(gort_stack_shrink(), -EPERM);
	CHECK_EQ(gort_blocking(read_one_fn, NULL), -EPERM);
	CHECK_EQ(gort_systemstack_call(NULL, NULL), -EINVAL);
	CHECK_EQ(gort_goid(), 0);
}

static void refused_between(void *arg)
{
	gort_syscall_enter();
	refused(arg);
	gort_syscall_exit();
	CHECK_EQ(gort_blocking(refused, NULL), 0);
	CHECK_EQ(gort_goid(), 1);
}

static void test_refused(void **state)
{
	(void)state;
	run(refused_between);
}

static void yield_between(void *arg)
{
	(void)arg;
	gort_syscall_enter();
	gort_yield();
}

static void enter_twice(void *arg)
{
	(void)arg;
	gort_syscall_enter();
	gort_syscall_enter();
}

static void exit_only(void *arg)
{
	(void)arg;
	gort_syscall_exit();
}

static void run_child(void *fn)
{
	gort_run((void (*)(void *))fn, NULL);
}

static void test_fatal(void **state)
{
	(void)state;
	child_run(run_child, (void *)yield_between);
	child_expect_exit(2);
	child_expect_text("gort_yield called outside a goroutine");
	child_run(run_child, (void *)enter_twice);
	child_expect_exit(2);
	child_expect_text("gort_syscall_enter called outside a goroutine");
	child_run(run_child, (void *)exit_only);
	child_expect_exit(2);
	child_expect_text("gort_syscall_exit without gort_syscall_enter");
	child_run(exit_only, NULL);
	child_expect_exit(2);
}

/* More threads than Ps, each in a call that ends when all are. */
#define MANY	40

static _Atomic int inside;

static void call_with_all(void *arg)
{
	struct timespec ts = { .tv_nsec = 100000 };

	(void)arg;
	gort_syscall_enter();
	atomic_fetch_add(&inside, 1);
	while (atomic_load(&inside) < MANY)
		nanosleep(&ts, NULL);
	gort_syscall_exit();
	gort_waitgroup_done(&all);
}

static void many(void *arg)
{
	(void)arg;
	atomic_store(&inside, 0);
	gort_waitgroup_add(&all, MANY);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(gort_go(call_with_all, NULL), 0);
	gort_waitgroup_wait(&all);
}

static void test_many_at_once(void **state)
{
	(void)state;
	run(many);
	setenv("GORTMAXPROCS", "3", 1);
	run(many);
}

/* Short calls without end, and a goroutine that wants its turn. */
static void short_calls(void *arg)
{
	volatile char frame[300];

	(void)arg;
	while (!atomic_load(&done)) {
		gort_syscall_enter();
		frame[0] = 1;
		gort_syscall_exit();
		deep(1);
	}
	(void)frame[0];
	gort_waitgroup_done(&all);
}

static void wants_a_turn(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 2);
	CHECK_EQ(gort_go(short_calls, NULL), 0);
	CHECK_EQ(gort_go(short_calls, NULL), 0);
	for (int i = 0; i < 10; i++)
		gort_yield();
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
}

static void test_short_calls_are_preempted(void **state)
{
	(void)state;
	run(wants_a_turn);
}

/* The world stops while goroutines are in calls, and they stay there. */
static void long_call(void *arg)
{
	struct timespec ts = { .tv_nsec = 1000000 };

	(void)arg;
	while (!atomic_load(&done)) {
		gort_syscall_enter();
		CHECK_EQ(nanosleep(&ts, NULL), 0);
		gort_syscall_exit();
	}
	gort_waitgroup_done(&all);
}

static void stop_often(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(gort_go(long_call, NULL), 0);
	for (int i = 0; i < mode_times(300); i++)
		CHECK_LE(1, gort_gomaxprocs(1 + i % 4));
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
}

static void test_stopping_the_world(void **state)
{
	(void)state;
	run(stop_often);
}

static void sleep_for_ever(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 1);
	gort_waitgroup_wait(&all);
}

static void call_then_wait(void *arg)
{
	struct timespec ts = { .tv_nsec = 50000000 };

	gort_syscall_enter();
	nanosleep(&ts, NULL);
	gort_syscall_exit();
	sleep_for_ever(arg);
}

/* Who is in a call may come back: no deadlock before that. */
static void spawn_and_wait(void *arg)
{
	CHECK_EQ(gort_go(call_then_wait, NULL), 0);
	sleep_for_ever(arg);
}

static void test_deadlock(void **state)
{
	(void)state;
	child_run(run_child, (void *)spawn_and_wait);
	child_expect_exit(2);
	child_expect_text("all goroutines are asleep");
	child_expect_text("call_then_wait");
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_p_goes_on),
		TEST(test_blocking),
		TEST(test_signal_mask),
		TEST(test_stack),
		TEST(test_refused),
		TEST(test_fatal),
		TEST(test_many_at_once),
		TEST(test_short_calls_are_preempted),
		TEST(test_stopping_the_world),
		TEST(test_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
