/* SPDX-License-Identifier: ISC */
/*
 * mm/heap_section.h - locks of the heap, which threads the runtime does not
 * know take, too.
 */
#ifndef MM_HEAP_SECTION_H
#define MM_HEAP_SECTION_H

#include <arch/context.h>
#include "kernel/sched.h"

/* Run fn(arg), which takes locks: on this M's system stack, or where it
 * stands, on a thread that is no M or a goroutine in a system call. */
static inline void heap_section(void (*fn)(void *arg), void *arg)
{
	if (unlikely(systemstack(fn, arg)))
		fn(arg);
}

static inline void lock_any(struct lock *l)
{
	if (likely(getg()))
		lock(l);
	else
		lock_raw(l);
}

static inline void unlock_any(struct lock *l)
{
	if (likely(getg()))
		unlock(l);
	else
		unlock_raw(l);
}

#endif
