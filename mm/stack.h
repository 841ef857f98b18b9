/* SPDX-License-Identifier: ISC */
/*
 * mm/stack.h - goroutine stacks: slots, segments, growth.
 *
 * A slot is a naturally aligned power-of-two range of addresses.  From low
 * to high:
 *
 *	guard region	never accessible, where the kernel lets us
 *	foreign reserve	checked code never goes here; code without checks
 *			(libc) called from the deepest checked frame does
 *	red zone	for nosplit code and small frames below the guard word
 *	usable stack
 *	struct segment	(in a goroutine's first slot inside struct g)
 *
 * Only touched pages cost memory.
 */
#ifndef MM_STACK_H
#define MM_STACK_H

#include <arch/compiler.h>
#include <arch/stacksplit.h>

struct g;
struct p;

#define PAGE_SHIFT		12
#define PAGE_SIZE		((size_t)1 << PAGE_SHIFT)

#define STACK_CLASSES		8
#define STACK_RED_ZONE		((size_t)STACKSPLIT_RED_ZONE)
#if defined(GORT_ASAN) || defined(GORT_TSAN)
/* Sanitizer runtimes are foreign code with large frames. */
#define STACK_MIN_SHIFT		18
#define STACK_GUARD_SIZE	((size_t)64 << 10)
#define STACK_RESERVE_SIZE	((size_t)128 << 10)
#else
/*
 * What glibc 2.36 was measured to need: regexec() 20 KiB, fprintf("%Lf") of
 * the largest number 41 KiB, the last 20 of them in one leap.  The first fits
 * the reserve, the second hits the guard and cannot leap over it.
 */
#define STACK_MIN_SHIFT		17
#define STACK_GUARD_SIZE	((size_t)48 << 10)
#define STACK_RESERVE_SIZE	((size_t)STACKSPLIT_RESERVE)
#endif
/* Lowest address of checked code in a slot, as an offset. */
#define STACK_LIMIT_OFFSET \
	(STACK_GUARD_SIZE + STACK_RESERVE_SIZE + STACK_RED_ZONE)

#define STACK_MAX_DEFAULT	((u64)1 << 30)

static inline size_t stack_class_size(unsigned int class)
{
	return (size_t)1 << (STACK_MIN_SHIFT + 2 * class);
}

/*
 * One stretch of stack.  Owned by the goroutine it is linked into, or by the
 * P or the lock of the free list it is on.
 *
 * All zeros is a slot never used or given back to the kernel.
 */
struct segment {
	uintptr_t guard;	/* what the check compares with */
	uintptr_t top;		/* where frames begin; 16-aligned */
	uintptr_t lo;		/* start of the slot */
	struct segment *prev;	/* towards the goroutine's first */
	struct segment *next;	/* deeper; past g->seg: attached spares */
	size_t size;		/* watermark: bytes from the slot's end that
				 * may have been touched; a power of two */
	size_t depth;		/* bytes used on the segments before it */
	u32 class;
};

static inline uintptr_t segment_end(const struct segment *seg)
{
	return seg->lo + stack_class_size(seg->class);
}

static inline uintptr_t segment_limit(const struct segment *seg)
{
	return seg->lo + STACK_LIMIT_OFFSET;
}

/* May checked or foreign code of this segment's owner have sp here? */
static inline bool segment_contains(const struct segment *seg, uintptr_t sp)
{
	return sp > seg->lo && sp <= seg->top;
}

/* A P's cache of free segments, per class.  Owner: the P. */
struct stack_cache {
	struct segment *head[STACK_CLASSES];
	u32 count[STACK_CLASSES];
	_Atomic u64 bytes;	/* watermarks of all of them */
	_Atomic s64 ready;	/* what this P did to resident memory */
};

struct stack_stats {
	u64 resident;		/* bytes by watermark, free or not */
	u64 peak;		/* the most there ever were */
	u64 inuse;		/* bytes by watermark, of live goroutines */
	u64 slots;		/* ever made, all classes */
	u64 mapped;		/* bytes of address space with memory behind */
	u64 grown_in_place;
	u64 grown_by_switch;
	u64 guards_missing;
};

/* Resident bytes, twice; they are equal with the world stopped. */
struct stack_books {
	u64 global;		/* one word for all */
	s64 consistent;		/* added up */
	u64 idle;		/* of no goroutine */
};

int stack_init(void);
void stack_reset(void);
struct segment *stack_alloc(struct p *pp, unsigned int class);
void stack_free(struct p *pp, struct segment *seg);
void stack_cache_flush(struct p *pp);
void stack_scavenge(void);
int stack_g0_alloc(unsigned int id, uintptr_t *lo, uintptr_t *top);
void stack_read_stats(struct stack_stats *st);
void stack_read_books(struct stack_books *b);
void stack_count_slow(u64 *resident, u64 *inuse);
struct g *stack_next_g(size_t *cursor);
void stack_count_growth(bool in_place);

enum stack_place {
	STACK_NOWHERE,		/* not in any slot */
	STACK_GUARD,		/* a slot's or a system stack's guard region */
	STACK_INSIDE,
};

enum stack_place stack_classify(uintptr_t addr, uintptr_t *slot);
bool stack_is_g0(uintptr_t addr);
bool stack_slot(uintptr_t addr, uintptr_t *lo, uintptr_t *hi);

void segment_grow(struct segment *seg, uintptr_t sp);
void segment_update_guard(struct segment *seg);
size_t segment_shrink(struct segment *seg, size_t size);
void segment_free_deeper(struct p *pp, struct segment *seg);

/* shrink.c */
bool stack_scan_due(void);
void stack_scan(void *arg);
u64 stack_scans(void);

/* Called by __morestack and __morestack_setsp by way of arch_mcall(). */
void newstack(struct g *gp);
void newstack_setsp(struct g *gp);
void segment_left(struct g *gp);

/* Segment of gp's chain, spares included, that holds sp; or NULL. */
struct segment *stack_find_segment(struct g *gp, uintptr_t sp);

#endif
