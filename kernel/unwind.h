/* SPDX-License-Identifier: ISC */
/*
 * kernel/unwind.h - the callers of a place, along frame pointers.
 *
 * Each frame record is the caller's frame pointer and the return address.
 * The walk crosses from a signal stack to what was interrupted, from g0 to
 * the goroutine that called systemstack(), and between segments, since all
 * of those leave such records.  It ends where a record is on none of these
 * stacks, or not above the last one on the same.  So a damaged stack gives a
 * short walk, not a fault.
 *
 * Code without frame pointers (libc) hides its own frames, sometimes its
 * caller's.
 *
 * Context: any, signal handlers included.  The caller owns the stack.
 */
#ifndef KERNEL_UNWIND_H
#define KERNEL_UNWIND_H

#include <arch/compiler.h>

struct g;
struct m;
struct segment;

/* To begin with: gp or NULL, mp or NULL, pc and fp; the rest 0. */
struct unwind {
	struct g *gp;		/* whose stack; or NULL */
	struct m *mp;		/* whose g0 and signal stack, too; or NULL */
	struct segment *seg;	/* of gp's, where the last record was */
	uintptr_t lo, hi;	/* the stretch of stack where it was */
	uintptr_t fp;		/* the record to look at next */
	uintptr_t pc;		/* in the function itself; 0: at the end */
};

struct caller {
	uintptr_t pc;		/* where it goes on */
	uintptr_t fp;
};

extern const char morestack_return[];

/*
 * The caller of the function this is in: not __morestack, whose frame is no
 * more when that function has returned.
 */
static inline __attribute__((always_inline)) struct caller find_caller(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0);
	uintptr_t *fp = *(uintptr_t **)__builtin_frame_address(0);

	if (unlikely(pc == (uintptr_t)morestack_return))
		return (struct caller){ fp[1], fp[0] };
	return (struct caller){ pc, (uintptr_t)fp };
}

/*
 * unwind_g - begin with a goroutine that is not running: it is off its stack,
 * or in a system call.
 * unwind_here - begin with the caller of the function whose frame pointer is
 * fp, in the goroutine gp that runs on this M, on its stack or on g0.
 */
void unwind_g(struct unwind *u, struct g *gp);
void unwind_here(struct unwind *u, struct g *gp, uintptr_t fp);

/* From u->pc to the place in its caller that made the call. */
void unwind_next(struct unwind *u);

/* From u->pc on, at most max of them, without those in __morestack.  How
 * many?  u is used up. */
u32 unwind_pcs(struct unwind *u, uintptr_t *pcs, u32 max);

#endif
