// SPDX-License-Identifier: ISC
/*
 * arm64/cpu.c - the guard word, cycle counter frequency, state saving, signal
 * frames.
 */
#define _GNU_SOURCE
#include <arch/cpu.h>

#include <asm/hwcap.h>
#include <sys/auxv.h>
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
u64 cpu_cycles_hz_told(void)
{
	u64 hz;

	__asm__("mrs	%0, cntfrq_el0" : "=r" (hz));
	return hz;
}

/* The system counter (Arm ARM, D12.1). */
bool cpu_cycles_steady(void)
{
	return true;
}

uintptr_t __no_tsan sigcontext_pc(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.pc;
}

uintptr_t __no_tsan sigcontext_sp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.sp;
}

uintptr_t __no_tsan sigcontext_fp(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.regs[29];
}

uintptr_t __no_tsan __no_asan sigcontext_return_pc(const void *uc)
{
	return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.regs[30];
}
