// SPDX-License-Identifier: ISC
/*
 * trace/trace.c - the execution tracer: start, stop, and generations.
 *
 * A trace is a sequence of generations, of a second each, every one of which
 * can be read without those before it.  All that a generation needs - stacks,
 * strings, the status of every goroutine and P - is written when it ends, by
 * the goroutine that ends it: one that sysmon wakes, or who stops the trace.
 *
 *  1. Every goroutine that the generation has not mentioned is looked at, and
 *     its status and stack noted.  Who runs is left for step 2.
 *  2. With the world kept from stopping, every P is made to be mentioned.
 *  3. trace_gen is advanced.  From here on Ms write to the next generation.
 *  4. When no M writes to the old one any more its buffers are queued.
 *  5. Notes of step 1 that are still news are written, then CPU samples,
 *     stacks and strings, in this order: each may need the next.
 *  6. The writer is told that this was all, and waited for.
 *
 * Everything runs on the goroutine's stack, can be preempted, and yields of
 * its own accord every SLICE_NS, so however much there is nobody waits for
 * it.  With GORTDEBUG=tracepushdown=0 step 5 is one piece of work on the
 * system stack, as it was in the Go runtime before version 1.23.
 *
 * Rejected: stopping the world for the end of a generation, which keeps
 * everybody waiting; and a timer for it, which would be something to wait
 * for, so that a program in deadlock would wait for ever.
 *
 * Locks: advance.mutex, which blocks goroutines: one start, stop or end of a
 * generation at a time.  Under it the world lock, trace.lock, wait.lock.
 */
#define _GNU_SOURCE
#include "trace/trace.h"
#include "trace/cpuprofile.h"
#include "trace/outfile.h"

#include <gort/gort.h>
#include <gort/trace.h>

#include <string.h>
#include <time.h>

#include "kernel/preempt.h"
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/stw.h"
#include "kernel/suspend.h"
#include "mm/heap.h"
#include "mm/heaptrace.h"
#include "mm/vm.h"

#define SEGMENTS_MAX	128	/* of a goroutine, in the snapshot */
#define SLICE_NS	50000	/* of work between two yields */
#define RETRY_NS	100000	/* while a P does not answer */
#define TICK_NS		10000000 /* sysmon asks again, while this one is due */
#define LIMIT_MIN	((u64)1 << 20)
#define LIMIT_DEFAULT	((u64)256 << 20)
#define LOOKS		64	/* goroutines per opening of the status gate */

enum state {
	OFF,
	BUSY,			/* being started or stopped */
	ON,
	ENDED,			/* by an error; gort_trace_stop() is to come */
	CLOSED,			/* the run ends, or did not begin */
};

struct trace trace = {
	.lock = LOCK_INIT(RANK_TRACE),
	.writer_gen = 1,
};

static struct {
	struct gort_mutex mutex;
	_Atomic u32 state;
	u32 last_gen;		/* generations are numbered through */
	u64 serial;		/* of the trace */
	_Atomic s64 next_ns;	/* when the generation is to end */

	struct lock lock;	/* what follows */
	struct g *parked;	/* the goroutine that ends generations */
	bool wanted;
} advance = {
	.state = CLOSED,
	.lock = LOCK_INIT(RANK_TRACE_WAIT),
};

static u32 state(void)
{
	return atomic_load_explicit(&advance.state, memory_order_acquire);
}

static void set_state(u32 new)
{
	atomic_store_explicit(&advance.state, new, memory_order_release);
}

/*
 * Errors.  The first one counts.
 */

/* The trace is to end, at the end of this generation. */
void trace_failed(int err)
{
	int none = 0;

	atomic_compare_exchange_strong_explicit(&trace.error, &none, err,
			memory_order_relaxed, memory_order_relaxed);
}

