/* SPDX-License-Identifier: ISC */
/*
 * tests/mm/page_users.h - users of the page heap who do anything in any order,
 * mark what is theirs, and look whether it stays so; and the books.
 */
#ifndef TESTS_MM_PAGE_USERS_H
#define TESTS_MM_PAGE_USERS_H

#include "mm/cache.h"
#include "mm/pages.h"
#include "tests/kernel/check.h"

#define MB		((size_t)1 << 20)

/* What a heap cache is to the page heap. */
struct user {
	struct page_cache pc;
	struct mem_book book;
};

#define USERS	8
static struct user users[USERS];

static inline s64 book_get(const _Atomic s64 *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* The identities of mm/pages.c.  Nobody may be inside.  Also for children,
 * which cannot use cmocka's asserts. */
static inline void check_books(void)
{
	const struct mem_global *g = &mem_global;
	s64 committed = book_get(&mem_background.committed);
	s64 released = book_get(&mem_background.released);
	s64 in_heap = book_get(&mem_background.in_heap);
	struct heap_cache *hc = atomic_load(&heap_caches);
	struct pages_sum sum;

	pages_check(&sum);
	for (size_t i = 0; i < USERS; i++) {
		page_cache_check(&users[i].pc, &sum);
		committed += book_get(&users[i].book.committed);
		released += book_get(&users[i].book.released);
		in_heap += book_get(&users[i].book.in_heap);
	}
	for (; hc; hc = hc->all_link) {
		page_cache_check(&hc->pages, &sum);
		committed += book_get(&hc->book.committed);
		released += book_get(&hc->book.released);
		in_heap += book_get(&hc->book.in_heap);
	}
	CHECK_EQ(sum.in_use, mem_get(&g->heap_in_use));
	CHECK_EQ(sum.free, mem_get(&g->heap_free));
	CHECK_EQ(sum.released, mem_get(&g->heap_released));
	CHECK_EQ(sum.in_use + sum.free + sum.released,
		 mem_get(&g->heap_mapped));
	CHECK_EQ(mem_get(&g->mapped_ready),
		 sum.in_use + sum.free + mem_get(&g->meta_mapped));
	CHECK_EQ(committed, sum.in_use + sum.free);
	CHECK_EQ(released, sum.released);
	CHECK_EQ(in_heap, sum.in_use);
}

/* Any order of operations; every page has its owner's mark. */
struct run {
	uintptr_t addr;
	size_t n;
};

#define RUNS	64

static inline void mark(uintptr_t addr, size_t n, uintptr_t with)
{
	for (size_t i = 0; i < n; i++)
		*(uintptr_t *)(addr + i * HPAGE_SIZE) = with + i;
}

static inline void check_marks(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		CHECK_EQ(*(uintptr_t *)(r->addr + i * HPAGE_SIZE), r->addr + i);
}

static inline u64 rnd(u64 *seed, u64 n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % n;
}

static inline size_t random_n(u64 *seed)
{
	static const size_t most[] = { 1, 4, 16, 16, 64, 600 };

	return 1 + rnd(seed, most[rnd(seed, 6)]);
}

static inline void run_alloc(struct user *u, struct run *r, u64 *seed)
{
	size_t align = rnd(seed, 8) ? 1 : (size_t)1 << rnd(seed, 6);
	bool zeroed;

	r->n = random_n(seed);
	r->addr = pages_alloc(&u->pc, &u->book, r->n, align, &zeroed);
	CHECK_NE(r->addr, 0);
	CHECK_EQ(r->addr % (align * HPAGE_SIZE), 0);
	if (zeroed)
		for (size_t i = 0; i < r->n; i++)
			CHECK_EQ(*(u64 *)(r->addr + i * HPAGE_SIZE), 0);
	mark(r->addr, r->n, r->addr);
}

static inline void run_free(struct user *u, struct run *r)
{
	check_marks(r);
	pages_free(&u->book, r->addr, r->n);
	r->n = 0;
}

static inline void random_step(struct user *u, struct run *runs, u64 *seed)
{
	struct run *r = &runs[rnd(seed, RUNS)];
	u64 what = rnd(seed, 512);

	if (what == 0)
		page_cache_flush(&u->pc);
	else if (what == 1)
		pages_scavenge(rnd(seed, 2) ? SIZE_MAX : 4 * MB);
	else if (!r->n)
		run_alloc(u, r, seed);
	else if (what < 64 && pages_extend(&u->book, r->addr + r->n *
					   HPAGE_SIZE, 1 + what % 20)) {
		mark(r->addr + r->n * HPAGE_SIZE, 1 + what % 20,
		     r->addr + r->n);
		r->n += 1 + what % 20;
	} else {
		run_free(u, r);
	}
}

#endif
