/* SPDX-License-Identifier: ISC */
/*
 * x86_64/systemstack.S - run a function on g0 and come back.
 */
#include <arch/linkage.h>
#include "asm-offsets.h"

	.text

/*
 *	int systemstack(void (*fn)(void *), void *arg);
 *
 * In:   %rdi fn, %rsi arg
 * Out:  %eax 0
 * Keep: %rbx %rbp %r12-%r15
 * Kill: everything else
 *
 * g and the guard stay in registers meanwhile: through memory each would cost
 * the next call two more trips through the store buffer.  The guard is put
 * back as it was, poisoned or not.
 */
SYM_FUNC_START(systemstack)
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
	movq	gort_tls@gottpoff(%rip), %rbx
	movq	%rdi, %rax			/* fn */
	movq	%rsp, %rcx
	movq	%rsi, %rdi			/* arg */
	subq	%fs:TLS_SIG_LO(%rbx), %rcx
	cmpq	%fs:TLS_SIG_SIZE(%rbx), %rcx
	jb	on_signal_stack
	movq	%fs:TLS_G(%rbx), %r12		/* g */
	movq	%fs:TLS_G0(%rbx), %rdx		/* g0 */
	cmpq	%rdx, %r12
	je	on_g0
	movq	%fs:0x70, %r13			/* guard */
	movq	$0, %fs:0x70
	movq	%rdx, %fs:TLS_G(%rbx)
	movq	%fs:TLS_G0_SP(%rbx), %rsp	/* on g0's stack */
	call	*%rax
	leaq	-24(%rbp), %rsp			/* on the goroutine's stack */
	movq	%r12, %fs:TLS_G(%rbx)
	movq	%r13, %fs:0x70
systemstack_done:
	xorl	%eax, %eax
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

on_g0:
	subq	$8, %rsp			/* keep it 16-aligned */
	call	*%rax
	addq	$8, %rsp
	jmp	systemstack_done

on_signal_stack:
	subq	$8, %rsp
	call	systemstack_on_signal
	ud2
SYM_FUNC_END(systemstack)

	.section .note.GNU-stack, "", %progbits
