// SPDX-License-Identifier: ISC
/*
 * kernel/proc.c - the scheduler: which goroutine runs where.
 *
 * An M (thread) needs a P to run goroutines; there are GORTMAXPROCS of them.
 * Work is looked for in the P's queue, the global queue (every
 * GLOBAL_EVERY-th time first, so that it is not starved), and other Ps'
 * queues.  An M that finds nothing gives its P back and sleeps.
 *
 * Waking Ms (the design of the Go scheduler, runtime/proc.go, "Worker thread
 * parking/unparking"): an M that looks for work is "spinning".  Whoever makes
 * a goroutine runnable wakes an M only if a P is idle and nobody spins; a
 * spinning M that finds work wakes the next.  The one race:
 *
 *	submitter			M that goes to sleep
 *	queue the goroutine		nspinning--, P to the idle list
 *	fence				fence
 *	look at nspinning, idle Ps	look at all queues once more
 *
 * Either the submitter sees the idle P and wakes somebody, or the M sees the
 * goroutine.  With a single P nobody can be idle while somebody submits, and
 * the fence is saved.
 *
 * Contexts: functions marked __systemstack run on g0, those that take
 * sched.lock because stack growth must not happen inside, the others because
 * they leave a goroutine.
 */
#include "kernel/proc.h"

#include <errno.h>
#include <string.h>

#include <arch/cpu.h>
#include "kernel/netpoll.h"
#include "kernel/runq.h"
#include "kernel/time.h"
#include "mm/stack.h"

#define GLOBAL_EVERY	61	/* prime, so it does not beat with programs */
#define GOID_BATCH	64
#define STEAL_ROUNDS	4	/* runnext is taken in the last one only */

/* One in so many latencies is measured: besides GLOBAL_EVERY, of those that
 * an M looks for, and besides GOID_BATCH. */
#define WATCH_NOW_AND_THEN	8
#define WATCH_FOUND		8
#define WATCH_NEW		4

struct sched sched = { .lock = LOCK_INIT(RANK_SCHED) };

static const char *const wait_reasons[NR_WAIT_REASONS] = {
	[WAIT_NONE] = "",
	[WAIT_CHAN_SEND] = "chan send",
	[WAIT_CHAN_RECV] = "chan receive",
	[WAIT_WAITGROUP] = "waitgroup wait",
	[WAIT_MUTEX] = "mutex lock",
	[WAIT_RWMUTEX_RLOCK] = "rwmutex rlock",
	[WAIT_RWMUTEX_LOCK] = "rwmutex lock",
	[WAIT_COND] = "cond wait",
	[WAIT_SEM] = "sem acquire",
	[WAIT_ONCE] = "once wait",
	[WAIT_SELECT] = "select",
	[WAIT_SELECT_NONE] = "select (no cases)",
	[WAIT_SLEEP] = "sleep",
	[WAIT_IO] = "IO wait",
	[WAIT_SIGNAL] = "signal wait",
	[WAIT_WORLD] = "stop the world",
	[WAIT_TRACE] = "trace",
	[WAIT_PREEMPTED] = "preempted",
	[WAIT_STACK_SCAN] = "stack scan",
	[WAIT_STOPPING_WORLD] = "stopping the world",
};

const char *wait_reason_name(u32 why)
{
	return why < NR_WAIT_REASONS ? wait_reasons[why] : "?";
}

/*
 * Global queue.
 */

static void runq_size_add(s32 n)
{
	atomic_store_explicit(&sched.runq_size,
			      atomic_load_explicit(&sched.runq_size,
					memory_order_relaxed) + (u32)n,
			      memory_order_relaxed);
}

void __systemstack globrunq_put_locked(struct g *gp)
{
	gqueue_push(&sched.runq, gp);
	runq_size_add(1);
}

/* sysstack: takes sched.lock, not while it touches each of them. */
void __systemstack globrunq_put(struct g *const *batch, u32 n)
{
	struct gqueue q = { 0 };

	for (u32 i = 0; i < n; i++)
		gqueue_push(&q, batch[i]);
	lock(&sched.lock);
	gqueue_append(&sched.runq, &q);
	runq_size_add((s32)n);
	unlock(&sched.lock);
}

