// SPDX-License-Identifier: ISC
/*
 * trace/event.c - what the scheduler does, as events.
 *
 * Whatever a generation says of a goroutine or a P begins with its status.
 * So an event of one that this generation has not mentioned yet is preceded
 * by a status event: what must be true just before, since the event is.
 * Events that others' depend on carry numbers, counted per goroutine and P,
 * by which a reader puts the threads' streams in order without trusting
 * clocks.
 *
 * Stacks begin with the function of the runtime that the program called, and
 * leave out what is below the goroutine's own function.
 */
#include "trace/trace.h"

#include <string.h>

#include "kernel/print.h"
#include "kernel/proc.h"
#include "kernel/unwind.h"
#include "mm/pages.h"

/* Bounds of the runtime's code: arch/gort.lds. */
extern const char gort_text_begin[], gort_text_end[];

#define START_BYTES		64	/* more than goroutine_start() has */
#define EVENT_BYTES(args)	(1 + (1 + (args)) * TRACE_VARINT_MAX)
#define STATUS_BYTES		(EVENT_BYTES(2) + EVENT_BYTES(3))

static const char *const stop_reasons[] = {
	[TRACE_STOP_YIELD] = "yield",
	[TRACE_STOP_PREEMPTED] = "preempted",
	[TRACE_STOP_MOVED] = "processor gone",
};

/*
 * Viewers sum up what has "sync", "chan" or "select" in it as waiting for
 * other goroutines, and what is "network" as that.
 */
static const char *const block_reasons[NR_WAIT_REASONS] = {
	[WAIT_NONE] = "unspecified",
	[WAIT_CHAN_SEND] = "chan send",
	[WAIT_CHAN_RECV] = "chan receive",
	[WAIT_WAITGROUP] = "sync waitgroup",
	[WAIT_MUTEX] = "sync mutex",
	[WAIT_RWMUTEX_RLOCK] = "sync rwmutex rlock",
	[WAIT_RWMUTEX_LOCK] = "sync rwmutex lock",
	[WAIT_COND] = "sync cond",
	[WAIT_SEM] = "sync sem",
	[WAIT_ONCE] = "sync once",
	[WAIT_SELECT] = "select",
	[WAIT_SELECT_NONE] = "select (no cases)",
	[WAIT_SLEEP] = "sleep",
	[WAIT_IO] = "network",
	[WAIT_SIGNAL] = "signal",
	[WAIT_WORLD] = "stop the world",
	[WAIT_TRACE] = "trace",
	[WAIT_PREEMPTED] = "preempted",
	[WAIT_STACK_SCAN] = "stack scan",
	[WAIT_STOPPING_WORLD] = "stopping the world",
};

/* Numbers of the above, by gen % 2. */
static u32 stop_ids[2][ARRAY_SIZE(stop_reasons)];
static u32 block_ids[2][NR_WAIT_REASONS];

/* mp writes to gen, which nobody else does yet. */
void trace_begin_gen(struct m *mp, u32 gen)
{
	for (u32 i = 0; i < ARRAY_SIZE(stop_reasons); i++)
		stop_ids[gen % 2][i] = trace_string_put(mp, stop_reasons[i]);
	for (u32 i = 0; i < NR_WAIT_REASONS; i++)
		block_ids[gen % 2][i] = trace_string_put(mp, block_reasons[i]);
}

/*
 * Stacks.
 */

bool trace_ours(uintptr_t pc)
{
	return pc - (uintptr_t)gort_text_begin <
	       (uintptr_t)(gort_text_end - gort_text_begin);
}

/* A goroutine's first instructions, up to where its function returns to. */
static bool at_start(uintptr_t pc)
{
	return pc - (uintptr_t)goroutine_start < START_BYTES;
}

/*
 * Not the runtime's, but for the function that was called.  If there is none
 * of the program's, gp, if not NULL, is one of the runtime's own, or its
 * function has gone there by a jump, as the last thing it did.
 */
