// SPDX-License-Identifier: ISC
/*
 * kernel/traceback.c - print goroutines and their frames.
 *
 * Frames are found along frame pointers: each record is the caller's frame
 * pointer and the return address.  The walk crosses segments, because
 * __morestack's frame is such a record, and ends where a record is not
 * inside one of the goroutine's segments, at or above the last one on the
 * same segment.  So a damaged stack gives a short traceback, not a fault.
 *
 * Code without frame pointers (libc) hides its own frames, sometimes its
 * caller's.
 */
#include "kernel/traceback.h"

#include "kernel/print.h"
#include "kernel/sched.h"
#include "kernel/symtab.h"

/* Frames printed at either end of a deep stack. */
#define FRAMES_TOP	50
#define FRAMES_BOTTOM	50

struct record {
	uintptr_t fp;
	uintptr_t pc;
};

struct walk {
	struct g *gp;
	struct segment *seg;	/* where the last record was */
	uintptr_t fp;
	uintptr_t pc;		/* 0: at the end */
};

static const char *const status_names[] = {
	[G_IDLE] = "idle",
	[G_RUNNABLE] = "runnable",
	[G_RUNNING] = "running",
	[G_WAITING] = "waiting",
	[G_DEAD] = "dead",
};

static struct segment *segment_of(struct g *gp, uintptr_t addr)
{
	struct segment *seg;

	for (seg = &gp->seg0; seg; seg = seg->next)
		if (addr >= seg->lo + STACK_GUARD_SIZE &&
		    addr + sizeof(struct record) <= segment_end(seg))
			return seg;
	return NULL;
}

static void walk_next(struct walk *w)
{
	struct segment *seg = w->fp % sizeof(uintptr_t) ? NULL :
			      segment_of(w->gp, w->fp);
	const struct record *r = (const struct record *)w->fp;

	w->pc = 0;
	if (!seg)
		return;
	w->pc = r->pc;
	/* Within a segment callers lie higher; so the walk ends. */
	if (r->fp <= w->fp && segment_of(w->gp, r->fp) == seg)
		w->fp = 0;
	else
		w->fp = r->fp;
	w->seg = seg;
}

static u64 count_frames(struct walk w)
{
	u64 n = 0;

	for (; w.pc && n < UINT32_MAX; n++)
		walk_next(&w);
	return n;
}

/* A return address belongs to the instruction before it. */
static void print_frame(uintptr_t pc, bool exact)
{
	struct symbol sym;

	symtab_lookup(exact ? pc : pc - 1, &sym);
	print("\t%s+%x at %x\n", sym.name,
	      (u64)(sym.offset + (exact ? 0 : 1)), (u64)pc);
}

static void print_frames(struct walk w)
{
	u64 n = count_frames(w);
	u64 hide = n > FRAMES_TOP + FRAMES_BOTTOM ?
		   n - FRAMES_TOP - FRAMES_BOTTOM : 0;

	for (u64 i = 0; w.pc; i++) {
		if (i < FRAMES_TOP || i >= FRAMES_TOP + hide)
			print_frame(w.pc, i == 0);
		else if (i == FRAMES_TOP)
			print("\t... %U frames ...\n", hide);
		walk_next(&w);
	}
}

static void print_origin(const struct g *gp)
{
	struct symbol sym;

	if (!gp->created_pc)
		return;
	symtab_lookup(gp->created_pc - 1, &sym);
	if (gp->parent)
		print("created by %s in goroutine %U\n", sym.name, gp->parent);
}

static void print_header(const struct g *gp)
{
	u32 status = g_status(gp);
	const char *s = status < ARRAY_SIZE(status_names) ?
			status_names[status] : "?";

	if (status == G_WAITING)
		s = wait_reason_name(gp->wait_reason);
	print("goroutine %U [%s]:\n", gp->id, s);
}

void traceback_g(struct g *gp, uintptr_t pc, uintptr_t fp)
{
	struct walk w = { .gp = gp, .pc = pc, .fp = fp };

	if (!pc) {
		w.pc = context_pc(&gp->ctx);
		w.fp = context_fp(&gp->ctx);
	}
	symtab_refresh();
	print_header(gp);
	print_frames(w);
	print_origin(gp);
}

void traceback_others(const struct g *skip)
{
	size_t cursor = 0;
	struct g *gp;

	while ((gp = stack_next_g(&cursor))) {
		if (gp == skip)
			continue;
		print("\n");
		if (g_status(gp) == G_RUNNING) {
			print_header(gp);
			print("\trunning on another thread\n");
			print_origin(gp);
		} else {
			traceback_g(gp, 0, 0);
		}
	}
}

/*
 * The frames between here and the base of this stack: those on g0 have no
 * segment list, so g0's own bounds serve.
 */
void traceback_here(struct g *gp)
{
	uintptr_t fp = (uintptr_t)__builtin_frame_address(0);
	struct g *self = getg();

	symtab_refresh();
	if (gp)
		print_header(gp);
	while (self && self->system && segment_of(self, fp)) {
		const struct record *r = (const struct record *)fp;

		if (!r->pc)
			return;
		print_frame(r->pc, false);
		if (r->fp <= fp && segment_of(self, r->fp))
			return;
		fp = r->fp;
	}
	if (gp) {
		struct walk w = { .gp = gp, .fp = fp };

		walk_next(&w);
		print_frames(w);
		print_origin(gp);
	}
}
