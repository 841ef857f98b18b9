// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_cancel.c - cancelling by the public calls.
 */
#include <gort/gort.h>

#include <stdatomic.h>

#include "child.h"
#include "kernel/check.h"

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

static struct gort_cancel *new_child(struct gort_cancel *parent)
{
	struct gort_cancel *c = gort_cancel_new(parent);

	CHECK_NE((uintptr_t)c, 0);
	return c;
}

/* The channel says the same as the cause. */
static void check_err(const struct gort_cancel *c, int want)
{
	CHECK_EQ(gort_cancel_err(c), want);
	CHECK_EQ(gort_chan_try_recv(gort_cancel_done(c), NULL),
		 want ? -EPIPE : -EAGAIN);
}

/* --- arguments and contexts --- */

static void check_outside(void *arg)
{
	struct gort_cancel *c = arg;

	CHECK_EQ(gort_cancel(c, 0), -EPERM);
	CHECK_EQ(gort_cancel_deadline(c, 0), -EPERM);
	CHECK_EQ(gort_cancel_err(c), 0);
	CHECK_NE((uintptr_t)gort_cancel_done(c), 0);
	CHECK_EQ((uintptr_t)gort_cancel_get(c), (uintptr_t)c);
}

static void check_arguments(void *arg)
{
	struct gort_cancel *c = new_child(NULL);

	(void)arg;
	CHECK_EQ(gort_cancel(NULL, 0), -EINVAL);
	CHECK_EQ(gort_cancel_deadline(NULL, 0), -EINVAL);
	CHECK_EQ(gort_cancel(c, 1), -EINVAL);
	CHECK_EQ(gort_cancel(c, ECANCELED), -EINVAL);
	CHECK_EQ(gort_cancel(c, -4096), -EINVAL);
	CHECK_EQ(gort_cancel(c, INT32_MIN), -EINVAL);
	check_err(c, 0);
	CHECK_EQ(gort_cancel_err(NULL), 0);
	CHECK_EQ((uintptr_t)gort_cancel_done(NULL), 0);
	CHECK_EQ((uintptr_t)gort_cancel_get(NULL), 0);
	gort_cancel_put(NULL);
	CHECK_EQ(gort_systemstack_call(check_outside, c), 0);
	gort_cancel_put(c);
	CHECK_EQ(gort_cancel(c, -4095), 0);
	check_err(c, -4095);
	gort_cancel_put(c);
}

static void new_outside(void *arg)
{
	gort_cancel_new(arg);
}

static void put_outside(void *arg)
{
	gort_cancel_put(arg);
}

static void test_arguments(void **state)
{
	(void)state;
	CHECK_EQ(gort_cancel(NULL, 0), -EPERM);
	run(check_arguments, NULL);
	child_run(new_outside, NULL);
	child_expect_text("fatal error: gort_cancel_new called outside a goroutine");
	child_expect_exit(2);
	child_run(put_outside, NULL);
	child_expect_text("fatal error: gort_cancel_put called outside a goroutine");
	child_expect_exit(2);
}

/* --- causes --- */

static void check_cause(void *arg)
{
	struct gort_cancel *c = new_child(NULL), *child = new_child(c);
	struct gort_cancel *other = new_child(c), *late;

	(void)arg;
	check_err(c, 0);
	CHECK_EQ(gort_cancel(other, -EIO), 0);
	check_err(other, -EIO);
	check_err(c, 0);
	check_err(child, 0);
	CHECK_EQ(gort_cancel(c, 0), 0);
	check_err(c, -ECANCELED);
	check_err(child, -ECANCELED);
	/* The first one stays. */
	check_err(other, -EIO);
	CHECK_EQ(gort_cancel(c, -ENOSPC), 0);
	CHECK_EQ(gort_cancel(child, -ENOSPC), 0);
	CHECK_EQ(gort_cancel(other, 0), 0);
	check_err(c, -ECANCELED);
	check_err(child, -ECANCELED);
	check_err(other, -EIO);
	/* Born cancelled, with the cause of the parent. */
	late = new_child(other);
	check_err(late, -EIO);
	gort_cancel_put(other);
	gort_cancel_put(c);
	other = new_child(late);
	check_err(other, -EIO);
	gort_cancel_put(late);
	gort_cancel_put(child);
	gort_cancel_put(other);
}

