// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_heap_fatal.c - what is no object, or not one any more, is
 * noticed when it is freed, and named; GORTDEBUG=heappoison=1.
 *
 * A child says what it is about to free and how large the objects there are,
 * and frees it: the message must have both.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <sys/mman.h>

#include "child.h"
#include "heapmodel.h"

#define SIZE	((size_t)112)	/* of a class */
#define LARGE	((size_t)1 << 20)

/* Where a child does what it does. */
struct place {
	void (*fn)(void *);
};

static void run_in_goroutine(void *arg)
{
	struct place *c = arg;

	gort_run(c->fn, NULL);
}

static void run_on_system_stack_g(void *arg)
{
	gort_systemstack_call(((struct place *)arg)->fn, NULL);
}

static void run_on_system_stack(void *arg)
{
	gort_run(run_on_system_stack_g, arg);
}

static void *run_thread(void *arg)
{
	((struct place *)arg)->fn(NULL);
	return NULL;
}

static void run_in_thread(void *arg)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, run_thread, arg), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

/* In the child: what the message is to name. */
static void says(const void *p, size_t size)
{
	dprintf(2, "bad pointer %p of size %zu.\n", p, size);
}

static void expect_named(const char *what)
{
	unsigned long addr, size;
	const char *said = strstr(child_err, "bad pointer ");
	char text[200];

	child_expect_exit(2);
	if (!said || sscanf(said, "bad pointer %lx of size %lu.", &addr,
			    &size) != 2)
		fail_msg("the child did not say what it frees");
	snprintf(text, sizeof(text), "fatal error: %s 0x%lx: ", what, addr);
	child_expect_text(text);
	if (!size)
		return;
	child_expect_text(": span 0x");
	if (size == LARGE)
		snprintf(text, sizeof(text), ", one object of %lu bytes", size);
	else
		snprintf(text, sizeof(text), " of %lu bytes, object ", size);
	child_expect_text(text);
}

/* From each context the same message. */
static void expect_everywhere(void (*fn)(void *), const char *what)
{
	static void (*const places[])(void *) = {
		run_in_goroutine, run_on_system_stack, run_in_thread,
	};
	struct place place = { fn };

	child_run(fn, NULL);
	expect_named(what);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		child_run(places[i], &place);
		expect_named(what);
	}
}

/* By another thread, which ends. */
static void *free_thread(void *p)
{
	gort_free(p);
	return NULL;
}

static void free_elsewhere(void *p)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, free_thread, p), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

/*
 * Twice.  Others of the span stay in use, so that it is one.
 */

static void *object(size_t size)
{
	void *p = NULL;

	for (int i = 0; i < 8; i++)
		p = gort_alloc(size);
	return p;
}

static void twice(void *arg)
{
	void *p = object(SIZE);

	(void)arg;
	gort_free(p);
	says(p, SIZE);
	gort_free(p);
}

static void twice_with_more_between(void *arg)
{
	void *p = object(SIZE), *q = object(SIZE);

	(void)arg;
	gort_free(p);
	gort_free(q);
	says(p, SIZE);
	gort_free(p);
}

static void mine_then_others(void *arg)
{
	void *p = object(SIZE);

	(void)arg;
	gort_free(p);
	says(p, SIZE);
	free_elsewhere(p);
}

static void others_then_mine(void *arg)
{
	void *p = object(SIZE);

	(void)arg;
	free_elsewhere(p);
	says(p, SIZE);
	gort_free(p);
}

static void others_twice(void *arg)
{
	void *p = object(SIZE);

	(void)arg;
	free_elsewhere(p);
	says(p, SIZE);
	free_elsewhere(p);
}

static void twice_by_realloc(void *arg)
{
	void *p = object(SIZE);

	(void)arg;
	gort_free(p);
	says(p, SIZE);
	p = gort_realloc(p, 2 * SIZE);
}

static void size_of_freed(void *arg)
{
	void *p = object(SIZE);

	(void)arg;
	gort_free(p);
	says(p, SIZE);
	CHECK_EQ(gort_usable_size(p), SIZE);
}

static void never_given_out(void *arg)
{
	char *p = gort_alloc(SIZE);

	(void)arg;
	says(p + SIZE, SIZE);
	gort_free(p + SIZE);
}

