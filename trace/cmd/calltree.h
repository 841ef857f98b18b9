/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/calltree.h - stacks that have something in common, put together:
 * what flame graphs are drawn from.
 *
 * A node is a function, called by that of its parent, and what was measured
 * with exactly this stack.  Node 0 is the root; others are made by
 * calltree_child(), so a parent has a smaller number than its children.
 *
 */
#ifndef TRACE_CMD_CALLTREE_H
#define TRACE_CMD_CALLTREE_H

#include "trace/reader/reader.h"
#include "trace/reader/table.h"

struct callnode {
	u64 key;		/* the parent's number << 32 | the name's */
	u64 self;
	u64 total;		/* with the children's; see calltree_sum() */
	u32 depth;		/* 0: the root */
};

struct calltree {
	struct table nodes;	/* of struct callnode */
	struct table names;
};

void calltree_init(struct calltree *t);

/* The same name has the same number.  The text is not copied. */
u32 calltree_name(struct calltree *t, const char *p, size_t len);
/* But here it is. */
u32 calltree_name_copy(struct calltree *t, const char *p, size_t len);
struct tracefile_str calltree_name_text(const struct calltree *t, u32 name);

/* The node of a function called by that of parent; made if there is none. */
u32 calltree_child(struct calltree *t, u32 parent, u32 name);

/* Sums stay at UINT64_MAX when they get there. */
void calltree_add(struct calltree *t, u32 node, u64 weight);

/* Sets the totals. */
void calltree_sum(struct calltree *t);

static inline struct callnode *calltree_node(const struct calltree *t, u32 i)
{
	return table_at(&t->nodes, i);
}

static inline u32 calltree_parent(const struct callnode *n)
{
	return (u32)(n->key >> 32);
}

static inline u32 calltree_name_of(const struct callnode *n)
{
	return (u32)n->key;
}

#endif
