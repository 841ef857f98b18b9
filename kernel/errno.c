// SPDX-License-Identifier: ISC
/*
 * kernel/errno.c - errno of the thread that the goroutine is on.
 *
 * On its own, because it is to be a jump and nothing else: no frame, no stack
 * check, no place where the goroutine could go to another thread.
 */
#include <gort/gort.h>

#include <arch/compiler.h>

/* The C library's own, asked anew each time. */
#undef errno
__public int *gort_errno_location(void)
{
	return __errno_location();
}
