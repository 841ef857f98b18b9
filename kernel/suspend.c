// SPDX-License-Identifier: ISC
/*
 * kernel/suspend.c - stopping one goroutine and owning its stack.
 *
 * A goroutine that does not run is owned by setting G_SCAN: its status then
 * stays as it is, and who wants to run it waits.  One that runs is asked to
 * become G_PREEMPTED (gp->preempt_stop), which it does at a safe point; it is
 * then taken as one that waits, and made runnable by resume_g().  The request
 * may be overtaken by the goroutine's blocking of its own accord; so this is
 * a loop that looks at the status anew, as in the Go runtime (preempt.go).
 */
#include "kernel/suspend.h"

#include <sched.h>

#include <arch/cpu.h>
#include "kernel/preempt.h"
#include "kernel/proc.h"
#include "kernel/time.h"

#define ASK_AGAIN_NS	20000
#define SPINS		50

/* The reason first: a status of G_WAITING is only true with it. */
void __systemstack suspend_begin(struct g *self, enum wait_reason why)
{
	dbg_assert(wait_is_for_gc(why), "its stack is in use");
	self->wait_reason = why;
	g_set_status(self, G_RUNNING, G_WAITING);
}

void __systemstack suspend_end(struct g *self)
{
	casgstatus(getm(), self, G_WAITING, G_RUNNING);
}

/* The M that runs gp at this moment, if it still does; sched.lock held. */
static struct m *find_m_locked(const struct g *gp)
{
	struct m *mp = atomic_load_explicit(&sched.all_ms,
					    memory_order_acquire);

	while (mp && atomic_load_explicit(&mp->curg,
					  memory_order_relaxed) != gp)
		mp = mp->all_link;
	return mp;
}

/* First by its guard, then by signal. */
static void __systemstack ask(struct g *gp, bool again)
{
	struct m *mp;

	atomic_store_explicit(&gp->preempt_stop, true, memory_order_relaxed);
	if (again)
		preempt_prepare();
	lock(&sched.lock);
	mp = find_m_locked(gp);
	if (mp)
		preempt_ask_locked(mp, again);
	unlock(&sched.lock);
}

/*
 * No longer wanted.  Where another one wants it, too, that one asks again;
 * and a new goroutine in the slot of one that ended is not stopped for ever.
 */
static void ask_no_more(struct g *gp)
{
	atomic_store_explicit(&gp->preempt_stop, false, memory_order_relaxed);
}

static bool take_preempted(struct g *gp)
{
	u32 old = G_PREEMPTED;

	check_transition(gp, G_PREEMPTED, G_WAITING);
	return atomic_compare_exchange_strong_explicit(&gp->status, &old,
			G_WAITING, memory_order_acq_rel, memory_order_relaxed);
}

static void pause_a_bit(void)
{
	for (int i = 0; i < SPINS; i++)
		cpu_relax();
	sched_yield();
}

/*
 * Giving up:
 *
 *	suspend_g()			the goroutine's M
 *	preempt_stop = false		status = G_PREEMPTED
 *	fence				fence
 *	look at the status once more	look at preempt_stop
 *
 * One of the two sees the other, and who takes it from G_PREEMPTED makes it
 * runnable.
 */
void __systemstack suspend_stopped(struct g *gp)
{
	full_fence();
	if (!atomic_load_explicit(&gp->preempt_stop, memory_order_relaxed) &&
	    take_preempted(gp))
		sched_ready(gp);
}

/* True: it has stopped after all. */
static bool give_up(struct g *gp)
{
	ask_no_more(gp);
	full_fence();
	return g_status(gp) == G_PREEMPTED;
}

bool __systemstack suspend_g(struct g *gp, struct suspended *s,
			     s64 patience_ns)
{
	s64 asked = 0, first = 0, now;

	*s = (struct suspended){ .gp = gp, .again = s->again };
	for (;;) {
		s->status = atomic_load_explicit(&gp->status,
						 memory_order_acquire);
		switch (s->status) {
		case G_IDLE:
		case G_DEAD:
			if (asked)
				ask_no_more(gp);
			return false;
		case G_RUNNABLE:
		case G_WAITING:
		case G_SYSCALL:
			if (!castogscanstatus(gp, s->status))
				continue;
			ask_no_more(gp);
			return true;
		case G_PREEMPTED:
			s->stopped |= take_preempted(gp);
			continue;
		case G_RUNNING:
			now = nanotime();
			if (!asked)
				first = now;
			else if (now - first > patience_ns && !give_up(gp))
				return false;
			if (now - asked >= ASK_AGAIN_NS) {
				ask(gp, s->again);
				s->again = true;
				asked = now;
			}
		}
		/* Who left with the run keeps its status for ever. */
		if (stopping())
			return false;
		pause_a_bit();
	}
}

void __systemstack resume_g(struct suspended *s)
{
	casfrom_gscanstatus(s->gp, s->status);
	if (s->stopped)
		sched_ready(s->gp);
}

bool suspended_off_stack(const struct suspended *s)
{
	return s->status == G_RUNNABLE ||
	       (s->status == G_WAITING && !wait_is_for_gc(s->gp->wait_reason));
}