static void test_double_free(void **state)
{
	(void)state;
	expect_everywhere(twice, "double free of");
	expect_everywhere(twice_with_more_between, "double free of");
	expect_everywhere(mine_then_others, "double free of");
	expect_everywhere(others_then_mine, "double free of");
	expect_everywhere(others_twice, "double free of");
	expect_everywhere(twice_by_realloc, "double free of");
	expect_everywhere(size_of_freed, "double free of");
	expect_everywhere(never_given_out, "double free of");
}

static void twice_large(void *arg)
{
	void *p = gort_alloc(LARGE);

	(void)arg;
	gort_free(p);
	says(p, 0);
	gort_free(p);
}

static void others_then_mine_large(void *arg)
{
	void *p = gort_alloc(LARGE);

	(void)arg;
	free_elsewhere(p);
	says(p, 0);
	gort_free(p);
}

static void test_double_free_large(void **state)
{
	(void)state;
	expect_everywhere(twice_large, "free of wild pointer");
	expect_everywhere(others_then_mine_large, "free of wild pointer");
	child_expect_text("freed before");
}

/* Its span is none any more: its pages are nobody's. */
static void twice_without_span(void *arg)
{
	void *p = gort_alloc(SIZE);

	(void)arg;
	gort_free(p);
	heap_hold_threads();
	heap_flush();
	heap_let_threads_go();
	says(p, 0);
	gort_free(p);
}

/* Or somebody else's: a large object's, at its beginning or in it. */
static void twice_in_large(void *arg)
{
	char *p = gort_alloc(SIZE), *q;

	(void)arg;
	gort_free(p);
	heap_hold_threads();
	heap_flush();
	heap_let_threads_go();
	q = gort_alloc(LARGE);
	/* Where it is does not matter to the test that follows. */
	says(p, 0);
	CHECK_NE((uintptr_t)q, 0);
	gort_free(p + (p == q ? 16 : 0));
}

static void test_double_free_later(void **state)
{
	(void)state;
	child_run(twice_without_span, NULL);
	expect_named("free of wild pointer");
	child_expect_text("freed before");
	child_run(twice_in_large, NULL);
	child_expect_exit(2);
	child_expect_text("fatal error: free of ");
}

/*
 * Anywhere.
 */

static volatile uintptr_t wild_at;

static void wild(void *arg)
{
	uintptr_t addr = *(uintptr_t *)arg;

	gort_free(gort_alloc(1));
	says((void *)addr, 0);
	gort_free((void *)addr);
}

static void wild_g(void *arg)
{
	gort_run(wild, arg);
}

static void expect_wild(uintptr_t addr)
{
	child_run(wild, &addr);
	expect_named("free of wild pointer");
	child_run(wild_g, &addr);
	expect_named("free of wild pointer");
}

/* The pointer is to the child's own. */
static void wild_stack(void *arg)
{
	char here[64];

	(void)arg;
	wild_at = (uintptr_t)here;
	says((void *)wild_at, 0);
	gort_free((void *)wild_at);
}

static void wild_records(void *arg)
{
	(void)arg;
	gort_free(gort_alloc(1));
	wild_at = (uintptr_t)atomic_load(&heap_caches);
	says((void *)wild_at, 0);
	gort_free((void *)wild_at);
}

static void wild_table(void *arg)
{
	(void)arg;
	gort_free(gort_alloc(1));
	wild_at = (uintptr_t)page_heap.spans;
	says((void *)wild_at, 0);
	gort_free((void *)wild_at);
}

static void wild_record_of_span(void *arg)
{
	uintptr_t p = (uintptr_t)object(SIZE);

	(void)arg;
	wild_at = (uintptr_t)atomic_load(page_span(p));
	says((void *)wild_at, 0);
	gort_free((void *)wild_at);
}

/* Behind all that there is, and the last bytes of what there is. */
static void wild_end(void *arg)
{
	gort_free(gort_alloc(1));
	wild_at = page_heap.base + atomic_load(&page_heap.mapped);
	if (arg)
		wild_at -= 16;
	says((void *)wild_at, 0);
	gort_free((void *)wild_at);
}

static void wild_mapped(void *arg)
{
	(void)arg;
	wild_at = (uintptr_t)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	says((void *)wild_at, 0);
	gort_free((void *)wild_at);
}

static void wild_first(void *arg)
{
	says(arg, 0);
	gort_free(arg);
}

