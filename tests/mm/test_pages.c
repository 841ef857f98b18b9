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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <gort/gort.h>
#include <gort/sync.h>
#include <gort/time.h>

#include "kernel/sched.h"
#include "kernel/time.h"
#include "mm/pages_state.h"
#include "mm/scavenge.h"
#include "mm/vm.h"
#include "tests/child.h"
#include "tests/kernel/check.h"
#include "tests/mm/page_users.h"

#undef errno
#define errno	(*__errno_location())

#define ARENA_PAGES	(ARENA_SIZE >> HPAGE_SHIFT)

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

static void test_align(void **state)
{
	struct user *u = &users[0];
	uintptr_t p[14];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = alloc(u, 3, (size_t)1 << i);
		assert_int_not_equal(p[i], 0);
		assert_int_equal(p[i] % (HPAGE_SIZE << i), 0);
		for (size_t k = 0; k < i; k++)
			assert_true(p[i] >= p[k] + 3 * HPAGE_SIZE ||
				    p[k] >= p[i] + 3 * HPAGE_SIZE);
	}
	check_books();
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		pages_free(&u->book, p[i], 3);
}

/* The lowest pages first, out of one word of the bitmap. */
static void test_cache(void **state)
{
	struct user *u = &users[0];
	uintptr_t a, b, c, d;

	(void)state;
	a = alloc(u, 16, 1);
	b = alloc(u, 1, 1);
	c = alloc(u, 15, 1);
	assert_int_equal(b, a + 16 * HPAGE_SIZE);
	assert_int_equal(c, b + HPAGE_SIZE);
	assert_int_equal(u->pc.base, a);
	assert_int_equal(__builtin_popcountll(u->pc.free), 32);
	check_books();
	/* Not from the cache, and not what it holds. */
	d = alloc(u, 17, 1);
	assert_int_equal(d, a + 64 * HPAGE_SIZE);
	/* Free, but the cache has taken the word. */
	pages_free(&u->book, b, 1);
	assert_int_equal(alloc(u, 1, 1), c + 15 * HPAGE_SIZE);
	check_books();
	page_cache_flush(&u->pc);
	assert_int_equal(u->pc.base, 0);
	check_books();
	assert_int_equal(alloc(u, 1, 1), b);
	/* Twice is once. */
	page_cache_flush(&u->pc);
	page_cache_flush(&u->pc);
	pages_free(&u->book, a, 33);
	pages_free(&u->book, d, 17);
}

/* Pieces too small for the request stay in the cache for smaller ones. */
static void test_cache_in_pieces(void **state)
{
	struct user *u = &users[0];
	uintptr_t p[64], a;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		p[i] = alloc(u, 1, 1);
	assert_int_equal(p[63], p[0] + 63 * HPAGE_SIZE);
	for (size_t i = 0; i < 64; i += 2)
		pages_free(&u->book, p[i], 1);
	assert_int_equal(alloc(u, 1, 1), p[0]);
	a = alloc(u, 2, 1);
	assert_int_equal(a, p[0] + 64 * HPAGE_SIZE);
	assert_int_equal(alloc(u, 1, 1), p[2]);
	check_books();
	pages_free(&u->book, a, 2);
	pages_free(&u->book, p[0], 1);
	pages_free(&u->book, p[2], 1);
	for (size_t i = 1; i < 64; i += 2)
		pages_free(&u->book, p[i], 1);
}

static void test_extend(void **state)
{
	struct user *u = &users[0];
	uintptr_t a = alloc(u, 100, 1), b, end;

	(void)state;
	b = a + 100 * HPAGE_SIZE;
	assert_true(pages_extend(&u->book, b, 20));
	memset((void *)b, 1, 20 * HPAGE_SIZE);
	assert_int_equal(mem_get(&mem_global.heap_in_use), 120 * HPAGE_SIZE);
	check_books();
	/* In use. */
	assert_false(pages_extend(&u->book, b, 1));
	assert_false(pages_extend(&u->book, a - HPAGE_SIZE, 2));
	/* The last page, and more than there are. */
	end = page_heap.base + page_heap.mapped;
	assert_true(pages_extend(&u->book, end - HPAGE_SIZE, 1));
	pages_free(&u->book, end - HPAGE_SIZE, 1);
	assert_false(pages_extend(&u->book, end - HPAGE_SIZE, 2));
	assert_false(pages_extend(&u->book, end, 1));
	assert_false(pages_extend(&u->book, b + 20 * HPAGE_SIZE, SIZE_MAX));
	check_books();
	pages_free(&u->book, a, 120);
}

