// SPDX-License-Identifier: ISC
/*
 * kernel/syscall.c - calls that block the thread.
 *
 * Entering is a few stores: the goroutine becomes G_SYSCALL, the P P_SYSCALL,
 * and the M leaves the P lying.  Back from a short call the M finds it as it
 * was and takes it up again by two more stores, guarded by the status gate
 * (kernel/status.h).  From a longer one sysmon, or who stops the world, has
 * opened the gate and taken the P away; then the goroutine needs another, or
 * waits in the global queue for one.
 *
 * Between the two the goroutine must not call gort: those calls give -EPERM,
 * or are fatal, as in any other context.  Its stack may grow.
 *
 * The M stays locked (m->locks) all the time: nothing is preempted here.  For
 * the profiler of non-preemptible sections this is none: nobody waits for a P
 * that can be taken away.
 */
#include <gort/gort.h>

#include "kernel/preempt.h"
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/unwind.h"

static void syscall_begin(struct g *gp, uintptr_t pc, uintptr_t fp)
{
	struct m *mp = acquirem_quiet();
	struct p *pp = mp->p;
	bool traced = trace_acquire(mp);

	if (unlikely(traced))
		trace_ops->syscall_begin(mp, gp);
	gp->syscall_pc = pc;
	gp->syscall_fp = fp;
	gp->syscall_sp = stack_pointer();
	gp->syscall_seg = gp->seg;
	mp->syscall_p = pp;
	mp->p = NULL;
	tls_self()->heap = NULL;
	g_set_status(gp, G_RUNNING, G_SYSCALL);
	tick_inc(&pp->syscall_tick);
	/* Release: the P is seen as we leave it by who takes it. */
	atomic_store_explicit(&pp->status, p_syscall(mp),
			      memory_order_release);
	if (unlikely(traced))
		trace_release(mp);
}

/*
 * p_steal_syscall - take pp from an M in a system call, for status to.
 * The gate is open.
 *
 * The M then finds its P gone, and says so in the trace: in no older
 * generation than we do, since ours is read before.
 */
bool p_steal_syscall(struct p *pp, u32 to)
{
	struct m *mp = getm();
	bool traced = trace_hold(mp), ours = false;
	u32 status;

	/* Acquire: pairs with the release in syscall_begin().  Release: pairs
	 * with the acquire in take_back(). */
	if (p_status(pp, &status) == P_SYSCALL)
		ours = atomic_compare_exchange_strong_explicit(&pp->status,
				&status, to, memory_order_acq_rel,
				memory_order_relaxed);
	if (ours && traced)
		trace_ops->proc_steal(mp, pp);
	trace_release(mp);
	if (ours)
		atomic_store_explicit(&pp->m, NULL, memory_order_relaxed);
	return ours;
}

/* The P as it was left, if nobody took it. */
static bool take_back(struct m *mp, struct g *gp, struct p *pp)
{
	u32 status = p_syscall(mp);

	if (likely(gate_enter(mp))) {
		bool ours = atomic_load_explicit(&pp->status,
				memory_order_acquire) == status;

		if (likely(ours)) {
			atomic_store_explicit(&pp->status, P_RUNNING,
					      memory_order_relaxed);
			check_transition(gp, G_SYSCALL, G_RUNNING);
			atomic_store_explicit(&gp->status, G_RUNNING,
					      memory_order_release);
		}
		gate_leave(mp);
		return ours;
	}
	if (!atomic_compare_exchange_strong_explicit(&pp->status, &status,
			P_RUNNING, memory_order_acquire, memory_order_acquire))
		return false;
	casgstatus(mp, gp, G_SYSCALL, G_RUNNING);
	return true;
}

/*
 * The P is gone.  Another one, or the goroutine waits for its turn.
 * sysstack: takes sched.lock, leaves the goroutine.
 */
static __g0_noreturn void syscall_end_m(struct g *gp)
{
	struct m *mp = gp->m;

	latency_begin(gp);
	/* The world may be stopped, and a trace begin. */
	if (trace_hold(mp))
		trace_ops->syscall_end_blocked(mp, gp);
	m_drop_g(mp);
	mp->locks--;
	casgstatus(mp, gp, G_SYSCALL, G_RUNNABLE);
	trace_release(mp);
	if (p_get_or_queue(mp, gp))
		runq_put_next(mp->p, gp);
	schedule();
}

static void syscall_end(struct g *gp)
{
	struct m *mp = gp->m;
	struct p *pp = mp->syscall_p;

	mp->syscall_p = NULL;
	if (unlikely(!take_back(mp, gp, pp))) {
		mcall(syscall_end_m);
		return;
	}
	mp->p = pp;
	tls_self()->heap = heap_fast(pp->heap);
	TRACE_EVENT(mp, syscall_end, gp);
	releasem_quiet(mp);
	/* Asked meanwhile: the next stack check sees to it. */
	if (unlikely(preempt_wanted(gp)))
		guard_set(GUARD_POISON);
}

__public void gort_syscall_enter(void)
{
	struct caller caller = find_caller();
	struct g *gp;

	need_goroutine("gort_syscall_enter");
	gp = getg();
	if (unlikely(gp->nonpreempt))
		nonpreempt_blocked(gp, "enters a system call");
	syscall_begin(gp, caller.pc, caller.fp);
	gp->where = ON_SYSCALL;
	tls_self()->where = ON_SYSCALL;
}

__public void gort_syscall_exit(void)
{
	struct tls *t = tls_self();
	struct g *gp = t->g;

	if (unlikely(t->where != ON_SYSCALL))
		fatal("gort_syscall_exit without gort_syscall_enter");
	gp->where = ON_GOROUTINE;
	t->where = ON_GOROUTINE;
	syscall_end(gp);
}

__public int gort_blocking(void (*fn)(void *), void *arg)
{
	struct g *gp;

	if (!in_goroutine())
		return -EPERM;
	if (!fn)
		return -EINVAL;
	gp = getg();
	if (unlikely(gp->nonpreempt))
		nonpreempt_blocked(gp, "makes a blocking call");
	syscall_begin(gp, (uintptr_t)__builtin_return_address(0),
		      *(uintptr_t *)__builtin_frame_address(0));
	arch_systemstack(fn, arg);
	syscall_end(gp);
	return 0;
}