/* gen, and what comes after it, is not going to be written. */
void trace_lose(u32 gen, int err)
{
	u32 lost = atomic_load_explicit(&trace.lost_gen, memory_order_relaxed);

	/* Buffers may have run out in the next one first. */
	while ((!lost || gen < lost) &&
	       !atomic_compare_exchange_weak_explicit(&trace.lost_gen, &lost,
			gen, memory_order_relaxed, memory_order_relaxed))
		;
	trace_failed(err);
}

/*
 * Step 1: goroutines that were not mentioned.
 */

struct note_g {
	struct g *gp;
	u64 id;
	u32 status;
	u32 stack;
	s64 thread;
};

#define NOTES_PER_BLOCK \
	((u32)(sizeof(((struct trace_block *)0)->data) / sizeof(struct note_g)))

/* Blocks of them; ->pos counts. */
struct notes {
	struct trace_block *head;
	u32 gen;
};

static struct note_g *note_at(struct trace_block *b, u32 i)
{
	return &((struct note_g *)b->data)[i];
}

static struct note_g *note_new(struct notes *n)
{
	struct trace_block *b = n->head;

	if (!b || b->pos == NOTES_PER_BLOCK) {
		b = vm_alloc(sizeof(*b));
		if (!b) {
			trace_lose(n->gen, -ENOMEM);
			return NULL;
		}
		b->link = n->head;
		n->head = b;
	}
	return note_at(b, b->pos++);
}

static u32 go_status(u32 status, u32 why)
{
	switch (status) {
	case G_RUNNABLE:
		return GO_RUNNABLE;
	case G_SYSCALL:
		return GO_SYSCALL;
	case G_WAITING:
		return wait_is_for_gc(why) ? GO_RUNNING : GO_WAITING;
	default:
		return GO_RUNNING;
	}
}

struct look {
	struct g *gp;
	u32 gen;
	struct note_g note;	/* ->id 0: nothing to be said */
	bool runs;
};

static void describe(struct look *l, struct m *mp, const struct suspended *s)
{
	struct g *gp = l->gp;

	trace_hold(mp);
	l->note = (struct note_g){
		.gp = gp,
		.id = gp->id,
		.status = go_status(s->status, gp->wait_reason),
		.stack = trace_stack_of(mp, gp),
		.thread = s->status == G_SYSCALL ? gp->m->tid : -1,
	};
	trace_release(mp);
}

/*
 * sysstack: others may do the same to us meanwhile, see suspend_begin().
 * The status gate is open.
 */
static void __systemstack look_at(void *arg)
{
	struct look *l = arg;
	struct m *mp = getm();
	struct g *self = atomic_load_explicit(&mp->curg, memory_order_relaxed);
	struct suspended s = { 0 };
	u32 status = g_status(l->gp) & ~(u32)G_SCAN;

	l->note.id = 0;
	l->runs = status == G_RUNNING || status == G_PREEMPTED ||
		  (status == G_WAITING && wait_is_for_gc(l->gp->wait_reason));
	if (l->runs)
		return;
	suspend_begin(self, WAIT_STACK_SCAN);
	if (suspend_g(l->gp, &s, 0)) {
		if (!trace_mentioned(&l->gp->trace, l->gen))
			describe(l, mp, &s);
		resume_g(&s);
	} else {
		l->runs = true;	/* or will, or is dead */
	}
	suspend_end(self);
}

/* Gate open.  True: gp is noted, was mentioned, or is gone. */
static bool look(struct notes *n, struct g *gp)
{
	struct look l = { .gp = gp, .gen = n->gen };
	struct note_g *note;

	if (trace_mentioned(&gp->trace, n->gen))
		return true;
	trace_systemstack(look_at, &l);
	if (l.runs)
		return false;
	if (!l.note.id)
		return true;
	note = note_new(n);
	if (note)
		*note = l.note;
	return true;
}

static void pause_a_bit(void)
{
	gort_sleep_ns(RETRY_NS);
}

