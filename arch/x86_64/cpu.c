// SPDX-License-Identifier: ISC
/*
 * x86_64/cpu.c - cycle counter frequency, state saving, signal frames.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>

#include <cpuid.h>
#include <stdatomic.h>
#include <time.h>
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
 * Many CPUs have neither: then the counter is timed against the clock.
 */
static u64 tsc_hz_from_cpuid(void)
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

static u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static u64 tsc_hz_measured(void)
{
	u64 t0 = clock_ns(), c0 = cpu_cycles(), t1;

	do
		t1 = clock_ns();
	while (t1 - t0 < 10000000);
	return (cpu_cycles() - c0) * 1000000000 / (t1 - t0);
}

/* Any thread, any stack of 8 KiB; the first call may take 10 ms. */
u64 cpu_cycles_hz(void)
{
	static _Atomic u64 hz;
	u64 v = atomic_load_explicit(&hz, memory_order_relaxed);

	if (v)
		return v;
	v = tsc_hz_from_cpuid();
	if (!v)
		v = tsc_hz_measured();
	atomic_store_explicit(&hz, v, memory_order_relaxed);
	return v;
}

uintptr_t sigcontext_pc(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
}

uintptr_t sigcontext_sp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RSP];
}

uintptr_t sigcontext_fp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RBP];
}

uintptr_t sigcontext_return_pc(const void *uc)
{
	return *(uintptr_t *)sigcontext_sp(uc);
}
