/* SPDX-License-Identifier: ISC */
/*
 * kernel/stw.h - stopping the world: no goroutine runs but the caller.
 */
#ifndef KERNEL_STW_H
#define KERNEL_STW_H

#include "kernel/sched.h"

enum stw_reason {
	STW_MAXPROCS,
	STW_STACK_DUMP,
	STW_TRACE_START,
	STW_FREE_OS_MEMORY,
	STW_READ_MEMSTATS,
	STW_TEST,
	NR_STW_REASONS
};

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
