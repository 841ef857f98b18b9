// SPDX-License-Identifier: ISC
/*
 * mm/heap.c - the heap's interface: finding the span, the checks, the counts.
 *
 * On a P, allocation takes the lowest bit of one word of the class's current
 * span, and freeing sets a bit, with the checks; neither calls anything, and
 * a goroutine is preempted only where calls are, so nobody interrupts them.
 * They look for their cache in the thread's block, which has none on threads
 * without a P or when each object is to be checked or traced: then, and when
 * there is more to do, the slow paths below begin anew.
 *
 * Each free looks at the bit of the object, so a double free is found unless
 * the object was given out again in between.  As any pointer is looked up in
 * the table of pages first, those that are no objects are found as well.
 */
#include <gort/mem.h>

#include <string.h>

#include "kernel/errno.h"
#include "kernel/panic.h"
#include "kernel/sanitize.h"
#include "mm/cache.h"
#include "mm/heap_section.h"
#include "mm/heaptrace.h"

#define POISON_NEW	0xf6	/* allocated, not yet written */
#define LARGE_ALIGN_MAX	((size_t)1 << 30)

/*
 * Errors.
 */

static __cold __noreturn void bad_span(const char *what, uintptr_t addr,
				       struct span *s)
{
	uintptr_t end = s->base + ((uintptr_t)s->npages << HPAGE_SHIFT);
	u32 idx;

	if (!s->size)
		fatal("%s %p: span %p-%p, one object of %U bytes", what,
		      (void *)addr, (void *)s->base, (void *)end,
		      (u64)span_usable(s));
	span_index(s, addr - s->base, &idx);
	fatal("%s %p: span %p-%p, class %d of %d bytes, object %d at %p", what,
	      (void *)addr, (void *)s->base, (void *)end, (int)s->class,
	      (int)s->size, (int)idx, (void *)(s->base + idx * s->size));
}

void heap_double_free(struct span *s, u32 idx)
{
	bad_span("double free of", s->base + (uintptr_t)idx * s->size, s);
}

/* The large object that addr lies in, but not at its beginning; or NULL. */
static struct span *large_around(uintptr_t addr)
{
	struct span *s = NULL;

	for (; !s && page_in_heap(addr); addr -= HPAGE_SIZE)
		s = atomic_load_explicit(page_span(addr),
					 memory_order_acquire);
	if (!s || addr + HPAGE_SIZE - s->base >= HPAGE_SIZE)
		return NULL;
	return s;
}

/* addr is no object that somebody has; say what it is. */
static __cold __noreturn void bad_pointer(uintptr_t addr)
{
	struct span *s = NULL;

	if (!page_in_heap(addr))
		fatal("free of wild pointer %p: not in the heap",
		      (void *)addr);
	s = atomic_load_explicit(page_span(addr), memory_order_acquire);
	if (!s) {
		s = large_around(addr);
		if (s && addr - s->base < span_usable(s))
			bad_span("free of interior pointer", addr, s);
		fatal("free of wild pointer %p: in no span, or freed before",
		      (void *)addr);
	}
	if (addr % 8)
		bad_span("free of misaligned pointer", addr, s);
	if ((addr - s->base) % span_usable(s))
		bad_span("free of interior pointer", addr, s);
	if ((addr - s->base) / span_usable(s) >= s->nobj)
		bad_span("free of wild pointer", addr, s);
	bad_span("double free of", addr, s);
}

/* Its address is looked up here: the thread may have changed. */
static __nosplit void *no_memory(int err)
{
	errno = err;
	return NULL;
}

/*
 * Fast paths.
 */

/* The lowest free one of a word, which is not 0. */
static inline void *take_object(struct heap_slot *sl, u64 free)
{
	word_set_free(sl->word, free & (free - 1));
	count_add(&sl->nalloc, 1);
	return (void *)(sl->base + ((u64)__builtin_ctzll(free) & 63) * sl->size);
}

static inline struct span *find_span(uintptr_t addr)
{
	/* What the record says is ordered by the address we read here, and by
	 * how we came by the pointer. */
	return atomic_load_explicit(page_span(addr), memory_order_relaxed);
}

