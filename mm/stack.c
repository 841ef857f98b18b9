// SPDX-License-Identifier: ISC
/*
 * mm/stack.c - slots of goroutine stacks: where they lie, who has them.
 *
 * Address space is one region of equal spans, each much larger than any
 * program needs: first the system stacks (g0), then one span per slot class
 * in ascending order.  So the class of an address is arithmetic, slots are
 * naturally aligned, and
 *  - g0 lies below every goroutine, as debuggers want of a callee's frame;
 *  - after a longjmp() out of a deeper segment sp is below the guard left
 *    behind, so the next check finds out, even one in a library that was
 *    linked without the wrapper;
 *  - other stacks (threads, signal stacks, what users allocate) usually lie
 *    above, where checks never fire.
 *
 * The region is not reserved by a mapping: slots are mapped as they are
 * needed, at addresses nothing else uses, next to each other, so the kernel
 * keeps one mapping per class.  Rejected: reserving it all, inaccessible.
 * Emulators keep state per page of a mapping, of terabytes here.  Where the
 * addresses are taken or do not exist, a smaller region is reserved after
 * all.
 *
 * A free slot is in a P's cache (linked, no lock) or in its class's free
 * list (indices, so that a slot's pages can be given back).
 *
 * Invariants:
 *  I1  A slot below nslots has an owner: goroutine, P cache or free list.
 *  I2  ->size of a free slot's header tells its resident bytes; 0 means the
 *	kernel has them back.
 *  I3  stat_resident is the sum of ->size over all slots, and so is that of
 *	all Ps' stacks.ready and lone.ready.
 *
 * The two sums of I3 are the global and the consistent book of stacks (see
 * mm/memstat.h).  With the world stopped they are equal, and stay so while
 * lone.lock is held: who has a P has stopped, who has none takes the lock.
 *
 * Locks: class->lock, then map_lock or lone.lock.  On g0: stack growth takes
 * them.
 */
#include "mm/stack.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/print.h"
#include "kernel/sanitize.h"
#include "kernel/sched.h"
#include "kernel/tracepoint.h"
#include "mm/memstat.h"
#include "mm/vm.h"

#ifdef GORT_TSAN
/* ThreadSanitizer knows three ranges of addresses; this is in the lowest. */
#define REGION_BASE	((uintptr_t)0x1000000000)
#define REGION_SPAN	35
#else
#define REGION_BASE	((uintptr_t)0x400000000000)
#define REGION_SPAN	39
#endif
#define REGION_SPAN_MIN	32
#define REGION_SPANS	(STACK_CLASSES + 1)

#define G0_SLOT_SHIFT	23
#define G0_GUARD_SIZE	((size_t)64 << 10)

#define MAP_CHUNK	((size_t)64 << 20)	/* mapped at a time */

/*
 * For how long nothing can be preempted while a cache is filled and emptied:
 * a new slot is a system call for its guard, 2 us; pages that go back are an
 * interrupt of the other CPUs, 15 us on a virtual machine.
 */
#define REFILL		8			/* slots, class lock to cache */
#define RELEASE		2			/* slots, cache to kernel */
#define WARM_MAX	((u64)64 << 20)		/* free bytes kept per class */
#define TRIM_ABOVE	((size_t)4 << 20)	/* no free slot keeps more */
#define TRIM_TO		((size_t)64 << 10)
#define POISON_BYTE	0xf5

struct stack_class {
	struct lock lock;	/* protects the rest */
	_Atomic u32 nslots;	/* ever made; read by anyone */
	u32 nmapped;		/* with memory behind */
	u32 nmax;
	u32 nfree;
	u32 nfree_low;		/* least there were since the last scavenging */
	u32 *free;		/* indices, a stack */
	size_t free_mapped;	/* bytes of it */
	_Atomic u64 free_bytes;	/* resident bytes of those; read by anyone */
} __attribute__((aligned(64)));

static struct {
	uintptr_t base;
	unsigned int span;	/* log2 of the bytes per class */
	bool claimed;		/* by a mapping */
} region;

static struct stack_class classes[STACK_CLASSES];
static struct lock map_lock = LOCK_INIT(RANK_STACK_MAP);
static u32 g0_mapped;		/* map_lock */

