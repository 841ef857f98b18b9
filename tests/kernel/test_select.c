// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_select.c - gort_select() by the public calls.
 */
#include <gort/gort.h>

#include <stdatomic.h>

#include "child.h"
#include "kernel/check.h"

#define COUNT_OF(a)	(sizeof(a) / sizeof((a)[0]))

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

/* On one P, so that a goroutine that was yielded to has parked. */
static void run_on_one_p(void (*fn)(void *), void *arg)
{
	const char *s = getenv("GORTMAXPROCS");
	char *saved = s ? strdup(s) : NULL;

	setenv("GORTMAXPROCS", "1", 1);
	run(fn, arg);
	if (saved)
		setenv("GORTMAXPROCS", saved, 1);
	else
		unsetenv("GORTMAXPROCS");
	free(saved);
}

/* Let everybody else go as far as they can: several rounds of the queue. */
static void yield_some(void)
{
	for (int i = 0; i < 200; i++)
		gort_yield();
}

static struct gort_chan *chan(size_t cap)
{
	struct gort_chan *c = gort_chan_new(sizeof(long), cap);

	CHECK_NE((uintptr_t)c, 0);
	return c;
}

static void free_chans(struct gort_chan **c, int n)
{
	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_chan_free(c[i]), 0);
}

/* A select on a goroutine of its own. */
struct parked {
	struct gort_select_case cases[4];
	size_t n;
	long value[4];
	int chosen;		/* -1: still in it */
	struct gort_waitgroup wg;
};

static void do_select(void *arg)
{
	struct parked *p = arg;

	p->chosen = gort_select(p->cases, p->n, 0);
	gort_waitgroup_done(&p->wg);
}

static void start_select(struct parked *p)
{
	p->chosen = -1;
	gort_waitgroup_add(&p->wg, 1);
	CHECK_EQ(gort_go(do_select, p), 0);
	yield_some();
}

static void add_recv(struct parked *p, struct gort_chan *c)
{
	p->value[p->n] = 77;
	p->cases[p->n] = (struct gort_select_case)
		GORT_RECV_CASE(c, &p->value[p->n]);
	p->n++;
}

static void add_send(struct parked *p, struct gort_chan *c, long v)
{
	p->value[p->n] = v;
	p->cases[p->n] = (struct gort_select_case)
		GORT_SEND_CASE(c, &p->value[p->n]);
	p->n++;
}

/* --- errors --- */

static void check_outside(void *arg)
{
	struct gort_select_case k = GORT_RECV_CASE(NULL, NULL);

	(void)arg;
	CHECK_EQ(gort_select(&k, 1, GORT_SELECT_NONBLOCK), -EPERM);
	CHECK_EQ(gort_select(NULL, 0, 0), -EPERM);
}

static void check_errors(void *arg)
{
	struct gort_chan *c = chan(1), *zero = gort_chan_new(0, 1);
	long v = 5;
	struct gort_select_case k[] = {
		GORT_RECV_CASE(c, &v), GORT_SEND_CASE(c, &v),
	};

	(void)arg;
	CHECK_EQ(gort_systemstack_call(check_outside, NULL), 0);
	CHECK_EQ(gort_select(NULL, 1, 0), -EINVAL);
	CHECK_EQ(gort_select(NULL, 1, GORT_SELECT_NONBLOCK), -EINVAL);
	CHECK_EQ(gort_select(k, 2, 2), -EINVAL);
	CHECK_EQ(gort_select(k, 2, ~0u), -EINVAL);
	CHECK_EQ(gort_select(k, GORT_SELECT_MAX + 1, 0), -E2BIG);
	CHECK_EQ(gort_select(k, SIZE_MAX, 0), -E2BIG);
	CHECK_EQ(gort_select(NULL, 0, GORT_SELECT_NONBLOCK), -EAGAIN);
	CHECK_EQ(gort_select(k, 0, GORT_SELECT_NONBLOCK), -EAGAIN);

	/* A bad case is found even if another could be done. */
	for (int op = -1; op < 5; op++) {
		k[0].op = op;
		if (op != GORT_SELECT_SEND && op != GORT_SELECT_RECV)
			CHECK_EQ(gort_select(k, 2, 0), -EINVAL);
	}
	k[0] = (struct gort_select_case)GORT_SEND_CASE(c, NULL);
	CHECK_EQ(gort_select(k, 2, 0), -EINVAL);
	CHECK_EQ(gort_chan_len(c), 0);
	CHECK_EQ(v, 5);

	k[0] = (struct gort_select_case)GORT_SEND_CASE(zero, NULL);
	CHECK_EQ(gort_select(k, 1, 0), 0);
	CHECK_EQ(gort_chan_len(zero), 1);
	k[0].op = GORT_SELECT_RECV;
	CHECK_EQ(gort_select(k, 1, 0), 0);
	CHECK_EQ(gort_chan_len(zero), 0);
	k[0] = (struct gort_select_case)GORT_SEND_CASE(NULL, NULL);
	CHECK_EQ(gort_select(k, 2, 0), 1);
	CHECK_EQ(gort_chan_len(c), 1);
	CHECK_EQ(gort_chan_free(c), 0);
	CHECK_EQ(gort_chan_free(zero), 0);
}

