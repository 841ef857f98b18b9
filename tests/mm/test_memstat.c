// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_memstat.c - memory statistics: exact, equal to what is there,
 * and compared with each other only if asked for.
 */
#include "child.h"
#include "expect.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include "kernel/check.h"
#include "kernel/spin.h"
#include "kernel/stw.h"
#include "kernel/time.h"
#include "mm/heap.h"
#include "mm/stack.h"

#define SKEW		((u64)64 << 10)
#define NLOAD		6
#define NSLOTS		512

static struct gort_memstats stats(void)
{
	struct gort_memstats st;

	CHECK_EQ(gort_read_memstats(&st), 0);
	return st;
}

/*
 * What is refused.
 */

static void null(void *arg)
{
	(void)arg;
	expect_eq(gort_read_memstats(NULL), -EINVAL);
}

static void test_errors(void **state)
{
	struct gort_memstats st;

	(void)state;
	assert_int_equal(gort_read_memstats(&st), -EPERM);
	assert_int_equal(gort_read_memstats(NULL), -EPERM);
	run_test_goroutine(null, NULL);
}

/*
 * Counts.
 */

static void expect_sums(const struct gort_memstats *st)
{
	u64 mallocs = st->large_allocs, frees = st->large_frees, last = 0;

	expect_eq(st->sys, st->heap_sys + st->meta_sys + st->stack_sys +
		  st->other_sys);
	expect_eq(st->mapped_ready, st->sys - st->heap_released);
	expect_eq(st->heap_sys, st->heap_inuse + st->heap_idle);
	expect_le(st->heap_released, st->heap_idle);
	expect_le(st->heap_alloc, st->heap_inuse);
	expect_le(st->meta_inuse, st->meta_sys);
	expect_le(st->stack_inuse, st->stack_sys);
	expect_le(PAGE_SIZE, st->stack_inuse);
	expect_eq(st->heap_alloc, st->total_alloc - st->total_free);
	expect_eq(st->heap_objects, st->mallocs - st->frees);
	expect_eq(st->nclasses, NR_SIZE_CLASSES - 1);
	for (u64 i = 0; i < st->nclasses; i++) {
		expect_le(last + 1, st->by_size[i].size);
		last = st->by_size[i].size;
		mallocs += st->by_size[i].mallocs;
		frees += st->by_size[i].frees;
	}
	expect_eq(last, SIZE_MAX_SMALL);
	for (u64 i = st->nclasses; i < GORT_MEM_CLASSES; i++)
		expect_eq(st->by_size[i].size, 0);
	expect_eq(mallocs, st->mallocs);
	expect_eq(frees, st->frees);
}

/* n objects of a class come and go. */
static void count_class(u64 i, int n)
{
	struct gort_memstats before = stats(), during, after;
	u64 size = before.by_size[i].size;
	void *p[100];

	for (int k = 0; k < n; k++)
		p[k] = gort_alloc(size);
	during = stats();
	for (int k = 0; k < n; k++)
		gort_free(p[k]);
	after = stats();
	expect_eq(during.by_size[i].mallocs, before.by_size[i].mallocs + n);
	expect_eq(during.by_size[i].frees, before.by_size[i].frees);
	expect_eq(during.mallocs, before.mallocs + n);
	expect_eq(during.heap_objects, before.heap_objects + n);
	expect_eq(during.heap_alloc, before.heap_alloc + n * size);
	expect_eq(after.by_size[i].frees, before.by_size[i].frees + n);
	expect_eq(after.frees, before.frees + n);
	expect_eq(after.total_free, before.total_free + n * size);
	expect_eq(after.total_alloc, before.total_alloc + n * size);
	expect_eq(after.heap_alloc, before.heap_alloc);
	expect_sums(&during);
}

