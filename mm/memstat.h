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

/*
 * The part of the consistent book that is about pages: bytes, as changes,
 * so one cache's may be below 0.  Written by the owner of the cache between
 * mem_book_begin() and mem_book_end(); read by anyone, whole, by way of seq.
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

/* See Boehm, "Can seqlocks get along with programming language memory
 * models?" (2012). */
static inline void mem_book_add(struct mem_book *b, struct mem_pages d)
{
	u32 seq = atomic_load_explicit(&b->seq, memory_order_relaxed);

	atomic_store_explicit(&b->seq, seq + 1, memory_order_relaxed);
	/* Pairs with the acquire fence in mem_book_read(). */
	atomic_thread_fence(memory_order_release);
#define ADD(f) atomic_store_explicit(&b->f, \
		atomic_load_explicit(&b->f, memory_order_relaxed) + d.f, \
		memory_order_relaxed)
	ADD(committed);
	ADD(released);
	ADD(in_heap);
#undef ADD
	atomic_store_explicit(&b->seq, seq + 2, memory_order_release);
}

/* The global book. */
struct mem_global {
	_Atomic u64 heap_in_use;	/* bytes of pages in spans of objects */
	_Atomic u64 heap_free;		/* ready, in no span */
	_Atomic u64 heap_released;	/* prepared */
	_Atomic u64 mapped_ready;	/* of arenas and records */
	_Atomic u64 heap_mapped;	/* arenas, prepared or ready */
	_Atomic u64 meta_mapped;	/* records: tables, spans, caches; ready */
	_Atomic u64 meta_in_use;	/* of those given out by meta_alloc() */
	_Atomic u64 reserved;		/* addresses */
	_Atomic u64 limit;		/* GORTMEMLIMIT; UINT64_MAX: none */
};

extern struct mem_global mem_global;

static inline void mem_add(_Atomic u64 *c, u64 n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline u64 mem_get(const _Atomic u64 *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
