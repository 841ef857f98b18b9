// SPDX-License-Identifier: ISC
/*
 * mm/morestack.c - the C half of the stack check's slow path.
 *
 * newstack() runs on g0, called by __morestack through arch_mcall(); the
 * goroutine's registers lie on its own stack.  It answers in gp->more_new: 0
 * to go on in place, or the stack pointer on another segment, where the
 * function's stack-passed arguments have been copied.
 *
 * Rejected: moving the stack, as Go does.  C keeps pointers into frames.
 *
 * Reasons to come here, in the order in which they are looked at:
 *  - sp is not in the segment the goroutine is said to run on: a longjmp()
 *    left deeper ones.  They stay attached as spares.
 *  - sp is in no segment: the user runs a stack of his own in a goroutine.
 *    Not ours to check.
 *  - growth, in place or by switching.
 *  - somebody wants the processor.
 */
#include <arch/stacksplit.h>
#include "kernel/preempt.h"
#include "kernel/sanitize.h"
#include "kernel/sched.h"
#include "mm/stack.h"

#define ARGS_MAX	((size_t)1024)		/* 127 parameters of 8 bytes */
#define ARGS_ALIGN	((uintptr_t)64)		/* vectors of 512 bits */
#define BIGARGS_MAX	((size_t)1 << 20)	/* structures by value */

static __cold __noreturn void stack_overflow(struct g *gp, u64 size)
{
	fatal_at(gp, gp->more_pc, gp->more_fp,
		 "stack overflow: goroutine %U needs %U bytes of stack, the limit is %U (GORTDEBUG=maxstack=)",
		 gp->id, size, debug.maxstack);
}

/*
 * How much to copy for the function's stack-passed arguments.  They end
 * where the caller's frame ends at the latest, and that is where its frame
 * pointer points, if it has one.
 */
static size_t args_size(const struct g *gp, const struct segment *seg)
{
	uintptr_t fp = *(uintptr_t *)gp->more_fp;
	size_t n = seg->top - gp->more_sp, max = ARGS_MAX;

	if (gp->more_need & STACKSPLIT_BIGARGS)
		max = BIGARGS_MAX;
	if (fp >= gp->more_sp && fp - gp->more_sp < n)
		n = ALIGN_UP(fp - gp->more_sp, 16);
	return n < max ? n : max;
}

/*
 * The caller's locals may be among what is copied, with AddressSanitizer's
 * red zones between them: no memcpy(), which it watches, and volatile, so
 * that this does not become one.
 */
static __no_asan void copy_args(uintptr_t to, uintptr_t from, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(u64))
		*(volatile u64 *)(to + i) = *(volatile u64 *)(from + i);
}

static u64 segment_usable(unsigned int class)
{
	return stack_class_size(class) - STACK_LIMIT_OFFSET -
	       ALIGN_UP(sizeof(struct g), 16);
}

static unsigned int class_for(struct g *gp, unsigned int class, u64 need)
{
	while (class < STACK_CLASSES && segment_usable(class) < need)
		class++;
	if (class == STACK_CLASSES)
		stack_overflow(gp, gp->seg->depth + need);
	return class;
}

/* Spares attached below seg; the caller owns the stack, pp is its P. */
void segment_free_deeper(struct p *pp, struct segment *seg)
{
	struct segment *spare, *next;

	for (spare = seg->next; spare; spare = next) {
		next = spare->next;
		stack_free(pp, spare);
	}
	seg->next = NULL;
}

/* The attached spare if it is large enough, else a fresh segment. */
static struct segment *next_segment(struct g *gp, struct segment *seg,
				    u64 need)
{
	struct p *pp = gp->m->p;
	bool move = debug.maymorestack == MAYMORESTACK_MOVE;
	unsigned int class = move ? 0 : seg->class + 1;
	struct segment *new = seg->next;

	if (class >= STACK_CLASSES)
		class = STACK_CLASSES - 1;
	if (new && !move && segment_usable(new->class) >= need)
		return new;
	class = class_for(gp, class, need);
	segment_free_deeper(pp, seg);
	new = stack_alloc(pp, class);
	if (!new)
		fatal_at(gp, gp->more_pc, gp->more_fp,
			 "out of memory for %U bytes of stack of goroutine %U",
			 (u64)stack_class_size(class), gp->id);
	new->prev = seg;
	seg->next = new;
	stack_count_growth(false);
	return new;
}

