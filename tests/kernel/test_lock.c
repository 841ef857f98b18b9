// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_lock.c - locks between threads, notes, futexes; ranks in
 * builds that check them.
 */
#define _GNU_SOURCE
#include "kernel/lock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include <gort/gort.h>

#include "kernel/sched.h"
#include "tests/child.h"
#include "tests/kernel/check.h"

#define NTHREADS	4

static void run_threads(void *(*fn)(void *), void *arg)
{
	pthread_t t[NTHREADS];

	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fn, arg), 0);
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
}

static void expect_no_sleepers(void)
{
	for (int i = 0; i < LOCK_HASH_SIZE; i++)
		assert_int_equal(atomic_load(&lock_sleepers[i]), 0);
}

/* --- exclusion --- */

struct counted {
	struct lock lock;
	long count;		/* not atomic: the lock protects it */
	int n;
	int hold;		/* yields while holding it, once in 16 */
};

static void *count_locked(void *arg)
{
	struct counted *c = arg;

	for (int i = 0; i < c->n; i++) {
		lock_raw(&c->lock);
		c->count++;
		for (int k = 0; i % 16 == 0 && k < c->hold; k++)
			sched_yield();
		unlock_raw(&c->lock);
	}
	return NULL;
}

static void count_with(int n, int hold)
{
	struct counted c = {
		.lock = LOCK_INIT(RANK_CHAN), .n = n, .hold = hold,
	};

	run_threads(count_locked, &c);
	assert_int_equal(c.count, (long)NTHREADS * n);
	assert_int_equal(atomic_load(&c.lock.state), 0);
	expect_no_sleepers();
}

static void test_contention(void **state)
{
	(void)state;
	lock_init_once();
	count_with(mode_times(500000), 0);
}

static void test_contention_asleep(void **state)
{
	(void)state;
	lock_init_once();
	count_with(mode_times(20000), 20);
}

/* Kernels without membarrier(2). */
static void test_contention_with_fences(void **state)
{
	(void)state;
	lock_no_membarrier = true;
	count_with(mode_times(500000), 0);
	count_with(mode_times(20000), 20);
	lock_init_once();
}

/* --- the sleep path, step by step --- */

static void *lock_once(void *arg)
{
	struct counted *c = arg;

	errno = EXDEV;
	lock_raw(&c->lock);
	CHECK_EQ(errno, EXDEV);
	c->count++;
	unlock_raw(&c->lock);
	return NULL;
}

/* The lock is let go when n threads are asleep, or on the way. */
static void wake_sleepers(int n)
{
	struct counted c = { .lock = LOCK_INIT(RANK_CHAN) };
	pthread_t t[NTHREADS];

	lock_raw(&c.lock);
	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&t[i], NULL, lock_once, &c), 0);
	while (atomic_load(lock_hash(&c.lock)) < (u32)n)
		sched_yield();
	assert_int_equal(c.count, 0);
	unlock_raw(&c.lock);
	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(c.count, n);
	expect_no_sleepers();
}

static void test_sleep(void **state)
{
	(void)state;
	lock_init_once();
	for (int i = 0; i < mode_times(1000); i++)
		wake_sleepers(1 + i % NTHREADS);
}

static void test_sleep_with_fences(void **state)
{
	(void)state;
	lock_no_membarrier = true;
	for (int i = 0; i < mode_times(1000); i++)
		wake_sleepers(1 + i % NTHREADS);
	lock_init_once();
}

/* --- memory that goes away with the lock --- */

struct handed {
	struct lock lock;
	bool passed;
};

static void *free_after_lock(void *arg)
{
	struct handed *h = arg;
	bool passed = false;

	while (!passed) {
		lock_raw(&h->lock);
		passed = h->passed;
		unlock_raw(&h->lock);
	}
	free(h);
	return NULL;
}

/* After its unlock nobody touches a lock. */
static void test_freed_at_once(void **state)
{
	(void)state;
	lock_init_once();
	for (int i = 0; i < mode_times(3000); i++) {
		struct handed *h = calloc(1, sizeof(*h));
		pthread_t t;

		h->lock.rank = RANK_CHAN;
		assert_int_equal(pthread_create(&t, NULL, free_after_lock, h),
				 0);
		lock_raw(&h->lock);
		h->passed = true;
		unlock_raw(&h->lock);
		assert_int_equal(pthread_join(t, NULL), 0);
	}
	expect_no_sleepers();
}

/* --- notes and futexes --- */

struct ping {
	struct note go, back;
	long value;
	int n;
};

static void *pong(void *arg)
{
	struct ping *p = arg;

	for (int i = 0; i < p->n; i++) {
		note_sleep(&p->go);
		note_clear(&p->go);
		CHECK_EQ(p->value, i);
		p->value = -i;
		note_wakeup(&p->back);
	}
	return NULL;
}

