// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_chan.c - channels by the public calls.
 */
#include <gort/gort.h>

#include <pthread.h>
#include <stdatomic.h>

#include "child.h"
#include "kernel/check.h"

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

/* Let everybody else go as far as they can: several rounds of the queue. */
static void yield_some(void)
{
	for (int i = 0; i < 100; i++)
		gort_yield();
}

/* --- errors --- */

static void check_errors(void *arg)
{
	struct gort_chan *c = gort_chan_new(8, 1), *zero = gort_chan_new(0, 1);
	long v = 5;

	(void)arg;
	CHECK_EQ(gort_chan_send(NULL, &v), -EINVAL);
	CHECK_EQ(gort_chan_try_send(NULL, &v), -EINVAL);
	CHECK_EQ(gort_chan_recv(NULL, &v), -EINVAL);
	CHECK_EQ(gort_chan_try_recv(NULL, &v), -EINVAL);
	CHECK_EQ(gort_chan_close(NULL), -EINVAL);
	CHECK_EQ(gort_chan_free(NULL), -EINVAL);
	CHECK_EQ(gort_chan_len(NULL), 0);

	CHECK_EQ(gort_chan_send(c, NULL), -EINVAL);
	CHECK_EQ(gort_chan_try_send(c, NULL), -EINVAL);
	CHECK_EQ(gort_chan_len(c), 0);
	CHECK_EQ(gort_chan_try_recv(c, &v), -EAGAIN);
	CHECK_EQ(v, 5);
	CHECK_EQ(gort_chan_try_recv(c, NULL), -EAGAIN);
	CHECK_EQ(gort_chan_send(c, &v), 0);
	CHECK_EQ(gort_chan_try_send(c, &v), -EAGAIN);
	CHECK_EQ(gort_chan_len(c), 1);
	CHECK_EQ(gort_chan_recv(c, NULL), 0);
	CHECK_EQ(gort_chan_len(c), 0);

	CHECK_EQ(gort_chan_send(zero, NULL), 0);
	CHECK_EQ(gort_chan_try_send(zero, NULL), -EAGAIN);
	CHECK_EQ(gort_chan_recv(zero, NULL), 0);

	CHECK_EQ(gort_chan_close(c), 0);
	CHECK_EQ(gort_chan_close(c), -EPIPE);
	CHECK_EQ(gort_chan_send(c, &v), -EPIPE);
	CHECK_EQ(gort_chan_try_send(c, &v), -EPIPE);
	CHECK_EQ(gort_chan_recv(c, NULL), -EPIPE);
	CHECK_EQ(gort_chan_recv(c, &v), -EPIPE);
	CHECK_EQ(v, 0);
	v = 5;
	CHECK_EQ(gort_chan_try_recv(c, &v), -EPIPE);
	CHECK_EQ(v, 0);
	CHECK_EQ(gort_chan_free(c), 0);
	CHECK_EQ(gort_chan_free(zero), 0);
}

static void test_errors(void **state)
{
	(void)state;
	run(check_errors, NULL);
}

static void test_sizes(void **state)
{
	struct gort_chan *c;

	(void)state;
	assert_null(gort_chan_new(SIZE_MAX, 2));
	assert_null(gort_chan_new(2, SIZE_MAX));
	assert_null(gort_chan_new(SIZE_MAX, 1));
	assert_null(gort_chan_new(1, SIZE_MAX));
	assert_null(gort_chan_new((size_t)1 << 32, (size_t)1 << 32));
	assert_null(gort_chan_new(1, SIZE_MAX - 128));
	assert_null(gort_chan_new((size_t)PTRDIFF_MAX + 1, 1));
	/* No element has bytes: nothing overflows. */
	c = gort_chan_new(0, SIZE_MAX);
	assert_non_null(c);
	assert_int_equal(gort_chan_free(c), 0);
	c = gort_chan_new(SIZE_MAX, 0);
	assert_non_null(c);
	assert_int_equal(gort_chan_free(c), 0);
}

/* --- elements --- */

#define MAX_ELEM	4096

static const size_t elem_sizes[] = { 0, 1, 3, 7, 8, 9, 16, 24, 100, MAX_ELEM };

struct elem_test {
	struct gort_chan *c;
	size_t size;
	int n;
	struct gort_waitgroup wg;
};

