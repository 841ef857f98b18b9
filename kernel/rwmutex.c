// SPDX-License-Identifier: ISC
/*
 * kernel/rwmutex.c - locks for many readers or one writer.
 *
 * Phases alternate while both wait (B. Brandenburg, J. Anderson, "Spin-based
 * reader-writer synchronization for multiprocessor real-time systems", 2010):
 * a reader waits for one writer at most, a writer for the readers that are
 * inside and the writers before it.  Who waits is given the lock by the one
 * that gives it up, and need not compete for it.
 *
 * The word says who has it.  It changes by compare-and-swap while nobody
 * waits; then under the sema lock, but for the readers that leave and are not
 * the last.
 *
 * Invariants (under the sema lock, in this run):
 *  I1  WAITERS is set if and only if a queue is not empty.
 *  I2  WRITER excludes readers.
 *  I3  Somebody has the lock when WAITERS is set.
 *  I4  Readers wait only while a writer has the lock or waits.
 */
#include <gort/sync.h>

#include <errno.h>
#include <stdatomic.h>

#include "kernel/sema.h"
#include "kernel/time.h"

#define WRITER		1u	/* a writer has it */
#define WAITERS		2u
#define READER		4u	/* one of those that have it */

struct rwmutex {
	_Atomic u64 state;
	struct sema_queue readers, writers;	/* that wait */
	u64 nreaders;				/* in ->readers */
	u64 run;		/* which run the queues belong to */
};

_Static_assert(sizeof(struct rwmutex) <= sizeof(struct gort_rwmutex),
	       "struct gort_rwmutex is too small");

static struct rwmutex *to_rw(struct gort_rwmutex *rw, const char *name)
{
	need_goroutine(name);
	return (struct rwmutex *)rw;
}

static u64 load_state(const struct rwmutex *rw)
{
	return atomic_load_explicit(&rw->state, memory_order_relaxed);
}

static struct lock *rw_sema_lock(struct rwmutex *rw)
{
	struct lock *l = sema_lock(rw);

	if (unlikely(sema_new_run(&rw->run))) {
		rw->readers.head = NULL;
		rw->writers.head = NULL;
		rw->nreaders = 0;
		atomic_fetch_and_explicit(&rw->state, ~(u64)WAITERS,
					  memory_order_relaxed);
	}
	return l;
}

/*
 * Add what, unless one of the bits in unless is there; then set else_set.
 * Acquire: pairs with the release of who had it before.
 */
static bool enter(struct rwmutex *rw, u64 what, u64 unless, u64 else_set)
{
	u64 s = load_state(rw), new;

	do {
		if (!(s & unless))
			new = s + what;
		else if ((s | else_set) == s)
			return false;
		else
			new = s | else_set;
	} while (!atomic_compare_exchange_weak_explicit(&rw->state, &s, new,
			memory_order_acquire, memory_order_relaxed));
	return !(s & unless);
}

static bool enter_reader(struct rwmutex *rw, u64 else_set)
{
	return enter(rw, READER, WRITER | WAITERS, else_set);
}

static bool enter_writer(struct rwmutex *rw, u64 else_set)
{
	return enter(rw, WRITER, ~(u64)0, else_set);
}

static __cold void rlock_slow(struct rwmutex *rw)
{
	struct sema_waiter w = { .n = 0 };
	s64 since = nanotime();
	struct lock *l = rw_sema_lock(rw);

	if (enter_reader(rw, WAITERS)) {
		sema_unlock(l);
		return;
	}
	rw->nreaders++;
	sema_wait(&rw->readers, &w, l, WAIT_RWMUTEX_RLOCK);
	sema_count_wait(since);
}

static __cold void wlock_slow(struct rwmutex *rw)
{
	struct sema_waiter w = { .n = 0 };
	s64 since = nanotime();
	struct lock *l = rw_sema_lock(rw);

	if (enter_writer(rw, WAITERS)) {
		sema_unlock(l);
		return;
	}
	sema_wait(&rw->writers, &w, l, WAIT_RWMUTEX_LOCK);
	sema_count_wait(since);
}