static void test_cause(void **state)
{
	(void)state;
	run(check_cause, NULL);
}

/* --- trees --- */

#define NODES	1000

static int parent_of(int i, int shape)
{
	if (shape == 0)
		return (i - 1) / 3;		/* wide */
	if (shape == 1)
		return i - 1;			/* a chain */
	if (shape == 2)
		return 0;			/* a star */
	return (int)((unsigned int)i * 2654435761u >> 3) % i;
}

static bool is_below(int i, int top, int shape)
{
	while (i > top)
		i = parent_of(i, shape);
	return i == top;
}

/* A part of the tree is cancelled, then another, then all. */
static void check_tree(struct gort_cancel **c, int shape, int a, int b)
{
	for (int i = 0; i < NODES; i++)
		c[i] = new_child(i ? c[parent_of(i, shape)] : NULL);
	CHECK_EQ(gort_cancel(c[a], -EIO), 0);
	for (int i = 0; i < NODES; i++)
		check_err(c[i], is_below(i, a, shape) ? -EIO : 0);
	CHECK_EQ(gort_cancel(c[b], -EINTR), 0);
	for (int i = 0; i < NODES; i++)
		check_err(c[i], is_below(i, a, shape) ? -EIO :
				is_below(i, b, shape) ? -EINTR : 0);
	CHECK_EQ(gort_cancel(c[0], 0), 0);
	for (int i = 0; i < NODES; i++)
		CHECK_NE(gort_cancel_err(c[i]), 0);
}

/* Dropped from the root, from the leaves, or in a mix. */
static void put_tree(struct gort_cancel **c, int order)
{
	for (int i = 0; i < NODES; i++)
		gort_cancel_put(c[order == 0 ? i :
				  order == 1 ? NODES - 1 - i :
				  i * 7 % NODES]);
}

static void check_trees(void *arg)
{
	struct gort_cancel *c[NODES];

	(void)arg;
	for (int shape = 0; shape < 4; shape++)
		for (int order = 0; order < 3; order++) {
			check_tree(c, shape, 700, 13);
			put_tree(c, order);
			check_tree(c, shape, 13, 5);
			put_tree(c, order);
		}
}

/* Nodes that nobody but their children refers to pass it on. */
static void check_abandoned(void *arg)
{
	struct gort_cancel *root = new_child(NULL), *c, *leaf;

	(void)arg;
	c = new_child(root);
	leaf = new_child(c);
	gort_cancel_put(c);
	CHECK_EQ(gort_cancel(root, 0), 0);
	check_err(leaf, -ECANCELED);
	gort_cancel_put(root);
	gort_cancel_put(leaf);
	/* Children that are gone do not matter, wherever in the list. */
	for (int gone = 0; gone < 8; gone++) {
		struct gort_cancel *child[3];

		root = new_child(NULL);
		for (int i = 0; i < 3; i++)
			child[i] = new_child(root);
		for (int i = 0; i < 3; i++)
			if (gone & 1 << i)
				gort_cancel_put(child[i]);
		CHECK_EQ(gort_cancel(root, 0), 0);
		gort_cancel_put(root);
		for (int i = 0; i < 3; i++) {
			if (gone & 1 << i)
				continue;
			check_err(child[i], -ECANCELED);
			gort_cancel_put(child[i]);
		}
	}
}

static void test_trees(void **state)
{
	(void)state;
	run(check_trees, NULL);
	run(check_abandoned, NULL);
}

/* Deep: no recursion, neither to cancel nor to free. */
static void check_deep(void *arg)
{
	int depth = *(int *)arg;
	struct gort_cancel *root = new_child(NULL), *c = gort_cancel_get(root);
	struct gort_stats before, after;

	for (int i = 0; i < depth; i++) {
		struct gort_cancel *child = new_child(c);

		gort_cancel_put(c);
		c = child;
	}
	gort_read_stats(&before);
	CHECK_EQ(gort_cancel(root, 0), 0);
	check_err(c, -ECANCELED);
	gort_cancel_put(root);
	gort_cancel_put(c);
	gort_read_stats(&after);
	if (!mode_gortdebug("maymorestack"))
		CHECK_EQ(after.stack_grown_in_place,
			 before.stack_grown_in_place);
}

