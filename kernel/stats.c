// SPDX-License-Identifier: ISC
/*
 * kernel/stats.c - numbers of the run.
 *
 * Counters belong to the Ps and are added up when somebody asks.  The lock
 * keeps the Ps from going away under a thread that asks from outside.
 */
#include <gort/gort.h>

#include "kernel/sched.h"
#include "kernel/time.h"

static struct lock stats_lock = LOCK_INIT(RANK_STATS);
static bool running;			/* stats_lock, as all of these */
static s64 start_ns;
static struct gort_stats last_stats;	/* of the run before */

static void read_stats_locked(struct gort_stats *st)
{
	struct stack_stats ss;

	stack_read_stats(&ss);
	*st = (struct gort_stats){
		.procs = nprocs(),
		.threads = sched.nms,
		.wall_ns = (u64)(nanotime() - start_ns),
		.stack_inuse = ss.inuse,
		.stack_resident = ss.resident,
		.stack_peak = ss.peak,
		.stack_slots = ss.slots,
		.stack_grown_in_place = ss.grown_in_place,
		.stack_grown_by_switch = ss.grown_by_switch,
		.stack_guards_missing = ss.guards_missing,
	};
	for (u32 i = 0; i < nallps(); i++) {
		struct p *pp = sched.ps[i];

		/* Ends first, so that live does not go below 0; pairs with
		 * the release in g_free(). */
		st->live -= atomic_load_explicit(&pp->nexited,
						 memory_order_acquire);
		st->switches += atomic_load_explicit(&pp->nswitches,
						     memory_order_relaxed);
		st->steals += atomic_load_explicit(&pp->nsteals,
						   memory_order_relaxed);
	}
	for (u32 i = 0; i < nallps(); i++)
		st->goroutines += atomic_load_explicit(&sched.ps[i]->nspawned,
						       memory_order_relaxed);
	st->live += st->goroutines;
}

__public void gort_read_stats(struct gort_stats *st)
{
	struct m *mp = getg() ? acquirem() : NULL;

	lock_raw(&stats_lock);
	if (running)
		read_stats_locked(st);
	else
		*st = last_stats;
	unlock_raw(&stats_lock);
	if (mp)
		releasem(mp);
}

/* The Ps exist. */
void stats_begin_run(void)
{
	lock_raw(&stats_lock);
	running = true;
	start_ns = nanotime();
	unlock_raw(&stats_lock);
}

/* The Ps are about to go. */
void stats_end_run(void)
{
	lock_raw(&stats_lock);
	running = false;
	read_stats_locked(&last_stats);
	unlock_raw(&stats_lock);
}