/* All goroutines.  Those that run are put into running. */
static void note_goroutines(struct notes *n, struct notes *running)
{
	size_t cursor = 0;
	u64 slice = 0;
	struct g *gp;
	u32 looks = 0;

	status_gate_open();
	while ((gp = stack_next_g(&cursor))) {
		if (!look(n, gp)) {
			struct note_g *r = note_new(running);

			if (r)
				r->gp = gp;
		}
		if (++looks % LOOKS == 0) {
			status_gate_close();
			trace_breathe(&slice);
			status_gate_open();
		}
	}
	status_gate_close();
}

/*
 * Those that ran.  Their P is mentioned now, and they with it, unless they
 * have left it since, or are about to start.
 */
static void note_the_others(struct notes *n, struct notes *running)
{
	for (struct trace_block *b = running->head; b; b = b->link)
		for (u32 i = 0; i < b->pos; i++) {
			struct g *gp = note_at(b, i)->gp;
			bool done;

			for (;;) {
				u32 status = g_status(gp);

				if (status == G_IDLE || status == G_DEAD)
					break;
				status_gate_open();
				done = look(n, gp);
				status_gate_close();
				if (done)
					break;
				pause_a_bit();
			}
		}
}

static void write_note(struct trace_writer *w, const struct note_g *note)
{
	struct trace_block *b;

	if (!trace_writer_room(w, 1 + 6 * TRACE_VARINT_MAX))
		return;
	b = w->buf;
	put_byte(b, note->stack ? EV_GO_STATUS_STACK : EV_GO_STATUS);
	put_time(b);
	put_varint(b, note->id);
	put_varint(b, (u64)note->thread);
	put_varint(b, note->status);
	if (note->stack)
		put_varint(b, note->stack);
}

/* Who was mentioned meanwhile was so with the truth. */
static void write_notes(const struct notes *n)
{
	struct trace_writer w = { .gen = n->gen };
	u64 slice = 0;

	for (struct trace_block *b = n->head; b; b = b->link)
		for (u32 i = 0; i < b->pos; i++) {
			const struct note_g *note = note_at(b, i);

			if (!trace_mentioned(&note->gp->trace, n->gen))
				write_note(&w, note);
			trace_breathe(&slice);
		}
	trace_writer_flush(&w);
}

/*
 * Step 2: Ps.
 */

struct poke {
	struct p *pp;
	bool again;
};

/* sysstack: takes sched.lock. */
static void __systemstack poke_p(void *arg)
{
	struct poke *poke = arg;
	struct p *pp = poke->pp;
	struct m *mp;
	struct g *gp;

	lock(&sched.lock);
	mp = atomic_load_explicit(&pp->m, memory_order_relaxed);
	switch (p_status(pp, NULL)) {
	case P_IDLE:
		mp = getm();
		trace_hold(mp);
		trace_p_idle(mp, pp);
		trace_release(mp);
		break;
	case P_RUNNING:
		gp = mp && !mp->gone ? atomic_load_explicit(&mp->curg,
						memory_order_relaxed) : NULL;
		if (!gp)
			break;	/* about to start something */
		atomic_store_explicit(&gp->preempt, true,
				      memory_order_relaxed);
		preempt_ask_locked(mp, poke->again);
		break;
	default:
		break;
	}
	unlock(&sched.lock);
}

/* sysstack: handoff_p() takes sched.lock. */
static void __systemstack take_from_syscall(void *arg)
{
	struct p *pp = arg;

	status_gate_open();
	if (p_steal_syscall(pp, P_RUNNING))
		handoff_p(pp);
	status_gate_close();
}

/* In a system call, on g0: another M gets the P. */
void trace_leave_p(void)
{
	take_from_syscall(getm()->syscall_p);
}

