// SPDX-License-Identifier: ISC
/*
 * trace/reader/frontier.c - which thread's event is next.
 *
 * The earliest one that may happen.  Time stamps of different threads are not
 * to be trusted that far, so an event may have to wait for a later one: it
 * asks for something that has not happened yet (order.c).
 *
 * Go's reader then sorts the threads by time and tries them all, again for
 * each event.  With few threads we do the same, step by step as Go does, since
 * the form of the heap decides between equal times.  With many it would take
 * the square of the file's size.  So, if a generation has more than MAX_TRIED
 * threads, a cursor that cannot advance is parked: it leaves the heap, and
 * the condition it waits for is noted.  Whatever makes a condition true wakes
 * one cursor that waits for it.  If that one did not use the condition up
 * when it was tried, the next is woken.
 *
 * The two differ only where several threads have events of the same time, one
 * of them must wait, and there are more than MAX_TRIED threads.  Go's sort is
 * not stable then.
 *
 * Rejected: counting changes per goroutine and proc, and looking through the
 * parked.  It is still the square.
 *
 * Invariants:
 *  I1  Each cursor with an event is in exactly one heap, at ->pos.
 *  I2  If a condition holds, and cursors wait for it, then one that waited
 *      for it is in ready.
 *  I3  A parked cursor has one or two waiters in the chains, others none.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

/* Go's sort is stable up to here.  A fuzzer has few threads and wants less. */
#ifndef MAX_TRIED
#define MAX_TRIED	12u
#endif

/* --- heaps: binary, by time; equal ones as Go's --- */

static void put(struct frontier *f, struct heap *h, u32 pos,
		struct heap_item item)
{
	h->at[pos] = item;
	f->cursors[item.cursor].pos = pos;
}

static u32 sift_up(struct frontier *f, struct heap *h, u32 i)
{
	struct heap_item item = h->at[i];
	u32 start = i;

	while (i && item.time < h->at[(i - 1) / 2].time) {
		put(f, h, i, h->at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	if (i != start)
		put(f, h, i, item);
	return i;
}

static inline void sift_down(struct frontier *f, struct heap *h, u32 i)
{
	struct heap_item item = h->at[i];
	u32 start = i, child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n &&
		    h->at[child + 1].time < h->at[child].time)
			child++;
		if (h->at[child].time >= item.time)
			break;
		put(f, h, i, h->at[child]);
		i = child;
	}
	if (i != start)
		put(f, h, i, item);
}

static void heap_insert(struct frontier *f, struct heap *h, u32 ci)
{
	put(f, h, h->n++, (struct heap_item){ f->cursors[ci].time, ci });
	sift_up(f, h, h->n - 1);
}

static void heap_remove(struct frontier *f, struct heap *h, u32 i)
{
	for (; i; i = (i - 1) / 2)
		put(f, h, i, h->at[(i - 1) / 2]);
	h->n--;
	if (h->n) {
		put(f, h, 0, h->at[h->n]);
		sift_down(f, h, 0);
	}
}

/* The time of a cursor is another. */
static __folded void heap_update(struct frontier *f, struct heap *h, u32 i)
{
	h->at[i].time = f->cursors[h->at[i].cursor].time;
	if (!i || sift_up(f, h, i) == i)
		sift_down(f, h, i);
}

/* --- cursors --- */

static __cold u64 thread_of(const struct tracefile *tf, const struct cursor *c)
{
	return m_at(tf, c->m)->id;
}

/* The arguments of the event at c->next; 1 or -errno. */
static __folded int read_event(struct tracefile *tf, struct cursor *c)
{
	const u8 *p = c->next;
	const struct spec *spec;
	u64 ts;
	u32 i;

	c->ev = p;
	c->type = *p++;
	spec = c->type < TF_TYPES ? &gort_tracefile_specs[c->type] : NULL;
	if (unlikely(!spec || !spec->timed))
		return gort_tracefile_fail(tf, c->ev, thread_of(tf, c),
			"type %u does not belong among events", c->type);
	p = get_uvarint(p, c->end, &ts);
	memset(c->args, 0, sizeof(c->args));
	for (i = 0; p && i < spec->nargs; i++)
		p = get_uvarint(p, c->end, &c->args[i]);
	if (unlikely(!p))
		return gort_tracefile_fail(tf, c->ev, thread_of(tf, c),
			"broken number in %s", spec->name);
	c->next = p;
	if (!c->last)
		c->last = gen_time(&tf->gen, c->base);
	c->time = (i64)((u64)gen_time(&tf->gen, ts) + (u64)c->last);
	c->last = c->time;
	return 1;
}