u32 trace_pcs_put(struct m *mp, const struct g *gp, uintptr_t *pcs, u32 n)
{
	u32 first = 0;

	while (first < n && trace_ours(pcs[first]))
		first++;
	if (first == n && n > 1 && gp && !gp->background &&
	    at_start(pcs[n - 1])) {
		pcs[n - 1] = (uintptr_t)gp->fn;
		return trace_stack_put(mp, pcs + n - 2, 2);
	}
	if (first == n)
		return n ? trace_stack_put(mp, pcs, n) : 0;
	if (first)
		first--;
	while (trace_ours(pcs[n - 1]))
		n--;
	return trace_stack_put(mp, pcs + first, n - first);
}

/* A few more than are written: those at the top are left out again. */
#define PCS_MAX		(TRACE_FRAMES_MAX + 8)

static u32 put_unwound(struct m *mp, struct unwind *u)
{
	const struct g *gp = u->gp;
	uintptr_t pcs[PCS_MAX];
	u32 n = unwind_pcs(u, pcs, PCS_MAX);

	return trace_pcs_put(mp, gp, pcs, n);
}

static struct g *cur_g(struct m *mp)
{
	return atomic_load_explicit(&mp->curg, memory_order_relaxed);
}

/* Of the goroutine that runs on mp, or has called g0: from our caller on. */
static __attribute__((noinline)) u32 stack_here(struct m *mp)
{
	struct g *gp = cur_g(mp);
	struct unwind u;

	if (!gp)
		return 0;
	unwind_here(&u, gp, (uintptr_t)__builtin_frame_address(0));
	return put_unwound(mp, &u);
}

/* Status is ownership; G_SCAN is believed to be the caller's. */
static __cold void check_ownership(struct m *mp, struct g *gp)
{
	u32 status = g_status(gp);

	if (status & G_SCAN)
		return;
	if (cur_g(mp) == gp &&
	    (status == G_RUNNING || status == G_SYSCALL ||
	     (status == G_WAITING && wait_is_for_gc(gp->wait_reason))))
		return;
	print("gort: goroutine %U, status %s\n", gp->id,
	      g_status_name(status));
	throw("the stack of a goroutine is traced by who does not own it");
}

u32 trace_stack_of(struct m *mp, struct g *gp)
{
	struct unwind u;

	if (unlikely(debug.tracecheckstackownership))
		check_ownership(mp, gp);
	unwind_g(&u, gp);
	return put_unwound(mp, &u);
}

/*
 * What begins an event.
 */

bool trace_mentioned(const struct sched_trace *t, u32 gen)
{
	return atomic_load_explicit(&t->gen[gen % 2],
				    memory_order_relaxed) == gen;
}

/*
 * Read by who ends gen, after trace_wait_writers().  Nobody forgets: numbers
 * of generations do not come again.
 */
static void mention(struct sched_trace *t, u32 gen)
{
	t->seq[gen % 2] = 0;
	atomic_store_explicit(&t->gen[gen % 2], gen, memory_order_relaxed);
}

static u32 next_seq(struct sched_trace *t, u32 gen)
{
	return ++t->seq[gen % 2];
}

static void put_event(struct trace_block *b, u8 type)
{
	put_byte(b, type);
	put_time(b);
}

static __cold void put_p_status(struct trace_block *b, struct p *pp, u32 gen,
				u32 status)
{
	put_event(b, EV_PROC_STATUS);
	put_varint(b, pp->id);
	put_varint(b, status);
	mention(&pp->trace, gen);
}

/* status 0: as the goroutine says itself, which runs on this thread. */
static __cold void put_g_status(struct trace_block *b, struct g *gp, u32 gen,
				u64 thread, u32 status)
{
	/* Somebody may be looking at its stack. */
	if (!status)
		status = (g_status(gp) & ~(u32)G_SCAN) == G_SYSCALL ?
			 GO_SYSCALL : GO_RUNNING;
	put_event(b, EV_GO_STATUS);
	put_varint(b, gp->id);
	put_varint(b, thread);
	put_varint(b, status);
	mention(&gp->trace, gen);
}

/*
 * The stream of mp, with room for an event of that many arguments.  Its P and
 * goroutine gp, if there are, are mentioned; NULL: the event is lost.
 */