/* One run across arenas, which joins what is free at the end. */
static void test_large(void **state)
{
	struct user *u = &users[0];
	u64 mapped = mem_get(&mem_global.heap_mapped);
	uintptr_t a = alloc(u, 10, 1), b;

	(void)state;
	b = alloc(u, mapped / HPAGE_SIZE + 2 * ARENA_PAGES, 1);
	assert_int_not_equal(b, 0);
	assert_int_equal(mem_get(&mem_global.heap_mapped),
			 mapped + 3 * ARENA_SIZE);
	assert_int_equal(page_heap.mapped, mapped + 3 * ARENA_SIZE);
	*(char *)b = 1;
	((char *)b)[mapped + 2 * ARENA_SIZE - 1] = 1;
	assert_null(atomic_load(page_span(b + mapped + ARENA_SIZE)));
	check_books();
	pages_free(&u->book, b, mapped / HPAGE_SIZE + 2 * ARENA_PAGES);
	pages_free(&u->book, a, 10);
	page_cache_flush(&u->pc);
	check_books();
	/* All of it is one run again. */
	b = alloc(u, mapped / HPAGE_SIZE + 3 * ARENA_PAGES, 1);
	assert_int_not_equal(b, 0);
	assert_int_equal(mem_get(&mem_global.heap_mapped),
			 mapped + 3 * ARENA_SIZE);
	pages_free(&u->book, b, mapped / HPAGE_SIZE + 3 * ARENA_PAGES);
}

static void test_too_large(void **state)
{
	static const size_t n[] = {
		SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 51, (size_t)1 << 40,
		((size_t)1 << (HEAP_SHIFT - HPAGE_SHIFT)) + 1,
	};
	struct user *u = &users[0];
	u64 mapped = mem_get(&mem_global.heap_mapped);

	(void)state;
	errno = 99;
	for (size_t i = 0; i < ARRAY_SIZE(n); i++) {
		assert_int_equal(alloc(u, n[i], 1), 0);
		assert_false(pages_extend(&u->book, page_heap.base, n[i]));
	}
	assert_int_equal(alloc(u, 1, (size_t)1 << 63), 0);
	assert_int_equal(alloc(u, 1, (size_t)1 << 40), 0);
	assert_int_equal(errno, 99);
	assert_int_equal(mem_get(&mem_global.heap_mapped), mapped);
}

static bool all_zero(uintptr_t p, size_t size)
{
	const char *s = (const char *)p;

	return !s[0] && !memcmp(s, s + 1, size - 1);
}

/* It says so only if it is true, and it is after growth and scavenging. */
static void test_zeroed(void **state)
{
	static const size_t sizes[] = { 1, 7, 16, 17, 300 };
	struct user *u = &users[0];
	bool zeroed;
	uintptr_t p;

	(void)state;
	page_cache_flush(&u->pc);
	pages_scavenge(SIZE_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = sizes[i];

		p = pages_alloc(&u->pc, &u->book, n, 1, &zeroed);
		assert_true(zeroed);
		assert_true(all_zero(p, n * HPAGE_SIZE));
		memset((void *)p, 0xa5, n * HPAGE_SIZE);
		pages_free(&u->book, p, n);
		page_cache_flush(&u->pc);
		/* The first pages are no longer zero. */
		p = pages_alloc(&u->pc, &u->book, n + 1, 1, &zeroed);
		assert_false(zeroed);
		pages_free(&u->book, p, n + 1);
		page_cache_flush(&u->pc);
		pages_scavenge(SIZE_MAX);
	}
}

static void random_steps(struct user *u, u64 seed, int n)
{
	struct run runs[RUNS] = { 0 };

	while (n--)
		random_step(u, runs, &seed);
	for (size_t i = 0; i < RUNS; i++)
		if (runs[i].n)
			run_free(u, &runs[i]);
}

static void test_random(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 10; seed++) {
		random_steps(&users[0], seed * 88172645463325252,
			     mode_times(4000));
		check_books();
	}
}

/* Threads that the runtime does not know. */

static void *thread_steps(void *arg)
{
	struct user *u = arg;

	random_steps(u, 1234567 + (u64)(u - users) * 7654321,
		     mode_times(4000));
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[USERS];

	(void)state;
	for (size_t i = 0; i < USERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, thread_steps,
						&users[i]), 0);
	for (size_t i = 0; i < USERS; i++)
		pthread_join(t[i], NULL);
	check_books();
}

/* Goroutines: a user each, so that they may be on any thread. */

static struct gort_waitgroup wg;

