/* SPDX-License-Identifier: ISC */
/*
 * tests/heapmodel.h - a model of the heap, for tests that use it at random.
 *
 * Objects are in places that anyone may take for a moment.  Each is filled
 * with bytes that depend on its number, which are looked at before it is
 * freed, and has a bit for each 8 bytes of its usable size in a map of the
 * whole heap: bits that are set already belong to another object.  The map
 * orders nothing between threads, so what ThreadSanitizer says about the heap
 * holds.
 *
 * When all objects are gone and nobody is inside the heap, its books must say
 * so: model_balance().
 */
#ifndef TESTS_HEAPMODEL_H
#define TESTS_HEAPMODEL_H

#include <gort/gort.h>
#include <gort/mem.h>

#include <stdatomic.h>
#include <sys/mman.h>

#include "kernel/check.h"
#include "mm/heap.h"

#define MODEL_PLACES	2048
#define MODEL_HEAP_MAX	((size_t)1 << 34)	/* what the map has bits for */
#define MODEL_WHOLE	((size_t)4096)	/* up to there all bytes are filled */
#define MODEL_EDGE	((size_t)512)	/* of larger ones, at both ends, and */
#define MODEL_STRIDE	((size_t)509)	/* one of so many in between */

struct model_place {
	_Atomic bool taken;
	unsigned char *p;
	size_t size;
	uint64_t id;
};

static struct model_place model_places[MODEL_PLACES];
static _Atomic uint64_t *model_map;
static _Atomic uint64_t model_ids;

/* Per thread or goroutine.  Sebastiano Vigna's splitmix64. */
struct model_rng {
	uint64_t x;
};

