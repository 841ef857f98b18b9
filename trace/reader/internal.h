/* SPDX-License-Identifier: ISC */
/*
 * trace/reader/internal.h - what the parts of the reader share.
 *
 *	reader.c	opens files, gives events
 *	generation.c	batches; the tables of a generation
 *	frontier.c	which thread's event is next
 *	order.c		states of goroutines, procs and threads
 *	validate.c	stricter rules
 *	event.c		what events mean
 *	print.c		events as text
 *	spec.c		the types of events
 *	table.c		hash tables (table.h)
 *
 * A generation is read at once into tables of pointers to the file, so little
 * is copied.  The state of the scheduler outlives generations.
 */
#ifndef TRACE_READER_INTERNAL_H
#define TRACE_READER_INTERNAL_H

#include <string.h>

#include "reader.h"
#include "table.h"

#define NO_ID	UINT64_MAX		/* no thread, proc, goroutine */

#define __cold		__attribute__((cold, noinline))
#define __folded	inline __attribute__((always_inline))

/* --- spec.c --- */

struct spec {
	const char *name;
	const char *args[4];	/* names, without the time */
	u8 nargs;
	bool timed;		/* may stand in a batch of events */
	u8 kind;		/* enum tracefile_kind */
	u8 start;		/* type that begins the range this is about */
	u8 nstacks;
	u8 nstrings;
	u8 stacks[2];		/* which args; the first is that of the event */
	u8 strings[2];
} __attribute__((aligned(64)));	/* to be found by a shift */

extern const struct spec gort_tracefile_specs[TF_TYPES];

/* --- numbers --- */

const u8 *gort_tracefile_uvarint_long(const u8 *p, const u8 *end, u64 *v);

/* What stands at p; returns what follows it, NULL if no number does. */
static inline const u8 *get_uvarint(const u8 *p, const u8 *end, u64 *v)
{
	if (likely(p < end && *p < 0x80)) {
		*v = *p;
		return p + 1;
	}
	if (likely(end - p > 1 && p[1] < 0x80)) {
		*v = (u64)p[1] << 7 | (*p & 0x7f);
		return p + 2;
	}
	return gort_tracefile_uvarint_long(p, end, v);
}

/* The same where one is known to stand. */
static inline const u8 *next_uvarint(const u8 *p, u64 *v)
{
	return get_uvarint(p, p + 10, v);
}

/* --- generation.c --- */

/* Of the tables of strings, stacks and frames. */
struct rec {
	u64 id;			/* of frames the pc */
	const u8 *p;		/* string: its length; stack: number of frames;
				 * frame: its function */
};

struct batch {
	const u8 *p;		/* generation, thread, time, size, data */
	u32 next;		/* of the same thread; NONE32 */
};

struct sample {
	i64 time;
	const u8 *p;		/* thread, proc, goroutine, stack */
};

struct exp_batch {
	const u8 *p;		/* experiment, then as a batch */
};

struct generation {
	u64 num;		/* its number; 0: none was read */
	u64 min_ts;
	double freq;		/* ns per unit of time stamps; 0: not known */
	bool clock;
	u64 snap_ts;
	u64 snap_mono;
	u64 snap_sec;
	u64 snap_nsec;
	bool bad_frames;	/* some stack is not one for validate.c */

	struct table strings;
	struct table stacks;
	struct table frames;	/* by pc */

	struct batch *batches;
	u32 nbatches;
	u32 batches_cap;

	struct sample *samples;
	u32 nsamples;
	u32 samples_cap;
	u32 next_sample;

	struct exp_batch *exps;
	u32 nexps;
	u32 exps_cap;
};

enum gen_status {
	GEN_END = 0,		/* no more */
	GEN_OK = 1,
};

/* Read a generation: enum gen_status or -errno. */
int gort_tracefile_gen_read(struct tracefile *tf);

void gort_tracefile_gen_free(struct generation *g);

/* The header of a batch, from its generation on; NULL if broken. */
struct batch_header {
	u64 gen, thread, time, size;
};
const u8 *gort_tracefile_batch_header(const u8 *p, const u8 *end,
				      struct batch_header *h);

/* Is it known?  0 always is. */
static inline bool has_id(const struct table *t, u64 id)
{
	return !id || table_find(t, id);
}

/* Time in ns.  What does not fit is what x86-64 makes of it. */
static inline i64 gen_time(const struct generation *g, u64 ts)
{
	double ns = (double)ts * g->freq;

	if (unlikely(!(ns < 0x1p63)))
		return INT64_MIN;
	return (i64)ns;
}

/* --- frontier.c --- */

