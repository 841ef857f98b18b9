// SPDX-License-Identifier: ISC
/*
 * kernel/signal.c - faults, and other signals that concern the runtime.
 *
 * SIGSEGV and SIGBUS run on a signal stack of the thread.  A fault in the
 * guard region of a stack is its overflow by code without checks: a fatal
 * error.  Any other is reported as what it is, with the goroutine's frames,
 * and then dealt with as if we were not there: by the handler the process
 * had before, or by the default action, which kills with that signal.
 *
 * SIGQUIT prints all goroutines and exits with status 2, as in Go; SIGABRT
 * prints them and kills.  SIGURG preempts (preempt.c).
 */
#define _GNU_SOURCE
#include "kernel/signal.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <arch/cpu.h>
#include "kernel/errno.h"
#include "kernel/print.h"
#include "kernel/sched.h"
#include "kernel/sigurg.h"
#include "kernel/traceback.h"
#include "mm/vm.h"

/* Beyond what the kernel wants for a frame: tracebacks. */
#define SIGSTACK_EXTRA	((size_t)64 << 10)

static const int fault_signals[] = { SIGSEGV, SIGBUS };
static struct sigaction old_actions[ARRAY_SIZE(fault_signals)];

static const int quit_signals[] = { SIGQUIT, SIGABRT };
static struct sigaction old_quits[ARRAY_SIZE(quit_signals)];

static __noreturn void stack_guard_hit(const void *uc, uintptr_t addr,
				       uintptr_t slot)
{
	struct g *gp = current_g();

	if (gp && stack_find_segment(gp, slot + STACK_LIMIT_OFFSET))
		fatal_at(gp, sigcontext_pc(uc), sigcontext_fp(uc),
			 "stack overflow in code without stack checks: goroutine %U, %U bytes of stack, access to its guard region at %x (see gort_systemstack_call)",
			 gp->id, (u64)(gp->seg->depth + gp->seg->top -
				       sigcontext_sp(uc)), (u64)addr);
	fatal_at(gp, sigcontext_pc(uc), sigcontext_fp(uc),
		 "%s: access to its guard region at %x",
		 stack_is_g0(slot) ? "overflow of the system stack" :
		 "overflow of a stack that is not this goroutine's",
		 (u64)addr);
}

/*
 * Where to begin: at the pc; but a call of a wild pointer comes to no
 * function at all, and the caller is what one wants to see.
 */
static uintptr_t first_pc(const siginfo_t *info, const void *uc)
{
	uintptr_t pc = sigcontext_pc(uc), slot;

	if (pc != (uintptr_t)info->si_addr ||
	    stack_classify(sigcontext_sp(uc), &slot) != STACK_INSIDE)
		return pc;
	return sigcontext_return_pc(uc) - 1;
}

static __noreturn void report_fault(int sig, const siginfo_t *info,
				    const void *uc)
{
	panic_begin();
	print("%s: invalid memory access at %x, pc %x\n",
	      sig == SIGSEGV ? "SIGSEGV" : "SIGBUS",
	      (u64)(uintptr_t)info->si_addr, (u64)sigcontext_pc(uc));
	panic_traceback(first_pc(info, uc), sigcontext_fp(uc));
	panic_end(sig);
}

static struct sigaction *old_action(int sig)
{
	return &old_actions[sig == fault_signals[0] ? 0 : 1];
}

/* The user's handler, if there is one. */
static bool call_handler(const struct sigaction *old, int sig,
			 siginfo_t *info, void *uc)
{
	if (old->sa_flags & SA_SIGINFO)
		old->sa_sigaction(sig, info, uc);
	else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
		old->sa_handler(sig);
	else
		return false;
	return true;
}

/* As if we were not there. */
static void pass_on(int sig, siginfo_t *info, void *uc)
{
	if (call_handler(old_action(sig), sig, info, uc))
		return;
	/* Comes again when the handler returns, or now if sent. */
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	uintptr_t addr = (uintptr_t)info->si_addr, guard = guard_get(), slot;
	int saved = errno;

	/* Spare the checks below the slow path, which would do nothing. */
	guard_set(GUARD_NONE);
	if (info->si_code > 0 && stack_classify(addr, &slot) == STACK_GUARD)
		stack_guard_hit(uc, addr, slot);
	if (old_action(sig)->sa_handler == SIG_DFL)
		report_fault(sig, info, uc);
	/* The user's handler may leave by longjmp(). */
	guard_set(guard);
	pass_on(sig, info, uc);
	errno = saved;
}

/*
 * Asked to die, by the terminal or by abort().  Installed only where nobody
 * else wants the signal.
 */
static void on_quit(int sig, siginfo_t *info, void *uc)
{
	(void)info;
	guard_set(GUARD_NONE);
	panic_begin();
	print("%s\n", sig == SIGQUIT ? "SIGQUIT: quit" : "SIGABRT: abort");
	panic_traceback(sigcontext_pc(uc), sigcontext_fp(uc));
	panic_end(sig == SIGQUIT ? 0 : sig);
}

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags,
		    struct sigaction *old)
{
	struct sigaction sa = {
		.sa_sigaction = fn,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | flags,
	};

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, old);
}

bool signal_is_ours(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGURG;
}

void signal_install(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++)
		install(fault_signals[i], on_fault, SA_NODEFER,
			&old_actions[i]);
	for (size_t i = 0; i < ARRAY_SIZE(quit_signals); i++) {
		install(quit_signals[i], on_quit, 0, &old_quits[i]);
		if (old_quits[i].sa_handler != SIG_DFL)
			sigaction(quit_signals[i], &old_quits[i], NULL);
	}
	sigurg_install();
}

/* Only where our handlers still are: the user may have set his meanwhile. */
static void restore(int sig, void (*fn)(int, siginfo_t *, void *),
		    const struct sigaction *old)
{
	struct sigaction now;

	if (!sigaction(sig, NULL, &now) && now.sa_sigaction == fn)
		sigaction(sig, old, NULL);
}

void signal_restore(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++)
		restore(fault_signals[i], on_fault, &old_actions[i]);
	for (size_t i = 0; i < ARRAY_SIZE(quit_signals); i++)
		restore(quit_signals[i], on_quit, &old_quits[i]);
	sigurg_restore();
}

int signal_thread_init(struct m *mp)
{
	long min = sysconf(_SC_MINSIGSTKSZ);
	size_t size = SIGSTACK_EXTRA + (min > 0 ? (size_t)min : MINSIGSTKSZ);
	stack_t ss = { 0 };

	size = ALIGN_UP(size, PAGE_SIZE);
	mp->gsignal = vm_alloc(size);
	if (!mp->gsignal)
		return -ENOMEM;
	mp->gsignal_size = size;
	ss.ss_sp = mp->gsignal;
	ss.ss_size = size;
	sigaltstack(&ss, &mp->old_sigstack);
	return 0;
}

void signal_thread_exit(struct m *mp)
{
	sigaltstack(&mp->old_sigstack, NULL);
	vm_free(mp->gsignal, mp->gsignal_size);
	mp->gsignal = NULL;
}
