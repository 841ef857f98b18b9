/* SPDX-License-Identifier: ISC */
/*
 * mm/span_list.h - what the parts of the heap know of each other.
 */
#ifndef MM_SPAN_LIST_H
#define MM_SPAN_LIST_H

#include <arch/cpu.h>
#include "mm/heap.h"

static inline u64 word_free(const struct span_word *w)
{
	return atomic_load_explicit(&w->free, memory_order_relaxed);
}

/* By its owner.  Others look only to notice a double free: relaxed. */
static inline void word_set_free(struct span_word *w, u64 free)
{
	atomic_store_explicit(&w->free, free, memory_order_relaxed);
}

static inline u64 word_freed(const struct span_word *w)
{
	return atomic_load_explicit(&w->freed, memory_order_relaxed);
}

static inline void word_set_freed(struct span_word *w, u64 freed)
{
	atomic_store_explicit(&w->freed, freed, memory_order_relaxed);
}

/* Objects that somebody has.  Relaxed: freed by others at any time. */
static inline u64 word_live(const struct span_word *w)
{
	return ~(word_free(w) | word_freed(w) |
		 atomic_load_explicit(&w->remote, memory_order_relaxed));
}

/* Henry S. Warren, "Hacker's Delight" (2002), 5-1: the builtin is a call
 * where the CPU may lack the instruction. */
static inline u64 count_bits(u64 x)
{
	const u64 m1 = ~(u64)0 / 3, m2 = ~(u64)0 / 5, m4 = ~(u64)0 / 17;

	x -= x >> 1 & m1;
	x = (x & m2) + (x >> 2 & m2);
	x = (x + (x >> 4)) & m4;
	return x * (~(u64)0 / 255) >> 56;
}

/* span.c */
void span_queue(struct span *s);
bool span_free_remote(struct span *s, u32 idx);
void span_settle(struct heap_cache *hc, struct span *s);
struct span *span_new_large(struct heap_cache *hc, size_t npages,
			    size_t align);
void span_free_large(struct heap_cache *hc, struct span *s);
void slot_clear(struct heap_slot *sl);
void cache_flush(struct heap_cache *hc);
bool cache_keeps(struct heap_cache *hc);
bool cache_refill(struct heap_cache *hc, unsigned int class);
void central_scavenge(struct heap_cache *hc);
void central_fork_lock(void);
void central_fork_unlock(void);

/* heap.c */
__cold __noreturn void heap_double_free(struct span *s, u32 idx);

#endif
