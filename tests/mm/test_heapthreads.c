// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_heapthreads.c - the heap and threads: their ends, several
 * gort_run(), fork(), and standing still.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "child.h"
#include "heapmodel.h"

#define NTHREAD	4

static size_t ncaches(void)
{
	size_t n = 0;

	for (struct heap_cache *hc = atomic_load(&heap_caches); hc;
	     hc = hc->all_link)
		n++;
	return n;
}

static void start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	assert_int_equal(pthread_create(t, NULL, fn, arg), 0);
}

static void join(pthread_t t)
{
	assert_int_equal(pthread_join(t, NULL), 0);
}

/* --- the end of a thread --- */

static void *brief(void *arg)
{
	void *p[100];

	(void)arg;
	for (int i = 0; i < 100; i++) {
		p[i] = gort_alloc((size_t)i * 50);
		CHECK_NE((uintptr_t)p[i], 0);
	}
	for (int i = 0; i < 100; i++)
		gort_free(p[i]);
	return NULL;
}

static void test_caches_are_used_again(void **state)
{
	size_t was;
	pthread_t t;

	(void)state;
	brief(NULL);
	start(&t, brief, NULL);
	join(t);
	was = ncaches();
	for (int i = 0; i < mode_times(500); i++) {
		start(&t, brief, NULL);
		join(t);
	}
	assert_int_equal(ncaches(), was);
	model_balance();
}

/* Destructors of others', before and after the heap's. */
static pthread_key_t keys[2];
static _Atomic int destroyed;

static void destroy(void *arg)
{
	uintptr_t rounds = (uintptr_t)arg & 3;
	pthread_key_t key = keys[(uintptr_t)arg >> 2];
	void *p = gort_alloc(100), *q = gort_alloc(1 << 20);

	CHECK_NE((uintptr_t)p, 0);
	CHECK_NE((uintptr_t)q, 0);
	memset(p, 1, 100);
	brief(NULL);
	gort_free(p);
	gort_free(q);
	/* Up to PTHREAD_DESTRUCTOR_ITERATIONS times. */
	if (rounds > 1)
		CHECK_EQ(pthread_setspecific(key,
				(void *)((uintptr_t)arg - 1)), 0);
	atomic_fetch_add(&destroyed, 1);
}

static void *with_destructors(void *arg)
{
	for (uintptr_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_setspecific(keys[i],
					     (void *)(i << 2 | 3)), 0);
	return brief(arg);
}

/* It does not use the heap before its destructors. */
static void *only_destructors(void *arg)
{
	(void)arg;
	for (uintptr_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_setspecific(keys[i],
					     (void *)(i << 2 | 3)), 0);
	return NULL;
}

static void test_destructors(void **state)
{
	int times = mode_times(50);
	pthread_t t[2 * NTHREAD];

	(void)state;
	for (int i = 0; i < times; i++) {
		for (int k = 0; k < 2 * NTHREAD; k++)
			start(&t[k], k % 2 ? with_destructors :
			      only_destructors, NULL);
		for (int k = 0; k < 2 * NTHREAD; k++)
			join(t[k]);
	}
	assert_int_equal(destroyed, times * 2 * NTHREAD * 2 * 3);
	/* As many as there were threads at a time, and some lent. */
	assert_in_range(ncaches(), 1, 4 * NTHREAD + 2);
	model_balance();
}

/* --- objects that live longer than threads and runs --- */

#define NLEFT	2000
static struct model_place left[NLEFT];

static void leave(void *arg)
{
	struct model_rng r = model_seed((uintptr_t)arg);

	for (int i = 0; i < NLEFT; i++)
		if (!left[i].p)
			CHECK_EQ(model_alloc(&left[i], &r), true);
}

static void take(void *arg)
{
	int step = (int)(intptr_t)arg;

	for (int i = 0; i < NLEFT; i += step)
		if (left[i].p)
			model_free(&left[i]);
}

static void *leave_thread(void *arg)
{
	leave(arg);
	return NULL;
}

