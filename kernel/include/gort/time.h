/* SPDX-License-Identifier: ISC */
/*
 * gort/time.h - sleeping and timers.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.  Nothing happens early; how late
 * depends on how soon a processor is free.  Times out of range saturate: the
 * largest is never.
 */
#ifndef GORT_TIME_H
#define GORT_TIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Now.  Context: any, also signal handlers. */
int64_t gort_now_ns(void);

/*
 * gort_sleep_ns - block the calling goroutine for ns nanoseconds at least;
 * ns <= 0 is gort_yield().
 * Context: goroutine; anywhere else a fatal error.
 */
void gort_sleep_ns(int64_t ns);

#ifdef __cplusplus
}
#endif

#endif