static void count_large(void)
{
	struct gort_memstats before = stats(), st;
	void *p = gort_alloc(SIZE_MAX_SMALL + 1), *q;
	u64 first = gort_usable_size(p), second;

	st = stats();
	expect_eq(st.large_allocs, before.large_allocs + 1);
	expect_eq(st.heap_alloc, before.heap_alloc + first);
	expect_eq(st.heap_inuse, before.heap_inuse + first);
	/* Grown in place or moved: both are counted. */
	q = gort_realloc(p, 1 << 20);
	second = gort_usable_size(q);
	st = stats();
	expect_eq(st.heap_alloc, before.heap_alloc + second);
	expect_eq(st.heap_objects, before.heap_objects + 1);
	q = gort_realloc(q, 100000);
	st = stats();
	expect_eq(st.heap_alloc, before.heap_alloc + gort_usable_size(q));
	gort_free(q);
	st = stats();
	expect_eq(st.heap_objects, before.heap_objects);
	expect_eq(st.heap_alloc, before.heap_alloc);
	expect_eq(st.large_allocs - st.large_frees,
		  before.large_allocs - before.large_frees);
	expect_sums(&st);
}

static void count(void *arg)
{
	struct gort_memstats st = stats();

	(void)arg;
	expect_sums(&st);
	expect_eq(st.limit, UINT64_MAX);
	for (u64 i = 0; i < st.nclasses; i++)
		count_class(i, i % 2 ? 100 : 7);
	count_large();
}

static void test_counts(void **state)
{
	(void)state;
	run_test_goroutine(count, NULL);
	/* Another run, other Ps. */
	run_test_goroutine(count, NULL);
}

static void pauses(void *arg)
{
	struct gort_pause before, after;

	(void)arg;
	expect_eq(gort_read_pause(STW_READ_MEMSTATS, &before), 0);
	stats();
	stats();
	expect_eq(gort_read_pause(STW_READ_MEMSTATS, &after), 0);
	expect_eq(after.count, before.count + 2);
	expect_eq(strcmp(after.reason, "read memstats"), 0);
}

static void test_pause_has_a_reason(void **state)
{
	(void)state;
	run_test_goroutine(pauses, NULL);
}

/*
 * Stacks.
 */

struct deep {
	u64 inuse, sys;
};

static void look_from_below(void *arg)
{
	struct gort_memstats st = stats();

	*(struct deep *)arg = (struct deep){ st.stack_inuse, st.stack_sys };
}

/* Deeper without a P: nobody stops that. */
static void dive_in_call(void *arg)
{
	gort_syscall_enter();
	dive((size_t)arg, NULL, NULL);
	gort_syscall_exit();
}

static void grow(void *arg)
{
	size_t size = (size_t)2 << 20;
	u64 before = stats().stack_inuse;
	struct deep deep;

	(void)arg;
	dive_in_call((void *)(size / 8));
	dive(size, look_from_below, &deep);
	expect_le(before + size, deep.inuse);
	expect_le(deep.inuse, deep.sys);
	gort_stack_shrink();
	/* With move the way back was over many small segments. */
	if (!debug_has("maymorestack=move"))
		expect_le(stats().stack_inuse, deep.inuse - size / 2);
}

static void test_stacks(void **state)
{
	(void)state;
	run_test_goroutine(grow, NULL);
}

/* What is mapped for a trace, and what stays of it. */
static void trace_a_bit(u64 *during, u64 *after)
{
	int fd = open("/dev/null", O_WRONLY);

	CHECK_EQ(gort_trace_start(fd, NULL), 0);
	*during = stats().other_sys;
	CHECK_EQ(gort_trace_stop(), 0);
	*after = stats().other_sys;
	close(fd);
}

static void trace_often(void *arg)
{
	u64 before = stats().other_sys, during, first, after;

	(void)arg;
	trace_a_bit(&during, &first);
	expect_le(before + 65536, during);
	for (int i = 0; i < 10; i++)
		trace_a_bit(&during, &after);
	/* Tables of the program's symbols stay; buffers do not.  A thread
	 * may have come, with its signal stack. */
	expect_le(after, first + 5 * 65536);
}

static void test_others(void **state)
{
	(void)state;
	run_test_goroutine(trace_often, NULL);
}

/*
 * What is there.
 */

static _Atomic(void *) slots[NSLOTS];
static _Atomic int done;
static struct gort_waitgroup all;