static void *take_thread(void *arg)
{
	take(arg);
	return NULL;
}

static void in_run(void (*fn)(void *), long arg)
{
	assert_int_equal(gort_run(fn, (void *)arg), 0);
}

static void in_thread(void *(*fn)(void *), long arg)
{
	pthread_t t;

	start(&t, fn, (void *)arg);
	join(t);
}

static void test_objects_outlive(void **state)
{
	(void)state;
	for (long i = 0; i < 3; i++) {
		in_run(leave, i);
		in_thread(take_thread, 3);
		in_thread(leave_thread, i + 10);
		in_run(take, 2);
		in_run(leave, i + 20);
		take((void *)5);
		leave((void *)(i + 30));
		in_run(take, 3);
		in_thread(take_thread, 2);
		in_run(take, 1);
		model_balance();
	}
}

/* --- many threads --- */

static _Atomic bool stop;
static _Atomic long steps;

static void *hammer(void *arg)
{
	struct model_rng r = model_seed((uintptr_t)arg);

	while (!atomic_load(&stop)) {
		CHECK_EQ(model_step(&r), true);
		atomic_fetch_add(&steps, 1);
	}
	return NULL;
}

static void start_hammers(pthread_t *t)
{
	atomic_store(&stop, false);
	for (long i = 0; i < NTHREAD; i++)
		start(&t[i], hammer, (void *)(i + 1));
}

static void stop_hammers(pthread_t *t)
{
	atomic_store(&stop, true);
	for (int i = 0; i < NTHREAD; i++)
		join(t[i]);
}

static void wait_for_steps(long n)
{
	long until = atomic_load(&steps) + n;

	while (atomic_load(&steps) < until)
		sched_yield();
}

static void check_same(const struct model_sums *a, const struct model_sums *b)
{
	CHECK_EQ(a->alloc_bytes, b->alloc_bytes);
	CHECK_EQ(a->free_bytes, b->free_bytes);
	CHECK_EQ(a->pages.in_use, b->pages.in_use);
	CHECK_EQ(a->pages.free, b->pages.free);
	CHECK_EQ(memcmp(a->nalloc, b->nalloc, sizeof(a->nalloc)), 0);
	CHECK_EQ(memcmp(a->nfree, b->nfree, sizeof(a->nfree)), 0);
}

/* Bytes by classes and in all: two books. */
static void check_bytes(const struct model_sums *s)
{
	uint64_t alloc = s->large_bytes, freed = s->large_free_bytes;

	for (unsigned int i = 0; i < NR_SIZE_CLASSES; i++) {
		alloc += s->nalloc[i] * class_size[i];
		freed += s->nfree[i] * class_size[i];
	}
	CHECK_EQ(alloc, s->alloc_bytes);
	CHECK_EQ(freed, s->free_bytes);
}

static void test_hold(void **state)
{
	pthread_t t[NTHREAD];

	(void)state;
	start_hammers(t);
	for (int i = 0; i < mode_times(100); i++) {
		struct model_sums a, b;

		wait_for_steps(10);
		heap_hold_threads();
		a = model_sum();
		model_check_pages(&a);
		check_bytes(&a);
		sched_yield();
		b = model_sum();
		if (i % 10 == 0)
			heap_flush();
		heap_let_threads_go();
		check_same(&a, &b);
	}
	stop_hammers(t);
	model_free_all();
	model_balance();
}

/*
 * fork() while others are at it.  The child has the books as they were at one
 * moment, and the heap works; what others had in hand stays allocated.
 */
static int child_of_fork(void)
{
	struct model_sums s = model_sum();
	struct model_rng r = model_seed(4711);
	size_t was = ncaches();

	model_check_pages(&s);
	check_bytes(&s);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(model_step(&r), true);
	for (int i = 0; i < MODEL_PLACES; i++)
		if (!atomic_load(&model_places[i].taken) && model_places[i].p)
			model_free(&model_places[i]);
	/* Of the threads that are no more. */
	for (int i = 0; i < 2; i++) {
		pthread_t t;

		CHECK_EQ(pthread_create(&t, NULL, brief, NULL), 0);
		CHECK_EQ(pthread_join(t, NULL), 0);
	}
	CHECK_EQ(ncaches(), was);
	heap_hold_threads();
	heap_flush();
	heap_let_threads_go();
	s = model_sum();
	model_check_pages(&s);
	check_bytes(&s);
	return 0;
}

