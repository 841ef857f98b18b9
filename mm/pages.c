// SPDX-License-Identifier: ISC
/*
 * mm/pages.c - the page heap: arenas, the page cache, and the two books.
 *
 * One range of addresses holds everything: first the arenas, then the tables
 * about them, each as large as all arenas together would need.  As with
 * stacks it is not reserved by a mapping, because emulators keep state per
 * page of one: arenas and tables are mapped as they are needed, at addresses
 * nothing else uses, or inside a smaller reservation where those are taken
 * or do not exist.
 *
 * Addresses of the next arena may be taken although the first was free.  They
 * become a hole: part of the heap for page_in_heap(), which stays one
 * comparison, but in use by no span for good.  Rejected: to be out of memory
 * then, because one stray mapping would end the heap.
 *
 * Invariants (pages_check() and the tests walk the bitmaps):
 *  I1  heap_in_use + heap_free + heap_released == heap_mapped.
 *  I2  mapped_ready == heap_in_use + heap_free + meta_mapped.
 *  I3  Over all books, mem_background too: committed == heap_in_use +
 *	heap_free, released == heap_released, in_heap == heap_in_use.
 *  I4  A page is in use, free, or released; pages in a cache are in use for
 *	the bitmaps, and free or released for the books, until given out.
 * They hold when nobody is inside.
 *
 * Locks: the page heap's, inside of all others of the heap.  It is taken on
 * g0, but may be held on a stack that grows, which takes nothing of ours:
 * around fork().
 */
#include "mm/pages.h"

#include <errno.h>
#include <sched.h>

#include "kernel/panic.h"
#include "mm/heap_section.h"
#include "mm/pages_state.h"
#include "mm/vm.h"

#define RESERVE_SHIFT		36	/* of a reservation, at most */
#define RESERVE_SHIFT_MIN	30

#define ARENA_PAGES	(ARENA_SIZE >> HPAGE_SHIFT)
#define ARENA_CHUNKS	(ARENA_PAGES >> CHUNK_SHIFT)
#define HOLES_MAX	64u		/* that one call steps over */
#define META_CHUNK	((size_t)256 << 10)

struct page_state pages = { .lock = LOCK_INIT(RANK_HEAP_PAGES) };

struct page_heap page_heap;
struct mem_global mem_global = { .limit = UINT64_MAX };

static uintptr_t page_addr(size_t page)
{
	return page_heap.base + (page << HPAGE_SHIFT);
}

static size_t addr_page(uintptr_t addr)
{
	return (addr - page_heap.base) >> HPAGE_SHIFT;
}

/*
 * Growth.
 */

static void count_meta(size_t size)
{
	mem_add(&mem_global.meta_mapped, size);
	mem_add(&mem_global.mapped_ready, size);
}

/* A reservation was counted as a whole. */
static void count_reserved(size_t size)
{
	if (!pages.claimed)
		mem_add(&mem_global.reserved, size);
}

/* Bytes that the tables need for n chunks. */
static size_t area_size(unsigned int i, size_t n)
{
	if (i == AREA_SPANS)
		return n * CHUNK_PAGES * sizeof(*page_heap.spans);
	if (i == AREA_CHUNKS)
		return n * sizeof(struct page_chunk);
	i -= AREA_LEVELS;
	return i < page_bits_levels(n) ?
	       page_bits_nodes(n, i) * sizeof(struct page_sum) : 0;
}

/* Tables for n chunks.  What is mapped is of use later, whatever happens. */
static int grow_tables_locked(size_t n)
{
	for (unsigned int i = 0; i < NR_AREAS; i++) {
		size_t need = ALIGN_UP(area_size(i, n), PAGE_SIZE);
		struct page_area *a = &pages.area[i];
		int err;

		if (need <= a->mapped)
			continue;
		err = vm_map(a->base + a->mapped, need - a->mapped,
			     pages.claimed);
		if (err)
			return err;
		count_meta(need - a->mapped);
		count_reserved(need - a->mapped);
		a->mapped = need;
	}
	return 0;
}

/* n chunks more, with memory behind or not. */
static int grow_chunks_locked(size_t n, bool usable)
{
	size_t total = pages.bits.nchunks + n;
	int err;

	if (total > pages.nchunks_max)
		return -ENOMEM;
	err = grow_tables_locked(total);
	if (err)
		return err;
	page_bits_grow(&pages.bits, n, usable);
	/* Release: pairs with page_in_heap(). */
	atomic_store_explicit(&page_heap.mapped,
			      total << (CHUNK_SHIFT + HPAGE_SHIFT),
			      memory_order_release);
	return 0;
}