/* False: it is not in use. */
static inline __attribute__((always_inline))
bool free_own(struct heap_cache *hc, struct span *s, u32 idx)
{
	struct span_word *w = &s->words[idx / 64];
	u64 bit = (u64)1 << idx % 64, freed = word_freed(w);

	if (unlikely((word_free(w) | freed |
		      atomic_load_explicit(&w->remote, memory_order_relaxed))
		     & bit))
		return false;
	word_set_freed(w, freed | bit);
	count_add(&hc->nfree[s->class], 1);
	count_add(&hc->free_bytes, s->size);
	return true;
}

/*
 * Slow paths.
 */

static void *alloc_small(struct heap_cache *hc, size_t size)
{
	unsigned int class = size_class_of(size);
	struct heap_slot *sl = &hc->slot[class];
	u64 free = word_free(sl->word);

	if (!free) {
		if (!cache_refill(hc, class))
			return NULL;
		free = word_free(sl->word);
	}
	return take_object(sl, free);
}

static void *alloc_large(struct heap_cache *hc, size_t size, size_t align,
			 bool *zeroed)
{
	size_t npages = (size + HPAGE_SIZE - 1) >> HPAGE_SHIFT;
	struct span *s;

	if (size > SIZE_MAX - HPAGE_SIZE)
		return NULL;
	s = span_new_large(hc, npages ? npages : 1, align);
	if (!s)
		return NULL;
	count_add(&hc->nlarge, 1);
	count_add(&hc->large_bytes, span_usable(s));
	count_add(&hc->given_bytes, span_usable(s));
	heap_trace_live();
	*zeroed = s->zeroed;
	return (void *)s->base;
}

static __cold void check_poison(const u8 *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (unlikely(p[i] != POISON_FREE))
			bad_span("write after free of",
				 (uintptr_t)p, find_span((uintptr_t)p));
}

/* A new object, with GORTDEBUG or sanitizers or a tracer that look at it. */
static __cold void alloc_checks(void *p, size_t size)
{
	struct span *s = find_span((uintptr_t)p);

	san_heap_alloc(p, span_usable(s));
	if (heap_poison) {
		if (s->size)
			check_poison(p, s->size);
		memset(p, POISON_NEW, size);
	}
	heap_trace_object(TRACE_ALLOC, (uintptr_t)p);
}

/* An object, still the caller's. */
static __cold void free_checks(struct span *s, uintptr_t addr)
{
	heap_trace_object(TRACE_FREE, addr);
	if (heap_poison)
		memset((void *)addr, POISON_FREE, span_usable(s));
	san_heap_free((void *)addr, span_usable(s));
}

static inline bool checks_wanted(void)
{
	return unlikely(atomic_load_explicit(&heap_slow_path,
					     memory_order_relaxed));
}

/*
 * heap_alloc - what all the public functions come down to.  align is a power
 * of two; above a page of the heap the object is a large one.
 * Returns NULL when there is no memory.
 */
static void *heap_alloc(size_t size, size_t align, bool *zeroed)
{
	struct heap_cache *hc = heap_enter();
	bool small = size <= SIZE_MAX_SMALL && align <= HPAGE_SIZE;
	void *p = NULL;

	*zeroed = false;
	if (unlikely(!hc))
		return NULL;
	for (int tries = 2; tries; tries--) {
		p = small ? alloc_small(hc, size) :
			    alloc_large(hc, size, align > HPAGE_SIZE ?
					align >> HPAGE_SHIFT : 1, zeroed);
		if (likely(p))
			break;
		if (tries > 1)
			while (heap_reclaim(hc))
				;
	}
	if (p && checks_wanted()) {
		alloc_checks(p, size);
		*zeroed = *zeroed && !heap_poison;
	}
	heap_leave(hc);
	return p;
}

static __attribute__((noinline)) void *alloc_slow(size_t size)
{
	bool zeroed;
	void *p = heap_alloc(size, 1, &zeroed);

	return likely(p) ? p : no_memory(ENOMEM);
}

