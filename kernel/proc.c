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
 * Leaving: when the first goroutine's function returns, sched.stopping is
 * set and every M goes back to the code that made it an M: gort_run() or the
 * thread's start.  Ms that run a goroutine are asked by way of their guard
 * word.  Everything is then thrown away, so a later run begins from nothing.
 *
 * Contexts: functions marked __systemstack run on g0, those that take
 * sched.lock because stack growth must not happen inside, the others because
 * they leave a goroutine.
 */
#define _GNU_SOURCE
#include "kernel/sched.h"

#include <gort/gort.h>

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arch/cpu.h>
#include "kernel/print.h"
#include "kernel/runq.h"
#include "kernel/sanitize.h"
#include "kernel/signal.h"
#include "mm/vm.h"

#define GLOBAL_EVERY	61	/* prime, so it does not beat with programs */
#define GOID_BATCH	64
#define STEAL_ROUNDS	4	/* runnext is taken in the last one only */
#define THREAD_STACK	((size_t)256 << 10)	/* Ms live on g0 */
#define STOP_POLL_NS	1000000

struct sched sched = { .lock = LOCK_INIT(RANK_SCHED) };
_Atomic u64 sched_runs;

__thread struct tls gort_tls
	__attribute__((tls_model("initial-exec")));

static __g0_noreturn void schedule(void);
static int start_first(struct m *mp);

static const char *const wait_reasons[NR_WAIT_REASONS] = {
	[WAIT_NONE] = "",
	[WAIT_CHAN_SEND] = "chan send",
	[WAIT_CHAN_RECV] = "chan receive",
	[WAIT_WAITGROUP] = "waitgroup wait",
};

const char *wait_reason_name(u32 why)
{
	return why < NR_WAIT_REASONS ? wait_reasons[why] : "?";
}

/* Leave the goroutine for g0; errno stays with it. */
static inline void mcall(void (*fn)(struct g *gp))
{
	struct g *gp = getg();

	gp->saved_errno = *gp->m->errno_addr;
	san_switch(gp->m->g0);
	arch_mcall(fn);
}

/*
 * Idle Ps and Ms.  All under sched.lock, so on g0.
 */