static void test_errors(void **state)
{
	(void)state;
	check_outside(NULL);
	run(check_errors, NULL);
}

/* --- what can be done at once --- */

static void check_at_once(void *arg)
{
	struct gort_chan *c[] = { chan(2), chan(0) };
	long in = 1, out = 2, v;
	struct gort_select_case k[] = {
		GORT_RECV_CASE(NULL, &in), GORT_RECV_CASE(c[0], &in),
		GORT_SEND_CASE(c[1], &out), GORT_SEND_CASE(NULL, &out),
	};
	unsigned int flags = *(unsigned int *)arg;

	CHECK_EQ(gort_select(k, 4, GORT_SELECT_NONBLOCK), -EAGAIN);
	CHECK_EQ(gort_select(k, 1, GORT_SELECT_NONBLOCK), -EAGAIN);
	v = 10;
	CHECK_EQ(gort_chan_send(c[0], &v), 0);
	k[1].result = 1;
	CHECK_EQ(gort_select(k, 4, flags), 1);
	CHECK_EQ(k[1].result, 0);
	CHECK_EQ(in, 10);
	CHECK_EQ(gort_chan_len(c[0]), 0);

	k[1] = (struct gort_select_case)GORT_SEND_CASE(c[0], &out);
	for (long i = 1; i <= 2; i++) {
		CHECK_EQ(gort_select(k, 4, flags), 1);
		CHECK_EQ(k[1].result, 0);
		CHECK_EQ(gort_chan_len(c[0]), i);
	}
	CHECK_EQ(gort_select(k, 4, GORT_SELECT_NONBLOCK), -EAGAIN);
	CHECK_EQ(gort_chan_close(c[0]), 0);
	CHECK_EQ(gort_select(k, 4, flags), 1);
	CHECK_EQ(k[1].result, -EPIPE);

	/* Closed: first what is in it. */
	k[1] = (struct gort_select_case)GORT_RECV_CASE(c[0], &in);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(gort_select(k, 4, flags), 1);
		CHECK_EQ(k[1].result, 0);
		CHECK_EQ(in, 2);
	}
	for (int i = 0; i < 2; i++) {
		in = 3;
		CHECK_EQ(gort_select(k, 4, flags), 1);
		CHECK_EQ(k[1].result, -EPIPE);
		CHECK_EQ(in, 0);
	}
	k[1].elem = NULL;
	CHECK_EQ(gort_select(k, 4, flags), 1);
	CHECK_EQ(k[1].result, -EPIPE);
	free_chans(c, 2);
}

static void test_at_once(void **state)
{
	unsigned int flags[] = { 0, GORT_SELECT_NONBLOCK };

	(void)state;
	run(check_at_once, &flags[0]);
	run(check_at_once, &flags[1]);
}

struct one {
	struct gort_chan *c;
	long value;
	int err;
	struct gort_waitgroup wg;
};

static void one_send(void *arg)
{
	struct one *o = arg;

	o->err = gort_chan_send(o->c, &o->value);
	gort_waitgroup_done(&o->wg);
}

static void one_recv(void *arg)
{
	struct one *o = arg;

	o->err = gort_chan_recv(o->c, &o->value);
	gort_waitgroup_done(&o->wg);
}

static void start_one(struct one *o, void (*fn)(void *))
{
	o->err = 1;
	gort_waitgroup_add(&o->wg, 1);
	CHECK_EQ(gort_go(fn, o), 0);
	yield_some();
	CHECK_EQ(o->err, 1);
}

