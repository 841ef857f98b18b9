/* SPDX-License-Identifier: ISC */
/*
 * mm/heap.h - the heap's caches, one per P and one per thread that allocates
 * without a P.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include "mm/span.h"

/* What alloc looks at, per class. */
struct heap_slot {
	struct span_word *word;	/* allocated from; one of no span: none */
	uintptr_t base;		/* of that word's first object */
	u64 size;		/* of an object */
	_Atomic u64 nalloc;	/* objects ever; consistent book */
};

struct heap_cache {
	struct span_owner owner;	/* of its spans */
	struct heap_slot slot[NR_SIZE_CLASSES];
	_Atomic u64 nfree[NR_SIZE_CLASSES];	/* by this cache's owner;
						 * consistent book */
	_Atomic u64 nlarge, nlarge_free;	/* large objects */
	_Atomic u64 large_bytes, large_free_bytes;	/* span_usable() */
	/* The global book's: usable bytes of all objects, see
	 * heap_alloc_bytes(). */
	_Atomic u64 given_bytes, free_bytes;

	struct span *current[NR_SIZE_CLASSES];
	struct span *partial[NR_SIZE_CLASSES];
	struct page_cache pages;
	struct mem_book book;

	u32 new_pages;		/* of spans, since it last trimmed */

	/* Nothing free is kept, but for what others freed since. */
	_Atomic bool flushed;

	/* A thread's cache only: see heap_hold_threads(). */
	_Atomic bool busy;
	bool of_thread;

	struct heap_cache *all_link;	/* set before it is published */
	struct heap_cache *pool_link;	/* heap_pool's lock: nobody's */
	bool pooled;
};

/* Every cache there ever was, newest first; they stay for good. */
extern _Atomic(struct heap_cache *) heap_caches;

/*
 * Bytes ever allocated by way of hc, for the global book: those of objects
 * given to its slots less those that are still there.
 */
u64 heap_alloc_bytes(struct heap_cache *hc);

/* Caches of Ps: NULL when out of memory.  Put back, others may have it. */
struct heap_cache *heap_cache_get(void);
void heap_cache_put(struct heap_cache *hc);

/*
 * heap_hold_threads - wait until no thread without a P is inside the heap and
 * let none in until heap_let_threads_go().  Those of the caller's own calls
 * in between would hang.  Context: world stopped or no run; not nested.
 */
void heap_hold_threads(void);
void heap_let_threads_go(void);

/*
 * heap_flush - give what is cached and not in use to the central lists and
 * the page heap: objects, spans and pages, of every cache.
 * Context: world stopped and threads held.
 */
void heap_flush(void);

#endif
