// SPDX-License-Identifier: ISC
/*
 * kernel/unwind.c - the callers of a place.
 *
 * The tracer does this for most of its events: so the stretch of stack on
 * which the last record was is tried first.
 */
#include "kernel/unwind.h"

#include "kernel/sched.h"

extern const char morestack_mcall[], morestack_mcall_end[];

struct record {
	uintptr_t fp;
	uintptr_t pc;
};

static inline bool in_stretch(const struct unwind *u, uintptr_t addr)
{
	return addr >= u->lo && addr + sizeof(struct record) <= u->hi;
}

static bool try_stretch(struct unwind *u, uintptr_t lo, uintptr_t hi)
{
	u->lo = lo;
	u->hi = hi;
	return in_stretch(u, u->fp);
}

static bool try_segment(struct unwind *u, struct segment *seg)
{
	if (!try_stretch(u, seg->lo + STACK_GUARD_SIZE, segment_end(seg)))
		return false;
	u->seg = seg;
	return true;
}


/* Find the stretch that holds the record; false if none does. */
static bool find_stretch(struct unwind *u)
{
	struct segment *seg;

	if (u->mp) {
		uintptr_t sig = (uintptr_t)u->mp->gsignal;
		struct segment *g0 = &u->mp->g0->seg0;

		if (try_stretch(u, g0->lo, g0->top) ||
		    try_stretch(u, sig, sig + u->mp->gsignal_size))
			return true;
	}
	/* Near the last one, or anywhere: after a longjmp(), say. */
	for (seg = u->seg; seg; seg = seg->prev)
		if (try_segment(u, seg))
			return true;
	for (seg = u->gp ? &u->gp->seg0 : NULL; seg; seg = seg->next)
		if (try_segment(u, seg))
			return true;
	return false;
}

/*
 * From the record at *fp to the next one.  The pc that it holds; 0: there is
 * no such record.  *span: of addresses that need no search, from u->lo on.
 */
static inline uintptr_t __no_asan step(struct unwind *u, uintptr_t *fp,
				       uintptr_t *span)
{
	const struct record *r = (const struct record *)*fp;

	if (unlikely(*fp - u->lo >= *span || *fp % sizeof(uintptr_t))) {
		u->fp = *fp;
		if (!*fp || *fp % sizeof(uintptr_t) || !find_stretch(u))
			return 0;
		*span = u->hi - u->lo - sizeof(struct record) + 1;
	}
	/* On one stretch callers lie higher; so the walk ends. */
	*fp = unlikely(r->fp <= *fp && r->fp - u->lo < *span) ? 0 : r->fp;
	/* A return address belongs to the instruction before it. */
	return r->pc ? r->pc - 1 : 0;
}

static uintptr_t span_of(const struct unwind *u)
{
	return u->hi ? u->hi - u->lo - sizeof(struct record) + 1 : 0;
}

void __no_asan unwind_next(struct unwind *u)
{
	uintptr_t span = span_of(u);

	u->pc = step(u, &u->fp, &span);
}

/* The first record is on that segment, most likely: a search less. */
static void begin_on(struct unwind *u, struct segment *seg)
{
	u->seg = seg;
	u->lo = seg->lo + STACK_GUARD_SIZE;
	u->hi = segment_end(seg);
}

void unwind_here(struct unwind *u, struct g *gp, uintptr_t fp)
{
	*u = (struct unwind){ .gp = gp, .mp = gp->m, .fp = fp };
	/* On g0 the search is needed. */
	if (getg() == gp)
		begin_on(u, gp->seg);
	unwind_next(u);
}

void unwind_g(struct unwind *u, struct g *gp)
{
	uintptr_t pc = context_pc(&gp->ctx);

	*u = (struct unwind){ .gp = gp };
	if ((g_status(gp) & ~(u32)G_SCAN) == G_SYSCALL) {
		/* Not from where it is, in libc: that would hide the caller.
		 * Nor on gp->seg, which may be another one by now. */
		begin_on(u, gp->syscall_seg);
		u->pc = gp->syscall_pc - 1;
		u->fp = gp->syscall_fp;
		return;
	}
	begin_on(u, gp->seg);
	if (pc - (uintptr_t)morestack_mcall <
	    (uintptr_t)(morestack_mcall_end - morestack_mcall)) {
		/* At a stack check, in a function that has no frame yet. */
		u->pc = gp->more_pc;
		u->fp = gp->more_fp;
		return;
	}
	/* One that has not run yet stands before its function. */
	u->pc = pc == (uintptr_t)goroutine_start ? (uintptr_t)gp->fn : pc - 1;
	u->fp = context_fp(&gp->ctx);
}

u32 __no_asan unwind_pcs(struct unwind *u, uintptr_t *pcs, u32 max)
{
	uintptr_t span = span_of(u), fp = u->fp, pc = u->pc;
	u32 n = 0;

	while (pc && n < max) {
		/* __morestack is no caller that anybody wants to see. */
		if (likely(pc != (uintptr_t)morestack_return - 1))
			pcs[n++] = pc;
		pc = step(u, &fp, &span);
	}
	return n;
}