static unsigned char elem_byte(int i, size_t k)
{
	return (unsigned char)((size_t)i * 37 + k * 11 + 1);
}

static void send_elems(void *arg)
{
	struct elem_test *t = arg;
	unsigned char *buf = malloc(MAX_ELEM);

	for (int i = 0; i < t->n; i++) {
		for (size_t k = 0; k < t->size; k++)
			buf[k] = elem_byte(i, k);
		CHECK_EQ(gort_chan_send(t->c, t->size ? buf : NULL), 0);
		memset(buf, 0, MAX_ELEM);
	}
	free(buf);
	gort_waitgroup_done(&t->wg);
}

/* Exactly the bytes of the element are written, and the right ones. */
static void recv_elems(void *arg)
{
	struct elem_test *t = arg;
	unsigned char *buf = malloc(MAX_ELEM + 1);

	gort_waitgroup_add(&t->wg, 1);
	CHECK_EQ(gort_go(send_elems, t), 0);
	for (int i = 0; i < t->n; i++) {
		if (i % 5 == 4) {
			CHECK_EQ(gort_chan_recv(t->c, NULL), 0);
			continue;
		}
		buf[t->size] = 0x5a;
		CHECK_EQ(gort_chan_recv(t->c, buf), 0);
		for (size_t k = 0; k < t->size; k++)
			CHECK_EQ(buf[k], elem_byte(i, k));
		CHECK_EQ(buf[t->size], 0x5a);
	}
	gort_waitgroup_wait(&t->wg);
	CHECK_EQ(gort_chan_len(t->c), 0);
	CHECK_EQ(gort_chan_close(t->c), 0);
	memset(buf, 0x5a, MAX_ELEM + 1);
	CHECK_EQ(gort_chan_recv(t->c, buf), -EPIPE);
	for (size_t k = 0; k < t->size; k++)
		CHECK_EQ(buf[k], 0);
	CHECK_EQ(buf[t->size], 0x5a);
	free(buf);
}

static void test_elements(void **state)
{
	static const size_t caps[] = { 0, 1, 2, 3, 100 };

	(void)state;
	for (size_t s = 0; s < sizeof(elem_sizes) / sizeof(*elem_sizes); s++)
		for (size_t k = 0; k < sizeof(caps) / sizeof(*caps); k++) {
			struct elem_test t = {
				.c = gort_chan_new(elem_sizes[s], caps[k]),
				.size = elem_sizes[s],
				.n = mode_times(1000),
			};

			assert_non_null(t.c);
			run(recv_elems, &t);
			assert_int_equal(gort_chan_free(t.c), 0);
		}
}

static void check_len(void *arg)
{
	struct gort_chan *c = gort_chan_new(sizeof(int), 5);
	int v, next = 0, want = 0;

	(void)arg;
	/* Round and round the ring. */
	for (int round = 0; round < 13; round++) {
		int n = round % 6;

		for (int i = 0; i < n; i++, next++) {
			CHECK_EQ(gort_chan_try_send(c, &next), 0);
			CHECK_EQ(gort_chan_len(c), i + 1);
		}
		CHECK_EQ(gort_chan_try_send(c, &next), n < 5 ? 0 : -EAGAIN);
		if (n < 5)
			n++, next++;
		for (int i = n; i > 0; i--, want++) {
			CHECK_EQ(gort_chan_len(c), i);
			CHECK_EQ(gort_chan_try_recv(c, &v), 0);
			CHECK_EQ(v, want);
		}
		CHECK_EQ(gort_chan_try_recv(c, &v), -EAGAIN);
	}
	CHECK_EQ(gort_chan_free(c), 0);
}

static void test_len(void **state)
{
	(void)state;
	run(check_len, NULL);
}

/* --- who waits --- */

struct waiters {
	struct gort_chan *c, *results;
	atomic_int here;
};

struct waiter_arg {
	struct waiters *w;
	long i;
};

struct outcome {
	long who;
	long value;
	int err;
};

static void one_receiver(void *arg)
{
	struct waiter_arg *a = arg;
	struct outcome o = { .who = a->i, .value = 0x7777 };

	atomic_fetch_add(&a->w->here, 1);
	o.err = gort_chan_recv(a->w->c, &o.value);
	CHECK_EQ(gort_chan_send(a->w->results, &o), 0);
}

