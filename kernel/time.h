/* SPDX-License-Identifier: ISC */
/*
 * kernel/time.h - the clock of timers, deadlines and statistics.
 */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

#include <time.h>

#include <arch/compiler.h>

#define NSEC_PER_SEC	1000000000
#define TIME_NEVER	INT64_MAX

/* CLOCK_MONOTONIC in nanoseconds.  Any context. */
static inline s64 nanotime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (s64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

#endif
