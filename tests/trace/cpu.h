/* SPDX-License-Identifier: ISC */
/*
 * tests/trace/cpu.h - goroutines that use CPU time, measured by the clock that
 * the profiler samples.
 *
 * Without a call to anything with a stack check between two looks at the
 * thread's clock a goroutine is on one thread, alone: one that is stopped there
 * by signal keeps its thread.  So what it used is known to the nanosecond.
 */
#ifndef TESTS_TRACE_CPU_H
#define TESTS_TRACE_CPU_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/spin.h"

static always_inline int64_t cpu_now(void)
{
	struct timespec ts;

	/* No sanitizer's, no cancellation point: libc's own code only. */
	syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* A millisecond or so at a time. */
static always_inline int64_t cpu_use(int64_t ns)
{
	int64_t used = 0;

	while (used < ns) {
		int64_t start = cpu_now(), now;

		do {
			spin_times(10000);
			now = cpu_now();
		} while (now - start < 1000000 && used + now - start < ns);
		used += now - start;
	}
	return used;
}

#endif