static void goroutine_steps(void *arg)
{
	struct user *u = arg;
	u64 seed = 987654 + (u64)(u - users) * 7654321;
	struct run runs[RUNS] = { 0 };

	for (int n = mode_times(5000); n; n--) {
		/* As a heap cache's owner does. */
		struct m *mp = acquirem();

		random_step(u, runs, &seed);
		releasem(mp);
		if (n % 64 == 0)
			gort_yield();
	}
	for (size_t i = 0; i < RUNS; i++)
		if (runs[i].n)
			run_free(u, &runs[i]);
	gort_waitgroup_done(&wg);
}

static void goroutines(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&wg, USERS);
	for (size_t i = 0; i < USERS; i++)
		CHECK_EQ(gort_go(goroutine_steps, &users[i]), 0);
	gort_waitgroup_wait(&wg);
}

static void test_goroutines(void **state)
{
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, thread_steps, &users[0]), 0);
	pthread_join(t, NULL);
	assert_int_equal(gort_run(goroutines, NULL), 0);
	check_books();
}

/*
 * No memory.
 */

static void fail_after(s64 n, bool for_good)
{
	atomic_store(&vm_fail_for_good, for_good);
	atomic_store(&vm_fail_after, n);
}

/* Each call of a growth fails once, and for good; then it works. */
static void fail_at_each(size_t n, size_t align, bool for_good)
{
	struct user *u = &users[0];
	uintptr_t p = 0;
	int fails;

	for (fails = 0; !p; fails++) {
		u64 mapped = mem_get(&mem_global.heap_mapped);

		errno = 99;
		fail_after(fails, for_good);
		p = alloc(u, n, align);
		fail_after(-1, false);
		assert_int_equal(errno, 99);
		check_books();
		if (p)
			break;
		assert_int_equal(mem_get(&mem_global.heap_mapped), mapped);
		assert_int_equal(mem_get(&mem_global.heap_in_use), 0);
	}
	/* Address, protection, and the table of spans. */
	assert_in_range(fails, 3, 20);
	((char *)p)[n * HPAGE_SIZE - 1] = 1;
	pages_free(&u->book, p, n);
}

static size_t more_pages(void)
{
	return mem_get(&mem_global.heap_mapped) / HPAGE_SIZE + 1;
}

static void test_injected(void **state)
{
	(void)state;
	page_cache_flush(&users[0].pc);
	fail_at_each(more_pages(), 1, false);
	fail_at_each(more_pages(), 1, true);
	fail_at_each(more_pages() + ARENA_PAGES * 16, 1, false);
	fail_at_each(more_pages(), 1024, true);
}

/* The cache finds no page in the bitmaps, and the heap does not grow. */
static void test_injected_cache(void **state)
{
	size_t n = mem_get(&mem_global.heap_mapped) / HPAGE_SIZE;
	struct user *u = &users[0];
	uintptr_t a, b;

	(void)state;
	page_cache_flush(&u->pc);
	a = alloc(u, n, 1);
	assert_int_not_equal(a, 0);
	fail_after(0, true);
	assert_int_equal(alloc(u, 1, 1), 0);
	assert_int_equal(alloc(u, 16, 1), 0);
	assert_int_equal(u->pc.base, 0);
	fail_after(-1, false);
	check_books();
	b = alloc(u, 1, 1);
	assert_int_not_equal(b, 0);
	assert_int_equal(mem_get(&mem_global.heap_mapped),
			 n * HPAGE_SIZE + ARENA_SIZE);
	check_books();
	pages_free(&u->book, a, n);
	pages_free(&u->book, b, 1);
}

/* Until the limit is reached; child: as the limit is for the process. */
static void run_into_rlimit(void *arg)
{
	int what = *(int *)arg;
	struct rlimit rl = { 0 };
	static struct run runs[256];
	size_t n = 0;
	int k;

	rl.rlim_cur = rl.rlim_max = (rlim_t)512 << 20;
	if (what == RLIMIT_AS)
		rl.rlim_cur = rl.rlim_max = (rlim_t)1 << 32;
	CHECK_EQ(setrlimit(what, &rl), 0);
	for (k = 0; k < 2; k++) {
		size_t had = n;

		for (n = 0; n < 256; n++) {
			runs[n].addr = alloc(&users[0], ARENA_PAGES / 2 + 1, 1);
			if (!runs[n].addr)
				break;
		}
		CHECK_LT(n, 256);
		CHECK_LT(2, n);
		/* The second time it is as much as the first time. */
		CHECK_EQ(n, k ? had : n);
		check_books();
		/* There are smaller pieces. */
		runs[255].addr = alloc(&users[0], 1, 1);
		CHECK_NE(runs[255].addr, 0);
		pages_free(&users[0].book, runs[255].addr, 1);
		for (size_t i = 0; i < n; i++)
			pages_free(&users[0].book, runs[i].addr,
				   ARENA_PAGES / 2 + 1);
		check_books();
	}
	_exit(7);
}

