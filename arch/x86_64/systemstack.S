/* SPDX-License-Identifier: ISC */
/*
 * x86_64/systemstack.S - run a function on g0 and come back.
 */
#include <asm/errno.h>

#include <arch/linkage.h>
#include "asm-offsets.h"

	.text

/*
 *	int systemstack(void (*fn)(void *), void *arg);
 *
 * In:   %rdi fn, %rsi arg
 * Out:  %eax 0, or -EPERM on a thread the runtime does not know
 * Keep: %rbx %rbp %r12-%r15
 * Kill: everything else
 *
 * The goroutine's stack while fn runs on g0:
 *	 +8  return address
 *	 +0  %rbp           <- %rbp
 *	 -8  g
 *	-16  guard: put back as it was, poisoned or not
 *
 * Short above all: it is what the runtime does around every lock that stack
 * growth can reach.
 */
SYM_FUNC_START(systemstack)
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%rdi, %rax			/* fn */
	movq	%rsp, %rdx
	movq	%rsi, %rdi			/* arg */
	subq	%fs:TLS_SIG_LO(%rcx), %rdx
	cmpq	%fs:TLS_SIG_SIZE(%rcx), %rdx
	jb	on_signal_stack
	movq	%fs:TLS_G(%rcx), %rsi		/* g */
	movq	%fs:TLS_G0(%rcx), %rdx		/* g0 */
	cmpq	%rdx, %rsi
	je	on_g0
	pushq	%rsi
	pushq	%fs:0x70
	movq	$0, %fs:0x70
	movq	%rdx, %fs:TLS_G(%rcx)
	movq	%fs:TLS_G0_SP(%rcx), %rsp	/* on g0's stack */
	call	*%rax
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	-8(%rbp), %rsi			/* g */
	movq	-16(%rbp), %rdx			/* guard */
	movq	%rbp, %rsp			/* on the goroutine's stack */
	movq	%rsi, %fs:TLS_G(%rcx)
	movq	%rdx, %fs:0x70
	xorl	%eax, %eax
	popq	%rbp
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

on_g0:
	testq	%rdx, %rdx
	jz	not_ours
	call	*%rax
	xorl	%eax, %eax
	popq	%rbp
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

not_ours:
	movl	$-EPERM, %eax
	popq	%rbp
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

on_signal_stack:
	call	systemstack_on_signal
	ud2
SYM_FUNC_END(systemstack)

	.section .note.GNU-stack, "", %progbits
