// SPDX-License-Identifier: ISC
/*
 * mm/memstat.c - what both books about memory say, and whether they agree.
 *
 * The consistent book is a sum: over the heap caches, objects by class and
 * pages as changes; over the Ps, stacks.  The global book is single words,
 * kept where memory is given out.  With the world stopped, threads without a
 * P held, and everybody who does not stop with the world held up
 * (memstats_hold()), to the byte:
 *
 *	global				consistent
 *	heap_in_use			in_heap
 *	heap_released			released
 *	heap_in_use + heap_free		committed - in_stacks - in_workbufs
 *					- in_ptr_scalar_bits
 *	alloc_bytes			total_alloc
 *	free_bytes			total_free
 *	mapped_ready			total_mapped - released
 *
 * as in the Go runtime (runtime/mstats.go), where stacks and buffers are made
 * of pages of the heap.  Here they are not, so committed is the caches' sum
 * plus what each of those three has by the global book, and what is taken
 * off again is by the consistent one.  What is in only one book: buffers
 * (mem_other), which are read once.
 *
 * Checked only if asked for: a wrong number must not end a program that would
 * go on.
 *
 * Who changes what while the world is stopped, and what is done about it:
 *
 *	threads without a P	objects, pages	heap_hold_threads()
 *	their first call	records		the page heap's lock
 *	goroutines in calls	stacks		the lock of stacks' books
 *	sysmon			all of it	its lock
 *	the tracer, threads	mem_other	trace.lock; and read once, as
 *	that start or end			some is mapped without it
 *
 * Order: sysmon may be inside the heap with its lock held, and a thread
 * inside the heap may want to trace; so sysmon, threads, pages, trace.lock.
 */
#include "mm/memstat.h"

#include <sched.h>

#include <gort/gort.h>

#include <arch/cpu.h>
#include "kernel/print.h"
#include "kernel/sched.h"
#include "kernel/stw.h"
#include "kernel/sysmon.h"
#include "kernel/tracepoint.h"
#include "mm/heap.h"

_Static_assert(NR_SIZE_CLASSES <= GORT_MEM_CLASSES, "room for all classes");

#define for_each_cache(hc)						\
	/* Acquire: pairs with the release of who publishes one. */	\
	for (hc = atomic_load_explicit(&heap_caches,			\
				       memory_order_acquire);		\
	     hc; hc = hc->all_link)

struct mem_pages mem_book_read(const struct mem_book *b)
{
	struct mem_pages p;
	u32 seq;

	for (;;) {
		/* Acquire: pairs with the release that ends the writing. */
		seq = atomic_load_explicit(&b->seq, memory_order_acquire);
		/* Acquire: pairs with the releases in mem_book_add(). */
		p.committed = atomic_load_explicit(&b->committed,
						   memory_order_acquire);
		p.released = atomic_load_explicit(&b->released,
						  memory_order_acquire);
		p.in_heap = atomic_load_explicit(&b->in_heap,
						 memory_order_acquire);
		if (!(seq & 1) && seq == atomic_load_explicit(&b->seq,
						memory_order_relaxed))
			return p;
		/* The writer may have lost its CPU. */
		cpu_relax();
		sched_yield();
	}
}

static u64 not_negative(s64 n)
{
	return n > 0 ? (u64)n : 0;
}

/* Acquire: the allocs are read afterwards. */
static u64 get_first(const _Atomic u64 *c)
{
	return atomic_load_explicit(c, memory_order_acquire);
}

/* Before the allocs: what is freed has been allocated. */
static void sum_frees(struct mem_aggregate *a)
{
	const struct heap_cache *hc;

	for_each_cache(hc) {
		if (!mem_get(&hc->free_bytes))
			continue;	/* never used */
		for (u32 i = 1; i < NR_SIZE_CLASSES; i++)
			a->nfree[i] += get_first(&hc->nfree[i]);
		a->large_frees += get_first(&hc->nlarge_free);
		a->large_free_bytes += get_first(&hc->large_free_bytes);
	}
}

static void sum_allocs(struct mem_aggregate *a)
{
	const struct heap_cache *hc;

	for_each_cache(hc) {
		if (!mem_get(&hc->given_bytes))
			continue;
		for (u32 i = 1; i < NR_SIZE_CLASSES; i++)
			a->nalloc[i] += mem_get(&hc->slot[i].nalloc);
		a->large_allocs += mem_get(&hc->nlarge);
		a->large_bytes += mem_get(&hc->large_bytes);
	}
}

/* The free bits of all classes are counted: only if it is to be compared. */
static void sum_global_objects(struct mem_aggregate *a)
{
	struct heap_cache *hc;

	for_each_cache(hc) {
		a->global.alloc_bytes += heap_alloc_bytes(hc);
		a->global.free_bytes += mem_get(&hc->free_bytes);
	}
}

