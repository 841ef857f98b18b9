// SPDX-License-Identifier: ISC
/*
 * kernel/unwind.c - the callers of a place.
 *
 * The tracer does this for most of its events: so the stretch of stack on
 * which the last record was is tried first.
 */
#include "kernel/unwind.h"

#include "kernel/sched.h"

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

static inline void step(struct unwind *u)
{
	const struct record *r = (const struct record *)u->fp;

	u->pc = 0;
	if (unlikely(u->fp % sizeof(uintptr_t)))
		return;
	if (!in_stretch(u, u->fp) && !find_stretch(u))
		return;
	/* A return address belongs to the instruction before it. */
	u->pc = r->pc ? r->pc - 1 : 0;
	/* On one stretch callers lie higher; so the walk ends. */
	if (unlikely(r->fp <= u->fp && in_stretch(u, r->fp)))
		u->fp = 0;
	else
		u->fp = r->fp;
}

void __no_asan unwind_next(struct unwind *u)
{
	step(u);
}

u32 __no_asan unwind_pcs(struct unwind u, uintptr_t *pcs, u32 max)
{
	u32 n = 0;

	while (u.pc && n < max) {
		pcs[n++] = u.pc;
		step(&u);
	}
	return n;
}
