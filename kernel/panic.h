/* SPDX-License-Identifier: ISC */
/*
 * kernel/panic.h - ways to die.
 */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include <arch/compiler.h>

struct g;

/*
 * Our bug: print "gort: internal error: what", a traceback of the current
 * goroutine, and exit with status 2.
 */
__cold __noreturn void throw(const char *what);

/*
 * The user's bug: print "fatal error: ..." and a traceback of the current
 * goroutine (of all of them: fatal_all()), and exit with status 2.
 *
 * The formats are those of print.h.
 */
__cold __noreturn void fatal(const char *fmt, ...);
__cold __noreturn void fatal_all(const char *fmt, ...);

/* The same for a goroutine that was stopped at pc with this fp and sp. */
__cold __noreturn void fatal_at(struct g *gp, uintptr_t pc, uintptr_t fp,
				const char *fmt, ...);

struct g *current_g(void);

/* Called by systemstack() on a signal stack. */
__cold __noreturn void systemstack_on_signal(void);

#ifdef GORT_DEBUG
#define dbg_assert(cond, what)	do { if (unlikely(!(cond))) throw(what); } while (0)
#else
#define dbg_assert(cond, what)	do { (void)sizeof(cond); } while (0)
#endif

#endif