static void test_deep(void **state)
{
	int depth = mode_times(100000);

	(void)state;
	run(check_deep, &depth);
}

/* --- those who wait --- */

struct worker {
	struct gort_cancel *cancel;
	struct gort_chan *jobs;
	struct gort_waitgroup *wg;
	long *sum;
};

static void work(void *arg)
{
	struct worker w = *(struct worker *)arg;
	long job;
	struct gort_select_case k[] = {
		GORT_RECV_CASE(w.jobs, &job),
		GORT_RECV_CASE(gort_cancel_done(w.cancel), NULL),
	};

	while (gort_select(k, 2, 0) == 0)
		__atomic_fetch_add(w.sum, job, __ATOMIC_RELAXED);
	CHECK_EQ(k[1].result, -EPIPE);
	CHECK_EQ(gort_cancel_err(w.cancel), -EINTR);
	gort_cancel_put(w.cancel);
	gort_waitgroup_done(w.wg);
}

static void check_select(void *arg)
{
	struct gort_cancel *c = new_child(NULL);
	struct gort_chan *jobs = gort_chan_new(sizeof(long), 0);
	struct gort_waitgroup wg = { 0 };
	int n = *(int *)arg;
	long sum = 0;

	for (int i = 0; i < 10; i++) {
		struct worker w = { gort_cancel_get(c), jobs, &wg, &sum };

		if (i % 2) {
			gort_cancel_put(w.cancel);
			w.cancel = new_child(c);
		}
		gort_waitgroup_add(&wg, 1);
		CHECK_EQ(gort_go_copy(work, &w, sizeof(w)), 0);
	}
	for (long i = 0; i < n; i++)
		CHECK_EQ(gort_chan_send(jobs, &i), 0);
	CHECK_EQ(gort_cancel(c, -EINTR), 0);
	gort_cancel_put(c);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(sum, (long)n * (n - 1) / 2);
	CHECK_EQ(gort_chan_free(jobs), 0);
}

static void test_select(void **state)
{
	int n = mode_times(20000);

	(void)state;
	run(check_select, &n);
	n = 0;
	run(check_select, &n);
}

/* NULL: never cancelled. */
static void check_null_done(void *arg)
{
	struct gort_chan *c = gort_chan_new(0, 1);
	struct gort_select_case k[] = {
		GORT_RECV_CASE(gort_cancel_done(NULL), NULL),
		GORT_RECV_CASE(c, NULL),
	};

	(void)arg;
	CHECK_EQ(gort_select(k, 2, GORT_SELECT_NONBLOCK), -EAGAIN);
	CHECK_EQ(gort_chan_send(c, NULL), 0);
	CHECK_EQ(gort_select(k, 2, 0), 1);
	CHECK_EQ(gort_chan_free(c), 0);
}

static void test_null_done(void **state)
{
	(void)state;
	run(check_null_done, NULL);
}

/* --- at the same time --- */

#define CANCELLERS	4

struct race {
	struct gort_cancel *c;
	int payload[CANCELLERS];
	atomic_int go;
	struct gort_waitgroup wg;
};

struct canceller {
	struct race *r;
	int i;
};

/* What was done before the cancel is seen by who sees its cause. */
static void cancel_it(void *arg)
{
	struct canceller *a = arg;
	struct race *r = a->r;

	r->payload[a->i] = 42;
	CHECK_EQ(gort_cancel(r->c, -1 - a->i), 0);
	CHECK_NE(gort_cancel_err(r->c), 0);
	gort_cancel_put(r->c);
	gort_waitgroup_done(&r->wg);
}

static void wait_for_it(void *arg)
{
	struct race *r = arg;
	int err;

	CHECK_EQ(gort_chan_recv(gort_cancel_done(r->c), NULL), -EPIPE);
	err = gort_cancel_err(r->c);
	CHECK_LT(err, 0);
	CHECK_EQ(r->payload[-1 - err], 42);
	gort_cancel_put(r->c);
	gort_waitgroup_done(&r->wg);
}

