// SPDX-License-Identifier: ISC
/*
 * kernel/timer.c - timers: one heap per P, ordered by time.
 *
 * A timer goes into the heap of the P it is started on, so Ps do not meet on
 * a lock.  schedule() runs what is due on its own P; Ms that find no other
 * work run what busy Ps are late with; and one M without a P sleeps until
 * the first timer of all (proc.c).
 *
 * The heap is 4-ary: half as deep as a binary one, and four children are one
 * or two cache lines (D. B. Johnson, "Priority queues with update and finding
 * minimum spanning trees", 1975; as in the Go runtime).  The times lie in the
 * array, so comparing touches no timer; each timer knows its index, so
 * stopping one takes it out at once.
 *
 * Rejected: leaving stopped timers in the heap until their time comes, as Go
 * does.  It would keep their memory in use, and most timers are stopped, soon
 * after they were started, while they are still near the end of the array,
 * where taking them out costs as little as marking them.  A wheel: rounds
 * times.
 *
 * Invariants:
 *  I1  entries[(i - 1) / 4].when <= entries[i].when
 *  I2  entries[i].timer->index == i, and its state names this heap
 *  I3  ->next is entries[0].when, or TIME_NEVER
 *
 * Where a timer is, in one word, ->state:
 *
 *	32 bits	the run it was last started in; another one's is not pending
 *		and not running
 *	16 bits	runner: 1 + the P that ran it last, 0 none
 *	16 bits	heap: 1 + the P whose heap it is in, 0 none
 *
 * It goes into a heap by compare-and-swap, since two may start it at once,
 * and with that heap's lock held; all further changes are made under that
 * lock.  Whoever runs it first says so in its own P's ->running, then takes
 * it out of the heap; after fn it does not touch the timer, whose memory may
 * be gone by then, but only ->running.  So who finds a timer in no heap, and
 * ->running of the P that is named not pointing at it, knows that fn has
 * returned.  A timer that was started anew while fn runs stays in its heap
 * until fn has returned.
 *
 * The lock is taken on goroutine stacks: growing a stack never needs it.
 * It is not held while fn runs.
 */
#include "kernel/timer.h"

#include <stdlib.h>

#include <arch/cpu.h>
#include "kernel/proc.h"

#define HEAP_ARITY	4
#define HEAP_MIN	16
#define LATE_NS		10000000	/* as long as goroutines may run */

#define STATE_ID	0xffffu
#define RUNNER_SHIFT	16
#define RUN_SHIFT	32

_Static_assert(MAXPROCS_LIMIT < STATE_ID, "a P fits the state");

/*
 * State.
 */

static inline u64 state_load(struct timer *t)
{
	u64 state = atomic_load_explicit(&t->state, memory_order_acquire);
	u64 run = sched_run_id() << RUN_SHIFT;

	return state >> RUN_SHIFT == run >> RUN_SHIFT ? state : run;
}

static inline struct timer_heap *state_heap(u64 state)
{
	u32 id = state & STATE_ID;

	return id ? &sched.ps[id - 1]->timers : NULL;
}

/* On the P that runs it now, if any does. */
static inline struct timer_heap *state_runner(u64 state, struct timer *t)
{
	u32 id = state >> RUNNER_SHIFT & STATE_ID;
	struct timer_heap *h = id ? &sched.ps[id - 1]->timers : NULL;

	/* Acquire: pairs with the end of timers_run(). */
	if (h && atomic_load_explicit(&h->running, memory_order_acquire) == t)
		return h;
	return NULL;
}

/*
 * The heap.
 */

static inline void put(struct timer_heap *h, u32 i, struct timer_entry e)
{
	h->entries[i] = e;
	e.timer->index = i;
}

static void sift_up(struct timer_heap *h, u32 i, struct timer_entry e)
{
	while (i) {
		u32 parent = (i - 1) / HEAP_ARITY;

		if (h->entries[parent].when <= e.when)
			break;
		put(h, i, h->entries[parent]);
		i = parent;
	}
	put(h, i, e);
}

static inline u32 first_child(const struct timer_heap *h, u32 i)
{
	u32 best = i * HEAP_ARITY + 1, end = best + HEAP_ARITY;

	if (end > h->len)
		end = h->len;
	for (u32 k = best + 1; k < end; k++)
		if (h->entries[k].when < h->entries[best].when)
			best = k;
	return best;
}