static void free_large(struct heap_cache *hc, struct span *s, uintptr_t addr)
{
	struct span *was;
	size_t size;

	if (addr != s->base)
		bad_pointer(addr);
	if (checks_wanted())
		free_checks(s, addr);
	/* Of two that free it one gets it.  Acquire, as the pages are ours
	 * now; release, as they were the caller's. */
	was = atomic_exchange_explicit(page_span(addr), NULL,
				       memory_order_acq_rel);
	if (was != s)
		bad_pointer(addr);
	size = span_usable(s);
	count_add(&hc->nlarge_free, 1);
	count_add(&hc->large_free_bytes, size);
	count_add(&hc->free_bytes, size);
	span_free_large(hc, s);
	heap_trace_live();
}

static bool in_use(const struct span *s, u32 idx)
{
	return word_live(&s->words[idx / 64]) >> idx % 64 & 1;
}

static void free_object(struct heap_cache *hc, struct span *s, uintptr_t addr)
{
	u32 idx, class, size;

	if (!span_index(s, addr - s->base, &idx))
		bad_pointer(addr);
	if (checks_wanted()) {
		if (!in_use(s, idx))
			bad_pointer(addr);
		free_checks(s, addr);
	}
	if (atomic_load_explicit(&s->owner, memory_order_relaxed) ==
	    &hc->owner) {
		if (!free_own(hc, s, idx))
			bad_pointer(addr);
		if (unlikely(--s->countdown <= 0))
			span_settle(hc, s);
		return;
	}
	/* Afterwards the record may be another span's. */
	class = s->class;
	size = s->size;
	if (!span_free_remote(s, idx))
		bad_pointer(addr);
	count_add(&hc->nfree[class], 1);
	count_add(&hc->free_bytes, size);
}

static __attribute__((noinline)) void free_slow(void *p)
{
	uintptr_t addr = (uintptr_t)p;
	struct heap_cache *hc;
	struct span *s;

	if (!p)
		return;
	if (!page_in_heap(addr))
		bad_pointer(addr);
	s = find_span(addr);
	if (!s)
		bad_pointer(addr);
	hc = heap_enter();
	/* No cache, no memory for one: what is not freed is lost. */
	if (unlikely(!hc))
		return;
	if (s->size)
		free_object(hc, s, addr);
	else
		free_large(hc, s, addr);
	heap_leave(hc);
}

static __attribute__((noinline)) void settle_slow(struct span *s)
{
	struct heap_cache *hc = heap_enter();

	span_settle(hc, s);
	heap_leave(hc);
}

/*
 * The interface.
 */

__public void *gort_alloc(size_t size)
{
	struct heap_cache *hc = tls_heap();
	struct heap_slot *sl;
	u64 free;

	if (unlikely(!hc || size > SIZE_MAX_SMALL))
		return alloc_slow(size);
	sl = &hc->slot[size_class_of(size)];
	/* Or the compiler computes it anew at each use. */
	__asm__("" : "+r" (sl));
	free = word_free(sl->word);
	if (unlikely(!free)) {
		/* What was freed there meanwhile?  The one word that no span
		 * has never gets anything. */
		free = word_freed(sl->word);
		if (!free)
			return alloc_slow(size);
		word_set_freed(sl->word, 0);
		count_add(&hc->given_bytes, sl->size * count_bits(free));
	}
	return take_object(sl, free);
}

/*
 * An object of another's span.
 * nosplit: a check could move us to another P, and hc is this one's.
 */
static __nosplit void free_other(struct heap_cache *hc, struct span *s,
				 void *p)
{
	/* Once it is free the record may be another span's. */
	u32 class = s->class, size = s->size, idx;

	if (unlikely(!hc || !size ||
		     !span_index(s, (uintptr_t)p - s->base, &idx) ||
		     !span_free_remote(s, idx)))
		return free_slow(p);
	count_add(&hc->nfree[class], 1);
	count_add(&hc->free_bytes, size);
}