/* Mostly small, some large; others free what we leave here. */
static size_t any_size(unsigned int *seed)
{
	unsigned int r = (unsigned int)rand_r(seed);

	if (r % 64 == 0)
		return 1 + (size_t)rand_r(seed) % 300000;
	return (size_t)rand_r(seed) % ((size_t)16 << r % 12);
}

static void exchange(unsigned int *seed)
{
	_Atomic(void *) *at = &slots[(unsigned int)rand_r(seed) % NSLOTS];
	void *p = gort_alloc(any_size(seed));

	CHECK_NE(p, NULL);
	if (rand_r(seed) % 8 == 0)
		p = gort_realloc(p, any_size(seed));
	gort_free(atomic_exchange_explicit(at, p, memory_order_acq_rel));
}

static void load(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	while (!peek(&done)) {
		for (int i = 0; i < 20; i++)
			exchange(&seed);
		dive((size_t)rand_r(&seed) % 65536, NULL, NULL);
		gort_yield();
	}
	gort_waitgroup_done(&all);
}

static void *foreign(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	while (!peek(&done))
		exchange(&seed);
	return NULL;
}

struct both {
	struct gort_memstats fast, slow;
};

static void read_both(void *arg)
{
	struct both *b = arg;

	memstats_hold();
	read_memstats_m(&b->fast);
	read_memstats_slow(&b->slow);
	memstats_let_go();
}

static void compare(void)
{
	static struct both b;

	stw_begin(STW_TEST);
	systemstack(read_both, &b);
	stw_end();
#define SAME(f)	CHECK_EQ(b.fast.f, b.slow.f)
	SAME(total_alloc);
	SAME(total_free);
	SAME(mallocs);
	SAME(heap_alloc);
	SAME(heap_objects);
	SAME(heap_inuse);
	SAME(heap_idle);
	SAME(heap_released);
	SAME(heap_sys);
	SAME(stack_sys);
	SAME(stack_inuse);
	SAME(large_allocs);
	SAME(mapped_ready);
	SAME(sys);
#undef SAME
	for (u64 i = 0; i < b.fast.nclasses; i++)
		CHECK_EQ(b.fast.by_size[i].mallocs, b.slow.by_size[i].mallocs);
	/* And whatever else there is. */
	CHECK_EQ(memcmp(&b.fast, &b.slow, sizeof(b.fast)), 0);
}

static void empty_slots(void)
{
	for (int i = 0; i < NSLOTS; i++)
		gort_free(atomic_exchange(&slots[i], NULL));
}

static void recount(void *arg)
{
	pthread_t threads[2];

	(void)arg;
	compare();
	gort_waitgroup_add(&all, NLOAD);
	for (long i = 0; i < NLOAD; i++)
		CHECK_EQ(gort_go(load, (void *)(i + 1)), 0);
	for (long i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, foreign,
					(void *)(i + 100)), 0);
	for (int i = 0; i < mode_times(300); i++) {
		compare();
		gort_yield();
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	compare();
	empty_slots();
	compare();
}

static int setup(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "4", 1);
	atomic_store(&done, 0);
	memset(&all, 0, sizeof(all));
	return 0;
}

static void test_equal_to_what_is_there(void **state)
{
	(void)state;
	setup(state);
	debug_add("doublecheckmemstats=1");
	run_test_goroutine(recount, NULL);
}

/*
 * Who does not stop with the world is held.
 */

#define HELD_NS		20000000	/* it would look every ms */

static s64 sched_clock(void)
{
	return atomic_load_explicit(&sched.clock, memory_order_relaxed);
}

static void hold(void *arg)
{
	s64 until, clock;

	(void)arg;
	memstats_hold();
	clock = sched_clock();
	until = nanotime() + HELD_NS;
	while (nanotime() < until)
		;
	CHECK_EQ(sched_clock(), clock);
	memstats_let_go();
	while (sched_clock() == clock)
		;
}

static void hold_sysmon(void *arg)
{
	(void)arg;
	stw_begin(STW_TEST);
	systemstack(hold, NULL);
	stw_end();
}

