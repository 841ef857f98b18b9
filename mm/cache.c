// SPDX-License-Identifier: ISC
/*
 * mm/cache.c - who uses which heap cache.
 *
 * Every P has a cache; a goroutine, or a system stack with a P, uses that one
 * and cannot be moved while it does.  A thread that has no P, be it the
 * runtime's or a foreign one, gets a cache of its own at its first call and
 * puts it back when it ends; what is free in it goes to the central list
 * then, what is full stays with it, for the next thread that takes it.
 *
 * Stopping the world does not stop threads without a P.  Who needs the heap
 * to stand still holds them, too: they announce by a plain store that they
 * are inside, and look whether they may; the other side makes every thread
 * of the process execute a barrier (membarrier(2)) in between, as in
 * kernel/tracepoint.h:
 *
 *	thread				who holds
 *	busy = true			holding = true
 *	is somebody holding?		membarrier(2) on every thread
 *	... inside the heap ...		wait for every busy to be false
 *	busy = false
 *
 * Locks: hold_lock, pool_lock, then span.c's.
 */
#define _GNU_SOURCE
#include <gort/mem.h>

#include "mm/cache.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "kernel/debug.h"
#include "kernel/sched.h"
#include "kernel/stw.h"
#include "mm/heap_section.h"

_Atomic(struct heap_cache *) heap_caches;
bool heap_poison;
_Atomic u32 heap_slow_path;

static struct lock hold_lock = LOCK_INIT(RANK_HEAP_HOLD);
static _Atomic bool holding;
static _Atomic u32 nthreads;	/* caches of threads: those may be busy */

static struct lock pool_lock = LOCK_INIT(RANK_HEAP_POOL);
static struct heap_cache *pool;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static int init_err;

/*
 * Caches.
 */

static void publish(struct heap_cache *hc)
{
	struct heap_cache *head = atomic_load_explicit(&heap_caches,
						       memory_order_relaxed);

	do {
		hc->all_link = head;
	} while (!atomic_compare_exchange_weak_explicit(&heap_caches, &head,
			hc, memory_order_release, memory_order_relaxed));
}

static struct heap_cache *cache_new(void)
{
	struct heap_cache *hc = meta_alloc(sizeof(*hc), 64);

	if (!hc)
		return NULL;
	for (unsigned int i = 0; i < NR_SIZE_CLASSES; i++) {
		slot_clear(&hc->slot[i]);
		hc->slot[i].size = class_size[i];
	}
	atomic_store_explicit(&hc->flushed, true, memory_order_relaxed);
	publish(hc);
	return hc;
}

/* One that nobody uses.  The last one is lent only, see borrow(). */
static struct heap_cache *pool_get(bool lend, bool of_thread)
{
	struct heap_cache *hc;

	lock_any(&pool_lock);
	hc = pool;
	if (hc && (lend || hc->pool_link)) {
		pool = hc->pool_link;
		hc->pooled = false;
	} else {
		hc = NULL;
	}
	unlock_any(&pool_lock);
	if (!hc)
		hc = cache_new();
	if (hc)
		hc->of_thread = of_thread;
	if (of_thread) {
		atomic_fetch_add_explicit(&nthreads, 1, memory_order_relaxed);
		/* Pairs with the one in heap_hold_threads(): either it counts
		 * us, or busy_begin() sees that somebody holds. */
		full_fence();
	}
	return hc;
}

static void pool_push_locked(struct heap_cache *hc)
{
	hc->pooled = true;
	hc->pool_link = pool;
	pool = hc;
}

static void pool_put(struct heap_cache *hc)
{
	bool of_thread = hc->of_thread;

	lock_any(&pool_lock);
	pool_push_locked(hc);
	unlock_any(&pool_lock);
	/* Release: what it did to the heap is seen by who holds. */
	if (of_thread)
		atomic_fetch_sub_explicit(&nthreads, 1, memory_order_release);
}

struct heap_cache *heap_cache_get(void)
{
	return heap_init() ? NULL : pool_get(false, false);
}

void heap_cache_put(struct heap_cache *hc)
{
	cache_flush(hc);
	pool_put(hc);
}