/* Makes children until they are born cancelled: all are in the end. */
static void make_children(void *arg)
{
	struct race *r = arg;
	struct gort_cancel *c[20];
	int n = 0, err;

	do {
		c[n % 20] = new_child(n % 3 || !n ? r->c : c[(n + 19) % 20]);
		err = gort_cancel_err(c[n % 20]);
		n++;
		if (!err && n >= 20)
			gort_cancel_put(c[n % 20]);
		if (!err && n % 4 == 0)
			gort_yield();
	} while (!err);
	/* Others may be still at it. */
	for (int i = n < 20 ? 0 : n - 20; i < n; i++)
		CHECK_EQ(gort_chan_recv(gort_cancel_done(c[i % 20]), NULL),
			 -EPIPE);
	for (int i = n < 20 ? 0 : n - 20; i < n; i++) {
		CHECK_EQ(gort_cancel_err(c[i % 20]), gort_cancel_err(r->c));
		gort_cancel_put(c[i % 20]);
	}
	gort_cancel_put(r->c);
	gort_waitgroup_done(&r->wg);
}

static void start(struct race *r, void (*fn)(void *), void *arg, size_t n)
{
	gort_cancel_get(r->c);
	gort_waitgroup_add(&r->wg, 1);
	CHECK_EQ(gort_go_copy(fn, arg, n), 0);
}

static void start_with_race(struct race *r, void (*fn)(void *))
{
	gort_cancel_get(r->c);
	gort_waitgroup_add(&r->wg, 1);
	CHECK_EQ(gort_go(fn, r), 0);
}

static void check_race(void *arg)
{
	int n = *(int *)arg;

	for (int k = 0; k < n; k++) {
		struct race r = { .c = new_child(NULL) };

		for (int i = 0; i < 3; i++) {
			start_with_race(&r, make_children);
			start_with_race(&r, wait_for_it);
		}
		for (int i = 0; i < k % 10; i++)
			gort_yield();
		for (int i = 0; i < 1 + k % CANCELLERS; i++) {
			struct canceller a = { &r, i };

			start(&r, cancel_it, &a, sizeof(a));
		}
		gort_cancel_put(r.c);
		gort_waitgroup_wait(&r.wg);
	}
}

static void test_race(void **state)
{
	int n = mode_times(3000);

	(void)state;
	run(check_race, &n);
}

/* Cancelling from the top, from the middle and dropping, all at once. */
struct grove {
	struct gort_cancel *root;
	struct gort_waitgroup wg;
};

static void branch(void *arg)
{
	struct grove *g = arg;
	struct gort_cancel *c = new_child(g->root), *leaf[3];

	for (int i = 0; i < 3; i++)
		leaf[i] = new_child(i ? leaf[i - 1] : c);
	gort_cancel_put(leaf[1]);
	gort_yield();
	CHECK_EQ(gort_cancel(c, -EIO), 0);
	CHECK_NE(gort_cancel_err(c), 0);
	/* From here or from the root, by now or soon. */
	CHECK_EQ(gort_chan_recv(gort_cancel_done(leaf[2]), NULL), -EPIPE);
	gort_cancel_put(c);
	gort_cancel_put(leaf[2]);
	gort_cancel_put(leaf[0]);
	gort_cancel_put(g->root);
	gort_waitgroup_done(&g->wg);
}

static void check_grove(void *arg)
{
	int n = *(int *)arg;

	for (int k = 0; k < n; k++) {
		struct grove g = { .root = new_child(NULL) };

		for (int i = 0; i < 10; i++) {
			gort_cancel_get(g.root);
			gort_waitgroup_add(&g.wg, 1);
			CHECK_EQ(gort_go(branch, &g), 0);
		}
		for (int i = 0; i < k % 5; i++)
			gort_yield();
		CHECK_EQ(gort_cancel(g.root, -EINTR), 0);
		gort_cancel_put(g.root);
		gort_waitgroup_wait(&g.wg);
	}
}

static void test_grove(void **state)
{
	int n = mode_times(3000);

	(void)state;
	run(check_grove, &n);
}

/* --- deadlines --- */

#define MSEC	INT64_C(1000000)

