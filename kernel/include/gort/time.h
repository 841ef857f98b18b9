/* SPDX-License-Identifier: ISC */
/*
 * gort/time.h - sleeping and timers.  Included by <gort/gort.h>.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.  Nothing happens early; how late
 * depends on how soon a processor is free.  Times out of range saturate: the
 * largest is never.
 */
#ifndef GORT_TIME_H
#define GORT_TIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gort_chan;

/* Now.  Context: any, also signal handlers. */
int64_t gort_now_ns(void);

/*
 * gort_sleep_ns - block the calling goroutine for ns nanoseconds at least;
 * ns <= 0 is gort_yield().
 * Context: goroutine; anywhere else a fatal error.
 */
void gort_sleep_ns(int64_t ns);

/*
 * A timer starts a goroutine when its time has come, once or periodically.
 * The memory is the caller's.  It may go away when the timer has run for the
 * last time, and after gort_timer_stop().
 *
 * Stopping is allowed at any time, while others start it, too; but no two
 * goroutines may start or reset a timer at the same time.
 *
 * A timer that is pending when its run ends is no more; it can be started
 * again in the next.
 */
struct gort_timer {
	uint64_t opaque[10];
};

/*
 * gort_timer_init - a timer that calls fn(arg), each time in a goroutine of
 * its own.  Not while it is pending.
 * Context: any.  Returns 0, or -EINVAL (t or fn is NULL).
 */
int gort_timer_init(struct gort_timer *t, void (*fn)(void *), void *arg);

/*
 * gort_timer_start - call fn in ns nanoseconds (ns <= 0: at once) and, unless
 * period_ns is 0, again every period_ns after that.  A timer that is pending
 * starts anew.
 * gort_timer_reset - the same, and tells whether it was pending.
 *
 * Periods keep step with the first time and are left out when nobody came to
 * start the goroutine in time.  A goroutine that takes longer than a period
 * runs beside the next one.
 *
 * When the time has come and there is no memory for a goroutine, that is a
 * fatal error, and so is none for the timer itself.
 *
 * Context: goroutine.  Does not block.
 * Returns 0; gort_timer_reset() 1 if the timer was pending; -EINVAL (t is
 * NULL or was not initialised, period_ns < 0), -EPERM.
 */
int gort_timer_start(struct gort_timer *t, int64_t ns, int64_t period_ns);
int gort_timer_reset(struct gort_timer *t, int64_t ns, int64_t period_ns);

/*
 * gort_timer_stop - no more calls of fn; one that has begun goes on.
 * Context: goroutine.  Does not block.
 * Returns 1 if the timer was pending; 0 if not, so fn was called before, or
 * it was never started; -EINVAL (NULL), -EPERM.
 */
int gort_timer_stop(struct gort_timer *t);

/*
 * gort_after - a channel that receives one element, an int64_t with the time
 * it was then, in ns nanoseconds (ns <= 0: at once).  For a time limit in
 * gort_select().
 *
 * The channel is the caller's, who gives it back by gort_chan_free() in a
 * goroutine, at any time: before the time has come, and whether or not it
 * was received.
 *
 * Context: goroutine.  Does not block.
 * Returns NULL when out of memory, or outside a goroutine.
 */
struct gort_chan *gort_after(int64_t ns);

#ifdef __cplusplus
}
#endif

#endif
