// SPDX-License-Identifier: ISC
/*
 * kernel/tracepoint.c - what tracepoints look at.
 */
#include "kernel/tracepoint.h"

#include <sched.h>

#include <arch/cpu.h>

const struct trace_ops *trace_ops;
_Atomic bool trace_on;
_Atomic bool trace_memory_on;
_Atomic u32 trace_gen;
_Atomic u64 trace_skipped;
_Atomic u64 trace_skipped_heap;
_Atomic bool trace_walking;

/*
 * trace_wait_writers - after a change of trace_gen: wait for the Ms that
 * have not seen it.  They are in the middle of an event, or preempted there
 * by the kernel.  Context: any.
 */
void trace_wait_writers(void)
{
	struct m *mp;

	if (lock_have_membarrier())
		lock_membarrier();
	else
		full_fence();
	mp = atomic_load_explicit(&sched.all_ms, memory_order_acquire);
	for (; mp; mp = mp->all_link)
		/* Acquire: pairs with trace_release(). */
		while (atomic_load_explicit(&mp->trace.writing,
					    memory_order_acquire)) {
			cpu_relax();
			sched_yield();
		}
}