__cold void __systemstack globrunq_put_one(struct g *gp)
{
	lock(&sched.lock);
	globrunq_put_locked(gp);
	unlock(&sched.lock);
}

/*
 * Most that are taken at a time: each is a goroutine whose memory no cache of
 * this CPU has, and a hundred of them took 40 us.
 */
#define GLOBRUNQ_TAKE	32u

/* Take a fair share: one to return, the rest into pp's ring. */
static struct g * __systemstack globrunq_get_locked(struct p *pp, u32 max)
{
	u32 size = atomic_load_explicit(&sched.runq_size,
					memory_order_relaxed);
	u32 n = size / nprocs() + 1;
	struct g *gp;

	if (!size)
		return NULL;
	if (n > size)
		n = size;
	if (n > max)
		n = max;
	runq_size_add(-(s32)n);
	gp = gqueue_pop(&sched.runq);
	while (--n)
		runq_put(pp, gqueue_pop(&sched.runq));
	return gp;
}

static bool globrunq_empty(void)
{
	return !atomic_load_explicit(&sched.runq_size, memory_order_relaxed);
}

static struct g * __systemstack globrunq_get(struct p *pp, u32 max)
{
	struct g *gp;

	if (globrunq_empty())
		return NULL;
	lock(&sched.lock);
	gp = globrunq_get_locked(pp, max);
	unlock(&sched.lock);
	return gp;
}

/*
 * Wake somebody for an idle P, unless somebody looks for work already.  See
 * the file head.
 */
static inline void wake_idle_p(void)
{
	u32 none = 0;

	/* Pairs with the fence in find_work_slow(). */
	full_fence();
	if (!atomic_load_explicit(&sched.nidle_ps, memory_order_relaxed))
		return;
	if (atomic_load_explicit(&sched.nspinning, memory_order_relaxed) ||
	    !atomic_compare_exchange_strong_explicit(&sched.nspinning, &none,
			1, memory_order_relaxed, memory_order_relaxed))
		return;
	systemstack(wake_p, NULL);
}

/* There is more work than this P's: see that somebody comes for it. */
static inline void wakep(void)
{
	if (nprocs() != 1)
		wake_idle_p();
}

static void stop_spinning(struct m *mp)
{
	mp->spinning = false;
	atomic_fetch_sub_explicit(&sched.nspinning, 1, memory_order_relaxed);
	/* Others may rely on us having looked; pass it on. */
	wakep();
}

/*
 * Finding work.
 */

static u64 m_rand(struct m *mp)
{
	u64 x = mp->rand;

	/* xorshift64, G. Marsaglia, "Xorshift RNGs", 2003 */
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return mp->rand = x;
}

/*
 * Latencies: how long goroutines are runnable before they run.
 *
 * Two readings of the clock cost more than a switch.  So few are measured: a
 * goroutine that is chosen when it is about to run is "watched", which is
 * seen when it becomes runnable the next time, and when it then runs.  Where
 * switches are cheap fewer are chosen; each counts for as many as it stands
 * for, so the histogram is that of all.
 *
 * Rejected: every 8th time of each goroutine, as in Go.  It would double the
 * price of a yield.
 */

__cold void latency_stamp(struct g *gp)
{
	gp->runnable_since = nanotime();
}

/* It runs. */
static __cold void latency_end(struct p *pp, struct g *gp)
{
	if (!gp->runnable_since)
		return;		/* watched from now on */
	hist_record(&pp->latency, nanotime() - gp->runnable_since,
		    gp->watched);
	gp->watched = 0;
	gp->runnable_since = 0;
}

/* gp is about to run, on pp, or new. */
static __cold void watch(struct p *pp, struct g *gp, u32 one_in)
{
	if (gp->watched)
		latency_end(pp, gp);
	gp->watched = one_in;
	gp->runnable_since = 0;
}

static void watch_found(struct m *mp, struct g *gp)
{
	if (m_rand(mp) % WATCH_FOUND == 0)
		watch(mp->p, gp, WATCH_FOUND);
}

/* Run pp's timers, if any is due.  Did any run? */
static bool __systemstack run_timers(struct p *pp)
{
	s64 next = timers_next(pp), now;

	if (next == TIME_NEVER)
		return false;
	now = nanotime();
	return next <= now && timers_run(pp, now);
}

