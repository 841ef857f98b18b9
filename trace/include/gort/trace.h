/* SPDX-License-Identifier: ISC */
/*
 * gort/trace.h - record what the scheduler does, as a Go execution trace.
 *
 * `go tool trace FILE` and everything else that reads Go's traces shows it.
 * A whole program is traced without a change to it by GORTTRACE=FILE.
 */
#ifndef GORT_TRACE_H
#define GORT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gort_trace_opts {
	/*
	 * Of the format: 23, which Go 1.23 and later read; or 26, for Go 1.26
	 * and later, which says what time it is on the wall and marks the end
	 * of each generation.  0: GORTDEBUG=traceversion=, else 23.
	 */
	unsigned int version;

	/*
	 * Bytes that may wait to be written before tracing ends with
	 * -ENOBUFS.  0: GORTDEBUG=tracebuflimit=, else 256 MiB.
	 */
	size_t buffer_limit;
};

/**
 * gort_trace_start() - begin to write a trace.
 * @fd: a file, pipe or socket; stays the caller's, who must leave it alone
 *      and open until gort_trace_stop() has returned
 * @opts: NULL: as if all 0
 *
 * The world is stopped for a moment.  The trace ends at gort_trace_stop(),
 * or by itself with the run, or when fd takes no more.  A thread of its own
 * writes, so a slow fd holds nobody up.
 *
 * Returns 0; -EBUSY if a trace runs, or has ended by itself and nobody has
 * called gort_trace_stop() since; -EINVAL for an unknown version or
 * a limit below 1 MiB; -EBADF if fd is not open for writing; -EPERM outside a
 * goroutine; -ENOMEM, -EAGAIN (no thread).
 * Context: goroutine.  Blocks.
 */
int gort_trace_start(int fd, const struct gort_trace_opts *opts);

/**
 * gort_trace_stop() - end the trace; all of it is in fd when this returns, so
 * it takes as long as fd does: with a pipe that nobody reads, for ever.  So
 * does the end of the run.
 *
 * Returns 0, or why tracing ended before: -ENOBUFS (fd was slower than the
 * program), or what write(2) gave, such as -ENOSPC or -EPIPE.  A file then
 * ends with the last generation that is complete: whatever could be kept can
 * be read.  -EINVAL if no trace runs or another goroutine is stopping it;
 * -EPERM outside a goroutine.
 * Context: goroutine.  Blocks.
 */
int gort_trace_stop(void);

/**
 * gort_trace_enabled() - does a trace run?
 * For programs that would compute what they log.  Context: any.
 */
bool gort_trace_enabled(void);

/* Since the last gort_trace_start(); counts of a trace that runs may be late. */
struct gort_trace_stats {
	uint64_t generations;	/* complete in fd */
	uint64_t bytes;		/* written to fd */
	uint64_t skipped;	/* memory events that fell into the tracer itself,
				 * or of threads that are not the runtime's */
	uint64_t skipped_heap;	/* of these, spans and objects: 0 means that
				 * those of the trace are complete */
	uint64_t dropped;	/* events lost to the buffer limit */
	uint64_t longest_ns;	/* the tracer kept a goroutine from being
				 * preempted at a stretch */
};

/**
 * gort_trace_read_stats() - how much was traced.  Context: any.
 */
void gort_trace_read_stats(struct gort_trace_stats *out);

/*
 * What the program itself has to say.  All of these do nothing while no trace
 * runs, and outside goroutines.  Strings are copied; of each the first 1024
 * bytes count.  NULL is "".  Context: any; may not block.
 */

/**
 * gort_trace_task_begin() - one logical operation begins.
 * @parent: the task it is part of; 0: none
 * @name: what kind of task
 * Returns its id, never 0, traced or not.
 */
uint64_t gort_trace_task_begin(uint64_t parent, const char *name);

/**
 * gort_trace_task_end() - it is over.  Any goroutine may say so.
 */
void gort_trace_task_end(uint64_t task);

/**
 * gort_trace_region_begin() - an interval of this goroutine's time begins.
 * @task: what it is for; 0: nothing special
 * @name: what is done
 *
 * Regions nest.  Each must be ended by the goroutine that began it, the last
 * one first, with the same task and name.
 */
void gort_trace_region_begin(uint64_t task, const char *name);
void gort_trace_region_end(uint64_t task, const char *name);

/**
 * gort_trace_log() - a message, at this moment.
 * @task: what it is about; 0: nothing special
 * @category: few different ones, to filter by; or ""
 * @message: anything
 */
void gort_trace_log(uint64_t task, const char *category, const char *message);

/**
 * gort_trace_logf() - the same, with a message as by printf(3).
 * Nothing is formatted while no trace runs.
 */
void gort_trace_logf(uint64_t task, const char *category, const char *format,
		     ...) __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
