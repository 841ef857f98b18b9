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
 *      before what allows it.  mcall() alone begins before: nothing in between
 *      has a stack check.
 *  R2  Sections of one M usually end in reverse order.  A lock that is
 *      released later than something taken after it (sched_park()) ends by
 *      kind and what.
 *  R3  nonpreempt_end_all() when another goroutine goes on, or the M gives up
 *      its P to sleep: whatever was open is over.  A goroutine that comes back
 *      to the M it has just left goes on in its sections.
 *  R4  An end without a begin, because the profiler was off then, is ignored.
 *  R5  Handlers of signals may come in the middle of all of these.
 *  R6  Threads of the runtime's that run no goroutines are left out: they are
 *      never preempted, and nobody waits for their P.
 */
#ifndef KERNEL_NONPREEMPT_H
#define KERNEL_NONPREEMPT_H

#include <stdatomic.h>

#include <arch/compiler.h>
#include <arch/context.h>
#include <gort/nonpreempt.h>

struct g;
struct lock;
struct m;
struct nonpreempt_sum;

#define NONPREEMPT_DEPTH	8	/* deeper ones count into the eighth */
#define NONPREEMPT_EARLY	16

/* One that is open, or has ended before others that began in it. */
struct nonpreempt_section {
	u32 kind;
	bool ended;		/* the outermost: others are still open */
	u8 early;		/* its frames begin at early[early - 1]; or 0 */
	uintptr_t what, site;
	uintptr_t fp;		/* the frame record it began in; 0: not known */
	uintptr_t caller_pc, caller_fp;	/* what that holds */
	struct g *g;		/* the goroutine it began in */
	u64 self;		/* cycles in it and in nothing inside */
};

/* What the profiler knows of an M.  Its own thread's but where noted. */
struct m_nonpreempt {
	_Atomic u64 since;	/* cycles when the outermost began; 0: none.
				 * Read by others */
	_Atomic u64 asked;	/* cycles when somebody first asked it to let
				 * others run; 0: nobody.  Set by others */
	_Atomic bool busy;	/* in the middle of a change of what follows */
	bool exempt;		/* see R6 */
	u64 told;		/* ->since of the last section that the
				 * watchdog told of; sysmon's */
	u32 gen;		/* of the profile that what follows is of */
	u32 depth;
	u32 over;		/* open ones that have no place in open[] */
	u64 last;		/* cycles at the last begin or end */
	u64 goid;		/* where the outermost began; 0: nowhere */
	struct nonpreempt_section open[NONPREEMPT_DEPTH];

	/* The goroutine has been left, and may run elsewhere by the end: what
	 * frames it was left in. */
	bool left;
	u32 nearly;
	uintptr_t early[NONPREEMPT_EARLY];

	/* Stacks at both ends of a section that is ending. */
	u32 nstart, nend;
	uintptr_t start[GORT_NONPREEMPT_FRAMES], end[GORT_NONPREEMPT_FRAMES];
};

struct nonpreempt_ops {
	/*
	 * what: see enum gort_nonpreempt_kind: a function, a rank, a reason,
	 * a number, or a name.  site: return address, 0: not known.  pc, fp:
	 * where it is called from, a return address, and the frame record of
	 * the function that holds it; 0: that is not to be walked.
	 * Must not have stack checks.
	 */
	void (*begin)(struct m *mp, enum gort_nonpreempt_kind kind,
		      uintptr_t what, uintptr_t site, uintptr_t fp);
	void (*end)(struct m *mp, enum gort_nonpreempt_kind kind,
		    uintptr_t what, uintptr_t pc, uintptr_t fp);
	void (*end_all)(struct m *mp, uintptr_t pc, uintptr_t fp);
	/* mp was asked to let others run. */
	void (*asked)(struct m *mp);
	/* The handler of SIGURG on mp's thread, which was interrupted there. */
	void (*interrupted)(struct m *mp, const void *uc);
	/* There are n Ps now; the world is stopped. */
	void (*procs)(u32 n);
	/* sysmon, now and then: sections that do not end; long ones that did.
	 * When to call again at the latest. */
	s64 (*tick)(s64 now);
	/* All there is, for metrics.  Any context with 8 KiB of stack. */
	void (*sum)(struct nonpreempt_sum *out);
	/* The first goroutine, before and after the program's function. */
	void (*run_begin)(void);
	void (*run_end)(void);
};

extern const struct nonpreempt_ops *nonpreempt_ops; /* set before main() or never */
extern _Atomic bool nonpreempt_on;

/* For ends: the innermost of that kind. */
#define NONPREEMPT_ANY	(~(uintptr_t)0)

static inline bool nonpreempt_profiled(void)
{
	return unlikely(atomic_load_explicit(&nonpreempt_on,
					     memory_order_relaxed));
}

/*
 * The way to ops, with the place in the caller.  Context: any, see R1; if
 * nonpreempt_profiled().
 */
void nonpreempt_begin(struct m *mp, enum gort_nonpreempt_kind kind,
		      uintptr_t what);
void nonpreempt_end(struct m *mp, enum gort_nonpreempt_kind kind,
		    uintptr_t what);
void nonpreempt_end_all(struct m *mp);
void nonpreempt_begin_stack(struct g *gp);
void nonpreempt_begin_signal(struct m *mp, int sig, uintptr_t pc);
void nonpreempt_unlock(struct m *mp, struct lock *l);
int nonpreempt_systemstack(void (*fn)(void *arg), void *arg);

/* See arch_systemstack(). */
static __always_inline int systemstack(void (*fn)(void *arg), void *arg)
{
	if (nonpreempt_profiled())
		return nonpreempt_systemstack(fn, arg);
	return arch_systemstack(fn, arg);
}

/* what: "blocks", say.  See gort_nonpreempt_begin(). */
__cold __noreturn void nonpreempt_blocked(const struct g *gp,
					  const char *what);

#endif