static struct g * __systemstack steal_from(struct m *mp, struct p *victim,
					   bool last)
{
	struct g *gp = runq_steal(mp->p, victim, last);

	/* What its owner is too busy for.  They ready onto this P. */
	if (!gp && last && run_timers(victim))
		gp = runq_get(mp->p);
	return gp;
}

static struct g * __systemstack steal_work(struct m *mp)
{
	for (int round = 0; round < STEAL_ROUNDS; round++) {
		u32 at = (u32)(m_rand(mp) % nprocs());

		for (u32 i = 0; i < nprocs(); i++) {
			struct p *victim = sched.ps[(at + i) % nprocs()];
			struct g *gp;

			if (victim == mp->p)
				continue;
			gp = steal_from(mp, victim, round == STEAL_ROUNDS - 1);
			if (gp)
				return gp;
		}
		if (interrupts())
			break;
		cpu_relax();
	}
	return NULL;
}

/* May one more M spin?  At most half as many as there are busy Ps. */
static bool may_spin(void)
{
	u32 idle = atomic_load_explicit(&sched.nidle_ps, memory_order_relaxed);
	u32 spin = atomic_load_explicit(&sched.nspinning,
					memory_order_relaxed);

	return 2 * spin < nprocs() - idle;
}

static bool work_anywhere(void)
{
	if (!globrunq_empty())
		return true;
	for (u32 i = 0; i < nprocs(); i++)
		if (!runq_empty(sched.ps[i]))
			return true;
	return false;
}

static void start_spinning(struct m *mp)
{
	mp->spinning = true;
	atomic_fetch_add_explicit(&sched.nspinning, 1, memory_order_relaxed);
}

static bool __systemstack acquire_idle_p(struct m *mp)
{
	struct p *pp;

	lock(&sched.lock);
	pp = p_get_idle_locked();
	unlock(&sched.lock);
	if (pp)
		p_acquire(mp, pp);
	return pp;
}

/*
 * Waiting for descriptors and timers.  One M at a time does it, without a P.
 *
 * A timer may be started while that M makes up its mind how long to wait:
 *
 *	poller				sched_wake_poller()
 *	polling = true, poll_until = 0	the timer's heap: next = when
 *	fence				fence
 *	look at all heaps		look at polling, poll_until
 *
 * Either the poller sees the timer, or the other one sees that the poller
 * may wait for too long and breaks its wait; that sticks until it waits.
 */

static s64 first_timer(void)
{
	s64 first = TIME_NEVER;

	for (u32 i = 0; i < nprocs(); i++) {
		s64 next = timers_next(sched.ps[i]);

		if (next < first)
			first = next;
	}
	return first;
}

static void poll_end(s64 now)
{
	atomic_store_explicit(&sched.last_poll, now, memory_order_relaxed);
	atomic_store_explicit(&sched.clock, now, memory_order_relaxed);
}

/* Is there a timer, or a goroutine that waits for a descriptor? */
bool sched_any_to_poll(void)
{
	return first_timer() != TIME_NEVER || netpoll_any_waiters();
}

/* The caller has set ->polling.  False: there is nothing to wait for. */
static bool __systemstack poll_wait(struct gqueue *list)
{
	s64 until, now = nanotime();
	bool any;

	atomic_store_explicit(&sched.poll_until, 0, memory_order_relaxed);
	full_fence();
	until = first_timer();
	any = until != TIME_NEVER || netpoll_any_waiters();
	if (any && !stopping()) {
		atomic_store_explicit(&sched.poll_until, until,
				      memory_order_relaxed);
		nonpreempt_sleep(getm());
		*list = netpoll(until == TIME_NEVER ? -1 :
				until > now ? until - now : 0);
		nonpreempt_awake(getm());
		poll_end(nanotime());
	}
	return any;
}

/* sched_wake_poller - see that somebody comes for a timer due at when. */
void sched_wake_poller(s64 when)
{
	s64 until;

	/* Idle threads wait for timers in the poller. */
	if (unlikely(!netpoll_ready()) && netpoll_init())
		fatal("no file descriptors left to wait for timers with");
	full_fence();
	if (!atomic_load_explicit(&sched.polling, memory_order_relaxed)) {
		wakep();
		return;
	}
	until = atomic_load_explicit(&sched.poll_until, memory_order_relaxed);
	if (until == 0 || until > when)
		netpoll_break();
}

