// SPDX-License-Identifier: ISC
/*
 * kernel/panic.c - ways to die: message, tracebacks, exit status 2.
 *
 * The first thread to come here speaks; others that die meanwhile wait for
 * it to end the process.  Dying while dying ends the process at once.
 */
#include "kernel/panic.h"

#include <stdatomic.h>
#include <unistd.h>

#include "kernel/print.h"
#include "kernel/sched.h"
#include "kernel/traceback.h"

#define EXIT_FATAL	2

static _Atomic(void *) dying;	/* thread pointer of who speaks */

static void die_begin(void)
{
	void *none = NULL, *self = tls_self();

	if (atomic_compare_exchange_strong_explicit(&dying, &none, self,
			memory_order_relaxed, memory_order_relaxed))
		return;
	if (none == self)
		_exit(EXIT_FATAL);
	for (;;)
		pause();
}

/* The goroutine this thread runs or works for, or NULL. */
struct g *current_g(void)
{
	struct g *gp = getg();

	if (gp && gp->m && gp == gp->m->g0)
		gp = gp->m->curg;
	return gp && !gp->system ? gp : NULL;
}

static inline __attribute__((always_inline)) void traceback_here(void)
{
	traceback_at(current_g(), (uintptr_t)__builtin_return_address(0) - 1,
		     *(uintptr_t *)__builtin_frame_address(0));
}

__cold __noreturn void throw(const char *what)
{
	die_begin();
	print("gort: internal error: %s\n\n", what);
	traceback_here();
	_exit(EXIT_FATAL);
}

static void say(const char *fmt, va_list ap)
{
	die_begin();
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
	print("\n");
	traceback_here();
	_exit(EXIT_FATAL);
}

__cold __noreturn void fatal_all(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	if (current_g()) {
		print("\n");
		traceback_here();
	}
	traceback_others(current_g());
	_exit(EXIT_FATAL);
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
	_exit(EXIT_FATAL);
}

__cold __noreturn void systemstack_on_signal(void)
{
	fatal("the system stack was asked for in a signal handler");
}
