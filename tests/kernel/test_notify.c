// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_notify.c - signals as values of channels.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

#include "child.h"
#include "kernel/check.h"

/* Those that signals go to until the run ends. */
static struct gort_chan *left[100];
static int nleft;

static struct gort_chan *signals(size_t room)
{
	struct gort_chan *c = gort_chan_new(sizeof(int), room);

	CHECK_NE(c, 0);
	return c;
}

static struct gort_chan *signals_left(size_t room)
{
	return left[nleft++] = signals(room);
}

static void free_left(void)
{
	while (nleft)
		gort_chan_free(left[--nleft]);
}

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
	free_left();
}

static int receive(struct gort_chan *c)
{
	int sig = 0;

	CHECK_EQ(gort_chan_recv(c, &sig), 0);
	return sig;
}

static void receive_some(void *arg)
{
	struct gort_chan *c = signals(4);

	(void)arg;
	CHECK_EQ(gort_signal_notify(c, SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(c, SIGTERM), 0);
	for (int i = 0; i < mode_times(1000); i++) {
		int sig = i % 2 ? SIGUSR1 : SIGTERM;

		kill(getpid(), sig);
		CHECK_EQ(receive(c), sig);
	}
	CHECK_EQ(gort_signal_stop(c, SIGUSR1), 0);
	CHECK_EQ(gort_signal_stop(c, SIGTERM), 0);
	CHECK_EQ(gort_chan_free(c), 0);
}

static void test_receive(void **state)
{
	(void)state;
	run(receive_some, NULL);
	run(receive_some, NULL);
}

/* Two channels hear of a signal, and one channel of two. */
static void receive_on_two(void *arg)
{
	struct gort_chan *a = signals(1), *b = signals(1);

	(void)arg;
	CHECK_EQ(gort_signal_notify(a, SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(b, SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(b, SIGUSR2), 0);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(receive(a), SIGUSR1);
	CHECK_EQ(receive(b), SIGUSR1);
	CHECK_EQ(gort_signal_stop(b, SIGUSR1), 0);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(receive(a), SIGUSR1);
	kill(getpid(), SIGUSR2);
	CHECK_EQ(receive(b), SIGUSR2);
	CHECK_EQ(gort_chan_len(b), 0);
	CHECK_EQ(gort_signal_stop(a, SIGUSR1), 0);
	CHECK_EQ(gort_signal_stop(b, SIGUSR2), 0);
	CHECK_EQ(gort_chan_free(a), 0);
	CHECK_EQ(gort_chan_free(b), 0);
}

static void test_two_channels(void **state)
{
	(void)state;
	run(receive_on_two, NULL);
}

static _Atomic int nhandled;

static void count_it(int sig)
{
	(void)sig;
	nhandled++;
}

/* The handler from before is back after the stop, or the run's end. */
static void stop_one(void *arg)
{
	struct gort_chan *c = signals_left(1);

	(void)arg;
	CHECK_EQ(gort_signal_notify(c, SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(c, SIGUSR2), 0);
	raise(SIGUSR1);
	CHECK_EQ(receive(c), SIGUSR1);
	CHECK_EQ(nhandled, 0);
	CHECK_EQ(gort_signal_stop(c, SIGUSR1), 0);
	raise(SIGUSR1);
	CHECK_EQ(nhandled, 1);
}

static void test_handlers_restored(void **state)
{
	struct sigaction sa = { .sa_handler = count_it, .sa_flags = SA_ONSTACK };

	(void)state;
	nhandled = 0;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	run(stop_one, NULL);
	assert_int_equal(nhandled, 1);
	raise(SIGUSR2);
	assert_int_equal(nhandled, 2);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
}

/* Nobody receives: the rest is dropped, nobody waits. */
static void overflow(void *arg)
{
	struct gort_chan *full = signals_left(1), *c = signals_left(1);

	(void)arg;
	CHECK_EQ(gort_signal_notify(full, SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(c, SIGUSR1), 0);
	for (int i = 0; i < 10; i++) {
		raise(SIGUSR1);
		CHECK_EQ(receive(c), SIGUSR1);
	}
	CHECK_EQ(gort_chan_len(full), 1);
}

static void test_overflow(void **state)
{
	(void)state;
	run(overflow, NULL);
}

static void check_errors(void *arg)
{
	struct gort_chan *c = signals_left(1), *wide = gort_chan_new(8, 1);
	static const int bad[] = { 0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV,
				   SIGBUS, SIGURG };

	(void)arg;
	CHECK_EQ(gort_signal_notify(NULL, SIGUSR1), -EINVAL);
	CHECK_EQ(gort_signal_notify(wide, SIGUSR1), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(gort_signal_notify(c, bad[i]), -EINVAL);
	CHECK_EQ(gort_signal_stop(c, SIGUSR1), -ENOENT);
	CHECK_EQ(gort_signal_notify(c, SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(c, SIGUSR1), -EALREADY);
	for (int i = 0; i < 63; i++)
		CHECK_EQ(gort_signal_notify(signals_left(1), SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(signals_left(1), SIGUSR1), -ENOSPC);
	CHECK_EQ(gort_signal_stop(c, SIGUSR1), 0);
	CHECK_EQ(gort_signal_notify(c, SIGUSR2), 0);
	CHECK_EQ(gort_chan_free(wide), 0);
}

static void test_errors(void **state)
{
	(void)state;
	run(check_errors, NULL);
	assert_int_equal(gort_signal_notify(NULL, SIGUSR1), -EPERM);
	assert_int_equal(gort_signal_stop(NULL, SIGUSR1), -EPERM);
}

/* Waiting for a signal is no deadlock. */
static void wait_for_alarm(void *arg)
{
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	struct gort_chan *c = signals(1);

	(void)arg;
	CHECK_EQ(gort_signal_notify(c, SIGALRM), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
	CHECK_EQ(receive(c), SIGALRM);
	CHECK_EQ(gort_signal_stop(c, SIGALRM), 0);
	CHECK_EQ(gort_chan_free(c), 0);
}

static void test_waiting_is_no_deadlock(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		run(wait_for_alarm, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_two_channels),
		cmocka_unit_test(test_handlers_restored),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_waiting_is_no_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
