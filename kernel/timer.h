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
struct timer;

struct timer_heap {
	_Atomic s64 next;	/* when the first is due, or TIME_NEVER */
	struct lock lock;	/* protects what follows */
};

/* When pp's first timer is due, or TIME_NEVER.  Any thread. */
s64 timers_next(const struct p *pp);

/*
 * timers_run - run pp's timers that are due at now; pp need not be the
 * caller's.  Did any run?  Context: g0, with a P.
 */
bool timers_run(struct p *pp, s64 now);

/* The world is stopped: from is going away. */
void timers_move(struct p *from, struct p *to);

/* Before pp is used; after the run, with what was left dropped. */
void timers_init(struct p *pp);
void timers_fini(struct p *pp);

#endif