/* A thread's place in the generation. */
struct cursor {
	const u8 *next;		/* what follows the event */
	const u8 *end;		/* of its batch */
	const u8 *ev;		/* where it stands */
	i64 time;		/* its time */
	i64 last;		/* of the event before it; 0: none */
	u64 base;		/* time stamp of the batch */
	u64 args[4];		/* 0 where the event has none */
	u32 batch;		/* next one; NONE32 */
	u32 last_batch;
	u32 m;			/* index of the thread */
	u32 pos;		/* in its heap */
	u8 type;
	bool parked;
	bool woken;		/* by the condition of its first waiter */
};

/* What an event may wait for: parked cursors only. */
enum cond {
	COND_NONE,
	COND_G_RUNNABLE,	/* goroutine id can be started with seq */
	COND_G_WAITING,		/* ... unblocked with seq */
	COND_G_NOT_RUNNING,	/* goroutine id does not run */
	COND_P_IDLE,		/* proc id can be started with seq */
	COND_P_SYSCALL,		/* ... stolen with seq */
	COND_P_NOT_SYSCALL,	/* proc id is not in a system call */
	COND_GC,		/* seq is the next of the collector */
};

struct waiter {
	u64 id;
	u64 seq;
	u32 prev;		/* in the chain; NONE32: first */
	u32 next;
	u8 cond;
};

struct heap_item {
	i64 time;		/* of the cursor */
	u32 cursor;
};

struct heap {
	struct heap_item *at;	/* the earliest first */
	u32 n;
};

struct frontier {
	struct cursor *cursors;
	u32 n;			/* threads of this generation */
	u32 cap;
	struct heap ready;
	struct heap parked;
	struct heap_item *heap_mem;	/* of both heaps */
	bool parks;		/* too many threads to try them all */
	struct waiter *waiters;	/* two per cursor; NULL: nobody was parked */
	u32 *chains;		/* of waiters, by hash */
	u32 chain_mask;
	struct waiter block[2];	/* what the event that was tried waits for */
};

/* The cursors of the generation that was read: 0 or -errno. */
int gort_tracefile_frontier_init(struct tracefile *tf);
void gort_tracefile_frontier_free(struct frontier *f);
int gort_tracefile_frontier_advance(struct tracefile *tf);

static inline bool frontier_empty(const struct frontier *f)
{
	return !f->ready.n && !f->parked.n;
}

/* When the earliest event is. */
static inline i64 frontier_time(const struct frontier *f)
{
	i64 t = INT64_MAX;

	if (f->ready.n)
		t = f->ready.at[0].time;
	if (f->parked.n && f->parked.at[0].time < t)
		t = f->parked.at[0].time;
	return t;
}

/* order.c says that something came true, or that a thread lost its proc. */
void gort_tracefile_wake(struct tracefile *tf, enum cond cond, u64 id, u64 seq);
void gort_tracefile_wake_thread(struct tracefile *tf, u32 m);

/* --- order.c --- */

/* As in the file. */
enum go_status {
	GO_BAD,
	GO_RUNNABLE,
	GO_RUNNING,
	GO_SYSCALL,
	GO_WAITING,
	GO_GONE = 255,		/* was destroyed */
};

enum proc_status {
	PROC_BAD,
	PROC_RUNNING,
	PROC_IDLE,
	PROC_SYSCALL,
	PROC_ABANDONED,		/* in a system call of a thread not known */
};

/*
 * Fields v_ belong to validate.c, which believes only what events say:
 * a state, 0 if there was none yet, and the index of a thread.
 */
struct gstate {
	u64 id;
	u64 gen;		/* of seq */
	u64 seq;
	u32 regions;		/* list of marks; the innermost first */
	u32 ranges;		/* list of marks */
	u32 v_thread;		/* NONE32: does not run */
	u8 v_state;
	u8 status;		/* enum go_status */
};

struct pstate {
	u64 id;
	u64 gen;
	u64 seq;
	u32 ranges;
	u32 v_thread;
	u8 v_state;
	u8 status;		/* enum proc_status */
};

struct mstate {
	u64 id;
	u64 g;			/* NO_ID: none */
	u64 p;
	u64 v_g;
	u64 v_p;
	u64 gen;		/* the last one it has events in, from 1 */
	u32 cursor;		/* there */
	bool seen;		/* the order knows it */
};

struct task {
	u64 id;
	u64 parent;
	const u8 *name;
};

/* A region or a range that has begun. */
struct mark {
	u64 id;			/* task; string of why the world is stopped */
	const u8 *name;		/* string; NULL: "" */
	u32 next;		/* NONE32 */
	u8 type;		/* range: of the event that begins it */
};

