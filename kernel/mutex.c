// SPDX-License-Identifier: ISC
/*
 * kernel/mutex.c - mutexes for goroutines.
 *
 * Fairness is that of Go's sync.Mutex (internal/sync/mutex.go): who comes
 * while the mutex is free gets it, which is fast, since he runs already; of
 * those that wait at most one is awake and competes; one that waited for
 * STARVING_NS and lost again makes the mutex STARVING, and it is then handed
 * over in turn until somebody gets it who did not wait that long.
 *
 * Two modes, in one word:
 *
 * Light, the word is 0 or LOCKED.  Unlocking is a plain store, as in
 * kernel/lock.h.
 *
 * Heavy, anything else is in the word.  Unlocking is a compare-and-swap.  Who
 * finds the mutex locked makes it heavy, and it stays so for HEAVY_MAX
 * unlocks after the last one that somebody waited for: a mutex that is
 * contended now and then does not pay for the change each time.
 *
 * The change is the difficult part, because the holder's store may wipe out
 * the waiter's announcement:
 *
 *	holder				waiter, under the sema lock
 *	read the word: LOCKED		word |= WAITERS | HEAVY_MAX
 *	word = 0			list the mutex, mutex_npending++
 *	look at mutex_npending		membarrier(2)
 *					look at the word
 *
 * The barrier, which every thread of the process executes, falls before the
 * holder's last step: then he sees the number, takes the sema lock, and finds
 * the waiter by the mutex's address.  Or it falls behind it: then the waiter
 * sees the mutex free.  The holder must not look at the mutex, which may be
 * gone; only when it is listed does he know that it is there, since somebody
 * waits for it.  Without membarrier(2) the holder executes a fence of his own.
 * The sema lock is held during the call, some microseconds: it is rare.
 *
 * Invariants (under the sema lock, of objects of this run):
 *  I1  The queue is empty, or WAITERS is set, or the mutex is listed.
 *  I2  A mutex whose holder may yet wipe out bits is listed, or has none.
 *      So who sees bits in an unlisted one can rely on them.
 *  I3  The queue is not empty when the mutex is listed.
 *  I4  STARVING implies LOCKED and WAITERS.
 *
 * The list is a digital search tree (E. Coffman, J. Eve, "File structures
 * using hashing functions", 1970): a binary tree that goes left or right by
 * the next bit of the hash, of logarithmic depth without balancing, since
 * the hash is random enough.  Its nodes are in the waiters' frames.
 *
 * Rejected: heavy mode only.  Unlocking then costs as much as locking, and an
 * uncontended mutex does little else.
 */
#include <gort/sync.h>

#include <errno.h>
#include <stdatomic.h>

#include <arch/cpu.h>
#include "kernel/runq.h"
#include "kernel/sema.h"
#include "kernel/time.h"

#define LOCKED		1u
#define WAITERS		2u	/* the queue is not empty */
#define WOKEN		4u	/* somebody who waited competes: wake no other */
#define STARVING	8u	/* handed over in turn */
#define HEAVY		16u	/* unlocks until it is light again */
#define HEAVY_MAX	(255 * HEAVY)

#define STARVING_NS	1000000
#define SPINS		4	/* times */
#define SPIN_RELAX	30	/* cpu_relax() */

struct mutex {
	_Atomic u32 state;
	struct sema_queue queue;
	u64 run;		/* which run ->queue belongs to */
};

_Static_assert(sizeof(struct mutex) <= sizeof(struct gort_mutex),
	       "struct gort_mutex is too small");

/* A listed mutex. */
struct pending {
	const struct mutex *m;
	struct pending *child[2];
};

/* Under the sema lock of the same index. */
static struct {
	struct pending *root;
	u64 run;		/* which run the tree belongs to */
} pending[SEMA_BUCKETS];

/* How many are in that tree; read by anyone. */
_Atomic u32 mutex_npending[SEMA_BUCKETS];

struct mutex_waiter {
	struct sema_waiter w;
	struct pending p;
	s64 since;		/* ns */
	bool awake;		/* it competes, and WOKEN is on its account */
};

