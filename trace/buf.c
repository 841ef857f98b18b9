// SPDX-License-Identifier: ISC
/*
 * trace/buf.c - batches of events, from the Ms that fill them to the thread
 * that writes them.
 *
 * Each M has one buffer per generation and stream, of two generations at
 * most: the one that is written to, and the one that ends.  trace.lock is
 * taken when a buffer is full, and only for the hand-over.
 *
 * Bounds: beyond trace.limit queued blocks the trace is asked to end.  Events
 * go on meanwhile; beyond trace.hard_limit they are lost, and with them the
 * generation.
 *
 * Invariants:
 *  I1  mp->trace.buf[gen % 2] is touched by mp between trace_hold() and
 *      trace_release(), or by who ends gen after trace_wait_writers().
 *  I2  A batch is queued in the order in which its M wrote it.
 *
 * Lock: trace.lock, the last of all but those of stacks.
 */
#include "trace/trace.h"

#include <errno.h>

#include "mm/vm.h"

#define LENGTH_BYTES	3u	/* of the batch length, padded */

static void queue_push(struct trace_queue *q, struct trace_block *b)
{
	b->link = NULL;
	if (q->head)
		q->tail->link = b;
	else
		q->head = b;
	q->tail = b;
}

/* The length of what follows it, in LENGTH_BYTES. */
static void patch_length(struct trace_block *b)
{
	u32 len = b->pos - b->body;
	u8 *p = &b->data[b->body - LENGTH_BYTES];

	p[0] = (u8)(len & 0x7f) | 0x80;
	p[1] = (u8)(len >> 7 & 0x7f) | 0x80;
	p[2] = (u8)(len >> 14);
}

static void __systemstack queue_locked(u32 gen, struct trace_block *b)
{
	patch_length(b);
	queue_push(&trace.full[gen % 2], b);
	atomic_store_explicit(&trace.queued[gen % 2], trace_queued(gen) + 1,
			      memory_order_relaxed);
	if (unlikely(trace_queued_all() > trace.limit))
		trace_failed(-ENOBUFS);
	trace_writer_wake_locked();
}

struct hand_over {
	u32 gen;
	struct trace_block *full;	/* to be queued, or NULL */
	struct trace_block *empty;	/* out: if there was one */
	bool want;			/* one */
};

/* sysstack: trace.lock. */
static void __systemstack buf_hand_over(void *arg)
{
	struct hand_over *h = arg;

	lock(&trace.lock);
	if (h->full)
		queue_locked(h->gen, h->full);
	h->empty = h->want ? trace.empty : NULL;
	if (h->empty)
		trace.empty = h->empty->link;
	unlock(&trace.lock);
}

/* Queue full, if it is one, and get an empty one; NULL: no memory. */
static struct trace_block *exchange(u32 gen, struct trace_block *full)
{
	struct hand_over h = { .gen = gen, .full = full, .want = true };

	trace_systemstack(buf_hand_over, &h);
	return h.empty ? h.empty : vm_alloc(sizeof(struct trace_block));
}

static void begin_batch(struct trace_block *b, u32 gen, u64 thread,
			u8 experiment, u8 kind)
{
	b->link = NULL;
	b->last_time = trace_now();
	b->pos = 0;
	put_byte(b, experiment ? EV_EXPERIMENTAL_BATCH : EV_BATCH);
	if (experiment)
		put_byte(b, experiment);
	put_varint(b, gen);
	put_varint(b, thread);
	put_varint(b, b->last_time);
	b->pos += LENGTH_BYTES;
	b->body = b->pos;
	if (kind)
		put_byte(b, kind);
}

static __cold struct trace_block *lost(u32 gen, int err)
{
	atomic_fetch_add_explicit(&trace.dropped, 1, memory_order_relaxed);
	trace_lose(gen, err);
	return NULL;
}