static void one_sender(void *arg)
{
	struct waiter_arg *a = arg;
	struct outcome o = { .who = a->i, .value = a->i };

	atomic_fetch_add(&a->w->here, 1);
	o.err = gort_chan_send(a->w->c, &o.value);
	CHECK_EQ(gort_chan_send(a->w->results, &o), 0);
}

/* Start them one after the other; on one P each waits before the next runs. */
static void start_waiters(struct waiters *w, void (*fn)(void *), long n)
{
	for (long i = 0; i < n; i++) {
		struct waiter_arg a = { w, i };

		CHECK_EQ(gort_go_copy(fn, &a, sizeof(a)), 0);
		while (atomic_load(&w->here) <= i)
			gort_yield();
		yield_some();
	}
}

static void free_waiters(struct waiters *w)
{
	CHECK_EQ(gort_chan_len(w->results), 0);
	CHECK_EQ(gort_chan_free(w->c), 0);
	CHECK_EQ(gort_chan_free(w->results), 0);
}

static void check_receivers_fifo(void *arg)
{
	struct waiters w = {
		.c = gort_chan_new(sizeof(long), *(size_t *)arg),
		.results = gort_chan_new(sizeof(struct outcome), 100),
	};
	struct outcome o;

	start_waiters(&w, one_receiver, 20);
	for (long i = 0; i < 20; i++) {
		CHECK_EQ(gort_chan_try_send(w.c, &i), 0);
		CHECK_EQ(gort_chan_recv(w.results, &o), 0);
		CHECK_EQ(o.who, i);
		CHECK_EQ(o.value, i);
		CHECK_EQ(o.err, 0);
	}
	free_waiters(&w);
}

static void check_senders_fifo(void *arg)
{
	size_t cap = *(size_t *)arg;
	struct waiters w = {
		.c = gort_chan_new(sizeof(long), cap),
		.results = gort_chan_new(sizeof(struct outcome), 100),
	};
	struct outcome o;
	long v;

	for (long i = 0; i < (long)cap; i++) {
		v = 100 + i;
		CHECK_EQ(gort_chan_send(w.c, &v), 0);
	}
	start_waiters(&w, one_sender, 20);
	for (long i = 0; i < 20 + (long)cap; i++) {
		CHECK_EQ(gort_chan_try_recv(w.c, &v), 0);
		CHECK_EQ(v, i < (long)cap ? 100 + i : i - (long)cap);
		if (i >= 20)
			continue;
		/* One sender went on, the one that waited longest. */
		CHECK_EQ(gort_chan_recv(w.results, &o), 0);
		CHECK_EQ(o.who, i);
		CHECK_EQ(o.err, 0);
	}
	CHECK_EQ(gort_chan_try_recv(w.c, &v), -EAGAIN);
	free_waiters(&w);
}

static void check_close_wakes_receivers(void *arg)
{
	struct waiters w = {
		.c = gort_chan_new(sizeof(long), *(size_t *)arg),
		.results = gort_chan_new(sizeof(struct outcome), 100),
	};
	struct outcome o;
	long sum = 0;

	start_waiters(&w, one_receiver, 20);
	CHECK_EQ(gort_chan_close(w.c), 0);
	for (long i = 0; i < 20; i++) {
		CHECK_EQ(gort_chan_recv(w.results, &o), 0);
		CHECK_EQ(o.err, -EPIPE);
		CHECK_EQ(o.value, 0);
		sum += o.who;
	}
	CHECK_EQ(sum, 190);
	free_waiters(&w);
}

static void check_close_wakes_senders(void *arg)
{
	size_t cap = *(size_t *)arg;
	struct waiters w = {
		.c = gort_chan_new(sizeof(long), cap),
		.results = gort_chan_new(sizeof(struct outcome), 100),
	};
	struct outcome o;
	long sum = 0, v;

	for (v = 0; v < (long)cap; v++)
		CHECK_EQ(gort_chan_send(w.c, &v), 0);
	start_waiters(&w, one_sender, 20);
	CHECK_EQ(gort_chan_close(w.c), 0);
	for (long i = 0; i < 20; i++) {
		CHECK_EQ(gort_chan_recv(w.results, &o), 0);
		CHECK_EQ(o.err, -EPIPE);
		sum += o.who;
	}
	CHECK_EQ(sum, 190);
	/* What was buffered is still there, what waited is not. */
	CHECK_EQ(gort_chan_len(w.c), cap);
	for (long i = 0; i < (long)cap; i++) {
		CHECK_EQ(i % 2 ? gort_chan_recv(w.c, &v) :
				 gort_chan_try_recv(w.c, &v), 0);
		CHECK_EQ(v, i);
	}
	v = 1;
	CHECK_EQ(gort_chan_recv(w.c, &v), -EPIPE);
	CHECK_EQ(v, 0);
	free_waiters(&w);
}

