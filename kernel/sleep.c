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

static s64 time_after(s64 ns)
{
	return time_add(nanotime(), ns > 0 ? ns : 0);
}

/*
 * Sleeping.
 */

static void __systemstack wake_sleeper(void *arg)
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
	/* No yield between the start and the end of sched_park(): whoever
	 * runs the timer waits for that. */
	acquirem();
	timer_start_at(&t, time_after(ns));
	sched_park(NULL, WAIT_SLEEP);
}

/*
 * Timers.
 */

struct user_timer {
	struct timer timer;
	void (*fn)(void *);
	void *arg;
	s64 when, period;	/* owned by fire(), or who has stopped it */
};

_Static_assert(sizeof(struct user_timer) <= sizeof(struct gort_timer),
	       "struct gort_timer is too small");

/* Once the goroutine is there the timer's memory may go away. */
static void __systemstack fire(void *arg)
{
	struct user_timer *t = arg;

	if (t->period) {
		t->when += (nanotime() - t->when) / t->period * t->period;
		t->when = time_add(t->when, t->period);
		timer_start_at(&t->timer, t->when);
	}
	if (sched_spawn(t->fn, t->arg, 0, 0))
		fatal("no memory for the goroutine of a timer");
}

__public int gort_timer_init(struct gort_timer *opaque, void (*fn)(void *),
			     void *arg)
{
	struct user_timer *t = (struct user_timer *)opaque;

	if (!t || !fn)
		return -EINVAL;
	*t = (struct user_timer){ .fn = fn, .arg = arg };
	timer_init(&t->timer, fire, t);
	return 0;
}

/* Returns whether it was pending, or -errno. */
static int start(struct gort_timer *opaque, s64 ns, s64 period)
{
	struct user_timer *t = (struct user_timer *)opaque;
	int was_pending;

	if (!in_goroutine())
		return -EPERM;
	if (!t || !t->fn || period < 0)
		return -EINVAL;
	was_pending = timer_stop(&t->timer);
	t->when = time_after(ns);
	t->period = period;
	timer_start_at(&t->timer, t->when);
	return was_pending;
}

__public int gort_timer_start(struct gort_timer *t, int64_t ns,
			      int64_t period_ns)
{
	int ret = start(t, ns, period_ns);

	return ret < 0 ? ret : 0;
}

__public int gort_timer_reset(struct gort_timer *t, int64_t ns,
			      int64_t period_ns)
{
	return start(t, ns, period_ns);
}

__public int gort_timer_stop(struct gort_timer *t)
{
	if (!in_goroutine())
		return -EPERM;
	if (!t)
		return -EINVAL;
	return timer_stop(&((struct user_timer *)t)->timer);
}
