/* SPDX-License-Identifier: ISC */
#ifndef ASM_CPU_H
#define ASM_CPU_H

/*
 * "yield" is a no-op on nearly every core; "isb" waits about as long as
 * "pause" does on x86-64.
 */
static inline void cpu_relax(void)
{
	__asm__ volatile("isb" ::: "memory");
}

/* No isb before it: may be read a few instructions early, as rdtsc may. */
static inline u64 cpu_cycles(void)
{
	u64 v;

	__asm__ volatile("mrs	%0, cntvct_el0" : "=r" (v));
	return v;
}

#endif