/* From nothing, or a part of a reservation, to prepared. */
static int map_arenas(uintptr_t addr, size_t size)
{
	int err = pages.claimed ? 0 : vm_reserve_at(addr, size);

	if (err)
		return err;
	err = vm_prepare(addr, size);
	if (err && !pages.claimed)
		vm_unmap((void *)addr, size);
	return err;
}

/* size bytes of arenas at the end of the heap.  0, -ENOMEM, or -EEXIST. */
static int grow_arenas_locked(size_t size)
{
	size_t nchunks = size >> (CHUNK_SHIFT + HPAGE_SHIFT);
	uintptr_t addr = page_addr(pages.bits.nchunks << CHUNK_SHIFT);
	int err;

	if (pages.bits.nchunks + nchunks > pages.nchunks_max)
		return -ENOMEM;
	err = map_arenas(addr, size);
	if (err)
		return err;
	err = grow_chunks_locked(nchunks, true);
	if (err) {
		/* In a reservation it stays prepared, for the next time. */
		if (!pages.claimed)
			vm_unmap((void *)addr, size);
		return -ENOMEM;
	}
	mem_add(&mem_global.heap_mapped, size);
	mem_add(&mem_global.heap_released, size);
	count_reserved(size);
	return 0;
}

/*
 * Grow until n pages in a row are free at the end.  Returns the bytes of new
 * arenas, 0 when there is no memory.
 */
static __cold size_t grow_locked(size_t n)
{
	for (u32 holes = 0; holes < HOLES_MAX; holes++) {
		size_t need = (n - page_bits_tail(&pages.bits)) << HPAGE_SHIFT;
		int err;

		need = ALIGN_UP(need, ARENA_SIZE);
		err = grow_arenas_locked(need);
		if (!err)
			return need;
		if (err != -EEXIST || grow_chunks_locked(ARENA_CHUNKS, false))
			return 0;
	}
	return 0;
}

/*
 * Giving pages out and taking them back.
 */

/* What one call did, for the books. */
struct done {
	size_t n;		/* pages given out */
	size_t nreleased;	/* of those were released */
	size_t grown;		/* bytes of new arenas */
};

static void count_out(size_t n, size_t nreleased)
{
	mem_add(&mem_global.heap_in_use, n << HPAGE_SHIFT);
	if (n > nreleased)
		mem_sub(&mem_global.heap_free, (n - nreleased) << HPAGE_SHIFT);
	if (!nreleased)
		return;
	mem_sub(&mem_global.heap_released, nreleased << HPAGE_SHIFT);
	mem_add(&mem_global.mapped_ready, nreleased << HPAGE_SHIFT);
}

static void book_out(struct mem_book *book, const struct done *d)
{
	s64 ready = (s64)(d->nreleased << HPAGE_SHIFT);

	mem_book_add(book, (struct mem_pages){
		.committed = ready,
		.released = (s64)d->grown - ready,
		.in_heap = (s64)(d->n << HPAGE_SHIFT),
	});
}

/* A request, as the part of it that runs under the lock sees it. */
struct request {
	struct page_cache *pc;
	size_t page, n, align;
	bool ok;
	struct done done;
};

static void __systemstack take_locked(struct request *r)
{
	r->done.n = r->n;
	r->done.nreleased = page_bits_take(&pages.bits, r->page, r->n);
	count_out(r->n, r->done.nreleased);
	r->ok = true;
}

/* The first place for r->n pages, growing the heap if there is none. */
static bool find_locked(struct request *r)
{
	/* Somewhere in that many is a multiple of align. */
	size_t n = r->n + r->align - 1;
	size_t page = page_bits_find(&pages.bits, n);

	if (page == PAGE_NONE) {
		r->done.grown = grow_locked(n);
		if (!r->done.grown)
			return false;
		page = page_bits_find(&pages.bits, n);
	}
	r->page = ALIGN_UP(page, r->align);
	/* Only then is nothing free before it. */
	if (n == 1)
		pages.bits.hint = page >> CHUNK_SHIFT;
	return true;
}

/*
 * There is no memory; but pages may be on their way from the scavenger back
 * to the bitmaps.
 */
static bool try_again(const struct request *r, bool scavenging)
{
	return unlikely(!r->ok && scavenging) && !sched_yield();
}

/* sysstack: takes the page heap's lock. */
static void __systemstack alloc_section(void *arg)
{
	struct request *r = arg;
	bool scavenging;

	do {
		lock_any(&pages.lock);
		if (find_locked(r))
			take_locked(r);
		scavenging = pages.scavenging;
		unlock_any(&pages.lock);
	} while (try_again(r, scavenging));
}

/* sysstack: takes the page heap's lock. */
static void __systemstack extend_section(void *arg)
{
	struct request *r = arg;

	lock_any(&pages.lock);
	if (page_bits_free(&pages.bits, r->page, r->n))
		take_locked(r);
	unlock_any(&pages.lock);
}

