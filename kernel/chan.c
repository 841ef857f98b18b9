// SPDX-License-Identifier: ISC
/*
 * kernel/chan.c - channels.
 *
 * A ring of elements and two queues of waiting goroutines under one lock.
 * A goroutine that finds its counterpart waiting copies the element straight
 * from or to the other's memory: frames never move, so a waiter lies on its
 * goroutine's stack and nothing is allocated.
 *
 * Invariants (under ->lock):
 *  I1  recvq is empty or (count == 0 and sendq is empty).
 *  I2  sendq is empty or count == cap.
 *  I3  a closed channel has empty queues.
 *
 * After the unlock the channel is not touched: who is woken may free it.
 *
 * A run that ends drops goroutines that wait.  ->run tells which run the
 * queues belong to; those of an earlier one are forgotten.
 *
 * The lock is taken on goroutine stacks: growing a stack never needs it.
 */
#include <gort/gort.h>

#include <stdlib.h>
#include <string.h>

#include "kernel/sched.h"

struct waiter {
	struct waiter *next;
	struct g *g;
	void *elem;		/* sender: from; receiver: to, or NULL */
	int result;
};

struct waitq {
	struct waiter *head;
	struct waiter *tail;
};

struct gort_chan {
	struct lock lock;
	bool closed;
	size_t elem_size;
	size_t cap;
	size_t count;
	size_t sendx, recvx;	/* next slot to fill, to drain */
	struct waitq sendq, recvq;
	u64 run;
	char buf[] __attribute__((aligned(16)));
};

static inline void waitq_push(struct waitq *q, struct waiter *w)
{
	if (q->head)
		q->tail->next = w;
	else
		q->head = w;
	q->tail = w;
}

static inline struct waiter *waitq_pop(struct waitq *q)
{
	struct waiter *w = q->head;

	if (w)
		q->head = w->next;
	return w;
}

static inline void copy_elem(const struct gort_chan *c, void *to,
			     const void *from)
{
	if (c->elem_size == sizeof(u64))
		memcpy(to, from, sizeof(u64));
	else if (c->elem_size)
		memcpy(to, from, c->elem_size);
}

static inline void *slot(struct gort_chan *c, size_t x)
{
	return c->buf + x * c->elem_size;
}

static inline size_t next_slot(const struct gort_chan *c, size_t x)
{
	return ++x == c->cap ? 0 : x;
}

static inline void ring_put(struct gort_chan *c, const void *elem)
{
	copy_elem(c, slot(c, c->sendx), elem);
	c->sendx = next_slot(c, c->sendx);
	c->count++;
}

static inline void ring_get(struct gort_chan *c, void *elem)
{
	if (elem)
		copy_elem(c, elem, slot(c, c->recvx));
	c->recvx = next_slot(c, c->recvx);
	c->count--;
}

static inline void chan_lock(struct gort_chan *c)
{
	lock(&c->lock);
	if (unlikely(c->run != sched_run_id())) {
		c->sendq.head = NULL;
		c->recvq.head = NULL;
		c->run = sched_run_id();
	}
}

static void ready(struct waiter *w, int result)
{
	w->result = result;
	sched_ready(w->g);
}

static int block_on(struct gort_chan *c, struct waitq *q, void *elem,
		    enum wait_reason why)
{
	struct waiter w = { .g = getg(), .elem = elem };

	waitq_push(q, &w);
	sched_park(&c->lock, why);
	return w.result;
}

static int chan_send(struct gort_chan *c, const void *elem, bool block)
{
	struct waiter *w;
	int err = 0;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	if (unlikely(!c || (!elem && c->elem_size)))
		return -EINVAL;
	chan_lock(c);
	if (unlikely(c->closed)) {
		err = -EPIPE;
	} else if ((w = waitq_pop(&c->recvq))) {
		if (w->elem)
			copy_elem(c, w->elem, elem);
		unlock(&c->lock);
		ready(w, 0);
		return 0;
	} else if (c->count < c->cap) {
		ring_put(c, elem);
	} else if (block) {
		return block_on(c, &c->sendq, (void *)elem, WAIT_CHAN_SEND);
	} else {
		err = -EAGAIN;
	}
	unlock(&c->lock);
	return err;
}