/* Somebody waits already, on a channel without and one with a buffer. */
static void check_meets_waiting(void *arg)
{
	struct gort_chan *c[] = { chan(0), chan(1), chan(0) };
	long v = 0;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		struct one o = { .c = c[i], .value = 8 };
		struct gort_select_case k[] = {
			GORT_RECV_CASE(c[2], NULL), GORT_RECV_CASE(c[i], &v),
		};

		if (i) {
			v = 7;
			CHECK_EQ(gort_chan_send(c[i], &v), 0);
		}
		start_one(&o, one_send);
		CHECK_EQ(gort_select(k, 2, 0), 1);
		CHECK_EQ(k[1].result, 0);
		CHECK_EQ(v, i ? 7 : 8);
		gort_waitgroup_wait(&o.wg);
		CHECK_EQ(o.err, 0);
		if (i) {
			CHECK_EQ(gort_select(k, 2, 0), 1);
			CHECK_EQ(v, 8);
		}
		CHECK_EQ(gort_select(k, 2, GORT_SELECT_NONBLOCK), -EAGAIN);

		start_one(&o, one_recv);
		k[1].op = GORT_SELECT_SEND;
		v = 9;
		CHECK_EQ(gort_select(k, 2, GORT_SELECT_NONBLOCK), 1);
		CHECK_EQ(k[1].result, 0);
		gort_waitgroup_wait(&o.wg);
		CHECK_EQ(o.err, 0);
		CHECK_EQ(o.value, 9);
	}
	free_chans(c, 3);
}

static void test_meets_waiting(void **state)
{
	(void)state;
	run_on_one_p(check_meets_waiting, NULL);
}

/* --- waiting --- */

/* What wakes a select on a, b to receive and c, d to send. */
enum waker { BY_SEND, BY_RECV, BY_CLOSE, NR_WAKERS };

static void wake(enum waker how, struct gort_chan *c, bool sends)
{
	long v = 5;

	if (how == BY_CLOSE) {
		CHECK_EQ(gort_chan_close(c), 0);
	} else if (sends) {
		CHECK_EQ(gort_chan_try_recv(c, &v), 0);
		CHECK_EQ(v == 3 || v == 4, 1);
	} else {
		CHECK_EQ(gort_chan_try_send(c, &v), 0);
	}
}