static void __systemstack p_put_idle_locked(struct p *pp)
{
	pp->idle_link = sched.idle_ps;
	sched.idle_ps = pp;
	atomic_store_explicit(&sched.nidle_ps,
			      atomic_load_explicit(&sched.nidle_ps,
					memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static struct p * __systemstack p_get_idle_locked(void)
{
	struct p *pp = sched.idle_ps;

	if (!pp)
		return NULL;
	sched.idle_ps = pp->idle_link;
	atomic_store_explicit(&sched.nidle_ps,
			      atomic_load_explicit(&sched.nidle_ps,
					memory_order_relaxed) - 1,
			      memory_order_relaxed);
	return pp;
}

static void p_acquire(struct m *mp, struct p *pp)
{
	dbg_assert(!mp->p && !pp->m, "P has an M already");
	mp->p = pp;
	pp->m = mp;
}

static struct p *p_release(struct m *mp)
{
	struct p *pp = mp->p;

	mp->p = NULL;
	pp->m = NULL;
	return pp;
}

static struct m * __systemstack m_get_idle_locked(void)
{
	struct m *mp = sched.idle_ms;

	if (mp) {
		sched.idle_ms = mp->idle_link;
		sched.nidle_ms--;
	}
	return mp;
}

static bool stopping(void)
{
	return atomic_load_explicit(&sched.stopping, memory_order_acquire);
}

/*
 * Every M asleep: nobody is left who could wake a goroutine.
 * sysstack: sched.lock.
 */
static void __systemstack check_deadlock_locked(void)
{
	if (sched.nms - sched.ngone_ms > sched.nidle_ms || stopping())
		return;
	unlock(&sched.lock);
	fatal_all("all goroutines are asleep - deadlock!");
}

/*
 * Global queue.
 */

/* Take a fair share: one to return, the rest into pp's ring. */
static struct g * __systemstack globrunq_get_locked(struct p *pp, u32 max)
{
	u32 size = atomic_load_explicit(&sched.runq_size,
					memory_order_relaxed);
	u32 n = size / sched.nprocs + 1;
	struct g *gp;

	if (!size)
		return NULL;
	if (n > size)
		n = size;
	if (n > max)
		n = max;
	atomic_store_explicit(&sched.runq_size, size - n,
			      memory_order_relaxed);
	gp = gqueue_pop(&sched.runq);
	while (--n)
		runq_put(pp, gqueue_pop(&sched.runq));
	return gp;
}

static struct g * __systemstack globrunq_get(struct p *pp, u32 max)
{
	struct g *gp;

	if (!atomic_load_explicit(&sched.runq_size, memory_order_relaxed))
		return NULL;
	lock(&sched.lock);
	gp = globrunq_get_locked(pp, max);
	unlock(&sched.lock);
	return gp;
}

/*
 * Starting and waking Ms.
 */

static void m_init(struct m *mp, u32 id)
{
	mp->id = id;
	mp->rand = ((u64)id + 1) * 0x9e3779b97f4a7c15;
	mp->g0 = &mp->g0_storage;
	for (int i = 0; i < 2; i++) {
		struct g *gp = i ? &mp->thread_g : mp->g0;

		gp->m = mp;
		gp->seg = &gp->seg0;
		gp->system = true;
	}
}

static struct m *m_new(u32 id)
{
	struct m *mp = calloc(1, sizeof(*mp));
	uintptr_t lo, top;

	if (!mp)
		return NULL;
	m_init(mp, id);
	if (stack_g0_alloc(id, &lo, &top)) {
		free(mp);
		return NULL;
	}
	mp->g0->seg0.lo = lo;
	mp->g0->seg0.top = top;
	return mp;
}

static __g0_noreturn void m_leave(struct m *mp);

/* g0's first function on every thread. */
static __g0_noreturn void m_main(struct g *gp)
{
	struct m *mp = gp->m;

	/* On g0 a poisoned guard does no harm.  Pairs with stop_others(). */
	atomic_store_explicit(&mp->guard_addr, guard_addr(),
			      memory_order_release);
	if (mp->nextp) {
		p_acquire(mp, mp->nextp);
		mp->nextp = NULL;
		mp->spinning = mp->next_spinning;
	}
	if (mp->id == 0 && start_first(mp))
		m_leave(mp);
	schedule();
}

/*
 * Be an M until the run ends.  The thread's own stack waits in thread_g as
 * if it were a goroutine.
 */
static void m_run(struct m *mp)
{
	struct tls *t = tls_self();
	struct g *tg = &mp->thread_g;

	san_g_adopt_thread(tg);
	san_g_create(mp->g0);
	tg->seg0.lo = 0;
	tg->seg0.top = stack_pointer();
	mp->errno_addr = __errno_location();
	t->g0 = mp->g0;
	t->g0_sp = mp->g0->seg0.top;
	t->sig_lo = (uintptr_t)mp->gsignal;
	t->sig_size = mp->gsignal_size;
	t->g = tg;
	mcall(m_main);
	*tls_self() = (struct tls){ 0 };
	san_g_destroy(mp->g0);
}

static void *m_thread(void *arg)
{
	struct m *mp = arg;

	if (signal_thread_init(mp))
		throw("no memory for a signal stack");
	pthread_sigmask(SIG_SETMASK, &mp->sigmask, NULL);
	m_run(mp);
	signal_thread_exit(mp);
	return NULL;
}

/* Leave the scheduler for good. */
static __g0_noreturn void m_leave(struct m *mp)
{
	lock(&sched.lock);
	mp->gone = true;
	sched.ngone_ms++;
	unlock(&sched.lock);
	san_switch(&mp->thread_g);
	arch_gogo(&mp->thread_g);
}

static int thread_create(struct m *mp)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	/* No signal before the thread has its signal stack. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	mp->sigmask = old;
	err = pthread_create(&mp->thread, &attr, m_thread, mp);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static __cold void m_start_failed(struct m *mp, struct p *pp, bool spinning)
{
	static _Atomic bool said;

	free(mp);
	lock(&sched.lock);
	sched.nms--;
	p_put_idle_locked(pp);
	unlock(&sched.lock);
	if (spinning)
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
	if (!atomic_exchange_explicit(&said, true, memory_order_relaxed))
		print("gort: cannot start another thread; going on with those there are\n");
}

/* Run pp on a new thread.  nms counts it already. */
static void __systemstack m_start_new(struct p *pp, u32 id, bool spinning)
{
	int saved = errno;
	struct m *mp = m_new(id);

	if (!mp) {
		m_start_failed(NULL, pp, spinning);
		errno = saved;
		return;
	}
	mp->nextp = pp;
	mp->next_spinning = spinning;
	mp->started = true;
	lock(&sched.lock);
	if (thread_create(mp)) {
		unlock(&sched.lock);
		m_start_failed(mp, pp, spinning);
		errno = saved;
		return;
	}
	mp->all_link = sched.all_ms;
	sched.all_ms = mp;
	unlock(&sched.lock);
	errno = saved;
}

/*
 * Run an idle P, if there is one, on an idle or new M.  nspinning counts the
 * M already.
 * sysstack: takes sched.lock.
 */
static void __systemstack wake_p(void *arg)
{
	struct m *mp = NULL;
	struct p *pp = NULL;
	u32 id = 0;

	(void)arg;
	lock(&sched.lock);
	if (!stopping())
		pp = p_get_idle_locked();
	if (pp) {
		mp = m_get_idle_locked();
		if (!mp) {
			sched.nms++;
			id = ++sched.last_mid;
		}
	}
	unlock(&sched.lock);
	if (!pp) {
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
	} else if (mp) {
		mp->nextp = pp;
		mp->next_spinning = true;
		note_wakeup(&mp->park);
	} else {
		m_start_new(pp, id, true);
	}
}

/* There is more work: see that somebody comes for it.  See the file head. */
static inline void wakep(void)
{
	u32 none = 0;

	if (sched.nprocs == 1)
		return;
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

static struct g * __systemstack steal_work(struct m *mp)
{
	for (int round = 0; round < STEAL_ROUNDS; round++) {
		u32 at = (u32)(m_rand(mp) % sched.nprocs);

		for (u32 i = 0; i < sched.nprocs; i++) {
			struct p *victim = &sched.ps[(at + i) % sched.nprocs];
			struct g *gp;

			if (victim == mp->p)
				continue;
			gp = runq_steal(mp->p, victim,
					round == STEAL_ROUNDS - 1);
			if (gp)
				return gp;
		}
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

	return 2 * spin < sched.nprocs - idle;
}

/* Sleep until somebody hands over a P, or the run ends. */
static void __systemstack m_stop(struct m *mp)
{
	lock(&sched.lock);
	if (!stopping()) {
		mp->idle_link = sched.idle_ms;
		sched.idle_ms = mp;
		sched.nidle_ms++;
		check_deadlock_locked();
		unlock(&sched.lock);
		note_sleep(&mp->park);
		note_clear(&mp->park);
		lock(&sched.lock);
	}
	unlock(&sched.lock);
	if (mp->nextp) {
		p_acquire(mp, mp->nextp);
		mp->nextp = NULL;
		mp->spinning = mp->next_spinning;
	}
}

static bool work_anywhere(void)
{
	if (atomic_load_explicit(&sched.runq_size, memory_order_relaxed))
		return true;
	for (u32 i = 0; i < sched.nprocs; i++)
		if (!runq_empty(&sched.ps[i]))
			return true;
	return false;
}

/*
 * Give the P back and sleep, unless work turns up on the way.  Returns a
 * goroutine, or NULL when the search begins again (with a P) or the run ends.
 */
static struct g * __systemstack find_work_slow(struct m *mp)
{
	bool was_spinning = mp->spinning;
	struct p *pp;
	struct g *gp;

	lock(&sched.lock);
	gp = globrunq_get_locked(mp->p, RUNQ_SIZE / 2);
	if (!gp)
		p_put_idle_locked(p_release(mp));
	unlock(&sched.lock);
	if (gp)
		return gp;
	mp->spinning = false;
	if (was_spinning) {
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
		/* Pairs with the fence in wakep(). */
		full_fence();
		if (work_anywhere()) {
			lock(&sched.lock);
			pp = p_get_idle_locked();
			unlock(&sched.lock);
			if (pp) {
				p_acquire(mp, pp);
				mp->spinning = true;
				atomic_fetch_add_explicit(&sched.nspinning, 1,
						memory_order_relaxed);
				return NULL;
			}
		}
	}
	m_stop(mp);
	return NULL;
}

/* A goroutine to run, or NULL when the run ends.  Blocks. */
static struct g * __systemstack find_work(struct m *mp)
{
	struct g *gp = NULL;

	while (mp->p && !stopping()) {
		gp = runq_get(mp->p);
		if (!gp)
			gp = globrunq_get(mp->p, RUNQ_SIZE / 2);
		if (!gp && sched.nprocs > 1 && (mp->spinning || may_spin())) {
			if (!mp->spinning) {
				mp->spinning = true;
				atomic_fetch_add_explicit(&sched.nspinning, 1,
						memory_order_relaxed);
			}
			gp = steal_work(mp);
		}
		if (!gp)
			gp = find_work_slow(mp);
		if (gp)
			break;
	}
	if (mp->spinning)
		stop_spinning(mp);
	return gp;
}

static inline struct g *next_g(struct m *mp)
{
	struct p *pp = mp->p;
	struct g *gp = NULL;

	if (unlikely(stopping()))
		return NULL;
	if (unlikely(pp->tick % GLOBAL_EVERY == 0))
		gp = globrunq_get(pp, 1);
	if (!gp)
		gp = runq_get(pp);
	return gp;
}

/* Run the next goroutine.  Never returns: the M goes on in it. */
static __g0_noreturn void schedule(void)
{
	struct m *mp = getm();
	struct g *gp = NULL;

	if (likely(mp->p && !mp->spinning))
		gp = next_g(mp);
	if (unlikely(!gp))
		gp = find_work(mp);
	if (unlikely(!gp))
		m_leave(mp);
	mp->curg = gp;
	gp->m = mp;
	atomic_store_explicit(&gp->status, G_RUNNING, memory_order_relaxed);
	mp->p->tick++;
	stat_inc(&mp->p->nswitches);
	*mp->errno_addr = gp->saved_errno;
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

	mp->curg = NULL;
	gp->m = NULL;
	/* From here on gp is its waker's; pairs with sched_ready(). */
	atomic_store_explicit(&gp->status, G_WAITING, memory_order_release);
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

	gp->wait_lock = l;
	gp->wait_reason = why;
	mcall(park_m);
}

/*
 * sched_ready - make a parked goroutine runnable; it runs next on this P.
 * Context: goroutine or g0, with a P.
 */
void sched_ready(struct g *gp)
{
	struct m *mp = acquirem();

	/* It announced itself and is still leaving its stack.  Acquire: its
	 * context is complete. */
	while (unlikely(g_status(gp) == G_RUNNING))
		cpu_relax();
	dbg_assert(g_status(gp) == G_WAITING, "readied a goroutine that does not wait");
	atomic_store_explicit(&gp->status, G_RUNNABLE, memory_order_relaxed);
	runq_put_next(mp->p, gp);
	wakep();
	releasem(mp);
}

static __g0_noreturn void yield_m(struct g *gp)
{
	struct m *mp = gp->m;

	mp->curg = NULL;
	atomic_store_explicit(&gp->status, G_RUNNABLE, memory_order_relaxed);
	runq_put(mp->p, gp);
	schedule();
}

void sched_yield_g(void)
{
	mcall(yield_m);
}

/*
 * sched_check_preempt - from newstack(): does somebody want the processor?
 * Then another goroutine runs first, and gp goes on later.
 */
void __systemstack __no_tsan sched_check_preempt(struct g *gp)
{
	struct m *mp = gp->m;

	if (mp->locks || gp->system)
		return;
	if (unlikely(stopping())) {
		san_switch(mp->g0);
		m_leave(mp);
	}
	if (debug.maymorestack == MAYMORESTACK_PREEMPT) {
		gp->saved_errno = *mp->errno_addr;
		san_switch(mp->g0);
		yield_m(gp);
	}
}

/*
 * Birth and death.
 */

static u64 goid_new(struct p *pp)
{
	if (unlikely(pp->goid_next == pp->goid_end)) {
		pp->goid_next = 1 + atomic_fetch_add_explicit(&sched.goid,
					GOID_BATCH, memory_order_relaxed);
		pp->goid_end = pp->goid_next + GOID_BATCH;
	}
	return pp->goid_next++;
}

/*
 * A goroutine ready to run, on no queue.  Its stack begins with copy bytes
 * from arg, if any.
 */
static struct g *g_new(struct p *pp, void (*fn)(void *), void *arg,
		       size_t copy)
{
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
	gp->id = goid_new(pp);
	gp->fn = fn;
	gp->wait_reason = WAIT_NONE;
	san_g_create(gp);
	atomic_store_explicit(&gp->status, G_RUNNABLE, memory_order_relaxed);
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
	struct g *gp = g_new(mp->p, fn, arg, copy);
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

static void __systemstack g_free(struct p *pp, struct g *gp)
{
	struct segment *seg, *next;

	san_g_destroy(gp);
	atomic_store_explicit(&gp->status, G_DEAD, memory_order_relaxed);
	/* Release: whoever counts the end counts the start as well. */
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

	mp->curg = NULL;
	g_free(mp->p, gp);
	schedule();
}

/* Every goroutine's last call; the stack is not unwound. */
__noreturn void goroutine_exit(void)
{
	mcall(exit_m);
	__builtin_unreachable();
}

/*
 * The end of a run.
 */

/* Poke every M that may be running a goroutine.  How many are left? */
static u32 __systemstack stop_others(struct m *self)
{
	u32 left;

	lock(&sched.lock);
	for (struct m *mp = sched.all_ms; mp; mp = mp->all_link) {
		uintptr_t *guard = atomic_load_explicit(&mp->guard_addr,
							memory_order_acquire);

		if (mp != self && !mp->gone && guard)
			__atomic_store_n(guard, GUARD_POISON, __ATOMIC_RELAXED);
	}
	left = sched.nms - sched.ngone_ms - 1;
	unlock(&sched.lock);
	return left;
}

static void __systemstack wake_all_idle(void)
{
	struct m *mp;

	lock(&sched.lock);
	atomic_store_explicit(&sched.stopping, true, memory_order_release);
	while ((mp = m_get_idle_locked()))
		note_wakeup(&mp->park);
	unlock(&sched.lock);
}

static __g0_noreturn void run_done_m(struct g *gp)
{
	struct m *mp = gp->m;
	struct timespec pause = { .tv_nsec = STOP_POLL_NS };

	mp->curg = NULL;
	g_free(mp->p, gp);
	wake_all_idle();
	while (stop_others(mp))
		nanosleep(&pause, NULL);
	m_leave(mp);
}

/*
 * The beginning of a run.
 */

static struct {
	void (*fn)(void *);
	void *arg;
	int err;
} first;

static void first_goroutine(void *arg)
{
	first.fn(arg);
	mcall(run_done_m);
}

static int start_first(struct m *mp)
{
	struct g *gp = g_new(mp->p, first_goroutine, first.arg, 0);

	if (!gp)
		return first.err = -ENOMEM;
	gp->parent = 0;
	gp->created_pc = 0;
	runq_put(mp->p, gp);
	return 0;
}

static u32 procs_wanted(void)
{
	cpu_set_t set;

	if (debug.maxprocs)
		return debug.maxprocs;
	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (u32)CPU_COUNT(&set);
}

static int sched_init(void)
{
	u32 n = procs_wanted();

	sched.ps = aligned_alloc(64, n * sizeof(*sched.ps));
	if (!sched.ps)
		return -ENOMEM;
	memset(sched.ps, 0, n * sizeof(*sched.ps));
	for (u32 i = n; i-- > 0;) {
		sched.ps[i].id = i;
		sched.ps[i].tick = 1;
		if (i)
			p_put_idle_locked(&sched.ps[i]);
	}
	sched.nprocs = n;
	stats_begin_run();
	return 0;
}

/* Goroutines that were left when the run ended still have fibers. */
static void drop_goroutines(void)
{
	size_t cursor = 0;
	struct g *gp;

	while ((gp = stack_next_g(&cursor)))
		san_g_destroy(gp);
}

static void sched_fini(void)
{
	struct m *mp, *next;

	/* The one that ended the run walks the list until it leaves. */
	for (mp = sched.all_ms; mp; mp = mp->all_link)
		if (mp->started)
			pthread_join(mp->thread, NULL);
	for (mp = sched.all_ms; mp; mp = next) {
		next = mp->all_link;
		free(mp);
	}
	stats_end_run();
	free(sched.ps);
	sched = (struct sched){ .lock = LOCK_INIT(RANK_SCHED) };
	atomic_fetch_add_explicit(&sched_runs, 1, memory_order_relaxed);
	drop_goroutines();
	stack_reset();
}

/* The calling thread is the first M and begins with P 0. */
static int run_on_this_thread(void)
{
	struct m *mp = m_new(0);
	int err;

	if (!mp)
		return -ENOMEM;
	err = signal_thread_init(mp);
	if (err) {
		free(mp);
		return err;
	}
	mp->nextp = &sched.ps[0];
	mp->thread = pthread_self();
	sched.all_ms = mp;
	sched.nms = 1;
	m_run(mp);
	signal_thread_exit(mp);
	return first.err;
}

/*
 * sched_run - all of gort_run() but its checks: 0, or -errno with nothing
 * left behind.
 */
int sched_run(void (*fn)(void *), void *arg)
{
	int err;

	first.fn = fn;
	first.arg = arg;
	first.err = 0;
	cpu_init();
	lock_init_once();
	vm_init();
	err = stack_init();
	if (err)
		return err;
	err = sched_init();
	if (err)
		return err;
	signal_install();
	err = run_on_this_thread();
	sched_fini();
	signal_restore();
	return err;
}
