// SPDX-License-Identifier: ISC
/*
 * kernel/sigurg.c - the handler of the signal that stops goroutines, see
 * preempt.c.
 *
 * SIGURG because nobody uses it, it is ignored by default, and debuggers
 * pass it on without a word (the choice of the Go runtime).  A handler that
 * the user has, or installs later, is called as well.
 *
 * ThreadSanitizer puts handlers off until the thread is at a place that it
 * likes, which a loop without calls never is, and then shows them a context
 * that is no longer that of the thread.  So this handler is installed behind
 * its back, and nothing that it calls before it knows where it is is
 * instrumented: it may have interrupted the sanitizer itself (kernel/Kbuild,
 * __no_tsan at others).
 */
#define _GNU_SOURCE
#include "kernel/sigurg.h"

#include <signal.h>

#include <arch/cpu.h>
#include <arch/preempt.h>
#include "kernel/errno.h"
#include "kernel/preempt.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/text.h"

/*
 * Frames of async_preempt_park() and what it calls up to mcall(), or up to
 * newstack(), if the compiler does not inline what it calls: vector registers
 * are saved on the way, 9 KiB of them with SVE of 2048 bits.  "make checkstack"
 * proves it.
 */
#define PREEMPT_FRAMES	((size_t)12288)

/* Set while it is a handler that wants three arguments. */
#define USER_SIGINFO	((uintptr_t)1 << 63)

static struct sigaction old_action;	/* by who has ->reclaiming */
static _Atomic bool reclaiming;
static _Atomic uintptr_t user_handler;	/* of old_action, or 0 */

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

/* Has the interrupted goroutine been stopped? */
static bool stop_goroutine(void *uc)
{
	struct tls *t = tls_self();
	struct g *gp = t->g;

	if (!gp || !gp->m)
		return false;
	if (unlikely(atomic_load_explicit(&panic_dying, memory_order_relaxed)))
		panic_freeze(gp->m, uc);
	atomic_store_explicit(&gp->m->signalled, false, memory_order_relaxed);
	if (gp->system || !preempt_wanted(gp))
		return false;
	if (may_stop(t, gp, uc)) {
		/*
		 * The frame is good on this thread only.  So no stack check on
		 * the way to async_preempt_m() may let another goroutine run.
		 */
		gp->m->locks++;
		sigcontext_call(uc, async_preempt);
		return true;
	}
	atomic_store_explicit(&gp->m->unsafe_pc, sigcontext_pc(uc),
			      memory_order_relaxed);
	if (t->where == ON_GOROUTINE)
		guard_set(GUARD_POISON);
	return false;
}

/*
 * Ours and somebody else's may have become one: the user's handler always
 * hears of it.
 */
static void on_sigurg(int sig, siginfo_t *info, void *uc)
{
	uintptr_t user = atomic_load_explicit(&user_handler,
					      memory_order_relaxed);
	struct g *g0 = tls_self()->g0;
	int saved = errno;

	if (g0 && nonpreempt_profiled())
		nonpreempt_begin_signal(g0->m, sig, sigcontext_pc(uc));
	if (g0 && nonpreempt_profiled())
		nonpreempt_ops->interrupted(g0->m, uc);
	if (user & USER_SIGINFO)
		((void (*)(int, siginfo_t *, void *))
		 (user & ~USER_SIGINFO))(sig, info, uc);
	else if (user)
		((void (*)(int))user)(sig);
	/* If so its M stays locked until async_preempt_m(). */
	if (!stop_goroutine(uc) && g0 && nonpreempt_profiled())
		nonpreempt_end(g0->m, GORT_NONPREEMPT_SIGNAL, (uintptr_t)sig);
	errno = saved;
}

void sigurg_install(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigurg,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};
	uintptr_t user;

	sigemptyset(&sa.sa_mask);
	/* When both come the profiler wants to see what ran, not this. */
	sigaddset(&sa.sa_mask, SIGPROF);
	sigaction_raw(SIGURG, &sa, &old_action);
	user = (uintptr_t)old_action.sa_sigaction;
	if (old_action.sa_handler == SIG_DFL || old_action.sa_handler == SIG_IGN)
		user = 0;
	else if (old_action.sa_flags & SA_SIGINFO)
		user |= USER_SIGINFO;
	atomic_store_explicit(&user_handler, user, memory_order_relaxed);
}

static bool installed(void)
{
	struct sigaction now;

	return !sigaction_raw(SIGURG, NULL, &now) &&
	       now.sa_sigaction == on_sigurg;
}

/* A signal that went to the user's handler alone is on the way no longer. */
static void forget_signals(void)
{
	struct m *mp = atomic_load_explicit(&sched.all_ms,
					    memory_order_acquire);

	for (; mp; mp = mp->all_link)
		atomic_store_explicit(&mp->signalled, false,
				      memory_order_relaxed);
}

/* One thread at a time: the second would take ours for the user's. */
void sigurg_reclaim(void)
{
	if (installed() ||
	    atomic_exchange_explicit(&reclaiming, true, memory_order_acquire))
		return;
	if (!installed()) {
		sigurg_install();
		forget_signals();
	}
	atomic_store_explicit(&reclaiming, false, memory_order_release);
}

void sigurg_restore(void)
{
	if (installed())
		sigaction_raw(SIGURG, &old_action, NULL);
}