static void test_rlimits(void **state)
{
	int what[] = { RLIMIT_AS, RLIMIT_DATA };

	(void)state;
	/* Their own memory is beyond every limit. */
	if (mode_sanitized() || mode_emulated())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		child_run(run_into_rlimit, &what[i]);
		child_expect_exit(7);
	}
}

/* Somebody else has the addresses of the next arena. */
static void test_hole(void **state)
{
	u64 mapped = mem_get(&mem_global.heap_mapped);
	uintptr_t end = page_heap.base + page_heap.mapped, p;
	size_t n = mapped / HPAGE_SIZE + 1;
	struct user *u = &users[0];

	(void)state;
	if (pages.claimed)
		skip();
	assert_int_equal(vm_map(end + ARENA_SIZE - PAGE_SIZE, PAGE_SIZE,
				false), 0);
	p = alloc(u, n, 1);
	assert_int_equal(p, end + ARENA_SIZE);
	assert_true(page_in_heap(end));
	assert_null(atomic_load(page_span(end)));
	assert_null(atomic_load(page_span(end + ARENA_SIZE - 1)));
	((char *)p)[n * HPAGE_SIZE - 1] = 1;
	check_books();
	pages_free(&u->book, p, n);
	check_books();
	vm_free((void *)(end + ARENA_SIZE - PAGE_SIZE), PAGE_SIZE);
	/* It stays one. */
	assert_false(pages_extend(&u->book, end, 1));
}

/*
 * Records.
 */

static void test_meta(void **state)
{
	u64 in_use = mem_get(&mem_global.meta_in_use);
	u64 mapped, sum = 0;

	(void)state;
	for (size_t i = 0; i < 2000; i++) {
		size_t align = (size_t)1 << i % 7, size = 1 + i % 777;
		char *p = meta_alloc(size, align);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % align, 0);
		assert_true(size == 1 ? !*p : all_zero((uintptr_t)p, size));
		memset(p, 0xff, size);
		sum += size;
	}
	assert_int_equal(mem_get(&mem_global.meta_in_use), in_use + sum);
	assert_true(mem_get(&mem_global.meta_mapped) >= in_use + sum);
	/* One that has a mapping of its own, and one that does not fit. */
	mapped = mem_get(&mem_global.meta_mapped);
	assert_non_null(meta_alloc(MB + 1, 64));
	assert_int_equal(mem_get(&mem_global.meta_mapped),
			 mapped + MB + PAGE_SIZE);
	assert_null(meta_alloc(SIZE_MAX, 1));
	assert_null(meta_alloc(SIZE_MAX / 2, 64));
	check_books();
}

static void test_meta_no_memory(void **state)
{
	u64 mapped = mem_get(&mem_global.meta_mapped), in_use;
	int n = 0;

	(void)state;
	errno = 99;
	fail_after(0, true);
	while (meta_alloc(60000, 8))
		assert_in_range(n++, 0, 4);
	in_use = mem_get(&mem_global.meta_in_use);
	assert_null(meta_alloc(MB, 8));
	assert_int_equal(mem_get(&mem_global.meta_in_use), in_use);
	assert_int_equal(mem_get(&mem_global.meta_mapped), mapped);
	assert_int_equal(errno, 99);
	fail_after(-1, false);
	assert_non_null(meta_alloc(60000, 8));
	check_books();
}

/*
 * Giving memory back.
 */

static size_t resident(uintptr_t addr, size_t size)
{
	static unsigned char vec[1 << 16];
	size_t n = 0;

	assert_in_range(size / PAGE_SIZE, 1, sizeof(vec));
	assert_int_equal(mincore((void *)addr, size, vec), 0);
	for (size_t i = 0; i < size / PAGE_SIZE; i++)
		n += vec[i] & 1;
	return n * PAGE_SIZE;
}

/* The emulator has page tables of its own; sanitizers see what we see. */
static void assert_resident(uintptr_t addr, size_t size, size_t want)
{
	if (!mode_emulated())
		assert_int_equal(resident(addr, size), want);
}

#define BLOCK	((size_t)2 * MB)

/* Nothing free has memory, and n pages that all do. */
static uintptr_t touched(size_t n, size_t align)
{
	uintptr_t p;

	page_cache_flush(&users[0].pc);
	pages_scavenge(SIZE_MAX);
	p = alloc(&users[0], n, align);
	assert_int_not_equal(p, 0);
	memset((void *)p, 0x11, n * HPAGE_SIZE);
	return p;
}

