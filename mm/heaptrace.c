// SPDX-License-Identifier: ISC
/*
 * mm/heaptrace.c - the heap in a trace.
 *
 * What the events of objects say is exact: with what is there when the trace
 * begins, an object is allocated and freed in turn, and lies in a span that
 * exists.  So what is there at the beginning is written while nobody is in
 * the heap - the world is stopped, the threads that do not stop with it are
 * held - and whoever enters it afterwards traces.  That is one stop for as
 * long as it takes to write all objects; whether an object that was freed
 * before it was written ever existed, nobody could say otherwise.
 *
 * At the end nobody is stopped.  The events of a thread end when it sees that
 * the trace has, and so do those of who gets something from it after that.
 *
 * A foreign thread has no stream to write to.  Its events are skipped and
 * counted, and as many objects may be missing, or seem to be there.
 *
 * Rejected: the exact number of bytes in use, for which every class of every
 * cache would be looked at each time that the heap grows.  As in Go, what was
 * given to a cache to allocate from counts as allocated.
 */
#include "mm/heaptrace.h"

#include "mm/cache.h"

/* Who writes, until trace_release(); NULL: nobody. */
static struct m *acquire(void)
{
	struct m *mp = getg() ? getm() : NULL;

	if (likely(mp && !atomic_load_explicit(&mp->trace.writing,
					       memory_order_relaxed)))
		return trace_acquire(mp) ? mp : NULL;
	atomic_fetch_add_explicit(&trace_skipped, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&trace_skipped_heap, 1,
				  memory_order_relaxed);
	return NULL;
}

/*
 * Bytes of objects and of what is to be allocated next.  Others go on
 * meanwhile, so that it may seem that more was freed than there was.
 */
static u64 live_bytes(void)
{
	struct heap_cache *first, *hc;
	u64 given = 0, freed = 0;

	first = atomic_load_explicit(&heap_caches, memory_order_acquire);
	for (hc = first; hc; hc = hc->all_link)
		freed += mem_get(&hc->free_bytes);
	for (hc = first; hc; hc = hc->all_link)
		given += mem_get(&hc->given_bytes);
	return given > freed ? given - freed : 0;
}

/* Its place is the graph of a P: without one there is none. */
__cold void heap_trace_live_slow(void)
{
	struct m *mp = getg() ? getm() : NULL;

	if (!mp || !mp->p) {
		atomic_fetch_add_explicit(&trace_skipped, 1,
					  memory_order_relaxed);
		return;
	}
	if (!trace_try_acquire(mp))
		return;
	trace_ops->heap_live(mp, live_bytes());
	trace_release(mp);
}

static void put_span(struct m *mp, enum trace_memory what,
		     const struct span *s)
{
	trace_ops->span(mp, what, s->base, s->npages, s->size ? s->class : 0);
}

__cold void heap_trace_span_slow(enum trace_memory what,
				 const struct span *s)
{
	struct m *mp = acquire();

	if (!mp)
		return;
	put_span(mp, what, s);
	trace_release(mp);
}

__cold void heap_trace_object_slow(enum trace_memory what, uintptr_t addr)
{
	struct m *mp = acquire();

	if (!mp)
		return;
	trace_ops->object(mp, what, addr);
	trace_release(mp);
}

/*
 * The beginning and the end.
 */

static void put_objects(struct m *mp, const struct span *s)
{
	for (unsigned int i = 0; i < s->nwords; i++) {
		const struct span_word *w = &s->words[i];
		uintptr_t base = s->base + (uintptr_t)i * 64 * s->size;
		u64 live = word_live(w);

		for (; live; live &= live - 1)
			trace_ops->object(mp, TRACE_EXISTS, base + s->size *
				(unsigned int)__builtin_ctzll(live));
	}
}

static void snapshot(struct m *mp)
{
	uintptr_t cursor = 0;
	struct span *s;

	while ((s = span_next(&cursor))) {
		put_span(mp, TRACE_EXISTS, s);
		if (s->size)
			put_objects(mp, s);
		else
			trace_ops->object(mp, TRACE_EXISTS, s->base);
	}
}

void heap_trace_start(struct m *mp, bool objects)
{
	u64 limit = mem_get(&mem_global.limit);

	/* No collector: a limit is all that the heap may aim at. */
	trace_ops->heap_goal(mp, limit == UINT64_MAX ? 0 : limit);
	trace_ops->heap_live(mp, live_bytes());
	if (!objects)
		return;
	snapshot(mp);
	atomic_fetch_or_explicit(&heap_slow_path, HEAP_SLOW_TRACE,
				 memory_order_relaxed);
	/* The others find out when they get their P back. */
	tls_self()->heap = heap_fast(mp->p->heap);
}

/* Who is inside the heap comes to the fast paths by heap_enter(). */
void heap_trace_stop(void)
{
	atomic_fetch_and_explicit(&heap_slow_path, ~HEAP_SLOW_TRACE,
				  memory_order_relaxed);
}
