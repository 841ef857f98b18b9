// SPDX-License-Identifier: ISC
/*
 * kernel/chan.c - channels.
 *
 * A ring of elements and two queues of waiting goroutines under one lock.
 * A goroutine that finds its counterpart waiting copies the element straight
 * from or to the other's memory: frames never move, so a waiter lies on its
 * goroutine's stack and nothing is allocated.
 *
 * Invariants (under ->lock), of waiters that are not claimed by others (see
 * kernel/select.c) and of those of one select as if only one side were there:
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

#include "kernel/chan.h"

static int block_on(struct gort_chan *c, struct waitq *q, void *elem,
		    enum wait_reason why)
{
	struct waiter w;

	w.g = getg();
	w.elem = elem;
	waitq_push(q, &w);
	sched_park(&c->lock, why);
	return w.result;
}

static int chan_send(struct gort_chan *c, const void *elem, bool block)
{
	int err;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	if (unlikely(!c || (!elem && c->elem_size)))
		return -EINVAL;
	chan_lock(c);
	err = chan_send_now(c, elem);
	if (err != -EAGAIN)
		return err;
	if (block)
		return block_on(c, &c->sendq, (void *)elem, WAIT_CHAN_SEND);
	unlock(&c->lock);
	return err;
}

static int chan_recv(struct gort_chan *c, void *elem, bool block)
{
	int err;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	if (unlikely(!c))
		return -EINVAL;
	chan_lock(c);
	err = chan_recv_now(c, elem);
	if (err != -EAGAIN)
		return err;
	if (block)
		return block_on(c, &c->recvq, elem, WAIT_CHAN_RECV);
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

/* Whom close wakes: nobody else does now.  A list by ->next. */
static struct waiter *pop_all(struct waitq *q)
{
	struct waiter *first = NULL, **end = &first, *w;

	while ((w = waitq_pop(q))) {
		*end = w;
		end = &w->next;
	}
	*end = NULL;
	return first;
}

/* Receivers find zero in zero bytes of their memory. */
static void wake_all(struct waiter *w, size_t zero)
{
	struct waiter *next;

	for (; w; w = next) {
		next = w->next;		/* w is gone once it is woken */
		if (zero && w->elem)
			memset(w->elem, 0, zero);
		waiter_wake(w, -EPIPE);
	}
}

int chan_close(struct gort_chan *c)
{
	struct waiter *senders, *receivers;
	size_t elem_size = c->elem_size;

	chan_lock(c);
	if (chan_closed(c)) {
		unlock(&c->lock);
		return -EPIPE;
	}
	atomic_store_explicit(&c->closed, true, memory_order_relaxed);
	senders = pop_all(&c->sendq);
	receivers = pop_all(&c->recvq);
	unlock(&c->lock);
	wake_all(receivers, elem_size);
	wake_all(senders, 0);
	return 0;
}

__public int gort_chan_close(struct gort_chan *c)
{
	if (!in_goroutine())
		return -EPERM;
	if (!c)
		return -EINVAL;
	return chan_close(c);
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
	if (chan_has_waiters(c))
		fatal("gort_chan_free of a channel that goroutines wait on");
	if (c->timer)
		after_free(c->timer);
	free(c);
	return 0;
}

__public size_t gort_chan_len(const struct gort_chan *c)
{
	return c ? chan_count(c) : 0;
}