static void mention_p(struct p *pp, u32 gen)
{
	struct poke poke = { .pp = pp };

	while (!trace_mentioned(&pp->trace, gen)) {
		if (p_status(pp, NULL) == P_SYSCALL) {
			trace_systemstack(take_from_syscall, pp);
			continue;
		}
		preempt_prepare();
		trace_systemstack(poke_p, &poke);
		if (trace_mentioned(&pp->trace, gen))
			break;
		poke.again = true;
		pause_a_bit();
	}
}

/* The world lock is held: their number stays. */
static void mention_ps(u32 gen)
{
	struct m *mp = acquirem();

	TRACE_EVENT(mp, status, getg());
	releasem(mp);
	for (u32 i = 0; i < nprocs(); i++)
		mention_p(sched.ps[i], gen);
}

/*
 * Step 5.
 */

static void write_sync(u32 gen)
{
	struct trace_writer w = { .gen = gen };
	struct timespec wall;
	u64 mono;

	if (trace.version >= 26)
		w.kind = EV_SYNC;
	if (!trace_writer_room(&w, 2 + 5 * TRACE_VARINT_MAX))
		return;
	put_byte(w.buf, EV_FREQUENCY);
	put_varint(w.buf, NSEC_PER_SEC / TRACE_UNIT_NS);
	if (trace.version >= 26) {
		put_byte(w.buf, EV_CLOCK_SNAPSHOT);
		put_time(w.buf);
		mono = (u64)nanotime();
		clock_gettime(CLOCK_REALTIME, &wall);
		put_varint(w.buf, mono);
		put_varint(w.buf, (u64)wall.tv_sec);
		put_varint(w.buf, (u64)wall.tv_nsec);
	}
	trace_writer_flush(&w);
}

static void write_rest(void *arg)
{
	const struct notes *n = arg;

	write_sync(n->gen);
	write_notes(n);
	trace_samples_flush(n->gen);
	trace_tables_dump(n->gen);
}

/* sysstack: trace.lock. */
static void __systemstack all_flushed(void *arg)
{
	lock(&trace.lock);
	trace.flushed_gen = *(u32 *)arg;
	trace_writer_wake_locked();
	unlock(&trace.lock);
}

/*
 * Ends of generations.
 */

/* What the next generation needs before anybody writes to it. */
static void prepare_gen(struct m *mp, u32 gen)
{
	trace_hold(mp);
	mp->trace.gen = gen;
	trace_begin_gen(mp, gen);
	trace_release(mp);
}

/* Step 3.  The world lock is held. */
static void switch_gen(u32 gen, bool stop)
{
	struct m *mp = acquirem();

	if (!stop)
		prepare_gen(mp, gen + 1);
	/* Release: pairs with trace_hold(). */
	atomic_store_explicit(&trace_gen, stop ? 0 : gen + 1,
			      memory_order_release);
	if (stop) {
		atomic_store_explicit(&trace_on, false, memory_order_relaxed);
		atomic_store_explicit(&trace_memory_on, false,
				      memory_order_relaxed);
	}
	TRACE_EVENT(mp, procs_change, nprocs());
	releasem(mp);
}

/* advance.mutex is held. */
static void end_gen(bool stop)
{
	u32 gen = atomic_load_explicit(&trace_gen, memory_order_relaxed);
	struct notes n = { .gen = gen }, running = { .gen = gen };

	atomic_store_explicit(&trace_walking, true, memory_order_relaxed);
	note_goroutines(&n, &running);
	cpuprofile_drain();
	stw_prevent();
	mention_ps(gen);
	note_the_others(&n, &running);
	switch_gen(gen, stop);
	stw_allow();
	trace_wait_writers();
	if (stop)
		heap_trace_stop();
	trace_buf_flush_all(gen);
	if (debug.tracepushdown)
		write_rest(&n);
	else
		trace_systemstack(write_rest, &n);
	atomic_store_explicit(&trace_walking, false, memory_order_relaxed);
	trace_systemstack(all_flushed, &gen);
	trace_blocks_give_back(n.head);
	trace_blocks_give_back(running.head);
	trace_wait_for_writer(gen, 0);
	trace_tables_reset(gen);
	advance.last_gen = gen;
	atomic_store_explicit(&advance.next_ns, nanotime() +
			      (s64)debug.traceadvanceperiod,
			      memory_order_relaxed);
}

