/* SPDX-License-Identifier: ISC */
/*
 * mm/span.h - pages cut into equal objects, or one large object.
 */
#ifndef MM_SPAN_H
#define MM_SPAN_H

#include <stdatomic.h>

#include <arch/compiler.h>
#include "mm/pages.h"
#include "sizeclass.h"

/*
 * 64 objects: bit i of each is about one of them, and set in at most one.
 * What is freed is not allocated at once: so neither waits for the other.
 */
struct span_word {
	_Atomic u64 free;	/* to allocate from; by the span's owner */
	_Atomic u64 freed;	/* freed by the owner, since free was filled */
	_Atomic u64 remote;	/* freed by others.  Bits of no object are set
				 * for good */
};

/* Whoever may write the free bits of spans: a heap cache, or a central list
 * under its lock. */
struct span_owner {
	_Atomic(struct span *) remote;	/* spans with remote bits: a stack,
					 * pushed by anyone, taken whole */
};

enum span_state {
	SPAN_UNUSED,		/* no pages */
	SPAN_CURRENT,		/* of its class in its owner; allocated from */
	SPAN_PARTIAL,		/* on its owner's list of those with room */
	SPAN_FULL,		/* on no list */
	SPAN_LARGE,		/* one object */
};

/*
 * A record is never given back to the kernel, and only for spans of as many
 * words used again, so that a late look at it is harmless.
 */
struct span {
	uintptr_t base;
	_Atomic(struct span_owner *) owner;	/* NULL: not in use */
	u32 size;		/* of an object; 0: large */
	u32 magic;		/* ceil(2^32 / size) */
	s32 countdown;		/* frees until its owner is to look at it */
	u32 npages;
	u8 class;
	u8 nwords;
	u8 state;		/* enum span_state, written by the owner */
	bool zeroed;		/* large: never written to before */
	_Atomic u32 queued;	/* it is on some owner's remote stack */
	u16 nobj;

	struct span *remote_next;	/* by who sets queued */
	struct span *next, *prev;	/* owner's list */
	struct span_word words[] __attribute__((aligned(16)));
};

/* Bytes that gort_usable_size() gives. */
static inline size_t span_usable(const struct span *s)
{
	return s->size ? s->size : (size_t)s->npages << HPAGE_SHIFT;
}

/*
 * Which object does base + off, in the span, lie in?  True if at its
 * beginning.
 *
 * magic * size = 2^32 + e with e < size, so off = q * size + r times magic is
 * q * 2^32 + q * e + r * magic.  off is below 2^17, so q * e is, and magic
 * is not: the lower half is below magic if, and only if, r is 0.
 */
static inline bool span_index(const struct span *s, size_t off, u32 *idx)
{
	u64 x = (u64)off * s->magic;

	*idx = (u32)(x >> 32);
	return (u32)x < s->magic;
}

/*
 * span_next - spans in use in the order of their addresses, from *cursor (at
 * first 0) on; NULL after the last one.  What is known of them is exact
 * while the world is stopped and heap_hold_threads() holds the rest.
 */
struct span *span_next(uintptr_t *cursor);

#endif
