// SPDX-License-Identifier: ISC
/*
 * kernel/traceback.c - print goroutines and their frames.
 */
#include "kernel/traceback.h"

#include <gort/gort.h>

#include "kernel/print.h"
#include "kernel/status.h"
#include "kernel/stw.h"
#include "kernel/symtab.h"
#include "kernel/unwind.h"

/* Frames printed at either end of a deep stack. */
#define FRAMES_TOP	50
#define FRAMES_BOTTOM	50
#define GOROUTINES_MAX	10000
#define NSEC_PER_MIN	((u64)60 * NSEC_PER_SEC)

static u64 count_frames(struct unwind w)
{
	u64 n = 0;

	for (; w.pc && n < UINT32_MAX; n++)
		unwind_next(&w);
	return n;
}

static void print_line(const struct line *line)
{
	print(" at %s%s%s:%u", line->dir, *line->dir ? "/" : "", line->file,
	      line->line);
}

static void print_frame(uintptr_t pc)
{
	struct symbol sym;
	struct line line;

	symtab_lookup(pc, &sym);
	print("\t%s+%x", sym.name, (u64)sym.offset);
	if (symtab_line(pc, &line)) {
		print_line(&line);
		print(" (%x)\n", (u64)pc);
	} else {
		print(" at %x\n", (u64)pc);
	}
}

static void print_frames(struct unwind w)
{
	u64 n = count_frames(w);
	u64 hide = n > FRAMES_TOP + FRAMES_BOTTOM ?
		   n - FRAMES_TOP - FRAMES_BOTTOM : 0;

	for (u64 i = 0; w.pc; i++) {
		if (i < FRAMES_TOP || i >= FRAMES_TOP + hide)
			print_frame(w.pc);
		else if (i == FRAMES_TOP)
			print("\t... %U frames ...\n", hide);
		unwind_next(&w);
	}
}

static void print_origin(const struct g *gp)
{
	struct symbol sym;
	struct line line;

	if (!gp->created_pc || !gp->parent)
		return;
	symtab_lookup(gp->created_pc - 1, &sym);
	print("created by %s in goroutine %U", sym.name, gp->parent);
	if (symtab_line(gp->created_pc - 1, &line))
		print_line(&line);
	print("\n");
}

/* Whole minutes that gp has waited. */
static u64 minutes_waited(const struct g *gp)
{
	s64 now = atomic_load_explicit(&sched.clock, memory_order_relaxed);

	return now > gp->wait_since ?
	       (u64)(now - gp->wait_since) / NSEC_PER_MIN : 0;
}

static void print_header(const struct g *gp)
{
	u32 status = g_status(gp) & ~(u32)G_SCAN;
	bool waits = status == G_WAITING;

	print("goroutine %U [%s", gp->id, waits ?
	      wait_reason_name(gp->wait_reason) : g_status_name(status));
	if (waits && minutes_waited(gp))
		print(", %U minutes", minutes_waited(gp));
	if (gp->nlocked)
		print(", locked to thread");
	print("]:\n");
}

static void traceback_walk(struct unwind w)
{
	if (w.gp)
		print_header(w.gp);
	print_frames(w);
	if (w.gp)
		print_origin(w.gp);
}

void traceback_at(struct g *gp, uintptr_t pc, uintptr_t fp)
{
	struct g *self = getg();

	symtab_refresh();
	traceback_walk((struct unwind){
		.gp = gp,
		.mp = self ? self->m : NULL,
		.pc = pc,
		.fp = fp,
	});
}

void traceback_pcs(const uintptr_t *pcs, u32 n)
{
	symtab_refresh();
	for (u32 i = 0; i < n; i++)
		print_frame(pcs[i]);
}

/* The M whose thread gp stands on, and that has said where; or NULL. */
static struct m *frozen_m(const struct g *gp)
{
	struct m *mp = atomic_load_explicit(&sched.all_ms,
					    memory_order_acquire);

	for (; mp; mp = mp->all_link)
		if (atomic_load_explicit(&mp->curg,
					 memory_order_relaxed) == gp &&
		    atomic_load_explicit(&mp->frozen, memory_order_acquire))
			return mp;
	return NULL;
}

/*
 * Is its stack left alone?  With ThreadSanitizer the other threads go on while
 * the process dies (panic.c): a goroutine that might is kept where it is, for
 * good.
 */
static bool stays(struct g *gp, u32 status)
{
#ifdef GORT_TSAN
	if (atomic_load_explicit(&panic_dying, memory_order_relaxed))
		return (status == G_RUNNABLE || status == G_WAITING ||
			status == G_SYSCALL) &&
		       !wait_is_for_gc(gp->wait_reason) &&
		       castogscanstatus(gp, status);
#else
	(void)gp;
#endif
	return status != G_RUNNING;
}

static void traceback_other(struct g *gp)
{
	u32 status = g_status(gp) & ~(u32)G_SCAN;
	struct m *mp = frozen_m(gp);
	struct unwind w;

	if ((status == G_SYSCALL || !mp) && stays(gp, status)) {
		unwind_g(&w, gp);
		traceback_walk(w);
	} else if (mp) {
		traceback_walk((struct unwind){ .gp = gp, .mp = mp,
			.pc = mp->frozen_pc, .fp = mp->frozen_fp });
	} else {
		print_header(gp);
		print("\trunning on another thread\n");
		print_origin(gp);
	}
}

void traceback_others(const struct g *skip)
{
	size_t cursor = 0;
	struct g *gp;
	u64 n = 0;

	symtab_refresh();
	while ((gp = stack_next_g(&cursor))) {
		if (gp == skip || n++ >= GOROUTINES_MAX)
			continue;
		print("\n");
		traceback_other(gp);
	}
	if (n > GOROUTINES_MAX)
		print("\n... and %U more goroutines\n", n - GOROUTINES_MAX);
}

/* pc and fp of who called us, for the caller's own traceback. */
static void dump(struct print_buf *pb, uintptr_t pc, uintptr_t fp)
{
	struct g *gp = getg();

	stw_begin(STW_STACK_DUMP);
	print_to(pb);
	traceback_at(gp, pc, fp);
	traceback_others(gp);
	print_to(NULL);
	stw_end();
}

__public int64_t gort_stack_dump(char *buf, size_t size)
{
	struct print_buf pb = { .buf = buf, .size = size ? size - 1 : 0 };

	if (!in_goroutine())
		return -EPERM;
	if (!buf && size)
		return -EINVAL;
	dump(&pb, (uintptr_t)__builtin_return_address(0) - 1,
	     *(uintptr_t *)__builtin_frame_address(0));
	if (size)
		buf[pb.len < size ? pb.len : size - 1] = '\0';
	return (int64_t)pb.len;
}
