/* SPDX-License-Identifier: ISC */
/*
 * kernel/chan.h - the inside of channels, for chan.c and select.c.
 *
 * Whoever is on a wait queue waits for that channel alone or for one of
 * several (kernel/select.c).  In the second case somebody else, or the
 * waiting goroutine itself, may have been faster: it belongs to who claims
 * its selector.
 */
#ifndef KERNEL_CHAN_H
#define KERNEL_CHAN_H

#include <errno.h>
#include <string.h>

#include "kernel/sched.h"

/* A goroutine in gort_select(); its rules are in kernel/select.c. */
struct selector {
	_Atomic u32 state;
	struct g *g;
	struct waiter *chosen;	/* by who claimed it; NULL: look again */
};

#define SELECT_CLAIMED	1	/* it is decided who goes on with it */
#define SELECT_PARKED	2	/* sched_ready() it */
#define SELECT_DONE	4	/* ->chosen is valid, no need to park */

struct waiter {
	struct waiter *next, *prev;	/* prev: not of the head */
	struct g *g;		/* NULL: one of the selector's waiters */
	void *elem;		/* sender: from; receiver: to, or NULL */
	int result;

	/* If ->g is NULL. */
	bool queued;		/* on the queue; under the channel's lock */
	struct selector *sel;
};

struct waitq {
	_Atomic(struct waiter *) head;	/* written under the lock */
	struct waiter *tail;		/* if there is a head */
};

struct gort_chan {
	struct lock lock;
	_Atomic bool closed;	/* written under the lock */
	size_t elem_size;
	size_t cap;
	_Atomic size_t count;	/* written under the lock */
	size_t sendx, recvx;	/* next slot to fill, to drain */
	struct waitq sendq, recvq;
	u64 run;
	struct timer *timer;	/* of gort_after(); else NULL */
	char buf[] __attribute__((aligned(16)));
};

int chan_close(struct gort_chan *c);	/* goroutine or g0 */
void after_free(struct timer *t);	/* sleep.c */
void select_finish(struct selector *s, struct waiter *chosen);

/* Acquire: pairs with the release of SELECT_PARKED. */
static inline bool select_claim(struct selector *s)
{
	return !(atomic_fetch_or_explicit(&s->state, SELECT_CLAIMED,
					  memory_order_acquire) &
		 SELECT_CLAIMED);
}

static inline struct waiter *waitq_head(const struct waitq *q)
{
	return atomic_load_explicit(&q->head, memory_order_relaxed);
}

static inline void waitq_set_head(struct waitq *q, struct waiter *w)
{
	atomic_store_explicit(&q->head, w, memory_order_relaxed);
}

static inline void waitq_push(struct waitq *q, struct waiter *w)
{
	w->next = NULL;
	if (waitq_head(q)) {
		w->prev = q->tail;
		q->tail->next = w;
	} else {
		waitq_set_head(q, w);
	}
	q->tail = w;
}

static inline void waitq_remove(struct waitq *q, struct waiter *w)
{
	if (w == waitq_head(q))
		waitq_set_head(q, w->next);
	else
		w->prev->next = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		q->tail = w->prev;
	w->queued = false;
}

/* The first that can still be had is the caller's; others are dropped. */
static inline struct waiter *waitq_pop(struct waitq *q)
{
	struct waiter *w;

	while ((w = waitq_head(q))) {
		waitq_set_head(q, w->next);
		if (likely(w->g != NULL))
			break;
		w->queued = false;
		if (select_claim(w->sel))
			break;
	}
	return w;
}

/* w was popped and the lock is released: it goes on.  w may be gone then. */
static inline void waiter_wake(struct waiter *w, int result)
{
	struct g *gp = w->g;

	w->result = result;
	if (likely(gp != NULL))
		sched_ready(gp);
	else
		select_finish(w->sel, w);
}

static inline size_t chan_count(const struct gort_chan *c)
{
	return atomic_load_explicit(&c->count, memory_order_relaxed);
}

static inline void chan_set_count(struct gort_chan *c, size_t n)
{
	atomic_store_explicit(&c->count, n, memory_order_relaxed);
}

static inline bool chan_closed(const struct gort_chan *c)
{
	return atomic_load_explicit(&c->closed, memory_order_relaxed);
}

static inline void chan_copy(const struct gort_chan *c, void *to,
			     const void *from)
{
	if (c->elem_size == sizeof(u64))
		memcpy(to, from, sizeof(u64));
	else if (c->elem_size)
		memcpy(to, from, c->elem_size);
}

static inline void *chan_slot(struct gort_chan *c, size_t x)
{
	return c->buf + x * c->elem_size;
}

static inline size_t chan_next_slot(const struct gort_chan *c, size_t x)
{
	return ++x == c->cap ? 0 : x;
}

static inline void chan_lock(struct gort_chan *c)
{
	lock(&c->lock);
	if (unlikely(c->run != sched_run_id())) {
		waitq_set_head(&c->sendq, NULL);
		waitq_set_head(&c->recvq, NULL);
		c->run = sched_run_id();
	}
}

/* To be asked when nobody uses the channel any more. */
static inline bool chan_has_waiters(const struct gort_chan *c)
{
	return c->run == sched_run_id() &&
	       (waitq_head(&c->sendq) || waitq_head(&c->recvq));
}

/*
 * chan_send_now - send if nobody has to wait for that: 0, -EPIPE or -EAGAIN.
 * The lock is held on entry, and released unless the result is -EAGAIN.
 */
static inline int chan_send_now(struct gort_chan *c, const void *elem)
{
	struct waiter *w;

	if (unlikely(chan_closed(c))) {
		unlock(&c->lock);
		return -EPIPE;
	}
	w = waitq_pop(&c->recvq);
	if (w) {
		if (w->elem)
			chan_copy(c, w->elem, elem);
		unlock(&c->lock);
		waiter_wake(w, 0);
		return 0;
	}
	if (chan_count(c) == c->cap)
		return -EAGAIN;
	chan_copy(c, chan_slot(c, c->sendx), elem);
	c->sendx = chan_next_slot(c, c->sendx);
	chan_set_count(c, chan_count(c) + 1);
	unlock(&c->lock);
	return 0;
}

/*
 * A sender waits: take its element, or with a ring the oldest.  The ring is
 * full, so the slot to drain is the one to fill, and for those who look
 * without the lock it stays full.
 */
static inline void chan_take_from(struct gort_chan *c, struct waiter *w,
				  void *elem)
{
	const void *from = w->elem;

	if (c->cap) {
		void *slot = chan_slot(c, c->recvx);

		if (elem)
			chan_copy(c, elem, slot);
		chan_copy(c, slot, from);
		c->recvx = chan_next_slot(c, c->recvx);
		c->sendx = c->recvx;
	} else if (elem) {
		chan_copy(c, elem, from);
	}
	unlock(&c->lock);
	waiter_wake(w, 0);
}

/* chan_recv_now - the same for receiving. */
static inline int chan_recv_now(struct gort_chan *c, void *elem)
{
	struct waiter *w = waitq_pop(&c->sendq);

	if (w) {
		chan_take_from(c, w, elem);
		return 0;
	}
	if (chan_count(c)) {
		if (elem)
			chan_copy(c, elem, chan_slot(c, c->recvx));
		c->recvx = chan_next_slot(c, c->recvx);
		chan_set_count(c, chan_count(c) - 1);
		unlock(&c->lock);
		return 0;
	}
	if (likely(!chan_closed(c)))
		return -EAGAIN;
	if (elem)
		memset(elem, 0, c->elem_size);
	unlock(&c->lock);
	return -EPIPE;
}

#endif
