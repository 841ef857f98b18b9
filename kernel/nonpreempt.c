// SPDX-License-Identifier: ISC
/*
 * kernel/nonpreempt.c - the way to the profiler of non-preemptible sections,
 * and such sections of the program's own.
 *
 * What is called from lock() and the like has no stack check: it could come
 * where nothing else has one, and would be a section of its own.  Nor is it
 * instrumented, see sigurg.c; so nothing here orders anything.
 */
#include <gort/gort.h>

#include "kernel/preempt.h"
#include "kernel/proc.h"
#include "kernel/unwind.h"

const struct nonpreempt_ops *nonpreempt_ops;
_Atomic bool nonpreempt_on;

/* The place in the function that called the one this is in. */
#define CALLER_PC	((uintptr_t)__builtin_return_address(0))
#define CALLER_FP	(*(uintptr_t *)__builtin_frame_address(0))

void __nosplit nonpreempt_begin(struct m *mp, enum gort_nonpreempt_kind kind,
				uintptr_t what)
{
	nonpreempt_ops->begin(mp, kind, what, CALLER_PC, CALLER_FP);
}

void __nosplit nonpreempt_end(struct m *mp, enum gort_nonpreempt_kind kind,
			      uintptr_t what)
{
	nonpreempt_ops->end(mp, kind, what, CALLER_PC, CALLER_FP);
}

void __nosplit nonpreempt_end_all(struct m *mp)
{
	nonpreempt_ops->end_all(mp, CALLER_PC, CALLER_FP);
}

/* At a stack check: the function there has no frame yet. */
void __nosplit nonpreempt_begin_stack(struct g *gp)
{
	nonpreempt_ops->begin(gp->m, GORT_NONPREEMPT_STACK, 0, gp->more_pc,
			      gp->more_fp);
}

/* A handler; where it came is not a place that begins sections. */
void __nosplit nonpreempt_begin_signal(struct m *mp, int sig, uintptr_t pc)
{
	nonpreempt_ops->begin(mp, GORT_NONPREEMPT_SIGNAL, (uintptr_t)sig,
			      pc + 1, 0);
}

/*
 * On the system stack.
 */

struct call {
	void (*fn)(void *arg);
	void *arg;
	enum gort_nonpreempt_kind kind;
	uintptr_t site, fp;
};

static void __nosplit call_on_g0(void *arg)
{
	const struct call *c = arg;
	struct m *mp = getm();

	nonpreempt_ops->begin(mp, c->kind, (uintptr_t)c->fn, c->site, c->fp);
	c->fn(c->arg);
	nonpreempt_ops->end(mp, c->kind, (uintptr_t)c->fn, CALLER_PC,
			    CALLER_FP);
}

/* From anywhere but a goroutine's stack it is a plain call, or an error. */
int __nosplit nonpreempt_systemstack(void (*fn)(void *arg), void *arg)
{
	struct call c = {
		.fn = fn,
		.arg = arg,
		.kind = GORT_NONPREEMPT_SYSTEMSTACK,
		.site = CALLER_PC,
		.fp = CALLER_FP,
	};

	if (!in_goroutine())
		return arch_systemstack(fn, arg);
	return arch_systemstack(call_on_g0, &c);
}

/*
 * Code that was not compiled by us may use the frame pointer for anything.
 * The frame record there, if it is on the goroutine's stack.
 */
static inline uintptr_t check_fp(struct g *gp, uintptr_t fp)
{
	uintptr_t end = fp + 2 * sizeof(uintptr_t);

	if (unlikely(fp % sizeof(uintptr_t)))
		return 0;
	return likely(segment_contains(gp->seg, end)) ||
	       stack_find_segment(gp, end) ? fp : 0;
}

static __attribute__((noinline)) int
foreign_call(void (*fn)(void *), void *arg, struct caller caller)
{
	struct call c = {
		.fn = fn,
		.arg = arg,
		.kind = GORT_NONPREEMPT_FOREIGN,
		.site = caller.pc,
	};

	if (!in_goroutine())
		return arch_systemstack(fn, arg);
	c.fp = check_fp(getg(), caller.fp);
	return arch_systemstack(call_on_g0, &c);
}

__public int gort_systemstack_call(void (*fn)(void *), void *arg)
{
	if (!fn)
		return -EINVAL;
	if (nonpreempt_profiled())
		return foreign_call(fn, arg, find_caller());
	return arch_systemstack(fn, arg);
}

/*
 * The program's own sections: m->locks as in the runtime, so that nothing
 * else has to know of them but what must not be done in one.
 */

__public int gort_nonpreempt_begin(const char *name)
{
	struct caller caller = find_caller();
	struct m *mp;
	struct g *gp;

	if (!in_goroutine())
		return -EPERM;
	mp = acquirem_quiet();
	gp = getg();
	if (!gp->nonpreempt++)
		gp->nonpreempt_name = name;
	if (nonpreempt_profiled())
		nonpreempt_ops->begin(mp, GORT_NONPREEMPT_USER,
				      (uintptr_t)name, caller.pc,
				      check_fp(gp, caller.fp));
	return 0;
}

__public int gort_nonpreempt_end(void)
{
	struct caller caller = find_caller();
	struct g *gp;
	struct m *mp;

	if (!in_goroutine())
		return -EPERM;
	gp = getg();
	if (!gp->nonpreempt)
		return -EINVAL;
	mp = gp->m;
	gp->nonpreempt--;
	if (nonpreempt_profiled())
		nonpreempt_ops->end(mp, GORT_NONPREEMPT_USER, NONPREEMPT_ANY,
				    caller.pc, check_fp(gp, caller.fp));
	releasem_quiet(mp);
	/* Asked meanwhile: the next stack check sees to it. */
	if (unlikely(preempt_wanted(gp)))
		guard_set(GUARD_POISON);
	return 0;
}

void nonpreempt_blocked(const struct g *gp, const char *what)
{
	const char *name = gp->nonpreempt_name;

	fatal("goroutine %U %s in a non-preemptible section: %s", gp->id, what,
	      name ? name : "without a name");
}
