/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/tally.h - sums of times by what they were spent for.
 */
#ifndef TRACE_CMD_TALLY_H
#define TRACE_CMD_TALLY_H

#include <stdint.h>

#include "trace/reader/reader.h"
#include "trace/reader/table.h"

/* A table of entries of this size, each of which begins with its id. */
void tally_table(struct table *t, size_t size);

/* A new zeroed entry for an id that has none; not NULL. */
void *tally_new(struct table *t, u64 id);

/* A stack that outlives its generation.  Its strings live with the trace. */
struct stack {
	u64 id;			/* of what it has, not of the trace */
	u32 n;
	struct tracefile_frame *frames;	/* innermost first */
};

struct stacks {
	struct table of_gen;	/* from numbers of this generation */
	struct table all;	/* struct stack */
	u64 gen;
};

void stacks_init(struct stacks *s);

/* The id of the stack an event has; 0: none.  The reader must be at it. */
u64 stacks_id(struct stacks *s, const struct tracefile *tf,
	      const struct tracefile_event *ev, u64 stack);

/* NULL if id is 0. */
const struct stack *stacks_get(const struct stacks *s, u64 id);

/* At most so many frames, each on a line that begins with indent. */
void stacks_print(const struct stack *st, u32 most, const char *indent);

/* How often and how long. */
struct tally {
	u64 id;
	struct tracefile_str text;
	u64 stack;		/* of stacks_id() */
	u64 count;
	u64 total_ns;
	u64 max_ns;
};

/* For ids of tallies: what is equal has equal ones. */
u64 tally_hash(u64 h, const void *data, size_t len);

/* That of text and stack, made if need be. */
struct tally *tally_of(struct table *t, struct tracefile_str text, u64 stack);
void tally_add(struct tally *t, u64 ns);

/* All of a table, the greatest total first, then by count and text. */
const struct tally **tally_sort(const struct table *t);

/*
 * Durations: 16 buckets to each power of two, so that a quantile is off by 6 %
 * at most.
 */
#define HIST_BUCKETS	(60 * 16 + 16)

struct hist {
	u64 count;
	u64 max_ns;
	u64 n[HIST_BUCKETS];
};

void hist_add(struct hist *h, u64 ns);

/* The least of the bucket in which it is; per_mille of all are not longer. */
u64 hist_quantile(const struct hist *h, unsigned int per_mille);

/* "1.23ms", in a buffer that is used again after eight calls. */
const char *show_ns(u64 ns);

#endif
