/* SPDX-License-Identifier: ISC */
/*
 * mm/scavenge.h - the background scavenger.
 */
#ifndef MM_SCAVENGE_H
#define MM_SCAVENGE_H

#include <arch/compiler.h>

/*
 * scavenge_tick - time goes by.  Returns when to call again at the latest, or
 * TIME_NEVER when nothing will be left to release unless somebody frees.
 * sysstack: takes the page heap's lock.  One caller: sysmon.
 */
s64 scavenge_tick(s64 now);

#endif