/* There are pages to scavenge. */
static void not_dry(void)
{
	atomic_store_explicit(&pages.dry, false, memory_order_relaxed);
}

/* sysstack: takes the page heap's lock. */
static void __systemstack free_section(void *arg)
{
	struct request *r = arg;

	lock_any(&pages.lock);
	if (!page_bits_give(&pages.bits, r->page, r->n, false))
		throw("pages freed that are not in use");
	mem_sub(&mem_global.heap_in_use, r->n << HPAGE_SHIFT);
	mem_add(&mem_global.heap_free, r->n << HPAGE_SHIFT);
	not_dry();
	unlock_any(&pages.lock);
}

/*
 * The cache.
 */

static void fill_locked(struct request *r)
{
	struct page_cache *pc = r->pc;
	size_t page = page_bits_take_word(&pages.bits, &pc->free,
					  &pc->released);

	if (page == PAGE_NONE) {
		r->done.grown = grow_locked(1);
		if (!r->done.grown)
			return;
		page = page_bits_take_word(&pages.bits, &pc->free,
					   &pc->released);
	}
	pc->base = page_addr(page);
	r->ok = true;
}

/* sysstack: takes the page heap's lock. */
static void __systemstack fill_section(void *arg)
{
	struct request *r = arg;
	bool scavenging;

	do {
		lock_any(&pages.lock);
		fill_locked(r);
		scavenging = pages.scavenging;
		unlock_any(&pages.lock);
	} while (try_again(r, scavenging));
}

/* sysstack: takes the page heap's lock. */
static void __systemstack flush_section(void *arg)
{
	struct page_cache *pc = arg;

	lock_any(&pages.lock);
	page_bits_give_word(&pages.bits, addr_page(pc->base), pc->free,
			    pc->released);
	not_dry();
	unlock_any(&pages.lock);
}

void page_cache_flush(struct page_cache *pc)
{
	if (pc->free)
		heap_section(flush_section, pc);
	*pc = (struct page_cache){ 0 };
}

/* The first n pages in a row of a cache; the lock is not needed. */
static bool cache_take(struct request *r)
{
	struct page_cache *pc = r->pc;
	u64 at = bits_runs(pc->free, (unsigned int)r->n), mask;
	unsigned int bit;

	if (!at)
		return false;
	bit = (unsigned int)__builtin_ctzll(at);
	mask = bits_mask(bit, r->n);
	r->page = addr_page(pc->base) + bit;
	r->done.n = r->n;
	r->done.nreleased =
		(size_t)__builtin_popcountll(pc->released & mask);
	pc->free &= ~mask;
	pc->released &= ~mask;
	count_out(r->n, r->done.nreleased);
	r->ok = true;
	return true;
}

static void cache_alloc(struct request *r)
{
	if (cache_take(r))
		return;
	if (!r->pc->free) {
		heap_section(fill_section, r);
		if (!r->ok)
			return;
		r->ok = false;
		if (cache_take(r))
			return;
	}
	/* What it has is in pieces that are too small, for this request. */
	heap_section(alloc_section, r);
}

/*
 * What others call.
 */

uintptr_t pages_alloc(struct page_cache *pc, struct mem_book *book, size_t n,
		      size_t align, bool *zeroed)
{
	struct request r = { .pc = pc, .n = n, .align = align };
	size_t max = pages.nchunks_max << CHUNK_SHIFT;

	if (n > max || align > max)
		return 0;
	if (n <= PAGE_CACHE_RUN && align == 1)
		cache_alloc(&r);
	else
		heap_section(alloc_section, &r);
	if (r.ok || r.done.grown)
		book_out(book, &r.done);
	if (r.done.nreleased)
		scavenge_for_limit();
	*zeroed = r.done.nreleased == n;
	return r.ok ? page_addr(r.page) : 0;
}

bool pages_extend(struct mem_book *book, uintptr_t addr, size_t n)
{
	struct request r = { .page = addr_page(addr), .n = n };

	if (n > pages.nchunks_max << CHUNK_SHIFT)
		return false;
	heap_section(extend_section, &r);
	if (r.ok)
		book_out(book, &r.done);
	if (r.done.nreleased)
		scavenge_for_limit();
	return r.ok;
}

void pages_free(struct mem_book *book, uintptr_t addr, size_t n)
{
	struct request r = { .page = addr_page(addr), .n = n };

	heap_section(free_section, &r);
	mem_book_add(book, (struct mem_pages){
		.in_heap = -(s64)(n << HPAGE_SHIFT),
	});
}

/*
 * The runtime's own records.
 */

struct meta_request {
	size_t size, align;
	void *p;
};