static void test_notes(void **state)
{
	struct ping p = { .n = mode_times(50000) };
	pthread_t t;

	(void)state;
	/* Woken before it sleeps. */
	note_wakeup(&p.go);
	note_sleep(&p.go);
	note_sleep(&p.go);
	note_clear(&p.go);

	assert_int_equal(pthread_create(&t, NULL, pong, &p), 0);
	for (int i = 0; i < p.n; i++) {
		p.value = i;
		note_wakeup(&p.go);
		note_sleep(&p.back);
		note_clear(&p.back);
		assert_int_equal(p.value, -i);
	}
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void test_futex(void **state)
{
	_Atomic u32 word = 5;

	(void)state;
	errno = EXDEV;
	assert_int_equal(futex_wait(&word, 6, -1), -EAGAIN);
	assert_int_equal(futex_wait(&word, 5, 1), -ETIMEDOUT);
	futex_wake(&word, 1);
	futex_wake(NULL, 1);
	assert_int_equal(errno, EXDEV);
}

/* --- ranks --- */

static struct lock chan_lock = LOCK_INIT(RANK_CHAN);
static struct lock other_chan_lock = LOCK_INIT(RANK_CHAN);
static struct lock class_lock = LOCK_INIT(RANK_STACK_CLASS);
static struct lock map_lock = LOCK_INIT(RANK_STACK_MAP);
static struct lock notify_lock = LOCK_INIT(RANK_NOTIFY);
static struct lock sched_lock = LOCK_INIT(RANK_SCHED);

static void in_order(void *arg)
{
	(void)arg;
	lock(&chan_lock);
	lock(&class_lock);
	lock(&map_lock);
	unlock(&map_lock);
	lock(&map_lock);
	unlock(&map_lock);
	unlock(&class_lock);
	unlock(&chan_lock);
	lock(&class_lock);
	unlock(&class_lock);
}

static void in_order_on_both(void *arg)
{
	u32 locks = getm()->locks;

	systemstack(in_order, arg);
	lock(&notify_lock);
	CHECK_EQ(getm()->locks, locks + 1);
	lock(&chan_lock);
	CHECK_EQ(getm()->locks, locks + 2);
	unlock(&chan_lock);
	unlock(&notify_lock);
	CHECK_EQ(getm()->locks, locks);
}

static void test_right_order(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(gort_run(in_order_on_both, NULL), 0);
}

static void on_goroutine_stack(void *arg)
{
	(void)arg;
	lock(&class_lock);
}

static void falling_g0(void *arg)
{
	(void)arg;
	lock(&map_lock);
	lock(&class_lock);
}

static void falling(void *arg)
{
	systemstack(falling_g0, arg);
}

static void falling_on_goroutine(void *arg)
{
	(void)arg;
	lock(&chan_lock);
	lock(&notify_lock);
}

/* Further down, but nobody said that the one is taken inside the other. */
static void undeclared_g0(void *arg)
{
	(void)arg;
	lock(&sched_lock);
	lock(&map_lock);
}

static void undeclared(void *arg)
{
	systemstack(undeclared_g0, arg);
}

static void equal(void *arg)
{
	(void)arg;
	lock(&chan_lock);
	lock(&other_chan_lock);
}

static void release_order(void *arg)
{
	(void)arg;
	lock(&notify_lock);
	lock(&chan_lock);
	unlock(&notify_lock);
}

static void release_free(void *arg)
{
	(void)arg;
	unlock(&chan_lock);
}

static void run_it(void *arg)
{
	gort_run(arg, NULL);
}

static void test_rank_violations(void **state)
{
	static const struct {
		void (*fn)(void *);
		const char *says;
	} wrong[] = {
		{ on_goroutine_stack,
		  "gort: taken on a goroutine stack: STACK_CLASS\n" },
		{ falling,
		  "gort: taken out of order: STACK_CLASS while holding STACK_MAP\n" },
		{ falling_on_goroutine,
		  "gort: taken out of order: NOTIFY while holding CHAN\n" },
		{ equal, "gort: taken out of order: CHAN while holding CHAN\n" },
		{ undeclared,
		  "gort: not said to be taken: STACK_MAP while holding SCHED\n" },
		{ release_order, "gort: released out of order: NOTIFY\n" },
		{ release_free, "gort: released out of order: CHAN\n" },
	};

	(void)state;
#ifndef GORT_DEBUG
	skip();
#endif
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		child_run(run_it, wrong[i].fn);
		child_expect_text(wrong[i].says);
		child_expect_text("gort: internal error: lock rank violation");
		child_expect_exit(2);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contention),
		cmocka_unit_test(test_contention_asleep),
		cmocka_unit_test(test_contention_with_fences),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_sleep_with_fences),
		cmocka_unit_test(test_freed_at_once),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_futex),
		cmocka_unit_test(test_right_order),
		cmocka_unit_test(test_rank_violations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