/*
 * The list.
 */

/* The link to m's node, or where it would be put. */
static struct pending **pending_find(const struct mutex *m)
{
	struct pending **link = &pending[sema_index(m)].root;
	u64 bits = sema_hash(m) << SEMA_BITS;

	for (; *link && (*link)->m != m; bits <<= 1)
		link = &(*link)->child[bits >> 63];
	return link;
}

static void count_pending(const struct mutex *m, u32 change)
{
	_Atomic u32 *n = &mutex_npending[sema_index(m)];

	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed)
			      + change, memory_order_relaxed);
}

static void pending_add(struct mutex *m, struct pending **link,
			struct pending *p)
{
	*p = (struct pending){ .m = m };
	*link = p;
	count_pending(m, 1);
}

/* Any leaf below may take a node's place. */
static void pending_remove(struct pending **link)
{
	struct pending *p = *link, *leaf, **last = link;

	while ((*last)->child[0] || (*last)->child[1])
		last = &(*last)->child[!(*last)->child[0]];
	leaf = *last;
	*last = NULL;
	if (leaf != p) {
		leaf->child[0] = p->child[0];
		leaf->child[1] = p->child[1];
		*link = leaf;
	}
	count_pending(p->m, -1u);
}

/* Its holder saw that somebody waits, or there is none. */
static void unlist(const struct mutex *m)
{
	struct pending **link = pending_find(m);

	if (unlikely(*link))
		pending_remove(link);
}

/* Does not touch m. */
static struct lock *mutex_sema_lock(const struct mutex *m)
{
	struct lock *l = sema_lock(m);
	u32 i = sema_index(m);

	if (unlikely(sema_new_run(&pending[i].run))) {
		pending[i].root = NULL;
		atomic_store_explicit(&mutex_npending[i], 0, memory_order_relaxed);
	}
	return l;
}

static void forget_old_run(struct mutex *m)
{
	if (likely(!sema_new_run(&m->run)))
		return;
	m->queue.head = NULL;
	atomic_fetch_and_explicit(&m->state, ~(WAITERS | WOKEN | STARVING),
				  memory_order_relaxed);
}

/*
 * Locking.
 */

/*
 * Spinning can help if somebody else runs who may be the holder, and takes
 * the time from nobody.
 */
static bool may_spin(void)
{
	u32 idle = atomic_load_explicit(&sched.nidle_ps, memory_order_relaxed);
	u32 look = atomic_load_explicit(&sched.nspinning,
					memory_order_relaxed);
	struct m *mp = acquirem();
	bool may = sched.nprocs > idle + look + 1 && runq_empty(mp->p);

	releasem(mp);
	return may;
}

static void spin(struct mutex *m, u32 s, bool *awake)
{
	/* The unlock need not wake another for this one to compete with. */
	if (!*awake && (s & (WAITERS | WOKEN)) == WAITERS &&
	    atomic_compare_exchange_strong_explicit(&m->state, &s, s | WOKEN,
			memory_order_relaxed, memory_order_relaxed))
		*awake = true;
	for (int i = 0; i < SPIN_RELAX; i++)
		cpu_relax();
}

/* The bits of a mutex that w waits for; 0 if it is free. */
static u32 set_waiters(struct mutex *m, const struct mutex_waiter *w,
		       u32 starving)
{
	u32 s = atomic_load_explicit(&m->state, memory_order_relaxed), new;

	do {
		if (!(s & LOCKED))
			return 0;
		new = s | WAITERS | HEAVY_MAX | starving;
		if (w->awake)
			new &= ~WOKEN;
	} while (!atomic_compare_exchange_weak_explicit(&m->state, &s, new,
			memory_order_relaxed, memory_order_relaxed));
	return s;
}

/*
 * The mutex was light: list it.  False if it is free now, and the holder may
 * not have seen that somebody waits; then nobody does.
 */