static _Atomic u64 stat_resident, stat_peak, stat_slots, stat_mapped;
static _Atomic u64 stat_in_place, stat_switch, stat_unguarded;

/* What those without a P did to resident memory. */
static struct {
	struct lock lock;
	s64 ready;
} lone = { .lock = LOCK_INIT(RANK_STACK_BOOKS) };

static const u32 cache_max[STACK_CLASSES] = { 256, 16, 4, 2, 1, 1, 1, 1 };

static uintptr_t class_base(unsigned int class)
{
	return region.base + ((uintptr_t)(class + 1) << region.span);
}

static unsigned int class_shift(unsigned int class)
{
	return STACK_MIN_SHIFT + 2 * class;
}

static uintptr_t slot_addr(unsigned int class, u32 idx)
{
	return class_base(class) + ((uintptr_t)idx << class_shift(class));
}

/* Slots of the lowest class may hold a struct g; all of them leave room. */
static struct segment *slot_segment(unsigned int class, u32 idx)
{
	uintptr_t end = slot_addr(class, idx) + stack_class_size(class);

	if (class == 0)
		return &((struct g *)(end - sizeof(struct g)))->seg0;
	return (struct segment *)(end - ALIGN_UP(sizeof(struct segment), 16));
}

static u64 stat_get(_Atomic u64 *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* class->lock held. */
static void free_bytes_add(struct stack_class *c, u64 n)
{
	atomic_store_explicit(&c->free_bytes, stat_get(&c->free_bytes) + n,
			      memory_order_relaxed);
}

static void stat_add(_Atomic u64 *c, u64 n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static void resident_change(s64 n)
{
	u64 now, peak;

	now = atomic_fetch_add_explicit(&stat_resident, (u64)n,
					memory_order_relaxed) + (u64)n;
	peak = atomic_load_explicit(&stat_peak, memory_order_relaxed);
	while (n > 0 && now > peak &&
	       !atomic_compare_exchange_weak_explicit(&stat_peak, &peak, now,
			memory_order_relaxed, memory_order_relaxed))
		;
}

static __cold void __systemstack resident_change_lone(s64 n)
{
	lock(&lone.lock);
	lone.ready += n;
	resident_change(n);
	unlock(&lone.lock);
}

/* n more bytes have memory behind, in both books.  M locked, or on g0;
 * without a P on g0. */
static void resident_add(s64 n)
{
	struct p *pp = getm()->p;
	s64 ready;

	if (unlikely(!pp)) {
		resident_change_lone(n);
		return;
	}
	/* Only the owner writes. */
	ready = atomic_load_explicit(&pp->stacks.ready, memory_order_relaxed);
	atomic_store_explicit(&pp->stacks.ready, ready + n,
			      memory_order_relaxed);
	resident_change(n);
}

static void resident_sub(size_t n)
{
	resident_add(-(s64)n);
}

/* Where the guard word is for a watermark of size bytes. */
static uintptr_t segment_guard(const struct segment *seg)
{
	uintptr_t guard = segment_end(seg) - seg->size;
	uintptr_t limit = segment_limit(seg);
	u64 room;

	if (debug.maymorestack != MAYMORESTACK_OFF)
		return GUARD_POISON;
	if (guard < limit)
		guard = limit;
	/* Notice when the goroutine reaches the limit of its stack. */
	room = debug.maxstack > seg->depth ? debug.maxstack - seg->depth : 0;
	if (room < seg->top - guard)
		guard = seg->top - room;
	return guard;
}

void segment_update_guard(struct segment *seg)
{
	seg->guard = segment_guard(seg);
}

/*
 * segment_grow - let the watermark reach down to sp, which is in the slot.
 * Sizes double, so a stack that grows costs a logarithm of slow paths.
 */
void segment_grow(struct segment *seg, uintptr_t sp)
{
	size_t size = seg->size, need = segment_end(seg) - sp;

	while (size < need)
		size *= 2;
	resident_add((s64)(size - seg->size));
	seg->size = size;
	segment_update_guard(seg);
}

/* First use of a slot, or the first since the kernel took its pages. */
static void segment_init(struct segment *seg, unsigned int class, u32 idx)
{
	seg->lo = slot_addr(class, idx);
	seg->class = class;
	seg->size = PAGE_SIZE;
	seg->top = ALIGN_DOWN(class == 0 ? (uintptr_t)segment_first_g(seg)
			      : (uintptr_t)seg, 16);
	resident_add(PAGE_SIZE);
}

static __cold void guard_missing(void)
{
	if (!atomic_fetch_add_explicit(&stat_unguarded, 1,
				       memory_order_relaxed))
		print("gort: no more memory mappings: new stacks have no guard region (vm.max_map_count)\n");
}

/*
 * Let the free list hold n indices; class->lock held.  Mapped as far as there
 * are slots, so that statistics say what it takes.  0 or -ENOMEM.
 */
static int free_list_room_locked(struct stack_class *c, u32 n)
{
	size_t have = c->free_mapped;
	size_t want = ALIGN_UP(n * sizeof(u32), PAGE_SIZE);

	if (!c->free) {
		c->free = vm_reserve(ALIGN_UP(c->nmax * sizeof(u32),
					      PAGE_SIZE));
		if (!c->free)
			return -ENOMEM;
	}
	if (want > have) {
		if (vm_map((uintptr_t)c->free + have, want - have, true))
			return -ENOMEM;
		c->free_mapped = want;
		mem_add(&mem_other, want - have);
	}
	return 0;
}

/* Give class more memory; class->lock held.  0 or -ENOMEM. */
static int class_map_locked(struct stack_class *c, unsigned int class)
{
	size_t chunk = MAP_CHUNK;
	int err;

	if (chunk < stack_class_size(class))
		chunk = stack_class_size(class);
	if (c->nmapped + (chunk >> class_shift(class)) > c->nmax)
		return -ENOMEM;
	err = free_list_room_locked(c, c->nmapped +
				    (u32)(chunk >> class_shift(class)));
	if (err)
		return err;
	lock(&map_lock);
	err = vm_map(slot_addr(class, c->nmapped), chunk, region.claimed);
	unlock(&map_lock);
	if (err)
		return -ENOMEM;
	stat_add(&stat_mapped, chunk);
	c->nmapped += (u32)(chunk >> class_shift(class));
	return 0;
}

static void cache_push(struct stack_cache *sc, struct segment *seg)
{
	u64 bytes = atomic_load_explicit(&sc->bytes, memory_order_relaxed);

	seg->next = sc->head[seg->class];
	sc->head[seg->class] = seg;
	sc->count[seg->class]++;
	atomic_store_explicit(&sc->bytes, bytes + seg->size,
			      memory_order_relaxed);
}

static struct segment *cache_pop(struct stack_cache *sc, unsigned int class)
{
	struct segment *seg = sc->head[class];
	u64 bytes = atomic_load_explicit(&sc->bytes, memory_order_relaxed);

	if (!seg)
		return NULL;
	sc->head[class] = seg->next;
	sc->count[class]--;
	atomic_store_explicit(&sc->bytes, bytes - seg->size,
			      memory_order_relaxed);
	return seg;
}

/* Guards and headers of new slots, which nobody else knows yet. */
static void slots_make(struct stack_cache *sc, unsigned int class, u32 idx,
		       u32 n)
{
	for (; n; n--, idx++) {
		if (vm_guard(slot_addr(class, idx), STACK_GUARD_SIZE))
			guard_missing();
		stat_add(&stat_slots, 1);
		segment_init(slot_segment(class, idx), class, idx);
		cache_push(sc, slot_segment(class, idx));
	}
}

/*
 * How much of a free slot is in use; 0: it was given back to the kernel.
 * Written to first: reading would map a page of zeros, and when that is written
 * to the other CPUs are interrupted, to forget it.
 */
static size_t slot_size(unsigned int class, u32 idx)
{
	struct segment *seg = slot_segment(class, idx);

	*(struct segment *volatile *)&seg->next = NULL;
	return seg->size;
}

struct refill {
	struct stack_cache *cache;
	unsigned int class;
};

/*
 * stack_refill - fill a cache from the free list, or with new slots.
 * sysstack: takes class->lock.
 */
static void __systemstack stack_refill(void *arg)
{
	struct refill *r = arg;
	struct stack_class *c = &classes[r->class];
	u32 want = cache_max[r->class] < REFILL ? 1 : REFILL;
	u32 idx[REFILL], n = 0, first, nnew = 0;

	lock(&c->lock);
	while (n < want && c->nfree)
		idx[n++] = c->free[--c->nfree];
	if (c->nfree < c->nfree_low)
		c->nfree_low = c->nfree;
	for (u32 i = 0; i < n; i++)
		free_bytes_add(c, -(u64)slot_size(r->class, idx[i]));
	first = c->nslots;
	if (!n && (c->nslots < c->nmapped ||
		   !class_map_locked(c, r->class))) {
		nnew = c->nmapped - c->nslots;
		if (nnew > want)
			nnew = want;
		c->nslots += nnew;
	}
	unlock(&c->lock);

	for (u32 i = n; i-- > 0;) {
		struct segment *seg = slot_segment(r->class, idx[i]);

		if (!seg->size)
			segment_init(seg, r->class, idx[i]);
		cache_push(r->cache, seg);
	}
	slots_make(r->cache, r->class, first, nnew);
}

/*
 * A goroutine that is gone is still looked at by who ends a generation of a
 * trace, and began with that before it went: its struct g must stay.
 */
static bool trace_keeps_slots(void)
{
	return atomic_load_explicit(&trace_walking, memory_order_relaxed);
}

/*
 * Move up to n segments of a class from a cache to the free list.  What
 * would keep more than WARM_MAX bytes there gives its pages back first, and
 * without the lock; that takes long, so it is done for RELEASE of them.
 * sysstack: takes class->lock.
 */
static void __systemstack cache_spill(struct stack_cache *sc,
				      unsigned int class, u32 n)
{
	struct stack_class *c = &classes[class];
	u32 shift = class_shift(class), released = 0;
	struct segment *seg;

	for (; n && released < RELEASE && (seg = cache_pop(sc, class)); n--) {
		u32 idx = (u32)((seg->lo - class_base(class)) >> shift);
		size_t size = seg->size;

		lock(&c->lock);
		if (stat_get(&c->free_bytes) + size <= WARM_MAX ||
		    trace_keeps_slots()) {
			free_bytes_add(c, size);
			c->free[c->nfree++] = idx;
			unlock(&c->lock);
			continue;
		}
		unlock(&c->lock);
		resident_sub(size);
		vm_release(seg->lo + STACK_GUARD_SIZE,
			   stack_class_size(class) - STACK_GUARD_SIZE);
		released++;
		lock(&c->lock);
		c->free[c->nfree++] = idx;
		unlock(&c->lock);
	}
}

static void __systemstack cache_empty(struct stack_cache *sc,
				      unsigned int class)
{
	while (sc->head[class])
		cache_spill(sc, class, UINT32_MAX);
}

static struct segment *alloc_cached(struct stack_cache *sc,
				    unsigned int class)
{
	struct segment *seg = cache_pop(sc, class);

	if (unlikely(!seg)) {
		struct refill r = { sc, class };

		systemstack(stack_refill, &r);
		seg = cache_pop(sc, class);
	}
	return seg;
}

/*
 * Growth in a system call, where there is no P: by way of a cache that lives
 * for a moment.  On g0.
 */
static __cold struct segment * __systemstack alloc_uncached(unsigned int class)
{
	struct stack_cache sc = { 0 };
	struct segment *seg = alloc_cached(&sc, class);

	cache_empty(&sc, class);
	return seg;
}

static inline void trace_stack(enum trace_memory what, struct segment *seg)
{
	struct m *mp;

	if (likely(!atomic_load_explicit(&trace_memory_on,
					 memory_order_relaxed)))
		return;
	mp = getm();
	if (!trace_try_acquire(mp))
		return;
	trace_ops->stack(mp, what, seg->lo, stack_class_size(seg->class));
	trace_release(mp);
}

/*
 * stack_alloc - a free segment of a class, not linked anywhere, its guard
 * set for the watermark it has.  Context: goroutine with its M locked, or
 * g0; pp is the caller's P, or NULL on g0.  NULL when there is no memory.
 */
struct segment *stack_alloc(struct p *pp, unsigned int class)
{
	struct segment *seg = likely(pp) ? alloc_cached(&pp->stacks, class) :
					   alloc_uncached(class);

	if (!seg)
		return NULL;
	seg->prev = NULL;
	seg->next = NULL;
	seg->depth = 0;
	segment_update_guard(seg);
	trace_stack(TRACE_ALLOC, seg);
	return seg;
}

/* One more of the slots at the bottom of the list; false: done. */
static bool __systemstack scavenge_one(unsigned int class, u32 *at)
{
	struct stack_class *c = &classes[class];
	struct segment *seg;
	bool more;

	lock(&c->lock);
	while (*at < c->nfree_low && !slot_segment(class, c->free[*at])->size)
		++*at;
	more = *at < c->nfree_low;
	if (more) {
		seg = slot_segment(class, c->free[(*at)++]);
		free_bytes_add(c, -(u64)seg->size);
		resident_sub(seg->size);
		/* Takes the header, too, and with it ->size. */
		vm_release(slot_addr(class, c->free[*at - 1]) +
			   STACK_GUARD_SIZE,
			   stack_class_size(class) - STACK_GUARD_SIZE);
	} else {
		c->nfree_low = c->nfree;
	}
	unlock(&c->lock);
	return more;
}

/*
 * stack_scavenge - give the memory of free slots back to the kernel that
 * nobody wanted since the last call: the list is a stack, so those at its
 * bottom.  Now and then; the lock is held for one slot at a time.
 * sysstack: takes class->lock.
 */
void __systemstack stack_scavenge(void)
{
	for (unsigned int class = 0; class < STACK_CLASSES; class++) {
		u32 at = 0;

		while (scavenge_one(class, &at))
			;
	}
}

static void __systemstack stack_spill(void *arg)
{
	struct refill *r = arg;

	cache_spill(r->cache, r->class, (cache_max[r->class] + 1) / 2);
}

/* Give everything a P has cached to the free lists.  On g0. */
void __systemstack stack_cache_flush(struct p *pp)
{
	for (unsigned int class = 0; class < STACK_CLASSES; class++)
		cache_empty(&pp->stacks, class);
}

/*
 * segment_shrink - only size bytes, a power of two, from the end on are in
 * use: give the other pages back.  Returns how much less that is.
 */
size_t segment_shrink(struct segment *seg, size_t size)
{
	uintptr_t from = seg->lo + STACK_GUARD_SIZE;
	size_t less = seg->size - size;

	vm_release(from, segment_end(seg) - size - from);
	resident_sub(less);
	seg->size = size;
	segment_update_guard(seg);
	return less;
}

static void segment_poison(struct segment *seg)
{
	uintptr_t from = segment_end(seg) - seg->size;

	if (from < seg->lo + STACK_GUARD_SIZE)
		from = seg->lo + STACK_GUARD_SIZE;
	memset((void *)from, POISON_BYTE, seg->top - from);
}

/*
 * stack_free - give back a segment that nothing runs on.  Context: g0, or a
 * goroutine with its M locked; pp is the caller's P, or NULL on g0.
 */
void stack_free(struct p *pp, struct segment *seg)
{
	u32 class = seg->class;

	trace_stack(TRACE_FREE, seg);
	san_stack_unpoison(seg->lo + STACK_GUARD_SIZE,
			   seg->top - seg->lo - STACK_GUARD_SIZE);
	if (seg->size > TRIM_ABOVE)
		segment_shrink(seg, TRIM_TO);
	if (debug.stackpoison)
		segment_poison(seg);
	if (unlikely(!pp)) {
		struct stack_cache sc = { 0 };

		cache_push(&sc, seg);
		cache_spill(&sc, class, 1);
		return;
	}
	cache_push(&pp->stacks, seg);
	if (unlikely(pp->stacks.count[class] > cache_max[class])) {
		struct refill r = { &pp->stacks, class };

		systemstack(stack_spill, &r);
	}
}

/* The current segment first, then callers', then spares. */
struct segment *stack_find_segment(struct g *gp, uintptr_t sp)
{
	struct segment *seg;

	for (seg = gp->seg; seg; seg = seg->prev)
		if (segment_contains(seg, sp))
			return seg;
	for (seg = gp->seg->next; seg; seg = seg->next)
		if (segment_contains(seg, sp))
			return seg;
	return NULL;
}

#ifdef GORT_ASAN
void gort_asan_unpoison_stack(void);

/*
 * Before a longjmp(): AddressSanitizer forgets the frames on the current
 * stack that are jumped over; do the same for all segments.
 */
__public void gort_asan_unpoison_stack(void)
{
	struct segment *seg;

	if (!in_goroutine())
		return;
	for (seg = &getg()->seg0; seg; seg = seg->next)
		san_stack_unpoison(seg->lo + STACK_GUARD_SIZE,
				   seg->top - seg->lo - STACK_GUARD_SIZE);
}
#endif

/*
 * stack_g0_alloc - the system stack of the id-th thread.  Stays mapped for
 * the next run.
 * sysstack: takes map_lock; or before the runtime runs.
 */
int stack_g0_alloc(unsigned int id, uintptr_t *lo, uintptr_t *top)
{
	uintptr_t addr = region.base + ((uintptr_t)id << G0_SLOT_SHIFT);
	size_t size = (size_t)1 << G0_SLOT_SHIFT;
	int err = 0;

	if (id >= (u32)1 << (region.span - G0_SLOT_SHIFT))
		return -ENOMEM;
	lock_raw(&map_lock);
	/* Threads with lower ids may be on the way, too. */
	while (id >= g0_mapped && !err) {
		uintptr_t next = region.base +
				 ((uintptr_t)g0_mapped << G0_SLOT_SHIFT);

		err = vm_map(next, size, region.claimed);
		if (!err) {
			g0_mapped++;
			vm_guard(next, G0_GUARD_SIZE);
		}
	}
	unlock_raw(&map_lock);
	*lo = addr + G0_GUARD_SIZE;
	*top = addr + size;
	return err;
}

void stack_count_growth(bool in_place)
{
	stat_add(in_place ? &stat_in_place : &stat_switch, 1);
}

static u64 idle_bytes(void)
{
	u64 idle = 0;

	for (unsigned int i = 0; i < STACK_CLASSES; i++)
		idle += stat_get(&classes[i].free_bytes);
	for (u32 i = 0; i < nallps(); i++)
		idle += stat_get(&sched.ps[i]->stacks.bytes);
	return idle;
}

/* A snapshot, without locks: exact when nothing changes meanwhile. */
void stack_read_stats(struct stack_stats *st)
{
	u64 idle = idle_bytes();

	*st = (struct stack_stats){
		.resident = stat_get(&stat_resident),
		.peak = stat_get(&stat_peak),
		.slots = stat_get(&stat_slots),
		.mapped = stat_get(&stat_mapped),
		.grown_in_place = stat_get(&stat_in_place),
		.grown_by_switch = stat_get(&stat_switch),
		.guards_missing = stat_get(&stat_unguarded),
	};
	st->inuse = st->resident > idle ? st->resident - idle : 0;
}

/*
 * stack_read_books - both books of resident memory, of one moment.
 * sysstack: lone.lock.
 */
void __systemstack stack_read_books(struct stack_books *b)
{
	s64 ready;

	lock(&lone.lock);
	ready = lone.ready;
	for (u32 i = 0; i < nallps(); i++)
		ready += atomic_load_explicit(&sched.ps[i]->stacks.ready,
					      memory_order_relaxed);
	b->global = stat_get(&stat_resident);
	unlock(&lone.lock);
	b->consistent = ready;
	b->idle = idle_bytes();
}

/*
 * stack_count_slow - the same from the slots themselves.  The world is
 * stopped, nobody grows or frees a stack in a system call, and sysmon is held.
 */
void stack_count_slow(u64 *resident, u64 *inuse)
{
	size_t cursor = 0;
	struct g *gp;

	*resident = 0;
	*inuse = 0;
	for (unsigned int class = 0; class < STACK_CLASSES; class++)
		for (u32 i = 0; i < classes[class].nslots; i++)
			*resident += slot_segment(class, i)->size;
	while ((gp = stack_next_g(&cursor)))
		for (struct segment *s = &gp->seg0; s; s = s->next)
			*inuse += s->size;
}

/*
 * stack_next_g - walk over all goroutines: start with *cursor 0, NULL at the
 * end.  What they do meanwhile is the caller's problem.
 */
struct g *stack_next_g(size_t *cursor)
{
	while (*cursor < classes[0].nslots) {
		struct g *gp = segment_first_g(slot_segment(0, (u32)*cursor));
		u32 status = g_status(gp);

		++*cursor;
		if (status != G_IDLE && status != G_DEAD)
			return gp;
	}
	return NULL;
}

/* Any context.  *slot: where the slot begins, unless STACK_NOWHERE. */
enum stack_place __no_tsan stack_classify(uintptr_t addr, uintptr_t *slot)
{
	uintptr_t off = addr - region.base, in_span;
	size_t size, guard;
	unsigned int span;

	if (!region.base || addr < region.base ||
	    off >> region.span >= REGION_SPANS)
		return STACK_NOWHERE;
	span = (unsigned int)(off >> region.span);
	in_span = off & (((uintptr_t)1 << region.span) - 1);
	size = span ? stack_class_size(span - 1) : (size_t)1 << G0_SLOT_SHIFT;
	guard = span ? STACK_GUARD_SIZE : G0_GUARD_SIZE;
	if (in_span / size >= (span ? classes[span - 1].nslots : g0_mapped))
		return STACK_NOWHERE;
	*slot = ALIGN_DOWN(addr, size);
	return addr - *slot < guard ? STACK_GUARD : STACK_INSIDE;
}

/* Of an address in a slot: is it a thread's system stack? */
bool __no_tsan stack_is_g0(uintptr_t addr)
{
	return addr - region.base < (uintptr_t)1 << region.span;
}

/*
 * stack_slot - is addr in a goroutine's slot, above its guard?  Then from
 * there to *hi is memory, whoever has it; *lo is where the slot begins.
 * Context: any, signal handlers included.
 */
bool __no_tsan stack_slot(uintptr_t addr, uintptr_t *lo, uintptr_t *hi)
{
	if (stack_classify(addr, lo) != STACK_INSIDE || stack_is_g0(addr))
		return false;
	*hi = *lo + stack_class_size((unsigned int)
				     ((addr - region.base) >> region.span) - 1);
	return true;
}

/* Addresses of our own choice, or a region the kernel chooses. */
static int region_choose(void)
{
	unsigned int span = REGION_SPAN;
	uintptr_t align = stack_class_size(STACK_CLASSES - 1);
	void *p;

	if (!vm_map(REGION_BASE, PAGE_SIZE, false)) {
		vm_unmap((void *)REGION_BASE, PAGE_SIZE);
		region.base = REGION_BASE;
		region.span = span;
		return 0;
	}
	for (; span >= REGION_SPAN_MIN; span--) {
		p = vm_reserve(((size_t)REGION_SPANS << span) + align);
		if (!p)
			continue;
		region.base = ALIGN_UP((uintptr_t)p, align);
		region.span = span;
		region.claimed = true;
		return 0;
	}
	return -ENOMEM;
}

/* Once per gort_run(), before there are goroutines.  0 or -ENOMEM. */
int stack_init(void)
{
	int err;

	if (!region.base) {
		err = region_choose();
		if (err)
			return err;
	}
	for (unsigned int i = 0; i < STACK_CLASSES; i++) {
		classes[i].lock.rank = RANK_STACK_CLASS;
		classes[i].nmax = (u32)(((u64)1 << region.span) >>
					class_shift(i));
	}
	atomic_store_explicit(&stat_peak, 0, memory_order_relaxed);
	atomic_store_explicit(&stat_in_place, 0, memory_order_relaxed);
	atomic_store_explicit(&stat_switch, 0, memory_order_relaxed);
	return 0;
}

/*
 * stack_reset - after a run, with no other thread left: all slots are free
 * and their pages the kernel's.
 */
void stack_reset(void)
{
	for (unsigned int i = 0; i < STACK_CLASSES; i++) {
		struct stack_class *c = &classes[i];
		size_t size = stack_class_size(i);

		if (!c->nslots)
			continue;
		san_stack_unpoison(slot_addr(i, 0), c->nslots * size);
		for (u32 k = 0; k < c->nslots; k++)
			c->free[k] = c->nslots - 1 - k;
		c->nfree = c->nslots;
		c->nfree_low = 0;
		free_bytes_add(c, -stat_get(&c->free_bytes));
		vm_release(slot_addr(i, 0), c->nslots * size);
	}
	atomic_store_explicit(&stat_resident, 0, memory_order_relaxed);
	lone.ready = 0;		/* the Ps are gone */
}