/*
 * Threads.
 */

/* It may be that somebody wants the heap to stand still. */
static void busy_begin(struct heap_cache *hc)
{
	for (;;) {
		atomic_store_explicit(&hc->busy, true, memory_order_relaxed);
		/* Made a full fence by membarrier() in heap_hold_threads(). */
		barrier();
		if (unlikely(!lock_have_membarrier()))
			full_fence();
		/* Acquire: pairs with heap_let_threads_go(). */
		if (likely(!atomic_load_explicit(&holding,
						 memory_order_acquire)))
			return;
		atomic_store_explicit(&hc->busy, false, memory_order_release);
		lock_any(&hold_lock);
		unlock_any(&hold_lock);
	}
}

/* Release: pairs with the acquire in heap_hold_threads(). */
static void busy_end(struct heap_cache *hc)
{
	atomic_store_explicit(&hc->busy, false, memory_order_release);
}

/* The thread ends.  Others' destructors may come yet and use the heap: from
 * now on it borrows a cache for each call. */
static void thread_ends(void *arg)
{
	struct heap_cache *hc = arg;
	struct tls *t = tls_self();

	t->heap_own = NULL;
	t->heap_ended = true;
	busy_begin(hc);
	cache_flush(hc);
	busy_end(hc);
	pool_put(hc);
}

/*
 * A cache for one call.  heap_init() made one, and who has it is inside the
 * heap: so there is one soon, and what is freed is never lost.
 */
static struct heap_cache *borrow(void)
{
	struct heap_cache *hc;

	while (!(hc = pool_get(true, true)))
		sched_yield();
	return hc;
}

static __cold struct heap_cache *thread_attach(struct tls *t)
{
	struct heap_cache *hc;

	if (heap_init())
		return NULL;
	hc = t->heap_ended ? NULL : pool_get(false, true);
	if (!hc)
		return borrow();
	t->heap_own = hc;
	/* May itself allocate. */
	pthread_setspecific(thread_key, hc);
	return hc;
}

/*
 * heap_enter - the cache to use, until heap_leave(); the caller is not moved
 * to another meanwhile.  NULL: no memory.
 */
struct heap_cache *heap_enter(void)
{
	struct g *gp = getg();
	struct heap_cache *hc;
	struct tls *t;

	if (likely(gp)) {
		struct m *mp = acquirem();

		if (likely(mp->p)) {
			/* The end of a trace brings the fast paths back. */
			tls_self()->heap = heap_fast(mp->p->heap);
			return mp->p->heap;
		}
	}
	t = tls_self();
	hc = t->heap_own;
	if (unlikely(!hc)) {
		hc = thread_attach(t);
		if (!hc) {
			if (gp)
				releasem(getm());
			return NULL;
		}
	}
	busy_begin(hc);
	return hc;
}

void heap_leave(struct heap_cache *hc)
{
	if (hc->of_thread) {
		busy_end(hc);
		if (unlikely(tls_self()->heap_own != hc))
			pool_put(hc);
	}
	if (likely(getg()))
		releasem(getm());
}

/*
 * Standing still.
 */

void heap_hold_threads(void)
{
	struct heap_cache *hc;

	lock_any(&hold_lock);
	atomic_store_explicit(&holding, true, memory_order_relaxed);
	/* Pairs with the one in pool_get(). */
	full_fence();
	/* Acquire: pairs with pool_put(). */
	if (!atomic_load_explicit(&nthreads, memory_order_acquire))
		return;
	/* It interrupts the other CPUs, with the world stopped: 15 us on a
	 * virtual machine, up to 300 when they are busy. */
	if (lock_have_membarrier())
		lock_membarrier();
	hc = atomic_load_explicit(&heap_caches, memory_order_acquire);
	for (; hc; hc = hc->all_link)
		/* Acquire: pairs with busy_end(). */
		while (atomic_load_explicit(&hc->busy, memory_order_acquire))
			sched_yield();
}

void heap_let_threads_go(void)
{
	atomic_store_explicit(&holding, false, memory_order_release);
	unlock_any(&hold_lock);
}

