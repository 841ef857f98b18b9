// SPDX-License-Identifier: ISC
/*
 * kernel/sleep.c - what the user sees of timers.
 */
#include <gort/gort.h>

#include "kernel/sched.h"
#include "kernel/timer.h"

__public int64_t gort_now_ns(void)
{
	return nanotime();
}

static void wake_sleeper(void *arg)
{
	sched_ready(arg);
}

__public void gort_sleep_ns(int64_t ns)
{
	struct timer t;

	need_goroutine("gort_sleep_ns");
	if (ns <= 0) {
		sched_yield_g();
		return;
	}
	timer_init(&t, wake_sleeper, getg());
	acquirem();
	timer_start_at(&t, time_after(ns));
	/* May have been readied by now: sched_ready() waits for us. */
	sched_park(NULL, WAIT_SLEEP);
}
