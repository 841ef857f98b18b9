// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_select.c - thirty million selects: over channels
 * that others use with and without select, and among themselves.  Every
 * value arrives once.
 */
#include "stress/stress.h"

#include <stdatomic.h>

#define LANES	8
#define MANY	100		/* goroutines on either side */
#define TRADERS	50

struct shape {
	long n;			/* values, or exchanges */
	int nsend, nrecv;
	size_t cap;
};

static struct gort_chan *lanes[LANES], *end;
static struct gort_waitgroup senders, receivers;
static _Atomic long nsent, nreceived, sum_sent, sum_received;

static void begin(size_t cap)
{
	for (int i = 0; i < LANES; i++)
		lanes[i] = gort_chan_new(sizeof(long), cap);
	end = gort_chan_new(0, 0);
	atomic_store(&nsent, 0);
	atomic_store(&nreceived, 0);
	atomic_store(&sum_sent, 0);
	atomic_store(&sum_received, 0);
}

/* Nobody may be left on any queue, that would be fatal. */
static void finish(void)
{
	CHECK_EQ(atomic_load(&nsent), atomic_load(&nreceived));
	CHECK_EQ(atomic_load(&sum_sent), atomic_load(&sum_received));
	for (int i = 0; i < LANES; i++) {
		CHECK_EQ(gort_chan_len(lanes[i]), 0);
		CHECK_EQ(gort_chan_free(lanes[i]), 0);
	}
	CHECK_EQ(gort_chan_free(end), 0);
}

static void count(_Atomic long *n, _Atomic long *sum, long dn, long dsum)
{
	atomic_fetch_add(n, dn);
	atomic_fetch_add(sum, dsum);
}

struct part {
	long first, n;
};

/* Every eighth value goes without select. */
static void send_part(void *arg)
{
	const struct part *p = arg;
	struct gort_select_case k[LANES];
	long v, sum = 0;

	for (int i = 0; i < LANES; i++)
		k[i] = (struct gort_select_case)GORT_SEND_CASE(lanes[i], &v);
	for (v = p->first; v < p->first + p->n; v++) {
		if (v % 8) {
			int i = gort_select(k, LANES, 0);

			CHECK_LE(0, i);
			CHECK_EQ(k[i].result, 0);
		} else {
			CHECK_EQ(gort_chan_send(lanes[v / 8 % LANES], &v), 0);
		}
		sum += v;
	}
	count(&nsent, &sum_sent, p->n, sum);
	gort_waitgroup_done(&senders);
}

/* Two lanes and the end: the lanes of all together cover all. */
static void recv_some(void *arg)
{
	int at = *(const int *)arg;
	long v, n = 0, sum = 0;
	struct gort_select_case k[] = {
		GORT_RECV_CASE(lanes[at % LANES], &v),
		GORT_RECV_CASE(lanes[(at + 3) % LANES], &v),
		GORT_RECV_CASE(end, NULL),
	};
	int i;

	while ((i = gort_select(k, 3, 0)) != 2) {
		CHECK_EQ(k[i].result, 0);
		n++;
		sum += v;
	}
	CHECK_EQ(k[2].result, -EPIPE);
	count(&nreceived, &sum_received, n, sum);
	gort_waitgroup_done(&receivers);
}

static void drain(void)
{
	long v;

	for (int i = 0; i < LANES; i++)
		while (!gort_chan_try_recv(lanes[i], &v))
			count(&nreceived, &sum_received, 1, v);
}

static void traffic(void *arg)
{
	const struct shape *s = arg;
	long n = s->n / s->nsend;

	begin(s->cap);
	gort_waitgroup_add(&senders, s->nsend);
	gort_waitgroup_add(&receivers, s->nrecv);
	for (int i = 0; i < s->nrecv; i++)
		CHECK_EQ(gort_go_copy(recv_some, &i, sizeof(i)), 0);
	for (int i = 0; i < s->nsend; i++) {
		struct part p = { i * n, n };

		CHECK_EQ(gort_go_copy(send_part, &p, sizeof(p)), 0);
	}
	gort_waitgroup_wait(&senders);
	CHECK_EQ(gort_chan_close(end), 0);
	gort_waitgroup_wait(&receivers);
	drain();
	n *= s->nsend;
	CHECK_EQ(atomic_load(&nreceived), n);
	CHECK_EQ(atomic_load(&sum_received), n * (n - 1) / 2);
	finish();
}

/* Sends and receives on all lanes, whatever comes first, until the end. */
static void trade(void *arg)
{
	int id = *(const int *)arg, i;
	struct gort_select_case k[2 * LANES + 1];
	long in, out = id, sent = 0, received = 0, sum_in = 0, sum_out = 0;

	for (int x = 0; x < LANES; x++) {
		struct gort_chan *c = lanes[(x + id) % LANES];

		k[2 * x] = (struct gort_select_case)GORT_SEND_CASE(c, &out);
		k[2 * x + 1] = (struct gort_select_case)
			GORT_RECV_CASE(c, &in);
	}
	k[2 * LANES] = (struct gort_select_case)GORT_RECV_CASE(end, NULL);
	while ((i = gort_select(k, 2 * LANES + 1, 0)) != 2 * LANES) {
		CHECK_EQ(k[i].result, 0);
		if (i % 2) {
			CHECK_NE(in % TRADERS, id);
			sum_in += in;
			received++;
			continue;
		}
		sum_out += out;
		out += TRADERS;
		sent++;
		/* Not into the line of the others each time. */
		if (sent % 64 == 0)
			count(&nsent, &sum_sent, 64, 0);
	}
	count(&nsent, &sum_sent, sent % 64, sum_out);
	count(&nreceived, &sum_received, received, sum_in);
	gort_waitgroup_done(&senders);
}

static void market(void *arg)
{
	const struct shape *s = arg;

	begin(s->cap);
	gort_waitgroup_add(&senders, TRADERS);
	for (int i = 0; i < TRADERS; i++)
		CHECK_EQ(gort_go_copy(trade, &i, sizeof(i)), 0);
	while (atomic_load(&nsent) < s->n)
		gort_yield();
	CHECK_EQ(gort_chan_close(end), 0);
	gort_waitgroup_wait(&senders);
	finish();
}

static void run(const char *name, void (*fn)(void *), long n, int nsend,
		int nrecv, size_t cap)
{
	struct shape s = {
		.n = stress_count(n), .nsend = nsend, .nrecv = nrecv,
		.cap = cap,
	};

	stress_run(name, fn, &s);
}

int main(void)
{
	run("many to many", traffic, 3000000, MANY, MANY, 0);
	run("many to many, buffered", traffic, 4000000, MANY, MANY, 16);
	run("few to few", traffic, 3000000, 4, 8, 0);
	run("few to few, buffered", traffic, 4000000, 4, 8, 1);
	run("market", market, 1000000, 0, 0, 0);
	return stress_done("select");
}
