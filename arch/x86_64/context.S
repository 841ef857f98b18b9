/* SPDX-License-Identifier: ISC */
/*
 * x86_64/context.S - leave a goroutine, enter a goroutine.
 *
 * What a goroutine off the CPU has at g->ctx.sp (struct switch_frame):
 *	+56  return address  \ frame record, where
 *	+48  %rbp            / the unwinder starts
 *	+40  %rbx
 *	+32  %r12
 *	+24  %r13
 *	+16  %r14
 *	 +8  %r15
 *	 +0  MXCSR, x87 control word
 */
#include <asm/unistd.h>

#include <arch/linkage.h>
#include "asm-offsets.h"

#define MXCSR_CONTROL	0xffc0	/* all but the six exception flags */

	.text

/*
 *	void arch_mcall(void (*fn)(struct g *gp));
 *
 * In:   %rdi fn
 * Out:  returns when somebody resumes the goroutine
 * Keep: %rbx %rbp %r12-%r15, MXCSR, x87 control word
 * Kill: everything else
 * Must: run on a goroutine stack.  The guard is dropped before the stack
 *	 pointer moves, so a signal handler with stack checks that comes in
 *	 between never takes the slow path.
 *
 * %rbp still points into the goroutine's stack while fn runs, so a debugger
 * walks from fn on g0 into the goroutine that called.
 *
 * fn is entered by a jump: a call that never returns would leave the CPU's
 * stack of return addresses off by one, and every return of the goroutine
 * that runs next would be mispredicted.
 */
SYM_FUNC_START(arch_mcall)
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	pushq	%rbx
	.cfi_offset rbx, -24
	pushq	%r12
	.cfi_offset r12, -32
	pushq	%r13
	.cfi_offset r13, -40
	pushq	%r14
	.cfi_offset r14, -48
	pushq	%r15
	.cfi_offset r15, -56
	subq	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rdi, %rax			/* fn */
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%fs:TLS_G(%rcx), %rdi		/* g */
	movq	%fs:TLS_G0(%rcx), %rdx		/* g0 */
	movq	%rsp, G_CTX_SP(%rdi)
	movq	$0, %fs:0x70
	movq	%rdx, %fs:TLS_G(%rcx)
	movl	$ON_G0, %fs:TLS_WHERE(%rcx)
	movq	%fs:TLS_G0_SP(%rcx), %rsp	/* on g0's stack */
	leaq	mcall_return(%rip), %rcx
	pushq	%rcx
	jmp	*%rax				/* as if called from here */
	nop
mcall_return:
	ud2
SYM_FUNC_END(arch_mcall)

/*
 *	void arch_gogo(struct g *gp);
 *
 * In:   %rdi gp, whose context nobody else resumes
 * Out:  in gp, behind its arch_mcall() or in goroutine_start
 *
 * Loading control words costs more than comparing them, and they hardly ever
 * differ from what the thread has.  The sticky exception flags in MXCSR often
 * do; they are not preserved across calls (System V ABI, 3.2.1), nor here.
 */
SYM_FUNC_START(arch_gogo)
	.cfi_undefined rip
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	G_SEG(%rdi), %rdx		/* gp->seg */
	movq	%rdi, %fs:TLS_G(%rcx)
	movq	G_CTX_SP(%rdi), %rsi		/* gp's switch frame */
	movq	SEG_GUARD(%rdx), %rdx
	movq	%rsi, %rsp			/* on gp's stack */
	movl	G_WHERE(%rdi), %eax
	movl	%eax, %fs:TLS_WHERE(%rcx)
	movq	%rdx, %fs:0x70
	stmxcsr	-8(%rsp)
	fnstcw	-4(%rsp)
	movl	-8(%rsp), %eax
	xorl	(%rsp), %eax
	testl	$MXCSR_CONTROL, %eax
	jnz	load_mxcsr
mxcsr_loaded:
	movzwl	-4(%rsp), %eax
	cmpw	4(%rsp), %ax
	jne	load_x87cw
x87cw_loaded:
	addq	$8, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
load_mxcsr:
	ldmxcsr	(%rsp)
	jmp	mxcsr_loaded
load_x87cw:
	fldcw	4(%rsp)
	jmp	x87cw_loaded
SYM_FUNC_END(arch_gogo)

/*
 *	void goroutine_start(void);
 *
 * In:   %rbx fn, %r12 arg, %rsp 16-aligned, from the first switch frame
 * Out:  never
 */
SYM_FUNC_START(goroutine_start)
	.cfi_undefined rip
	.cfi_undefined rbp
	xorl	%ebp, %ebp			/* no caller's frame */
	movq	%r12, %rdi			/* arg */
	call	*%rbx
	call	goroutine_exit
	ud2
SYM_FUNC_END(goroutine_start)

/*
 *	void async_preempt(void);
 *
 * In:   %rsp copy of the ucontext, %rbp frame record, see sigcontext_call()
 * Out:  at the interrupted instruction, every register as it was
 *
 * The interrupted code may have values on the x87 stack, where C does not
 * expect any: with a full one, other code on this thread, or on one started
 * by it, which inherits it, would compute with NaNs.
 *
 * The kernel looks for its frame 8 bytes below %rsp, as if the handler had
 * returned to here.
 */
SYM_FUNC_START(async_preempt)
	.cfi_signal_frame
	.cfi_def_cfa rbp, 16
	.cfi_offset rbp, -16
	.cfi_offset rip, -8
	fninit
	call	async_preempt_park
	movl	$__NR_rt_sigreturn, %eax
	syscall
	ud2
SYM_FUNC_END(async_preempt)

	.section .note.GNU-stack, "", %progbits