enum gc_state {
	GC_UNDETERMINED,
	GC_OFF,
	GC_ON,
};

struct order {
	struct table gs;
	struct table gone;	/* goroutines of the first generation */
	struct table ps;
	struct table ms;
	struct table tasks;
	struct mark *marks;
	u32 nmarks;
	u32 marks_cap;
	u32 free_marks;		/* list */
	u64 initial_gen;	/* 0: not known */
	u64 gc_seq;
	u8 gc_state;
	u64 searched;		/* threads, in searches for one that has P */
	struct tracefile_event *out;	/* for the next event; NULL: queue */
	struct tracefile_event queue[2];
	u32 queue_head;
	u32 queue_len;
};

/* A thread, made if need be; NULL without memory. */
struct mstate *gort_tracefile_thread(struct tracefile *tf, u64 id);

/*
 * Try the event of a cursor: 1 if it happened, and is in *out, with what it
 * implies in the queue; 0 if something else must happen before; -errno.
 */
int gort_tracefile_order_try(struct tracefile *tf, struct cursor *c);

/* Is that so now? */
bool gort_tracefile_order_holds(const struct tracefile *tf, enum cond cond,
				u64 id, u64 seq);

/* A goroutine's end is to be given to the user: forget it.  0 or -ENOMEM */
int gort_tracefile_order_forget(struct tracefile *tf, u64 id);

void gort_tracefile_order_init(struct order *o, u64 seed);
void gort_tracefile_order_free(struct order *o);

/* --- validate.c --- */

/* 0, or -errno if the rules do not allow ev now. */
int gort_tracefile_validate(struct tracefile *tf,
			    const struct tracefile_event *ev);

/* --- allocfree.c --- */

struct allocfree {
	struct table pages;	/* of spans that exist */
	struct table objects;	/* that exist */
	u64 objects_per_page;	/* smallest ones; 0: not known */
	struct mem_event *events; /* of this generation, so far */
	u32 n, cap;		/* of these */
};

void gort_tracefile_allocfree_init(struct allocfree *a, u64 seed);
void gort_tracefile_allocfree_free(struct allocfree *a);

/*
 * time: as the thread has it.  0, or -errno: at the end of a generation, if
 * there was an event in it that cannot be true.
 */
int gort_tracefile_allocfree(struct tracefile *tf,
			     const struct tracefile_event *ev, i64 time);

/* --- event.c --- */

static inline struct tracefile_str rec_str(const u8 *p)
{
	struct tracefile_str s = { "", 0 };
	u64 len;

	if (p) {
		s.p = (const char *)next_uvarint(p, &len);
		s.len = len;
	}
	return s;
}

/* The string's place in the file; NULL: unknown, or id is 0. */
static inline const u8 *gen_string(const struct generation *g, u64 id)
{
	struct rec *r = id ? table_find(&g->strings, id) : NULL;

	return r ? r->p : NULL;
}

/* The frame at a pc. */
void gort_tracefile_frame(const struct generation *g, const struct rec *r,
			  struct tracefile_frame *f);

static inline bool frame_complete(const struct tracefile_frame *f)
{
	return f->pc && f->line && f->func.len && f->file.len;
}

/* The stack of what changes its state. */
u64 gort_tracefile_own_stack(const struct tracefile_event *ev);

/* --- reader.c --- */

struct tracefile {
	const u8 *data;
	const u8 *end;
	const u8 *pos;		/* the next batch */
	void *map;		/* ours, of end - data bytes; NULL: none */
	unsigned int version;
	unsigned int flags;

	struct generation gen;
	struct frontier frontier;
	struct order order;

	u64 nth_gen;		/* that was read, from 1 */
	u64 complete;		/* generations */
	bool more;		/* the next generation has begun */
	bool reading;		/* events of a generation are given */
	bool tail_broken;	/* what follows the generation */
	bool closing;		/* the last sync was given; then result */
	bool ended;		/* only result is left to be given */
	bool rules_broken;	/* those that flags ask for */
	int result;
	u64 syncs;
	i64 last_time;

	/* of validate.c */
	i64 v_last_time;
	struct tracefile_sync v_sync;

	struct allocfree allocfree;

	struct tracefile_error error;
};

static inline struct mstate *m_at(const struct tracefile *tf, u32 index)
{
	return (struct mstate *)tf->order.ms.entries + index;
}

static inline u32 m_index(const struct tracefile *tf, const struct mstate *m)
{
	return (u32)(m - (const struct mstate *)tf->order.ms.entries);
}

/* Note an error; returns -EBADMSG. */
int gort_tracefile_fail(struct tracefile *tf, const u8 *at, u64 thread,
			const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

#endif