static void sum_classes(struct mem_aggregate *a)
{
	a->mallocs = a->large_allocs;
	a->frees = a->large_frees;
	a->total_alloc = a->large_bytes;
	a->total_free = a->large_free_bytes;
	for (u32 i = 1; i < NR_SIZE_CLASSES; i++) {
		a->mallocs += a->nalloc[i];
		a->frees += a->nfree[i];
		a->total_alloc += a->nalloc[i] * class_size[i];
		a->total_free += a->nfree[i] * class_size[i];
	}
}

static void sum_global(struct mem_aggregate *a)
{
	a->global.heap_in_use = mem_get(&mem_global.heap_in_use);
	a->global.heap_free = mem_get(&mem_global.heap_free);
	a->global.heap_released = mem_get(&mem_global.heap_released);
	a->global.heap_mapped = mem_get(&mem_global.heap_mapped);
	a->global.meta_mapped = mem_get(&mem_global.meta_mapped);
	a->global.meta_in_use = mem_get(&mem_global.meta_in_use);
	a->global.reserved = mem_get(&mem_global.reserved);
	a->global.limit = mem_get(&mem_global.limit);
	a->global.other = mem_get(&mem_other);
}

/* Pages of the heap by the caches, all else by who has it. */
static void __systemstack sum_pages(struct mem_aggregate *a)
{
	struct mem_pages sum = mem_book_read(&mem_background), p;
	const struct heap_cache *hc;
	struct stack_books stacks;

	for_each_cache(hc) {
		p = mem_book_read(&hc->book);
		sum.committed += p.committed;
		sum.released += p.released;
		sum.in_heap += p.in_heap;
	}
	stack_read_books(&stacks);
	a->global.stacks = stacks.global;
	a->global.stacks_free = stacks.idle < stacks.global ? stacks.idle :
							      stacks.global;
	a->in_stacks = not_negative(stacks.consistent);
	a->in_workbufs = a->global.other;
	a->in_ptr_scalar_bits = a->global.meta_mapped;
	a->in_heap = not_negative(sum.in_heap);
	a->released = not_negative(sum.released);
	a->committed = not_negative(sum.committed) + a->global.stacks +
		       a->global.other + a->global.meta_mapped;
	a->global.mapped_ready = mem_get(&mem_global.mapped_ready) +
				 a->global.stacks + a->global.other;
}

static void __systemstack aggregate_locked(struct mem_aggregate *a)
{
	*a = (struct mem_aggregate){ 0 };
	sum_frees(a);
	sum_allocs(a);
	sum_classes(a);
	sum_global(a);
	sum_pages(a);
}

void __systemstack mem_aggregate(struct mem_aggregate *a)
{
	pages_fork_lock();
	aggregate_locked(a);
	pages_fork_unlock();
}

/*
 * The double check.
 */

static __cold void differ(const char *what, u64 global, u64 consistent)
{
	print("gort: memory statistics: %s: global %U, consistent %U\n", what,
	      global, consistent);
	throw("the books about memory differ");
}

static void equal(const char *what, u64 global, u64 consistent)
{
	if (unlikely(global != consistent))
		differ(what, global, consistent);
}

static u64 total_mapped(const struct mem_aggregate *a)
{
	return a->global.heap_mapped + a->in_ptr_scalar_bits + a->in_stacks +
	       a->in_workbufs;
}

static void double_check(const struct mem_aggregate *a)
{
	equal("heap in use", a->global.heap_in_use, a->in_heap);
	equal("heap released", a->global.heap_released, a->released);
	equal("heap in use and free",
	      a->global.heap_in_use + a->global.heap_free,
	      a->committed - a->in_stacks - a->in_workbufs -
	      a->in_ptr_scalar_bits);
	equal("bytes allocated", a->global.alloc_bytes, a->total_alloc);
	equal("bytes freed", a->global.free_bytes, a->total_free);
	equal("mapped and ready", a->global.mapped_ready,
	      total_mapped(a) - a->released);
}

/*
 * gort_read_memstats().
 */

static void fill_classes(struct gort_memstats *st,
			 const struct mem_aggregate *a)
{
	st->nclasses = NR_SIZE_CLASSES - 1;
	for (u32 i = 1; i < NR_SIZE_CLASSES; i++) {
		st->by_size[i - 1].size = class_size[i];
		st->by_size[i - 1].mallocs = a->nalloc[i];
		st->by_size[i - 1].frees = a->nfree[i];
	}
}

