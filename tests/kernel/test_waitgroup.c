// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_waitgroup.c - waitgroups by the public calls.
 */
#include <gort/gort.h>

#include <stdatomic.h>

#include "child.h"
#include "kernel/check.h"

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

/* --- counting --- */

static void check_none(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	gort_waitgroup_wait(&wg);
	gort_waitgroup_add(&wg, 0);
	gort_waitgroup_wait(&wg);
	gort_waitgroup_add(&wg, 3);
	gort_waitgroup_add(&wg, -2);
	gort_waitgroup_done(&wg);
	gort_waitgroup_wait(&wg);
	gort_waitgroup_add(&wg, (int64_t)1 << 40);
	gort_waitgroup_add(&wg, -((int64_t)1 << 40));
	gort_waitgroup_wait(&wg);
}

static void test_none(void **state)
{
	(void)state;
	run(check_none, NULL);
}

static void below_0(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	gort_waitgroup_add(&wg, 2);
	gort_waitgroup_done(&wg);
	gort_waitgroup_done(&wg);
	gort_waitgroup_done(&wg);
}

static void below_0_at_once(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	gort_waitgroup_add(&wg, 1);
	gort_waitgroup_add(&wg, -2);
}

static void far_below_0(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	gort_waitgroup_add(&wg, -((int64_t)1 << 40));
}

static void run_it(void *arg)
{
	gort_run(arg, NULL);
}

static void test_negative(void **state)
{
	static void (*const fns[])(void *) = {
		below_0, below_0_at_once, far_below_0,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fns) / sizeof(*fns); i++) {
		child_run(run_it, fns[i]);
		child_expect_text("fatal error: negative waitgroup counter");
		child_expect_exit(2);
	}
}

/* --- one waiter --- */

static void work(void *arg)
{
	struct { struct gort_waitgroup *wg; int *done; } *a = arg;

	*a->done = 1;
	gort_waitgroup_done(a->wg);
}

/* What was done before the last done is seen, without atomics. */
static void check_wait(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	int n = *(int *)arg, done[100];

	for (int round = 0; round < n; round++) {
		int jobs = round % 100 + 1;

		memset(done, 0, sizeof(done));
		gort_waitgroup_add(&wg, jobs);
		for (int i = 0; i < jobs; i++) {
			struct { struct gort_waitgroup *wg; int *done; } a = {
				&wg, &done[i]
			};

			CHECK_EQ(gort_go_copy(work, &a, sizeof(a)), 0);
		}
		gort_waitgroup_wait(&wg);
		for (int i = 0; i < jobs; i++)
			CHECK_EQ(done[i], 1);
	}
}

static void test_wait(void **state)
{
	int n = mode_times(2000);

	(void)state;
	run(check_wait, &n);
}

/* --- on the stack of who waits --- */

static void done_once(void *arg)
{
	gort_waitgroup_done(arg);
}

/* The frame of the waitgroup is filled with something else at once. */
static __attribute__((noinline)) void clobber(void)
{
	volatile unsigned char junk[512];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = 0xff;
}

static __attribute__((noinline)) void wait_on_stack(int jobs)
{
	struct gort_waitgroup wg = { 0 };

	gort_waitgroup_add(&wg, jobs);
	for (int i = 0; i < jobs; i++)
		CHECK_EQ(gort_go(done_once, &wg), 0);
	if (jobs % 2)
		gort_yield();
	gort_waitgroup_wait(&wg);
	memset(&wg, 0xff, sizeof(wg));
}

static void check_on_stack(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		wait_on_stack(i % 4 + 1);
		clobber();
	}
}

static void test_on_stack(void **state)
{
	int n = mode_times(50000);

	(void)state;
	run(check_on_stack, &n);
}

/* Freed at once, for the address sanitizer to see. */
static void check_freed(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct gort_waitgroup *wg = calloc(1, sizeof(*wg));
		int jobs = i % 3 + 1;

		gort_waitgroup_add(wg, jobs);
		for (int k = 0; k < jobs; k++)
			CHECK_EQ(gort_go(done_once, wg), 0);
		if (i % 2)
			gort_yield();
		gort_waitgroup_wait(wg);
		free(wg);
	}
}

static void test_freed(void **state)
{
	int n = mode_times(50000);

	(void)state;
	run(check_freed, &n);
}

