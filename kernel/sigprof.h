/* SPDX-License-Identifier: ISC */
/*
 * kernel/sigprof.h - what threads do with their CPU time: samples, by signal.
 */
#ifndef KERNEL_SIGPROF_H
#define KERNEL_SIGPROF_H

#include <arch/compiler.h>

struct m;

#define SIGPROF_HZ_MAX		1000
#define SIGPROF_FRAMES_MAX	128
#define SIGPROF_NO_P		UINT32_MAX

/* Where a thread was when it had used so much CPU time. */
struct cpu_sample {
	u64 cycles;		/* cpu_cycles(), */
	s64 ns;			/* and nanotime() */
	u64 goid;		/* the goroutine that ran; 0: none */
	void *label;		/* its label */
	s32 tid;
	u32 proc;		/* or SIGPROF_NO_P */
	/* Where the function returns to, minus one, if it has no frame, which
	 * only its unwind table knows; or 0. */
	uintptr_t frameless;
	u32 weight;		/* periods of CPU time it stands for, >= 1 */
	u32 n;			/* >= 1 */
	/* Innermost first: the interrupted instruction, then return addresses
	 * minus one. */
	uintptr_t pcs[SIGPROF_FRAMES_MAX];
};

/*
 * sigprof_start - take samples of all Ms, those to come as well, hz times per
 * second of CPU time; 1 <= hz <= SIGPROF_HZ_MAX.  Whoever calls these two sees
 * to it that they alternate.
 *
 * Context: goroutine.  Returns 0, -ENOMEM, or -EBUSY: where threads have no
 * timers of their own, and the process's, ITIMER_PROF, is in use.
 */
int sigprof_start(u32 hz);
void sigprof_stop(void);

/*
 * sigprof_read - give the samples taken so far to fn, each thread's in the
 * order in which it took them.  One caller at a time.  Context: goroutine.
 */
void sigprof_read(void (*fn)(struct cpu_sample *s));

/* Are there any?  Context: any thread of the runtime. */
bool sigprof_pending(void);

/* Weight of what found no room, since the run began.  Context: goroutine. */
u64 sigprof_lost(void);

/* Ms that could get no timer since the last sigprof_start(). */
u32 sigprof_untimed(void);

/*
 * sigprof_stack - where mp's thread was interrupted, innermost first, then
 * return addresses minus one; at most max.  How many?
 * Context: the handler of any signal, on that thread, with its ucontext.
 */
u32 sigprof_stack(struct m *mp, const void *uc, uintptr_t *pcs, u32 max);

/*
 * By the thread itself, which has its tid: from here on, until there.
 * Context: g0, or its own stack.
 */
void sigprof_thread_begin(struct m *mp);
void sigprof_thread_end(struct m *mp);

/* All threads but the caller's have ended. */
void sigprof_end_run(void);

#endif