static void test_fork(void **state)
{
	pthread_t t[NTHREAD];
	int status;

	(void)state;
#ifdef WITH_TSAN
	skip();		/* no threads in the child */
#endif
	/* A fork() of qemu-user's may copy locks that are held. */
	if (mode_emulated())
		skip();
	start_hammers(t);
	for (int i = 0; i < mode_times(50); i++) {
		pid_t pid;

		wait_for_steps(10);
		pid = fork();
		assert_int_not_equal(pid, -1);
		if (!pid) {
			alarm(50);
			_exit(child_of_fork());
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	stop_hammers(t);
	model_free_all();
	model_balance();
}

/* A child whose parent never used the heap. */
static void use_in_child(void *arg)
{
	struct model_sums s;

	brief(arg);
	s = model_sum();
	model_check_pages(&s);
	CHECK_EQ(s.alloc_bytes, s.free_bytes);
}

static void test_child(void **state)
{
	(void)state;
	child_run(use_in_child, NULL);
	child_expect_exit(0);
}

static void brief_run(void *arg)
{
	(void)arg;
	gort_free(gort_alloc(200));
}

/* A thread keeps its cache over a run. */
static void test_runs(void **state)
{
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		gort_free(gort_alloc(100));
		assert_int_equal(gort_run(brief_run, NULL), 0);
		if (i == 1)
			n = ncaches();
	}
	gort_free(gort_alloc(100));
	assert_int_equal(ncaches(), n);
}

/* --- a span in the queue of a cache that it left --- */

#define NOWNER	32
#define NSTRAY	64

static sem_t stray_ready, stray_go;

static void *own_strays(void *arg)
{
	void **p = arg;

	for (int i = 0; i < NSTRAY; i++)
		p[i] = gort_alloc(4096);
	sem_post(&stray_ready);
	while (sem_wait(&stray_go))
		;
	return NULL;
}

/*
 * Whoever frees looks up the owner, and queues the span with it a moment
 * later, when it may belong to another.  Here its owner is the newest cache,
 * which is flushed first, and it waits with the oldest.
 */
static void test_stray_span(void **state)
{
	struct heap_cache *first, *newest, *oldest;
	static void *objs[NOWNER][NSTRAY];
	pthread_t t[NOWNER];
	int n = 0;

	(void)state;
	gort_free(gort_alloc(100));
	sem_init(&stray_ready, 0, 0);
	sem_init(&stray_go, 0, 0);
	first = atomic_load(&heap_caches);
	do {
		assert_true(n < NOWNER);
		start(&t[n], own_strays, objs[n]);
		while (sem_wait(&stray_ready))
			;
		n++;
	} while (atomic_load(&heap_caches) == first);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < NSTRAY; k++)
			gort_free(objs[i][k]);
	newest = atomic_load(&heap_caches);
	for (oldest = newest; oldest->all_link; oldest = oldest->all_link)
		;
	assert_null(oldest->owner.remote);
	oldest->owner.remote = atomic_exchange(&newest->owner.remote, NULL);
	assert_non_null(oldest->owner.remote);
	model_balance();
	for (int i = 0; i < n; i++)
		sem_post(&stray_go);
	while (n)
		join(t[--n]);
	model_balance();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_stray_span),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_caches_are_used_again),
		cmocka_unit_test(test_destructors),
		cmocka_unit_test(test_objects_outlive),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_fork),
	};

	model_init();
	/* One before the heap's key, one behind. */
	if (pthread_key_create(&keys[0], destroy))
		return 1;
	gort_free(gort_alloc(1));
	if (pthread_key_create(&keys[1], destroy))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
