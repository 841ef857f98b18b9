// SPDX-License-Identifier: ISC
/*
 * kernel/lock.c - the slow paths of runtime locks, and their ranks.
 *
 * Rejected: the classical three-state futex mutex (free, held, contended).
 * Its unlock is an atomic exchange, which costs as much as the lock itself,
 * and channels do little more than lock and unlock.
 */
#define _GNU_SOURCE
#include "kernel/lock.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <arch/cpu.h>
#include "kernel/errno.h"
#include "kernel/panic.h"
#include "kernel/print.h"
#include "kernel/sched.h"

#define SPINS_BUSY	4	/* rounds of */
#define SPINS_RELAX	30	/* cpu_relax() each, then */
#define SPINS_YIELD	1	/* sched_yield(), then sleep */

_Atomic bool lock_no_membarrier = true;
_Atomic u32 lock_sleepers[LOCK_HASH_SIZE];

static int membarrier(int cmd)
{
	return (int)syscall(SYS_membarrier, cmd, 0, 0);
}

/*
 * Linux 4.14 has the command.  Without it, and until it is known, unlock_raw()
 * executes a fence of its own.
 */
void lock_init_once(void)
{
	int saved = errno;

	if (!membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
		atomic_store_explicit(&lock_no_membarrier, false,
				      memory_order_relaxed);
	errno = saved;
}

/*
 * Every other thread of the process executes a full fence before this
 * returns; the caller, too.  errno is left alone.
 */
void lock_membarrier(void)
{
	int saved = errno;

	if (!lock_have_membarrier())
		full_fence();
	else if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		throw("membarrier failed");
	errno = saved;
}

static bool try_lock(struct lock *l)
{
	u32 free = 0;

	return !atomic_load_explicit(&l->state, memory_order_relaxed) &&
	       atomic_compare_exchange_strong_explicit(&l->state, &free, 1,
			memory_order_acquire, memory_order_relaxed);
}

static bool lock_spin(struct lock *l)
{
	for (int i = 0; i < SPINS_BUSY; i++) {
		if (try_lock(l))
			return true;
		for (int k = 0; k < SPINS_RELAX; k++)
			cpu_relax();
	}
	for (int i = 0; i < SPINS_YIELD; i++) {
		if (try_lock(l))
			return true;
		sched_yield();
	}
	return try_lock(l);
}

/*
 * The increment is seen by every unlock that begins after membarrier()
 * returned; the store of every unlock that looked for sleepers before that
 * is seen here.  So either the lock is found free or futex_wake() comes.
 */
static void lock_sleep(struct lock *l)
{
	atomic_fetch_add_explicit(lock_hash(l), 1, memory_order_seq_cst);
	lock_membarrier();
	while (!try_lock(l))
		futex_wait(&l->state, 1, -1);
	atomic_fetch_sub_explicit(lock_hash(l), 1, memory_order_relaxed);
}

__cold void lock_slow(struct lock *l)
{
	if (!lock_spin(l))
		lock_sleep(l);
}

__cold void lock_wake(struct lock *l)
{
	futex_wake(&l->state, 1);
}

/*
 * unlock() while sections are profiled.  The memory of the lock may go away as
 * soon as it is free.  No stack check, as in nonpreempt.c.
 */
void __nosplit nonpreempt_unlock(struct m *mp, struct lock *l)
{
	u32 rank = l->rank;

	unlock_raw(l);
	nonpreempt_ops->end(mp, GORT_NONPREEMPT_LOCK, rank,
			    (uintptr_t)__builtin_return_address(0),
			    *(uintptr_t *)__builtin_frame_address(0));
}

#ifdef GORT_DEBUG

static const char *const rank_names[] = { LOCK_RANK_NAMES };
static const u32 ranks_inside[] = { LOCK_RANKS_INSIDE };

static __cold void rank_error(const char *what, const struct lock *l,
			      const struct lock *held)
{
	print("gort: %s: %s", what, rank_names[l->rank]);
	if (held)
		print(" while holding %s", rank_names[held->rank]);
	print("\n");
	throw("lock rank violation");
}

void lockrank_acquire(struct lock *l)
{
	struct g *gp = getg();
	struct m *mp = gp ? gp->m : NULL;
	struct lock *top;

	if (!mp)
		return;		/* a thread of the user's */
	if (in_goroutine() && (LOCK_RANKS_ON_G0 & (1u << l->rank)))
		rank_error("taken on a goroutine stack", l, NULL);
	top = mp->nheld ? mp->held[mp->nheld - 1] : NULL;
	if (top && top->rank >= l->rank)
		rank_error("taken out of order", l, top);
	if (top && !(ranks_inside[l->rank] & (1u << top->rank)))
		rank_error("not said to be taken", l, top);
	if (mp->nheld == ARRAY_SIZE(mp->held))
		throw("too many locks held");
	mp->held[mp->nheld++] = l;
}

void lockrank_release(struct lock *l)
{
	struct g *gp = getg();
	struct m *mp = gp ? gp->m : NULL;

	if (!mp)
		return;
	if (!mp->nheld || mp->held[mp->nheld - 1] != l)
		rank_error("released out of order", l, NULL);
	mp->nheld--;
}

bool lock_held_by_me(const struct lock *l)
{
	const struct m *mp = getm();

	for (u32 i = 0; i < mp->nheld; i++)
		if (mp->held[i] == l)
			return true;
	return false;
}

#endif
