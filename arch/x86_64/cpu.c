// SPDX-License-Identifier: ISC
/*
 * x86_64/cpu.c - cycle counter frequency, state saving, signal frames.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>

#include <cpuid.h>
#include <ucontext.h>

bool x86_has_xsave;

void cpu_init(void)
{
	u32 a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d))
		x86_has_xsave = c & bit_OSXSAVE;
}

/*
 * CPUID leaf 0x15 gives the ratio of the TSC to the crystal (Intel SDM,
 * volume 2A), leaf 0x40000010 the TSC frequency in kHz under VMware and KVM.
 * Many CPUs have neither.
 */
u64 cpu_cycles_hz_told(void)
{
	u32 a, b, c, d;

	if (__get_cpuid(0x15, &a, &b, &c, &d) && a && b && c)
		return (u64)c * b / a;
	if (__get_cpuid(1, &a, &b, &c, &d) && c & (1u << 31)) {
		__cpuid(0x40000000, a, b, c, d);
		if (a >= 0x40000010 && a < 0x40010000) {
			__cpuid(0x40000010, a, b, c, d);
			return (u64)a * 1000;
		}
	}
	return 0;
}

/* Leaf 0x80000007: "invariant TSC" (Intel SDM volume 3B, 18.17.1). */
bool cpu_cycles_steady(void)
{
	u32 a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1u << 8;
}

uintptr_t __no_tsan sigcontext_pc(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
}

uintptr_t __no_tsan sigcontext_sp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RSP];
}

uintptr_t __no_tsan sigcontext_fp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RBP];
}

uintptr_t __no_tsan __no_asan sigcontext_return_pc(const void *uc)
{
	return *(uintptr_t *)sigcontext_sp(uc);
}