static bool announce(struct mutex *m, struct mutex_waiter *w)
{
	struct pending **link = pending_find(m);

	if (*link)
		return true;
	pending_add(m, link, &w->p);
	/* See the file head.  Pairs with unlock_light(). */
	lock_membarrier();
	if (atomic_load_explicit(&m->state, memory_order_relaxed) & LOCKED)
		return true;
	pending_remove(pending_find(m));
	m->queue.head = NULL;
	return false;
}

/* Sleep until woken; false, at once, if the mutex is free. */
static bool mutex_wait(struct mutex *m, struct mutex_waiter *w, u32 starving)
{
	struct lock *l = mutex_sema_lock(m);
	bool again = w->w.g;
	u32 s;

	forget_old_run(m);
	s = set_waiters(m, w, starving);
	if (s) {
		w->awake = false;
		if (again)
			sema_push_front(&m->queue, &w->w);
		else
			sema_push(&m->queue, &w->w);
	}
	if (!s || (s == LOCKED && !announce(m, w))) {
		sema_unlock(l);
		return false;
	}
	w->w.g = getg();
	sched_park(l, WAIT_MUTEX);
	w->awake = true;
	return true;
}

static bool lock_free(struct mutex *m, u32 s, bool awake)
{
	u32 new = (s | LOCKED) & (awake ? ~WOKEN : ~0u);

	return atomic_compare_exchange_strong_explicit(&m->state, &s, new,
			memory_order_acquire, memory_order_relaxed);
}

/* Who was handed the mutex ends it when he did not starve. */
static void end_starving(struct mutex *m, s64 since)
{
	if (atomic_load_explicit(&m->state, memory_order_relaxed) & STARVING &&
	    nanotime() - since <= STARVING_NS)
		atomic_fetch_and_explicit(&m->state, ~STARVING,
					  memory_order_relaxed);
}

static __attribute__((noinline)) void mutex_lock_slow(struct mutex *m)
{
	struct mutex_waiter w = { .since = 0 };
	u32 s, spins = 0;
	s64 now;

	need_goroutine("gort_mutex_lock");
	while (!w.w.handed) {
		s = atomic_load_explicit(&m->state, memory_order_relaxed);
		if (!(s & LOCKED)) {
			if (lock_free(m, s, w.awake))
				break;
			continue;
		}
		if (!(s & STARVING) && spins < SPINS && may_spin()) {
			spin(m, s, &w.awake);
			spins++;
			continue;
		}
		now = nanotime();
		if (!w.since)
			w.since = now;
		if (mutex_wait(m, &w, now - w.since > STARVING_NS ?
			       STARVING : 0))
			spins = 0;
	}
	if (w.w.handed)
		end_starving(m, w.since);
	if (w.w.g)
		sema_count_wait(w.since);
}

__public void gort_mutex_lock(struct gort_mutex *opaque)
{
	struct mutex *m = (struct mutex *)opaque;
	u32 s;

	if (likely(in_goroutine())) {
		s = atomic_load_explicit(&m->state, memory_order_relaxed);
		/* Acquire: pairs with the release of the last unlock. */
		if (likely(!(s & LOCKED)) &&
		    likely(atomic_compare_exchange_strong_explicit(&m->state,
				&s, s | LOCKED, memory_order_acquire,
				memory_order_relaxed)))
			return;
	}
	mutex_lock_slow(m);
}

__public int gort_mutex_try_lock(struct gort_mutex *opaque)
{
	struct mutex *m = (struct mutex *)opaque;
	u32 s;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	s = atomic_load_explicit(&m->state, memory_order_relaxed);
	while (!(s & LOCKED))
		if (atomic_compare_exchange_weak_explicit(&m->state, &s,
				s | LOCKED, memory_order_acquire,
				memory_order_relaxed))
			return 0;
	return -EBUSY;
}

/*
 * Unlocking.
 */

/*
 * Give the mutex up, or hand it to the first that waits.  True if handed.
 * The compare-and-swap, or waking the first, is the end of m for us.
 */
