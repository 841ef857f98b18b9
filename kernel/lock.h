/* SPDX-License-Identifier: ISC */
/*
 * kernel/lock.h - runtime locks and one-shot notes, on futexes.
 *
 * A lock makes its M unpreemptible while it is held (m->locks).  Locks have
 * ranks (kernel/lockrank.tbl); with GORT_DEBUG an M asserts that it takes
 * them in rising order, and that ranks which stack growth can reach are
 * taken on g0 only: the stack could otherwise grow while they are held.
 *
 * Unlocking is a plain store: no atomic read-modify-write, no fence.  The
 * price is paid by the rare thread that is about to sleep: it announces
 * itself and then makes every other thread of the process execute a barrier
 * (membarrier(2), PRIVATE_EXPEDITED), after which either it sees the lock
 * free or the owner's unlock sees the announcement.  The same trick as
 * asymmetric fences in user-level RCU.
 *
 * The announcement is not in the lock but in a small table, because the
 * memory of a lock may go away as soon as it is free: whoever receives the
 * last message of a channel may free the channel.
 */
#ifndef KERNEL_LOCK_H
#define KERNEL_LOCK_H

#include <stdatomic.h>

#include <arch/compiler.h>
#include "lockrank.h"

struct lock {
	_Atomic u32 state;	/* 0 free, 1 held: the futex */
	u32 rank;
};

#define LOCK_INIT(r)	{ .rank = (r) }

void lock_init_once(void);
void lock_slow(struct lock *l);
void lock_wake(struct lock *l);

extern _Atomic bool lock_no_membarrier;
void lock_membarrier(void);

static inline bool lock_have_membarrier(void)
{
	return !atomic_load_explicit(&lock_no_membarrier, memory_order_relaxed);
}

/* Threads asleep, or about to be, on locks that share a hash. */
#define LOCK_HASH_SIZE	64
extern _Atomic u32 lock_sleepers[LOCK_HASH_SIZE];

static inline _Atomic u32 *lock_hash(const struct lock *l)
{
	return &lock_sleepers[(uintptr_t)l / 64 % LOCK_HASH_SIZE];
}

#ifdef GORT_DEBUG
void lockrank_acquire(struct lock *l);
void lockrank_release(struct lock *l);
bool lock_held_by_me(const struct lock *l);
#else
static inline void lockrank_acquire(struct lock *l)
{
	(void)l;
}

static inline void lockrank_release(struct lock *l)
{
	(void)l;
}
#endif

/*
 * The two below do not touch m->locks; lock() and unlock() in
 * kernel/sched.h, which everybody else uses, do.
 */
static inline void lock_raw(struct lock *l)
{
	u32 free = 0;

	lockrank_acquire(l);
	/* Acquire: pairs with the release in unlock_raw(). */
	if (unlikely(!atomic_compare_exchange_strong_explicit(&l->state, &free,
			1, memory_order_acquire, memory_order_relaxed)))
		lock_slow(l);
}

static inline void unlock_raw(struct lock *l)
{
	lockrank_release(l);
	/* Release: pairs with the acquire of the next lock_raw(). */
	atomic_store_explicit(&l->state, 0, memory_order_release);
	/* Ordered before the load below by lock_slow()'s membarrier(). */
	barrier();
	if (unlikely(!lock_have_membarrier()))
		full_fence();
	if (unlikely(atomic_load_explicit(lock_hash(l), memory_order_relaxed)))
		lock_wake(l);
}

/*
 * A note: one thread sleeps until another wakes it, once per note_clear().
 */
struct note {
	_Atomic u32 set;
};

void note_clear(struct note *n);
void note_sleep(struct note *n);
bool note_sleep_for(struct note *n, s64 ns);
bool note_spin_for(struct note *n, s64 ns);
void note_wakeup(struct note *n);

int futex_wait(_Atomic u32 *addr, u32 val, s64 timeout_ns);
void futex_wake(_Atomic u32 *addr, u32 count);

#endif
