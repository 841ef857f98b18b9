// SPDX-License-Identifier: ISC
/*
 * mm/scavenge.c - give memory of free pages back to the kernel.
 *
 * Who does that takes one block of 2 MiB at a time out of the bitmaps, calls
 * madvise(2) without the lock, and puts it back.  So an allocation waits for
 * the lock only as long as the bits take; one that finds no memory meanwhile
 * tries again after it (pages.c).
 *
 * The background scavenger is driven by sysmon.  It walks down the heap once
 * per WALK_NS, and releases blocks that are free as a whole and were so at
 * the walk before.  After each step it rests for 99 times the CPU time of the
 * step, so it uses at most 1 % of one CPU.  A huge page of which a part is in
 * use stays whole: taking its free pages would cost the rest its speed.  Only
 * a memory limit, and who asks for everything, get those, too.
 *
 * Rejected: a goal for the memory that is retained, as Go has it; without a
 * collector there is no cycle whose peak could be foreseen.
 *
 * Locks: the page heap's.
 */
#include "mm/pages.h"

#include "kernel/time.h"
#include "mm/heap_section.h"
#include "mm/pages_state.h"
#include "mm/scavenge.h"
#include "mm/stack.h"
#include "mm/vm.h"

#define WALK_NS		((s64)NSEC_PER_SEC)
#define REST		99	/* times what a step cost */
#define BLOCKS_MOST	1024	/* looked at while the lock is held */

struct mem_book mem_background;

struct step {
	struct page_walk walk;
	enum page_idle idle;
	size_t released;	/* bytes */
};

/* The pages of a block that were taken; all of them, or false. */
static bool release_block(const struct page_block *pb)
{
	uintptr_t base = page_heap.base + (pb->page << HPAGE_SHIFT);
	bool released = true;
	unsigned int at = 0;

	while (at < BLOCK_PAGES) {
		unsigned int from = at;

		while (at < BLOCK_PAGES && pb->mask[at / 64] >> at % 64 & 1)
			at++;
		if (at == from)
			at++;
		else if (!vm_release(base + ((size_t)from << HPAGE_SHIFT),
				     (size_t)(at - from) << HPAGE_SHIFT))
			released = false;
	}
	return released;
}

static void count_released(size_t size)
{
	mem_sub(&mem_global.heap_free, size);
	mem_add(&mem_global.heap_released, size);
	mem_sub(&mem_global.mapped_ready, size);
	mem_book_add(&mem_background, (struct mem_pages){
		.committed = -(s64)size,
		.released = (s64)size,
	});
}

/*
 * Some blocks that lie together, if there are any.  The system call, without
 * the lock, interrupts the other CPUs: 45 us at p99.
 * sysstack: takes the page heap's lock.
 */
static void __systemstack step_section(void *arg)
{
	struct step *st = arg;
	struct page_block pb;
	bool found, released;

	st->released = 0;
	lock_any(&pages.lock);
	found = page_bits_take_idle(&pages.bits, &st->walk, st->idle,
				    BLOCKS_MOST, &pb);
	pages.scavenging += found;
	unlock_any(&pages.lock);
	if (!found)
		return;
	released = release_block(&pb);
	lock_any(&pages.lock);
	page_bits_give_idle(&pages.bits, &pb, released);
	if (released) {
		st->released = pb.n << HPAGE_SHIFT;
		count_released(st->released);
	}
	pages.scavenging--;
	unlock_any(&pages.lock);
}

static size_t all_blocks(void)
{
	return atomic_load_explicit(&page_heap.mapped, memory_order_relaxed) /
	       (BLOCK_PAGES << HPAGE_SHIFT);
}

/* A walk over the heap, until n bytes are released. */
static size_t scavenge(size_t n, enum page_idle idle)
{
	struct step st = { .walk.block = all_blocks(), .idle = idle };
	size_t sum = 0;

	while (st.walk.block && sum < n) {
		heap_section(step_section, &st);
		sum += st.released;
	}
	return sum;
}

size_t pages_scavenge(size_t n)
{
	size_t sum = scavenge(n, IDLE_WHOLE);

	if (n == SIZE_MAX)
		sum += scavenge(n, IDLE_ANY);
	return sum;
}

void scavenge_for_limit(void)
{
	u64 limit = mem_get(&mem_global.limit), ready;
	struct stack_stats stacks;
	size_t sum;

	if (likely(limit == UINT64_MAX) ||
	    atomic_load_explicit(&pages.dry, memory_order_relaxed))
		return;
	stack_read_stats(&stacks);
	ready = mem_get(&mem_global.mapped_ready) + mem_get(&mem_other) +
		stacks.resident;
	if (ready <= limit)
		return;
	/* Pages that are freed from now on are not released. */
	atomic_store_explicit(&pages.dry, true, memory_order_relaxed);
	sum = scavenge(ready - limit, IDLE_WHOLE);
	if (sum < ready - limit)
		sum += scavenge(ready - limit - sum, IDLE_ANY);
	if (sum >= ready - limit)
		atomic_store_explicit(&pages.dry, false,
				      memory_order_relaxed);
}

/* Of the background scavenger; sysmon's. */
static struct {
	struct step step;	/* walk.block is 0: between two walks */
	s64 begun;		/* the last walk */
	s64 next;		/* not before */
	s64 wanted;		/* if nothing happens meanwhile */
} background = { .step.idle = IDLE_AGED };

/* Of this thread, in nanoseconds: others may have the CPU meanwhile. */
static s64 cputime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (s64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

s64 __systemstack scavenge_tick(s64 now)
{
	struct step *st = &background.step;
	s64 begin;

	if (now < background.next)
		return background.wanted;
	begin = cputime();
	if (!st->walk.block) {
		st->walk = (struct page_walk){ .block = all_blocks() };
		background.begun = nanotime();
	}
	step_section(st);
	background.next = nanotime() + REST * (cputime() - begin);
	background.wanted = background.next;
	if (!st->walk.block) {
		background.next = background.begun + WALK_NS;
		background.wanted = st->walk.young ? background.next :
						     TIME_NEVER;
	}
	return background.wanted;
}
