// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_pages.c - the page heap: what it gives out, its books, and
 * what happens when there is no memory.
 */
#define _GNU_SOURCE
#include "mm/pages.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "mm/vm.h"
#include "tests/child.h"
#include "tests/kernel/check.h"

#undef errno
#define errno	(*__errno_location())

#define MB		((size_t)1 << 20)
#define ARENA_PAGES	(ARENA_SIZE >> HPAGE_SHIFT)

/* What a heap cache is to the page heap. */
struct user {
	struct page_cache pc;
	struct mem_book book;
};

#define USERS	8
static struct user users[USERS];

static s64 book_get(const _Atomic s64 *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* The identities of mm/pages.c.  Nobody may be inside.  Also for children,
 * which cannot use cmocka's asserts. */
static void check_books(void)
{
	const struct mem_global *g = &mem_global;
	s64 committed = 0, released = 0, in_heap = 0;
	struct pages_sum sum;

	pages_check(&sum);
	for (size_t i = 0; i < USERS; i++) {
		page_cache_check(&users[i].pc, &sum);
		committed += book_get(&users[i].book.committed);
		released += book_get(&users[i].book.released);
		in_heap += book_get(&users[i].book.in_heap);
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

static uintptr_t alloc(struct user *u, size_t n, size_t align)
{
	bool zeroed;

	return pages_alloc(&u->pc, &u->book, n, align, &zeroed);
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < USERS; i++)
		page_cache_flush(&users[i].pc);
	check_books();
	assert_int_equal(mem_get(&mem_global.heap_in_use), 0);
	return 0;
}

static void test_alloc_free(void **state)
{
	struct user *u = &users[0];
	uintptr_t a, b;

	(void)state;
	a = alloc(u, 1, 1);
	assert_int_not_equal(a, 0);
	assert_int_equal(a % HPAGE_SIZE, 0);
	assert_true(page_in_heap(a));
	assert_true(page_in_heap(a + HPAGE_SIZE - 1));
	assert_null(atomic_load(page_span(a)));
	assert_false(page_in_heap(page_heap.base - 1));
	assert_false(page_in_heap(page_heap.base + page_heap.mapped));
	assert_int_equal(mem_get(&mem_global.heap_in_use), HPAGE_SIZE);
	assert_int_equal(mem_get(&mem_global.heap_mapped), ARENA_SIZE);
	b = alloc(u, 1000, 1);
	assert_int_not_equal(b, 0);
	memset((void *)a, 1, HPAGE_SIZE);
	memset((void *)b, 1, 1000 * HPAGE_SIZE);
	check_books();
	pages_free(&u->book, b, 1000);
	check_books();
	pages_free(&u->book, a, 1);
}

#define pages_test(fn)	cmocka_unit_test_teardown(fn, teardown)

static int init(void **state)
{
	(void)state;
	assert_false(page_in_heap((uintptr_t)&users));
	assert_int_equal(pages_init(), 0);
	assert_int_equal(pages_init(), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pages_test(test_alloc_free),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
