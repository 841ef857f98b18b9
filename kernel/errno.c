// SPDX-License-Identifier: ISC
/*
 * kernel/errno.c - errno of the thread that the goroutine is on.
 *
 * On its own, because unlike other public functions it is to be a jump where
 * the compiler optimises: no frame, so no stack check.
 */
#include <gort/gort.h>

#include <arch/compiler.h>

/* The C library's own, asked anew each time. */
#undef errno
__public int *gort_errno_location(void)
{
	return __errno_location();
}
