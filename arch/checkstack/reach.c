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

void check_reach(FILE *out)
{
	unsigned int count = 0;
	const struct fn *to;
	struct fn *f, *step;
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
		for (step = f; step != to; step = step->deepest)
			report_chain(step->deepest_where, step->deepest,
				     " is called by %s()", step->name);
	}
	fprintf(out, "system stack: %u functions\n", count);
}

static bool leads_to(struct fn *f, const char *name, int mark)
{
	const struct edge *e;

	if (!strcmp(f->name, name))
		return true;
	if (f->visit == mark)
		return false;
	f->visit = mark;
	for (e = f->out; e; e = e->next_out)
		if (leads_to(e->to, name, mark))
			return true;
	return false;
}

/* Of the runtime itself: is the list of those that may switch still right? */
void check_blocking(void)
{
	int mark = 1000;
	struct fn *f;
	bool blocks;

	for (f = all_fns; f; f = f->next) {
		if (!f->is_public || f->frame < 0)
			continue;
		blocks = leads_to(f, "arch_mcall", mark++);
		if (blocks && !rule_find(RULE_BLOCKS, f->name, NULL))
			report_error(f, "may leave the goroutine: arch/checkstack/main.c must list it");
		if (!blocks && rule_find(RULE_BLOCKS, f->name, NULL))
			report_error(f, "never leaves the goroutine, but arch/checkstack/main.c lists it");
	}
}
