// SPDX-License-Identifier: ISC
/*
 * kernel/sleep.c - what the user sees of timers.
 */
#include <gort/gort.h>

#include <stdlib.h>

#include "kernel/chan.h"
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

/*
 * Channels that get the time.
 */

static void __systemstack send_time(void *arg)
{
	struct gort_chan *c = arg;
	s64 now = nanotime();

	chan_lock(c);
	if (chan_send_now(c, &now) == -EAGAIN)
		unlock(&c->lock);	/* the user has sent something */
}

__public struct gort_chan *gort_after(int64_t ns)
{
	struct gort_chan *c;
	struct timer *t;

	if (!in_goroutine())
		return NULL;
	t = malloc(sizeof(*t));
	c = gort_chan_new(sizeof(s64), 1);
	if (!t || !c) {
		free(t);
		free(c);
		return NULL;
	}
	timer_init(t, send_time, c);
	c->timer = t;
	timer_start_at(t, time_after(ns));
	return c;
}

/* The channel of t is to be freed. */
void after_free(struct timer *t)
{
	if (in_goroutine())
		timer_stop(t);
	else if (timer_active(t))
		fatal("gort_chan_free of a channel of gort_after() outside a goroutine");
	free(t);
}
