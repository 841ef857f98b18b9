/* SPDX-License-Identifier: ISC */
/*
 * x86_64/systemstack.S - run a function on g0 and come back.
 */
#include <asm/errno.h>

#include <arch/linkage.h>
#include "asm-offsets.h"

	.text

/*
 *	int arch_systemstack(void (*fn)(void *), void *arg);
 *
 * In:   %rdi fn, %rsi arg
 * Out:  %eax 0, or -EPERM on a thread the runtime does not know
 * Keep: %rbx %rbp %r12-%r15
 * Kill: everything else
 *
 * Short above all: it is what the runtime does around every lock that stack
 * growth can reach.  The guard stays in a register meanwhile; through memory
 * it would cost the next call two trips through the store buffer.  It is put
 * back as it was, poisoned or not.
 */
SYM_FUNC_START(arch_systemstack)
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%rdi, %rax			/* fn */
	movq	%rsi, %rdi			/* arg */
	cmpq	%fs:TLS_SIG_LO(%rcx), %rsp
	jae	above_gsignal			/* goroutines are usually below */
not_on_gsignal:
	cmpl	$ON_GOROUTINE, %fs:TLS_WHERE(%rcx)
	jne	elsewhere
	pushq	%rbx
	.cfi_offset rbx, -24
	movq	%fs:0x70, %rbx			/* guard */
	movl	$ON_G0, %fs:TLS_WHERE(%rcx)
	movq	$0, %fs:0x70
	movq	%fs:TLS_G0_SP(%rcx), %rsp	/* on g0's stack */
	call	*%rax
	movq	gort_tls@gottpoff(%rip), %rcx
	leaq	-8(%rbp), %rsp			/* on the goroutine's stack */
	movl	$ON_GOROUTINE, %fs:TLS_WHERE(%rcx)
	movq	%rbx, %fs:0x70
	xorl	%eax, %eax
	popq	%rbx
	.cfi_restore rbx
	popq	%rbp
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

above_gsignal:
	movq	%rsp, %rdx
	subq	%fs:TLS_SIG_LO(%rcx), %rdx
	cmpq	%fs:TLS_SIG_SIZE(%rcx), %rdx
	jae	not_on_gsignal
	call	systemstack_on_signal
	ud2

elsewhere:
	cmpl	$ON_G0, %fs:TLS_WHERE(%rcx)
	jne	not_ours
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
	.cfi_def_cfa rsp, 8
	ret
SYM_FUNC_END(arch_systemstack)

	.section .note.GNU-stack, "", %progbits
