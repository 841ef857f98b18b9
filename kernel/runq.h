/* SPDX-License-Identifier: ISC */
/*
 * kernel/runq.h - a P's queue of runnable goroutines.
 *
 * A ring that its owner alone appends to, and that the owner and thieves
 * take from by moving the head with a compare-and-swap; and one slot,
 * runnext, for the goroutine just readied, which runs before the ring.  The
 * layout and the protocol are those of the Go scheduler (runtime/proc.go,
 * runqput, runqget, runqgrab).
 *
 * Orders: the tail's release pairs with a thief's acquire of it, which makes
 * the slots and the goroutines in them visible.  The head's release pairs
 * with the owner's acquire, so a slot is reused only after it was read.
 */
#ifndef KERNEL_RUNQ_H
#define KERNEL_RUNQ_H

#include "kernel/sched.h"

/* Times in a row that runnext goes before the ring. */
#define RUNNEXT_MAX	32

void runq_put_slow(struct p *pp, struct g *gp, u32 head);
struct g *runq_steal(struct p *pp, struct p *victim, bool take_next);

/* proc.c: append to the global queue.  On g0. */
void globrunq_put(struct g *const *batch, u32 n);
void globrunq_put_one(struct g *gp);
void globrunq_put_locked(struct g *gp);

static inline bool runq_empty(struct p *pp)
{
	return atomic_load_explicit(&pp->runq_head, memory_order_relaxed) ==
	       atomic_load_explicit(&pp->runq_tail, memory_order_relaxed) &&
	       !atomic_load_explicit(&pp->runnext, memory_order_relaxed);
}

/* A snapshot. */
static inline u32 runq_len(struct p *pp)
{
	u32 head = atomic_load_explicit(&pp->runq_head, memory_order_relaxed);
	u32 tail = atomic_load_explicit(&pp->runq_tail, memory_order_relaxed);

	return tail - head + (atomic_load_explicit(&pp->runnext,
					memory_order_relaxed) != NULL);
}

/* Owner only. */
static inline void runq_put(struct p *pp, struct g *gp)
{
	u32 head = atomic_load_explicit(&pp->runq_head, memory_order_acquire);
	u32 tail = atomic_load_explicit(&pp->runq_tail, memory_order_relaxed);

	if (unlikely(tail - head >= RUNQ_SIZE)) {
		runq_put_slow(pp, gp, head);
		return;
	}
	atomic_store_explicit(&pp->runq[tail % RUNQ_SIZE], gp,
			      memory_order_relaxed);
	atomic_store_explicit(&pp->runq_tail, tail + 1, memory_order_release);
}

/*
 * Owner only.  Thieves only ever empty the slot, so into an empty one a
 * plain store is enough.
 */
static inline void runq_put_next(struct p *pp, struct g *gp)
{
	struct g *old;

	old = atomic_load_explicit(&pp->runnext, memory_order_relaxed);
	if (likely(!old)) {
		atomic_store_explicit(&pp->runnext, gp, memory_order_release);
		return;
	}
	old = atomic_exchange_explicit(&pp->runnext, gp, memory_order_acq_rel);
	if (old)
		runq_put(pp, old);
}

/* With one P there are no thieves, and the owner needs no atomics. */
static inline bool runq_shared(void)
{
	return nprocs() != 1;
}

static inline bool runq_take_next(struct p *pp, struct g *gp)
{
	if (runq_shared())
		return atomic_compare_exchange_strong_explicit(&pp->runnext,
				&gp, NULL, memory_order_acquire,
				memory_order_relaxed);
	atomic_store_explicit(&pp->runnext, NULL, memory_order_relaxed);
	return true;
}

/* Owner only: take gp if it is the one that would run next. */
static inline bool runq_take_this(struct p *pp, struct g *gp)
{
	return atomic_load_explicit(&pp->runnext, memory_order_relaxed) == gp &&
	       runq_take_next(pp, gp);
}

static inline bool runq_take_head(struct p *pp, u32 *head)
{
	if (runq_shared())
		return atomic_compare_exchange_weak_explicit(&pp->runq_head,
				head, *head + 1, memory_order_release,
				memory_order_acquire);
	atomic_store_explicit(&pp->runq_head, *head + 1, memory_order_relaxed);
	return true;
}

static inline struct g *runq_get_ring(struct p *pp)
{
	u32 head = atomic_load_explicit(&pp->runq_head, memory_order_acquire);
	u32 tail = atomic_load_explicit(&pp->runq_tail, memory_order_relaxed);
	struct g *gp;

	while (head != tail) {
		gp = atomic_load_explicit(&pp->runq[head % RUNQ_SIZE],
					  memory_order_relaxed);
		if (runq_take_head(pp, &head))
			return gp;
	}
	return NULL;
}

/* Owner only. */
static inline struct g *runq_get(struct p *pp)
{
	struct g *gp;

	gp = atomic_load_explicit(&pp->runnext, memory_order_relaxed);
	if (gp && ++pp->nextrun <= RUNNEXT_MAX && runq_take_next(pp, gp))
		return gp;
	pp->nextrun = 0;
	gp = runq_get_ring(pp);
	if (gp)
		return gp;
	return atomic_exchange_explicit(&pp->runnext, NULL,
					memory_order_acquire);
}

static inline void gqueue_push(struct gqueue *q, struct g *gp)
{
	gp->link = NULL;
	if (q->tail)
		q->tail->link = gp;
	else
		q->head = gp;
	q->tail = gp;
}

/* Move all of from to the end of q. */
static inline void gqueue_append(struct gqueue *q, struct gqueue *from)
{
	if (!from->head)
		return;
	if (q->tail)
		q->tail->link = from->head;
	else
		q->head = from->head;
	q->tail = from->tail;
	*from = (struct gqueue){ 0 };
}

static inline struct g *gqueue_pop(struct gqueue *q)
{
	struct g *gp = q->head;

	if (gp) {
		q->head = gp->link;
		if (!q->head)
			q->tail = NULL;
	}
	return gp;
}

#endif