/* The first of a list becomes runnable to run at once, the others wait. */
static struct g * __systemstack ready_first(struct m *mp, struct gqueue *list)
{
	struct g *gp = gqueue_pop(list);

	if (gp) {
		sched_ready_list(list);
		g_make_runnable(mp, gp);
	}
	return gp;
}

/* For the M that polls: is there anything to do for a P? */
static bool poll_found(const struct gqueue *list)
{
	return list->head || work_anywhere() || first_timer() <= nanotime();
}

/*
 * Wait in the poller, if there is something to wait for and nobody does.
 * A goroutine; or NULL, and the search begins again if there is a P now.
 */
static struct g * __systemstack find_by_polling(struct m *mp)
{
	struct gqueue list = { 0 };
	bool more;

	if (!netpoll_ready())
		return NULL;
	do {
		/* What is to be waited for comes before ->polling; pairs with
		 * the fence below. */
		full_fence();
		if (atomic_exchange_explicit(&sched.polling, true,
					     memory_order_acquire))
			return NULL;
		more = poll_wait(&list);
		atomic_store_explicit(&sched.polling, false,
				      memory_order_release);
		/* Who saw us polling relies on us: have another look. */
		full_fence();
	} while (!stopping() && (more ? !poll_found(&list) : sched_any_to_poll()));
	if (more && acquire_idle_p(mp)) {
		struct g *gp = ready_first(mp, &list);

		if (!gp)
			start_spinning(mp);
		return gp;
	}
	sched_ready_list(&list);
	return NULL;
}

/*
 * Give the P back and sleep, unless work turns up on the way.  Returns a
 * goroutine, or NULL when the search begins again.
 */
static struct g * __systemstack find_work_slow(struct m *mp)
{
	bool was_spinning = mp->spinning;
	struct g *gp = NULL;

	lock(&sched.lock);
	if (!interrupts())
		gp = globrunq_get_locked(mp->p, RUNQ_SIZE / 2);
	if (!gp && !interrupts())
		p_put_idle_locked(p_release(mp));
	unlock(&sched.lock);
	if (gp || mp->p)
		return gp;
	mp->spinning = false;
	if (was_spinning)
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
	/* Pairs with the fence in wake_idle_p(). */
	full_fence();
	if (was_spinning && work_anywhere() && acquire_idle_p(mp)) {
		start_spinning(mp);
		return NULL;
	}
	gp = find_by_polling(mp);
	if (!gp && !mp->p)
		m_stop(mp);
	return gp;
}

/* Descriptors that became ready, if that is worth a look. */
static struct gqueue __systemstack poll_now(void)
{
	struct gqueue list = { 0 };

	if (!netpoll_ready() || !netpoll_any_waiters() ||
	    atomic_load_explicit(&sched.polling, memory_order_relaxed))
		return list;
	list = netpoll(0);
	poll_end(nanotime());
	return list;
}

/*
 * sched_poll - at the end of a slice: what became ready meanwhile goes
 * before it.  Nobody idles who would look.
 */
void __systemstack sched_poll(void)
{
	struct gqueue list = poll_now();

	sched_ready_list(&list);
}

static struct g * __systemstack look_for_work(struct m *mp)
{
	struct gqueue list;
	struct g *gp;

	run_timers(mp->p);
	gp = runq_get(mp->p);
	if (!gp)
		gp = globrunq_get(mp->p, GLOBRUNQ_TAKE);
	if (!gp) {
		list = poll_now();
		gp = ready_first(mp, &list);
	}
	if (!gp && nprocs() > 1 && (mp->spinning || may_spin())) {
		if (!mp->spinning)
			start_spinning(mp);
		gp = steal_work(mp);
	}
	return gp ? gp : find_work_slow(mp);
}

static bool elsewhere(struct m *mp, struct g *gp)
{
	return gp->lockedm && gp->lockedm != mp;
}

/* A goroutine to run, or NULL when the run ends.  Blocks. */
static struct g * __systemstack find_work(struct m *mp)
{
	struct g *gp = NULL;