static void test_wild(void **state)
{
	static void (*const fns[])(void *) = {
		wild_stack, wild_records, wild_table, wild_record_of_span,
		wild_end, wild_mapped,
	};
	static char data[64];

	(void)state;
	expect_wild(8);
	expect_wild(4095);
	expect_wild((uintptr_t)test_wild);
	expect_wild((uintptr_t)data);
	expect_wild((uintptr_t)-16);
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++)
		expect_everywhere(fns[i], "free of wild pointer");
	child_run(wild_end, data);
	expect_named("free of wild pointer");
	/* Nobody has used the heap. */
	child_run(wild_first, data);
	expect_named("free of wild pointer");
	child_expect_text("not in the heap");
}

/* Into objects. */

static void interior(void *arg)
{
	char *p = object(SIZE);

	(void)arg;
	says(p + 16, SIZE);
	gort_free(p + 16);
}

static void interior_last(void *arg)
{
	char *p = object(SIZE);

	(void)arg;
	says(p + SIZE - 8, SIZE);
	gort_free(p + SIZE - 8);
}

static void interior_large(void *arg)
{
	char *p = gort_alloc(LARGE);

	(void)arg;
	says(p + 16, LARGE);
	gort_free(p + 16);
}

static void interior_large_page(void *arg)
{
	char *p = gort_alloc(LARGE);

	(void)arg;
	says(p + HPAGE_SIZE, LARGE);
	gort_free(p + HPAGE_SIZE);
}

static void interior_large_last(void *arg)
{
	char *p = gort_alloc(LARGE);

	(void)arg;
	says(p + LARGE - 16, LARGE);
	gort_free(p + LARGE - 16);
}

static void interior_realloc(void *arg)
{
	char *p = object(SIZE);

	(void)arg;
	says(p + 16, SIZE);
	p = gort_realloc(p + 16, 1);
}

static void interior_of_freed(void *arg)
{
	char *p = object(SIZE);

	(void)arg;
	gort_free(p);
	says(p + 16, SIZE);
	gort_free(p + 16);
}

static void test_interior(void **state)
{
	(void)state;
	expect_everywhere(interior, "free of interior pointer");
	expect_everywhere(interior_last, "free of interior pointer");
	expect_everywhere(interior_large, "free of interior pointer");
	expect_everywhere(interior_large_page, "free of interior pointer");
	expect_everywhere(interior_large_last, "free of interior pointer");
	expect_everywhere(interior_realloc, "free of interior pointer");
	expect_everywhere(interior_of_freed, "free of interior pointer");
}

static void misaligned(void *arg)
{
	char *p = object(SIZE);

	(void)arg;
	says(p + 1, SIZE);
	gort_free(p + 1);
}

static void misaligned_usable(void *arg)
{
	char *p = object(SIZE);

	(void)arg;
	says(p + 9, SIZE);
	CHECK_EQ(gort_usable_size(p + 9), 0);
}

static void misaligned_large(void *arg)
{
	char *p = gort_alloc(LARGE);

	(void)arg;
	says(p + 4, LARGE);
	gort_free(p + 4);
}

static void test_misaligned(void **state)
{
	(void)state;
	expect_everywhere(misaligned, "free of misaligned pointer");
	expect_everywhere(misaligned_usable, "free of misaligned pointer");
	expect_everywhere(misaligned_large, "free of misaligned pointer");
}

/* What is left of a span behind its last object is none. */
static void tail(void *arg)
{
	unsigned int class = *(unsigned int *)arg;
	struct span *s;
	uintptr_t p;

	p = (uintptr_t)gort_alloc(class_size[class]);
	s = atomic_load(page_span(p));
	p = s->base + (uintptr_t)s->nobj * s->size;
	says((void *)p, s->size);
	gort_free((void *)p);
}

static void test_tail(void **state)
{
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 1; i < NR_SIZE_CLASSES; i++) {
		if (class_objs[i] * class_size[i] ==
		    class_pages[i] * HPAGE_SIZE)
			continue;
		child_run(tail, &i);
		expect_named("free of wild pointer");
		n++;
	}
	assert_int_not_equal(n, 0);
}

/*
 * Poison.
 */

/* Besides what the mode wants. */
static void use_poison(void)
{
	const char *was = getenv("GORTDEBUG");
	char value[200];

	snprintf(value, sizeof(value), "%s%sheappoison=1", was ? was : "",
		 was && *was ? "," : "");
	setenv("GORTDEBUG", value, 1);
}