static void switch_segment(struct g *gp, struct segment *seg, u64 frame)
{
	size_t args = args_size(gp, seg);
	struct segment *new = next_segment(gp, seg, frame + args + ARGS_ALIGN);

	new->depth = seg->depth + (seg->top - gp->more_sp);
	gp->more_new = gp->more_sp +
		       ALIGN_DOWN(new->top - args - gp->more_sp, ARGS_ALIGN);
	copy_args(gp->more_new, gp->more_sp, args);
	segment_grow(new, gp->more_new - frame);
	gp->more_seg = seg;
	gp->seg = new;
}

static void grow(struct g *gp, struct segment *seg)
{
	u64 frame = gp->more_need & ~(u64)STACKSPLIT_FLAGS;
	u64 used = seg->depth + (seg->top - gp->more_sp) + frame;
	u64 room = gp->more_sp - segment_limit(seg);

	if (used > debug.maxstack)
		stack_overflow(gp, used);
	if (debug.maymorestack == MAYMORESTACK_MOVE ||
	    gp->more_sp < segment_limit(seg) || frame > room) {
		switch_segment(gp, seg, frame);
	} else if (segment_end(seg) - (gp->more_sp - frame) > seg->size) {
		segment_grow(seg, gp->more_sp - frame);
		stack_count_growth(true);
	}
}

/* Frames between the jump and its target, on seg, are gone. */
static void longjmped(struct g *gp, struct segment *seg)
{
	struct segment *left;

	for (left = seg->next; left; left = left->next)
		san_stack_unpoison(left->lo + STACK_GUARD_SIZE,
				   left->top - left->lo - STACK_GUARD_SIZE);
	san_stack_unpoison(seg->lo + STACK_GUARD_SIZE,
			   gp->more_sp - seg->lo - STACK_GUARD_SIZE);
	gp->seg = seg;
}

/* For the profiler: the goroutine waits for its stack. */
static inline void stack_section_begin(struct g *gp)
{
	if (nonpreempt_profiled())
		nonpreempt_begin_stack(gp);
}

static inline void stack_section_end(struct g *gp)
{
	if (nonpreempt_profiled())
		nonpreempt_end(gp->m, GORT_NONPREEMPT_STACK, NONPREEMPT_ANY);
}

/*
 * newstack - answer a stack check that failed.
 * sysstack: may switch goroutines; its callees take class locks.
 */
void __g0_noreturn newstack(struct g *gp)
{
	struct segment *seg = stack_find_segment(gp, gp->more_sp);

	stack_section_begin(gp);
	gp->more_new = 0;
	if (seg) {
		if (seg != gp->seg)
			longjmped(gp, seg);
		segment_update_guard(seg);	/* may be a request */
		grow(gp, seg);
		sched_check_preempt(gp);
	}
	stack_section_end(gp);
	san_set_stack(gp);
	arch_gogo(gp);
}

#ifdef GORT_ASAN
/* The function returned, gp->seg is the segment it was called from. */
void __g0_noreturn segment_left(struct g *gp)
{
	san_set_stack(gp);
	arch_gogo(gp);
}
#endif

/*
 * newstack_setsp - may sp move down to gp->more_need, in mid-function?  Only
 * within the segment: the frame is already there.
 */
void __g0_noreturn newstack_setsp(struct g *gp)
{
	struct segment *seg = stack_find_segment(gp, gp->more_sp);
	uintptr_t sp = (uintptr_t)gp->more_need;

	stack_section_begin(gp);
	if (seg) {
		if (seg != gp->seg)
			longjmped(gp, seg);
		if (sp > gp->more_sp || sp < segment_limit(seg))
			fatal_at(gp, gp->more_pc, gp->more_fp,
				 "dynamic stack allocation of %U bytes: goroutine %U has %U on this stretch of stack; allocate large arrays elsewhere",
				 (u64)(gp->more_sp - sp), gp->id,
				 (u64)(gp->more_sp - segment_limit(seg)));
		if (segment_end(seg) - sp > seg->size)
			segment_grow(seg, sp);
	}
	stack_section_end(gp);
	arch_gogo(gp);
}
