/* SPDX-License-Identifier: ISC */
/*
 * x86_64/morestack.S - the slow path of every stack check.
 *
 * A function that finds too little stack comes here by
 *
 *	more:	pushq	$need			# frame size, flags in bits 0-3
 *		call	__morestack		# pops it
 *		ret
 *		jmp	body
 *
 * and sees one of two things: the call returns behind the "ret", and body
 * runs where it would have run; or body is called from here on another
 * segment, and when it has returned, so does the call, to the "ret".  (Going
 * straight to the function's caller would leave the CPU's stack of return
 * addresses off by one.)  Either way every register is as it was: compilers
 * keep values in caller-saved registers across calls to functions they have
 * seen.
 *
 * The frame built here takes the place of the pushed constant, right below
 * the return address to the function's caller.  So it looks as if that
 * caller had called __morestack and __morestack the body, to walkers along
 * frame pointers and to those that read the unwind tables:
 *
 *	+16  stack-passed arguments, the caller's frame (the CFA)
 *	 +8  return address to the caller
 *	 +0  caller's %rbp (was: need)	<- %rbp
 *	 -8  return address of "call __morestack"; plus RET_SIZE: the way to body
 *	-16  %rax
 *	-24  %rcx
 *	-32  %rdx
 *	-40  %rsi
 *	-48  %rdi
 *	-56  %r8
 *	-64  the segment this frame is on
 *	-72  need
 *	-80  %r9	slow path only
 *	-88  %r10	(static chain)
 *	-96  %r11
 *
 * gdb accepts a caller's frame at a lower address than its callee's only
 * from a function of this very name.
 */
#include <arch/linkage.h>
#include <arch/stacksplit.h>
#include "asm-offsets.h"

#define RET_SIZE	1	/* of the instruction "ret" */
#define ARGS_MAX	1024	/* C promises 127 parameters of 8 bytes */
#define ARGS_ALIGN	64	/* vectors of 512 bits may be among them */
#define XSAVE_MASK	0xe7	/* x87, SSE, AVX, AVX-512; no AMX tiles */
#define XSAVE_SIZE	2688	/* standard format up to Hi16_ZMM */
#define XSAVE_HEADER	512

	.text

	.globl __morestack
	.type __morestack, %function
	.p2align 4
__morestack:
	.cfi_startproc
	.cfi_def_cfa rsp, 24
	.cfi_offset rip, -8
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	movq	16(%rsp), %rax			/* need */
	movq	%rbp, 16(%rsp)
	leaq	16(%rsp), %rbp
	.cfi_def_cfa rbp, 16
	.cfi_offset rbp, -16
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%fs:TLS_G(%rcx), %rcx		/* g */
	movq	G_SEG(%rcx), %rdx		/* g->seg */
	pushq	%rdx
	pushq	%rax

#ifdef GORT_ASAN
	jmp	slow			/* newstack() tells AddressSanitizer */
#endif

	/*
	 * Fast path: the guard is this segment's own, so nobody asks for
	 * anything; the stack pointer is inside; the next segment is attached.
	 */
	movq	SEG_GUARD(%rdx), %rsi
	cmpq	%fs:0x70, %rsi
	jne	slow
	cmpq	SEG_TOP(%rdx), %rbp
	jae	slow
	cmpq	SEG_LO(%rdx), %rbp
	jb	slow
	movq	SEG_NEXT(%rdx), %rsi		/* g->seg->next */
	testq	%rsi, %rsi
	jz	slow

	/*
	 * The arguments end where the caller's frame does at the latest.  A
	 * caller without a frame pointer, or with a large frame, gets
	 * ARGS_MAX, but no more than there is.
	 */
	movq	SEG_TOP(%rdx), %r8
	leaq	16(%rbp), %rdi			/* arguments */
	movq	0(%rbp), %rdx
	subq	%rdi, %rdx			/* bytes of them */
	cmpq	$ARGS_MAX, %rdx
	jbe	args_known
	testb	$STACKSPLIT_BIGARGS, %al
	jnz	slow
	movq	%r8, %rdx
	subq	%rdi, %rdx
	movl	$ARGS_MAX, %r8d
	cmpq	%r8, %rdx
	cmovaq	%r8, %rdx
