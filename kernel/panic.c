// SPDX-License-Identifier: ISC
/*
 * kernel/panic.c - ways to die: message, all goroutines, exit status 2.
 *
 * The first thread to come here speaks; others that die meanwhile wait for
 * it to end the process.  Dying while dying ends the process at once.
 *
 * Other threads are stopped by SIGURG, whose handler then leaves where they
 * are and sleeps for good, so that what they run can be printed as well.  One
 * that does not answer for FREEZE_NS is said to run.
 *
 * Everything here is async-signal-safe: no lock, no allocation.
 */
#define _GNU_SOURCE
#include "kernel/panic.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <arch/cpu.h>
#include "kernel/print.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "kernel/traceback.h"

#define EXIT_FATAL	2
#define FREEZE_NS	100000000
#define POLL_NS		1000000

_Atomic(void *) panic_dying;

static void sleep_for_good(void)
{
	for (;;)
		pause();
}

void panic_begin(void)
{
	void *none = NULL, *self = tls_self();

	/* No other goroutine runs on this thread any more. */
	if (getg())
		acquirem_quiet();
	/* Release: pairs with panic_freeze(). */
	if (atomic_compare_exchange_strong_explicit(&panic_dying, &none, self,
			memory_order_acq_rel, memory_order_acquire))
		return;
	if (none == self)
		_exit(EXIT_FATAL);
	sleep_for_good();
}

__noreturn void panic_end(int sig)
{
	if (debug.crash && !sig)
		sig = SIGABRT;
	if (sig) {
		sigset_t set;

		signal(sig, SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, sig);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
	}
	/* Not _exit(): ThreadSanitizer's waits for locks that it, or another
	 * thread, may hold. */
	syscall(SYS_exit_group, EXIT_FATAL);
	__builtin_unreachable();
}

/*
 * panic_freeze - from the handler of SIGURG: if somebody dies, say where this
 * thread is, and stay here.
 */
void __no_tsan panic_freeze(struct m *mp, const void *uc)
{
#ifdef GORT_TSAN
	/* See freeze_others(). */
	return;
#endif
	void *who = atomic_load_explicit(&panic_dying, memory_order_acquire);

	if (likely(!who) || who == tls_self())
		return;
	mp->frozen_pc = sigcontext_pc(uc);
	mp->frozen_fp = sigcontext_fp(uc);
	/* Release: pairs with wait_frozen(). */
	atomic_store_explicit(&mp->frozen, true, memory_order_release);
	sleep_for_good();
}

static bool has_g(struct m *mp, struct m *self)
{
	return mp != self && atomic_load_explicit(&mp->curg,
						  memory_order_relaxed);
}

static bool all_frozen(struct m *self)
{
	struct m *mp = atomic_load_explicit(&sched.all_ms,
					    memory_order_acquire);

	for (; mp; mp = mp->all_link)
		if (has_g(mp, self) &&
		    !atomic_load_explicit(&mp->frozen, memory_order_acquire))
			return false;
	return true;
}

static void freeze_others(void)
{
#ifdef GORT_TSAN
	/* They could hold locks of ThreadSanitizer's, which we need to die. */
	return;
#endif
	struct timespec pause_for = { .tv_nsec = POLL_NS };
	struct m *self = getg() ? getm() : NULL, *mp;
	s64 until = nanotime() + FREEZE_NS;

	mp = atomic_load_explicit(&sched.all_ms, memory_order_acquire);
	for (; mp; mp = mp->all_link)
		if (has_g(mp, self) && mp->tid)
			syscall(SYS_tgkill, getpid(), mp->tid, SIGURG);
	while (!all_frozen(self) && nanotime() < until)
		nanosleep(&pause_for, NULL);
}

/* The goroutine this thread runs or works for, or NULL. */
struct g *current_g(void)
{
	struct g *gp = getg();

	if (gp && gp->m && gp == gp->m->g0)
		gp = atomic_load_explicit(&gp->m->curg, memory_order_relaxed);
	return gp && !gp->system ? gp : NULL;
}

void panic_traceback(uintptr_t pc, uintptr_t fp)
{
	struct g *gp = current_g();

	if (gp) {
		print("\n");
		traceback_at(gp, pc, fp);
	}
	freeze_others();
	traceback_others(gp);
}

static inline __attribute__((always_inline)) void traceback_here(void)
{
	panic_traceback((uintptr_t)__builtin_return_address(0) - 1,
			*(uintptr_t *)__builtin_frame_address(0));
}

__cold __noreturn void throw(const char *what)
{
	panic_begin();
	print("gort: internal error: %s\n", what);
	traceback_here();
	panic_end(0);
}

static void say(const char *fmt, va_list ap)
{
	panic_begin();
	print("fatal error: ");
	vprint(fmt, ap);
	print("\n");
}

__cold __noreturn void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	traceback_here();
	panic_end(0);
}

__cold __noreturn void fatal_at(struct g *gp, uintptr_t pc, uintptr_t fp,
				const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	print("\n");
	traceback_at(gp, pc, fp);
	freeze_others();
	traceback_others(gp);
	panic_end(0);
}

__cold __noreturn void systemstack_on_signal(void)
{
	fatal("the system stack was asked for in a signal handler");
}