static void test_sysmon_is_held(void **state)
{
	(void)state;
	debug_add("doublecheckmemstats=1");
	run_test_goroutine(hold_sysmon, NULL);
}

/* Objects that a thread without a P has allocated and freed. */
static _Atomic long turns;

static void *turn(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		gort_free(gort_alloc(100));
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

static void hold_turns(void *arg)
{
	static struct mem_aggregate a, b;
	s64 until = nanotime() + HELD_NS / 10;

	(void)arg;
	memstats_hold();
	mem_aggregate(&a);
	while (nanotime() < until)
		;
	mem_aggregate(&b);
	memstats_let_go();
	CHECK_EQ(a.mallocs, b.mallocs);
	CHECK_EQ(a.frees, b.frees);
}

static void hold_thread(void *arg)
{
	pthread_t t;
	long n;

	(void)arg;
	CHECK_EQ(pthread_create(&t, NULL, turn, NULL), 0);
	for (int i = 0; i < 20; i++) {
		stw_begin(STW_TEST);
		systemstack(hold_turns, NULL);
		stw_end();
		n = atomic_load(&turns);
		while (atomic_load(&turns) < n + 2)
			sched_yield();
	}
	atomic_store(&done, 1);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

static void test_threads_are_held(void **state)
{
	setup(state);
	run_test_goroutine(hold_thread, NULL);
}

/* Without stopping the world: less is sure. */
static void sum_up(void *arg)
{
	mem_aggregate(arg);
}

static void running(void *arg)
{
	static struct mem_aggregate a;

	(void)arg;
	gort_waitgroup_add(&all, NLOAD);
	for (long i = 0; i < NLOAD; i++)
		CHECK_EQ(gort_go(load, (void *)(i + 1)), 0);
	for (int i = 0; i < mode_times(2000); i++) {
		systemstack(sum_up, &a);
		CHECK_LE(a.frees, a.mallocs);
		CHECK_LE(a.total_free, a.total_alloc);
		for (u32 k = 1; k < NR_SIZE_CLASSES; k++)
			CHECK_LE(a.nfree[k], a.nalloc[k]);
		/* Pages of a P's cache go from one to the other unlocked. */
		CHECK_LE(a.global.heap_released, a.global.heap_mapped);
		CHECK_LE(a.global.stacks_free, a.global.stacks);
		gort_yield();
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
	empty_slots();
}

static void test_sums_while_running(void **state)
{
	setup(state);
	run_test_goroutine(running, NULL);
}

/* One cache's book: whole, or not at all. */
static struct mem_book book;

static void *writer(void *arg)
{
	(void)arg;
	while (!peek(&done))
		mem_book_add(&book, (struct mem_pages){ 1, -1, 3 });
	return NULL;
}

static void test_books_are_read_whole(void **state)
{
	pthread_t t;

	setup(state);
	assert_int_equal(pthread_create(&t, NULL, writer, NULL), 0);
	for (int i = 0; i < mode_times(100000); i++) {
		struct mem_pages p = mem_book_read(&book);

		assert_int_equal(p.released, -p.committed);
		assert_int_equal(p.in_heap, 3 * p.committed);
	}
	atomic_store(&done, 1);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static struct mem_book half;
static _Atomic int reading;

static void *reader(void *arg)
{
	atomic_store(&reading, 1);
	*(struct mem_pages *)arg = mem_book_read(&half);
	return NULL;
}

/* The writer lost its CPU in the middle. */
static void test_half_a_book_is_not_read(void **state)
{
	struct mem_pages p = { 0 };
	s64 until;
	pthread_t t;

	(void)state;
	atomic_store(&half.seq, 1);
	atomic_store(&half.committed, 1);
	assert_int_equal(pthread_create(&t, NULL, reader, &p), 0);
	while (!peek(&reading))
		sched_yield();
	until = nanotime() + HELD_NS;
	while (nanotime() < until)
		sched_yield();
	atomic_store(&half.released, -1);
	atomic_store(&half.in_heap, 3);
	atomic_store(&half.seq, 2);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(p.committed, 1);
	assert_int_equal(p.released, -1);
	assert_int_equal(p.in_heap, 3);
}

/*
 * Wrong numbers.
 */

/* Of the caller's P. */
static struct heap_cache *own_cache(void)
{
	return getm()->p->heap;
}

static void skew_in_use(void)
{
	mem_add(&mem_global.heap_in_use, SKEW);
}

static void skew_free(void)
{
	mem_add(&mem_global.heap_free, SKEW);
}

static void skew_released(void)
{
	mem_add(&mem_global.heap_released, SKEW);
}

static void skew_ready(void)
{
	mem_add(&mem_global.mapped_ready, SKEW);
}

static void skew_alloc(void)
{
	mem_add(&own_cache()->given_bytes, SKEW);
}

static void skew_freed(void)
{
	mem_add(&own_cache()->free_bytes, SKEW);
}

/* The consistent ones. */
static void skew_stacks(void)
{
	getm()->p->stacks.ready += (s64)SKEW;
}

static void skew_book(void)
{
	mem_book_add(&own_cache()->book,
		     (struct mem_pages){ .in_heap = (s64)SKEW });
}

static const struct skew {
	void (*fn)(void);
	const char *what;
	long long more;		/* global less consistent */
} skews[] = {
	{ skew_in_use, "heap in use", SKEW },
	{ skew_free, "heap in use and free", SKEW },
	{ skew_released, "heap released", SKEW },
	{ skew_ready, "mapped and ready", SKEW },
	{ skew_alloc, "bytes allocated", SKEW },
	{ skew_freed, "bytes freed", SKEW },
	{ skew_stacks, "heap in use and free", SKEW },
	{ skew_book, "heap in use", -(long long)SKEW },
};

static void skewed(void *arg)
{
	const struct skew *s = arg;
	struct gort_memstats st;
	struct m *mp;

	gort_free(gort_alloc(100));
	CHECK_EQ(gort_read_memstats(&st), 0);
	mp = acquirem();
	s->fn();
	releasem(mp);
	dprintf(2, "now\n");
	CHECK_EQ(gort_read_memstats(&st), 0);
	dprintf(2, "and on\n");
}

static void run_skewed(void *arg)
{
	run_child_goroutine(skewed, arg);
}

static void test_wrong_is_no_error(void **state)
{
	(void)state;
	debug_add("doublecheckmemstats=0");
	for (size_t i = 0; i < ARRAY_SIZE(skews); i++) {
		child_run(run_skewed, (void *)&skews[i]);
		child_expect_exit(0);
		child_expect_text("and on");
	}
}

/* The message has both values. */
static void expect_values(const struct skew *s)
{
	unsigned long long global = 0, consistent = 0;
	const char *at = strstr(child_err, ": global ");

	if (!at || sscanf(at, ": global %llu, consistent %llu", &global,
			  &consistent) != 2)
		fail_msg("no two values: %s", child_err);
	assert_int_equal((long long)(global - consistent), s->more);
}

static void test_wrong_is_an_error_if_wanted(void **state)
{
	char text[100];

	(void)state;
	debug_add("doublecheckmemstats=1");
	for (size_t i = 0; i < ARRAY_SIZE(skews); i++) {
		child_run(run_skewed, (void *)&skews[i]);
		child_expect_exit(2);
		child_expect_text("now");
		child_expect_no_text("and on");
		snprintf(text, sizeof(text),
			 "gort: memory statistics: %s: global ",
			 skews[i].what);
		child_expect_text(text);
		child_expect_text("the books about memory differ");
		expect_values(&skews[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: they fork. */
		cmocka_unit_test(test_wrong_is_no_error),
		cmocka_unit_test(test_wrong_is_an_error_if_wanted),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_pause_has_a_reason),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_equal_to_what_is_there),
		cmocka_unit_test(test_sysmon_is_held),
		cmocka_unit_test(test_threads_are_held),
		cmocka_unit_test(test_sums_while_running),
		cmocka_unit_test(test_books_are_read_whole),
		cmocka_unit_test(test_half_a_book_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
