/* SPDX-License-Identifier: ISC */
/*
 * tests/stress/signals.h - SIGALRM a thousand times a second, to whatever
 * thread takes it, with a handler of the program's that counts.
 */
#ifndef TESTS_STRESS_SIGNALS_H
#define TESTS_STRESS_SIGNALS_H

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

static _Atomic long signals_taken;

static void signals_handler(int sig)
{
	(void)sig;
	atomic_fetch_add_explicit(&signals_taken, 1, memory_order_relaxed);
}

static inline void signals_timer(long us)
{
	struct itimerval it = {
		.it_interval.tv_usec = us,
		.it_value.tv_usec = us,
	};

	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
}

static inline void signals_start(void)
{
	struct sigaction sa = {
		.sa_handler = signals_handler,
		.sa_flags = SA_ONSTACK | SA_RESTART,
	};

	CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	signals_timer(mode_emulated() ? 20000 : 1000);
}

static inline void signals_stop(void)
{
	signals_timer(0);
	printf("# %ld signals\n", atomic_load(&signals_taken));
	CHECK_LT(0, atomic_load(&signals_taken));
}

#endif