/* A mapping of its own for what would waste much of a chunk. */
static void *meta_large(size_t size)
{
	void *p;

	size = ALIGN_UP(size, PAGE_SIZE);
	p = vm_reserve(size);
	if (p && vm_prepare((uintptr_t)p, size)) {
		vm_unmap(p, size);
		p = NULL;
	}
	if (p) {
		count_meta(size);
		mem_add(&mem_global.reserved, size);
	}
	return p;
}

static void *meta_alloc_locked(size_t size, size_t align)
{
	uintptr_t at = ALIGN_UP(pages.meta, align);

	if (size > META_CHUNK / 4)
		return meta_large(size);
	if (!pages.meta || size > pages.meta_end - at) {
		at = (uintptr_t)meta_large(META_CHUNK);
		if (!at)
			return NULL;
		pages.meta_end = at + META_CHUNK;
	}
	pages.meta = at + size;
	return (void *)at;
}

/* sysstack: takes the page heap's lock. */
static void __systemstack meta_section(void *arg)
{
	struct meta_request *r = arg;

	lock_any(&pages.lock);
	r->p = meta_alloc_locked(r->size, r->align);
	if (r->p)
		mem_add(&mem_global.meta_in_use, r->size);
	unlock_any(&pages.lock);
}

void *meta_alloc(size_t size, size_t align)
{
	struct meta_request r = { .size = size, .align = align };

	if (size <= (size_t)1 << HEAP_SHIFT)
		heap_section(meta_section, &r);
	return r.p;
}

/*
 * Checks, and fork().
 */

void pages_lock_quiet(void)
{
	lock_any(&pages.lock);
	while (pages.scavenging) {
		unlock_any(&pages.lock);
		sched_yield();
		lock_any(&pages.lock);
	}
}

void pages_fork_lock(void)
{
	pages_lock_quiet();
}

void pages_fork_unlock(void)
{
	unlock_any(&pages.lock);
}

/* sysstack: takes the page heap's lock. */
static void __systemstack check_section(void *arg)
{
	struct pages_sum *sum = arg;
	size_t free, released;

	pages_lock_quiet();
	page_bits_count(&pages.bits, &free, &released);
	sum->free = (free - released) << HPAGE_SHIFT;
	sum->released = released << HPAGE_SHIFT;
	sum->in_use = mem_get(&mem_global.heap_mapped) -
		      ((u64)free << HPAGE_SHIFT);
	unlock_any(&pages.lock);
}

void pages_check(struct pages_sum *sum)
{
	heap_section(check_section, sum);
}

void page_cache_check(const struct page_cache *pc, struct pages_sum *sum)
{
	u64 free = (u64)__builtin_popcountll(pc->free) << HPAGE_SHIFT;
	u64 released = (u64)__builtin_popcountll(pc->released) << HPAGE_SHIFT;

	sum->in_use -= free;
	sum->free += free - released;
	sum->released += released;
}

/*
 * Where the heap lies.
 */

/* Addresses for a heap of 1 << shift bytes with its tables. */
static size_t layout(uintptr_t base, unsigned int shift)
{
	size_t nchunks = (size_t)1 << (shift - CHUNK_SHIFT - HPAGE_SHIFT);
	uintptr_t at = base + ((uintptr_t)1 << shift);

	for (unsigned int i = 0; i < NR_AREAS; i++) {
		pages.area[i].base = at;
		at += ALIGN_UP(area_size(i, nchunks), PAGE_SIZE);
	}
	pages.nchunks_max = nchunks;
	return at - base;
}

/* A range that the kernel chooses, as large as it gives us. */
static uintptr_t place_reserve(void)
{
	for (unsigned int s = RESERVE_SHIFT; s >= RESERVE_SHIFT_MIN; s--) {
		size_t size = layout(0, s);
		uintptr_t base = (uintptr_t)vm_reserve(size + ARENA_SIZE);

		if (!base)
			continue;
		base = ALIGN_UP(base, ARENA_SIZE);
		layout(base, s);
		pages.claimed = true;
		mem_add(&mem_global.reserved, size + ARENA_SIZE);
		return base;
	}
	return 0;
}

int pages_init(void)
{
	uintptr_t base = HEAP_BASE;

	if (page_heap.base)
		return 0;
	if (!vm_reserve_at(base, PAGE_SIZE)) {
		vm_unmap((void *)base, PAGE_SIZE);
		layout(base, HEAP_SHIFT);
	} else {
		base = place_reserve();
		if (!base)
			return -ENOMEM;
	}
	pages.bits.chunk = (void *)pages.area[AREA_CHUNKS].base;
	for (unsigned int l = 0; l < BITS_LEVELS; l++)
		pages.bits.level[l] = (void *)pages.area[AREA_LEVELS + l].base;
	page_heap.spans = (void *)pages.area[AREA_SPANS].base;
	page_heap.base = base;
	return 0;
}