static void sift_down(struct timer_heap *h, u32 i, struct timer_entry e)
{
	u32 child;

	while ((child = first_child(h, i)) < h->len &&
	       h->entries[child].when < e.when) {
		put(h, i, h->entries[child]);
		i = child;
	}
	put(h, i, e);
}

/* e belongs at i, or above, or below. */
static void sift(struct timer_heap *h, u32 i, struct timer_entry e)
{
	if (i && e.when < h->entries[(i - 1) / HEAP_ARITY].when)
		sift_up(h, i, e);
	else
		sift_down(h, i, e);
}

static inline s64 heap_first(const struct timer_heap *h)
{
	return atomic_load_explicit(&h->next, memory_order_relaxed);
}

static inline void update_next(struct timer_heap *h)
{
	s64 next = h->len ? h->entries[0].when : TIME_NEVER;

	if (next != heap_first(h))
		atomic_store_explicit(&h->next, next, memory_order_relaxed);
	atomic_store_explicit(&h->npending, h->len, memory_order_relaxed);
}

static __cold void heap_grow(struct timer_heap *h)
{
	u32 cap = h->cap ? h->cap * 2 : HEAP_MIN;
	struct timer_entry *entries;

	entries = realloc(h->entries, cap * sizeof(*entries));
	if (!entries)
		fatal("no memory for %u timers", cap);
	h->entries = entries;
	h->cap = cap;
}

static inline void heap_insert(struct timer_heap *h, struct timer_entry e)
{
	if (unlikely(h->len == h->cap))
		heap_grow(h);
	sift_up(h, h->len++, e);
	update_next(h);
}

static inline void heap_remove(struct timer_heap *h, struct timer *t)
{
	struct timer_entry last = h->entries[--h->len];

	dbg_assert(h->entries[t->index].timer == t, "timer not at its index");
	if (last.timer != t)
		sift(h, t->index, last);
	update_next(h);
}

/*
 * Starting and stopping.
 */

void timer_init(struct timer *t, void (*fn)(void *arg), void *arg)
{
	*t = (struct timer){ .fn = fn, .arg = arg };
}

/* What became of an attempt. */
enum started {
	NOT_STARTED,		/* the timer was not where it seemed to be */
	STARTED,
	STARTED_FIRST,		/* the first of its heap; due earlier than all
				 * that others may have seen there */
};

static inline enum started started(struct timer_heap *h, s64 when)
{
	return when < heap_first(h) ? STARTED_FIRST : STARTED;
}

/* t is in no heap: into that of pp. */
static enum started insert_idle(struct timer *t, u64 state, struct p *pp,
				s64 when)
{
	struct timer_heap *h = &pp->timers;
	u64 old = atomic_load_explicit(&t->state, memory_order_relaxed);
	enum started ret = NOT_STARTED;

	if (unlikely(old != state && old >> RUN_SHIFT == state >> RUN_SHIFT))
		return NOT_STARTED;
	lock(&h->lock);
	/* Acquire: pairs with the release of who took it out of a heap. */
	if (likely(atomic_compare_exchange_strong_explicit(&t->state, &old,
			state | (pp->id + 1), memory_order_acquire,
			memory_order_relaxed))) {
		ret = started(h, when);
		heap_insert(h, (struct timer_entry){ when, t });
	}
	unlock(&h->lock);
	return ret;
}

/* t is in h: change its time. */
static enum started change_when(struct timer *t, struct timer_heap *h,
				s64 when)
{
	enum started ret = NOT_STARTED;

	lock(&h->lock);
	if (likely(state_heap(state_load(t)) == h)) {
		ret = started(h, when);
		sift(h, t->index, (struct timer_entry){ when, t });
		update_next(h);
	}
	unlock(&h->lock);
	return ret;
}

bool timer_start_at(struct timer *t, s64 when)
{
	struct m *mp = acquirem();
	struct timer_heap *h;
	enum started ret;

	if (when > TIME_NEVER - 1)
		when = TIME_NEVER - 1;
	do {
		u64 state = state_load(t);

		h = state_heap(state);
		ret = h ? change_when(t, h, when) :
			  insert_idle(t, state, mp->p, when);
	} while (unlikely(ret == NOT_STARTED));
	if (ret == STARTED_FIRST)
		sched_wake_poller(when);
	releasem(mp);
	return h;
}

