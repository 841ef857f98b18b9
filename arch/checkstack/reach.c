// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/reach.c - what must not be reached on the system stack.
 *
 * For programs that use the library: a function that is passed to
 * gort_systemstack_call() or gort_blocking(), or says GORT_SYSTEMSTACK, has no
 * goroutine that could wait.  So nothing it calls, directly or not, may block one; at run
 * time that is a fatal error.  Calls by pointer are not followed.
 */
#include "checkstack.h"

#include <string.h>

static bool runs_on_systemstack(const struct fn *f)
{
	const struct taken *t;

	if (f->context == CONTEXT_SYSTEMSTACK)
		return true;
	for (t = f->taken; t; t = t->next)
		if (t->call && rule_find(RULE_CARRIER, t->call, NULL))
			return true;
	return false;
}

/* The first function that blocks, with the way to it in ->deepest. */
static const struct fn *find_blocking(struct fn *f, int mark)
{
	const struct fn *found;
	const struct edge *e;

	if (f->visit == mark)
		return NULL;
	f->visit = mark;
	for (e = f->out; e; e = e->next_out) {
		f->deepest = e->to;
		f->deepest_where = e->where;
		if (rule_find(RULE_BLOCKS, e->to->name, NULL))
			return e->to;
		found = find_blocking(e->to, mark);
		if (found)
			return found;
	}
	f->deepest = NULL;
	return NULL;
}

static void print_way(const struct fn *f, const struct fn *to)
{
	for (; f != to; f = f->deepest)
		report_chain(f->deepest_where, f->deepest, " is called by %s()",
			     f->name);
}

void check_reach(FILE *out)
{
	unsigned int count = 0;
	const struct fn *to;
	struct fn *f;
	int mark = 1000;	/* none of frames.c */

	for (f = all_fns; f; f = f->next) {
		if (!runs_on_systemstack(f))
			continue;
		count++;
		to = find_blocking(f, mark++);
		if (!to)
			continue;
		report_error(f, "runs on the system stack and reaches %s(), which must not be called there",
			     to->name);
		print_way(f, to);
	}
	fprintf(out, "system stack: %u functions\n", count);
}

static struct fn *leads_to(struct fn *f, const struct fn *to, int mark)
{
	const struct edge *e;

	if (f->visit == mark)
		return NULL;
	f->visit = mark;
	for (e = f->out; e; e = e->next_out) {
		if (e->to != to && !leads_to(e->to, to, mark))
			continue;
		f->deepest = e->to;
		f->deepest_where = e->where;
		return f;
	}
	return NULL;
}

/* Of the runtime itself: is the list of those that may switch still right? */
void check_blocking(void)
{
	const struct fn *to = fn_find(NULL, "arch_mcall");
	int mark = 1000;
	struct fn *f;
	bool blocks;

	for (f = all_fns; to && f; f = f->next) {
		if (!f->is_public || f->frame < 0)
			continue;
		blocks = leads_to(f, to, mark++);
		if (blocks == !!rule_find(RULE_BLOCKS, f->name, NULL))
			continue;
		if (blocks) {
			report_error(f, "may leave the goroutine: arch/checkstack/main.c must list it");
			print_way(f, to);
		} else {
			report_error(f, "never leaves the goroutine, but arch/checkstack/main.c lists it");
		}
	}
}
