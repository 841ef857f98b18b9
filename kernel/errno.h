/* SPDX-License-Identifier: ISC */
/*
 * kernel/errno.h - errno in the runtime: instead of <errno.h>.
 *
 * The C library declares that a function never sees another address of
 * errno.  So compilers look it up once, and what runs on a goroutine's stack,
 * calls something with a stack check, comes back on another thread, and then
 * puts its saved errno back, changes that of whatever goroutine is on the
 * first thread now.  Here it is looked up at each use, as in programs by
 * <gort/gort.h>.
 *
 * A value of errno stays good across switches: it belongs to the goroutine.
 *
 * tests/build/test_symbols.sh knows who uses the library's.
 */
#ifndef KERNEL_ERRNO_H
#define KERNEL_ERRNO_H

#include <errno.h>

int *gort_errno_location(void);
#undef errno
#define errno	(*gort_errno_location())

#endif
