// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_pagebits.c - the page bitmaps and their summaries against a
 * model of one byte per page.
 */
#include "mm/pagebits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernel/check.h"

#define CHUNKS_MAX	600u		/* three levels of the tree */
#define PAGES_MAX	((size_t)CHUNKS_MAX * CHUNK_PAGES)

enum { FREE, RELEASED, USED, ABSENT };

static struct page_bits bits;
static u8 model[PAGES_MAX];
static size_t model_pages;
static u64 seed;

static u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static int setup(void **state)
{
	(void)state;
	seed = 88172645463325252;
	memset(&bits, 0, sizeof(bits));
	bits.chunk = calloc(CHUNKS_MAX, sizeof(*bits.chunk));
	for (unsigned int l = 0; l < BITS_LEVELS; l++)
		bits.level[l] = calloc(page_bits_nodes(CHUNKS_MAX, l),
				       sizeof(struct page_sum));
	memset(model, ABSENT, sizeof(model));
	model_pages = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(bits.chunk);
	for (unsigned int l = 0; l < BITS_LEVELS; l++)
		free(bits.level[l]);
	return 0;
}

static void grow(size_t nchunks, bool usable)
{
	page_bits_grow(&bits, nchunks, usable);
	memset(model + model_pages, usable ? RELEASED : USED,
	       nchunks * CHUNK_PAGES);
	model_pages += nchunks * CHUNK_PAGES;
}

static size_t model_find(size_t n)
{
	size_t run = 0;

	for (size_t i = 0; i < model_pages; i++) {
		run = model[i] < USED ? run + 1 : 0;
		if (run == n)
			return i + 1 - n;
	}
	return PAGE_NONE;
}

static size_t model_tail(void)
{
	size_t n = 0;

	while (n < model_pages && model[model_pages - 1 - n] < USED)
		n++;
	return n;
}

static bool model_free(size_t page, size_t n)
{
	for (size_t i = page; i < page + n; i++)
		if (i >= model_pages || model[i] >= USED)
			return false;
	return true;
}

static void check_counts(void)
{
	size_t free = 0, released = 0, f, r;

	for (size_t i = 0; i < model_pages; i++) {
		free += model[i] < USED;
		released += model[i] == RELEASED;
	}
	page_bits_count(&bits, &f, &r);
	assert_int_equal(f, free);
	assert_int_equal(r, released);
}

static void take(size_t page, size_t n)
{
	size_t released = 0;

	for (size_t i = page; i < page + n; i++) {
		assert_in_range(model[i], FREE, RELEASED);
		released += model[i] == RELEASED;
		model[i] = USED;
	}
	assert_int_equal(page_bits_take(&bits, page, n), released);
}

static void give(size_t page, size_t n, bool released)
{
	assert_true(page_bits_give(&bits, page, n, released));
	memset(model + page, released ? RELEASED : FREE, n);
}

static void take_word(void)
{
	size_t page = model_find(1), first;
	u64 free, released;

	first = page_bits_take_word(&bits, &free, &released);
	if (page == PAGE_NONE) {
		assert_int_equal(first, PAGE_NONE);
		return;
	}
	assert_int_equal(first, page & ~(size_t)63);
	for (unsigned int i = 0; i < 64; i++) {
		assert_int_equal(free >> i & 1, model[first + i] < USED);
		assert_int_equal(released >> i & 1,
				 model[first + i] == RELEASED);
		model[first + i] = USED;
	}
	/* Half of them again, as a cache is flushed. */
	free &= 0x5555555555555555;
	released &= free;
	page_bits_give_word(&bits, first, free, released);
	for (unsigned int i = 0; i < 64; i++)
		if (free >> i & 1)
			model[first + i] = released >> i & 1 ? RELEASED : FREE;
}

/* A run of pages in use, from a random page on. */
static size_t used_run(size_t *page, size_t max)
{
	size_t n = 0;

	*page = rnd(model_pages);
	while (n < max && *page + n < model_pages && model[*page + n] == USED)
		n++;
	return n;
}

static size_t random_n(void)
{
	static const size_t most[] = { 1, 4, 64, 200, 513, 5000, 20000 };

	return 1 + rnd(most[rnd(7)]);
}

