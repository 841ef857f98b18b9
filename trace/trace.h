/* SPDX-License-Identifier: ISC */
/*
 * trace/trace.h - what the parts of the tracer know of each other.
 *
 *	trace.c		start and stop, generations
 *	event.c		events of the scheduler
 *	user.c		events of the program
 *	sample.c	samples and labels of the CPU profiler
 *	table.c		stacks and strings, by number
 *	buf.c		buffers, and their way to the writer
 *	writer.c	the thread that writes them
 *
 * Who demands the system stack here takes a lock that stack growth can reach,
 * or owns another's stack, and nothing else does.  All of them, with what it
 * is for:
 *
 *	buf_hand_over(), flush_all(), block_link()	trace.lock
 *	all_flushed(), take_empty(), hold()		trace.lock
 *	poke_p(), take_from_syscall()			sched.lock
 *	announce(), denounce(), want_advance_g0()	sched.lock
 *	look_at()		a goroutine held by suspend_g()
 *
 * and what the writer's thread, which has no other stack, does between two
 * writes.  None calls anything that can take long; index_program() does, but
 * has given its P away.  write_rest() is there only with tracepushdown=0.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <arch/cpu.h>
#include "kernel/sched.h"
#include "kernel/time.h"
#include "kernel/tracepoint.h"
#include "trace/format.h"

struct label_set;

/*
 * Memory of the tracer comes in blocks.  A block is a batch of events, or
 * holds entries of a table.
 */
struct trace_block {
	struct trace_block *link;
	u64 last_time;		/* of the last event in it */
	u32 pos;		/* where the next byte goes, in data[] */
	u32 body;		/* where the batch's length is counted from */
	u8 data[TRACE_BATCH_MAX - 24];
};

_Static_assert(sizeof(struct trace_block) == TRACE_BATCH_MAX, "one block");

struct trace_queue {
	struct trace_block *head, *tail;
};

/* Streams of an M: m_trace.buf[gen % 2][...]. */
enum trace_stream {
	STREAM_EVENTS,
	STREAM_STRINGS,		/* used once: they are in no table */
	STREAM_ENTRIES,		/* not a batch: memory for the tables */
};

struct trace {
	struct lock lock;	/* protects what follows */
	struct trace_block *empty;
	struct trace_queue full[2];	/* batches by gen % 2 */
	struct trace_block *blocks[2];	/* of the tables */
	u32 writer_gen;		/* the generation the writer takes batches of */
	u32 flushed_gen;	/* all batches up to this one are queued */
	bool writer_sleeps;

	_Atomic u32 queued[2];	/* full batches by gen % 2; written under lock */
	u32 limit, hard_limit;	/* of these */

	_Atomic u32 done_gen;	/* written, as all before it */
	_Atomic u32 lost_gen;	/* this one and those after it are not; 0 */
	_Atomic int error;	/* what ends it: -errno */
	_Atomic u64 dropped, generations, bytes;
	_Atomic u64 longest;	/* cycles in trace_systemstack() */

	/* Constant while a trace runs. */
	u32 version;		/* 23, 26 */
	bool by_clock;		/* no good cycle counter */
	u64 scale;		/* of the clock, see trace_time() */
	u64 slice;		/* cycles of work between two yields */
};

extern struct trace trace;

static inline u32 trace_queued(u32 gen)
{
	return atomic_load_explicit(&trace.queued[gen % 2],
				    memory_order_relaxed);
}

static inline u32 trace_queued_all(void)
{
	return trace_queued(0) + trace_queued(1);
}

/*
 * A reading of the trace's clock, cycles or nanoseconds, as time stamps are
 * written.
 *
 * Readers turn the differences between them into whole nanoseconds one by
 * one, so a unit that is not of so many itself lets the times of a thread run
 * late by microseconds in a full batch, and events of two threads, which
 * nothing else puts in order, change places.
 */
#define TRACE_UNIT_NS		16u
#define TRACE_SCALE_SHIFT	38	/* and a second's units fit in 64 bits */

static inline u64 trace_time(u64 clock)
{
	return (u64)((unsigned __int128)clock * trace.scale >>
		     TRACE_SCALE_SHIFT);
}

static inline u64 trace_now(void)
{
	return trace_time(unlikely(trace.by_clock) ? (u64)nanotime() :
						     cpu_cycles());
}