__public void gort_free(void *p)
{
	struct heap_cache *hc = tls_heap();
	uintptr_t off = (uintptr_t)p - page_heap.base;
	struct span *s;
	u32 idx;

	/* Acquire: see page_in_heap(). */
	if (unlikely(off >= atomic_load_explicit(&page_heap.mapped,
						 memory_order_acquire)))
		return free_slow(p);
	s = atomic_load_explicit(&page_heap.spans[off >> HPAGE_SHIFT],
				 memory_order_relaxed);
	if (unlikely(!s))
		return free_slow(p);
	/* Never if there is no cache: whatever is in use has an owner. */
	_Static_assert(!offsetof(struct heap_cache, owner),
		       "&hc->owner is hc");
	if (unlikely((struct span_owner *)hc !=
		     atomic_load_explicit(&s->owner, memory_order_relaxed)))
		return free_other(hc, s, p);
	/* There it is found out what is wrong. */
	if (unlikely(!span_index(s, (uintptr_t)p - s->base, &idx) ||
		     !free_own(hc, s, idx)))
		return free_slow(p);
	if (unlikely(--s->countdown <= 0))
		return settle_slow(s);
}

__public void *gort_calloc(size_t n, size_t size)
{
	size_t total;
	bool zeroed;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		return no_memory(ENOMEM);
	p = heap_alloc(total, 1, &zeroed);
	if (!p)
		return no_memory(ENOMEM);
	return zeroed ? p : memset(p, 0, total);
}

__public void *gort_aligned_alloc(size_t align, size_t size)
{
	bool zeroed;
	void *p;

	if (!align || align & (align - 1))
		return no_memory(EINVAL);
	/* A class that is a multiple of a power of two has its objects at
	 * multiples, and rounding up leads to such a class. */
	if (align > 8 && size <= SIZE_MAX_SMALL)
		size = ALIGN_UP(size + !size, align);
	p = align <= LARGE_ALIGN_MAX ? heap_alloc(size, align, &zeroed) : NULL;
	return p ? p : no_memory(ENOMEM);
}

/* The span of an object of the caller's. */
static struct span *span_of(const void *p)
{
	uintptr_t addr = (uintptr_t)p;
	struct span *s;
	u32 idx;

	if (!page_in_heap(addr))
		bad_pointer(addr);
	s = find_span(addr);
	if (!s || (s->size ? !span_index(s, addr - s->base, &idx) ||
			     !in_use(s, idx) : addr != s->base))
		bad_pointer(addr);
	return s;
}

__public size_t gort_usable_size(const void *p)
{
	return p ? span_usable(span_of(p)) : 0;
}

/*
 * Make a large object larger or smaller where it is.  Within one part in
 * eight it stays as it is.
 */
static bool resize_large(struct span *s, size_t size)
{
	size_t want = (size + HPAGE_SIZE - 1) >> HPAGE_SHIFT;
	size_t have = s->npages, diff;
	struct heap_cache *hc;
	uintptr_t end;
	bool done;

	if (want <= have && have - want <= have / 8)
		return true;
	if (size <= SIZE_MAX_SMALL || want > UINT32_MAX)
		return false;
	hc = heap_enter();
	if (!hc)
		return false;
	/* Nobody begins to want them before we leave. */
	done = !checks_wanted();
	if (done && want > have) {
		diff = want - have;
		end = s->base + (have << HPAGE_SHIFT);
		done = pages_extend(&hc->book, end, diff);
		if (done) {
			count_add(&hc->large_bytes, diff << HPAGE_SHIFT);
			count_add(&hc->given_bytes, diff << HPAGE_SHIFT);
			s->npages = (u32)want;
		}
	} else if (done) {
		diff = have - want;
		count_add(&hc->large_free_bytes, diff << HPAGE_SHIFT);
		count_add(&hc->free_bytes, diff << HPAGE_SHIFT);
		s->npages = (u32)want;
		pages_free(&hc->book, s->base + (want << HPAGE_SHIFT), diff);
	}
	if (done)
		heap_trace_live();
	heap_leave(hc);
	return done;
}

/* Does it stay where it is? */
static bool resize_in_place(struct span *s, size_t size)
{
	if (!s->size)
		return resize_large(s, size);
	return size <= s->size && size >= s->size / 2 && !checks_wanted();
}

__public void *gort_realloc(void *p, size_t size)
{
	struct span *s;
	size_t usable;
	void *q;

	if (!p)
		return gort_alloc(size);
	s = span_of(p);
	if (resize_in_place(s, size))
		return p;
	usable = span_usable(s);
	q = gort_alloc(size);
	if (!q)
		return NULL;
	memcpy(q, p, usable < size ? usable : size);
	gort_free(p);
	return q;
}
