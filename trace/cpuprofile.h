/* SPDX-License-Identifier: ISC */
/*
 * trace/cpuprofile.h - the CPU profiler, for the tracer.
 */
#ifndef TRACE_CPUPROFILE_H
#define TRACE_CPUPROFILE_H

#include "kernel/sigprof.h"

/*
 * cpuprofile_drain - take the samples there are out of the threads' buffers,
 * into the profile and to cpuprofile_sink.  Context: goroutine.  Blocks.
 */
void cpuprofile_drain(void);

/*
 * Gets every sample, if it is not NULL: on a goroutine, from cpuprofile_drain()
 * or such, one at a time.  May be set at any time; when a cpuprofile_drain()
 * that began after that has returned, the one before is called no more.
 */
typedef void cpuprofile_sink_fn(const struct cpu_sample *s);
extern _Atomic(cpuprofile_sink_fn *) cpuprofile_sink;

/*
 * cpuprofile_tick - sysmon, now and then: wakes the goroutine that drains.
 * When to call again at the latest.
 */
s64 cpuprofile_tick(s64 now);

/*
 * The first goroutine, before and after the program's function: a profile by
 * GORTCPUPROFILE, and the end of any that runs.
 */
void cpuprofile_run_begin(void);
void cpuprofile_run_end(void);

#endif
