// SPDX-License-Identifier: ISC
/*
 * mm/shrink.c - taking back stack that goroutines no longer use.
 *
 * A stack is shrunk by its owner only: by the goroutine itself, from g0, or
 * by who has suspended it.  Segments deeper than the one it runs on are
 * freed; of that one, what lies far below the stack pointer goes back to the
 * kernel, if it is at least three quarters of what was touched.  Not if the
 * goroutine is in a system call, or only said to wait: then code that we know
 * nothing of runs below.  Nor if it does not stop for PATIENCE_NS: it may
 * sleep in a system call that nobody announced, until another goroutine does
 * something for which there is no P but ours.
 *
 * The scan goes through all goroutines, one at a time; in between it can be
 * preempted.  It runs in the caller of gort_stack_shrink(), and when stacks
 * have doubled since the last scan, in a goroutine of the runtime's.
 */
#include <gort/gort.h>

#include "kernel/proc.h"
#include "kernel/suspend.h"
#include "mm/stack.h"
#include "mm/vm.h"

#define SHRINK_MIN	((size_t)16 << 10)	/* nothing to gain below */

/* One that runs is asked to stop again and again, for 10 ms in all; between
 * two times others may run here. */
#define PATIENCE_NS	25000
#define TRIES		400
#define SCAN_MIN	((u64)8 << 20)

static _Atomic u64 inuse_after_scan;
static _Atomic u64 nscans;

/* Smallest power of two that leaves as much again as is used. */
static size_t shrunk_size(size_t used)
{
	size_t size = PAGE_SIZE;

	while (size < 2 * used)
		size *= 2;
	return size;
}

/*
 * The caller owns gp, which is off its stack.  Bytes given back; 0: there is
 * nothing left to give.
 *
 * One stretch of memory at a time, since meanwhile neither the caller nor gp
 * can run: the kernel makes the other CPUs forget each, and that takes 15 us
 * on a virtual machine.
 *
 * gp->seg decides, not the stack pointer: a goroutine that was stopped in
 * newstack() is about to go on in a segment deeper than its stack pointer.
 */
static size_t __systemstack stack_shrink_g(struct g *gp)
{
	struct segment *seg = gp->seg, *last = seg;
	size_t used, bytes;

	for (struct segment *s = seg->next; s; s = s->next) {
		if (segment_contains(s, gp->ctx.sp))
			return 0;	/* jumped there by means of its own */
		last = s;
	}
	if (last != seg) {
		bytes = last->size;
		segment_free_deeper(getm()->p, last->prev);
		return bytes;
	}
	if (!segment_contains(seg, gp->ctx.sp))
		return 0;
	used = segment_end(seg) - gp->ctx.sp;
	if (seg->size > SHRINK_MIN && used <= seg->size / 4)
		return segment_shrink(seg, shrunk_size(used));
	return 0;
}

static __g0_noreturn void shrink_self_m(struct g *gp)
{
	stack_shrink_g(gp);
	nonpreempt_back(gp->m);
	san_switch(gp);
	arch_gogo(gp);
}

static size_t stack_size(const struct g *gp)
{
	size_t bytes = 0;

	for (const struct segment *s = &gp->seg0; s; s = s->next)
		bytes += s->size;
	return bytes;
}

/* The caller's own, with its M locked. */
static size_t shrink_self(void)
{
	size_t before = stack_size(getg()), after;

	mcall(shrink_self_m);
	after = stack_size(getg());
	/* With maymorestack=move these calls take segments themselves. */
	return after < before ? before - after : 0;
}

struct one {
	struct g *gp;
	size_t bytes;
	struct suspended s;
};

/* sysstack: owns another goroutine's stack. */
static void __systemstack shrink_one(void *arg)
{
	struct one *one = arg;
	struct g *self = getg();

	suspend_begin(self, WAIT_STACK_SCAN);
	one->bytes = 0;
	if (suspend_g(one->gp, &one->s, PATIENCE_NS)) {
		if (suspended_off_stack(&one->s))
			one->bytes = stack_shrink_g(one->gp);
		resume_g(&one->s);
	}
	suspend_end(self);
}

/* All that it can give back. */
static size_t shrink(struct g *gp)
{
	struct one one = { .gp = gp };
	size_t bytes = 0;
	u32 tries = 0;

	do {
		struct m *mp = acquirem();

		if (gp == getg())
			one.bytes = shrink_self();
		else
			systemstack(shrink_one, &one);
		releasem(mp);
		bytes += one.bytes;
	} while (one.bytes || (one.s.status == G_RUNNING && ++tries < TRIES));
	return bytes;
}

static s64 scan(void)
{
	struct stack_stats st;
	size_t cursor = 0, bytes = 0;
	struct g *gp;

	status_gate_open();
	while ((gp = stack_next_g(&cursor)))
		bytes += shrink(gp);
	status_gate_close();
	stack_read_stats(&st);
	atomic_store_explicit(&inuse_after_scan, st.inuse,
			      memory_order_relaxed);
	atomic_fetch_add_explicit(&nscans, 1, memory_order_relaxed);
	return (s64)bytes;
}

/* How many there were.  Context: any. */
u64 stack_scans(void)
{
	return atomic_load_explicit(&nscans, memory_order_relaxed);
}

/* sysmon: is it time for a scan? */
bool stack_scan_due(void)
{
	u64 last = atomic_load_explicit(&inuse_after_scan,
					memory_order_relaxed);
	struct stack_stats st;

	stack_read_stats(&st);
	return st.inuse >= SCAN_MIN && st.inuse >= 2 * last;
}

/* The goroutine that is started then. */
void stack_scan(void *arg)
{
	(void)arg;
	scan();
}

__public int64_t gort_stack_shrink(void)
{
	if (!in_goroutine())
		return -EPERM;
	return scan();
}
