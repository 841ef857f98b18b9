// SPDX-License-Identifier: ISC
/*
 * x86_64/preempt.c - a signal frame on the goroutine's stack.
 *
 * What lies below the interrupted stack pointer, from high to low:
 *
 *	red zone, 128 bytes
 *	frame record: %rbp, pc + 1	<- %rbp of async_preempt
 *	floating-point and vector state as the kernel saved it, 64-aligned
 *	ucontext			<- %rsp of async_preempt, 64-aligned
 */
#define _GNU_SOURCE
#include <arch/preempt.h>

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define RED_ZONE	128
#define EFLAGS_TF	0x100
#define EFLAGS_DF	0x400

struct frame_record {
	uintptr_t fp;
	uintptr_t pc;
};

/* The kernel's struct ucontext: glibc's goes on behind the signal mask. */
#define KERNEL_UC_SIZE	(offsetof(ucontext_t, uc_sigmask) + sizeof(u64))

/* Bytes of vector state; the kernel leaves a note in the FXSAVE area. */
static size_t fp_size(const ucontext_t *uc)
{
	const char *fp = (const char *)uc->uc_mcontext.fpregs;
	struct _fpx_sw_bytes sw;

	if (!fp)
		return 0;
	memcpy(&sw, fp + sizeof(struct _fpstate) - sizeof(sw), sizeof(sw));
	return sw.magic1 == FP_XSTATE_MAGIC1 ? sw.extended_size :
					       sizeof(struct _fpstate);
}

size_t sigcontext_call_size(const void *arg)
{
	return RED_ZONE + sizeof(struct frame_record) + fp_size(arg) +
	       KERNEL_UC_SIZE + 2 * 64;
}

void sigcontext_call(void *arg, void (*fn)(void))
{
	ucontext_t *uc = arg, *copy;
	greg_t *regs = uc->uc_mcontext.gregs;
	size_t size = fp_size(uc);
	struct frame_record *rec;
	uintptr_t sp, fp;

	sp = ALIGN_DOWN((uintptr_t)regs[REG_RSP] - RED_ZONE, 16);
	rec = (struct frame_record *)sp - 1;
	fp = ALIGN_DOWN((uintptr_t)rec - size, 64);
	copy = (ucontext_t *)ALIGN_DOWN(fp - KERNEL_UC_SIZE, 64);

	/* Walkers take 1 off, as from a return address. */
	*rec = (struct frame_record){ (uintptr_t)regs[REG_RBP],
				      (uintptr_t)regs[REG_RIP] + 1 };
	memcpy((void *)copy, uc, KERNEL_UC_SIZE);
	if (size) {
		memcpy((void *)fp, uc->uc_mcontext.fpregs, size);
		copy->uc_mcontext.fpregs = (fpregset_t)fp;
	}
	regs[REG_RSP] = (greg_t)copy;
	regs[REG_RBP] = (greg_t)rec;
	regs[REG_RIP] = (greg_t)fn;
	regs[REG_EFL] &= ~(EFLAGS_TF | EFLAGS_DF);
}