static bool unlock_and_wake(struct mutex *m)
{
	struct lock *l = mutex_sema_lock(m);
	struct sema_waiter *w;
	u32 s, set = 0, clear = 0;
	bool hand;

	forget_old_run(m);
	w = sema_pop(&m->queue);
	unlist(m);
	s = atomic_load_explicit(&m->state, memory_order_relaxed);
	hand = w && s & STARVING;
	if (!m->queue.head)
		clear |= WAITERS | STARVING;
	if (!hand)
		clear |= LOCKED;
	if (w && !hand)
		set = WOKEN;
	while (!atomic_compare_exchange_weak_explicit(&m->state, &s,
			(s & ~clear) | set, memory_order_release,
			memory_order_relaxed))
		;
	sema_unlock(l);
	if (w) {
		w->handed = hand;
		sched_ready(w->g);
	}
	return hand;
}

static bool mutex_unlock_heavy(struct mutex *m)
{
	u32 s = atomic_load_explicit(&m->state, memory_order_relaxed), new;

	do {
		if (!(s & LOCKED))
			fatal("gort_mutex_unlock of a mutex that is not locked");
		if (s & WAITERS && (s & STARVING || !(s & WOKEN)))
			return unlock_and_wake(m);
		new = s & ~LOCKED;
		if (!(s & WAITERS) && s >= HEAVY)
			new -= HEAVY;
	} while (!atomic_compare_exchange_weak_explicit(&m->state, &s, new,
			memory_order_release, memory_order_relaxed));
	return false;
}

/*
 * After unlock_light(): is somebody waiting for m?  If so it is still there.
 * When it is not 0 somebody will see that they wait: who has it locked, or
 * WOKEN.
 */
static __cold void wake_pending(struct mutex *m)
{
	struct pending **link;
	struct sema_waiter *w = NULL;
	struct lock *l;
	u32 s = 0;

	need_goroutine("gort_mutex_unlock");
	l = mutex_sema_lock(m);
	link = pending_find(m);
	if (*link) {
		w = m->queue.head;
		if (atomic_compare_exchange_strong_explicit(&m->state, &s,
				HEAVY_MAX | WOKEN | (w->next ? WAITERS : 0),
				memory_order_relaxed, memory_order_relaxed)) {
			pending_remove(link);
			sema_pop(&m->queue);
		} else {
			w = NULL;
		}
	}
	sema_unlock(l);
	if (w)
		sched_ready(w->g);
}

static inline void unlock_light(struct mutex *m)
{
	/* Release: pairs with the acquire of the next lock. */
	atomic_store_explicit(&m->state, 0, memory_order_release);
	/* Ordered before the load below by announce(). */
	barrier();
	if (unlikely(!lock_have_membarrier()))
		full_fence();
	if (unlikely(!in_goroutine() ||
		     atomic_load_explicit(&mutex_npending[sema_index(m)],
					  memory_order_relaxed)))
		wake_pending(m);
}

/*
 * mutex_unlock - true if the goroutine that has it now was readied, and
 * should run soon.
 */
bool mutex_unlock(struct gort_mutex *opaque)
{
	struct mutex *m = (struct mutex *)opaque;

	if (atomic_load_explicit(&m->state, memory_order_relaxed) != LOCKED)
		return mutex_unlock_heavy(m);
	unlock_light(m);
	return false;
}

/* Nobody else can lock it until who was handed it has run. */
static __attribute__((noinline)) void mutex_unlock_slow(struct mutex *m)
{
	need_goroutine("gort_mutex_unlock");
	if (mutex_unlock_heavy(m))
		sched_yield_g();
}

/*
 * The store comes before the check of the context: both the store and the
 * loads of the check are waited for by the next atomic operation, and so
 * overlap.
 */
__public void gort_mutex_unlock(struct gort_mutex *opaque)
{
	struct mutex *m = (struct mutex *)opaque;

	if (likely(atomic_load_explicit(&m->state, memory_order_relaxed) ==
		   LOCKED))
		unlock_light(m);
	else
		mutex_unlock_slow(m);
}
