// SPDX-License-Identifier: ISC
/*
 * kernel/cancel.c - cancelling of trees of work, like Go's package context.
 *
 * The cause is one word that is set once, by compare-and-swap: who sets it
 * closes the channel and goes on to the children.  Each node has a lock for
 * the list of its children; no two locks are held together, and none for
 * longer than it takes to link or unlink one child.
 *
 * A child holds a reference to its parent as long as it lives, the list of
 * the parent none to the child.  A child whose last reference is gone takes
 * itself off the list before it is freed; so who has the parent's lock may
 * touch those on the list, but must try_get() to keep one.
 *
 * No child is missed.  It is put on the list only under the lock, while the
 * parent has no cause.  A canceller sets the cause and takes the lock after
 * that, until the list is empty: either it finds the child, or the child
 * found the cause.
 *
 * Rejected: a lock for the whole tree, held while it is cancelled.  All who
 * begin and end work under one root would meet there, and the thread could
 * not be preempted for as long as the tree is large.
 *
 * The timer of a deadline has no reference: it must not keep what nobody else
 * does.  Who drops the last one stops the timer, and thereby waits until its
 * function has returned; that function finds no reference left and does
 * nothing.  Nobody waits for a function that waits for it: such a function
 * waits for those of nodes that it cancels, which are below its own, or
 * frees, whose functions have nothing to do.
 *
 * A node and its children outlive the run they were made in.  What a dropped
 * goroutine had stays allocated, and linked.  Timers end with the run.
 */
#include <gort/gort.h>

#include <stdlib.h>

#include "kernel/chan.h"

#define ERRNO_MAX	4095

struct gort_cancel {
	_Atomic int err;		/* 0, or the cause */
	_Atomic u32 refs;		/* users, children, cancellers */
	struct gort_chan *done;
	struct gort_cancel *parent;	/* referenced */
	_Atomic bool has_deadline;
	struct timer deadline;

	struct lock lock;		/* protects what follows */
	struct gort_cancel *children;

	/* The parent's lock. */
	struct gort_cancel *next, *prev;
	bool linked;

	/* Who set ->err: where to go on after this one. */
	struct gort_cancel *back;
};

static void link_child(struct gort_cancel *parent, struct gort_cancel *c)
{
	c->next = parent->children;
	if (c->next)
		c->next->prev = c;
	parent->children = c;
	c->linked = true;
}

static void unlink_child(struct gort_cancel *parent, struct gort_cancel *c)
{
	if (c == parent->children)
		parent->children = c->next;
	else
		c->prev->next = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->linked = false;
}

/* Acquire: pairs with set_err(). */
static int get_err(const struct gort_cancel *c)
{
	return atomic_load_explicit(&c->err, memory_order_acquire);
}

/* Release: who sees the cause sees what was done before. */
static bool set_err(struct gort_cancel *c, int err)
{
	int none = 0;

	return atomic_compare_exchange_strong_explicit(&c->err, &none, err,
			memory_order_release, memory_order_relaxed);
}

/* Unless it is about to be freed. */
static bool try_get(struct gort_cancel *c)
{
	u32 refs = atomic_load_explicit(&c->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak_explicit(&c->refs, &refs,
				refs + 1, memory_order_relaxed,
				memory_order_relaxed))
			return true;
	return false;
}

static void stop_deadline(struct gort_cancel *c)
{
	/* Acquire: pairs with gort_cancel_deadline(). */
	if (atomic_load_explicit(&c->has_deadline, memory_order_acquire))
		timer_stop(&c->deadline);
}

static void cancel_free(struct gort_cancel *c)
{
	stop_deadline(c);
	if (c->parent) {
		lock(&c->parent->lock);
		if (c->linked)
			unlink_child(c->parent, c);
		unlock(&c->parent->lock);
	}
	if (chan_has_waiters(c->done))
		fatal("last gort_cancel_put of what goroutines wait on");
	gort_chan_free(c->done);
	free(c);
}

