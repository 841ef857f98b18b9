/* SPDX-License-Identifier: ISC */
/*
 * kernel/sema.h - where goroutines sleep on mutexes, conditions and the like.
 *
 * Each such object has its queues of waiting goroutines in it, but not the
 * lock that protects them: that comes from a table, by the object's address.
 * The memory of an object may go away as soon as somebody is told that he has
 * it; a lock in the table stays.  So the rule for all of them: the object is
 * not touched after sema_unlock().
 *
 * A waiter lies in the frame of the goroutine that waits: frames never move,
 * and nothing is allocated.
 *
 * A run that ends drops goroutines that wait.  An object tells by its ->run
 * which run its queues belong to; those of an earlier one are forgotten.
 *
 * The locks are taken on goroutine stacks: growing a stack never needs them.
 *
 * Rejected: queues in the table, too, as in Go's semaphores.  Each wait and
 * each wake would have to search them.
 */
#ifndef KERNEL_SEMA_H
#define KERNEL_SEMA_H

#include "kernel/sched.h"

#define SEMA_BITS	8
#define SEMA_BUCKETS	(1u << SEMA_BITS)

struct sema_waiter {
	struct sema_waiter *next;
	struct g *g;
	u64 n;			/* semaphore: how many it wants */
	bool handed;		/* mutex: it has been given it */
};

struct sema_queue {
	struct sema_waiter *head;
	struct sema_waiter *tail;
};

struct sema_bucket {
	struct lock lock;
} __attribute__((aligned(64)));

extern struct sema_bucket sema_buckets[SEMA_BUCKETS];

/* Different for different objects: multiplication by an odd number. */
static inline u64 sema_hash(const void *obj)
{
	/* 2^64 / golden ratio: D. Knuth, TAOCP 3, 6.4 */
	return (uintptr_t)obj * UINT64_C(0x9e3779b97f4a7c15);
}

static inline u32 sema_index(const void *obj)
{
	return (u32)(sema_hash(obj) >> (64 - SEMA_BITS));
}

static inline struct lock *sema_lock(const void *obj)
{
	struct lock *l = &sema_buckets[sema_index(obj)].lock;

	lock(l);
	return l;
}

static inline void sema_unlock(struct lock *l)
{
	unlock(l);
}

/* Is this the first use in this run?  Then the queues hold nobody. */
static inline bool sema_new_run(u64 *run)
{
	u64 now = sched_run_id();

	if (likely(*run == now))
		return false;
	*run = now;
	return true;
}

static inline void sema_push(struct sema_queue *q, struct sema_waiter *w)
{
	w->next = NULL;
	if (q->head)
		q->tail->next = w;
	else
		q->head = w;
	q->tail = w;
}

static inline void sema_push_front(struct sema_queue *q, struct sema_waiter *w)
{
	w->next = q->head;
	if (!q->head)
		q->tail = w;
	q->head = w;
}

static inline struct sema_waiter *sema_pop(struct sema_queue *q)
{
	struct sema_waiter *w = q->head;

	if (w)
		q->head = w->next;
	return w;
}

/* All of them, as a list for sema_ready_all(). */
static inline struct sema_waiter *sema_take_all(struct sema_queue *q)
{
	struct sema_waiter *w = q->head;

	q->head = NULL;
	return w;
}

/* Wait at the end of q.  Gives l back. */
static inline void sema_wait(struct sema_queue *q, struct sema_waiter *w,
			     struct lock *l, enum wait_reason why)
{
	w->g = getg();
	sema_push(q, w);
	sched_park(l, why);
}

/* Wake a list that is on no queue any more.  Not under a lock. */
static inline void sema_ready_all(struct sema_waiter *w)
{
	struct sema_waiter *next;

	for (; w; w = next) {
		next = w->next;		/* w is gone once it is woken */
		sched_ready(w->g);
	}
}

/* sema.c: the caller has waited for a mutex since then. */
void sema_count_wait(s64 since_ns);

/* mutex.c */
struct gort_mutex;
extern _Atomic u32 mutex_npending[SEMA_BUCKETS];
bool mutex_unlock(struct gort_mutex *m);

#endif
