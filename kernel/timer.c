// SPDX-License-Identifier: ISC
/*
 * kernel/timer.c - timers.
 */
#include "kernel/timer.h"

#include "kernel/proc.h"

s64 timers_next(const struct p *pp)
{
	return atomic_load_explicit(&pp->timers.next, memory_order_relaxed);
}

bool timers_run(struct p *pp, s64 now)
{
	(void)pp;
	(void)now;
	return false;
}

void timers_init(struct p *pp)
{
	atomic_store_explicit(&pp->timers.next, TIME_NEVER,
			      memory_order_relaxed);
}

void timers_fini(struct p *pp)
{
	(void)pp;
}

void timers_move(struct p *from, struct p *to)
{
	(void)from;
	(void)to;
}