/* On to the next batch of a thread that has any data; false: there is none. */
static __cold bool next_batch(struct tracefile *tf, struct cursor *c)
{
	struct batch_header h;
	struct batch *b;

	while (c->next == c->end) {
		if (c->batch == NONE32)
			return false;
		b = &tf->gen.batches[c->batch];
		c->next = gort_tracefile_batch_header(b->p, tf->end, &h);
		c->end = c->next + h.size;
		c->base = h.time;
		c->last = 0;
		c->batch = b->next;
	}
	return true;
}

/* The next event of a thread: 1, 0 if there is none, -errno */
static __folded int cursor_next(struct tracefile *tf, struct cursor *c)
{
	if (unlikely(c->next == c->end) && !next_batch(tf, c))
		return 0;
	return read_event(tf, c);
}

/* --- parking --- */

static u32 chain_of(const struct tracefile *tf, enum cond cond, u64 id, u64 seq)
{
	u64 h = hash_mix(id ^ tf->order.gs.seed) ^ (seq * 16 + cond);

	return (u32)hash_mix(h) & tf->frontier.chain_mask;
}

static void chain_add(struct tracefile *tf, u32 wi)
{
	struct frontier *f = &tf->frontier;
	struct waiter *w = &f->waiters[wi];
	u32 *head = &f->chains[chain_of(tf, w->cond, w->id, w->seq)];

	w->prev = NONE32;
	w->next = *head;
	if (*head != NONE32)
		f->waiters[*head].prev = wi;
	*head = wi;
}

static void chain_del(struct tracefile *tf, u32 wi)
{
	struct frontier *f = &tf->frontier;
	struct waiter *w = &f->waiters[wi];

	if (w->next != NONE32)
		f->waiters[w->next].prev = w->prev;
	if (w->prev != NONE32)
		f->waiters[w->prev].next = w->next;
	else
		f->chains[chain_of(tf, w->cond, w->id, w->seq)] = w->next;
}

/* On the first need in a generation. */
static int make_chains(struct frontier *f)
{
	u32 n = 16;

	while (n < f->n)
		n *= 2;
	f->waiters = calloc(f->n, 2 * sizeof(*f->waiters));
	f->chains = malloc(n * sizeof(*f->chains));
	if (!f->waiters || !f->chains)
		return -ENOMEM;
	memset(f->chains, 0xff, n * sizeof(*f->chains));
	f->chain_mask = n - 1;
	return 0;
}

static int park(struct tracefile *tf, u32 ci)
{
	struct frontier *f = &tf->frontier;
	struct cursor *c = &f->cursors[ci];
	int err, k;

	if (!f->chains) {
		err = make_chains(f);
		if (err)
			return err;
	}
	heap_remove(f, &f->ready, c->pos);
	heap_insert(f, &f->parked, ci);
	c->parked = true;
	for (k = 0; k < 2; k++) {
		f->waiters[2 * ci + k] = f->block[k];
		if (f->block[k].cond != COND_NONE)
			chain_add(tf, 2 * ci + k);
	}
	return 0;
}

static void unpark(struct tracefile *tf, u32 ci)
{
	struct frontier *f = &tf->frontier;
	struct cursor *c = &f->cursors[ci];
	u32 k;

	for (k = 0; k < 2; k++)
		if (f->waiters[2 * ci + k].cond != COND_NONE)
			chain_del(tf, 2 * ci + k);
	heap_remove(f, &f->parked, c->pos);
	heap_insert(f, &f->ready, ci);
	c->parked = false;
	c->woken = true;
}

void gort_tracefile_wake(struct tracefile *tf, enum cond cond, u64 id, u64 seq)
{
	struct frontier *f = &tf->frontier;
	const struct waiter *w;
	u32 wi;

	if (likely(!f->parked.n))
		return;
	for (wi = f->chains[chain_of(tf, cond, id, seq)]; wi != NONE32;
	     wi = w->next) {
		w = &f->waiters[wi];
		if (w->cond == cond && w->id == id && w->seq == seq) {
			unpark(tf, wi / 2);
			return;
		}
	}
}

void gort_tracefile_wake_thread(struct tracefile *tf, u32 mi)
{
	const struct mstate *m = m_at(tf, mi);

	if (m->gen == tf->nth_gen && tf->frontier.cursors[m->cursor].parked)
		unpark(tf, m->cursor);
}