args_known:
	addq	$15, %rdx
	andq	$-16, %rdx
	movq	SEG_TOP(%rsi), %r8
	subq	%rdx, %r8			/* their new place, */
	subq	%rdi, %r8
	andq	$-ARGS_ALIGN, %r8
	addq	%rdi, %r8			/* aligned as they are now */
	andq	$~STACKSPLIT_FLAGS, %rax
	negq	%rax
	addq	%r8, %rax			/* lowest byte of the frame */
	cmpq	SEG_GUARD(%rsi), %rax
	jb	slow

	movq	SEG_GUARD(%rsi), %rax
	movq	%rsi, G_SEG(%rcx)
	movq	%rax, %fs:0x70
	testq	%rdx, %rdx
	jz	args_copied
copy_args:
	movq	-8(%rdi,%rdx), %rax
	movq	-16(%rdi,%rdx), %rcx
	movq	%rax, -8(%r8,%rdx)
	movq	%rcx, -16(%r8,%rdx)
	subq	$16, %rdx
	jnz	copy_args
args_copied:
	movq	%r8, %rsp			/* on the next segment */

call_body:
	movq	-16(%rbp), %rax
	movq	-24(%rbp), %rcx
	movq	-32(%rbp), %rdx
	movq	-40(%rbp), %rsi
	movq	-48(%rbp), %rdi
	movq	-56(%rbp), %r8
	addq	$RET_SIZE, -8(%rbp)
	call	*-8(%rbp)			/* body */
	.globl morestack_return
	.hidden morestack_return
morestack_return:
	movq	%rcx, -24(%rbp)
	movq	%rdx, -32(%rbp)
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%fs:TLS_G(%rcx), %rcx
	movq	-64(%rbp), %rdx			/* the segment we came from */
	movq	%rdx, G_SEG(%rcx)
	movq	SEG_GUARD(%rdx), %rdx
	movq	%rdx, %fs:0x70
#ifdef GORT_ASAN
	movq	%rax, -16(%rbp)
	movq	%rsi, -40(%rbp)
	movq	%rdi, -48(%rbp)
	movq	%r8, -56(%rbp)
	movq	%r9, -80(%rbp)
	movq	%r10, -88(%rbp)
	movq	%r11, -96(%rbp)
	leaq	segment_left(%rip), %rdi
	call	morestack_mcall
	movq	-16(%rbp), %rax
	movq	-40(%rbp), %rsi
	movq	-48(%rbp), %rdi
	movq	-56(%rbp), %r8
	movq	-80(%rbp), %r9
	movq	-88(%rbp), %r10
	movq	-96(%rbp), %r11
#endif
	subq	$RET_SIZE, -8(%rbp)
	movq	-24(%rbp), %rcx
	movq	-32(%rbp), %rdx
	leaq	-8(%rbp), %rsp			/* on it again */
	movq	0(%rbp), %rbp
	.cfi_remember_state
	.cfi_def_cfa rsp, 24
	.cfi_restore rbp
	ret	$8				/* to "ret"; drops the record */
	.cfi_restore_state

slow:
	pushq	%r9
	pushq	%r10
	pushq	%r11
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%fs:TLS_G(%rcx), %rdx
	cmpl	$ON_GOROUTINE, %fs:TLS_WHERE(%rcx)
	jb	in_place
	movq	%rsp, %rsi
	subq	%fs:TLS_SIG_LO(%rcx), %rsi
	cmpq	%fs:TLS_SIG_SIZE(%rcx), %rsi
	jb	in_place			/* a signal handler's check */
	movq	-72(%rbp), %rcx
	movq	%rcx, G_MORE_NEED(%rdx)
	leaq	16(%rbp), %rcx
	movq	%rcx, G_MORE_SP(%rdx)
	movq	-8(%rbp), %rcx
	movq	%rcx, G_MORE_PC(%rdx)
	movq	%rbp, G_MORE_FP(%rdx)
	leaq	newstack(%rip), %rdi
	call	morestack_mcall
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%fs:TLS_G(%rcx), %rdx
	movq	-80(%rbp), %r9
	movq	-88(%rbp), %r10
	movq	-96(%rbp), %r11
	movq	G_MORE_NEW(%rdx), %rcx
	testq	%rcx, %rcx
	jz	in_place
	movq	G_MORE_SEG(%rdx), %rdx
	movq	%rdx, -64(%rbp)
	movq	%rcx, %rsp			/* on a new segment */
	jmp	call_body