static void check_woken(enum waker how, size_t cap, int which)
{
	struct gort_chan *c[] = { chan(cap), chan(0), chan(cap), chan(0) };
	struct parked p = { .n = 0 };
	bool sends = which >= 2;
	long v;

	for (v = 3; gort_chan_len(c[2]) < cap; )
		CHECK_EQ(gort_chan_send(c[2], &v), 0);
	add_recv(&p, c[0]);
	add_recv(&p, c[1]);
	add_send(&p, c[2], 3);
	add_send(&p, c[3], 4);
	start_select(&p);
	CHECK_EQ(p.chosen, -1);
	wake(how, c[which], sends);
	/* It is taken: the others do not get it, though it may not have run. */
	v = 6;
	CHECK_EQ(gort_chan_try_send(c[1], &v), which == 1 && how == BY_CLOSE ?
		 -EPIPE : -EAGAIN);
	CHECK_EQ(gort_chan_try_recv(c[3], &v), which == 3 && how == BY_CLOSE ?
		 -EPIPE : -EAGAIN);
	gort_waitgroup_wait(&p.wg);
	CHECK_EQ(p.chosen, which);
	CHECK_EQ(p.cases[which].result, how == BY_CLOSE ? -EPIPE : 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(p.value[i], i != which ? 77 : how == BY_CLOSE ? 0 : 5);
	/* Nobody is left on any queue, or that would be fatal. */
	free_chans(c, 4);
}

static void check_all_wakers(void *arg)
{
	(void)arg;
	for (int which = 0; which < 4; which++) {
		for (size_t cap = 0; cap < 3; cap++) {
			check_woken(which < 2 ? BY_SEND : BY_RECV, cap, which);
			check_woken(BY_CLOSE, cap, which);
		}
	}
}

static void test_woken(void **state)
{
	(void)state;
	run_on_one_p(check_all_wakers, NULL);
}

/* In line with those that wait for the channel alone. */
static void check_fifo(void *arg)
{
	struct gort_chan *c[] = { chan(0), chan(0) };
	struct one o[2] = { { .c = c[0] }, { .c = c[0] } };
	struct parked p[2] = { { .n = 0 }, { .n = 0 } };

	(void)arg;
	for (int i = 0; i < 2; i++) {
		add_recv(&p[i], c[1]);
		add_recv(&p[i], c[0]);
		start_one(&o[i], one_recv);
		start_select(&p[i]);
	}
	for (long v = 0; v < 4; v++)
		CHECK_EQ(gort_chan_try_send(c[0], &v), 0);
	for (int i = 0; i < 2; i++) {
		gort_waitgroup_wait(&o[i].wg);
		gort_waitgroup_wait(&p[i].wg);
		CHECK_EQ(o[i].value, 2 * i);
		CHECK_EQ(p[i].chosen, 1);
		CHECK_EQ(p[i].value[1], 2 * i + 1);
	}
	free_chans(c, 2);
}

static void test_fifo(void **state)
{
	(void)state;
	run_on_one_p(check_fifo, NULL);
}

#define LINE	6

static void leave_line(struct parked *p, struct gort_chan *c)
{
	CHECK_EQ(gort_chan_send(c, &(long){ 50 }), 0);
	gort_waitgroup_wait(&p->wg);
	CHECK_EQ(p->chosen, 1);
}

/*
 * Two selects in a line, one behind the other, leave it.  They do not take
 * those before and behind them along, nor lose the end.
 */
static void check_leaves(void *arg)
{
	bool first_first = *(bool *)arg;

	for (int at = 0; at < LINE - 1; at++) {
		struct gort_chan *c[] = { chan(0), chan(0), chan(0) };
		struct parked p[2] = { { .n = 0 }, { .n = 0 } };
		struct one o[LINE];

		for (int i = 0; i < LINE; i++) {
			o[i] = (struct one){ .c = c[0] };
			if (i == at || i == at + 1) {
				add_recv(&p[i - at], c[0]);
				add_recv(&p[i - at], c[1 + i - at]);
				start_select(&p[i - at]);
			} else {
				start_one(&o[i], one_recv);
			}
		}
		leave_line(&p[!first_first], c[1 + !first_first]);
		leave_line(&p[first_first], c[1 + first_first]);
		start_one(&o[at], one_recv);
		for (long i = 0; i < LINE; i++) {
			if (i == at || i == at + 1)
				continue;
			CHECK_EQ(gort_chan_try_send(c[0], &i), 0);
			gort_waitgroup_wait(&o[i].wg);
			CHECK_EQ(o[i].value, i);
		}
		CHECK_EQ(gort_chan_try_send(c[0], &(long){ 60 }), 0);
		gort_waitgroup_wait(&o[at].wg);
		CHECK_EQ(o[at].value, 60);
		free_chans(c, 3);
	}
}

static void test_leaves(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		run_on_one_p(check_leaves, &(bool){ i });
}

/* --- one channel several times --- */

static void check_same_channel(void *arg)
{
	struct gort_chan *c[] = { chan(0) };
	struct parked p = { .n = 0 }, q = { .n = 0 };
	int s, r;
	long v = 9;

	(void)arg;
	add_recv(&p, c[0]);
	add_send(&p, c[0], 1);
	add_recv(&p, c[0]);
	add_send(&p, c[0], 2);
	CHECK_EQ(gort_select(p.cases, 4, GORT_SELECT_NONBLOCK), -EAGAIN);
	start_select(&p);
	CHECK_EQ(p.chosen, -1);
	CHECK_EQ(gort_chan_try_send(c[0], &v), 0);
	CHECK_EQ(gort_chan_try_send(c[0], &v), -EAGAIN);
	CHECK_EQ(gort_chan_try_recv(c[0], &v), -EAGAIN);
	gort_waitgroup_wait(&p.wg);
	CHECK_EQ(p.chosen % 2, 0);
	CHECK_EQ(p.value[p.chosen], 9);

	start_select(&p);
	CHECK_EQ(p.chosen, -1);
	CHECK_EQ(gort_chan_try_recv(c[0], &v), 0);
	CHECK_EQ(gort_chan_try_recv(c[0], &v), -EAGAIN);
	gort_waitgroup_wait(&p.wg);
	CHECK_EQ(p.chosen % 2, 1);
	CHECK_EQ(p.value[p.chosen], v);

	/* Two of the kind meet each other. */
	p.value[1] = 10;
	p.value[3] = 10;
	add_recv(&q, c[0]);
	add_send(&q, c[0], 11);
	start_select(&p);
	start_select(&q);
	gort_waitgroup_wait(&p.wg);
	gort_waitgroup_wait(&q.wg);
	s = p.chosen % 2 ? p.chosen : q.chosen;
	r = p.chosen % 2 ? q.chosen : p.chosen;
	CHECK_EQ(s % 2, 1);
	CHECK_EQ(r % 2, 0);
	if (p.chosen % 2)
		CHECK_EQ(q.value[r], 10);
	else
		CHECK_EQ(p.value[r], 11);

	/* Closed: one result, whichever. */
	start_select(&p);
	CHECK_EQ(gort_chan_close(c[0]), 0);
	gort_waitgroup_wait(&p.wg);
	CHECK_EQ(p.cases[p.chosen].result, -EPIPE);
	free_chans(c, 1);
}

static void test_same_channel(void **state)
{
	(void)state;
	run_on_one_p(check_same_channel, NULL);
}

/* --- chance --- */

#define DRAWS	100000

/* All ready: the same chance for each. */
static void check_uniform(void *arg)
{
	struct gort_select_case k[8];
	struct gort_chan *c[8];
	long n[8] = { 0 };
	double chi2 = 0;

	(void)arg;
	for (int i = 0; i < 8; i++) {
		c[i] = chan(0);
		CHECK_EQ(gort_chan_close(c[i]), 0);
		k[i] = (struct gort_select_case)GORT_RECV_CASE(c[i], NULL);
	}
	for (int i = 0; i < DRAWS; i++)
		n[gort_select(k, 8, 0)]++;
	for (int i = 0; i < 8; i++) {
		double d = (double)n[i] - DRAWS / 8.0;

		chi2 += d * d / (DRAWS / 8.0);
	}
	/* With 7 degrees of freedom: never, with a chance of 1e-39. */
	CHECK_LT((long)chi2, 200);
	free_chans(c, 8);
}

/* Two of ten ready, wherever they are. */
static void check_two_of_ten(void *arg)
{
	struct gort_chan *c[] = { chan(0), chan(0) };

	(void)arg;
	CHECK_EQ(gort_chan_close(c[1]), 0);
	for (int other = 1; other < 10; other += 4) {
		struct gort_select_case k[10];
		long n = 0;

		for (int i = 0; i < 10; i++)
			k[i] = (struct gort_select_case)GORT_RECV_CASE(
					c[i == 0 || i == other], NULL);
		for (int i = 0; i < DRAWS; i++) {
			int got = gort_select(k, 10, 0);

			CHECK_EQ(got == 0 || got == other, 1);
			n += got == 0;
		}
		/* 30 standard deviations */
		CHECK_LT(DRAWS / 2 - 4750, n);
		CHECK_LT(n, DRAWS / 2 + 4750);
	}
	free_chans(c, 2);
}

static void test_chance(void **state)
{
	(void)state;
	run(check_uniform, NULL);
	run(check_two_of_ten, NULL);
}

/* --- many cases --- */

static void check_most(void *arg)
{
	struct gort_chan *c[] = { chan(0), chan(0), chan(0) };
	size_t n = GORT_SELECT_MAX;
	struct gort_select_case *k = calloc(n, sizeof(*k));
	struct one o = { .c = c[2], .value = 21 };
	long v = 0;

	(void)arg;
	for (size_t i = 0; i < n; i++)
		k[i] = (struct gort_select_case)GORT_RECV_CASE(
				i == 30000 ? c[2] : i % 3 ? c[i % 2] : NULL,
				&v);
	CHECK_EQ(gort_select(k, n, GORT_SELECT_NONBLOCK), -EAGAIN);
	gort_waitgroup_add(&o.wg, 1);
	CHECK_EQ(gort_go(one_send, &o), 0);
	CHECK_EQ(gort_select(k, n, 0), 30000);
	CHECK_EQ(v, 21);
	gort_waitgroup_wait(&o.wg);
	CHECK_EQ(o.err, 0);
	free(k);
	free_chans(c, 3);
}

static void test_most(void **state)
{
	(void)state;
	run(check_most, NULL);
	run_on_one_p(check_most, NULL);
}

/* --- for ever --- */

static void no_cases(void *arg)
{
	(void)arg;
	gort_select(NULL, 0, 0);
}

static void null_cases(void *arg)
{
	struct gort_select_case k[] = {
		GORT_RECV_CASE(NULL, NULL), GORT_SEND_CASE(NULL, NULL),
	};

	(void)arg;
	gort_select(k, 2, 0);
}

static void run_it(void *arg)
{
	gort_run(arg, NULL);
}

static void test_for_ever(void **state)
{
	(void)state;
	child_run(run_it, no_cases);
	child_expect_text("all goroutines are asleep - deadlock!");
	child_expect_text("goroutine 1 [select (no cases)]:");
	child_expect_exit(2);
	child_run(run_it, null_cases);
	child_expect_text("all goroutines are asleep - deadlock!");
	child_expect_text("goroutine 1 [select]:");
	child_expect_exit(2);
}

/* --- traffic --- */

#define LANES	4

struct traffic {
	struct gort_chan *c[LANES];
	size_t cap;
	int nsend, nrecv, per_sender;
	bool select_send, select_recv;
	struct gort_waitgroup senders, receivers;
	atomic_long received, sum;
};

static void traffic_send(void *arg)
{
	struct { struct traffic *t; long first; } *a = arg;
	struct traffic *t = a->t;
	long v = a->first, end = v + t->per_sender;
	struct gort_select_case k[LANES];

	for (int i = 0; i < LANES; i++)
		k[i] = (struct gort_select_case)GORT_SEND_CASE(t->c[i], &v);
	for (; v < end; v++) {
		if (t->select_send && v % 8) {
			int i = gort_select(k, LANES, 0);

			CHECK_LE(0, i);
			CHECK_EQ(k[i].result, 0);
		} else {
			CHECK_EQ(gort_chan_send(t->c[v % LANES], &v), 0);
		}
	}
	gort_waitgroup_done(&t->senders);
}

/* A lane that is closed leaves the select. */
static void traffic_recv(void *arg)
{
	struct { struct traffic *t; int lane; } *a = arg;
	struct traffic *t = a->t;
	struct gort_select_case k[LANES];
	long v, n = 0, sum = 0;
	int open = t->select_recv ? LANES : 1;

	for (int i = 0; i < LANES; i++)
		k[i] = (struct gort_select_case)GORT_RECV_CASE(t->c[i], &v);
	while (open) {
		int i = a->lane;

		if (t->select_recv)
			i = gort_select(k, LANES, 0);
		else
			k[i].result = gort_chan_recv(t->c[i], &v);
		CHECK_LE(0, i);
		if (k[i].result) {
			CHECK_EQ(k[i].result, -EPIPE);
			k[i].chan = NULL;
			open--;
			continue;
		}
		n++;
		sum += v;
	}
	atomic_fetch_add(&t->received, n);
	atomic_fetch_add(&t->sum, sum);
	gort_waitgroup_done(&t->receivers);
}

static void traffic_run(void *arg)
{
	struct traffic *t = arg;

	for (int i = 0; i < LANES; i++)
		t->c[i] = chan(t->cap);
	gort_waitgroup_add(&t->senders, t->nsend);
	gort_waitgroup_add(&t->receivers, t->nrecv);
	for (int i = 0; i < t->nrecv; i++) {
		struct { struct traffic *t; int lane; } a = { t, i % LANES };

		CHECK_EQ(gort_go_copy(traffic_recv, &a, sizeof(a)), 0);
	}
	for (int i = 0; i < t->nsend; i++) {
		struct { struct traffic *t; long first; } a = {
			t, (long)i * t->per_sender
		};

		CHECK_EQ(gort_go_copy(traffic_send, &a, sizeof(a)), 0);
	}
	gort_waitgroup_wait(&t->senders);
	for (int i = 0; i < LANES; i++)
		CHECK_EQ(gort_chan_close(t->c[i]), 0);
	gort_waitgroup_wait(&t->receivers);
	free_chans(t->c, LANES);
}

static void test_traffic(void **state)
{
	static const struct {
		int nsend, nrecv;
	} shapes[] = { { 1, 4 }, { 2, 4 }, { 4, 4 }, { 20, 12 } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shapes) * 9; i++) {
		struct traffic t = {
			.cap = i % 3,
			.select_send = i / 3 % 3 != 0,
			.select_recv = i / 3 % 3 != 1,
			.nsend = shapes[i / 9].nsend,
			.nrecv = shapes[i / 9].nrecv,
		};
		long n;

		t.per_sender = mode_times(10000) / t.nsend;
		n = (long)t.per_sender * t.nsend;
		run(traffic_run, &t);
		assert_int_equal(atomic_load(&t.received), n);
		assert_int_equal(atomic_load(&t.sum), n * (n - 1) / 2);
	}
}

