// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/frames.c - what fits below the guard.
 *
 * A stack check compares with the guard.  Below that there is
 *
 *	red zone	for the frame of a checked function if it is small,
 *			and for functions without a check: leaves with a small
 *			frame, and those in .text.gort.nosplit (F1)
 *	reserve		for code that did not go through gort's assembler (F2),
 *			and for __morestack, when what is called at the end of
 *			a chain has a check which fails
 *	guard region
 *
 * Frames are the compiler's -fstack-usage, pushed arguments included.  What
 * it does not know of: a leaf on x86-64 may use 128 bytes below sp.  A call by
 * pointer may reach any function without a check whose address is taken, or
 * that has no other use, and those of files that are not here: checked ones,
 * or leaves with small frames.  What it reaches may do that, too, and then call
 * a leaf by pointer: two levels of it, since the third is most often the first
 * again.
 */
#include "checkstack.h"
#include "../include/arch/stacksplit.h"

#include <stdlib.h>
#include <string.h>

#define LEAF_RED_ZONE	128	/* x86-64 */
#define CALL_BYTES	8
#define POINTER_LEVELS	2

enum visit { VISIT_NEW, VISIT_BUSY, VISIT_DONE };

static bool is_foreign(const struct fn *f)
{
	return f->in_object && !f->instrumented && !f->checked &&
	       f->context != CONTEXT_NOSPLIT;
}

static bool is_unchecked(const struct fn *f)
{
	return f->in_object && !f->checked && !is_foreign(f);
}

static long own_bytes(const struct fn *f)
{
	bool leaf = !f->out && !strcmp(machine, "x86_64");

	return f->frame + (leaf ? LEAF_RED_ZONE : 0);
}

static long assembly_bytes(const char *name)
{
	const struct rule *r = rule_find(RULE_FRAME, machine, name);

	return r ? atol(r->reason) : 0;
}

static long need(struct fn *f);

/* An address taken in its own section leaves no trace in the object. */
static bool by_pointer(const struct fn *f)
{
	return is_unchecked(f) &&
	       (f->taken || (f->local && !f->in));
}

/* The most that a call by pointer reaches, and what that is if known. */
static long pointer_need = STACKSPLIT_SMALL + CALL_BYTES;
static struct fn *pointer_deepest;

/* With pointer_need as it is: from what is found here they reach that. */
static void find_pointer_need(void)
{
	long most = pointer_need, n;
	struct fn *f;

	for (f = all_fns; f; f = f->next) {
		n = by_pointer(f) ? need(f) : 0;
		if (n > most) {
			most = n;
			pointer_deepest = f;
		}
	}
	for (f = all_fns; f; f = f->next)
		f->visit = VISIT_NEW;
	pointer_need = most;
}

static bool is_pointer(const struct fn *f)
{
	return !strcmp(f->name, "__indirect_call");
}

/* Below the sp of the caller, until somebody checks again. */
static long callee_need(struct fn *to)
{
	if (to->in_object)
		return is_unchecked(to) ? need(to) : 0;
	return is_pointer(to) ? pointer_need : assembly_bytes(to->name);
}

static long deepest_callee(struct fn *f)
{
	const struct edge *e;
	long most = 0, n;

	f->deepest = NULL;
	for (e = f->out; e; e = e->next_out) {
		n = callee_need(e->to);
		if (n <= most)
			continue;
		most = n;
		f->deepest = e->to;
		f->deepest_where = e->where;
	}
	return most;
}

static long need(struct fn *f)
{
	if (f->visit == VISIT_DONE)
		return f->need;
	if (f->visit == VISIT_BUSY) {
		f->recursive = true;
		return 0;
	}
	f->visit = VISIT_BUSY;
	f->need = own_bytes(f) + deepest_callee(f);
	f->visit = VISIT_DONE;
	return f->need;
}

/* What f itself may have used below the guard when it calls. */
static long used_by_caller(const struct fn *f)
{
	if (f->allocates)
		return STACKSPLIT_SMALL / 2;
	return f->frame <= STACKSPLIT_SMALL ? f->frame : 0;
}

/* From the guard on down. */
static long depth_from(struct fn *f)
{
	if (f->checked)
		return used_by_caller(f) + deepest_callee(f);
	if (rule_find(RULE_ROOM, f->name, NULL))
		return 0;
	/* Who calls it is not known. */
	if (f->is_public || f->taken || !f->in)
		return STACKSPLIT_SMALL + need(f);
	return 0;
}

/* Does an error about f say what there is to say of its callers? */
static bool is_reported(struct fn *f)
{
	return f && is_unchecked(f) && depth_from(f) > STACKSPLIT_RED_ZONE;
}

static void print_frame(FILE *out, const struct fn *f, const char *where)
{
	if (is_pointer(f) && pointer_deepest)
		fprintf(out, "  %5ld  by pointer, %s() at most  %s\n",
			pointer_need, pointer_deepest->name, file_line(where));
	else if (is_pointer(f))
		fprintf(out, "  %5ld  by pointer, a leaf  %s\n", pointer_need,
			file_line(where));
	else
		fprintf(out, "  %5ld  %s  %s\n",
			f->checked ? used_by_caller(f) :
			f->in_object ? own_bytes(f) : assembly_bytes(f->name),
			f->name, file_line(f->where ? f->where : where));
}

