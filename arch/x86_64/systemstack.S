/* SPDX-License-Identifier: ISC */
/*
 * x86_64/systemstack.S - run a function on g0 and come back.
 */
#include <asm/errno.h>

#include <arch/linkage.h>
#include "asm-offsets.h"

	.text

/*
 *	int gort_systemstack_call(void (*fn)(void *), void *arg);
 *
 * The public name: -EINVAL for a NULL fn, else systemstack(), which follows.
 */
SYM_FUNC_START_PUBLIC(gort_systemstack_call)
	testq	%rdi, %rdi
	jz	no_function
SYM_FUNC_END(gort_systemstack_call)

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
 *	 -8  %rbx
 *	-16  the guard      <- %rbx
 *
 * Short above all: it is what the runtime does around every lock that stack
 * growth can reach.  And what one call stores, the next must not wait for:
 *  - the guard is not put back from here, which would be two trips through
 *    the store buffer, but from the segment, unless it was poisoned;
 *  - the stack pointer comes back from %rbx, not from %rbp, which every
 *    callee with a frame has saved and restored.
 */
SYM_FUNC_START_UNALIGNED(systemstack)
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
	cmpl	$ON_GOROUTINE, %fs:TLS_WHERE(%rcx)
	jne	elsewhere
	pushq	%rbx
	.cfi_offset rbx, -24
	pushq	%fs:0x70			/* guard */
	movq	%rsp, %rbx
	movl	$ON_G0, %fs:TLS_WHERE(%rcx)
	movq	$0, %fs:0x70
	movq	%fs:TLS_G0_SP(%rcx), %rsp	/* on g0's stack */
	call	*%rax
	movq	gort_tls@gottpoff(%rip), %rcx
	movq	%rbx, %rsp			/* on the goroutine's stack */
	popq	%rax				/* guard */
	movq	%fs:TLS_G(%rcx), %rdx		/* g */
	popq	%rbx
	cmpq	$-1, %rax
	je	was_poisoned
	movq	G_SEG(%rdx), %rdx		/* g->seg */
	movl	$ON_GOROUTINE, %fs:TLS_WHERE(%rcx)
	movq	SEG_GUARD(%rdx), %rdx
	xorl	%eax, %eax
	movq	%rdx, %fs:0x70
	popq	%rbp
	.cfi_remember_state
	.cfi_restore rbx
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

was_poisoned:
	movl	$ON_GOROUTINE, %fs:TLS_WHERE(%rcx)
	movq	%rax, %fs:0x70
	xorl	%eax, %eax
	popq	%rbp
	.cfi_restore rbx
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

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
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	ret
	.cfi_restore_state

no_function:
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	movl	$-EINVAL, %eax
	ret
	.cfi_def_cfa rbp, 16
	.cfi_offset rbp, -16

on_signal_stack:
	call	systemstack_on_signal
	ud2
SYM_FUNC_END(systemstack)

	.section .note.GNU-stack, "", %progbits