/* --- selects among themselves --- */

struct market {
	struct gort_chan *c[3], *end;
	int n, goal;
	atomic_long sent, received, sum_sent, sum_received;
	struct gort_waitgroup wg;
};

/* Each offers to send and to receive, on all channels, until the end. */
static void trade(void *arg)
{
	struct { struct market *m; long id; } *a = arg;
	struct market *m = a->m;
	long in, out = a->id;
	struct gort_select_case k[7];
	int i;

	for (int x = 0; x < 3; x++) {
		int lane = (int)(x + a->id) % 3;

		k[2 * x] = (struct gort_select_case)
			GORT_SEND_CASE(m->c[lane], &out);
		k[2 * x + 1] = (struct gort_select_case)
			GORT_RECV_CASE(m->c[lane], &in);
	}
	k[6] = (struct gort_select_case)GORT_RECV_CASE(m->end, NULL);
	while ((i = gort_select(k, 7, 0)) != 6) {
		CHECK_LE(0, i);
		CHECK_EQ(k[i].result, 0);
		if (i % 2) {
			CHECK_NE(in, a->id);
			atomic_fetch_add(&m->sum_received, in);
			atomic_fetch_add(&m->received, 1);
		} else {
			atomic_fetch_add(&m->sum_sent, out);
			atomic_fetch_add(&m->sent, 1);
			out += m->n;
		}
	}
	CHECK_EQ(k[6].result, -EPIPE);
	gort_waitgroup_done(&m->wg);
}

