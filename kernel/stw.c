// SPDX-License-Identifier: ISC
/*
 * kernel/stw.c - stopping the world.
 *
 * The world is stopped when every P is: the caller's, idle ones, those left
 * behind in system calls, and those whose M has come to stw_stop_m().  The
 * last are asked by guard and signal, again and again, since either may be
 * lost.
 *
 * An M that stopped gets the P back that it had: a goroutine that was stopped
 * by signal may go on on this M only, and so it does so at once.
 *
 * One at a time: goroutines that want to stop the world queue up.
 *
 * These are the longest sections in which nothing can be preempted.  With
 * 10,000 goroutines and a heap of a million objects, on two CPUs of a virtual
 * machine: 8 us for the statistics in the middle, 100 to 300 us the longest of
 * a hundred.  The others stop within microseconds, unless the kernel has taken
 * the CPU away from one; then it is membarrier(2), for Ms in system calls and
 * threads inside the heap, 15 us and more for each.
 */
#include "kernel/stw.h"

#include <gort/gort.h>

#include "kernel/preempt.h"
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/suspend.h"
#include "kernel/time.h"

#define SPIN_NS		10000	/* after the first asking */
#define ASK_AGAIN_NS	50000

static const char *const reasons[NR_STW_REASONS] = {
#define STW_NAME(reason, name, metric)	[reason] = name,
	STW_REASONS(STW_NAME)
#undef STW_NAME
};

static const char *const phases[NR_STW_PHASES][NR_STW_REASONS] = {
#define STW_NAME(reason, name, metric)			\
	[STW_ALL][reason] = name,			\
	[STW_STOPPING][reason] = name ": stopping",	\
	[STW_STOPPED][reason] = name ": stopped",
	STW_REASONS(STW_NAME)
#undef STW_NAME
};

struct stw_pauses stw_pauses[NR_STW_REASONS];

static struct {
	struct lock lock;
	bool held;
	struct gqueue waiters;
} world = { .lock = LOCK_INIT(RANK_WORLD) };

static struct {
	u32 left;		/* sched.lock: Ps that are not stopped yet */
	struct m *ms;		/* sched.lock: stopped, to get their P back */
	struct note stopped;
	enum stw_reason why;
	s64 requested_ns, stopped_ns;
} stw;

/* Written with the world stopped, read by anyone. */
static struct {
	_Atomic u64 count, stop_ns, stop_max_ns, total_ns, total_max_ns;
} times[NR_STW_REASONS];

void stw_prevent(void)
{
	lock(&world.lock);
	if (!world.held) {
		world.held = true;
		unlock(&world.lock);
		return;
	}
	gqueue_push(&world.waiters, getg());
	sched_park(&world.lock, WAIT_WORLD);
}

/* Handed over, so nobody who waits is overtaken. */
void stw_allow(void)
{
	struct g *gp;

	lock(&world.lock);
	gp = gqueue_pop(&world.waiters);
	if (!gp)
		world.held = false;
	unlock(&world.lock);
	if (gp)
		sched_ready(gp);
}

/* Who stopped or waited in an earlier run is gone. */
void stw_begin_run(void)
{
	world.held = false;
	world.waiters = (struct gqueue){ 0 };
	stw.ms = NULL;
}

/* How many are left? */
static u32 __systemstack take_p_locked(struct p *pp)
{
	atomic_store_explicit(&pp->status, P_STOPPED, memory_order_relaxed);
	return --stw.left;
}

/* pp, which nobody has, is stopped; sched.lock held. */
void __systemstack stw_take_p_locked(struct p *pp)
{
	if (!take_p_locked(pp))
		note_wakeup(&stw.stopped);
}

/*
 * stw_stop_m - mp, between two goroutines, gives its P up until the world
 * goes on.
 * sysstack: takes sched.lock.
 */
void __systemstack stw_stop_m(struct m *mp)
{
	struct p *pp;

	if (mp->spinning) {
		mp->spinning = false;
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
	}
	lock(&sched.lock);
	if (!(interrupts() & INT_STW)) {
		unlock(&sched.lock);
		return;
	}
	pp = p_release(mp);
	mp->stw_p = pp;
	mp->stw_link = stw.ms;
	stw.ms = mp;
	stw_take_p_locked(pp);
	unlock(&sched.lock);
	nonpreempt_sleep(mp);
	note_sleep(&mp->stw_note);
	note_clear(&mp->stw_note);
	nonpreempt_awake(mp);
	if (mp->stw_p)
		p_acquire(mp, mp->stw_p);
}