	while (!stopping()) {
		if (mp->lockedg)
			return m_stop_locked(mp);
		if (!mp->p)
			m_stop(mp);
		else if (interrupts())
			stw_stop_m(mp);
		else
			gp = look_for_work(mp);
		if (!gp)
			continue;
		if (mp->spinning)
			stop_spinning(mp);
		if (!elsewhere(mp, gp))
			return gp;
		m_start_locked(mp, gp);
		gp = NULL;
	}
	if (mp->spinning)
		stop_spinning(mp);
	return NULL;
}

/* What the P's own queue must not keep waiting for ever. */
static struct g * __systemstack get_now_and_then(struct m *mp)
{
	struct p *pp = mp->p;
	struct g *gp;

	if (unlikely(atomic_load_explicit(&sched.scan_wanted,
					  memory_order_relaxed)) &&
	    atomic_exchange_explicit(&sched.scan_wanted, false,
				     memory_order_relaxed))
		return g_new(mp, stack_scan, NULL, 0, true);
	if (m_rand(mp) % WATCH_NOW_AND_THEN == 0) {
		/* As in between. */
		gp = runq_get(pp);
		if (gp)
			watch(pp, gp, GLOBAL_EVERY * WATCH_NOW_AND_THEN);
	} else {
		gp = globrunq_get(pp, 1);
		if (gp)
			watch_found(mp, gp);
	}
	return gp;
}

static inline struct g *next_g(struct m *mp)
{
	struct p *pp = mp->p;
	u32 tick = atomic_load_explicit(&pp->tick, memory_order_relaxed);
	struct g *gp = NULL;

	if (unlikely(interrupts() || mp->lockedg))
		return NULL;
	if (unlikely(timers_next(pp) != TIME_NEVER))
		run_timers(pp);
	if (unlikely(tick % GLOBAL_EVERY == 0))
		gp = get_now_and_then(mp);
	if (!gp)
		gp = runq_get(pp);
	if (gp && unlikely(elsewhere(mp, gp))) {
		m_start_locked(mp, gp);
		gp = NULL;
	}
	return gp;
}

/* gp, taken off its queue, runs on mp. */
static inline void execute(struct m *mp, struct g *gp)
{
	struct p *pp = mp->p;

	gp->m = mp;
	atomic_store_explicit(&mp->curg, gp, memory_order_relaxed);
	casgstatus(mp, gp, G_RUNNABLE, G_RUNNING);
	tick_inc(&pp->tick);
	stat_inc(&pp->nswitches);
	if (unlikely(gp->watched))
		latency_end(pp, gp);
	*mp->errno_addr = gp->saved_errno;
	TRACE_EVENT(mp, go_start, gp);
}

static __attribute__((noinline)) struct g * __systemstack
find_and_watch(struct m *mp)
{
	struct g *gp = find_work(mp);

	if (gp)
		watch_found(mp, gp);
	return gp;
}

/* Run the next goroutine.  Never returns: the M goes on in it. */
__g0_noreturn void schedule(void)
{
	struct m *mp = getm();
	struct g *gp = NULL;

	if (likely(mp->p && !mp->spinning))
		gp = next_g(mp);
	if (unlikely(!gp))
		gp = find_and_watch(mp);
	if (unlikely(!gp))
		m_leave(mp);
	execute(mp, gp);
	if (nonpreempt_profiled())
		nonpreempt_end_all(mp);
	san_switch(gp);
	arch_gogo(gp);
}

/*
 * Blocking and readying.
 */

static __g0_noreturn void park_m(struct g *gp)
{
	struct m *mp = gp->m;
	struct lock *l = gp->wait_lock;
	bool traced = trace_acquire(mp);

	if (unlikely(traced))
		trace_ops->go_block(mp, gp, gp->wait_reason);
	m_drop_g(mp);
	/* From here on gp is its waker's; pairs with g_make_runnable(). */
	g_set_status(gp, G_RUNNING, G_WAITING);
	if (unlikely(traced))
		trace_release(mp);
	if (l)
		unlock(l);
	else
		releasem(mp);
	schedule();
}

/*
 * sched_park - block the calling goroutine until somebody calls
 * sched_ready(), which may happen before it is off its stack.  The caller
 * holds l, or with l NULL has done acquirem(): no yield may come between
 * its announcement and this.  Either is released on the way.
 */