static void random_step(void)
{
	size_t n = random_n(), page;

	switch (rnd(8)) {
	case 0:
		take_word();
		break;
	case 1:
		page = rnd(model_pages);
		assert_int_equal(page_bits_free(&bits, page, n),
				 model_free(page, n));
		break;
	case 2: case 3: case 4: case 5:
		n = used_run(&page, n);
		if (n)
			give(page, n, rnd(2));
		break;
	default:
		page = page_bits_find(&bits, n);
		assert_int_equal(page, model_find(n));
		if (page != PAGE_NONE)
			take(page, n);
		/* As the page heap does: nothing is free before it. */
		if (page != PAGE_NONE && n == 1)
			bits.hint = page >> CHUNK_SHIFT;
	}
}

/* From one level of the tree to three, with holes. */
static void test_random(void **state)
{
	static const size_t sizes[] = { 1, 15, 1, 16, 223, 1, 200 };
	int steps = mode_times(20000);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		grow(sizes[i], i != 3);
		for (int k = 0; k < steps; k++)
			random_step();
		assert_int_equal(page_bits_tail(&bits), model_tail());
		check_counts();
	}
}

/* What random operations hardly ever meet. */
static void test_full_and_empty(void **state)
{
	(void)state;
	assert_int_equal(page_bits_find(&bits, 1), PAGE_NONE);
	assert_int_equal(page_bits_tail(&bits), 0);
	grow(CHUNKS_MAX, true);
	assert_int_equal(page_bits_find(&bits, PAGES_MAX), 0);
	assert_int_equal(page_bits_find(&bits, PAGES_MAX + 1), PAGE_NONE);
	assert_int_equal(page_bits_tail(&bits), PAGES_MAX);
	take(0, PAGES_MAX);
	assert_int_equal(page_bits_find(&bits, 1), PAGE_NONE);
	assert_int_equal(page_bits_tail(&bits), 0);
	give(0, PAGES_MAX, true);
	assert_int_equal(page_bits_find(&bits, PAGES_MAX), 0);
	/* Across the borders of all levels, by one page more than one side. */
	take(PAGES_MAX / 2, 1);
	assert_int_equal(page_bits_find(&bits, PAGES_MAX / 2), 0);
	assert_int_equal(page_bits_find(&bits, PAGES_MAX / 2 + 1), PAGE_NONE);
	assert_int_equal(page_bits_tail(&bits), PAGES_MAX / 2 - 1);
}

/* A level of the tree that begins with a hole knows what was before it. */
static void test_level_by_hole(void **state)
{
	(void)state;
	grow(16, true);
	grow(16, false);
	assert_int_equal(page_bits_find(&bits, 16 * CHUNK_PAGES), 0);
	grow(15 * 16, false);
	assert_int_equal(page_bits_find(&bits, 1), 0);
	assert_int_equal(page_bits_find(&bits, 16 * CHUNK_PAGES + 1),
			 PAGE_NONE);
}

static void test_give_what_is_free(void **state)
{
	(void)state;
	grow(2, true);
	take(0, 600);
	give(100, 1, false);
	assert_false(page_bits_give(&bits, 100, 1, false));
	assert_false(page_bits_give(&bits, 99, 2, false));
	assert_false(page_bits_give(&bits, 0, 600, false));
	assert_false(page_bits_give(&bits, 590, 20, false));
	assert_int_equal(page_bits_find(&bits, 2), 600);
	check_counts();
}

static void test_free_beyond_end(void **state)
{
	(void)state;
	grow(1, true);
	assert_true(page_bits_free(&bits, 0, CHUNK_PAGES));
	assert_false(page_bits_free(&bits, 1, CHUNK_PAGES));
	assert_false(page_bits_free(&bits, CHUNK_PAGES, 1));
}

static void test_levels(void **state)
{
	(void)state;
	assert_int_equal(page_bits_levels(1), 1);
	assert_int_equal(page_bits_levels(16), 1);
	assert_int_equal(page_bits_levels(17), 2);
	assert_int_equal(page_bits_levels(256), 2);
	assert_int_equal(page_bits_levels(257), 3);
	assert_int_equal(page_bits_levels((size_t)1 << 20), 5);
	assert_int_equal(page_bits_nodes((size_t)1 << 20, 4), 16);
}

#define bits_test(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bits_test(test_levels),
		bits_test(test_full_and_empty),
		bits_test(test_level_by_hole),
		bits_test(test_give_what_is_free),
		bits_test(test_free_beyond_end),
		bits_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