static void check_deadline(void *arg)
{
	struct gort_cancel *c = new_child(NULL), *mid = new_child(c);
	struct gort_cancel *leaf = new_child(mid);
	int64_t when = gort_now_ns() + 20 * MSEC;

	(void)arg;
	/* The earliest of those above counts, and only downwards. */
	CHECK_EQ(gort_cancel_deadline(leaf, when + 3600 * 1000 * MSEC), 0);
	CHECK_EQ(gort_cancel_deadline(mid, when), 0);
	CHECK_EQ(gort_cancel_deadline(c, INT64_MAX), 0);
	CHECK_EQ(gort_cancel_deadline(mid, when), -EALREADY);
	CHECK_EQ(gort_cancel_deadline(c, 0), -EALREADY);
	CHECK_EQ(gort_chan_recv(gort_cancel_done(mid), NULL), -EPIPE);
	CHECK_LE(when, gort_now_ns());
	check_err(mid, -ETIMEDOUT);
	CHECK_EQ(gort_chan_recv(gort_cancel_done(leaf), NULL), -EPIPE);
	check_err(leaf, -ETIMEDOUT);
	check_err(c, 0);
	CHECK_EQ(gort_cancel(mid, 0), 0);
	check_err(mid, -ETIMEDOUT);
	CHECK_EQ(gort_cancel(c, 0), 0);
	check_err(c, -ECANCELED);
	gort_cancel_put(leaf);
	gort_cancel_put(mid);
	gort_cancel_put(c);
}

/* Passed: at once. */
static void check_passed(void *arg)
{
	int64_t when[] = { INT64_MIN, 0, gort_now_ns() };

	(void)arg;
	for (size_t i = 0; i < sizeof(when) / sizeof(*when); i++) {
		struct gort_cancel *c = new_child(NULL), *leaf = new_child(c);

		CHECK_EQ(gort_cancel_deadline(c, when[i]), 0);
		check_err(c, -ETIMEDOUT);
		check_err(leaf, -ETIMEDOUT);
		CHECK_EQ(gort_cancel_deadline(c, when[i]), -EALREADY);
		CHECK_EQ(gort_cancel_deadline(leaf, INT64_MAX), 0);
		gort_cancel_put(leaf);
		gort_cancel_put(c);
	}
}

/* Cancelled or dropped before its time: nothing happens then. */
static void check_before(void *arg)
{
	struct gort_cancel *c = new_child(NULL), *dropped = new_child(NULL);
	struct gort_cancel *parent = new_child(NULL), *leaf;
	int64_t when = gort_now_ns() + 30 * MSEC;

	(void)arg;
	CHECK_EQ(gort_cancel_deadline(c, when), 0);
	CHECK_EQ(gort_cancel_deadline(dropped, when), 0);
	CHECK_EQ(gort_cancel_deadline(parent, when), 0);
	CHECK_EQ(gort_cancel(c, -EIO), 0);
	gort_cancel_put(dropped);
	/* Kept by its child, it passes the deadline on. */
	leaf = new_child(parent);
	gort_cancel_put(parent);
	CHECK_EQ(gort_chan_recv(gort_cancel_done(leaf), NULL), -EPIPE);
	check_err(leaf, -ETIMEDOUT);
	CHECK_LE(when, gort_now_ns());
	check_err(c, -EIO);
	gort_cancel_put(leaf);
	gort_cancel_put(c);
}

static void test_deadline(void **state)
{
	(void)state;
	run(check_deadline, NULL);
	run(check_passed, NULL);
	run(check_before, NULL);
}

/* A timer that is left would be something to wait for: no deadlock. */
static void wait_without_timers(void *arg)
{
	struct gort_cancel *c[4];
	int64_t when = gort_now_ns() + 3600 * 1000 * MSEC;

	(void)arg;
	for (int i = 0; i < 4; i++)
		c[i] = new_child(NULL);
	CHECK_EQ(gort_cancel_deadline(c[0], when), 0);
	CHECK_EQ(gort_cancel(c[0], 0), 0);
	CHECK_EQ(gort_cancel(c[1], 0), 0);
	CHECK_EQ(gort_cancel_deadline(c[1], when), 0);
	CHECK_EQ(gort_cancel_deadline(c[2], when), 0);
	gort_cancel_put(c[2]);
	CHECK_EQ(gort_cancel_deadline(c[3], INT64_MAX), 0);
	gort_chan_recv(gort_cancel_done(c[3]), NULL);
}

/* One P: no other thread begins to wait for a timer before it is stopped. */
static void run_on_one(void *arg)
{
	setenv("GORTMAXPROCS", "1", 1);
	gort_run(arg, NULL);
}