static inline struct trace_block *
begin_as(struct m *mp, struct g *gp, u32 go_status, u32 proc_status, u32 args)
{
	struct trace_block *b = trace_stream(mp, STREAM_EVENTS, 2 *
				STATUS_BYTES + EVENT_BYTES(args));
	u32 gen = mp->trace.gen;

	if (unlikely(!b))
		return NULL;
	if (mp->p && unlikely(!trace_mentioned(&mp->p->trace, gen)))
		put_p_status(b, mp->p, gen, proc_status);
	if (gp && unlikely(!trace_mentioned(&gp->trace, gen)))
		put_g_status(b, gp, gen, (u64)mp->tid, go_status);
	return b;
}

/* By who runs on mp, if anybody does. */
static inline struct trace_block *begin(struct m *mp, u32 args)
{
	return begin_as(mp, cur_g(mp), 0, PROC_RUNNING, args);
}

/*
 * Ps.
 */

static void ev_proc_start(struct m *mp)
{
	struct trace_block *b = begin_as(mp, cur_g(mp), GO_SYSCALL, PROC_IDLE,
					 2);

	if (!b)
		return;
	put_event(b, EV_PROC_START);
	put_varint(b, mp->p->id);
	put_varint(b, next_seq(&mp->p->trace, mp->trace.gen));
}

static void ev_proc_stop(struct m *mp)
{
	struct trace_block *b = begin(mp, 0);

	if (b)
		put_event(b, EV_PROC_STOP);
}

/*
 * The M it is stolen from may have entered the system call in the generation
 * after the one that we found; then so does the theft belong there.
 */
static void ev_proc_steal(struct m *mp, struct p *pp)
{
	struct trace_block *b;
	u32 gen = mp->trace.gen;

	if (trace_mentioned(&pp->trace, gen + 1))
		mp->trace.gen = ++gen;
	b = begin(mp, 3);
	if (!b)
		return;
	if (!trace_mentioned(&pp->trace, gen))
		put_p_status(b, pp, gen, PROC_SYSCALL_ABANDONED);
	put_event(b, EV_PROC_STEAL);
	put_varint(b, pp->id);
	put_varint(b, next_seq(&pp->trace, gen));
	put_varint(b, (u64)pp->syscall_tid);
}

/* pp is nobody's, and stays so. */
void trace_p_idle(struct m *mp, struct p *pp)
{
	struct trace_block *b = trace_stream(mp, STREAM_EVENTS, STATUS_BYTES);

	if (b && !trace_mentioned(&pp->trace, mp->trace.gen))
		put_p_status(b, pp, mp->trace.gen, PROC_IDLE);
}

static void ev_procs_change(struct m *mp, u32 n)
{
	u32 stack = stack_here(mp);
	struct trace_block *b = begin(mp, 2);

	if (!b)
		return;
	put_event(b, EV_PROCS_CHANGE);
	put_varint(b, n);
	put_varint(b, stack);
}

/*
 * Goroutines.
 */

static void ev_go_create(struct m *mp, struct g *gp)
{
	u32 stack = stack_here(mp);
	u32 start = trace_stack_put(mp, (uintptr_t *)&gp->fn, 1);
	struct trace_block *b = begin(mp, 3);

	if (!b)
		return;
	mention(&gp->trace, mp->trace.gen);
	put_event(b, EV_GO_CREATE);
	put_varint(b, gp->id);
	put_varint(b, start);
	put_varint(b, stack);
}

/* gp runs on mp; what it is labelled with now. */
void trace_label_event(struct m *mp, struct g *gp)
{
	u32 id = trace_label_id(mp, gp->label);
	struct trace_block *b;

	/* Readers take no empty label; the last one is over when gp stops. */
	if (!id)
		return;
	b = begin_as(mp, gp, GO_RUNNING, PROC_RUNNING, 1);
	if (!b)
		return;
	put_event(b, EV_GO_LABEL);
	put_varint(b, id);
}