/* The last child's reference may be the parent's last, and so on. */
static void cancel_put(struct gort_cancel *c)
{
	/* Release what was done with it; acquire what others did. */
	while (c && atomic_fetch_sub_explicit(&c->refs, 1,
					      memory_order_acq_rel) == 1) {
		struct gort_cancel *parent = c->parent;

		cancel_free(c);
		c = parent;
	}
}

/* Take a child off the list and keep it; NULL when there is none. */
static struct gort_cancel *take_child(struct gort_cancel *c)
{
	struct gort_cancel *child;

	lock(&c->lock);
	while ((child = c->children)) {
		unlink_child(c, child);
		if (try_get(child))
			break;
	}
	unlock(&c->lock);
	return child;
}

static bool cancel_one(struct gort_cancel *c, int err)
{
	if (!set_err(c, err))
		return false;
	stop_deadline(c);
	chan_close(c->done);
	return true;
}

/*
 * Depth first, without recursion: trees may be deep, and this runs on g0,
 * too.  The caller has a reference to top.
 */
static void cancel_tree(struct gort_cancel *top, int err)
{
	struct gort_cancel *c = top, *child;

	if (!cancel_one(top, err))
		return;
	for (;;) {
		child = take_child(c);
		if (child && cancel_one(child, err)) {
			child->back = c;
			c = child;
		} else if (child) {
			cancel_put(child);
		} else if (c != top) {
			child = c;
			c = c->back;
			cancel_put(child);
		} else {
			return;
		}
	}
}

static void __systemstack deadline_passed(void *arg)
{
	struct gort_cancel *c = arg;

	if (!try_get(c))
		return;
	cancel_tree(c, -ETIMEDOUT);
	cancel_put(c);
}

/* The cause of the parent, if it is too late. */
static int join_parent(struct gort_cancel *parent, struct gort_cancel *c)
{
	int err;

	c->parent = gort_cancel_get(parent);
	lock(&parent->lock);
	err = get_err(parent);
	if (!err)
		link_child(parent, c);
	unlock(&parent->lock);
	return err;
}

__public struct gort_cancel *gort_cancel_new(struct gort_cancel *parent)
{
	struct gort_cancel *c;
	int err;

	need_goroutine("gort_cancel_new");
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->done = gort_chan_new(0, 0);
	if (!c->done) {
		free(c);
		return NULL;
	}
	c->lock.rank = RANK_CANCEL;
	c->refs = 1;
	timer_init(&c->deadline, deadline_passed, c);
	err = parent ? join_parent(parent, c) : 0;
	if (err)
		cancel_one(c, err);
	return c;
}

__public struct gort_cancel *gort_cancel_get(struct gort_cancel *c)
{
	if (c)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

__public void gort_cancel_put(struct gort_cancel *c)
{
	need_goroutine("gort_cancel_put");
	cancel_put(c);
}

__public int gort_cancel(struct gort_cancel *c, int cause)
{
	if (!in_goroutine())
		return -EPERM;
	if (!c || cause > 0 || cause < -ERRNO_MAX)
		return -EINVAL;
	cancel_tree(c, cause ? cause : -ECANCELED);
	return 0;
}

__public int gort_cancel_err(const struct gort_cancel *c)
{
	return c ? get_err(c) : 0;
}

__public struct gort_chan *gort_cancel_done(const struct gort_cancel *c)
{
	return c ? c->done : NULL;
}

__public int gort_cancel_deadline(struct gort_cancel *c, int64_t when_ns)
{
	if (!in_goroutine())
		return -EPERM;
	if (!c)
		return -EINVAL;
	if (atomic_exchange_explicit(&c->has_deadline, true,
				     memory_order_acq_rel))
		return -EALREADY;
	if (when_ns <= nanotime()) {
		cancel_tree(c, -ETIMEDOUT);
		return 0;
	}
	/* Never: no timer, which would be something to wait for. */
	if (when_ns == TIME_NEVER)
		return 0;
	timer_start_at(&c->deadline, when_ns);
	/* Cancelled meanwhile, or before: it need not wait for its time. */
	if (get_err(c))
		timer_stop(&c->deadline);
	return 0;
}