static void print_frames(FILE *out, const struct fn *f)
{
	const char *where = f->where;

	if (!f->checked && !rule_find(RULE_ROOM, f->name, NULL))
		fprintf(out, "  %5d  a caller with a small frame\n",
			STACKSPLIT_SMALL);
	for (; f; where = f->deepest_where, f = f->deepest)
		print_frame(out, f, where);
}

/* Is there any? */
static void check_size(struct fn *f)
{
	if (!is_unchecked(f))
		return;
	need(f);
	if (f->recursive)
		report_error(f, "has no stack check and calls itself, directly or not");
	if (f->dynamic)
		report_error(f, "has no stack check, and its frame no size that is known");
}

/* The next check may fail right at the end. */
static void check_rooms(FILE *out, long slow)
{
	const struct rule *r;
	struct fn *f;
	long n, room;

	for (f = all_fns; f; f = f->next) {
		r = is_unchecked(f) ? rule_find(RULE_ROOM, f->name, NULL) :
				      NULL;
		if (!r)
			continue;
		room = atol(r->b);
		n = need(f) + slow;
		fprintf(out, "%s: %ld of %ld bytes, %ld left\n", f->name, n,
			room, room - n);
		if (n <= room)
			continue;
		report_error(f, "needs %ld bytes with what it calls and __morestack, and %ld are there",
			     n, room);
		print_frames(stderr, f);
	}
}

void check_frames(FILE *out)
{
	long slow = assembly_bytes("__morestack"), most = 0, n;
	struct fn *f, *worst = NULL;
	unsigned int count = 0, level;

	for (level = 0; level < POINTER_LEVELS; level++)
		find_pointer_need();
	for (f = all_fns; f; f = f->next) {
		if (!f->in_object || is_foreign(f))
			continue;
		count += f->context == CONTEXT_NOSPLIT;
		n = depth_from(f);
		check_size(f);
		if (n > STACKSPLIT_RED_ZONE && !is_reported(f->deepest)) {
			report_error(f, "needs %ld bytes below the guard with what it calls, and %d are there",
				     n, STACKSPLIT_RED_ZONE);
			print_frames(stderr, f);
		}
		if (n > most) {
			most = n;
			worst = f;
		}
	}
	if (slow > STACKSPLIT_RESERVE)
		report_error(NULL, "__morestack needs %ld bytes, and the reserve has %d",
			     slow, STACKSPLIT_RESERVE);
	fprintf(out, "red zone: %u nosplit functions, worst chain %ld of %d bytes, %ld left\n",
		count, most, STACKSPLIT_RED_ZONE, STACKSPLIT_RED_ZONE - most);
	if (worst)
		print_frames(out, worst);
	check_rooms(out, slow);
}

/* ---- F2 ---- */

static long foreign_need(struct fn *f)
{
	const struct edge *e;
	long most = 0, n;

	if (f->visit == VISIT_DONE)
		return f->need;
	if (f->visit == VISIT_BUSY) {
		if (verbose)
			report_chain(f->where, f, " is recursive: how deep is not known");
		return 0;
	}
	f->visit = VISIT_BUSY;
	f->deepest = NULL;
	if (f->dynamic && verbose)
		report_chain(f->where, f, " has a frame of no known size");
	for (e = f->out; e; e = e->next_out) {
		n = is_foreign(e->to) ? foreign_need(e->to) : 0;
		if (n > most) {
			most = n;
			f->deepest = e->to;
			f->deepest_where = e->where;
		}
	}
	f->need = own_bytes(f) + most;
	f->visit = VISIT_DONE;
	return f->need;
}

static bool called_by_foreign(const struct fn *f)
{
	const struct edge *e;

	for (e = f->in; e; e = e->next_in)
		if (is_foreign(e->from) && e->from != f)
			return true;
	return false;
}

static void print_foreign(const struct fn *f)
{
	for (; f->deepest; f = f->deepest)
		report_chain(f->deepest_where, f->deepest,
			     ", called from there, has a frame of %ld bytes",
			     f->deepest->frame);
}

/*
 * Without gort's assembler there is no check, but the reserve.  main(), and
 * what only it calls, is on the thread's own stack, but who can tell.
 */
void check_foreign(FILE *out)
{
	unsigned int count = 0;
	long most = 0, n;
	struct fn *f;

	for (f = all_fns; f; f = f->next) {
		if (!is_foreign(f))
			continue;
		count++;
		n = foreign_need(f);
		most = n > most ? n : most;
		if (n <= STACKSPLIT_RESERVE ||
		    (f->deepest && f->deepest->need > STACKSPLIT_RESERVE &&
		     called_by_foreign(f)))
			continue;
		report_error(f, "was not compiled with gort's flags and needs %ld bytes of stack, where a goroutine has %d for sure: gort_systemstack_call() gives it more",
			     n, STACKSPLIT_RESERVE);
		print_foreign(f);
	}
	if (count)
		fprintf(out, "reserve: %u functions without checks, worst chain %ld of %d bytes\n",
			count, most, STACKSPLIT_RESERVE);
}
