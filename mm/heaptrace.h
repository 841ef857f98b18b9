/* SPDX-License-Identifier: ISC */
/*
 * mm/heaptrace.h - what the heap tells a tracer: how many bytes are in use,
 * each time that it grows or shrinks by a span, and, in the experiment
 * GORTDEBUG=traceallocfree=1, every span and object.
 *
 * Context of all: inside the heap, unless it says otherwise.
 */
#ifndef MM_HEAPTRACE_H
#define MM_HEAPTRACE_H

#include "kernel/tracepoint.h"
#include "mm/span.h"

void heap_trace_live_slow(void);
void heap_trace_span_slow(enum trace_memory what, const struct span *s);
void heap_trace_object_slow(enum trace_memory what, uintptr_t addr);

/* The heap has grown or shrunk. */
static inline void heap_trace_live(void)
{
	if (tracing())
		heap_trace_live_slow();
}

static inline bool heap_tracing(void)
{
	return unlikely(atomic_load_explicit(&trace_memory_on,
					     memory_order_relaxed));
}

/* Allocated: before the first object of it is.  Freed: after the last one,
 * and while the pages are nobody else's. */
static inline void heap_trace_span(enum trace_memory what,
				   const struct span *s)
{
	if (heap_tracing())
		heap_trace_span_slow(what, s);
}

/*
 * Allocated: it is the caller's already.  Freed: it is still, so an event of
 * who is given it next comes later.
 */
static inline void heap_trace_object(enum trace_memory what, uintptr_t addr)
{
	if (heap_tracing())
		heap_trace_object_slow(what, addr);
}

/*
 * heap_trace_start - what there is when a trace begins; with objects also
 * each of them, and those to come are not allocated by the fast paths.
 * Context: trace_hold(); world stopped; threads held, if objects.
 */
void heap_trace_start(struct m *mp, bool objects);

/* Nobody writes events any more.  Context: any, outside the heap. */
void heap_trace_stop(void);

#endif