__public void gort_rwmutex_rlock(struct gort_rwmutex *opaque)
{
	struct rwmutex *rw = to_rw(opaque, "gort_rwmutex_rlock");

	if (unlikely(!enter_reader(rw, 0)))
		rlock_slow(rw);
}

__public void gort_rwmutex_lock(struct gort_rwmutex *opaque)
{
	struct rwmutex *rw = to_rw(opaque, "gort_rwmutex_lock");

	if (unlikely(!enter_writer(rw, 0)))
		wlock_slow(rw);
}

/* WAITERS may be left from an earlier run: look again under the lock. */
static int try_enter(struct gort_rwmutex *opaque,
		     bool (*try)(struct rwmutex *, u64))
{
	struct rwmutex *rw = (struct rwmutex *)opaque;
	struct lock *l;
	bool entered;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	if (likely(try(rw, 0)))
		return 0;
	l = rw_sema_lock(rw);
	entered = try(rw, 0);
	sema_unlock(l);
	return entered ? 0 : -EBUSY;
}

__public int gort_rwmutex_try_rlock(struct gort_rwmutex *rw)
{
	return try_enter(rw, enter_reader);
}

__public int gort_rwmutex_try_lock(struct gort_rwmutex *rw)
{
	return try_enter(rw, enter_writer);
}

/*
 * The caller is the last that has the lock, and some wait: give it to them.
 * Returns whom to wake.  Nobody else changes the state meanwhile, and rw may
 * be gone after the store.
 */
static struct sema_waiter *pass_on(struct rwmutex *rw, bool readers_first)
{
	struct sema_waiter *w;
	u64 s = WRITER;

	if (rw->readers.head && (readers_first || !rw->writers.head)) {
		s = rw->nreaders * READER;
		rw->nreaders = 0;
		w = sema_take_all(&rw->readers);
	} else {
		w = sema_pop(&rw->writers);
		w->next = NULL;
	}
	if (rw->readers.head || rw->writers.head)
		s |= WAITERS;
	atomic_store_explicit(&rw->state, s, memory_order_release);
	return w;
}

/* Somebody waits, and it is for one that has the lock to give it to them. */
static bool must_pass_on(u64 s, u64 had)
{
	return s & WAITERS && s - had < READER;
}

static __cold bool leave_slow(struct rwmutex *rw, u64 had)
{
	struct lock *l = rw_sema_lock(rw);
	struct sema_waiter *w = NULL;
	bool pass;

	/* Acquire: what other readers did comes before the writer. */
	pass = must_pass_on(atomic_load_explicit(&rw->state,
						 memory_order_acquire), had);
	if (pass)
		w = pass_on(rw, had == WRITER);
	sema_unlock(l);
	sema_ready_all(w);
	return pass;
}

/* Give up WRITER or one READER, which the caller has. */
static void leave(struct rwmutex *rw, u64 had, u64 s)
{
	for (;;) {
		if (unlikely(must_pass_on(s, had))) {
			if (leave_slow(rw, had))
				return;
			s = load_state(rw);
		} else if (atomic_compare_exchange_weak_explicit(&rw->state,
				&s, s - had, memory_order_release,
				memory_order_relaxed)) {
			return;
		}
	}
}

__public void gort_rwmutex_runlock(struct gort_rwmutex *opaque)
{
	struct rwmutex *rw = to_rw(opaque, "gort_rwmutex_runlock");
	u64 s = load_state(rw);

	if (unlikely(s < READER))
		fatal("gort_rwmutex_runlock of a rwmutex that is not locked to read");
	leave(rw, READER, s);
}

__public void gort_rwmutex_unlock(struct gort_rwmutex *opaque)
{
	struct rwmutex *rw = to_rw(opaque, "gort_rwmutex_unlock");
	u64 s = load_state(rw);

	if (unlikely(!(s & WRITER)))
		fatal("gort_rwmutex_unlock of a rwmutex that is not locked to write");
	leave(rw, WRITER, s);
}