static void check_try_meets_waiter(void *arg)
{
	struct waiters w = {
		.c = gort_chan_new(sizeof(long), 0),
		.results = gort_chan_new(sizeof(struct outcome), 100),
	};
	struct outcome o;
	long v = 9;

	(void)arg;
	CHECK_EQ(gort_chan_try_send(w.c, &v), -EAGAIN);
	CHECK_EQ(gort_chan_try_recv(w.c, &v), -EAGAIN);
	start_waiters(&w, one_receiver, 1);
	CHECK_EQ(gort_chan_try_send(w.c, &v), 0);
	CHECK_EQ(gort_chan_try_send(w.c, &v), -EAGAIN);
	CHECK_EQ(gort_chan_recv(w.results, &o), 0);
	CHECK_EQ(o.value, 9);
	atomic_store(&w.here, 0);
	start_waiters(&w, one_sender, 1);
	CHECK_EQ(gort_chan_len(w.c), 0);
	CHECK_EQ(gort_chan_try_recv(w.c, NULL), 0);
	CHECK_EQ(gort_chan_try_recv(w.c, NULL), -EAGAIN);
	CHECK_EQ(gort_chan_recv(w.results, &o), 0);
	CHECK_EQ(o.err, 0);
	free_waiters(&w);
}

/* On one P, so that a goroutine that was yielded to has parked. */
static void run_on_one_p(void (*fn)(void *), size_t cap)
{
	const char *s = getenv("GORTMAXPROCS");
	char *saved = s ? strdup(s) : NULL;

	setenv("GORTMAXPROCS", "1", 1);
	run(fn, &cap);
	if (saved)
		setenv("GORTMAXPROCS", saved, 1);
	else
		unsetenv("GORTMAXPROCS");
	free(saved);
}

static void test_receivers_fifo(void **state)
{
	(void)state;
	run_on_one_p(check_receivers_fifo, 0);
	run_on_one_p(check_receivers_fifo, 3);
}

static void test_senders_fifo(void **state)
{
	(void)state;
	run_on_one_p(check_senders_fifo, 0);
	run_on_one_p(check_senders_fifo, 1);
	run_on_one_p(check_senders_fifo, 7);
}

static void test_close_wakes_receivers(void **state)
{
	(void)state;
	run_on_one_p(check_close_wakes_receivers, 0);
	run_on_one_p(check_close_wakes_receivers, 3);
}

static void test_close_wakes_senders(void **state)
{
	(void)state;
	run_on_one_p(check_close_wakes_senders, 0);
	run_on_one_p(check_close_wakes_senders, 3);
}

static void test_try_meets_waiter(void **state)
{
	(void)state;
	run_on_one_p(check_try_meets_waiter, 0);
}

/* --- order and completeness with many on both sides --- */

struct message {
	int from;
	int seq;
};

struct traffic {
	struct gort_chan *c;
	int nsend, nrecv, per_sender;
	bool try;
	struct gort_waitgroup senders, receivers;
	atomic_long received, sum;
};

static void traffic_send(void *arg)
{
	struct { struct traffic *t; int from; } *a = arg;
	struct message m = { .from = a->from };
	struct traffic *t = a->t;
	int err;

	for (; m.seq < t->per_sender; m.seq++) {
		if (t->try && m.seq % 2)
			while ((err = gort_chan_try_send(t->c, &m)) == -EAGAIN)
				gort_yield();
		else
			err = gort_chan_send(t->c, &m);
		CHECK_EQ(err, 0);
	}
	gort_waitgroup_done(&t->senders);
}