static void __systemstack take_empty(void *arg)
{
	lock(&trace.lock);
	*(struct trace_block **)arg = trace.empty;
	trace.empty = NULL;
	unlock(&trace.lock);
}

static void stop_locked(u32 then)
{
	struct trace_block *empty;

	end_gen(true);
	trace_systemstack(take_empty, &empty);
	trace_blocks_give_back(empty);
	set_state(then);
}

/*
 * The goroutine that ends generations.  One per trace, parked until sysmon
 * finds that it is time.
 */

static void wait_until_wanted(void)
{
	lock(&advance.lock);
	if (advance.wanted) {
		advance.wanted = false;
		unlock(&advance.lock);
		return;
	}
	advance.parked = getg();
	sched_park(&advance.lock, WAIT_TRACE);
}

static void want_advance(void)
{
	struct gqueue list = { 0 };
	struct g *gp;

	lock(&advance.lock);
	gp = advance.parked;
	advance.parked = NULL;
	if (!gp)
		advance.wanted = true;
	unlock(&advance.lock);
	if (!gp)
		return;
	gqueue_push(&list, gp);
	sched_ready_list(&list);
}

static bool due(s64 now)
{
	return now >= atomic_load_explicit(&advance.next_ns,
					   memory_order_relaxed) ||
	       atomic_load_explicit(&trace.error, memory_order_relaxed);
}

s64 trace_tick(s64 now)
{
	s64 profile = cpuprofile_tick(now), next;

	if (state() != ON)
		return profile;
	if (due(now)) {
		m_waking_elsewhere(true);
		want_advance();
		m_waking_elsewhere(false);
	}
	next = atomic_load_explicit(&advance.next_ns, memory_order_relaxed);
	if (next < now + TICK_NS)
		next = now + TICK_NS;
	return next < profile ? next : profile;
}

static void advancer(void *arg)
{
	bool mine = true;

	while (mine) {
		wait_until_wanted();
		gort_mutex_lock(&advance.mutex);
		mine = state() == ON && advance.serial == (u64)arg;
		if (mine && atomic_load_explicit(&trace.error,
						 memory_order_relaxed))
			stop_locked(ENDED);
		else if (mine && due(nanotime()))
			end_gen(false);
		gort_mutex_unlock(&advance.mutex);
	}
}

static void __systemstack want_advance_g0(void *arg)
{
	(void)arg;
	want_advance();
}

/*
 * Starting.
 */

static void choose_clock(void)
{
	u64 hz;

	trace.by_clock = !cpu_cycles_steady();
	hz = trace.by_clock ? NSEC_PER_SEC : cpu_cycles_hz();
	trace.scale = ((u64)(NSEC_PER_SEC / TRACE_UNIT_NS) <<
		       TRACE_SCALE_SHIFT) / hz;
	trace.slice = cpu_cycles_hz() / (NSEC_PER_SEC / SLICE_NS);
}

/*
 * The caller's segments change while events are written, with
 * maymorestack=move at each call; those of a goroutine in a system call may
 * come and go behind the frame that made the call, and are left out.  So
 * those that stay are noted first, without any call in between.
 */
static void snapshot_stack(struct m *mp, struct g *gp)
{
	struct {
		uintptr_t lo;
		unsigned int class;
	} noted[SEGMENTS_MAX];
	uintptr_t last = g_status(gp) == G_SYSCALL ? gp->syscall_fp : 0;
	unsigned int n = 0;

	for (struct segment *seg = &gp->seg0; seg && n < SEGMENTS_MAX;
	     seg = seg->next) {
		noted[n].lo = seg->lo;
		noted[n++].class = seg->class;
		if (last - seg->lo < seg->top - seg->lo)
			break;
	}
	for (unsigned int i = 0; i < n; i++)
		trace_ops->stack(mp, TRACE_EXISTS, noted[i].lo,
				 stack_class_size(noted[i].class));
}

