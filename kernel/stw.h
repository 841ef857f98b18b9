/* SPDX-License-Identifier: ISC */
/*
 * kernel/stw.h - stopping the world: no goroutine runs but the caller.
 */
#ifndef KERNEL_STW_H
#define KERNEL_STW_H

#include "kernel/sched.h"

/*
 * Why: the reason, its name in traces, as Go has it where Go has it, and in
 * metrics.  By the last of these in alphabetical order.
 */
#define STW_REASONS(X)							\
	X(STW_FREE_OS_MEMORY, "free OS memory", "free-os-memory")	\
	X(STW_MAXPROCS, "GOMAXPROCS", "gomaxprocs")			\
	X(STW_READ_MEMSTATS, "read memstats", "read-memstats")		\
	X(STW_STACK_DUMP, "stack dump", "stack-dump")			\
	X(STW_TRACE_START, "start trace", "start-trace")		\
	X(STW_TEST, "test", "test")

enum stw_reason {
#define STW_ENUM(reason, name, metric)	reason,
	STW_REASONS(STW_ENUM)
#undef STW_ENUM
	NR_STW_REASONS
};

/* What the profiler of non-preemptible sections tells apart. */
enum stw_phase {
	STW_ALL,
	STW_STOPPING,		/* from the request until it has stopped */
	STW_STOPPED,		/* from then until it has gone on */
	NR_STW_PHASES
};

/* Of what such a section is of: the reason, with the phase if not all. */
const char *stw_what_name(uintptr_t what);

/* How long the world took to stop, and until it went on. */
struct stw_pauses {
	struct time_sum stopping, total;
};

/* Written by who has stopped the world, read by goroutines. */
extern struct stw_pauses stw_pauses[NR_STW_REASONS];

/*
 * stw_begin - stop all other goroutines.  Until stw_end() the caller is not
 * preempted and must not block; goroutines in system calls stay there.
 * Context: goroutine.  Blocks while somebody else has stopped the world.
 */
void stw_begin(enum stw_reason why);
void stw_end(void);

/*
 * stw_prevent - nobody stops the world until stw_allow().
 * Context: goroutine.  Blocks.
 */
void stw_prevent(void);
void stw_allow(void);

/* The world is stopped: from now on there are n Ps.  0 or -ENOMEM. */
int stw_set_procs(u32 n);

void stw_begin_run(void);

#endif
