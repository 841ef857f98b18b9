/* SPDX-License-Identifier: ISC */
/*
 * x86_64/systemstack.S - run a function on g0 and come back.
 */
#include <arch/linkage.h>
#include "asm-offsets.h"

	.text

/*
 *	void systemstack(void (*fn)(void *), void *arg);
 *
 * In:   %rdi fn, %rsi arg
 * Keep: %rbx %rbp %r12-%r15
 * Kill: everything else
 *
 * The goroutine's stack while fn runs on g0:
 *	 +8  return address
 *	 +0  %rbp           <- %rbp
 *	 -8  %rbx
 *	-16  g
 *	-24  guard: put back as it was, poisoned or not
 */
SYM_FUNC_START(systemstack)
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	pushq	%rbx
	.cfi_offset rbx, -24
	movq	gort_tls@gottpoff(%rip), %rbx
	movq	%rsp, %rcx
	subq	%fs:TLS_SIG_LO(%rbx), %rcx
	cmpq	%fs:TLS_SIG_SIZE(%rbx), %rcx
	jb	on_signal_stack
	movq	%fs:TLS_G(%rbx), %rax		/* g */
	movq	%fs:TLS_G0(%rbx), %rdx		/* g0 */
	cmpq	%rdx, %rax
	je	on_g0
	pushq	%rax
	pushq	%fs:0x70
	movq	%rdi, %rax			/* fn */
	movq	%rsi, %rdi			/* arg */
	movq	$0, %fs:0x70
	movq	%rdx, %fs:TLS_G(%rbx)
	movq	%fs:TLS_G0_SP(%rbx), %rsp	/* on g0's stack */
	call	*%rax
	movq	-16(%rbp), %rax			/* g */
	movq	-24(%rbp), %rcx			/* guard */
	leaq	-8(%rbp), %rsp			/* on the goroutine's stack */
	movq	%rax, %fs:TLS_G(%rbx)
	movq	%rcx, %fs:0x70
	popq	%rbx
	popq	%rbp
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

on_g0:
	subq	$8, %rsp			/* keep it 16-aligned */
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	movq	-8(%rbp), %rbx
	leave
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

on_signal_stack:
	subq	$8, %rsp
	call	systemstack_on_signal
	ud2
SYM_FUNC_END(systemstack)

	.section .note.GNU-stack, "", %progbits
