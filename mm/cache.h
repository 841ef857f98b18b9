/* SPDX-License-Identifier: ISC */
/*
 * mm/cache.h - entering and leaving the heap.
 */
#ifndef MM_CACHE_H
#define MM_CACHE_H

#include "mm/span_list.h"

int heap_init(void);
struct heap_cache *heap_enter(void);
void heap_leave(struct heap_cache *hc);
bool heap_reclaim(struct heap_cache *own);

/* Set once, by heap_init(). */
extern bool heap_poison;
#define POISON_FREE	0xf7	/* free: even as a pointer, no address */

#ifdef GORT_ASAN
#define HEAP_SANITIZED	1
#else
#define HEAP_SANITIZED	0
#endif

/* Reasons why the fast paths are not taken; changed while the world stands
 * still.  See p_acquire(). */
#define HEAP_SLOW_CHECKS	1u
#define HEAP_SLOW_TRACE		2u
extern _Atomic u32 heap_slow_path;

/*
 * What the thread's block is to say of its P's cache.  With GORT_DEBUG inline
 * functions are functions, with stack checks: a goroutine could be moved in
 * the middle of the fast paths.
 */
static inline struct heap_cache *heap_fast(struct heap_cache *hc)
{
#ifdef GORT_DEBUG
	return NULL;
#endif
	return likely(!atomic_load_explicit(&heap_slow_path,
					    memory_order_relaxed)) ? hc : NULL;
}

#endif
