// SPDX-License-Identifier: ISC
/*
 * kernel/preempt.c - taking the P from a goroutine that does not give it.
 *
 * Who wants that sets gp->preempt, gp->preempt_stop or a bit in
 * sched.interrupt, and then asks the thread in two ways:
 *
 *  - preempt_poke_locked() poisons its guard word.  The next stack check comes to
 *    newstack(), and that to sched_check_preempt().  This is enough for code
 *    that calls functions.
 *  - preempt_signal_locked() sends SIGURG.  If it interrupts a goroutine in code
 *    that may be stopped at any instruction, the handler makes it look as if
 *    that instruction had been a call of async_preempt().
 *
 * Where may a goroutine be stopped?  In instrumented code of the user's only
 * (kernel/text.c), never in the runtime or libc, which may hold locks; with
 * enough stack; not while its M is locked.  If it may not, the handler
 * poisons the guard, so that the way back from libc is the end of it.
 *
 * All registers: the kernel has saved them in the signal frame, whatever the
 * CPU has.  The handler copies that frame to the goroutine's stack, and
 * async_preempt() ends with sigreturn(2) from the copy.  Rejected: saving
 * registers ourselves, a list that grows with each CPU, and on arm64 no
 * register is free to return through.
 *
 * Compilers keep addresses of thread-local data in registers between any two
 * instructions.  So a goroutine stopped by signal goes on on the same M: the
 * two are locked to each other until it has.  Such an M sleeps meanwhile;
 * others run the P.
 *
 * SIGURG because nobody uses it, it is ignored by default, and debuggers
 * pass it on without a word (the choice of the Go runtime).  A handler that
 * the user has, or installs later, is called as well.
 */
#define _GNU_SOURCE
#include "kernel/preempt.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <arch/cpu.h>
#include <arch/preempt.h>
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/signal.h"
#include "kernel/text.h"

/* A frame of async_preempt_park() and what it calls up to mcall(). */
#define PREEMPT_FRAMES	((size_t)1024)

static bool may_ask(struct m *mp)
{
	return !mp->gone && atomic_load_explicit(&mp->guard_addr,
						 memory_order_acquire);
}

void preempt_poke_locked(struct m *mp)
{
	if (may_ask(mp))
		__atomic_store_n(atomic_load_explicit(&mp->guard_addr,
						      memory_order_relaxed),
				 GUARD_POISON, __ATOMIC_RELAXED);
}

void preempt_signal_locked(struct m *mp)
{
	int saved = errno;

	/* One at a time: a thread that cannot take it would drown. */
	if (debug.asyncpreemptoff || !may_ask(mp) ||
	    atomic_exchange_explicit(&mp->signalled, true,
				     memory_order_relaxed))
		return;
	syscall(SYS_tgkill, getpid(), mp->tid, SIGURG);
	errno = saved;
}

void preempt_prepare(void)
{
	if (debug.asyncpreemptoff)
		return;
	text_refresh();
	signal_reclaim_preempt();
}

void preempt_g_locked(struct m *mp, struct g *gp)
{
	atomic_store_explicit(&gp->preempt, true, memory_order_relaxed);
	preempt_poke_locked(mp);
}

static bool wanted(struct g *gp)
{
	return interrupts() ||
	       atomic_load_explicit(&gp->preempt, memory_order_relaxed) ||
	       atomic_load_explicit(&gp->preempt_stop, memory_order_relaxed);
}

/*
 * On g0: gp leaves its M, whatever the reason is.
 */

static __g0_noreturn void stop_preempted(struct g *gp)
{
	struct m *mp = gp->m;

	atomic_store_explicit(&gp->preempt, false, memory_order_relaxed);
	m_drop_g(mp);
	if (atomic_load_explicit(&gp->preempt_stop, memory_order_relaxed)) {
		gp->wait_reason = WAIT_PREEMPTED;
		g_set_status(gp, G_RUNNING, G_PREEMPTED);
	} else if (interrupts()) {
		/* It is not its fault: it goes on first. */
		g_set_status(gp, G_RUNNING, G_RUNNABLE);
		runq_put_next(mp->p, gp);
	} else {
		g_set_status(gp, G_RUNNING, G_RUNNABLE);
		globrunq_put_one(gp);
	}
	schedule();
}

/* Nobody but gp wants the P: it gets a new slice. */
static bool nothing_else(struct g *gp)
{
	if (interrupts() ||
	    atomic_load_explicit(&gp->preempt_stop, memory_order_relaxed) ||
	    sched_has_work(gp->m->p))
		return false;
	atomic_store_explicit(&gp->preempt, false, memory_order_relaxed);
	return true;
}

/*
 * sched_check_preempt - from newstack(): does somebody want gp to stop?
 * Then another goroutine runs first, and gp goes on later.
 */
void __systemstack __no_tsan sched_check_preempt(struct g *gp)
{
	bool debug_yield = debug.maymorestack == MAYMORESTACK_PREEMPT;
	struct m *mp = gp->m;

	if (gp->system || gp->where != ON_GOROUTINE)
		return;
	if (mp->locks) {
		/* Not now, but at the first check after that. */
		if (wanted(gp))
			gp->seg->guard = GUARD_POISON;
		return;
	}
	if (!debug_yield && (!wanted(gp) || nothing_else(gp)))
		return;
	gp->saved_errno = *mp->errno_addr;
	san_switch(mp->g0);
	if (stopping())
		m_leave_g(gp);
	stop_preempted(gp);
}

static __g0_noreturn void async_preempt_m(struct g *gp)
{
	struct m *mp = gp->m;

	if (nothing_else(gp)) {
		san_switch(gp);
		arch_gogo(gp);
		return;
	}
	if (stopping())
		m_leave_g(gp);
	gp->pinned = !gp->lockedm;
	m_lock_g(mp, gp);
	stop_preempted(gp);
}

/* Called by async_preempt() on the goroutine's stack. */
void __nosplit async_preempt_park(void)
{
	struct g *gp = getg();

	mcall(async_preempt_m);
	if (gp->pinned) {
		gp->pinned = false;
		m_unlock_g(gp->m, gp);
	}
}

/*
 * The signal handler.
 */

/* May the goroutine be stopped at this instruction? */
static bool may_stop(const struct tls *t, struct g *gp, const void *uc)
{
	uintptr_t sp = sigcontext_sp(uc);
	struct segment *seg;

	if (t->where != ON_GOROUTINE || gp->m->locks || !gp->m->p ||
	    g_status(gp) != G_RUNNING || !text_contains(sigcontext_pc(uc)))
		return false;
	/* Only now: in the runtime the chain may be in between. */
	seg = stack_find_segment(gp, sp);
	return seg && sp > seg->lo + STACK_GUARD_SIZE + PREEMPT_FRAMES +
			   sigcontext_call_size(uc);
}

void preempt_on_signal(void *uc)
{
	struct tls *t = tls_self();
	struct g *gp = t->g;

	if (!gp || !gp->m)
		return;
	panic_freeze(gp->m, uc);
	atomic_store_explicit(&gp->m->signalled, false, memory_order_relaxed);
	if (gp->system || !wanted(gp))
		return;
	if (may_stop(t, gp, uc)) {
		sigcontext_call(uc, async_preempt);
		return;
	}
	atomic_store_explicit(&gp->m->unsafe_pc, sigcontext_pc(uc),
			      memory_order_relaxed);
	if (t->where == ON_GOROUTINE)
		guard_set(GUARD_POISON);
}
