// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_chan.c - a hundred million channel operations over
 * fan-in, fan-out, a ring and a pipeline.  Every value arrives once.
 */
#include "stress/stress.h"

#include <stdatomic.h>

#define MANY	100		/* goroutines on the wide side */
#define RING	100
#define STAGES	20

static struct gort_chan *c;
static struct gort_waitgroup senders, receivers;
static _Atomic long received, sum;

struct part {
	long first, n;
};

static void send_part(void *arg)
{
	const struct part *p = arg;

	for (long v = p->first; v < p->first + p->n; v++)
		CHECK_EQ(gort_chan_send(c, &v), 0);
	gort_waitgroup_done(&senders);
}

static void recv_all(void *arg)
{
	long v, n = 0, s = 0;

	(void)arg;
	while (!gort_chan_recv(c, &v)) {
		n++;
		s += v;
	}
	atomic_fetch_add(&received, n);
	atomic_fetch_add(&sum, s);
	gort_waitgroup_done(&receivers);
}

struct shape {
	long messages;		/* each is a send and a receive */
	int nsend, nrecv;
	size_t cap;
};

static void fan(void *arg)
{
	const struct shape *s = arg;
	long n = s->messages / s->nsend;

	c = gort_chan_new(sizeof(long), s->cap);
	atomic_store(&received, 0);
	atomic_store(&sum, 0);
	gort_waitgroup_add(&senders, s->nsend);
	gort_waitgroup_add(&receivers, s->nrecv);
	for (int i = 0; i < s->nrecv; i++)
		CHECK_EQ(gort_go(recv_all, NULL), 0);
	for (int i = 0; i < s->nsend; i++) {
		struct part p = { i * n, n };

		CHECK_EQ(gort_go_copy(send_part, &p, sizeof(p)), 0);
	}
	gort_waitgroup_wait(&senders);
	CHECK_EQ(gort_chan_close(c), 0);
	gort_waitgroup_wait(&receivers);
	n *= s->nsend;
	CHECK_EQ(atomic_load(&received), n);
	CHECK_EQ(atomic_load(&sum), n * (n - 1) / 2);
	CHECK_EQ(gort_chan_free(c), 0);
}

struct link {
	struct gort_chan *in, *out;
};

/* Passes on what comes, one more each time; ends with its input. */
static void pass_on(void *arg)
{
	const struct link *l = arg;
	long v;

	while (!gort_chan_recv(l->in, &v)) {
		v++;
		CHECK_EQ(gort_chan_send(l->out, &v), 0);
	}
	CHECK_EQ(gort_chan_close(l->out), 0);
}

static void start_links(struct gort_chan **chans, int n, size_t cap)
{
	for (int i = 0; i <= n; i++)
		chans[i] = gort_chan_new(sizeof(long), cap);
	for (int i = 0; i < n; i++) {
		struct link l = { chans[i], chans[i + 1] };

		CHECK_EQ(gort_go_copy(pass_on, &l, sizeof(l)), 0);
	}
}

static void end_links(struct gort_chan **chans, int n)
{
	long v = 1;

	CHECK_EQ(gort_chan_close(chans[0]), 0);
	CHECK_EQ(gort_chan_recv(chans[n], &v), -EPIPE);
	CHECK_EQ(v, 0);
	for (int i = 0; i <= n; i++)
		CHECK_EQ(gort_chan_free(chans[i]), 0);
}

/* One value goes round. */
static void ring(void *arg)
{
	const struct shape *s = arg;
	struct gort_chan *chans[RING + 1];
	long v = 0, rounds = s->messages / (RING + 1) + 1;

	start_links(chans, RING, s->cap);
	for (long i = 0; i < rounds; i++) {
		CHECK_EQ(gort_chan_send(chans[0], &v), 0);
		CHECK_EQ(gort_chan_recv(chans[RING], &v), 0);
	}
	CHECK_EQ(v, rounds * RING);
	end_links(chans, RING);
}

static struct gort_chan *pipe_in;

static void feed(void *arg)
{
	long n = *(long *)arg;

	for (long v = 0; v < n; v++)
		CHECK_EQ(gort_chan_send(pipe_in, &v), 0);
	gort_waitgroup_done(&senders);
}

/* Every stage is busy with another value; order is kept. */
static void pipeline(void *arg)
{
	const struct shape *s = arg;
	struct gort_chan *chans[STAGES + 1];
	long v, n = s->messages / (STAGES + 1) + 1;

	start_links(chans, STAGES, s->cap);
	pipe_in = chans[0];
	gort_waitgroup_add(&senders, 1);
	CHECK_EQ(gort_go(feed, &n), 0);
	for (long i = 0; i < n; i++) {
		CHECK_EQ(gort_chan_recv(chans[STAGES], &v), 0);
		CHECK_EQ(v, i + STAGES);
	}
	gort_waitgroup_wait(&senders);
	end_links(chans, STAGES);
}

static void run(const char *name, void (*fn)(void *), long operations,
		int nsend, int nrecv, size_t cap)
{
	struct shape s = {
		.messages = stress_count(operations) / 2,
		.nsend = nsend, .nrecv = nrecv, .cap = cap,
	};

	stress_run(name, fn, &s);
}

int main(void)
{
	run("fan-in", fan, 10000000, MANY, 1, 0);
	run("fan-in, buffered", fan, 15000000, MANY, 1, 64);
	run("fan-out", fan, 10000000, 1, MANY, 0);
	run("fan-out, buffered", fan, 15000000, 1, MANY, 64);
	run("many to many", fan, 10000000, MANY, MANY, 16);
	run("ring", ring, 10000000, 0, 0, 0);
	run("ring, buffered", ring, 10000000, 0, 0, 1);
	run("pipeline", pipeline, 10000000, 0, 0, 0);
	run("pipeline, buffered", pipeline, 10000000, 0, 0, 64);
	return stress_done("channels");
}