/*
 * A span may wait in the queue of a cache that it left since, and then goes to
 * that of its owner, which had its turn already: so a second time round.
 */
void heap_flush(void)
{
	struct heap_cache *first, *hc;
	bool again;

	first = atomic_load_explicit(&heap_caches, memory_order_acquire);
	do {
		again = false;
		for (hc = first; hc; hc = hc->all_link)
			cache_flush(hc);
		if (first)
			central_scavenge(first);
		for (hc = first; hc; hc = hc->all_link)
			again |= cache_keeps(hc);
	} while (again);
}

__public int64_t gort_free_os_memory(void)
{
	if (!in_goroutine())
		return -EPERM;
	stw_begin(STW_FREE_OS_MEMORY);
	heap_hold_threads();
	heap_flush();
	heap_let_threads_go();
	stw_end();
	return (int64_t)pages_scavenge(SIZE_MAX);
}

/* A cache in the pool in which others have freed something; or NULL. */
static struct heap_cache *pool_take_freed(void)
{
	struct heap_cache **at, *hc;

	lock_any(&pool_lock);
	for (at = &pool; (hc = *at); at = &hc->pool_link)
		if (atomic_load_explicit(&hc->owner.remote,
					 memory_order_relaxed))
			break;
	if (hc) {
		*at = hc->pool_link;
		hc->pooled = false;
		/* fork() in between: in the child it is nobody's. */
		hc->of_thread = false;
	}
	unlock_any(&pool_lock);
	return hc;
}

/*
 * heap_reclaim - take in what others freed in the central list, or in one
 * cache that nobody uses: nobody else does.  own: the caller's.  False: there
 * was nothing in any cache.  Context: inside the heap.
 */
bool heap_reclaim(struct heap_cache *own)
{
	struct heap_cache *hc = pool_take_freed();

	if (hc) {
		cache_flush(hc);
		pool_put(hc);
	}
	central_scavenge(own);
	return hc;
}

/*
 * fork(): the child has the forking thread only.  Nobody may be inside then,
 * or hold a lock.
 */

static void fork_prepare(void)
{
	heap_hold_threads();
	lock_any(&pool_lock);
	central_fork_lock();
	pages_fork_lock();
}

static void fork_parent(void)
{
	pages_fork_unlock();
	central_fork_unlock();
	unlock_any(&pool_lock);
	heap_let_threads_go();
}

/* Caches of the threads that are no more; those of Ps stay: the child of a
 * goroutine has the structures, but no threads to run them. */
static void fork_child(void)
{
	struct heap_cache *own = tls_self()->heap_own, *hc;

	hc = atomic_load_explicit(&heap_caches, memory_order_relaxed);
	for (; hc; hc = hc->all_link) {
		if (!hc->of_thread || hc == own || hc->pooled)
			continue;
		pool_push_locked(hc);
		atomic_fetch_sub_explicit(&nthreads, 1, memory_order_relaxed);
	}
	fork_parent();
}

static void init(void)
{
	lock_init_once();
	init_err = -pthread_key_create(&thread_key, thread_ends);
	if (!init_err)
		init_err = -pthread_atfork(fork_prepare, fork_parent,
					   fork_child);
	heap_poison = debug_heappoison();
	if (heap_poison || HEAP_SANITIZED)
		heap_slow_path = HEAP_SLOW_CHECKS;
}

/* Where there was no memory before there may be some now. */
static int init_memory(void)
{
	static _Atomic bool done;
	struct heap_cache *hc;
	int err;

	if (likely(atomic_load_explicit(&done, memory_order_acquire)))
		return 0;
	lock_any(&pool_lock);
	err = pages_init();
	unlock_any(&pool_lock);
	if (err)
		return err;
	hc = cache_new();
	if (!hc)
		return -ENOMEM;
	pool_put(hc);
	atomic_store_explicit(&done, true, memory_order_release);
	return 0;
}

/* heap_init - 0, or -errno: it may be called again then. */
int heap_init(void)
{
	pthread_once(&once, init);
	return init_err ? init_err : init_memory();
}
