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
 * preempt_poke_locked - the next stack check on mp's thread takes the slow
 * path.  May be lost when that thread restores its guard at this moment: who
 * asks asks again.
 * preempt_signal_locked - interrupt it, for code without checks.
 * preempt_g_locked - ask gp, which seemed to run on mp, to yield.
 *
 * sched.lock is held: mp's thread cannot end meanwhile.
 */
void preempt_poke_locked(struct m *mp);
void preempt_signal_locked(struct m *mp);
void preempt_g_locked(struct m *mp, struct g *gp);

/* From newstack(): does somebody want something of gp? */
void sched_check_preempt(struct g *gp);

/* Signal handler. */
void preempt_on_signal(void *uc);

#endif
