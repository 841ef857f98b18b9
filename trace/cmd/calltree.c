// SPDX-License-Identifier: ISC
/*
 * trace/cmd/calltree.c - stacks that have something in common, put together.
 *
 * Rejected: a list of children in each node, which is searched for every
 * frame of every stack; main() of some programs has thousands.
 *
 * Invariants:
 *  I1  Node 0 is the root.  Its key, all ones, is that of no child, since the
 *      number of a name stays below NONE32.
 *  I2  The parent of a node stands before it: totals are summed up in one
 *      way back through the array, however deep the tree is.
 */
#include "calltree.h"

#include <string.h>

#include "cmd.h"
#include "tally.h"

struct name {
	u64 hash;		/* its own, or the next that was free */
	struct tracefile_str text;
};

void calltree_init(struct calltree *t)
{
	tally_table(&t->nodes, sizeof(struct callnode));
	tally_table(&t->names, sizeof(struct name));
	tally_new(&t->nodes, UINT64_MAX);
}

u32 calltree_name(struct calltree *t, const char *p, size_t len)
{
	u64 hash = tally_hash(t->names.seed, p, len);
	struct name *n;

	for (;; hash++) {
		n = table_find(&t->names, hash);
		if (!n)
			break;
		if (n->text.len == len && (!len || !memcmp(n->text.p, p, len)))
			return table_index(&t->names, n);
	}
	n = tally_new(&t->names, hash);
	n->text = (struct tracefile_str){ p, len };
	return table_index(&t->names, n);
}

u32 calltree_name_copy(struct calltree *t, const char *p, size_t len)
{
	u32 before = t->names.n, name = calltree_name(t, p, len);
	struct name *n = table_at(&t->names, name);

	if (name == before)
		n->text.p = memcpy(cmd_alloc(len), p, len);
	return name;
}

struct tracefile_str calltree_name_text(const struct calltree *t, u32 name)
{
	return ((const struct name *)table_at(&t->names, name))->text;
}

u32 calltree_child(struct calltree *t, u32 parent, u32 name)
{
	u64 key = (u64)parent << 32 | name;
	struct callnode *n = table_find(&t->nodes, key);

	if (!n) {
		n = tally_new(&t->nodes, key);
		n->depth = calltree_node(t, parent)->depth + 1;
	}
	return table_index(&t->nodes, n);
}

static u64 add_up(u64 a, u64 b)
{
	u64 sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void calltree_add(struct calltree *t, u32 node, u64 weight)
{
	struct callnode *n = calltree_node(t, node);

	n->self = add_up(n->self, weight);
}

void calltree_sum(struct calltree *t)
{
	struct callnode *n, *parent;
	u32 i;

	for (i = 0; i < t->nodes.n; i++) {
		n = calltree_node(t, i);
		n->total = n->self;
	}
	for (i = t->nodes.n - 1; i > 0; i--) {
		n = calltree_node(t, i);
		parent = calltree_node(t, calltree_parent(n));
		parent->total = add_up(parent->total, n->total);
	}
}