static void snapshot_stacks(struct m *mp)
{
	size_t cursor = 0;
	struct g *gp;

	while ((gp = stack_next_g(&cursor)))
		snapshot_stack(mp, gp);
}

/* The world is stopped. */
static void switch_on(u32 gen)
{
	struct m *mp = getm();

	prepare_gen(mp, gen);
	atomic_store_explicit(&trace_on, true, memory_order_relaxed);
	atomic_store_explicit(&trace_memory_on, debug.traceallocfree,
			      memory_order_relaxed);
	/* Release: pairs with trace_hold(). */
	atomic_store_explicit(&trace_gen, gen, memory_order_release);
	/* Those without a P do not stop with the world. */
	trace_wait_writers();
	trace_hold(mp);
	trace_ops->procs_change(mp, nprocs());
	trace_ops->stw_begin(mp, "start trace");
	heap_trace_start(mp, debug.traceallocfree);
	if (debug.traceallocfree)
		snapshot_stacks(mp);
	trace_release(mp);
}

/* What the numbers of the experiment's events mean. */
static void write_layout(u32 gen)
{
	struct trace_writer w = {
		.gen = gen,
		.experiment = EXP_ALLOC_FREE,
		.kind = ALLOC_FREE_INFO,
	};

	if (!trace_writer_room(&w, 4 * TRACE_VARINT_MAX))
		return;
	put_varint(w.buf, page_heap.base);
	put_varint(w.buf, HPAGE_SIZE);
	put_varint(w.buf, OBJECT_UNIT);
	put_varint(w.buf, (u64)1 << STACK_MIN_SHIFT);
	trace_writer_flush(&w);
}

/* Those in the heap that do not stop with the world are to stop, too. */
static void start_in_world(u32 gen)
{
	stw_begin(STW_TRACE_START);
	if (debug.traceallocfree)
		heap_hold_threads();
	switch_on(gen);
	if (debug.traceallocfree)
		heap_let_threads_go();
	stw_end();
	if (debug.traceallocfree)
		write_layout(gen);
}

static int start_locked(int fd)
{
	int err = trace_tables_init();

	if (!err)
		err = trace_writer_begin(fd);
	if (!err)
		err = sched_spawn_background(advancer,
					     (void *)++advance.serial);
	if (err)
		return err;
	atomic_store_explicit(&trace.error, 0, memory_order_relaxed);
	atomic_store_explicit(&trace.lost_gen, 0, memory_order_relaxed);
	atomic_store_explicit(&trace.dropped, 0, memory_order_relaxed);
	atomic_store_explicit(&trace.generations, 0, memory_order_relaxed);
	atomic_store_explicit(&trace.bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&trace.longest, 0, memory_order_relaxed);
	atomic_store_explicit(&trace_skipped, 0, memory_order_relaxed);
	atomic_store_explicit(&trace_skipped_heap, 0, memory_order_relaxed);
	choose_clock();
	trace_samples_begin();
	start_in_world(advance.last_gen + 1);
	atomic_store_explicit(&advance.next_ns, nanotime() +
			      (s64)debug.traceadvanceperiod,
			      memory_order_relaxed);
	set_state(ON);
	return 0;
}

static int set_options(const struct gort_trace_opts *opts)
{
	u64 limit = debug.tracebuflimit ? debug.tracebuflimit : LIMIT_DEFAULT;

	trace.version = debug.traceversion ? debug.traceversion : 23;
	if (opts && opts->version)
		trace.version = opts->version;
	if (opts && opts->buffer_limit)
		limit = opts->buffer_limit;
	if ((trace.version != 23 && trace.version != 26) || limit < LIMIT_MIN)
		return -EINVAL;
	if (limit / TRACE_BATCH_MAX > UINT32_MAX / 2)
		limit = (u64)TRACE_BATCH_MAX * (UINT32_MAX / 2);
	trace.limit = (u32)(limit / TRACE_BATCH_MAX);
	trace.hard_limit = 2 * trace.limit;
	return 0;
}