/* buf.c */
struct trace_block *trace_buf_refill(struct m *mp, u32 gen,
				     struct trace_block *old,
				     enum trace_stream s);
void trace_buf_flush_all(u32 gen);
struct trace_block *trace_block_take(u32 gen);
void trace_block_free_locked(struct trace_block *b);
void trace_blocks_give_back(struct trace_block *list);

/* Batches that are of no M. */
struct trace_writer {
	u32 gen;
	u8 experiment;		/* whose batches they are; 0: ordinary ones */
	u8 kind;		/* first byte of each batch; 0: events */
	struct trace_block *buf;
};

bool trace_writer_room(struct trace_writer *w, u32 need);
void trace_writer_flush(struct trace_writer *w);
void trace_breathe(u64 *slice);

/* table.c: numbers, 0 for nothing; M's gen.  Strings end in NUL, or have len. */
int trace_tables_init(void);
u32 trace_stack_put(struct m *mp, const uintptr_t *pcs, u32 n);
u32 trace_string_put(struct m *mp, const char *s);
u32 trace_string_emit(struct m *mp, const char *s, size_t len);
void trace_tables_dump(u32 gen);
void trace_tables_reset(u32 gen);

/* event.c */
extern const struct trace_ops trace_event_ops;
void trace_begin_gen(struct m *mp, u32 gen);
u32 trace_stack_of(struct m *mp, struct g *gp);
bool trace_ours(uintptr_t pc);
bool trace_mentioned(const struct sched_trace *t, u32 gen);
void trace_p_idle(struct m *mp, struct p *pp);
u32 trace_pcs_put(struct m *mp, const struct g *gp, uintptr_t *pcs, u32 n);
void trace_label_event(struct m *mp, struct g *gp);
void trace_user_event(struct m *mp, u8 type, u32 n, const u64 *args);
void trace_log_from(struct m *mp, const char *category, const char *message,
		    size_t len, const uintptr_t *pcs, u32 n);

/* sample.c */
void trace_samples_begin(void);
void trace_samples_flush(u32 gen);
u32 trace_label_id(struct m *mp, const struct label_set *set);

/* writer.c */
int trace_writer_begin(int fd);
void trace_writer_end_run(void);
void trace_writer_wake_locked(void);
void trace_wait_for_writer(u32 gen, u32 queued);

/* trace.c */
void trace_failed(int err);
void trace_lose(u32 gen, int err);
void trace_leave_p(void);
void trace_run_begin(void);
void trace_run_end(void);
s64 trace_tick(s64 now);

/* What keeps a goroutine from being preempted is timed. */
static __always_inline void trace_systemstack(void (*fn)(void *), void *arg)
{
	u64 begin = cpu_cycles(), took;

	systemstack(fn, arg);
	took = cpu_cycles() - begin;
	if (unlikely(took > atomic_load_explicit(&trace.longest,
						 memory_order_relaxed)))
		atomic_store_explicit(&trace.longest, took,
				      memory_order_relaxed);
}

/*
 * Bytes into a batch; the caller has seen to the room.
 */
static inline void put_byte(struct trace_block *b, u8 v)
{
	b->data[b->pos++] = v;
}

/* Where the next byte goes. */
static inline u8 *write_varint(u8 *p, u64 v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (u8)v | 0x80;
	*p++ = (u8)v;
	return p;
}

static inline void put_varint(struct trace_block *b, u64 v)
{
	b->pos = (u32)(write_varint(&b->data[b->pos], v) - b->data);
}

/* Monotonic in each stream, whatever the counter does. */
static inline void put_time(struct trace_block *b)
{
	u64 now = trace_now(), last = b->last_time;

	if (unlikely(now < last))
		now = last;
	b->last_time = now;
	put_varint(b, now - last);
}

static inline u32 block_room(const struct trace_block *b)
{
	return (u32)sizeof(b->data) - b->pos;
}

/* The calling M's stream, with room for need bytes; NULL: lost. */
static inline struct trace_block *
trace_stream(struct m *mp, enum trace_stream s, u32 need)
{
	struct trace_block *b = mp->trace.buf[mp->trace.gen % 2][s];

	if (likely(b && block_room(b) >= need))
		return b;
	return trace_buf_refill(mp, mp->trace.gen, b, s);
}

#endif