in_place:
	addq	$RET_SIZE, -8(%rbp)
	movq	-16(%rbp), %rax
	movq	-24(%rbp), %rcx
	movq	-32(%rbp), %rdx
	movq	-40(%rbp), %rsi
	movq	-48(%rbp), %rdi
	movq	-56(%rbp), %r8
	movq	-80(%rbp), %r9
	movq	-88(%rbp), %r10
	movq	-96(%rbp), %r11
	leaq	-8(%rbp), %rsp
	movq	0(%rbp), %rbp
	.cfi_def_cfa rsp, 24
	.cfi_restore rbp
	ret	$8				/* to body; drops the record */
SYM_FUNC_END(__morestack)

/*
 * morestack_mcall - arch_mcall() that keeps the vector registers as well:
 * they carry arguments, and another goroutine may run meanwhile.
 *
 * In:   %rdi fn
 * Keep: %rbx %rbp %r12-%r15, all x87, SSE, AVX and AVX-512 state
 * Kill: the other general registers
 */
SYM_FUNC_START(morestack_mcall)
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	subq	$XSAVE_SIZE, %rsp
	andq	$-64, %rsp
	cmpb	$0, x86_has_xsave(%rip)
	je	no_xsave
	xorl	%eax, %eax
	movq	%rax, XSAVE_HEADER(%rsp)
	movq	%rax, XSAVE_HEADER+8(%rsp)
	movq	%rax, XSAVE_HEADER+16(%rsp)
	movq	%rax, XSAVE_HEADER+24(%rsp)
	movq	%rax, XSAVE_HEADER+32(%rsp)
	movq	%rax, XSAVE_HEADER+40(%rsp)
	movq	%rax, XSAVE_HEADER+48(%rsp)
	movq	%rax, XSAVE_HEADER+56(%rsp)
	xorl	%edx, %edx
	movl	$XSAVE_MASK, %eax
	xsave64	(%rsp)
	call	arch_mcall
	xorl	%edx, %edx
	movl	$XSAVE_MASK, %eax
	xrstor64 (%rsp)
	jmp	restored
no_xsave:
	fxsave64 (%rsp)
	call	arch_mcall
	fxrstor64 (%rsp)
restored:
	leave
	.cfi_def_cfa rsp, 8
	ret
	.globl morestack_mcall_end
	.hidden morestack_mcall_end
morestack_mcall_end:
SYM_FUNC_END(morestack_mcall)

/*
 * __morestack_setsp - may the stack pointer move to a computed place?
 *
 * Comes before every dynamic allocation (alloca, variable-length arrays).
 *
 * In:   8(%rsp) the stack pointer to be
 * Out:  if that lies in the segment, which may have grown; the argument is
 *	 popped.  Otherwise a fatal error.
 * Keep: every register and the flags
 */
SYM_FUNC_START_PUBLIC(__morestack_setsp)
	pushfq
	.cfi_adjust_cfa_offset 8
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	movq	24(%rsp), %rax		/* the stack pointer to be */
	cmpq	%rsp, %rax
	jae	setsp_done			/* goes up: the end of a scope */
	cmpq	%fs:0x70, %rax
	jb	setsp_slow
setsp_done:
	popq	%rax
	.cfi_adjust_cfa_offset -8
	popfq
	.cfi_adjust_cfa_offset -8
	ret	$8
	.cfi_adjust_cfa_offset 16
setsp_slow:
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%fs:TLS_G(%rcx), %rdx
	cmpl	$ON_GOROUTINE, %fs:TLS_WHERE(%rcx)
	jb	setsp_restore
	movq	%rsp, %rsi
	subq	%fs:TLS_SIG_LO(%rcx), %rsi
	cmpq	%fs:TLS_SIG_SIZE(%rcx), %rsi
	jb	setsp_restore
	movq	%rax, G_MORE_NEED(%rdx)
	leaq	40(%rbp), %rcx			/* before the argument */
	movq	%rcx, G_MORE_SP(%rdx)
	movq	24(%rbp), %rcx
	movq	%rcx, G_MORE_PC(%rdx)
	movq	0(%rbp), %rcx
	movq	%rcx, G_MORE_FP(%rdx)
	leaq	newstack_setsp(%rip), %rdi
	call	morestack_mcall
setsp_restore:
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbp
	.cfi_def_cfa rsp, 24
	.cfi_restore rbp
	jmp	setsp_done
SYM_FUNC_END(__morestack_setsp)

	.section .note.GNU-stack, "", %progbits