__public int gort_trace_start(int fd, const struct gort_trace_opts *opts)
{
	u32 off = OFF;
	int err;

	if (!in_goroutine())
		return -EPERM;
	if (!outfile_is_writable(fd))
		return -EBADF;
	if (!atomic_compare_exchange_strong_explicit(&advance.state, &off,
			BUSY, memory_order_acquire, memory_order_relaxed))
		return -EBUSY;
	gort_mutex_lock(&advance.mutex);
	/* The run may have ended while we waited. */
	err = state() == BUSY ? set_options(opts) : -EBUSY;
	if (!err)
		err = start_locked(fd);
	if (err && state() == BUSY)
		set_state(OFF);
	gort_mutex_unlock(&advance.mutex);
	return err;
}

/* Is there one?  With close there will be no other in this run. */
static int stop(bool close)
{
	int err = -EINVAL;

	gort_mutex_lock(&advance.mutex);
	if (state() == ON)
		stop_locked(ENDED);
	if (state() == ENDED) {
		err = atomic_load_explicit(&trace.error, memory_order_relaxed);
		set_state(OFF);
	}
	if (close)
		set_state(CLOSED);
	/* So that it ends; before another one parks in its place. */
	trace_systemstack(want_advance_g0, NULL);
	gort_mutex_unlock(&advance.mutex);
	return err;
}

__public int gort_trace_stop(void)
{
	if (!in_goroutine())
		return -EPERM;
	return stop(false);
}

__public bool gort_trace_enabled(void)
{
	return tracing();
}

__public void gort_trace_read_stats(struct gort_trace_stats *out)
{
	*out = (struct gort_trace_stats){
		.generations = atomic_load_explicit(&trace.generations,
						    memory_order_relaxed),
		.bytes = atomic_load_explicit(&trace.bytes,
					      memory_order_relaxed),
		.skipped = atomic_load_explicit(&trace_skipped,
						memory_order_relaxed),
		.skipped_heap = atomic_load_explicit(&trace_skipped_heap,
						     memory_order_relaxed),
		.longest_ns = atomic_load_explicit(&trace.longest,
					memory_order_relaxed) *
			      1000 / (cpu_cycles_hz() / 1000000),
		.dropped = atomic_load_explicit(&trace.dropped,
						memory_order_relaxed),
	};
}

/*
 * Whole programs: GORTTRACE=file.
 */

static void at_exit(void)
{
	trace_run_end();
}

static struct outfile out = OUTFILE_INIT("GORTTRACE", at_exit);

static void begin_by_env(void)
{
	const char *path = outfile_value(&out);
	int err;

	if (!path || !outfile_open(&out, path))
		return;
	err = gort_trace_start(out.fd, NULL);
	if (err)
		outfile_complain(&out, "cannot trace", err);
}

void trace_run_begin(void)
{
	/* Who had it, or waited, in an earlier run is gone. */
	advance.mutex = (struct gort_mutex){ 0 };
	advance.parked = NULL;
	advance.wanted = false;
	set_state(OFF);
	begin_by_env();
	cpuprofile_run_begin();
}

void trace_run_end(void)
{
	int err;

	cpuprofile_run_end();
	err = stop(true);
	trace_writer_end_run();
	if (out.fd < 0)
		return;
	if (err && err != -EINVAL)
		outfile_complain(&out, "the trace is incomplete", err);
	outfile_close(&out);
}

static __attribute__((constructor)) void trace_register(void)
{
	trace_ops = &trace_event_ops;
}