void sched_park(struct lock *l, enum wait_reason why)
{
	struct g *gp = getg();

	if (unlikely(gp->nonpreempt))
		nonpreempt_blocked(gp, "blocks");
	gp->wait_lock = l;
	gp->wait_reason = why;
	gp->wait_since = atomic_load_explicit(&sched.clock,
					      memory_order_relaxed);
	mcall(park_m);
}

/* It announced itself and is still leaving its stack.  Acquire: its context
 * is complete. */
static inline void wait_until_off(struct g *gp)
{
	while (unlikely(g_status(gp) == G_RUNNING))
		cpu_relax();
}

/*
 * A goroutine that waits, and that the caller has taken from its queue.
 * Context: with a P.
 */
void g_make_runnable(struct m *mp, struct g *gp)
{
	bool traced;

	wait_until_off(gp);
	latency_begin(gp);
	traced = trace_acquire(mp);
	if (unlikely(traced))
		trace_ops->go_unblock(mp, gp);
	casgstatus(mp, gp, G_WAITING, G_RUNNABLE);
	if (unlikely(traced))
		trace_release(mp);
}

/* Without one: a trace may begin at any moment. */
static void g_make_runnable_p(struct m *mp, struct g *gp)
{
	wait_until_off(gp);
	latency_begin(gp);
	if (trace_hold(mp))
		trace_ops->go_unblock(mp, gp);
	casgstatus(mp, gp, G_WAITING, G_RUNNABLE);
	trace_release(mp);
}

/*
 * sched_ready - make a parked goroutine runnable; it runs next on this P.
 * Context: goroutine or g0, with a P.
 */
void sched_ready(struct g *gp)
{
	struct m *mp = acquirem();

	g_make_runnable(mp, gp);
	runq_put_next(mp->p, gp);
	wakep();
	releasem(mp);
}

/*
 * sched_ready_list - make parked goroutines runnable, from where there may
 * be no P.
 * sysstack: takes sched.lock.
 */
void __systemstack sched_ready_list(struct gqueue *list)
{
	struct gqueue ready = { 0 };
	struct m *mp = getm();
	struct g *gp;
	s32 n = 0;

	while ((gp = gqueue_pop(list))) {
		g_make_runnable_p(mp, gp);
		gqueue_push(&ready, gp);
		n++;
	}
	if (!n)
		return;
	lock(&sched.lock);
	gqueue_append(&sched.runq, &ready);
	runq_size_add(n);
	unlock(&sched.lock);
	wake_idle_p();
}

static __cold void yield_traced(struct m *mp, struct g *gp)
{
	bool traced = trace_acquire(mp);

	if (traced)
		trace_ops->go_stop(mp, gp, TRACE_STOP_YIELD);
	m_drop_g(mp);
	g_set_status(gp, G_RUNNING, G_RUNNABLE);
	if (traced)
		trace_release(mp);
}

/*
 * Behind everybody: also behind those in the global queue, or a goroutine
 * that spawns and yields would see only its own P's and never let the others
 * run.
 */
static __g0_noreturn void yield_m(struct g *gp)
{
	struct m *mp = gp->m;

	latency_begin(gp);
	if (unlikely(tracing())) {
		yield_traced(mp, gp);
	} else {
		m_drop_g(mp);
		g_set_status(gp, G_RUNNING, G_RUNNABLE);
	}
	if (unlikely(!globrunq_empty()))
		globrunq_put_one(gp);
	else
		runq_put(mp->p, gp);
	schedule();
}

void sched_yield_g(void)
{
	if (unlikely(getg()->nonpreempt))
		nonpreempt_blocked(getg(), "yields");
	mcall(yield_m);
}

/* Is there anything else for this P to run? */
bool sched_has_work(struct p *pp)
{
	return !runq_empty(pp) || !globrunq_empty() ||
	       timers_next(pp) <= nanotime();
}

/*
 * Birth and death.
 */

/* More ids for this P; the first is gp's, which may be watched. */
static __cold void goid_batch(struct m *mp, struct g *gp)
{
	struct p *pp = mp->p;

	pp->goid_next = 1 + atomic_fetch_add_explicit(&sched.goid, GOID_BATCH,
						      memory_order_relaxed);
	pp->goid_end = pp->goid_next + GOID_BATCH;
	if (m_rand(mp) % WATCH_NEW)
		return;
	watch(pp, gp, GOID_BATCH * WATCH_NEW);
	latency_stamp(gp);
}

