/* SPDX-License-Identifier: ISC */
/*
 * kernel/sysmon.h - the thread that watches the others.
 */
#ifndef KERNEL_SYSMON_H
#define KERNEL_SYSMON_H

#include <arch/compiler.h>

int sysmon_start(void);
void sysmon_stop(void);

/* A P is busy again.  Cheap when sysmon is awake.  Context: any. */
void sysmon_wake(void);

/*
 * sysmon_hold - it does nothing until sysmon_let_go().
 * sysstack: waits for its lock, which it holds while it works.
 */
void sysmon_hold(void);
void sysmon_let_go(void);

/* For schedtrace: the slice of P i began then; was asked to end then, or 0. */
s64 sysmon_slice_begun(u32 i);
s64 sysmon_slice_asked(u32 i);

#endif