__cold struct trace_block *trace_buf_refill(struct m *mp, u32 gen,
					    struct trace_block *old,
					    enum trace_stream s)
{
	struct trace_block **at =
		(struct trace_block **)&mp->trace.buf[gen % 2][s];

	if (trace_queued_all() >= trace.hard_limit)
		return lost(gen, -ENOBUFS);
	*at = NULL;
	*at = exchange(gen, old);
	if (!*at)
		return lost(gen, -ENOMEM);
	begin_batch(*at, gen, (u64)mp->tid, 0,
		    s == STREAM_STRINGS ? EV_STRINGS : 0);
	return *at;
}

/* sysstack: trace.lock. */
static void __systemstack flush_all(void *arg)
{
	u32 gen = *(u32 *)arg;
	struct m *mp;

	lock(&trace.lock);
	mp = atomic_load_explicit(&sched.all_ms, memory_order_acquire);
	for (; mp; mp = mp->all_link) {
		void **buf = mp->trace.buf[gen % 2];

		if (buf[STREAM_EVENTS])
			queue_locked(gen, buf[STREAM_EVENTS]);
		if (buf[STREAM_STRINGS])
			queue_locked(gen, buf[STREAM_STRINGS]);
		for (u32 s = 0; s < TRACE_STREAMS; s++)
			buf[s] = NULL;
	}
	unlock(&trace.lock);
}

/* Queue what all Ms have of gen, to which nobody writes any more. */
void trace_buf_flush_all(u32 gen)
{
	trace_systemstack(flush_all, &gen);
}

struct take {
	u32 gen;
	struct trace_block *b;
};

/* sysstack: trace.lock. */
static void __systemstack block_link(void *arg)
{
	struct take *t = arg;

	lock(&trace.lock);
	t->b->link = trace.blocks[t->gen % 2];
	trace.blocks[t->gen % 2] = t->b;
	unlock(&trace.lock);
}

/* A block for entries of gen's tables; NULL: no memory. */
struct trace_block *trace_block_take(u32 gen)
{
	struct take t = { .gen = gen, .b = exchange(gen, NULL) };

	if (!t.b)
		return NULL;
	t.b->pos = 0;
	trace_systemstack(block_link, &t);
	return t.b;
}

void __systemstack trace_block_free_locked(struct trace_block *b)
{
	b->link = trace.empty;
	trace.empty = b;
}

/* To the kernel, which takes its time. */
void trace_blocks_give_back(struct trace_block *list)
{
	u64 slice = 0;

	while (list) {
		struct trace_block *b = list;

		list = b->link;
		vm_free(b, sizeof(*b));
		trace_breathe(&slice);
	}
}

/*
 * Batches of no M.
 */

/*
 * Let others run now and then.  *slice: when they last did, in cycles; begins
 * as 0.  Not on the system stack, where tracepushdown=0 does it all.
 */
void trace_breathe(u64 *slice)
{
	u64 now;

	if (!in_goroutine())
		return;
	now = cpu_cycles();
	if (now - *slice < trace.slice)
		return;
	sched_yield_g();
	*slice = cpu_cycles();
}

void trace_writer_flush(struct trace_writer *w)
{
	struct hand_over h = { .gen = w->gen, .full = w->buf };

	if (!w->buf)
		return;
	trace_systemstack(buf_hand_over, &h);
	w->buf = NULL;
}

/* Room for need bytes; false: no memory, and the generation is lost. */
bool trace_writer_room(struct trace_writer *w, u32 need)
{
	if (likely(w->buf && block_room(w->buf) >= need))
		return true;
	if (in_goroutine() && !getm()->locks &&
	    trace_queued(w->gen) > trace.limit / 2)
		trace_wait_for_writer(w->gen, trace.limit / 4);
	w->buf = exchange(w->gen, w->buf);
	if (!w->buf)
		return lost(w->gen, -ENOMEM);
	begin_batch(w->buf, w->gen, TRACE_NO_THREAD, w->experiment, w->kind);
	return true;
}