static void ev_go_start(struct m *mp, struct g *gp)
{
	struct trace_block *b = begin_as(mp, gp, GO_RUNNABLE, PROC_RUNNING,
					 2);

	if (!b)
		return;
	put_event(b, EV_GO_START);
	put_varint(b, gp->id);
	put_varint(b, next_seq(&gp->trace, mp->trace.gen));
	/* Viewers forget it when gp stops. */
	if (unlikely(gp->label))
		trace_label_event(mp, gp);
}

static void go_off(struct m *mp, struct g *gp, u8 type, u32 why, u32 stack)
{
	struct trace_block *b = begin_as(mp, gp, GO_RUNNING, PROC_RUNNING, 2);

	if (!b)
		return;
	put_event(b, type);
	put_varint(b, why);
	put_varint(b, stack);
}

static void ev_go_stop(struct m *mp, struct g *gp, enum trace_stop why)
{
	go_off(mp, gp, EV_GO_STOP, stop_ids[mp->trace.gen % 2][why],
	       why == TRACE_STOP_MOVED ? 0 : trace_stack_of(mp, gp));
}

static void ev_go_block(struct m *mp, struct g *gp, u32 why)
{
	go_off(mp, gp, EV_GO_BLOCK, block_ids[mp->trace.gen % 2][why],
	       trace_stack_of(mp, gp));
}

/* gp's stack is not ours: it belongs to who will run it. */
static void ev_go_unblock(struct m *mp, struct g *gp)
{
	u32 stack = stack_here(mp), gen = mp->trace.gen;
	struct trace_block *b = begin(mp, 3);

	if (!b)
		return;
	if (!trace_mentioned(&gp->trace, gen))
		put_g_status(b, gp, gen, TRACE_NO_THREAD, GO_WAITING);
	put_event(b, EV_GO_UNBLOCK);
	put_varint(b, gp->id);
	put_varint(b, next_seq(&gp->trace, gen));
	put_varint(b, stack);
}

static void ev_go_end(struct m *mp, struct g *gp)
{
	struct trace_block *b = begin_as(mp, gp, GO_RUNNING, PROC_RUNNING, 0);

	if (b)
		put_event(b, EV_GO_DESTROY);
}

static void ev_syscall_begin(struct m *mp, struct g *gp)
{
	u32 stack = stack_here(mp);
	struct trace_block *b = begin_as(mp, gp, GO_RUNNING, PROC_RUNNING, 2);

	mp->p->syscall_tid = mp->tid;
	if (!b)
		return;
	put_event(b, EV_GO_SYSCALL_BEGIN);
	put_varint(b, next_seq(&mp->p->trace, mp->trace.gen));
	put_varint(b, stack);
}

static void ev_syscall_end(struct m *mp, struct g *gp)
{
	struct trace_block *b = begin_as(mp, gp, GO_SYSCALL, PROC_SYSCALL, 0);

	if (b)
		put_event(b, EV_GO_SYSCALL_END);
}

static void ev_syscall_end_blocked(struct m *mp, struct g *gp)
{
	struct trace_block *b = begin_as(mp, gp, GO_SYSCALL, PROC_RUNNING, 0);

	if (b)
		put_event(b, EV_GO_SYSCALL_END_BLOCKED);
}

/* gp runs, and this generation shall know. */
static void ev_status(struct m *mp, struct g *gp)
{
	begin_as(mp, gp, GO_RUNNING, PROC_RUNNING, 0);
}

/*
 * The world.
 */

static void ev_stw_begin(struct m *mp, const char *why)
{
	u32 stack = stack_here(mp), kind = trace_string_put(mp, why);
	struct trace_block *b = begin(mp, 2);

	if (!b)
		return;
	put_event(b, EV_STW_BEGIN);
	put_varint(b, kind);
	put_varint(b, stack);
}

static void ev_stw_end(struct m *mp)
{
	struct trace_block *b = begin(mp, 0);

	if (b)
		put_event(b, EV_STW_END);
}

static void put_user(struct m *mp, u8 type, u32 n, const u64 *args, u32 stack)
{
	struct trace_block *b = begin(mp, n + 1);

	if (!b)
		return;
	put_event(b, type);
	for (u32 i = 0; i < n; i++)
		put_varint(b, args[i]);
	put_varint(b, stack);
}

