/* SPDX-License-Identifier: ISC */
/*
 * kernel/sigurg.h - the signal that stops goroutines.
 */
#ifndef KERNEL_SIGURG_H
#define KERNEL_SIGURG_H

/* For the time of a run. */
void sigurg_install(void);
void sigurg_restore(void);

/* Our handler is in place, whatever the user did.  Any thread. */
void sigurg_reclaim(void);

#endif