static void market_run(void *arg)
{
	struct market *m = arg;

	for (int i = 0; i < 3; i++)
		m->c[i] = chan(0);
	m->end = chan(0);
	gort_waitgroup_add(&m->wg, m->n);
	for (long i = 0; i < m->n; i++) {
		struct { struct market *m; long id; } a = { m, i };

		CHECK_EQ(gort_go_copy(trade, &a, sizeof(a)), 0);
	}
	while (atomic_load(&m->sent) < m->goal)
		gort_yield();
	CHECK_EQ(gort_chan_close(m->end), 0);
	gort_waitgroup_wait(&m->wg);
	free_chans(m->c, 3);
	free_chans(&m->end, 1);
}

static void test_market(void **state)
{
	(void)state;
	for (int n = 2; n <= 10; n += 4) {
		struct market m = { .n = n, .goal = mode_times(20000) };

		run(market_run, &m);
		assert_true(atomic_load(&m.sent) >= m.goal);
		assert_int_equal(atomic_load(&m.sent), atomic_load(&m.received));
		assert_int_equal(atomic_load(&m.sum_sent),
				 atomic_load(&m.sum_received));
	}
}

/*
 * Pairs with one channel in common, the last of many.  Both find nothing and
 * line up at all the others; when they come to this one, the other may be
 * there or on its way.  If one overlooks the other both sleep, and nobody
 * else wakes them.  Which of the two has the higher address changes with the
 * pair, who comes first with each value.
 */