/* Of one sender a receiver sees a rising sequence. */
static void traffic_recv(void *arg)
{
	struct traffic *t = arg;
	int *last = malloc((size_t)t->nsend * sizeof(*last));
	struct message m = { 0 };
	int err;

	for (int i = 0; i < t->nsend; i++)
		last[i] = -1;
	for (;;) {
		/* Without a buffer two that only try never meet. */
		err = t->try ? gort_chan_try_recv(t->c, &m) : -EAGAIN;
		if (err == -EAGAIN)
			err = gort_chan_recv(t->c, &m);
		if (err)
			break;
		CHECK_LT(last[m.from], m.seq);
		last[m.from] = m.seq;
		atomic_fetch_add(&t->received, 1);
		atomic_fetch_add(&t->sum, (long)m.from * t->per_sender + m.seq);
	}
	CHECK_EQ(err, -EPIPE);
	free(last);
	gort_waitgroup_done(&t->receivers);
}

static void traffic_run(void *arg)
{
	struct traffic *t = arg;

	gort_waitgroup_add(&t->senders, t->nsend);
	gort_waitgroup_add(&t->receivers, t->nrecv);
	for (int i = 0; i < t->nrecv; i++)
		CHECK_EQ(gort_go(traffic_recv, t), 0);
	for (int i = 0; i < t->nsend; i++) {
		struct { struct traffic *t; int from; } a = { t, i };

		CHECK_EQ(gort_go_copy(traffic_send, &a, sizeof(a)), 0);
	}
	gort_waitgroup_wait(&t->senders);
	CHECK_EQ(gort_chan_close(t->c), 0);
	gort_waitgroup_wait(&t->receivers);
}

static void test_traffic(void **state)
{
	static const struct {
		size_t cap;
		int nsend, nrecv;
	} shapes[] = {
		{ 0, 1, 1 }, { 1, 1, 1 }, { 100, 1, 1 }, { 0, 10, 1 },
		{ 5, 10, 1 }, { 0, 1, 10 }, { 5, 1, 10 }, { 0, 10, 10 },
		{ 1, 10, 10 }, { 100, 50, 50 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(shapes) / sizeof(*shapes); i++) {
		struct traffic t = {
			.c = gort_chan_new(sizeof(struct message),
					   shapes[i / 2].cap),
			.nsend = shapes[i / 2].nsend,
			.nrecv = shapes[i / 2].nrecv,
			.try = i % 2,
		};
		long n;

		t.per_sender = mode_times(20000) / t.nsend;
		n = (long)t.per_sender * t.nsend;
		run(traffic_run, &t);
		assert_int_equal(atomic_load(&t.received), n);
		assert_int_equal(atomic_load(&t.sum), n * (n - 1) / 2);
		assert_int_equal(gort_chan_len(t.c), 0);
		assert_int_equal(gort_chan_free(t.c), 0);
	}
}

/* --- memory that goes away --- */

static void last_send(void *arg)
{
	long v = 42;

	CHECK_EQ(gort_chan_send(arg, &v), 0);
}

static struct gort_waitgroup receivers;

static void last_recv(void *arg)
{
	long v;

	CHECK_EQ(gort_chan_recv(arg, &v), 0);
	CHECK_EQ(v, 42);
	CHECK_EQ(gort_chan_free(arg), 0);
	gort_waitgroup_done(&receivers);
}

/* Whoever got the last message may free the channel at once. */
static void free_after_recv(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct gort_chan *c = gort_chan_new(sizeof(long), i % 3);

		CHECK_NE((uintptr_t)c, 0);
		gort_waitgroup_add(&receivers, 1);
		CHECK_EQ(gort_go(last_send, c), 0);
		last_recv(c);
	}
}

/* Here the receiver is woken by the sender, and frees under its nose. */
static void free_by_woken(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct gort_chan *c = gort_chan_new(sizeof(long), i % 3);

		CHECK_NE((uintptr_t)c, 0);
		gort_waitgroup_add(&receivers, 1);
		CHECK_EQ(gort_go(last_recv, c), 0);
		if (i % 2)
			gort_yield();
		last_send(c);
	}
	gort_waitgroup_wait(&receivers);
}

static void close_then_gone(void *arg)
{
	CHECK_EQ(gort_chan_close(arg), 0);
}