static void test_scavenge(void **state)
{
	struct user *u = &users[0];
	size_t n = 16 * BLOCK / HPAGE_SIZE;
	uintptr_t p = touched(n, BLOCK_PAGES);
	u64 released = mem_get(&mem_global.heap_released);

	(void)state;
	assert_resident(p, 16 * BLOCK, 16 * BLOCK);
	/* All of it is in use. */
	assert_int_equal(pages_scavenge(SIZE_MAX), 0);
	pages_free(&u->book, p, n);
	check_books();
	assert_resident(p, 16 * BLOCK, 16 * BLOCK);
	errno = 99;
	assert_int_equal(pages_scavenge(1), BLOCK);
	assert_int_equal(pages_scavenge(BLOCK + 1), 2 * BLOCK);
	assert_int_equal(errno, 99);
	check_books();
	assert_int_equal(mem_get(&mem_global.heap_released),
			 released + 3 * BLOCK);
	/* From the top down: what is allocated first is kept longest. */
	assert_resident(p, 13 * BLOCK, 13 * BLOCK);
	assert_resident(p + 13 * BLOCK, 3 * BLOCK, 0);
	assert_int_equal(pages_scavenge(0), 0);
	assert_int_equal(pages_scavenge(SIZE_MAX), 13 * BLOCK);
	assert_resident(p, 16 * BLOCK, 0);
	assert_int_equal(mem_get(&mem_global.heap_free), 0);
	assert_int_equal(pages_scavenge(SIZE_MAX), 0);
}

/* A block in which one page is in use. */
static void test_scavenge_partly_used(void **state)
{
	struct user *u = &users[0];
	size_t n = 4 * BLOCK_PAGES;
	uintptr_t p = touched(n, BLOCK_PAGES);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		uintptr_t at = p + i * BLOCK;

		/* The pages 0 to 99 and 101 on. */
		pages_free(&u->book, at, 100);
		pages_free(&u->book, at + 101 * HPAGE_SIZE, BLOCK_PAGES - 101);
	}
	assert_int_equal(pages_scavenge(SIZE_MAX - 1), 0);
	assert_resident(p, 4 * BLOCK, 4 * BLOCK);
	assert_int_equal(pages_scavenge(SIZE_MAX), 4 * (BLOCK - HPAGE_SIZE));
	assert_resident(p, 4 * BLOCK, 4 * HPAGE_SIZE);
	check_books();
	for (size_t i = 0; i < 4; i++) {
		uintptr_t at = p + i * BLOCK + 100 * HPAGE_SIZE;

		assert_int_equal(*(char *)at, 0x11);
		assert_int_equal(((char *)at)[HPAGE_SIZE - 1], 0x11);
		assert_int_equal(((char *)at)[HPAGE_SIZE], 0);
		assert_int_equal(((char *)at)[-1], 0);
		pages_free(&u->book, at, 1);
	}
}

/* The kernel refuses: they stay what they were. */
static void test_scavenge_locked(void **state)
{
	uintptr_t p = touched(BLOCK_PAGES, BLOCK_PAGES);
	struct user *u = &users[0];
	bool zeroed;

	(void)state;
	/* Sanitizers lock nothing. */
	if (mode_sanitized() || mlock((void *)p, BLOCK)) {
		pages_free(&u->book, p, BLOCK_PAGES);
		skip();
	}
	pages_free(&u->book, p, BLOCK_PAGES);
	if (!mode_emulated()) {
		assert_int_equal(pages_scavenge(SIZE_MAX), 0);
		assert_int_equal(mem_get(&mem_global.heap_free), BLOCK);
		check_books();
		p = pages_alloc(&u->pc, &u->book, BLOCK_PAGES, BLOCK_PAGES,
				&zeroed);
		assert_false(zeroed);
		assert_int_equal(*(char *)p, 0x11);
		pages_free(&u->book, p, BLOCK_PAGES);
	}
	munlock((void *)p, BLOCK);
	assert_int_equal(pages_scavenge(SIZE_MAX), BLOCK);
}

static bool between_walks(s64 next)
{
	return next == TIME_NEVER || next - nanotime() > NSEC_PER_SEC / 2;
}

