/* SPDX-License-Identifier: ISC */
/*
 * arm64/context.S - leave a goroutine, enter a goroutine.
 *
 * What a goroutine off the CPU has at g->ctx.sp (struct switch_frame):
 *	+160 FPCR
 *	 +96 d8-d15
 *	 +16 x19-x28
 *	  +8 return address (x30)	\ frame record, where
 *	  +0 x29			/ the unwinder starts
 *
 * Nothing here publishes anything to other threads, so there is no barrier:
 * who resumes a goroutine elsewhere got it through a lock, an atomic status or
 * a run queue, and these order the frame.
 */
#include <asm/unistd.h>

#include <arch/linkage.h>
#include <asm/tls.h>
#include "asm-offsets.h"

	.text

/*
 *	void arch_mcall(void (*fn)(struct g *gp));
 *
 * In:   x0 fn
 * Out:  returns when somebody resumes the goroutine
 * Keep: x19-x29, d8-d15, FPCR
 * Kill: everything else
 * Must: run on a goroutine stack.  The guard is dropped before the stack
 *	 pointer moves, so a signal handler with stack checks that comes in
 *	 between never takes the slow path.
 *
 * x29 still points into the goroutine's stack while fn runs, so a debugger
 * walks from fn on g0 into the goroutine that called.
 *
 * fn is entered by a jump: a call that never returns would leave the CPU's
 * stack of return addresses off by one, and every return of the goroutine
 * that runs next would be mispredicted.  The jump goes through x16, which
 * "bti c" at the start of fn takes for a call.
 */