/* Of the program, by the goroutine that runs: n arguments and the stack. */
void trace_user_event(struct m *mp, u8 type, u32 n, const u64 *args)
{
	put_user(mp, type, n, args, stack_here(mp));
}

/* A log of no task, with another stack than the goroutine's. */
void trace_log_from(struct m *mp, const char *category, const char *message,
		    size_t len, const uintptr_t *pcs, u32 n)
{
	u64 args[] = {
		0,
		trace_string_put(mp, category),
		trace_string_emit(mp, message, len),
	};

	put_user(mp, EV_USER_LOG, ARRAY_SIZE(args), args,
		 n ? trace_stack_put(mp, pcs, n) : 0);
}

/*
 * Memory.
 */

static void put_bytes(struct m *mp, u8 type, u64 bytes)
{
	struct trace_block *b = begin(mp, 1);

	if (!b)
		return;
	put_event(b, type);
	put_varint(b, bytes);
}

static void ev_heap_live(struct m *mp, u64 bytes)
{
	put_bytes(mp, EV_HEAP_ALLOC, bytes);
}

static void ev_heap_goal(struct m *mp, u64 bytes)
{
	put_bytes(mp, EV_HEAP_GOAL, bytes);
}

/*
 * The alloc/free experiment: what is numbered is so by its distance from the
 * beginning of the heap, in units of the smallest alignment; stacks may lie
 * before it.  Written in the ordinary streams.
 */
static void ev_stack(struct m *mp, enum trace_memory what, uintptr_t base,
		     size_t size)
{
	struct trace_block *b = begin(mp, 2);

	if (!b)
		return;
	put_event(b, (u8)(EV_STACK_EXISTS + what));
	put_varint(b, (base - page_heap.base) >> STACK_MIN_SHIFT);
	if (what != TRACE_FREE)
		put_varint(b, (u64)__builtin_ctzll(size) + 1);
}

static void ev_span(struct m *mp, enum trace_memory what, uintptr_t base,
		    size_t npages, u32 class)
{
	struct trace_block *b = begin(mp, 3);

	if (!b)
		return;
	put_event(b, (u8)(EV_SPAN_EXISTS + what));
	put_varint(b, (base - page_heap.base) >> HPAGE_SHIFT);
	if (what == TRACE_FREE)
		return;
	put_varint(b, npages);
	put_varint(b, SPAN_KIND(class));
}

static void ev_object(struct m *mp, enum trace_memory what, uintptr_t addr)
{
	struct trace_block *b = begin(mp, 2);

	if (!b)
		return;
	put_event(b, (u8)(EV_OBJECT_EXISTS + what));
	put_varint(b, (addr - page_heap.base) / OBJECT_UNIT);
	if (what != TRACE_FREE)
		put_varint(b, 0);
}

/* sysstack: trace.lock. */
static void __systemstack hold(void)
{
	lock(&trace.lock);
}

static void __systemstack let_go(void)
{
	unlock(&trace.lock);
}

const struct trace_ops trace_event_ops = {
	.proc_start = ev_proc_start,
	.proc_stop = ev_proc_stop,
	.proc_steal = ev_proc_steal,
	.procs_change = ev_procs_change,
	.go_create = ev_go_create,
	.go_start = ev_go_start,
	.go_stop = ev_go_stop,
	.go_block = ev_go_block,
	.go_unblock = ev_go_unblock,
	.go_end = ev_go_end,
	.syscall_begin = ev_syscall_begin,
	.syscall_end = ev_syscall_end,
	.syscall_end_blocked = ev_syscall_end_blocked,
	.status = ev_status,
	.stw_begin = ev_stw_begin,
	.stw_end = ev_stw_end,
	.heap_goal = ev_heap_goal,
	.stack = ev_stack,
	.heap_live = ev_heap_live,
	.span = ev_span,
	.object = ev_object,
	.run_begin = trace_run_begin,
	.run_end = trace_run_end,
	.tick = trace_tick,
	.hold = hold,
	.let_go = let_go,
};