static s64 cputime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (s64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* Call it as sysmon would, but never wait, until the end of a walk.  *rest:
 * how much longer than it worked it wants to rest, at most. */
static s64 tick_walk(double *rest)
{
	s64 begin, spent, next;

	for (;;) {
		begin = cputime();
		next = scavenge_tick(INT64_MAX - 1);
		spent = cputime() - begin;
		if (between_walks(next))
			return next;
		if ((double)(next - nanotime()) > *rest * (double)spent)
			*rest = (double)(next - nanotime()) / (double)spent;
	}
}

static void test_background(void **state)
{
	struct user *u = &users[0];
	uintptr_t p = touched(16 * BLOCK_PAGES, BLOCK_PAGES);
	double rest = 0;
	u64 free;
	s64 next;

	(void)state;
	while (tick_walk(&rest) != TIME_NEVER)
		;
	pages_free(&u->book, p, 15 * BLOCK_PAGES);
	pages_free(&u->book, p + 15 * BLOCK + HPAGE_SIZE, BLOCK_PAGES - 1);
	free = mem_get(&mem_global.heap_free);
	/* The first walk finds that all of it is young. */
	next = tick_walk(&rest);
	assert_int_equal(mem_get(&mem_global.heap_free), free);
	assert_int_not_equal(next, TIME_NEVER);
	/* Not yet. */
	assert_int_equal(scavenge_tick(next - 1), next);
	assert_int_equal(mem_get(&mem_global.heap_free), free);
	/* Used meanwhile, and free again: younger than the others. */
	assert_true(pages_extend(&u->book, p + 3 * BLOCK, 1));
	pages_free(&u->book, p + 3 * BLOCK, 1);
	rest = 0;
	next = tick_walk(&rest);
	assert_true(rest > 50);
	assert_int_not_equal(next, TIME_NEVER);
	assert_resident(p, 3 * BLOCK, 0);
	assert_resident(p + 3 * BLOCK, BLOCK, BLOCK);
	assert_resident(p + 4 * BLOCK, 11 * BLOCK, 0);
	assert_int_equal(tick_walk(&rest), TIME_NEVER);
	assert_resident(p + 3 * BLOCK, BLOCK, 0);
	/* A huge page stays whole. */
	assert_resident(p + 15 * BLOCK, BLOCK, BLOCK);
	assert_int_equal(mem_get(&mem_global.heap_free), BLOCK - HPAGE_SIZE);
	check_books();
	pages_free(&u->book, p + 15 * BLOCK, 1);
}

/* By sysmon, while nothing else happens. */
static void wait_for_scavenger(void *arg)
{
	(void)arg;
	while (mem_get(&mem_global.heap_free) >= BLOCK)
		gort_sleep_ns(20000000);
}

static void test_sysmon(void **state)
{
	uintptr_t p = touched(8 * BLOCK_PAGES, BLOCK_PAGES);

	(void)state;
	pages_free(&users[0].book, p, 8 * BLOCK_PAGES);
	assert_int_equal(gort_run(wait_for_scavenger, NULL), 0);
	assert_resident(p, 8 * BLOCK, 0);
	check_books();
}

/*
 * The memory limit.
 */

static u64 ready(void)
{
	return mem_get(&mem_global.mapped_ready);
}

static void set_limit(u64 limit)
{
	atomic_store(&mem_global.limit, limit);
}

/* 32 MiB are free, but the next allocation cannot use them. */
static uintptr_t below_the_end(uintptr_t *last)
{
	struct user *u = &users[0];
	uintptr_t p = touched(16 * BLOCK_PAGES + 1, BLOCK_PAGES);

	/* One page of each block is in use but for the first eight. */
	pages_free(&u->book, p, 8 * BLOCK_PAGES);
	for (size_t i = 8; i < 16; i++)
		pages_free(&u->book, p + i * BLOCK + HPAGE_SIZE,
			   BLOCK_PAGES - 1);
	*last = p + 16 * BLOCK;
	return p;
}

static void free_below_the_end(uintptr_t p)
{
	for (size_t i = 8; i <= 16; i++)
		pages_free(&users[0].book, p + i * BLOCK, 1);
}

static void test_limit(void **state)
{
	struct user *u = &users[0];
	uintptr_t p, q, last;
	struct stack_stats st;
	u64 before, others;

	(void)state;
	p = below_the_end(&last);
	before = ready();
	stack_read_stats(&st);
	others = st.resident + mem_get(&mem_other);
	/* Just enough: nothing is given back. */
	set_limit(before + others + 8 * BLOCK + HPAGE_SIZE);
	q = alloc(u, 8 * BLOCK_PAGES + 1, 1);
	assert_true(q > last);
	assert_int_equal(ready(), before + 8 * BLOCK + HPAGE_SIZE);
	pages_free(&u->book, q, 8 * BLOCK_PAGES + 1);
	pages_scavenge(9 * BLOCK);
	free_below_the_end(p);

	/* A byte less: one block. */
	p = below_the_end(&last);
	before = ready();
	set_limit(before + others + 8 * BLOCK + HPAGE_SIZE - 1);
	q = alloc(u, 8 * BLOCK_PAGES + 1, 1);
	assert_int_equal(ready(), before + 7 * BLOCK + HPAGE_SIZE);
	/* Whole blocks first, then the others. */
	set_limit(ready() + others - 6 * BLOCK);
	assert_true(pages_extend(&u->book, q + 8 * BLOCK + HPAGE_SIZE, 1));
	assert_int_equal(ready(), before + 7 * BLOCK + 2 * HPAGE_SIZE -
			 7 * BLOCK);
	assert_resident(p, 8 * BLOCK, 0);
	assert_resident(p + 8 * BLOCK, 8 * BLOCK, 8 * BLOCK);
	set_limit(ready() + others - BLOCK);
	assert_true(pages_extend(&u->book, q + 8 * BLOCK + 2 * HPAGE_SIZE, 1));
	assert_true(ready() + others <= mem_get(&mem_global.limit));
	assert_resident(p + 8 * BLOCK, 6 * BLOCK, 6 * BLOCK);
	check_books();
	set_limit(UINT64_MAX);
	pages_free(&u->book, q, 8 * BLOCK_PAGES + 3);
	free_below_the_end(p);
}

/* It is never a reason to fail, and not asked again and again. */
static void test_limit_of_nothing(void **state)
{
	struct user *u = &users[0];
	uintptr_t p, q;

	(void)state;
	p = touched(100, 1);
	set_limit(0);
	q = alloc(u, 1000, 1);
	assert_int_not_equal(q, 0);
	assert_true(atomic_load(&pages.dry));
	pages_free(&u->book, p, 100);
	assert_false(atomic_load(&pages.dry));
	assert_int_equal(mem_get(&mem_global.heap_free), 100 * HPAGE_SIZE);
	p = alloc(u, 200, 1);
	assert_int_equal(mem_get(&mem_global.heap_free), 0);
	set_limit(UINT64_MAX);
	pages_free(&u->book, q, 1000);
	pages_free(&u->book, p, 200);
}

static void test_limit_from_env(void **state)
{
	(void)state;
	setenv("GORTMEMLIMIT", "3GiB", 1);
	assert_int_equal(debug_parse_env(), 0);
	assert_int_equal(mem_get(&mem_global.limit), (u64)3 << 30);
	setenv("GORTMEMLIMIT", "3Gib", 1);
	assert_int_equal(debug_parse_env(), -EINVAL);
	assert_int_equal(mem_get(&mem_global.limit), (u64)3 << 30);
	setenv("GORTMEMLIMIT", "", 1);
	assert_int_equal(debug_parse_env(), 0);
	assert_int_equal(mem_get(&mem_global.limit), UINT64_MAX);
	setenv("GORTMEMLIMIT", "off", 1);
	set_limit(1);
	assert_int_equal(debug_parse_env(), 0);
	assert_int_equal(mem_get(&mem_global.limit), UINT64_MAX);
	set_limit(1);
	unsetenv("GORTMEMLIMIT");
	assert_int_equal(debug_parse_env(), 0);
	assert_int_equal(mem_get(&mem_global.limit), UINT64_MAX);
}

/*
 * fork().
 */

static _Atomic bool forking;

static void *scavenge_all_the_time(void *arg)
{
	struct user *u = arg;
	u64 seed = 4711;
	struct run r;

	while (atomic_load(&forking)) {
		run_alloc(u, &r, &seed);
		run_free(u, &r);
		pages_scavenge(SIZE_MAX);
	}
	return NULL;
}

/* What others were about to do does not matter to the child. */
static int fork_once(void)
{
	int status;
	pid_t pid;

	/* The heap's handlers take the lock. */
	CHECK_EQ(heap_init(), 0);
	pid = fork();
	if (!pid) {
		struct pages_sum sum;
		uintptr_t p;

		alarm(CHILD_SECONDS);
		CHECK_EQ(pages.scavenging, 0);
		pages_check(&sum);
		p = alloc(&users[0], ARENA_PAGES, 1);
		pages_free(&users[0].book, p, ARENA_PAGES);
		pages_scavenge(SIZE_MAX);
		_exit(p ? 7 : 1);
	}
	CHECK_LT(0, pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_fork(void **state)
{
	pthread_t t[2];

	(void)state;
	/* The emulator and sanitizers have locks of their own. */
	if (mode_emulated() || mode_sanitized())
		skip();
	atomic_store(&forking, true);
	for (size_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, scavenge_all_the_time,
			       &users[i + 1]);
	for (int i = mode_times(30); i; i--)
		assert_int_equal(fork_once(), 7);
	atomic_store(&forking, false);
	for (size_t i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static void fork_goroutine(void *arg)
{
	(void)arg;
	CHECK_EQ(fork_once(), 7);
}

static void test_fork_in_goroutine(void **state)
{
	(void)state;
	if (mode_emulated() || mode_sanitized())
		skip();
	assert_int_equal(gort_run(fork_goroutine, NULL), 0);
}

/*
 * Mistakes of ours.
 */

static void free_twice(void *arg)
{
	uintptr_t p = alloc(&users[0], 20, 1);

	(void)arg;
	pages_free(&users[0].book, p, 20);
	pages_free(&users[0].book, p + HPAGE_SIZE, 1);
}

static void test_free_twice(void **state)
{
	(void)state;
	child_run(free_twice, NULL);
	child_expect_exit(2);
	child_expect_text("pages freed that are not in use");
}

/*
 * Where the heap lies: before there is one in this process.
 */

static void use_reservation(void *arg)
{
	uintptr_t p;

	(void)arg;
	CHECK_EQ(vm_map(HEAP_BASE, PAGE_SIZE, false), 0);
	CHECK_EQ(pages_init(), 0);
	CHECK_EQ(pages.claimed, true);
	CHECK_NE(page_heap.base, HEAP_BASE);
	CHECK_EQ(page_heap.base % ARENA_SIZE, 0);
	for (int i = 0; i < 3; i++) {
		fail_after(i, false);
		CHECK_EQ(alloc(&users[0], 1, 1), 0);
		check_books();
	}
	fail_after(-1, false);
	p = alloc(&users[0], ARENA_PAGES * 3, 1);
	CHECK_NE(p, 0);
	((char *)p)[ARENA_SIZE * 3 - 1] = 1;
	check_books();
	/* Where it ends. */
	CHECK_EQ(alloc(&users[0], (pages.nchunks_max << CHUNK_SHIFT) + 1, 1), 0);
	CHECK_EQ(alloc(&users[0], (pages.nchunks_max << CHUNK_SHIFT) - 1, 1), 0);
	check_books();
	pages_free(&users[0].book, p, ARENA_PAGES * 3);
	CHECK_EQ(pages_scavenge(SIZE_MAX), ARENA_SIZE * 3);
	random_steps(&users[0], 42, 2000);
	check_books();
	_exit(7);
}

static void test_reservation(void **state)
{
	(void)state;
	child_run(use_reservation, NULL);
	child_expect_exit(7);
}

static void no_place(void *arg)
{
	(void)arg;
	fail_after(0, true);
	CHECK_EQ(alloc(&users[0], 1, 1), 0);
	CHECK_EQ(pages_init(), -ENOMEM);
	CHECK_EQ(alloc(&users[0], 1, 1), 0);
	fail_after(-1, false);
	CHECK_EQ(pages_init(), 0);
	CHECK_NE(alloc(&users[0], 1, 1), 0);
	check_books();
	_exit(7);
}

static void test_no_place(void **state)
{
	(void)state;
	child_run(no_place, NULL);
	child_expect_exit(7);
}

static void test_init(void **state)
{
	(void)state;
	assert_false(page_in_heap((uintptr_t)&users));
	assert_false(page_in_heap(HEAP_BASE));
	assert_int_equal(pages_init(), 0);
	assert_int_equal(pages_init(), 0);
	assert_int_equal(mem_get(&mem_global.mapped_ready), 0);
}

#define pages_test(fn)	cmocka_unit_test_teardown(fn, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reservation),
		cmocka_unit_test(test_no_place),
		cmocka_unit_test(test_init),
		pages_test(test_alloc_free),
		pages_test(test_rlimits),
		pages_test(test_align),
		pages_test(test_cache),
		pages_test(test_cache_in_pieces),
		pages_test(test_extend),
		pages_test(test_large),
		pages_test(test_too_large),
		pages_test(test_zeroed),
		pages_test(test_random),
		pages_test(test_threads),
		pages_test(test_goroutines),
		pages_test(test_injected),
		pages_test(test_injected_cache),
		pages_test(test_hole),
		pages_test(test_meta),
		pages_test(test_meta_no_memory),
		pages_test(test_scavenge),
		pages_test(test_scavenge_partly_used),
		pages_test(test_scavenge_locked),
		pages_test(test_background),
		pages_test(test_sysmon),
		pages_test(test_limit),
		pages_test(test_limit_of_nothing),
		pages_test(test_limit_from_env),
		pages_test(test_fork),
		pages_test(test_fork_in_goroutine),
		pages_test(test_free_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
