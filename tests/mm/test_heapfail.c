// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_heapfail.c - the heap when the kernel gives no memory.
 *
 * Each attempt is a process of its own, in which the n-th call that maps
 * memory fails, or that and all that follow; n goes up until nothing fails.
 * What fails says so and changes nothing; when there is memory again
 * everything works, and what is freed in the end is all there was.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <sys/resource.h>

#include "child.h"
#include "heapmodel.h"
#include "mm/vm.h"

#define STEPS		300
#define NBIG		3
#define BIG		((size_t)40 << 20)
#define NGORO		4
#define ATTEMPTS_MAX	500
#define MIB		((size_t)1 << 20)

struct attempt {
	long after;
	bool for_good;
	_Atomic long failed;
};

/* How a child ends: was any call made to fail, and who noticed? */
#define NONE_FAILED	0
#define UNNOTICED	10
#define NOTICED		11

static void inject(long after, bool for_good)
{
	atomic_store(&vm_fail_for_good, for_good);
	atomic_store(&vm_fail_after, after);
}

/*
 * What is done: objects of all sizes, and some that make the heap grow.
 * Returns how often there was no memory.
 */

static void *big[NBIG];

static long work(uint64_t seed)
{
	struct model_rng r = model_seed(seed);
	long failed = 0;

	for (int i = 0; i < STEPS; i++) {
		errno = 0;
		if (model_step(&r))
			continue;
		CHECK_EQ(errno, ENOMEM);
		failed++;
	}
	return failed;
}

static long work_big(void)
{
	long failed = 0;

	for (int i = 0; i < NBIG; i++) {
		if (big[i])
			continue;
		errno = 0;
		big[i] = gort_alloc(BIG);
		if (big[i])
			continue;
		CHECK_EQ(errno, ENOMEM);
		failed++;
	}
	return failed;
}

static void free_all(void)
{
	for (int i = 0; i < NBIG; i++) {
		gort_free(big[i]);
		big[i] = NULL;
	}
	model_free_all();
	model_balance();
}

static void *work_thread(void *arg)
{
	struct attempt *a = arg;

	atomic_fetch_add(&a->failed, work(2));
	return NULL;
}