static inline uint64_t model_rnd(struct model_rng *r)
{
	uint64_t z = r->x += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline struct model_rng model_seed(uint64_t n)
{
	return (struct model_rng){ n * 0xd1342543de82ef95 + 1 };
}

static inline void model_init(void)
{
	void *p = mmap(NULL, MODEL_HEAP_MAX / 64, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK_NE(p, MAP_FAILED);
	model_map = p;
}

/* --- what is in objects --- */

static inline unsigned char model_byte(uint64_t id, size_t i)
{
	return (unsigned char)(id * 89 + id / 251 + i * 7 + i / 256);
}

/* The byte to look at after the i-th, in an object of n bytes. */
static inline size_t model_after(size_t i, size_t n)
{
	if (n <= MODEL_WHOLE || i < MODEL_EDGE || i >= n - MODEL_EDGE)
		return i + 1;
	i += MODEL_STRIDE;
	return i < n - MODEL_EDGE ? i : n - MODEL_EDGE;
}

static inline void model_fill(struct model_place *o)
{
	o->id = atomic_fetch_add_explicit(&model_ids, 1, memory_order_relaxed);
	for (size_t i = 0; i < o->size; i = model_after(i, o->size))
		o->p[i] = model_byte(o->id, i);
}

/* The first n bytes of it. */
static inline void model_check(const struct model_place *o, size_t n)
{
	for (size_t i = 0; i < o->size && i < n; i = model_after(i, o->size))
		if (o->p[i] != model_byte(o->id, i)) {
			dprintf(2, "object %p of %zu bytes, at %zu:\n", o->p,
				o->size, i);
			CHECK_EQ(o->p[i], model_byte(o->id, i));
		}
}

static inline void model_check_zero(const unsigned char *p, size_t n)
{
	if (n) {
		CHECK_EQ(p[0], 0);
		CHECK_EQ(memcmp(p, p + 1, n - 1), 0);
	}
}

/* --- where they are --- */

/* bits of the word that begins at granule g, from first to before last */
static inline uint64_t model_bits(uintptr_t g, uintptr_t first, uintptr_t last)
{
	uint64_t bits = ~(uint64_t)0;

	if (first > g)
		bits &= ~(uint64_t)0 << (first - g);
	if (last < g + 64)
		bits &= ~(uint64_t)0 >> (g + 64 - last);
	return bits;
}

static inline void model_mark(void *p, bool used)
{
	uintptr_t at = (uintptr_t)p - page_heap.base;
	uintptr_t first = at / 8, last = (at + gort_usable_size(p)) / 8;

	CHECK_LE(last * 8, MODEL_HEAP_MAX);
	for (uintptr_t g = first / 64 * 64; g < last; g += 64) {
		uint64_t bits = model_bits(g, first, last), was;
		_Atomic uint64_t *w = &model_map[g / 64];

		was = used ? atomic_fetch_or_explicit(w, bits,
						memory_order_relaxed) :
			     atomic_fetch_and_explicit(w, ~bits,
						memory_order_relaxed);
		CHECK_EQ(was & bits, used ? 0 : bits);
	}
}

/* --- what is done with them --- */

static inline size_t model_size(struct model_rng *r)
{
	uint64_t n = model_rnd(r) % 4096;
	size_t max = n < 2400 ? 256 : n < 3500 ? 2048 : n < 4040 ? 32 << 10 :
		     n < 4092 ? 256 << 10 : 4 << 20;

	return model_rnd(r) % (max + 1);
}

static inline void *model_aligned(struct model_rng *r, size_t size)
{
	size_t align = (size_t)1 << (model_rnd(r) % 64 ? model_rnd(r) % 10 :
				     model_rnd(r) % 18);
	void *p = gort_aligned_alloc(align, size);

	CHECK_EQ((uintptr_t)p & (align - 1), 0);
	return p;
}

static inline void *model_get(struct model_rng *r, size_t size)
{
	void *p;

	switch (model_rnd(r) % 8) {
	case 0:
		p = gort_calloc(1, size);
		if (p)
			model_check_zero(p, size);
		return p;
	case 1:
		return model_aligned(r, size);
	case 2:
		return gort_realloc(NULL, size);
	default:
		return gort_alloc(size);
	}
}

/* p is of at least that many bytes: it is now what is at this place. */
static inline void model_put(struct model_place *o, void *p, size_t size)
{
	CHECK_LE(size, gort_usable_size(p));
	CHECK_EQ((uintptr_t)p % (size > 8 ? 16 : 8), 0);
	model_mark(p, true);
	o->p = p;
	o->size = size;
	model_fill(o);
}

/* Each of them returns false when there was no memory, and has changed
 * nothing then. */
static inline bool model_alloc(struct model_place *o, struct model_rng *r)
{
	size_t size = model_size(r);
	void *p = model_get(r, size);

	if (p)
		model_put(o, p, size);
	return p;
}

static inline bool model_realloc(struct model_place *o, struct model_rng *r)
{
	size_t size = model_rnd(r) % 4 ? model_size(r) :
		      o->size + model_rnd(r) % (o->size / 4 + 16);
	struct model_place was = *o;
	void *p;

	model_check(o, o->size);
	model_mark(o->p, false);
	p = gort_realloc(o->p, size);
	if (!p) {
		model_mark(o->p, true);
		model_check(o, o->size);
		return false;
	}
	was.p = p;
	model_check(&was, size);
	model_put(o, p, size);
	return true;
}

static inline void model_free(struct model_place *o)
{
	model_check(o, o->size);
	model_mark(o->p, false);
	gort_free(o->p);
	o->p = NULL;
}

static inline bool model_step(struct model_rng *r)
{
	struct model_place *o = &model_places[model_rnd(r) % MODEL_PLACES];
	bool done = true;

	if (atomic_exchange_explicit(&o->taken, true, memory_order_acquire))
		return true;
	if (!o->p)
		done = model_alloc(o, r);
	else if (model_rnd(r) % 4)
		model_free(o);
	else
		done = model_realloc(o, r);
	atomic_store_explicit(&o->taken, false, memory_order_release);
	return done;
}

static inline void model_free_all(void)
{
	for (struct model_place *o = model_places;
	     o < model_places + MODEL_PLACES; o++)
		if (o->p)
			model_free(o);
}

/* --- the books --- */

struct model_sums {
	uint64_t nalloc[NR_SIZE_CLASSES], nfree[NR_SIZE_CLASSES];
	uint64_t nlarge, nlarge_free, large_bytes, large_free_bytes;
	uint64_t alloc_bytes, free_bytes;
	int64_t committed, released, in_heap;
	struct pages_sum pages;
};

static inline void model_sum_cache(struct model_sums *s, struct heap_cache *hc)
{
	for (unsigned int i = 0; i < NR_SIZE_CLASSES; i++) {
		s->nalloc[i] += mem_get(&hc->slot[i].nalloc);
		s->nfree[i] += mem_get(&hc->nfree[i]);
	}
	s->nlarge += mem_get(&hc->nlarge);
	s->nlarge_free += mem_get(&hc->nlarge_free);
	s->large_bytes += mem_get(&hc->large_bytes);
	s->large_free_bytes += mem_get(&hc->large_free_bytes);
	s->alloc_bytes += heap_alloc_bytes(hc);
	s->free_bytes += mem_get(&hc->free_bytes);
	s->committed += atomic_load(&hc->book.committed);
	s->released += atomic_load(&hc->book.released);
	s->in_heap += atomic_load(&hc->book.in_heap);
	page_cache_check(&hc->pages, &s->pages);
}

/* Nobody may be inside. */
static inline struct model_sums model_sum(void)
{
	/* The caches' books, and that of who gives pages back. */
	struct model_sums s = {
		.committed = atomic_load(&mem_background.committed),
		.released = atomic_load(&mem_background.released),
		.in_heap = atomic_load(&mem_background.in_heap),
	};

	pages_check(&s.pages);
	for (struct heap_cache *hc = atomic_load(&heap_caches); hc;
	     hc = hc->all_link)
		model_sum_cache(&s, hc);
	return s;
}

static inline void model_check_pages(const struct model_sums *s)
{
	const struct mem_global *g = &mem_global;

	CHECK_EQ(s->pages.in_use, mem_get(&g->heap_in_use));
	CHECK_EQ(s->pages.free, mem_get(&g->heap_free));
	CHECK_EQ(s->pages.released, mem_get(&g->heap_released));
	CHECK_EQ(s->in_heap, s->pages.in_use);
	CHECK_EQ(s->committed, s->pages.in_use + s->pages.free);
	CHECK_EQ(s->released, s->pages.released);
}

/*
 * Whatever was allocated is free; so is the heap, once its caches are
 * flushed.  Not during gort_run(), nor while threads use the heap.
 */
static inline void model_balance(void)
{
	struct model_sums s = model_sum();

	for (unsigned int i = 0; i < NR_SIZE_CLASSES; i++)
		CHECK_EQ(s.nalloc[i], s.nfree[i]);
	CHECK_EQ(s.nlarge, s.nlarge_free);
	CHECK_EQ(s.large_bytes, s.large_free_bytes);
	CHECK_EQ(s.alloc_bytes, s.free_bytes);
	model_check_pages(&s);

	heap_hold_threads();
	heap_flush();
	heap_let_threads_go();
	s = model_sum();
	CHECK_EQ(s.alloc_bytes, s.free_bytes);
	model_check_pages(&s);
	CHECK_EQ(s.pages.in_use, 0);
}

#endif
