// SPDX-License-Identifier: ISC
/*
 * kernel/sysmon.c - a thread without a P that watches the others.
 *
 *  - A P left behind in a system call for RETAKE_NS is taken away and handed
 *    to another M, if there is work for it.
 *  - A goroutine that has run for SLICE_NS is asked to yield: by its guard,
 *    and if that did not help within SIGNAL_NS by a signal.
 *  - The network is polled when nobody has for POLL_NS.
 *  - A tracer's goroutine is woken when it is time.
 *  - Non-preemptible sections that do not end are looked for, if profiled.
 *  - Heap caches of idle Ps are emptied, now and then.
 *  - Free memory of the heap is given back to the kernel.
 *  - A scan that shrinks stacks is asked for when they have doubled, and
 *    free ones that nobody wanted for SCAVENGE_NS go back to the kernel.
 *
 * It sleeps RETAKE_NS at a time while that finds something to do, else up to
 * BUSY_SLEEP_NS while goroutines run, and without end when all Ps have been
 * idle for a while: then whoever makes a P busy wakes it.  Not at once: a
 * server is idle for microseconds again and again, and waking sysmon each
 * time took a quarter of its CPU time.
 *
 * When a slice began is not written down by those who begin it, which would
 * cost every switch a look at the clock: it is when sysmon last saw another
 * one.  So slices are shorter than SLICE_NS by up to one sleep, never longer.
 *
 * It works with its lock held, and sleeps without, so that who needs numbers
 * to stay as they are can hold it up: stopping the world does not.
 *
 * It is an M like others, but on its thread's own stack, without goroutines,
 * and not counted where threads that could wake a goroutine are.
 */
#define _GNU_SOURCE
#include "kernel/sysmon.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/netpoll.h"
#include "kernel/preempt.h"
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/schedtrace.h"
#include "mm/scavenge.h"

#define RETAKE_NS	20000
#define SLICE_NS	10000000
#define SIGNAL_NS	100000
#define POLL_NS		10000000
#define SHORT_SLEEPS	50	/* before they grow */
#define IDLE_LOOKS	10	/* in a row, before the one without end */
#define SCAN_NS		100000000 /* between two looks at the stacks */
#define SCAVENGE_NS	1000000000
#define FLUSH_NS	1000000000 /* between two times a heap cache is emptied */
#define BUSY_SLEEP_NS	1000000

struct watch {
	u32 tick, syscall_tick;		/* last seen */
	s64 since;			/* the slice began here, or later */
	s64 call_since;			/* the system call did */
	s64 asked;			/* by guard, in this slice; 0: not yet */
	s64 flushed;			/* its heap cache was */
};

static struct {
	_Atomic bool stop;
	_Atomic bool asleep;		/* without end */
	struct note note, done;
	struct lock lock;		/* held while it works */
	struct watch watch[MAXPROCS_LIMIT];
} sysmon = { .lock = LOCK_INIT(RANK_SYSMON) };

static bool all_idle(void)
{
	return atomic_load_explicit(&sched.nidle_ps, memory_order_relaxed) ==
	       nprocs();
}

/* sysmon_wake - a P is no longer idle, and a fence was executed since. */
void sysmon_wake(void)
{
	if (unlikely(atomic_load_explicit(&sysmon.asleep,
					  memory_order_relaxed)) &&
	    atomic_exchange_explicit(&sysmon.asleep, false,
				     memory_order_relaxed))
		note_wakeup(&sysmon.note);
}

/*
 * System calls.
 */

/* Nobody else would run what this P could: worth the trouble. */
static bool worth_taking(struct p *pp, struct watch *w, s64 now)
{
	return !runq_empty(pp) || timers_next(pp) <= now ||
	       atomic_load_explicit(&sched.runq_size, memory_order_relaxed) ||
	       (!atomic_load_explicit(&sched.nidle_ps, memory_order_relaxed) &&
		!atomic_load_explicit(&sched.nspinning,
				      memory_order_relaxed)) ||
	       now - w->call_since >= SLICE_NS;
}

/*
 * The gate is open.  With the P in our hands nobody may run what its M queues
 * on return, before that M sleeps: no deadlock, we wake somebody.
 */
static bool take_p(struct p *pp)
{
	bool taken;

	m_waking_elsewhere(true);
	taken = p_steal_syscall(pp, P_RUNNING);
	if (taken)
		handoff_p(pp);
	m_waking_elsewhere(false);
	return taken;
}

