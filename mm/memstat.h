/* SPDX-License-Identifier: ISC */
/*
 * mm/memstat.h - two sets of books about memory.
 *
 * The consistent book is kept by the heap caches, one each, without atomic
 * read-modify-writes; with the world stopped and the threads that are not of
 * the world held (heap_hold_threads()), their sum is exact.
 *
 * The global book is kept by who gives memory out, in single words.
 *
 * The two are written in different places from different facts (objects by
 * class here, bytes there), so that one can be checked by the other; see
 * mm/memstat.c for what must be equal.
 */
#ifndef MM_MEMSTAT_H
#define MM_MEMSTAT_H

#include <stdatomic.h>

#include <arch/compiler.h>
#include <gort/mem.h>

/*
 * The part of the consistent book that is about pages: bytes, as changes,
 * so one cache's may be below 0.  Written by the owner of the cache, read by
 * anyone, whole, by way of seq.
 */
struct mem_pages {
	s64 committed;		/* ready memory of arenas */
	s64 released;		/* prepared memory of arenas */
	s64 in_heap;		/* in spans of objects */
};

struct mem_book {
	_Atomic u32 seq;	/* odd: being written */
	_Atomic s64 committed, released, in_heap;
};

/*
 * See Boehm, "Can seqlocks get along with programming language memory
 * models?" (2012).  No fences: ThreadSanitizer knows none.
 */
static inline void mem_book_add(struct mem_book *b, struct mem_pages d)
{
	u32 seq = atomic_load_explicit(&b->seq, memory_order_relaxed);

	atomic_store_explicit(&b->seq, seq + 1, memory_order_relaxed);
	/* Release: pairs with the acquire of the same in mem_book_read(): who
	 * sees one of them sees seq odd, or later. */
#define ADD(f) atomic_store_explicit(&b->f, \
		atomic_load_explicit(&b->f, memory_order_relaxed) + d.f, \
		memory_order_release)
	ADD(committed);
	ADD(released);
	ADD(in_heap);
#undef ADD
	atomic_store_explicit(&b->seq, seq + 2, memory_order_release);
}

/* mem_book_read - all of it, of one moment.  Context: any. */
struct mem_pages mem_book_read(const struct mem_book *b);

/* The global book. */
struct mem_global {
	_Atomic u64 heap_in_use;	/* bytes of pages in spans of objects */
	_Atomic u64 heap_free;		/* ready, in no span */
	_Atomic u64 heap_released;	/* prepared */
	_Atomic u64 mapped_ready;	/* of arenas and records */
	_Atomic u64 heap_mapped;	/* arenas, prepared or ready */
	_Atomic u64 meta_mapped;	/* records: tables, spans, caches; ready */
	_Atomic u64 meta_in_use;	/* of those given out by meta_alloc() */
	_Atomic u64 reserved;		/* addresses, whatever lies there */
	_Atomic u64 limit;		/* GORTMEMLIMIT; UINT64_MAX: none */
};

extern struct mem_global mem_global;

/* Ready, outside of arenas and records: tracer, profiler, signal stacks, the
 * free lists of stacks.  See vm_alloc(). */
extern _Atomic u64 mem_other;

/* The book of the scavenger, which has no cache; by the page heap's lock. */
extern struct mem_book mem_background;

static inline void mem_add(_Atomic u64 *c, u64 n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline u64 mem_get(const _Atomic u64 *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/*
 * Both books, added up.
 *
 * Exact while the world is stopped and threads are held.  Otherwise each
 * cache's part is whole, but they are of different moments: frees are read
 * before allocs, and what would be negative is 0.
 */
struct mem_aggregate {
	/* The consistent book: bytes, or objects. */
	u64 committed;		/* ready: arenas and the three in_ below */
	u64 released;		/* prepared memory of arenas */
	u64 in_heap;		/* in spans of objects */
	u64 in_stacks;		/* goroutine stacks, by watermark */
	u64 in_workbufs;	/* tracer, profiler, signal stacks */
	u64 in_ptr_scalar_bits;	/* records: tables, spans with their bits */
	u64 total_alloc, total_free;	/* bytes of objects */
	u64 mallocs, frees;
	u64 large_allocs, large_frees;	/* of those: objects of no class */
	u64 large_bytes, large_free_bytes;
	u64 nalloc[GORT_MEM_CLASSES];	/* objects by class */
	u64 nfree[GORT_MEM_CLASSES];

	/* The global book; see struct mem_global. */
	struct {
		u64 heap_in_use, heap_free, heap_released;
		u64 heap_mapped, meta_mapped, meta_in_use;
		u64 reserved, limit;
		u64 mapped_ready;	/* stacks and others, too */
		u64 stacks;		/* by watermark, free or not */
		u64 stacks_free;	/* of those: of no goroutine */
		u64 other;		/* as in_workbufs */
		u64 alloc_bytes, free_bytes;	/* of objects; 0 unless they
						 * are to be compared */
	} global;
};

/* mem_aggregate - add them up.  sysstack: lock of stacks' books. */
void mem_aggregate(struct mem_aggregate *a);

/*
 * read_memstats_m - what gort_read_memstats() gives.  With
 * GORTDEBUG=doublecheckmemstats=1 a difference between the books is a fatal
 * error.
 * sysstack: lock of stacks' books.  Between memstats_hold() and
 * memstats_let_go().
 */
void read_memstats_m(struct gort_memstats *st);

/* memstats_fill - the same numbers out of sums. */
void memstats_fill(struct gort_memstats *st, const struct mem_aggregate *a);

/*
 * memstats_hold - until memstats_let_go() what read_memstats_m() gives stays
 * the same: holds threads without a P (heap_hold_threads()), and with
 * GORTDEBUG=doublecheckmemstats=1 sysmon and the tracer.
 * sysstack: their locks.  World stopped.
 */
void memstats_hold(void);
void memstats_let_go(void);

/*
 * read_memstats_slow - for tests: recomputed from spans, their bits, and the
 * bitmaps of pages.  Context: as read_memstats_m(), and no goroutine in a
 * system call.
 */
void read_memstats_slow(struct gort_memstats *st);

#endif