#define PAIRS	4
#define IDLE	1000

struct pair {
	struct gort_chan *common, *idle[2];
	int times;
	bool selects[2];
	struct gort_waitgroup wg;
};

struct side {
	struct pair *p;
	int op;
	int order;
};

static void meet(void *arg)
{
	struct side *s = arg;
	struct pair *p = s->p;
	bool send = s->op == GORT_SELECT_SEND;
	struct gort_select_case *k = calloc(IDLE + 1, sizeof(*k));
	long v = 0;

	for (int i = 0; i < IDLE; i++)
		k[i] = (struct gort_select_case)
			GORT_RECV_CASE(p->idle[send], NULL);
	k[IDLE] = (struct gort_select_case)GORT_SEND_CASE(p->common, &v);
	k[IDLE].op = s->op;
	for (long i = 0; i < p->times; i++) {
		size_t n = 1 + (size_t)(i * (s->order ? 37 : 71)) % IDLE;

		if (send)
			v = i;
		if (p->selects[send]) {
			CHECK_EQ(gort_select(k + IDLE + 1 - n, n, 0), n - 1);
			CHECK_EQ(k[IDLE].result, 0);
		} else if (send) {
			CHECK_EQ(gort_chan_send(p->common, &v), 0);
		} else {
			CHECK_EQ(gort_chan_recv(p->common, &v), 0);
		}
		CHECK_EQ(v, i);
	}
	free(k);
	gort_waitgroup_done(&p->wg);
}

/* The last pair has a side that does not select. */
static void check_pairs(void *arg)
{
	struct pair p[PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		struct side s[2] = {
			{ &p[i], GORT_SELECT_SEND, 0 },
			{ &p[i], GORT_SELECT_RECV, 1 },
		};

		p[i] = (struct pair){
			.common = chan(0), .idle = { chan(0), chan(0) },
			.times = *(int *)arg,
			.selects = { true, i < PAIRS - 1 },
		};
		gort_waitgroup_add(&p[i].wg, 2);
		for (int k = 0; k < 2; k++)
			CHECK_EQ(gort_go_copy(meet, &s[(k + i) % 2],
					      sizeof(s[0])), 0);
	}
	for (int i = 0; i < PAIRS; i++) {
		gort_waitgroup_wait(&p[i].wg);
		free_chans(&p[i].common, 1);
		free_chans(p[i].idle, 2);
	}
}

static void test_pairs(void **state)
{
	int n = mode_times(3000);

	(void)state;
	run(check_pairs, &n);
}

/* --- memory that goes away --- */

static void recv_and_free(void *arg)
{
	struct one *o = arg;

	CHECK_EQ(gort_chan_recv(o->c, &o->value), 0);
	CHECK_EQ(gort_chan_free(o->c), 0);
	gort_waitgroup_done(&o->wg);
}

