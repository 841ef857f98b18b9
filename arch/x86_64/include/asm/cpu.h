/* SPDX-License-Identifier: ISC */
#ifndef ASM_CPU_H
#define ASM_CPU_H

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline u64 cpu_cycles(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a" (lo), "=d" (hi));
	return (u64)hi << 32 | lo;
}

#endif