static void free_after_close(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct gort_chan *c = gort_chan_new(sizeof(long), i % 3);

		CHECK_NE((uintptr_t)c, 0);
		CHECK_EQ(gort_go(close_then_gone, c), 0);
		CHECK_EQ(gort_chan_recv(c, NULL), -EPIPE);
		CHECK_EQ(gort_chan_free(c), 0);
	}
}

static void test_free_after_last(void **state)
{
	int n = mode_times(50000);

	(void)state;
	run(free_after_recv, &n);
	run(free_by_woken, &n);
	run(free_after_close, &n);
}

static void wait_on(void *arg)
{
	gort_chan_recv(arg, NULL);
}

static void free_with_waiters(void *arg)
{
	struct gort_chan *c = gort_chan_new(1, 0);

	(void)arg;
	CHECK_EQ(gort_go(wait_on, c), 0);
	yield_some();
	gort_chan_free(c);
}

static void send_to(void *arg)
{
	gort_chan_send(arg, "");
}

static void free_with_senders(void *arg)
{
	struct gort_chan *c = gort_chan_new(1, 0);

	(void)arg;
	CHECK_EQ(gort_go(send_to, c), 0);
	yield_some();
	gort_chan_free(c);
}

static void run_on_one(void *arg)
{
	setenv("GORTMAXPROCS", "1", 1);
	gort_run(arg, NULL);
}

static void test_free_with_waiters(void **state)
{
	(void)state;
	child_run(run_on_one, free_with_waiters);
	child_expect_text("fatal error: gort_chan_free of a channel that goroutines wait on");
	child_expect_exit(2);
	child_run(run_on_one, free_with_senders);
	child_expect_text("fatal error: gort_chan_free of a channel that goroutines wait on");
	child_expect_exit(2);
}

/* --- from outside --- */

static void *use_outside(void *arg)
{
	struct gort_chan **c = arg;

	CHECK_EQ(gort_chan_len(*c), 1);
	CHECK_EQ(gort_chan_free(*c), 0);
	*c = gort_chan_new(sizeof(long), 1);
	return NULL;
}

static void make_outside(void *arg)
{
	struct gort_chan *c = gort_chan_new(sizeof(long), 1);
	pthread_t t;
	long v = 3;

	(void)arg;
	CHECK_EQ(gort_chan_send(c, &v), 0);
	CHECK_EQ(pthread_create(&t, NULL, use_outside, &c), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(gort_chan_len(c), 0);
	CHECK_EQ(gort_chan_send(c, &v), 0);
	v = 0;
	CHECK_EQ(gort_chan_recv(c, &v), 0);
	CHECK_EQ(v, 3);
	CHECK_EQ(gort_chan_free(c), 0);
}

static void test_any_thread(void **state)
{
	(void)state;
	run(make_outside, NULL);
}

static struct gort_chan *between;

static void put_between(void *arg)
{
	for (long v = 0; v < 3; v++)
		CHECK_EQ(gort_chan_send(between, &v), 0);
	if (arg)
		CHECK_EQ(gort_chan_close(between), 0);
}

static void take_between(void *arg)
{
	long v;

	for (long i = 0; i < 3; i++) {
		CHECK_EQ(gort_chan_recv(between, &v), 0);
		CHECK_EQ(v, i);
	}
	CHECK_EQ(gort_chan_try_recv(between, &v), arg ? -EPIPE : -EAGAIN);
}

/* Made before a run, filled in one, closed, drained in the next. */
static void test_between_runs(void **state)
{
	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		between = gort_chan_new(sizeof(long), 3);
		run(put_between, closed ? &closed : NULL);
		assert_int_equal(gort_chan_len(between), 3);
		run(take_between, closed ? &closed : NULL);
		assert_int_equal(gort_chan_len(between), 0);
		assert_int_equal(gort_chan_free(between), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_len),
		cmocka_unit_test(test_receivers_fifo),
		cmocka_unit_test(test_senders_fifo),
		cmocka_unit_test(test_close_wakes_receivers),
		cmocka_unit_test(test_close_wakes_senders),
		cmocka_unit_test(test_try_meets_waiter),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_free_after_last),
		cmocka_unit_test(test_free_with_waiters),
		cmocka_unit_test(test_any_thread),
		cmocka_unit_test(test_between_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