static void test_no_timer_left(void **state)
{
	(void)state;
	child_run(run_on_one, wait_without_timers);
	child_expect_text("fatal error: all goroutines are asleep - deadlock!");
	child_expect_exit(2);
}

static void wait_in_select(void *arg)
{
	struct race *r = arg;
	struct gort_select_case k[] = {
		GORT_RECV_CASE(NULL, NULL),
		GORT_RECV_CASE(gort_cancel_done(r->c), NULL),
	};

	CHECK_EQ(gort_select(k, 2, 0), 1);
	CHECK_EQ(k[1].result, -EPIPE);
	CHECK_NE(gort_cancel_err(r->c), 0);
	gort_cancel_put(r->c);
	gort_waitgroup_done(&r->wg);
}

/*
 * Deadlines come while others cancel, drop and wait.  The last reference is
 * dropped before, after, and by the timer's function.
 */
static void check_deadline_race(void *arg)
{
	int n = *(int *)arg;

	for (int k = 0; k < n; k++) {
		struct race r = { .c = new_child(NULL) };
		struct canceller a = { &r, 0 };
		struct gort_cancel *leaf = new_child(r.c), *kept;
		int64_t when = gort_now_ns() + k % 50 * 1000;

		CHECK_EQ(gort_cancel_deadline(leaf, when), 0);
		kept = new_child(leaf);
		CHECK_EQ(gort_cancel_deadline(kept, when + k % 7 * 1000), 0);
		CHECK_EQ(gort_cancel_deadline(r.c, when), 0);
		start_with_race(&r, wait_in_select);
		gort_cancel_put(leaf);
		if (k % 3 == 0)
			start(&r, cancel_it, &a, sizeof(a));
		for (int i = 0; i < k % 20; i++)
			gort_yield();
		gort_cancel_put(kept);
		gort_cancel_put(r.c);
		gort_waitgroup_wait(&r.wg);
	}
}

/* The only reference goes while another thread may run the timer. */
static void check_dropped_when_due(void *arg)
{
	int n = *(int *)arg;

	for (int k = 0; k < n; k++) {
		struct gort_cancel *c = new_child(NULL);
		int64_t when = gort_now_ns() + 20000;

		CHECK_EQ(gort_cancel_deadline(c, when), 0);
		while (gort_now_ns() < when + k % 200 * 500)
			;
		gort_cancel_put(c);
	}
}

static void test_deadline_race(void **state)
{
	int n = mode_times(10000);

	(void)state;
	run(check_deadline_race, &n);
	run(check_dropped_when_due, &n);
}

/* --- misuse, and the next run --- */

static void wait_done(void *arg)
{
	gort_chan_recv(gort_cancel_done(arg), NULL);
}

static void put_with_waiters(void *arg)
{
	struct gort_cancel *c = new_child(NULL);

	(void)arg;
	CHECK_EQ(gort_go(wait_done, c), 0);
	for (int i = 0; i < 100; i++)
		gort_yield();
	gort_cancel_put(c);
}

static void test_put_with_waiters(void **state)
{
	(void)state;
	child_run(run_on_one, put_with_waiters);
	child_expect_text("fatal error: last gort_cancel_put of what goroutines wait on");
	child_expect_exit(2);
}

static void first_run(void *arg)
{
	struct gort_cancel **c = arg;

	c[0] = new_child(NULL);
	c[1] = new_child(c[0]);
	CHECK_EQ(gort_cancel_deadline(c[1], gort_now_ns() + 3600 * 1000 * MSEC),
		 0);
	CHECK_EQ(gort_go(wait_done, c[1]), 0);
	for (int i = 0; i < 100; i++)
		gort_yield();
}

static void second_run(void *arg)
{
	struct gort_cancel **c = arg;

	CHECK_EQ(gort_cancel(c[0], 0), 0);
	check_err(c[1], -ECANCELED);
	gort_cancel_put(c[0]);
	gort_cancel_put(c[1]);
}

static void test_next_run(void **state)
{
	struct gort_cancel *c[2];

	(void)state;
	run(first_run, c);
	assert_int_equal(gort_cancel_err(c[1]), 0);
	run(second_run, c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_cause),
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_null_done),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_grove),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_no_timer_left),
		cmocka_unit_test(test_deadline_race),
		cmocka_unit_test(test_put_with_waiters),
		cmocka_unit_test(test_next_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