/* Whoever gets the last element may free the channel of the chosen case. */
static void check_freed_by_receiver(void *arg)
{
	struct gort_chan *other[] = { chan(0), chan(0) };
	int n = *(int *)arg;
	long v = 42;

	for (int i = 0; i < n; i++) {
		struct one o = { .c = chan(i % 2) };
		struct gort_select_case *k = malloc(3 * sizeof(*k));

		k[0] = (struct gort_select_case)GORT_RECV_CASE(other[0], NULL);
		k[1] = (struct gort_select_case)GORT_SEND_CASE(o.c, &v);
		k[2] = (struct gort_select_case)GORT_RECV_CASE(other[1], NULL);
		gort_waitgroup_add(&o.wg, 1);
		CHECK_EQ(gort_go(recv_and_free, &o), 0);
		if (i % 3 == 0)
			gort_yield();
		CHECK_EQ(gort_select(k, 3, 0), 1);
		CHECK_EQ(k[1].result, 0);
		free(k);
		gort_waitgroup_wait(&o.wg);
		CHECK_EQ(o.value, 42);
	}
	free_chans(other, 2);
}

/* The select may free all of them when it returns. */
static void check_freed_by_select(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct gort_chan *c[] = { chan(0), chan(1), chan(0) };
		struct one o = { .c = c[i % 3], .value = i };
		struct gort_select_case *k = calloc(3, sizeof(*k));
		long v;

		for (int j = 0; j < 3; j++)
			k[j] = (struct gort_select_case)
				GORT_RECV_CASE(c[j], &v);
		gort_waitgroup_add(&o.wg, 1);
		CHECK_EQ(gort_go(one_send, &o), 0);
		if (i % 2)
			gort_yield();
		CHECK_EQ(gort_select(k, 3, 0), i % 3);
		CHECK_EQ(v, i);
		free(k);
		free_chans(c, 3);
		gort_waitgroup_wait(&o.wg);
	}
}

static void test_freed(void **state)
{
	int n = mode_times(50000);

	(void)state;
	run(check_freed_by_receiver, &n);
	run(check_freed_by_select, &n);
}

static void free_with_select(void *arg)
{
	struct gort_chan *c = chan(0);
	struct parked p = { .n = 0 };

	(void)arg;
	add_recv(&p, c);
	start_select(&p);
	gort_chan_free(c);
}

static void run_on_one(void *arg)
{
	setenv("GORTMAXPROCS", "1", 1);
	gort_run(arg, NULL);
}

static void test_free_with_select(void **state)
{
	(void)state;
	child_run(run_on_one, free_with_select);
	child_expect_text("fatal error: gort_chan_free of a channel that goroutines wait on");
	child_expect_exit(2);
}

/* --- the next run --- */

struct survivors {
	struct gort_chan *c[2];
	struct parked *p;
};

static void leave_select(void *arg)
{
	struct survivors *s = arg;

	add_recv(s->p, s->c[0]);
	add_send(s->p, s->c[1], 1);
	start_select(s->p);
	CHECK_EQ(s->p->chosen, -1);
}

static void next_run(void *arg)
{
	struct survivors *s = arg;
	long v = 4;

	CHECK_EQ(gort_chan_try_send(s->c[0], &v), -EAGAIN);
	CHECK_EQ(gort_chan_try_recv(s->c[1], &v), -EAGAIN);
	add_recv(s->p, s->c[0]);
	add_recv(s->p, s->c[1]);
	start_select(s->p);
	CHECK_EQ(gort_chan_try_send(s->c[1], &v), 0);
	gort_waitgroup_wait(&s->p->wg);
	CHECK_EQ(s->p->chosen, 1);
	CHECK_EQ(s->p->value[1], 4);
	free_chans(s->c, 2);
}

static void test_next_run(void **state)
{
	struct survivors s;

	(void)state;
	s.c[0] = gort_chan_new(sizeof(long), 0);
	s.c[1] = gort_chan_new(sizeof(long), 0);
	s.p = calloc(1, sizeof(*s.p));
	run_on_one_p(leave_select, &s);
	memset(s.p, 0xff, sizeof(*s.p));
	free(s.p);
	s.p = calloc(1, sizeof(*s.p));
	run_on_one_p(next_run, &s);
	free(s.p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_meets_waiting),
		cmocka_unit_test(test_woken),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_leaves),
		cmocka_unit_test(test_same_channel),
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_for_ever),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_market),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_free_with_select),
		cmocka_unit_test(test_next_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