/*
 * A cursor that was woken has been tried.  What it waited for may still hold
 * and be of use to others.
 */
static void pass_on(struct tracefile *tf, const struct waiter was[2])
{
	u32 k;

	for (k = 0; k < 2; k++)
		if (was[k].cond != COND_NONE &&
		    gort_tracefile_order_holds(tf, was[k].cond, was[k].id,
					       was[k].seq))
			gort_tracefile_wake(tf, was[k].cond, was[k].id,
					    was[k].seq);
}

/* --- advancing --- */

/* Try a cursor in ready: 1, 0 if it must wait, -errno */
static __folded int try(struct tracefile *tf, u32 ci)
{
	struct frontier *f = &tf->frontier;
	struct cursor *c = &f->cursors[ci];
	int rc = gort_tracefile_order_try(tf, c);

	if (rc <= 0)
		return rc;
	rc = cursor_next(tf, c);
	if (rc < 0)
		return rc;
	if (rc)
		heap_update(f, &f->ready, c->pos);
	else
		heap_remove(f, &f->ready, c->pos);
	return 1;
}

static int stuck(struct tracefile *tf)
{
	struct frontier *f = &tf->frontier;
	const struct heap *h = f->ready.n ? &f->ready : &f->parked;
	const struct cursor *c = &f->cursors[h->at[0].cursor];

	return gort_tracefile_fail(tf, c->ev, thread_of(tf, c), "%s cannot happen, nor any "
		"other event of %u threads",
		gort_tracefile_specs[c->type].name, f->ready.n + f->parked.n);
}

static void sort_ready(struct frontier *f)
{
	struct heap *h = &f->ready;
	struct heap_item item;
	u32 i, j;

	for (i = 1; i < h->n; i++) {
		item = h->at[i];
		for (j = i; j && item.time < h->at[j - 1].time; j--)
			put(f, h, j, h->at[j - 1]);
		put(f, h, j, item);
	}
}

/* The first has been tried. */
static int advance_others(struct tracefile *tf)
{
	struct frontier *f = &tf->frontier;
	u32 i;
	int rc;

	sort_ready(f);
	for (i = 1; i < f->ready.n; i++) {
		rc = try(tf, f->ready.at[i].cursor);
		if (rc)
			return rc;
	}
	return stuck(tf);
}

static inline int advance_few(struct tracefile *tf)
{
	int rc = try(tf, tf->frontier.ready.at[0].cursor);

	return likely(rc) ? rc : advance_others(tf);
}

static int advance_many(struct tracefile *tf)
{
	struct frontier *f = &tf->frontier;
	struct waiter was[2];
	bool woken;
	u32 ci;
	int rc;

	while (f->ready.n) {
		ci = f->ready.at[0].cursor;
		woken = f->cursors[ci].woken;
		f->cursors[ci].woken = false;
		if (woken)
			memcpy(was, &f->waiters[2 * ci], sizeof(was));
		rc = try(tf, ci);
		if (rc == 0)
			rc = park(tf, ci);
		if (woken)
			pass_on(tf, was);
		if (rc)
			return rc;
	}
	return stuck(tf);
}

/* Put one event or more into the queue: 1 or -errno */
int gort_tracefile_frontier_advance(struct tracefile *tf)
{
	return tf->frontier.parks ? advance_many(tf) : advance_few(tf);
}

int gort_tracefile_frontier_init(struct tracefile *tf)
{
	struct frontier *f = &tf->frontier;
	struct heap_item *mem;
	u32 ci;
	int rc;

	free(f->waiters);
	free(f->chains);
	f->waiters = NULL;
	f->chains = NULL;
	mem = realloc(f->heap_mem, ((size_t)f->n + 1) * 2 * sizeof(*mem));
	if (!mem)
		return -ENOMEM;
	f->heap_mem = mem;
	f->ready = (struct heap){ mem, 0 };
	f->parked = (struct heap){ mem + f->n, 0 };
	f->parks = f->n > MAX_TRIED;
	for (ci = 0; ci < f->n; ci++) {
		rc = cursor_next(tf, &f->cursors[ci]);
		if (rc < 0)
			return rc;
		if (rc)
			heap_insert(f, &f->ready, ci);
	}
	return 0;
}

void gort_tracefile_frontier_free(struct frontier *f)
{
	free(f->cursors);
	free(f->heap_mem);
	free(f->waiters);
	free(f->chains);
}
