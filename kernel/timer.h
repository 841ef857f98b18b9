/* SPDX-License-Identifier: ISC */
/*
 * kernel/timer.h - timers, in one heap per P.
 */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include <stdatomic.h>

#include "kernel/lock.h"
#include "kernel/time.h"

struct p;

/*
 * A function to be called once at a time.  Lies anywhere: in a frame, in
 * another object.  Private to timer.c.
 */
struct timer {
	void (*fn)(void *arg);
	void *arg;
	_Atomic u64 state;	/* where it is: see timer.c */
	u32 index;		/* in that heap; under its lock */
};

struct timer_entry {
	s64 when;
	struct timer *timer;
};

struct timer_heap {
	_Atomic s64 next;	/* when the first is due, or TIME_NEVER */
	_Atomic u64 npending, nfired;	/* written under lock, for metrics */
	_Atomic(struct timer *) running; /* what the M of this P runs */
	struct lock lock;	/* protects what follows, writes to ->next */
	u32 len, cap;
	struct timer_entry *entries;
};

void timer_init(struct timer *t, void (*fn)(void *arg), void *arg);

/*
 * timer_start_at - have fn(arg) called at when_ns of nanotime() or later; a
 * timer that is pending gets the new time.
 *
 * fn runs on g0 of some P, never twice at a time.  It must not block; it may
 * call sched_ready(), start and stop timers, this one too, and free the
 * memory of this one if nobody else uses it.
 *
 * Context: goroutine, or g0 with a P.  Without memory a fatal error.
 * Returns whether the timer was pending.
 */
bool timer_start_at(struct timer *t, s64 when_ns);

/*
 * timer_stop - true: it was pending and will not run.  False: it was not
 * started, or has run.  If fn runs on another thread, waits until it has
 * returned, so the caller must hold no lock that fn takes.  Afterwards the
 * memory may go away.
 *
 * Context: goroutine, or g0 with a P; fn itself.
 */
bool timer_stop(struct timer *t);

/* Is it pending, or does it run?  A snapshot.  Context: any. */
bool timer_active(struct timer *t);

/* ns >= 0 after when; saturates. */
static inline s64 time_add(s64 when, s64 ns)
{
	return ns < TIME_NEVER - 1 - when ? when + ns : TIME_NEVER - 1;
}

/*
 * timers_run - run pp's timers that are due at now; pp need not be the
 * caller's.  Did any run?  Context: g0, with a P.
 */
bool timers_run(struct p *pp, s64 now);

/* Add how many of pp's are pending, and have run.  Any thread. */
void timers_count(const struct p *pp, u64 *pending, u64 *fired);

/* The world is stopped: from is going away. */
void timers_move(struct p *from, struct p *to);

/* Before pp is used; after the run, with what was left dropped. */
void timers_init(struct p *pp);
void timers_fini(struct p *pp);

#endif
