/* SPDX-License-Identifier: ISC */
/*
 * kernel/schedtrace.h - GORTDEBUG=schedtrace=MS[,scheddetail=1].
 */
#ifndef KERNEL_SCHEDTRACE_H
#define KERNEL_SCHEDTRACE_H

#include "kernel/debug.h"

static inline bool schedtrace_wanted(void)
{
	return debug.schedtrace;
}

/* Print the state of the scheduler if it is time for it.  sysmon. */
void schedtrace_tick(s64 now);
void schedtrace_begin_run(s64 now);

#endif
