/* SPDX-License-Identifier: ISC */
/*
 * kernel/panic.h - ways to die.
 */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include <arch/compiler.h>

struct g;

/*
 * Our bug: print "gort: internal error: what", the current goroutine and all
 * others, and exit with status 2, or with GORTDEBUG=crash=1 by SIGABRT.
 */
__cold __noreturn void throw(const char *what);

/*
 * The user's bug: the same with "fatal error: ...".
 *
 * The formats are those of print.h.
 */
__cold __noreturn void fatal(const char *fmt, ...);

/* The same for a goroutine that was stopped at pc with this fp and sp. */
__cold __noreturn void fatal_at(struct g *gp, uintptr_t pc, uintptr_t fp,
				const char *fmt, ...);

struct g *current_g(void);

/*
 * The pieces, for signal handlers: be the one who speaks; print the goroutine
 * of this thread from pc and fp on, and all others; end the process, by a
 * signal or (0) with status 2.
 */
void panic_begin(void);
void panic_traceback(uintptr_t pc, uintptr_t fp);
__noreturn void panic_end(int sig);

/* Thread pointer of who speaks, or NULL. */
extern _Atomic(void *) panic_dying;

struct m;
void panic_freeze(struct m *mp, const void *uc);

/* Called by systemstack() on a signal stack. */
__cold __noreturn void systemstack_on_signal(void);

#ifdef GORT_DEBUG
#define dbg_assert(cond, what)	do { if (unlikely(!(cond))) throw(what); } while (0)
#else
#define dbg_assert(cond, what)	do { (void)sizeof(cond); } while (0)
#endif

#endif
