/* SPDX-License-Identifier: ISC */
/*
 * mm/pages_state.h - what mm/pages.c and mm/scavenge.c share.
 */
#ifndef MM_PAGES_STATE_H
#define MM_PAGES_STATE_H

#include "kernel/lock.h"
#include "mm/pagebits.h"
#include "mm/pages.h"

#ifdef GORT_TSAN
/* In the lowest range that ThreadSanitizer knows, above the stacks. */
#define HEAP_BASE	((uintptr_t)0x6000000000)
#define HEAP_SHIFT	36
#else
#define HEAP_BASE	((uintptr_t)0x500000000000)
#define HEAP_SHIFT	42
#endif

/* A table with room for the whole heap, mapped as far as it is needed. */
struct page_area {
	uintptr_t base;
	size_t mapped;
};

enum {
	AREA_SPANS,
	AREA_CHUNKS,
	AREA_LEVELS,
	NR_AREAS = AREA_LEVELS + BITS_LEVELS,
};

struct page_state {
	struct lock lock;	/* protects what follows */
	struct page_bits bits;
	struct page_area area[NR_AREAS];
	uintptr_t meta, meta_end;	/* what meta_alloc() cuts from */
	u32 scavenging;		/* that many have taken pages out */
	_Atomic bool dry;	/* what is free is released; read by anyone */

	/* Written once. */
	size_t nchunks_max;
	bool claimed;		/* all addresses, by a mapping */
};

extern struct page_state pages;

static inline void mem_sub(_Atomic u64 *c, u64 n)
{
	atomic_fetch_sub_explicit(c, n, memory_order_relaxed);
}

/* Take the lock when nobody has taken pages out to release them. */
void pages_lock_quiet(void);

/* Pages became ready: stay below the memory limit, if scavenging helps. */
void scavenge_for_limit(void);

#endif
