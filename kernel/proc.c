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
#include "kernel/runq.h"
#include "mm/stack.h"

#define GLOBAL_EVERY	61	/* prime, so it does not beat with programs */
#define GOID_BATCH	64
#define STEAL_ROUNDS	4	/* runnext is taken in the last one only */

struct sched sched = { .lock = LOCK_INIT(RANK_SCHED) };

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

/*
 * Global queue.
 */

/* sysstack: takes sched.lock. */
void __systemstack globrunq_put(struct g *const *batch, u32 n)
{
	lock(&sched.lock);
	for (u32 i = 0; i < n; i++)
		gqueue_push(&sched.runq, batch[i]);
	atomic_store_explicit(&sched.runq_size,
			      atomic_load_explicit(&sched.runq_size,
					memory_order_relaxed) + n,
			      memory_order_relaxed);
	unlock(&sched.lock);
}

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
__g0_noreturn void schedule(void)
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

/* Its own function: a variable with an address would end tail calls. */
static __cold void __systemstack globrunq_put_one(struct g *gp)
{
	globrunq_put(&gp, 1);
}

/*
 * Behind everybody: also behind those in the global queue, or a goroutine
 * that spawns and yields would see only its own P's and never let the others
 * run.
 */
static __g0_noreturn void yield_m(struct g *gp)
{
	struct m *mp = gp->m;

	mp->curg = NULL;
	atomic_store_explicit(&gp->status, G_RUNNABLE, memory_order_relaxed);
	if (unlikely(atomic_load_explicit(&sched.runq_size,
					  memory_order_relaxed)))
		globrunq_put_one(gp);
	else
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
struct g *g_new(struct p *pp, void (*fn)(void *), void *arg,
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

void __systemstack g_free(struct p *pp, struct g *gp)
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