__attribute__((__no_sanitize__("address"), __noinline__))
static void write_at(volatile unsigned char *p, unsigned char value)
{
	*p = value;
}

__attribute__((__no_sanitize__("address"), __noinline__))
static void check_all(const volatile unsigned char *p, size_t n,
		      unsigned char value)
{
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i], value);
}

/* Allocate until that object is given out again, or would be. */
static void use_all(size_t size)
{
	for (int i = 0; i < 100000; i++)
		if (!gort_alloc(size))
			_exit(3);
	_exit(4);
}

static void write_after_free(size_t at)
{
	unsigned char *p;

	use_poison();
	p = object(SIZE);
	gort_free(p);
	write_at(p + at, 1);
	says(p, SIZE);
	use_all(SIZE);
}

static void write_first(void *arg)
{
	(void)arg;
	write_after_free(0);
}

static void write_last(void *arg)
{
	(void)arg;
	write_after_free(SIZE - 1);
}

static void write_after_remote_free(void *arg)
{
	unsigned char *p;

	(void)arg;
	use_poison();
	p = object(SIZE);
	free_elsewhere(p);
	write_at(p + 50, 1);
	says(p, SIZE);
	use_all(SIZE);
}

/* Nobody had it yet. */
static void write_before_alloc(void *arg)
{
	unsigned char *p;

	(void)arg;
	use_poison();
	p = (unsigned char *)gort_alloc(SIZE) + SIZE;
	write_at(p, 1);
	says(p, SIZE);
	use_all(SIZE);
}

/* GORTDEBUG is read by gort_run() again. */
static void poison_run(void *arg)
{
	use_poison();
	run_in_goroutine(arg);
}

static void expect_poison(void (*fn)(void *), const char *what)
{
	struct place place = { fn };

	child_run(fn, NULL);
	expect_named(what);
	child_run(poison_run, &place);
	expect_named(what);
	child_run(run_in_thread, &place);
	expect_named(what);
}

static void test_write_after_free(void **state)
{
	(void)state;
	expect_poison(write_first, "write after free of");
	expect_poison(write_last, "write after free of");
	expect_poison(write_after_remote_free, "write after free of");
	expect_poison(write_before_alloc, "write after free of");
}

/* That double frees are found does not depend on it. */
static void poison_twice(void *arg)
{
	use_poison();
	twice(arg);
}

static void test_poison_double_free(void **state)
{
	(void)state;
	expect_poison(poison_twice, "double free of");
}

static void see_poison(void *arg)
{
	static const size_t sizes[] = { 8, SIZE, 1024, 32768, LARGE };

	(void)arg;
	use_poison();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *p = gort_alloc(sizes[i]), *q;

		check_all(p, sizes[i], 0xf6);
		gort_free(p);
		check_all(p, sizes[i], 0xf7);
		q = object(sizes[i]);
		free_elsewhere(q);
		check_all(q, sizes[i], 0xf7);
		p = gort_calloc(1, sizes[i]);
		check_all(p, sizes[i], 0);
		p = gort_realloc(p, sizes[i] / 2 + 1);
		check_all(p, sizes[i] / 2 + 1, 0);
	}
	write_at(&((unsigned char *)gort_alloc(SIZE))[SIZE - 1], 0);
}

static void test_poison(void **state)
{
	struct place place = { see_poison };

	(void)state;
	child_run(see_poison, NULL);
	child_expect_exit(0);
	child_run(poison_run, &place);
	child_expect_exit(0);
}

/* Right frees say nothing, whoever does them. */
static void right(void *arg)
{
	void *p = object(SIZE), *q = gort_alloc(LARGE);

	(void)arg;
	free_elsewhere(p);
	free_elsewhere(q);
	gort_free(object(SIZE));
	gort_free(gort_alloc(LARGE));
	gort_free(NULL);
}

static void test_right(void **state)
{
	struct place place = { right };

	(void)state;
	child_run(right, NULL);
	child_expect_exit(0);
	assert_string_equal(child_err, "");
	child_run(run_in_goroutine, &place);
	child_expect_exit(0);
	assert_string_equal(child_err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_double_free),
		cmocka_unit_test(test_double_free_large),
		cmocka_unit_test(test_double_free_later),
		cmocka_unit_test(test_wild),
		cmocka_unit_test(test_interior),
		cmocka_unit_test(test_misaligned),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_write_after_free),
		cmocka_unit_test(test_poison_double_free),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
