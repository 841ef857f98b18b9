// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_arena.c - memory that stays, and strings in it.
 */
#include "trace/arena.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernel/check.h"

#define CHUNK	((size_t)256 << 10)
#define THREADS	8

static bool is_zero(const char *p, size_t size)
{
	while (size && !*p)
		p++, size--;
	return !size;
}

/* Of all sizes, beyond that of a chunk: zeroed, aligned, each its own. */
static void test_alloc(void **state)
{
	char *p[2000];
	size_t n = 0;

	(void)state;
	for (size_t size = 1; size < 3 * CHUNK; size += size / 16 + 1) {
		p[n] = arena_alloc(size);
		assert_non_null(p[n]);
		assert_int_equal((uintptr_t)p[n] % 8, 0);
		assert_true(is_zero(p[n], size));
		memset(p[n], (int)(n % 255 + 1), size);
		n++;
	}
	n = 0;
	for (size_t size = 1; size < 3 * CHUNK; size += size / 16 + 1, n++)
		for (size_t i = 0; i < size; i += size / 7 + 1)
			assert_int_equal(p[n][i] & 255, n % 255 + 1);
	assert_null(arena_alloc(SIZE_MAX / 2));
}

/* The last can be taken back, is zeroed, and others stay. */
static void test_undo(void **state)
{
	char *a, *b;

	(void)state;
	/* Not at the end of a chunk. */
	do {
		a = arena_alloc(100);
		b = arena_alloc(300);
		assert_true(a && b);
	} while (b != a + 104);
	memset(a, 1, 100);
	memset(b, 2, 300);
	arena_undo(b, 300);
	assert_ptr_equal(arena_alloc(200), b);
	assert_true(is_zero(b, 300));
	assert_false(is_zero(a, 1));
	/* That is not the last. */
	arena_undo(a, 100);
	assert_ptr_not_equal(arena_alloc(8), a);
	/* One with a mapping of its own. */
	a = arena_alloc(CHUNK);
	memset(a, 1, CHUNK);
	arena_undo(a, CHUNK);
}

static void test_intern(void **state)
{
	char text[] = "some/text";
	const char *s = arena_intern(text, NULL);

	(void)state;
	assert_string_equal(s, "some/text");
	assert_ptr_not_equal(s, text);
	text[0] = 'c';
	assert_string_equal(s, "some/text");
	assert_ptr_equal(arena_intern("some/text", NULL), s);
	assert_ptr_equal(arena_intern("some", "text"), s);
	assert_ptr_equal(arena_intern("", "some/text"), s);
	assert_ptr_not_equal(arena_intern("some/tex", NULL), s);
	assert_ptr_not_equal(arena_intern("some/text/", NULL), s);
	assert_string_equal(arena_intern("some", ""), "some/");
	assert_string_equal(arena_intern("", NULL), "");
	assert_ptr_equal(arena_intern("", ""), arena_intern("", NULL));
}

static _Atomic(const char *) interned[2000];
static _Atomic int ready;

static void *intern_all(void *arg)
{
	size_t from = (size_t)arg, n = ARRAY_SIZE(interned);
	char text[32];

	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < THREADS)
		sched_yield();
	for (size_t i = 0; i < n; i++) {
		size_t k = (from + i) % n;
		const char *s, *first = NULL;

		snprintf(text, sizeof(text), "string %zu", k);
		s = arena_intern(text, NULL);
		CHECK_EQ(strcmp(s, text), 0);
		if (!atomic_compare_exchange_strong(&interned[k], &first, s))
			CHECK_EQ((uintptr_t)first, (uintptr_t)s);
	}
	return NULL;
}

/* Equal strings are equal pointers, whoever is first. */
static void test_intern_race(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, intern_all,
						(void *)(i % 2 * i * 100)), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void *alloc_many(void *arg)
{
	size_t id = (size_t)arg + 1;
	unsigned char *p[500];

	for (int round = 0; round < mode_times(20); round++) {
		for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
			size_t size = 8 + i % 300;

			p[i] = arena_alloc(size);
			CHECK_EQ(is_zero((char *)p[i], size), true);
			memset(p[i], (int)id, size);
			/* Whether it was the last or not. */
			if (i % 3 == 0) {
				arena_undo(p[i], size);
				p[i] = NULL;
			}
		}
		for (size_t i = 0; i < ARRAY_SIZE(p); i++)
			if (p[i])
				CHECK_EQ(p[i][7 + i % 300], id);
	}
	return NULL;
}

static void test_alloc_race(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, alloc_many,
						(void *)i), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_intern),
		cmocka_unit_test(test_intern_race),
		cmocka_unit_test(test_alloc_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