/* The same by way of the end of the goroutine that waits. */
static void wait_and_end(void *arg)
{
	wait_on_stack(2);
	gort_waitgroup_done(arg);
}

static void check_many_on_stack(void *arg)
{
	struct gort_waitgroup all = { 0 };
	int n = *(int *)arg;

	for (int round = 0; round < n; round++) {
		gort_waitgroup_add(&all, 50);
		for (int i = 0; i < 50; i++)
			CHECK_EQ(gort_go(wait_and_end, &all), 0);
		gort_waitgroup_wait(&all);
	}
}

static void test_many_on_stack(void **state)
{
	int n = mode_times(300);

	(void)state;
	run(check_many_on_stack, &n);
}

/* --- several waiters, reuse --- */

struct crowd {
	struct gort_waitgroup work, left;
	atomic_int woken, here;
	int payload;
};

static void crowd_wait(void *arg)
{
	struct crowd *c = arg;

	atomic_fetch_add(&c->here, 1);
	gort_waitgroup_wait(&c->work);
	CHECK_EQ(c->payload, 4711);
	atomic_fetch_add(&c->woken, 1);
	gort_waitgroup_done(&c->left);
}

static void crowd_round(struct crowd *c, int waiters, bool all_wait)
{
	*c = (struct crowd){ 0 };
	gort_waitgroup_add(&c->work, 2);
	gort_waitgroup_add(&c->left, waiters);
	for (int i = 0; i < waiters; i++)
		CHECK_EQ(gort_go(crowd_wait, c), 0);
	while (all_wait && atomic_load(&c->here) < waiters)
		gort_yield();
	CHECK_EQ(atomic_load(&c->woken), 0);
	c->payload = 4711;
	gort_waitgroup_done(&c->work);
	CHECK_EQ(gort_go(done_once, &c->work), 0);
	gort_waitgroup_wait(&c->left);
	CHECK_EQ(atomic_load(&c->woken), waiters);
}

/* Waiters come before, while, and after the count reaches 0. */
static void check_crowd(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct crowd c;

		crowd_round(&c, i % 20 + 1, i % 2);
	}
}

static void test_several_waiters(void **state)
{
	int n = mode_times(3000);

	(void)state;
	run(check_crowd, &n);
}

struct pong {
	struct gort_waitgroup wg, end;
	struct gort_chan *go;
};

static void ping_done(void *arg)
{
	struct pong *p = arg;

	while (!gort_chan_recv(p->go, NULL))
		gort_waitgroup_done(&p->wg);
	gort_waitgroup_done(&p->end);
}

static void check_reuse(void *arg)
{
	struct pong p = { .go = gort_chan_new(0, 0) };
	int n = *(int *)arg;

	gort_waitgroup_add(&p.end, 1);
	CHECK_EQ(gort_go(ping_done, &p), 0);
	for (int i = 0; i < n; i++) {
		gort_waitgroup_add(&p.wg, 1);
		CHECK_EQ(gort_chan_send(p.go, NULL), 0);
		gort_waitgroup_wait(&p.wg);
	}
	CHECK_EQ(gort_chan_close(p.go), 0);
	gort_waitgroup_wait(&p.end);
	CHECK_EQ(gort_chan_free(p.go), 0);
}

static void test_reuse(void **state)
{
	int n = mode_times(100000);

	(void)state;
	run(check_reuse, &n);
}

/* One waits, and another does while the count goes up and down. */
static void up_and_down(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < 100; i++) {
		gort_waitgroup_add(&c->work, 1);
		if (i % 10 == 0)
			gort_yield();
		gort_waitgroup_done(&c->work);
	}
	c->payload = 4711;
	gort_waitgroup_done(&c->work);
}

static void check_up_and_down(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct crowd c = { 0 };

		gort_waitgroup_add(&c.work, 1);
		gort_waitgroup_add(&c.left, 3);
		CHECK_EQ(gort_go(up_and_down, &c), 0);
		for (int k = 0; k < 3; k++)
			CHECK_EQ(gort_go(crowd_wait, &c), 0);
		gort_waitgroup_wait(&c.left);
		CHECK_EQ(atomic_load(&c.woken), 3);
	}
}

static void test_up_and_down(void **state)
{
	int n = mode_times(3000);

	(void)state;
	run(check_up_and_down, &n);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_on_stack),
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_many_on_stack),
		cmocka_unit_test(test_several_waiters),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_up_and_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