static u64 less(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

void memstats_fill(struct gort_memstats *st, const struct mem_aggregate *a)
{
	u64 idle = a->global.heap_free + a->global.heap_released;

	*st = (struct gort_memstats){
		.sys = a->global.heap_mapped + a->global.meta_mapped +
		       a->global.stacks + a->global.other,
		.mapped_ready = a->global.mapped_ready,
		.limit = a->global.limit,
		.total_alloc = a->total_alloc,
		.total_free = a->total_free,
		.mallocs = a->mallocs,
		.frees = a->frees,
		.heap_alloc = less(a->total_alloc, a->total_free),
		.heap_objects = less(a->mallocs, a->frees),
		.heap_sys = a->global.heap_in_use + idle,
		.heap_inuse = a->global.heap_in_use,
		.heap_idle = idle,
		.heap_released = a->global.heap_released,
		.stack_inuse = a->global.stacks - a->global.stacks_free,
		.stack_sys = a->global.stacks,
		.meta_inuse = a->global.meta_in_use,
		.meta_sys = a->global.meta_mapped,
		.other_sys = a->global.other,
		.large_allocs = a->large_allocs,
		.large_frees = a->large_frees,
	};
	fill_classes(st, a);
}

void __systemstack memstats_hold(void)
{
	if (debug.doublecheckmemstats)
		sysmon_hold();
	heap_hold_threads();
}

void __systemstack memstats_let_go(void)
{
	heap_let_threads_go();
	if (debug.doublecheckmemstats)
		sysmon_let_go();
}

void __systemstack read_memstats_m(struct gort_memstats *st)
{
	bool check = debug.doublecheckmemstats;
	struct mem_aggregate a;

	pages_fork_lock();
	if (check && trace_ops)
		trace_ops->hold();
	aggregate_locked(&a);
	if (check)
		sum_global_objects(&a);
	if (check && trace_ops)
		trace_ops->let_go();
	pages_fork_unlock();
	if (check)
		double_check(&a);
	memstats_fill(st, &a);
}

/* sysstack: locks of sysmon, the tracer and stacks' books. */
static void __systemstack read_stopped(void *st)
{
	memstats_hold();
	read_memstats_m(st);
	memstats_let_go();
}

__public int gort_read_memstats(struct gort_memstats *st)
{
	if (!in_goroutine())
		return -EPERM;
	if (!st)
		return -EINVAL;
	stw_begin(STW_READ_MEMSTATS);
	systemstack(read_stopped, st);
	stw_end();
	return 0;
}

/*
 * The same from what there is, for tests.
 */

/* Objects of s that nobody has freed. */
static u64 span_live(const struct span *s)
{
	u64 live = 0;

	for (u32 i = 0; i < s->nwords; i++) {
		const struct span_word *w = &s->words[i];
		u64 valid = s->nobj - 64 * i < 64 ?
			    ((u64)1 << (s->nobj - 64 * i)) - 1 : UINT64_MAX;
		u64 gone = mem_get(&w->free) | mem_get(&w->freed) |
			   mem_get(&w->remote);

		live += (u64)__builtin_popcountll(valid & ~gone);
	}
	return live;
}

/* Live objects, on top of those that were freed, of which there is no more
 * than the count. */
static void count_objects(struct gort_memstats *st)
{
	uintptr_t cursor = 0;
	struct span *s;
	u64 live;

	while ((s = span_next(&cursor))) {
		st->heap_inuse += (u64)s->npages << HPAGE_SHIFT;
		live = s->size ? span_live(s) : 1;
		if (s->size)
			st->by_size[s->class - 1].mallocs += live;
		else
			st->large_allocs++;
		st->heap_objects += live;
		st->heap_alloc += live * span_usable(s);
	}
}

static void count_pages(struct pages_sum *sum)
{
	const struct heap_cache *hc;

	pages_check(sum);
	for_each_cache(hc)
		page_cache_check(&hc->pages, sum);
}

void __systemstack read_memstats_slow(struct gort_memstats *st)
{
	struct mem_aggregate a;
	struct pages_sum pages;

	mem_aggregate(&a);
	memstats_fill(st, &a);
	for (u32 i = 0; i < st->nclasses; i++)
		st->by_size[i].mallocs = st->by_size[i].frees;
	st->large_allocs = st->large_frees;
	st->heap_objects = 0;
	st->heap_alloc = 0;
	st->heap_inuse = 0;
	count_objects(st);
	st->mallocs = st->frees + st->heap_objects;
	st->total_alloc = st->total_free + st->heap_alloc;
	count_pages(&pages);
	st->heap_released = pages.released;
	st->heap_idle = pages.free + pages.released;
	st->heap_sys = pages.in_use + st->heap_idle;
	stack_count_slow(&st->stack_sys, &st->stack_inuse);
	st->sys = st->heap_sys + st->meta_sys + st->stack_sys + st->other_sys;
	st->mapped_ready = st->sys - st->heap_released;
}