SYM_FUNC_START(arch_mcall)
	BTI_C
	stp	x29, x30, [sp, #-SWITCH_SIZE]!
	.cfi_def_cfa_offset SWITCH_SIZE
	.cfi_offset x29, -SWITCH_SIZE
	.cfi_offset x30, -SWITCH_SIZE + 8
	mov	x29, sp
	.cfi_def_cfa_register x29
	stp	x19, x20, [sp, #SWITCH_X19]
	.cfi_offset x19, SWITCH_X19 - SWITCH_SIZE
	.cfi_offset x20, SWITCH_X19 - SWITCH_SIZE + 8
	stp	x21, x22, [sp, #SWITCH_X21]
	.cfi_offset x21, SWITCH_X21 - SWITCH_SIZE
	.cfi_offset x22, SWITCH_X21 - SWITCH_SIZE + 8
	stp	x23, x24, [sp, #SWITCH_X23]
	.cfi_offset x23, SWITCH_X23 - SWITCH_SIZE
	.cfi_offset x24, SWITCH_X23 - SWITCH_SIZE + 8
	stp	x25, x26, [sp, #SWITCH_X25]
	.cfi_offset x25, SWITCH_X25 - SWITCH_SIZE
	.cfi_offset x26, SWITCH_X25 - SWITCH_SIZE + 8
	stp	x27, x28, [sp, #SWITCH_X27]
	.cfi_offset x27, SWITCH_X27 - SWITCH_SIZE
	.cfi_offset x28, SWITCH_X27 - SWITCH_SIZE + 8
	stp	d8, d9, [sp, #SWITCH_D8]
	.cfi_offset d8, SWITCH_D8 - SWITCH_SIZE
	.cfi_offset d9, SWITCH_D8 - SWITCH_SIZE + 8
	stp	d10, d11, [sp, #SWITCH_D10]
	.cfi_offset d10, SWITCH_D10 - SWITCH_SIZE
	.cfi_offset d11, SWITCH_D10 - SWITCH_SIZE + 8
	stp	d12, d13, [sp, #SWITCH_D12]
	.cfi_offset d12, SWITCH_D12 - SWITCH_SIZE
	.cfi_offset d13, SWITCH_D12 - SWITCH_SIZE + 8
	stp	d14, d15, [sp, #SWITCH_D14]
	.cfi_offset d14, SWITCH_D14 - SWITCH_SIZE
	.cfi_offset d15, SWITCH_D14 - SWITCH_SIZE + 8
	mrs	x9, fpcr
	str	x9, [sp, #SWITCH_FPCR]
	mov	x16, x0				/* fn */
	tls_self x10, x11
	guard_addr x11, x12
	ldr	x0, [x10, #TLS_G]		/* g */
	ldr	x12, [x10, #TLS_G0]		/* g0 */
	ldr	x13, [x10, #TLS_G0_SP]
	str	x29, [x0, #G_CTX_SP]		/* sp, too */
	str	xzr, [x11]
	str	x12, [x10, #TLS_G]
	mov	w12, #ON_G0
	str	w12, [x10, #TLS_WHERE]
	mov	sp, x13				/* on g0's stack */
	adr	x30, mcall_return
	br	x16				/* as if called from here */
	nop
mcall_return:
	brk	#1
SYM_FUNC_END(arch_mcall)

/*
 *	void arch_gogo(struct g *gp);
 *
 * In:   x0 gp, whose context nobody else resumes
 * Out:  in gp, behind its arch_mcall() or in goroutine_start
 *
 * Writing FPCR costs more than comparing it (it may drain the pipeline), and
 * it hardly ever differs from what the thread has.
 */
SYM_FUNC_START(arch_gogo)
	.cfi_undefined x30
	BTI_C
	tls_self x10, x11
	guard_addr x11, x12
	ldr	x9, [x0, #G_SEG]		/* gp->seg */
	str	x0, [x10, #TLS_G]
	ldr	x12, [x0, #G_CTX_SP]		/* gp's switch frame */
	ldr	x9, [x9, #SEG_GUARD]
	mov	sp, x12				/* on gp's stack */
	ldr	w12, [x0, #G_WHERE]
	str	w12, [x10, #TLS_WHERE]
	str	x9, [x11]
	ldr	x9, [sp, #SWITCH_FPCR]
	mrs	x10, fpcr
	cmp	x9, x10
	b.ne	load_fpcr
fpcr_loaded:
	ldp	d14, d15, [sp, #SWITCH_D14]
	ldp	d12, d13, [sp, #SWITCH_D12]
	ldp	d10, d11, [sp, #SWITCH_D10]
	ldp	d8, d9, [sp, #SWITCH_D8]
	ldp	x27, x28, [sp, #SWITCH_X27]
	ldp	x25, x26, [sp, #SWITCH_X25]
	ldp	x23, x24, [sp, #SWITCH_X23]
	ldp	x21, x22, [sp, #SWITCH_X21]
	ldp	x19, x20, [sp, #SWITCH_X19]
	ldp	x29, x30, [sp], #SWITCH_SIZE
	ret
load_fpcr:
	msr	fpcr, x9
	b	fpcr_loaded
SYM_FUNC_END(arch_gogo)

/*
 *	void goroutine_start(void);
 *
 * In:   x19 fn, x20 arg, sp 16-aligned, from the first switch frame
 * Out:  never
 */
SYM_FUNC_START(goroutine_start)
	.cfi_undefined x30
	.cfi_undefined x29
	BTI_C
	mov	x29, #0				/* no caller's frame */
	mov	x0, x20				/* arg */
	blr	x19
	bl	goroutine_exit
	brk	#1
SYM_FUNC_END(goroutine_start)

/*
 *	void async_preempt(void);
 *
 * In:   sp copy of the signal frame, x29 frame record, see sigcontext_call()
 * Out:  at the interrupted instruction, every register as it was
 */
SYM_FUNC_START(async_preempt)
	.cfi_signal_frame
	.cfi_def_cfa x29, 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	bl	async_preempt_park
	mov	x8, #__NR_rt_sigreturn
	svc	#0
	brk	#1
SYM_FUNC_END(async_preempt)

	.section .note.GNU-stack, "", %progbits