static bool watch_syscall(struct p *pp, struct watch *w, s64 now)
{
	u32 tick = atomic_load_explicit(&pp->syscall_tick,
					memory_order_relaxed);
	bool taken;

	if (tick != w->syscall_tick) {
		w->syscall_tick = tick;
		w->call_since = now;
		return false;
	}
	if (!worth_taking(pp, w, now))
		return false;
	status_gate_open();
	taken = take_p(pp);
	status_gate_close();
	return taken;
}

/*
 * Slices.
 */

/* A goroutine in a system call yields when it comes back: no signal. */
static void ask(struct p *pp, struct watch *w, s64 now)
{
	struct m *mp;
	struct g *gp;

	preempt_prepare();
	lock(&sched.lock);
	mp = atomic_load_explicit(&pp->m, memory_order_relaxed);
	gp = mp && !mp->gone ? atomic_load_explicit(&mp->curg,
					memory_order_relaxed) : NULL;
	if (gp) {
		atomic_store_explicit(&gp->preempt, true,
				      memory_order_relaxed);
		if (p_status(pp, NULL) == P_RUNNING)
			preempt_ask_locked(mp, w->asked);
		if (!w->asked)
			w->asked = now;
	}
	unlock(&sched.lock);
}

/* When to look again, in ns. */
static s64 watch_slice(struct p *pp, struct watch *w, s64 now, s64 before)
{
	u32 tick = atomic_load_explicit(&pp->tick, memory_order_relaxed);

	if (tick != w->tick) {
		w->tick = tick;
		w->since = before;
		w->asked = 0;
	}
	if (now - w->since < SLICE_NS)
		return w->since + SLICE_NS - now;
	ask(pp, w, now);
	return w->asked == now ? SIGNAL_NS : BUSY_SLEEP_NS;
}

/* All Ps.  Was one taken?  *sleep: not longer than that. */
static bool retake(s64 now, s64 before, s64 *sleep)
{
	bool taken = false;

	for (u32 i = 0; i < nprocs(); i++) {
		struct watch *w = &sysmon.watch[i];
		struct p *pp = sched.ps[i];
		s64 left;

		switch (p_status(pp, NULL)) {
		case P_SYSCALL:
			if (watch_syscall(pp, w, now)) {
				taken = true;
				break;
			}
			/* It may be one of many short ones. */
			/* fall through */
		case P_RUNNING:
			left = watch_slice(pp, w, now, before);
			if (left < *sleep)
				*sleep = left;
			break;
		}
	}
	return taken;
}

static void poll_network(s64 now)
{
	struct gqueue list;

	if (!netpoll_ready() ||
	    atomic_load_explicit(&sched.polling, memory_order_relaxed) ||
	    now - atomic_load_explicit(&sched.last_poll,
				       memory_order_relaxed) < POLL_NS)
		return;
	atomic_store_explicit(&sched.last_poll, now, memory_order_relaxed);
	/* What it finds waits no more, and is on no queue yet. */
	m_waking_elsewhere(true);
	list = netpoll(0);
	sched_ready_list(&list);
	m_waking_elsewhere(false);
}

/* Until somebody has work again, or until then. */
static void sleep_idle(s64 until)
{
	note_clear(&sysmon.note);
	atomic_store_explicit(&sysmon.asleep, true, memory_order_relaxed);
	/* Pairs with the fence in p_get_idle_locked(). */
	full_fence();
	if (!all_idle() || atomic_load_explicit(&sysmon.stop,
						memory_order_relaxed))
		sysmon_wake();
	if (until == TIME_NEVER)
		note_sleep(&sysmon.note);
	else
		note_sleep_for(&sysmon.note, until - nanotime());
	atomic_store_explicit(&sysmon.asleep, false, memory_order_relaxed);
	note_clear(&sysmon.note);
}


/*
 * A P that is idle gives up what its heap cache keeps for it, and takes in
 * what others freed there, at most once per FLUSH_NS: nobody else can.
 */
static void watch_heap(struct p *pp, struct watch *w, s64 now, s64 *next)
{
	if (p_status(pp, NULL) != P_IDLE)
		return;
	if (now - w->flushed < FLUSH_NS) {
		*next = now + FLUSH_NS;
		return;
	}
	if (!p_take_idle_to_flush(pp))
		return;
	w->flushed = now;
	cache_flush(pp->heap);
	handoff_p(pp);
	m_waking_elsewhere(false);
}

