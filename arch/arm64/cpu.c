// SPDX-License-Identifier: ISC
/*
 * arm64/cpu.c - the guard word, cycle counter frequency, state saving, signal
 * frames.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>

#include <asm/hwcap.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <time.h>
#include <ucontext.h>

/*
 * What the stack check compares with; 0 on threads the runtime does not know.
 * Exported: every checked object refers to it by name.  Only assembly reads
 * or writes it, see <asm/tls.h>.
 */
__public __thread uintptr_t __morestack_guard
	__attribute__((tls_model("initial-exec")));

bool arm64_has_sve;

void cpu_init(void)
{
	arm64_has_sve = getauxval(AT_HWCAP) & HWCAP_SVE;
}

/* Firmware says it, or forgets to; some emulators say 0 as well. */
static u64 counter_hz_from_cntfrq(void)
{
	u64 hz;

	__asm__("mrs	%0, cntfrq_el0" : "=r" (hz));
	return hz;
}

static u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static u64 counter_hz_measured(void)
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
	v = counter_hz_from_cntfrq();
	if (!v)
		v = counter_hz_measured();
	atomic_store_explicit(&hz, v, memory_order_relaxed);
	return v;
}

uintptr_t sigcontext_pc(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.pc;
}

uintptr_t sigcontext_sp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.sp;
}

uintptr_t sigcontext_fp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.regs[29];
}

uintptr_t sigcontext_return_pc(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.regs[30];
}