/* A sender waits: take its element, through the ring if there is one. */
static void take_from_sender(struct gort_chan *c, struct waiter *w,
			     void *elem)
{
	if (c->cap) {
		ring_get(c, elem);
		ring_put(c, w->elem);
	} else if (elem) {
		copy_elem(c, elem, w->elem);
	}
	unlock(&c->lock);
	ready(w, 0);
}

static int chan_recv(struct gort_chan *c, void *elem, bool block)
{
	struct waiter *w;
	int err = 0;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	if (unlikely(!c))
		return -EINVAL;
	chan_lock(c);
	if ((w = waitq_pop(&c->sendq))) {
		take_from_sender(c, w, elem);
		return 0;
	}
	if (c->count) {
		ring_get(c, elem);
	} else if (unlikely(c->closed)) {
		err = -EPIPE;
		if (elem)
			memset(elem, 0, c->elem_size);
	} else if (block) {
		return block_on(c, &c->recvq, elem, WAIT_CHAN_RECV);
	} else {
		err = -EAGAIN;
	}
	unlock(&c->lock);
	return err;
}

__public int gort_chan_send(struct gort_chan *c, const void *elem)
{
	return chan_send(c, elem, true);
}

__public int gort_chan_try_send(struct gort_chan *c, const void *elem)
{
	return chan_send(c, elem, false);
}

__public int gort_chan_recv(struct gort_chan *c, void *elem)
{
	return chan_recv(c, elem, true);
}

__public int gort_chan_try_recv(struct gort_chan *c, void *elem)
{
	return chan_recv(c, elem, false);
}

/* Everybody in the queue has been told; wake them, without the lock. */
static void ready_all(struct gort_chan *c, struct waiter *w, bool receivers)
{
	struct waiter *next;

	for (; w; w = next) {
		next = w->next;		/* w is gone once it is woken */
		if (receivers && w->elem)
			memset(w->elem, 0, c->elem_size);
		ready(w, -EPIPE);
	}
}

__public int gort_chan_close(struct gort_chan *c)
{
	struct waiter *senders, *receivers;

	if (!in_goroutine())
		return -EPERM;
	if (!c)
		return -EINVAL;
	chan_lock(c);
	if (c->closed) {
		unlock(&c->lock);
		return -EPIPE;
	}
	c->closed = true;
	senders = c->sendq.head;
	receivers = c->recvq.head;
	c->sendq.head = NULL;
	c->recvq.head = NULL;
	unlock(&c->lock);
	ready_all(c, receivers, true);
	ready_all(c, senders, false);
	return 0;
}

__public struct gort_chan *gort_chan_new(size_t elem_size, size_t cap)
{
	struct gort_chan *c;
	size_t bytes;

	if (__builtin_mul_overflow(elem_size, cap, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*c), &bytes) ||
	    bytes > PTRDIFF_MAX)
		return NULL;
	c = aligned_alloc(16, ALIGN_UP(bytes, 16));
	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->lock.rank = RANK_CHAN;
	c->elem_size = elem_size;
	c->cap = cap;
	c->run = sched_run_id();
	return c;
}

__public int gort_chan_free(struct gort_chan *c)
{
	if (!c)
		return -EINVAL;
	if (c->run == sched_run_id() && (c->sendq.head || c->recvq.head))
		fatal("gort_chan_free of a channel that goroutines wait on");
	free(c);
	return 0;
}

__public size_t gort_chan_len(const struct gort_chan *c)
{
	return c ? __atomic_load_n(&c->count, __ATOMIC_RELAXED) : 0;
}