static inline void g_set_id(struct m *mp, struct g *gp)
{
	struct p *pp = mp->p;

	gp->watched = 0;
	if (unlikely(pp->goid_next == pp->goid_end))
		goid_batch(mp, gp);
	gp->id = pp->goid_next++;
}

/* Known to others from here on. */
static inline void g_publish(struct m *mp, struct g *gp)
{
	bool traced = trace_acquire(mp);

	if (unlikely(traced))
		trace_ops->go_create(mp, gp);
	g_set_status(gp, g_status(gp), G_RUNNABLE);
	if (unlikely(traced))
		trace_release(mp);
}

/*
 * A goroutine ready to run, on no queue.  Its stack begins with copy bytes
 * from arg, if any.  background: one of the runtime's own, not counted.
 */
struct g *g_new(struct m *mp, void (*fn)(void *), void *arg, size_t copy,
		bool background)
{
	struct p *pp = mp->p;
	struct segment *seg = stack_alloc(pp, 0);
	uintptr_t top;
	struct g *gp;

	if (unlikely(!seg))
		return NULL;
	gp = segment_first_g(seg);
	top = seg->top;
	if (copy) {
		top -= ALIGN_UP(copy, 16);
		arg = memcpy((void *)top, arg, copy);
	}
	context_init(&gp->ctx, top, fn, arg);
	gp->seg = seg;
	gp->saved_errno = 0;
	gp->where = ON_GOROUTINE;
	gp->lockedm = NULL;
	gp->nlocked = 0;
	gp->nonpreempt = 0;
	atomic_store_explicit(&gp->preempt, false, memory_order_relaxed);
	atomic_store_explicit(&gp->preempt_stop, false, memory_order_relaxed);
	g_set_id(mp, gp);
	gp->fn = fn;
	gp->parent = 0;
	gp->created_pc = 0;
	gp->wait_reason = WAIT_NONE;
	san_g_create(gp);
	gp->background = background;
	gp->label = background ? NULL : getg()->label;
	g_publish(mp, gp);
	if (likely(!background))
		stat_inc(&pp->nspawned);
	return gp;
}

/*
 * sched_spawn - start a goroutine.  Context: goroutine.
 * Returns 0 or -ENOMEM.
 */
int sched_spawn(void (*fn)(void *), void *arg, size_t copy, uintptr_t pc)
{
	struct m *mp = acquirem();
	struct g *gp = g_new(mp, fn, arg, copy, false);
	int err = -ENOMEM;

	if (likely(gp)) {
		gp->parent = getg()->id;
		gp->created_pc = pc;
		runq_put(mp->p, gp);
		wakep();
		err = 0;
	}
	releasem(mp);
	return err;
}

/* The same for one of the runtime's own. */
int sched_spawn_background(void (*fn)(void *), void *arg)
{
	struct m *mp = acquirem();
	struct g *gp = g_new(mp, fn, arg, 0, true);

	if (gp)
		runq_put(mp->p, gp);
	releasem(mp);
	return gp ? 0 : -ENOMEM;
}

void __systemstack g_free(struct p *pp, struct g *gp)
{
	struct segment *seg, *next;

	san_g_destroy(gp);
	g_set_status(gp, G_RUNNING, G_DEAD);
	/* Release: whoever counts the end counts the start as well. */
	if (likely(!gp->background))
		atomic_store_explicit(&pp->nexited, pp->nexited + 1,
				      memory_order_release);
	for (seg = gp->seg0.next; seg; seg = next) {
		next = seg->next;
		stack_free(pp, seg);
	}
	stack_free(pp, &gp->seg0);
}

static __g0_noreturn void exit_m(struct g *gp)
{
	struct m *mp = gp->m;

	TRACE_EVENT(mp, go_end, gp);
	m_drop_g(mp);
	if (unlikely(gp->lockedm))
		m_unlock_g(mp, gp);
	g_free(mp->p, gp);
	schedule();
}

/* Every goroutine's last call; the stack is not unwound. */
__noreturn void goroutine_exit(void)
{
	if (unlikely(getg()->nonpreempt))
		nonpreempt_blocked(getg(), "ends");
	mcall(exit_m);
	__builtin_unreachable();
}
