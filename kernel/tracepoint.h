/* SPDX-License-Identifier: ISC */
/*
 * kernel/tracepoint.h - where kernel/ and mm/ tell a tracer what they do.
 *
 * The tracer is behind a table of functions; without one, or while it is
 * off, a tracepoint is one load of a word that hardly ever changes and a
 * branch that is not taken.
 *
 * Rules, as in the Go runtime (runtime/trace.go, "Invariants"):
 *  R1  An event is written by an M that owns what changes: its own P, the
 *      goroutine it runs, one that it is about to wake, one it holds G_SCAN of.
 *  R2  A change of status and its event lie in one trace_acquire() ...
 *      trace_release(), and what is owned is owned before trace_acquire().
 *      A change to G_RUNNING comes before its event, every other one after:
 *      stacks are walked by who still owns them.
 *  R3  Between the two nothing blocks, and nothing else is traced.
 *
 * Ending a generation takes a look at every M:
 *
 *	M				who ends generation n
 *	trace.writing = true		trace_gen = n + 1
 *	look at trace_gen		membarrier(2) on every thread
 *	write to that generation	wait for every trace.writing to be
 *	trace.writing = false		false: nobody writes to n any more
 *
 * So the M pays for two plain stores.
 */
#ifndef KERNEL_TRACEPOINT_H
#define KERNEL_TRACEPOINT_H

#include "kernel/sched.h"

enum trace_stop {
	TRACE_STOP_YIELD,
	TRACE_STOP_PREEMPTED,
	TRACE_STOP_MOVED,	/* its P went away; no stack */
};

enum trace_memory {
	TRACE_EXISTS,
	TRACE_ALLOC,
	TRACE_FREE,
};

struct trace_ops {
	/* Between trace_acquire() and trace_release(). */
	void (*proc_start)(struct m *mp);
	void (*proc_stop)(struct m *mp);
	void (*proc_steal)(struct m *mp, struct p *pp);
	void (*procs_change)(struct m *mp, u32 n);
	void (*go_create)(struct m *mp, struct g *gp);
	void (*go_start)(struct m *mp, struct g *gp);
	void (*go_stop)(struct m *mp, struct g *gp, enum trace_stop why);
	void (*go_block)(struct m *mp, struct g *gp, u32 why);
	void (*go_unblock)(struct m *mp, struct g *gp);
	void (*go_end)(struct m *mp, struct g *gp);
	void (*syscall_begin)(struct m *mp, struct g *gp);
	void (*syscall_end)(struct m *mp, struct g *gp);
	void (*syscall_end_blocked)(struct m *mp, struct g *gp);
	void (*status)(struct m *mp, struct g *gp);
	void (*stw_begin)(struct m *mp, const char *why);
	void (*stw_end)(struct m *mp);
	void (*heap_goal)(struct m *mp, u64 bytes);
	/* After trace_try_acquire(). */
	void (*stack)(struct m *mp, enum trace_memory what, uintptr_t base,
		      size_t size);
	void (*heap_live)(struct m *mp, u64 bytes);
	void (*span)(struct m *mp, enum trace_memory what, uintptr_t base,
		     size_t npages, u32 class);
	void (*object)(struct m *mp, enum trace_memory what, uintptr_t addr);

	/* The first goroutine, before and after the program's function. */
	void (*run_begin)(void);
	void (*run_end)(void);
	/* sysmon, now and then.  When to call again at the latest. */
	s64 (*tick)(s64 now);

	/* Nothing is handed over from hold() to let_go().  On g0. */
	void (*hold)(void);
	void (*let_go)(void);
};

extern const struct trace_ops *trace_ops;	/* set before main() or never */
extern _Atomic bool trace_on;		/* a hint: trace_gen decides */
extern _Atomic bool trace_memory_on;	/* the same for the ops ->stack, ->span
					 * and ->object */
extern _Atomic u32 trace_gen;		/* being written; 0: none */
extern _Atomic u64 trace_skipped;	/* see trace_try_acquire() */
extern _Atomic u64 trace_skipped_heap;	/* of these, spans' and objects' */
extern _Atomic bool trace_walking;	/* struct g must stay as they are */

static inline bool tracing(void)
{
	return unlikely(atomic_load_explicit(&trace_on, memory_order_relaxed));
}

/*
 * The two below without the profiler.  Not always inlined: in a function that
 * is not instrumented ThreadSanitizer would not see what they order.
 */
static inline void trace_hold_raw(struct m *mp)
{
	dbg_assert(!atomic_load_explicit(&mp->trace.writing,
			memory_order_relaxed), "traced while tracing");
	atomic_store_explicit(&mp->trace.writing, true, memory_order_relaxed);
	/* Made a full fence by membarrier() in trace_wait_writers(). */
	barrier();
	if (unlikely(!lock_have_membarrier()))
		full_fence();
	/* Acquire: pairs with the release of who sets it: its tables are
	 * ready. */
	mp->trace.gen = atomic_load_explicit(&trace_gen, memory_order_acquire);
}

/* Release: pairs with the acquire in trace_wait_writers(). */
static inline void trace_release_raw(struct m *mp)
{
	atomic_store_explicit(&mp->trace.writing, false, memory_order_release);
}

/*
 * trace_hold - no generation ends, and no trace begins, until
 * trace_release().  Is one being written?  mp: the caller's, not preemptible.
 */
static __always_inline bool trace_hold(struct m *mp)
{
	trace_hold_raw(mp);
	if (nonpreempt_profiled())
		nonpreempt_begin(mp, GORT_NONPREEMPT_TRACE, 0);
	return mp->trace.gen;
}

static __always_inline void trace_release(struct m *mp)
{
	if (nonpreempt_profiled())
		nonpreempt_end(mp, GORT_NONPREEMPT_TRACE, 0);
	trace_release_raw(mp);
}

/* True: write events, then trace_release(). */
static __always_inline bool trace_acquire(struct m *mp)
{
	if (likely(!tracing()))
		return false;
	if (trace_hold(mp))
		return true;
	trace_release(mp);
	return false;
}

/*
 * For what the tracer itself may do in the middle of an event: allocate
 * stack.  Then the event is skipped, and counted.
 */
static inline bool trace_try_acquire(struct m *mp)
{
	if (unlikely(atomic_load_explicit(&mp->trace.writing,
					  memory_order_relaxed))) {
		atomic_fetch_add_explicit(&trace_skipped, 1,
					  memory_order_relaxed);
		return false;
	}
	return trace_acquire(mp);
}

/* Nobody writes to a generation before trace_gen any more. */
void trace_wait_writers(void);

#define TRACE_EVENT(mp, op, ...)					\
	do {								\
		struct m *trace_mp = (mp);				\
									\
		if (trace_acquire(trace_mp)) {				\
			trace_ops->op(trace_mp, ##__VA_ARGS__);		\
			trace_release(trace_mp);			\
		}							\
	} while (0)

#endif