/* Take t out of h.  False: it is not there any more. */
static bool remove_pending(struct timer *t, struct timer_heap *h, u64 *state)
{
	bool ok;

	lock(&h->lock);
	*state = state_load(t);
	ok = state_heap(*state) == h;
	if (likely(ok)) {
		heap_remove(h, t);
		/* Release: pairs with insert_idle(). */
		atomic_store_explicit(&t->state, *state & ~(u64)STATE_ID,
				      memory_order_release);
	}
	unlock(&h->lock);
	return ok;
}

bool timer_stop(struct timer *t)
{
	struct m *mp = acquirem();
	bool stopped = false;

	for (;;) {
		u64 state = state_load(t);
		struct timer_heap *h = state_heap(state);

		if (h && !remove_pending(t, h, &state))
			continue;
		stopped |= h != NULL;
		h = state_runner(state, t);
		if (likely(!h || h == &mp->p->timers))
			break;	/* not running, or it is fn that stops it */
		/* fn may start it again: have another look after that. */
		while (state_runner(state, t))
			cpu_relax();
	}
	releasem(mp);
	return stopped;
}

bool timer_active(struct timer *t)
{
	u64 state = state_load(t);

	return state_heap(state) || state_runner(state, t);
}

/*
 * The scheduler's side.
 */

/* Take the first timer out of h if it is due at now, for pp to run it. */
static struct timer *take_due(struct timer_heap *h, struct p *pp, s64 now)
{
	struct timer *t;
	u64 state;

	if (!h->len || h->entries[0].when > now)
		return NULL;
	t = h->entries[0].timer;
	state = state_load(t);
	if (unlikely(state_runner(state, t)))
		return NULL;
	heap_remove(h, t);
	/* Release: who finds t here instead of the last one acquires what
	 * that one's fn did. */
	atomic_store_explicit(&pp->timers.running, t, memory_order_release);
	state &= ~(((u64)STATE_ID << RUNNER_SHIFT) | STATE_ID);
	/* Release: ->running, too, is seen by who sees this. */
	atomic_store_explicit(&t->state,
			      state | (u64)(pp->id + 1) << RUNNER_SHIFT,
			      memory_order_release);
	return t;
}

static bool has_plenty_to_do(struct p *pp)
{
	return atomic_load_explicit(&pp->runq_tail, memory_order_relaxed) -
	       atomic_load_explicit(&pp->runq_head, memory_order_relaxed) >=
	       RUNQ_SIZE / 2;
}

/*
 * When many are due, goroutines get to run in between: a million timers that
 * each start one would otherwise need the stacks of a million.  So while
 * this P has plenty to do one timer is run at a time, unless that makes them
 * late.
 *
 * Not more than there were to begin with: fn may start the timer again, due
 * at once.
 */
bool __systemstack timers_run(struct p *victim, s64 now)
{
	struct timer_heap *h = &victim->timers;
	struct p *pp = getm()->p;
	struct timer *t;
	u32 left, n = 0;
	s64 until = now;

	lock(&h->lock);
	for (left = h->len; left && (t = take_due(h, pp, until)); left--) {
		void (*fn)(void *arg) = t->fn;
		void *arg = t->arg;

		unlock(&h->lock);
		fn(arg);
		/* Release: pairs with state_runner(). */
		atomic_store_explicit(&pp->timers.running, NULL,
				      memory_order_release);
		n++;
		until = has_plenty_to_do(pp) ? now - LATE_NS : now;
		lock(&h->lock);
	}
	hist_add(&h->nfired, n);
	unlock(&h->lock);
	return n;
}

void timers_count(const struct p *pp, u64 *pending, u64 *fired)
{
	const struct timer_heap *h = &pp->timers;

	*pending += atomic_load_explicit(&h->npending, memory_order_relaxed);
	*fired += atomic_load_explicit(&h->nfired, memory_order_relaxed);
}

/* No lock: nobody is in the middle of something. */
void timers_move(struct p *from, struct p *to)
{
	struct timer_heap *h = &from->timers;

	for (u32 i = 0; i < h->len; i++) {
		struct timer *t = h->entries[i].timer;
		u64 state = state_load(t) & ~(u64)STATE_ID;

		atomic_store_explicit(&t->state, state | (to->id + 1),
				      memory_order_relaxed);
		heap_insert(&to->timers, h->entries[i]);
	}
	h->len = 0;
	update_next(h);
}

void timers_init(struct p *pp)
{
	pp->timers = (struct timer_heap){
		.lock = LOCK_INIT(RANK_TIMERS),
		.next = TIME_NEVER,
	};
}

void timers_fini(struct p *pp)
{
	free(pp->timers.entries);
	timers_init(pp);
}
