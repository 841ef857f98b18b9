/* SPDX-License-Identifier: ISC */
/*
 * gort/profile.h - what the program does with its CPU time.
 *
 * A profile says which functions ran, called by which, in proportion to the
 * CPU time they took; `go tool pprof FILE` and everything else that reads
 * pprof's format shows it.
 *
 * A whole program is profiled without a change to it by
 *
 *	GORTCPUPROFILE=FILE[,hz=N]
 *
 * from the beginning of gort_run() until the first goroutine's function
 * returns, or a goroutine calls exit(); a program that ends otherwise leaves
 * an empty file.
 *
 * How it works: each thread of the runtime gets SIGPROF when it has used
 * 1/hz s of CPU time.  The time is counted by the kernel at its own tick, so
 * that above 250 or so samples come no more often, but count for more.  Code
 * compiled without frame pointers, such as libc's, hides some of its callers,
 * unless it is a leaf.
 *
 * From the first profile of a run to the run's end SIGPROF is the runtime's: a
 * handler that there was before is called for signals that have another cause;
 * if there was none these are dropped.
 */
#ifndef GORT_PROFILE_H
#define GORT_PROFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most samples per second of CPU time. */
#define GORT_CPUPROFILE_HZ_MAX	1000

/**
 * gort_cpuprofile_start() - begin to take samples of all threads that run
 * goroutines, and of the runtime's own.
 * @fd: a file, pipe or socket, where gort_cpuprofile_stop() writes the
 *      profile; stays the caller's, who must leave it open until then.  -1: no
 *      profile; the samples are for a trace (gort/trace.h)
 * @hz: samples per second of CPU time; 0: 100
 *
 * A profile that runs when the first goroutine's function returns is stopped
 * then, and written.
 *
 * Returns 0; -EBUSY if a profile runs already, or where threads have no timers
 * of their own and the program uses ITIMER_PROF; -EINVAL if hz is above
 * GORT_CPUPROFILE_HZ_MAX; -EBADF if fd is neither open for writing nor -1;
 * -EPERM outside a goroutine; -ENOMEM.
 * Context: goroutine.  May block.
 */
int gort_cpuprofile_start(int fd, unsigned int hz);

/**
 * gort_cpuprofile_stop() - end the profile; all of it is in fd when this
 * returns.
 *
 * Returns 0; -EINVAL if none runs or another goroutine is stopping it; -EPERM
 * outside a goroutine; else the profile is incomplete, but has ended: -ENOMEM,
 * or what write(2) gave, such as -ENOSPC.
 * Context: goroutine.  Blocks.
 */
int gort_cpuprofile_stop(void);

/*
 * Since the last gort_cpuprofile_start(); of a profile that runs they may be
 * late by a tenth of a second.  What was lost is in the profile as a function
 * of that name, gort_lost_samples.
 */
struct gort_cpuprofile_stats {
	uint64_t samples;	/* periods of CPU time that were seen */
	uint64_t lost;		/* and those for which there was no room: a
				 * thread's buffer, or 64 MiB of stacks */
	uint64_t untimed;	/* threads that could get no timer, so were
				 * not seen: see RLIMIT_SIGPENDING */
	unsigned int hz;	/* 0: no profile runs */
};

/**
 * gort_cpuprofile_read_stats() - how much was seen.  Context: any.
 */
void gort_cpuprofile_read_stats(struct gort_cpuprofile_stats *out);

/* Bytes of the labels of one goroutine, with a NUL for each key and value. */
#define GORT_LABELS_SIZE_MAX	1024

/**
 * gort_label_set() - label the calling goroutine: key is value from now on.
 * @key: not empty
 * @value: NULL: remove the label
 *
 * Profiles tell the time of different labels apart (`pprof -tags`), and traces
 * show the value.  Goroutines inherit the labels of the one that starts them,
 * as they are then.  Both strings are copied.
 *
 * Meant for labels of which there are few: each set of labels that a goroutine
 * ever had takes memory until the run ends, up to 16 MiB in all.
 *
 * Returns 0; -EINVAL for a key that is NULL or empty; -E2BIG if the
 * goroutine's labels took more than GORT_LABELS_SIZE_MAX bytes; -ENOMEM, also
 * when those 16 MiB are used up; -EPERM outside a goroutine.  On errors the
 * labels stay as they are.
 * Context: goroutine.  Does not block.
 */
int gort_label_set(const char *key, const char *value);

/**
 * gort_label_get() - the value of the calling goroutine's label into buf, as
 * far as it fits in size bytes; terminated, if size is not 0.
 *
 * Returns its length, as snprintf(); -ENOENT if there is no such label;
 * -EINVAL for NULL where something must be; -EPERM outside a goroutine.
 * Context: goroutine.  Does not block.
 */
ssize_t gort_label_get(const char *key, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
