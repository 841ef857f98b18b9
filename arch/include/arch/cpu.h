/* SPDX-License-Identifier: ISC */
/*
 * arch/cpu.h - small things a CPU can do.
 *
 *	void cpu_relax(void)		in a spin loop
 *	u64 cpu_cycles(void)		monotonic on one CPU, not serialising
 *	u64 cpu_cycles_hz_told(void)	its frequency, 0 if the CPU does not say
 *	bool cpu_cycles_steady(void)	at one frequency, and the same on all CPUs
 *	void cpu_init(void)		once, before the first goroutine
 *
 * And of a signal frame:
 *	sigcontext_{pc,sp,fp}(const void *ucontext)
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <stdatomic.h>

#include <arch/compiler.h>

#include <asm/cpu.h>

/*
 * count_add - add to a counter that one thread writes and others read: they
 * see it before or after, and no order is implied.
 */
#ifndef count_add
static inline void count_add(_Atomic u64 *c, u64 n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed)
			      + n, memory_order_relaxed);
}
#endif

u64 cpu_cycles_hz_told(void);
bool cpu_cycles_steady(void);
u64 cpu_cycles_hz(void);	/* never 0 */
void cpu_init(void);
uintptr_t sigcontext_pc(const void *uc);
uintptr_t sigcontext_sp(const void *uc);
uintptr_t sigcontext_fp(const void *uc);

/*
 * Where the function that the signal interrupted at its first instruction
 * returns to.  May read the stack: check that the sp is good first.
 */
uintptr_t sigcontext_return_pc(const void *uc);

#endif
