/* SPDX-License-Identifier: ISC */
/*
 * mm/pages.h - the page heap: runs of 8 KiB pages out of arenas.
 *
 * All arenas lie in one range of addresses, one after the other, so whether
 * an address belongs to the heap is one comparison, and what lies there is
 * one load from a table.
 *
 * States of memory, as the Go runtime names them (runtime/mem.go):
 *
 *	reserved	addresses of ours; touching them is a fault
 *	prepared	mapped, may be touched; the kernel has the memory
 *	ready		may be touched and counts as ours
 *
 * A page that is not in use is ready ("free") or prepared ("released").
 */
#ifndef MM_PAGES_H
#define MM_PAGES_H

#include <stdatomic.h>

#include <arch/compiler.h>
#include "mm/memstat.h"

#define HPAGE_SHIFT	13
#define HPAGE_SIZE	((size_t)1 << HPAGE_SHIFT)
#define ARENA_SHIFT	26
#define ARENA_SIZE	((size_t)1 << ARENA_SHIFT)

/* Runs of up to that many pages come from a page cache. */
#define PAGE_CACHE_PAGES	64u
#define PAGE_CACHE_RUN		16u

struct span;

/* Up to 64 pages in a row, aligned, taken out of the bitmaps by its owner. */
struct page_cache {
	uintptr_t base;		/* of bit 0; 0: nothing cached */
	u64 free;		/* a bit per page it holds */
	u64 released;		/* of those: no memory behind */
};

/*
 * Where the heap is: written once, before the first page is given out, but
 * for mapped, which grows.
 */
struct page_heap {
	uintptr_t base;
	_Atomic size_t mapped;	/* bytes of arenas from base on */
	_Atomic(struct span *) *spans;	/* of each page; NULL: in no span */
};

extern struct page_heap page_heap;

/* Is addr inside an arena?  Any context. */
static inline bool page_in_heap(uintptr_t addr)
{
	/* Acquire: pairs with the release of who maps an arena: its part of
	 * the table is there. */
	return addr - page_heap.base <
	       atomic_load_explicit(&page_heap.mapped, memory_order_acquire);
}

/* Where the span of the page at addr, which is in the heap, is noted. */
static inline _Atomic(struct span *) *page_span(uintptr_t addr)
{
	return &page_heap.spans[(addr - page_heap.base) >> HPAGE_SHIFT];
}

/*
 * pages_init - find a place for the heap.  Once, before anything else here.
 * 0 or -ENOMEM.
 */
int pages_init(void);

/*
 * pages_alloc - n pages in a row at a multiple of align pages (a power of
 * two), ready.  *zeroed: are all of them known to be zero?
 * Context: owner of pc and book, any stack; takes the page heap's lock on
 * the system stack unless the cache serves it.  Returns 0 when there is no
 * memory: nothing has changed then.
 */
uintptr_t pages_alloc(struct page_cache *pc, struct mem_book *book, size_t n,
		      size_t align, bool *zeroed);

/*
 * pages_extend - the n pages from addr on, too, if they are free.
 * For growing a large object in place.  Context: as pages_alloc().
 */
bool pages_extend(struct mem_book *book, uintptr_t addr, size_t n);

/* Give n pages back.  Their entries in the table are NULL.  Context: same. */
void pages_free(struct mem_book *book, uintptr_t addr, size_t n);

/* Give what a cache holds back to the bitmaps.  Context: same. */
void page_cache_flush(struct page_cache *pc);

/*
 * pages_scavenge - give free pages back to the kernel until n bytes are or
 * there are no more: only whole huge pages, but with SIZE_MAX all.  Returns
 * the bytes.
 * Context: any stack, any thread; takes and drops the lock per huge page.
 */
size_t pages_scavenge(size_t n);

/*
 * Around fork(), and around reading what must fit together: nobody is in the
 * middle of anything in between, the scavenger included.  Context: any stack
 * but signal handlers; the caller stays on its thread.
 */
void pages_fork_lock(void);
void pages_fork_unlock(void);

/*
 * What the bitmaps say: bytes in use, ready but free, and released.  They are
 * equal to heap_in_use, heap_free and heap_released of the global book while
 * nobody is inside; what a cache holds is in use for pages_check() until
 * page_cache_check() has moved it to where it belongs.
 */
struct pages_sum {
	u64 in_use, free, released;
};

/* Context: any stack, any thread; takes the lock. */
void pages_check(struct pages_sum *sum);

/* Context: owner of pc, or while the world is stopped. */
void page_cache_check(const struct page_cache *pc, struct pages_sum *sum);

/* meta_alloc - zeroed memory for the runtime's own records, for good; align
 * is a power of two of at most 64.  NULL when there is none.  Any context;
 * takes a lock on the system stack. */
void *meta_alloc(size_t size, size_t align);

#endif
