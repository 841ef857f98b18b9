/* SPDX-License-Identifier: ISC */
/*
 * kernel/preempt.h - making a goroutine let go of its P.
 */
#ifndef KERNEL_PREEMPT_H
#define KERNEL_PREEMPT_H

#include "kernel/sched.h"

/*
 * preempt_prepare - before a round of the following; takes no lock of ours.
 */
void preempt_prepare(void);

/*
 * preempt_ask_locked - the next stack check on mp's thread takes the slow
 * path.  May be lost when that thread restores its guard at this moment: who
 * asks asks again.  again: the last time did not help, and if the thread has
 * run since, it is interrupted as well.
 *
 * sched.lock is held: mp's thread cannot end meanwhile.
 */
void preempt_ask_locked(struct m *mp, bool again);

/* Does somebody want gp to stop? */
static inline bool preempt_wanted(struct g *gp)
{
	return atomic_load_explicit(&sched.interrupt, memory_order_acquire) ||
	       atomic_load_explicit(&gp->preempt, memory_order_relaxed) ||
	       atomic_load_explicit(&gp->preempt_stop, memory_order_relaxed);
}

/* From newstack(). */
void sched_check_preempt(struct g *gp);

#endif
