/* SPDX-License-Identifier: ISC */
/*
 * mm/heaptrace.h - what the heap tells a tracer.
 */
#ifndef MM_HEAPTRACE_H
#define MM_HEAPTRACE_H

#include "mm/heap.h"

enum heap_trace {
	HEAP_TRACE_EXISTS,
	HEAP_TRACE_ALLOC,
	HEAP_TRACE_FREE,
};

static inline void heap_trace_span(enum heap_trace what, struct span *s)
{
	(void)what;
	(void)s;
}

static inline void heap_trace_object(enum heap_trace what, uintptr_t addr,
				     size_t size)
{
	(void)what;
	(void)addr;
	(void)size;
}

/* The heap is about to grow. */
static inline void heap_trace_live(struct heap_cache *hc)
{
	(void)hc;
}

#endif