/* When to look again even if all Ps are idle. */
static s64 watch_heaps(s64 now)
{
	static s64 last, next;
	struct heap_cache *hc;

	if (now - last < SCAN_NS)
		return next;
	last = now;
	hc = heap_enter();
	if (!hc)
		return next;
	next = TIME_NEVER;
	for (u32 i = 0; i < nprocs(); i++)
		watch_heap(sched.ps[i], &sysmon.watch[i], now, &next);
	while (heap_reclaim(hc))
		;
	heap_leave(hc);
	return next;
}

/* Stacks that have doubled are worth a scan; free ones go to the kernel. */
static void watch_stacks(s64 now)
{
	static s64 last, scavenged;

	if (now - scavenged >= SCAVENGE_NS &&
	    !atomic_load_explicit(&trace_walking, memory_order_relaxed)) {
		scavenged = now;
		stack_scavenge();
	}

	if (now - last < SCAN_NS)
		return;
	last = now;
	if (stack_scan_due())
		atomic_store_explicit(&sched.scan_wanted, true,
				      memory_order_relaxed);
}

/*
 * All there is to do now.  Was a P taken?  *most: sleep at most so long.
 * *next: even with all Ps idle, only until then.
 */
static bool work(s64 now, s64 before, s64 *most, s64 *next)
{
	s64 trace_next = TIME_NEVER, sections_next = TIME_NEVER, scavenge_next;
	bool taken;

	lock(&sysmon.lock);
	atomic_store_explicit(&sched.clock, now, memory_order_relaxed);
	taken = retake(now, before, most);
	poll_network(now);
	*next = watch_heaps(now);
	watch_stacks(now);
	scavenge_next = scavenge_tick(now);
	if (scavenge_next < *next)
		*next = scavenge_next;
	if (trace_ops)
		trace_next = trace_ops->tick(now);
	if (trace_next < *next)
		*next = trace_next;
	if (nonpreempt_ops)
		sections_next = nonpreempt_ops->tick(now);
	if (sections_next < *next)
		*next = sections_next;
	unlock(&sysmon.lock);
	return taken;
}

static void sysmon_loop(void)
{
	s64 now = nanotime(), before = now, sleep = RETAKE_NS;
	s64 next = TIME_NEVER;
	u32 quiet = 0, idle = 0;

	while (!atomic_load_explicit(&sysmon.stop, memory_order_relaxed)) {
		s64 most = BUSY_SLEEP_NS;

		if (note_sleep_for(&sysmon.note, sleep))
			continue;
		if (!all_idle() || schedtrace_wanted()) {
			idle = 0;
		} else if (++idle > IDLE_LOOKS) {
			sleep_idle(next);
			idle = 0;
			quiet = SHORT_SLEEPS;
			sleep = RETAKE_NS;
		}
		before = now;
		now = nanotime();
		quiet = work(now, before, &most, &next) ? 0 : quiet + 1;
		schedtrace_tick(now);
		if (quiet <= SHORT_SLEEPS)
			sleep = RETAKE_NS;
		else if (sleep < BUSY_SLEEP_NS)
			sleep *= 2;
		if (sleep > most)
			sleep = most;
	}
}

/*
 * Beginning and end.
 */

static __g0_thread void *sysmon_thread(void *arg)
{
	/* On time: the default is 50 us late. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	m_begin_helper(arg);
	/* No heap cache of its own: it needs one for moments. */
	tls_self()->heap_ended = true;
	sysmon_loop();
	m_end_helper(arg);
	note_wakeup(&sysmon.done);
	return NULL;
}

void __systemstack sysmon_hold(void)
{
	lock(&sysmon.lock);
}

void __systemstack sysmon_let_go(void)
{
	unlock(&sysmon.lock);
}

s64 sysmon_slice_begun(u32 i)
{
	return sysmon.watch[i].since;
}

s64 sysmon_slice_asked(u32 i)
{
	return sysmon.watch[i].asked;
}

int sysmon_start(void)
{
	memset(sysmon.watch, 0, nprocs() * sizeof(sysmon.watch[0]));
	atomic_store_explicit(&sysmon.stop, false, memory_order_relaxed);
	atomic_store_explicit(&sysmon.asleep, false, memory_order_relaxed);
	note_clear(&sysmon.note);
	note_clear(&sysmon.done);
	atomic_store_explicit(&sched.clock, nanotime(), memory_order_relaxed);
	return m_start_helper(sysmon_thread) ? 0 : -EAGAIN;
}

/*
 * sysmon_stop - it has touched Ms and Ps for the last time when this
 * returns.  Its thread is joined with those of the other Ms.
 */
void sysmon_stop(void)
{
	atomic_store_explicit(&sysmon.stop, true, memory_order_relaxed);
	note_wakeup(&sysmon.note);
	note_sleep(&sysmon.done);
}