static void work_everywhere(struct attempt *a)
{
	pthread_t t;

	atomic_fetch_add(&a->failed, work(1) + work_big());
	CHECK_EQ(pthread_create(&t, NULL, work_thread, a), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

/* The injection has ended. */
static void __attribute__((noreturn))
finish(struct attempt *a, void (*fn)(struct attempt *))
{
	long failed = atomic_load(&a->failed), left;

	left = atomic_load(&vm_fail_after);
	inject(-1, false);
	atomic_store(&a->failed, 0);
	fn(a);
	CHECK_EQ(atomic_load(&a->failed), 0);
	free_all();
	if (left > 0)
		CHECK_EQ(failed, 0);
	_exit(left > 0 ? NONE_FAILED : failed ? NOTICED : UNNOTICED);
}

static void without_run(void *arg)
{
	struct attempt *a = arg;

	model_init();
	inject(a->after, a->for_good);
	work_everywhere(a);
	finish(a, work_everywhere);
}

/* The same on goroutines: it may be gort_run() that fails. */

static struct gort_waitgroup all;

static void goro(void *arg)
{
	struct attempt *a = arg;

	for (int i = 0; i < 3; i++) {
		atomic_fetch_add(&a->failed, work((uint64_t)i));
		gort_yield();
	}
	gort_waitgroup_done(&all);
}

static void first_goro(void *arg)
{
	struct attempt *a = arg;

	for (int i = 0; i < NGORO; i++) {
		gort_waitgroup_add(&all, 1);
		if (!gort_go(goro, a))
			continue;
		gort_waitgroup_done(&all);
		atomic_fetch_add(&a->failed, 1);
	}
	atomic_fetch_add(&a->failed, work_big());
	gort_waitgroup_wait(&all);
}

static void run_once(struct attempt *a)
{
	int err = gort_run(first_goro, a);

	if (err) {
		CHECK_EQ(err == -ENOMEM || err == -EAGAIN, true);
		atomic_fetch_add(&a->failed, 1);
	}
}

static void with_run(void *arg)
{
	struct attempt *a = arg;

	setenv("GORTMAXPROCS", "3", 1);
	model_init();
	inject(a->after, a->for_good);
	run_once(a);
	finish(a, run_once);
}

/* Threads of the scheduler's cannot do without; that is not the heap's. */
static bool no_thread(void)
{
	return strstr(child_err, "no memory for a signal stack") ||
	       strstr(child_err, "cannot start another thread");
}

static int attempt(void (*fn)(void *), struct attempt *a)
{
	child_run(fn, a);
	if (!WIFEXITED(child_status))
		return -1;
	return no_thread() ? UNNOTICED : WEXITSTATUS(child_status);
}

static void attempts(void (*fn)(void *), bool for_good)
{
	struct attempt a = { .for_good = for_good };
	int noticed = 0;

	for (; a.after < ATTEMPTS_MAX; a.after++) {
		int status = attempt(fn, &a);

		if (status == NONE_FAILED)
			break;
		if (status == NOTICED) {
			noticed++;
		} else if (status != UNNOTICED) {
			child_show();
			fail_msg("when call %ld fails%s", a.after,
				 for_good ? " and all later ones" : "");
		}
	}
	assert_int_not_equal(a.after, ATTEMPTS_MAX);
	print_message("# %ld calls, %d times noticed\n", a.after, noticed);
	if (for_good)
		assert_int_not_equal(noticed, 0);
}

static void test_once(void **state)
{
	(void)state;
	attempts(without_run, false);
}

static void test_for_good(void **state)
{
	(void)state;
	attempts(without_run, true);
}

/* Where each check wants a new stack, a goroutine without memory ends the
 * process. */
static void need_stacks(void)
{
	if (mode_gortdebug("maymorestack=move"))
		skip();
}

static void test_run_once(void **state)
{
	(void)state;
	need_stacks();
	attempts(with_run, false);
}

static void test_run_for_good(void **state)
{
	(void)state;
	need_stacks();
	attempts(with_run, true);
}

/*
 * Threads that get no cache of their own.
 */

#define NTHREAD	100

struct poor {
	pthread_barrier_t here;
	void *p[NTHREAD];
	void *q[NTHREAD];
};

struct poor_thread {
	struct poor *poor;
	int i;
};

/* All are there at a time, so that none gets another's cache. */
static void *poor_thread(void *arg)
{
	struct poor_thread *t = arg;
	struct poor *poor = t->poor;

	errno = 0;
	poor->q[t->i] = gort_alloc(100);
	if (!poor->q[t->i])
		CHECK_EQ(errno, ENOMEM);
	pthread_barrier_wait(&poor->here);
	errno = 4711;
	gort_free(poor->p[t->i]);
	gort_free(poor->q[t->i]);
	CHECK_EQ(errno, 4711);
	pthread_barrier_wait(&poor->here);
	return NULL;
}

static void poor(void *arg)
{
	struct poor_thread args[NTHREAD];
	pthread_t threads[NTHREAD];
	struct poor poor;

	(void)arg;
	CHECK_EQ(pthread_barrier_init(&poor.here, NULL, NTHREAD), 0);
	for (int i = 0; i < NTHREAD; i++) {
		poor.p[i] = gort_alloc((size_t)i * 1000);
		CHECK_NE((uintptr_t)poor.p[i], 0);
	}
	inject(0, true);
	for (int i = 0; i < NTHREAD; i++) {
		args[i] = (struct poor_thread){ &poor, i };
		CHECK_EQ(pthread_create(&threads[i], NULL, poor_thread,
					&args[i]), 0);
	}
	for (int i = 0; i < NTHREAD; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	inject(-1, false);
	model_balance();
}

static void test_free_without_cache(void **state)
{
	(void)state;
	child_run(poor, NULL);
	child_expect_exit(0);
}

/*
 * No addresses: the kernel's own limit.
 */

static void limited(void *arg)
{
	struct rlimit was, limit;
	size_t n = 0, size;
	void **last = NULL, **p;

	(void)arg;
	gort_free(gort_alloc(1));
	CHECK_EQ(getrlimit(RLIMIT_AS, &was), 0);
	limit = was;
	limit.rlim_cur = 1000 * MIB;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	/* A list of them, from large to small. */
	for (size = 8 * MIB; size >= 16; size /= 2)
		for (;;) {
			errno = 0;
			p = gort_alloc(size);
			if (!p)
				break;
			p[0] = last;
			p[1] = p;
			last = p;
			n += size;
		}
	CHECK_EQ(errno, ENOMEM);
	CHECK_LT(100 * MIB, n);
	CHECK_EQ((uintptr_t)gort_realloc(last, 8 * MIB), 0);
	CHECK_EQ((uintptr_t)gort_calloc(3, 8 * MIB), 0);
	CHECK_EQ((uintptr_t)gort_aligned_alloc(MIB, MIB), 0);
	for (; last; last = p) {
		p = last[0];
		CHECK_EQ((uintptr_t)last[1], (uintptr_t)last);
		gort_free(last);
	}
	p = gort_alloc(50 * MIB);
	CHECK_NE((uintptr_t)p, 0);
	gort_free(p);
	CHECK_EQ(setrlimit(RLIMIT_AS, &was), 0);
	p = gort_alloc(1000 * MIB);
	CHECK_NE((uintptr_t)p, 0);
	gort_free(p);
	model_balance();
}

static void test_limit(void **state)
{
	(void)state;
	/* They, and it, have much more than that. */
	if (mode_sanitized() || mode_emulated())
		skip();
	child_run(limited, NULL);
	child_expect_exit(0);
}

/*
 * errno.
 */

static void free_keeps_errno(void *arg)
{
	static const size_t sizes[] = { 0, 16, 1000, 30000, 100000, 5 << 20 };

	(void)arg;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int n = 1; n <= 1000; n *= 10) {
			void *p[1000];

			for (int k = 0; k < n; k++)
				p[k] = gort_alloc(sizes[i]);
			errno = 4711;
			for (int k = 0; k < n; k++)
				gort_free(p[k]);
			CHECK_EQ(errno, 4711);
		}
	errno = 4711;
	gort_free(NULL);
	CHECK_EQ(errno, 4711);
}

static void *free_keeps_errno_thread(void *p)
{
	errno = 4711;
	gort_free(p);	/* the first call of a thread */
	CHECK_EQ(errno, 4711);
	free_keeps_errno(NULL);
	return NULL;
}

static void test_errno(void **state)
{
	pthread_t t;

	(void)state;
	free_keeps_errno(NULL);
	assert_int_equal(gort_run(free_keeps_errno, NULL), 0);
	assert_int_equal(pthread_create(&t, NULL, free_keeps_errno_thread,
					gort_alloc(100)), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: they need a process that has not used the heap. */
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_for_good),
		cmocka_unit_test(test_run_once),
		cmocka_unit_test(test_run_for_good),
		cmocka_unit_test(test_free_without_cache),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