/* Ps whose M is in a system call; it finds out when it comes back. */
static void __systemstack take_syscall_ps(void)
{
	bool open = false;

	for (u32 i = 0; i < nprocs(); i++) {
		struct p *pp = sched.ps[i];

		if (p_status(pp, NULL) != P_SYSCALL)
			continue;
		if (!open)
			status_gate_open();
		open = true;
		if (!p_steal_syscall(pp, P_STOPPED))
			continue;
		lock(&sched.lock);
		stw_take_p_locked(pp);
		unlock(&sched.lock);
	}
	if (open)
		status_gate_close();
}

static void __systemstack ask_all(struct m *self, bool again)
{
	preempt_prepare();
	lock(&sched.lock);
	for (u32 i = 0; i < nprocs(); i++) {
		struct m *mp = atomic_load_explicit(&sched.ps[i]->m,
						    memory_order_relaxed);

		if (mp && mp != self)
			preempt_ask_locked(mp, again);
	}
	unlock(&sched.lock);
}

struct stop {
	struct m *m;
	bool too_late;		/* the run ends */
};

static void __systemstack stop_world(void *arg)
{
	struct stop *stop = arg;
	struct m *mp = stop->m;
	bool again = false, stopped;
	struct p *pp;
	u32 left;

	note_clear(&stw.stopped);
	lock(&sched.lock);
	if (stopping()) {
		unlock(&sched.lock);
		stop->too_late = true;
		return;
	}
	stw.left = nprocs();
	atomic_fetch_or_explicit(&sched.interrupt, INT_STW,
				 memory_order_release);
	left = take_p_locked(mp->p);
	while ((pp = p_get_idle_locked()))
		left = take_p_locked(pp);
	unlock(&sched.lock);
	if (!left)
		return;
	/* One of the others may be suspending this goroutine. */
	suspend_begin(getg(), WAIT_STOPPING_WORLD);
	/* Code with calls stops within microseconds; others get a signal. */
	do {
		take_syscall_ps();
		ask_all(mp, again);
		stopped = again ? note_sleep_for(&stw.stopped, ASK_AGAIN_NS) :
				  note_spin_for(&stw.stopped, SPIN_NS);
		again = true;
	} while (!stopped);
	suspend_end(getg());
}

const char *stw_what_name(uintptr_t what)
{
	return phases[what % NR_STW_PHASES][what / NR_STW_PHASES];
}

/* For the profiler: a reason and a phase. */
static uintptr_t stw_what(enum stw_phase phase)
{
	return (uintptr_t)stw.why * NR_STW_PHASES + phase;
}

void stw_begin(enum stw_reason why)
{
	struct stop stop = { 0 };

	stw_prevent();
	stop.m = acquirem_quiet();
	stw.why = why;
	if (nonpreempt_profiled()) {
		nonpreempt_begin(stop.m, GORT_NONPREEMPT_STW,
				 stw_what(STW_ALL));
		nonpreempt_begin(stop.m, GORT_NONPREEMPT_STW,
				 stw_what(STW_STOPPING));
	}
	TRACE_EVENT(stop.m, stw_begin, reasons[why]);
	stw.requested_ns = nanotime();
	systemstack(stop_world, &stop);
	if (stop.too_late)
		mcall(m_leave_g);
	stw.stopped_ns = nanotime();
	if (nonpreempt_profiled()) {
		nonpreempt_end(stop.m, GORT_NONPREEMPT_STW,
			       stw_what(STW_STOPPING));
		nonpreempt_begin(stop.m, GORT_NONPREEMPT_STW,
				 stw_what(STW_STOPPED));
	}
}

/* Give Ps back to Ms that had them; the others' are left in list. */
static struct p * __systemstack restart_ms_locked(void)
{
	struct p *list = NULL;
	struct m *mp;

	for (mp = stw.ms; mp; mp = mp->stw_link) {
		struct p *pp = mp->stw_p;

		if (p_status(pp, NULL) == P_STOPPED)
			atomic_store_explicit(&pp->status, P_RUNNING,
					      memory_order_relaxed);
		else
			mp->stw_p = NULL;	/* retired, or the caller's */
	}
	for (u32 i = 0; i < nprocs(); i++) {
		struct p *pp = sched.ps[i];

		if (atomic_load_explicit(&pp->status, memory_order_relaxed) !=
		    P_STOPPED)
			continue;
		pp->idle_link = list;
		list = pp;
	}
	return list;
}

static void __systemstack start_world(void *arg)
{
	struct m *mp = arg, *ms, *next;
	struct p *list;

	lock(&sched.lock);
	atomic_store_explicit(&mp->p->status, P_RUNNING, memory_order_relaxed);
	list = restart_ms_locked();
	ms = stw.ms;
	stw.ms = NULL;
	atomic_fetch_and_explicit(&sched.interrupt, ~INT_STW,
				  memory_order_release);
	unlock(&sched.lock);
	for (; ms; ms = next) {
		next = ms->stw_link;	/* it may stop again at once */
		note_wakeup(&ms->stw_note);
	}
	while (list) {
		struct p *pp = list;

		list = pp->idle_link;
		handoff_p(pp);
	}
}

