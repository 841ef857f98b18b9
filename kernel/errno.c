// SPDX-License-Identifier: ISC
/*
 * kernel/errno.c - errno of the thread that the goroutine is on.
 *
 * On its own, because unlike other public functions it is to be a jump where
 * the compiler optimises.
 */
#include "kernel/errno.h"

#include <arch/compiler.h>

/*
 * The C library's own, asked anew each time.
 *
 * nosplit: signal handlers and code that must not switch ask for it, too.
 */
__public int * __nosplit __no_tsan gort_errno_location(void)
{
	return __errno_location();
}
