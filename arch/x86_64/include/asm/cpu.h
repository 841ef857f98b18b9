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

/* One instruction, without lock: compilers make three of the generic one.
 * ThreadSanitizer would not see it. */
#ifndef GORT_TSAN
#define count_add	count_add
static inline void count_add(_Atomic u64 *c, u64 n)
{
	__asm__("addq	%1, %0" : "+m" (*(u64 *)c) : "er" (n) : "cc");
}
#endif

#endif
