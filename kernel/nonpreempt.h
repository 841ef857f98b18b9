/* SPDX-License-Identifier: ISC */
/*
 * kernel/nonpreempt.h - where the runtime tells a profiler from when to when
 * an M cannot be preempted.
 *
 * As with tracepoints the profiler is behind a table of functions; without
 * one, or while it is off, each end of a section costs the load of a word that
 * hardly ever changes and a branch that is not taken.
 *
 * Rules:
 *  R1  Between begin and end the M cannot be preempted, so both are called on
 *      one M: begin after what forbids preemption (locks++, being on g0), end
 *      before what allows it.
 *  R2  Sections of one M usually end in reverse order.  A lock that is
 *      released later than something taken after it (sched_park()) ends by
 *      kind and what.
 *  R3  nonpreempt_end_all() when a goroutine goes on, or the M gives up its P
 *      to sleep: whatever was open is over.
 *  R4  An end without a begin, because the profiler was off then, is ignored.
 *  R5  Handlers of signals may come in the middle of all of these.
 */
#ifndef KERNEL_NONPREEMPT_H
#define KERNEL_NONPREEMPT_H

#include <stdatomic.h>

#include <arch/compiler.h>
#include <gort/nonpreempt.h>

struct m;

struct nonpreempt_ops {
	/* what: see enum gort_nonpreempt_kind: a function, a rank, a reason,
	 * a number, or a name.  site: return address, 0: not known. */
	void (*begin)(struct m *mp, enum gort_nonpreempt_kind kind,
		      uintptr_t what, uintptr_t site);
	void (*end)(struct m *mp, enum gort_nonpreempt_kind kind,
		    uintptr_t what);
	void (*end_all)(struct m *mp);
	/* mp was asked to let others run. */
	void (*asked)(struct m *mp);
	/* sysmon, now and then: sections that do not end; long ones that did.
	 * When to call again at the latest. */
	s64 (*tick)(s64 now);
	/* The first goroutine, before and after the program's function. */
	void (*run_begin)(void);
	void (*run_end)(void);
};

extern const struct nonpreempt_ops *nonpreempt_ops; /* set before main() or never */
extern _Atomic bool nonpreempt_on;

static inline bool nonpreempt_profiled(void)
{
	return unlikely(atomic_load_explicit(&nonpreempt_on,
					     memory_order_relaxed));
}

#endif