/*
 * GORTMAXPROCS at run time.
 */

/* pp goes away, with all it has.  Up to 100 us, most of it for goroutines that
 * no cache of this CPU has. */
static void __systemstack p_retire(struct p *pp)
{
	struct g *gp;

	while ((gp = runq_get(pp)))
		globrunq_put_one(gp);
	timers_move(pp, sched.ps[0]);
	stack_cache_flush(pp);
	heap_cache_put(pp->heap);
	pp->heap = NULL;
	atomic_store_explicit(&pp->status, P_DEAD, memory_order_relaxed);
}

struct set_procs {
	u32 n;
	int err;
};

/* sysstack: takes sched.lock and the stack caches' locks. */
static void __systemstack set_procs(void *arg)
{
	struct set_procs *set = arg;
	struct m *mp = getm();
	struct g *gp = atomic_load_explicit(&mp->curg, memory_order_relaxed);

	for (u32 i = nprocs(); i < set->n && !set->err; i++) {
		if (i >= nallps())
			set->err = p_new(i);
		else if (!sched.ps[i]->heap)
			set->err = p_get_heap(sched.ps[i]);
		if (!set->err)
			atomic_store_explicit(&sched.ps[i]->status, P_STOPPED,
					      memory_order_relaxed);
	}
	if (set->err)
		return;
	if (mp->p->id >= set->n) {
		/* For a trace it stops in between. */
		TRACE_EVENT(mp, go_stop, gp, TRACE_STOP_MOVED);
		p_release(mp);
		p_acquire(mp, sched.ps[0]);
		TRACE_EVENT(mp, go_start, gp);
	}
	for (u32 i = set->n; i < nprocs(); i++)
		p_retire(sched.ps[i]);
	atomic_store_explicit(&sched.nprocs, set->n, memory_order_release);
}

int stw_set_procs(u32 n)
{
	struct set_procs set = { .n = n };

	systemstack(set_procs, &set);
	return set.err;
}

__public int gort_gomaxprocs(int n)
{
	int old, err = 0;

	if (!in_goroutine())
		return -EPERM;
	old = (int)nprocs();
	if (n > MAXPROCS_LIMIT)
		return -EINVAL;
	if (n <= 0 || n == old)
		return old;
	stw_begin(STW_MAXPROCS);
	old = (int)nprocs();
	err = stw_set_procs((u32)n);
	if (!err) {
		TRACE_EVENT(getm(), procs_change, (u32)n);
		if (nonpreempt_profiled())
			nonpreempt_ops->procs((u32)n);
	}
	stw_end();
	return err ? err : old;
}

static void max_to(_Atomic u64 *max, u64 v)
{
	if (v > atomic_load_explicit(max, memory_order_relaxed))
		atomic_store_explicit(max, v, memory_order_relaxed);
}

static void count_times(void)
{
	s64 now = nanotime();
	u64 stop = (u64)(stw.stopped_ns - stw.requested_ns);
	u64 total = (u64)(now - stw.requested_ns);

	atomic_fetch_add_explicit(&times[stw.why].count, 1,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&times[stw.why].stop_ns, stop,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&times[stw.why].total_ns, total,
				  memory_order_relaxed);
	max_to(&times[stw.why].stop_max_ns, stop);
	max_to(&times[stw.why].total_max_ns, total);
	hist_count(&stw_pauses[stw.why].stopping, (s64)stop);
	hist_count(&stw_pauses[stw.why].total, (s64)total);
}

void stw_end(void)
{
	struct m *mp = getm();

	count_times();
	systemstack(start_world, mp);
	TRACE_EVENT(mp, stw_end);
	if (nonpreempt_profiled()) {
		nonpreempt_end(mp, GORT_NONPREEMPT_STW, stw_what(STW_STOPPED));
		nonpreempt_end(mp, GORT_NONPREEMPT_STW, stw_what(STW_ALL));
	}
	releasem_quiet(mp);
	stw_allow();
}

__public int gort_read_pause(unsigned int i, struct gort_pause *out)
{
	if (i >= NR_STW_REASONS)
		return -ENOENT;
	if (!out)
		return -EINVAL;
	*out = (struct gort_pause){
		.reason = reasons[i],
		.count = atomic_load_explicit(&times[i].count,
					      memory_order_relaxed),
		.stop_ns = atomic_load_explicit(&times[i].stop_ns,
						memory_order_relaxed),
		.stop_max_ns = atomic_load_explicit(&times[i].stop_max_ns,
						    memory_order_relaxed),
		.total_ns = atomic_load_explicit(&times[i].total_ns,
						 memory_order_relaxed),
		.total_max_ns = atomic_load_explicit(&times[i].total_max_ns,
						     memory_order_relaxed),
	};
	return 0;
}
