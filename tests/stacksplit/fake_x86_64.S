/*
 * tests/stacksplit/fake_x86_64.S - a __morestack that only looks.
 *
 * Keeps what the contract promises and destroys everything else: the flags
 * (in __morestack) and the memory below sp.
 */
	.text

	.macro SCRIBBLE			/* over the 256 bytes below sp */
	pushq	%rcx
	movq	$-1, %rcx
1:	movq	%rcx, (%rsp, %rcx, 8)
	decq	%rcx
	cmpq	$-32, %rcx
	jne	1b
	popq	%rcx
	.endm

/*
 * __morestack - count, check the number, go on in place.
 *
 *	+16  return address of the function
 *	 +8  frame and flags
 *	 +0  return address: a ret, and one byte on the jump to the body
 */
	.globl	__morestack
	.type	__morestack, @function
__morestack:
	.cfi_startproc
	.cfi_def_cfa_offset 24
	pushfq
	SCRIBBLE
	incq	fake_morestack_calls(%rip)
	testq	$12, 16(%rsp)		/* only two flags exist */
	jnz	fake_bad
	popfq
	incq	(%rsp)
	stc
	ret	$8
	.cfi_endproc
	.size	__morestack, .-__morestack

/*
 * __morestack_setsp - check that the new sp is aligned, remember it.
 *
 *	 +8  new sp
 *	 +0  return address
 */
	.globl	__morestack_setsp
	.type	__morestack_setsp, @function
__morestack_setsp:
	.cfi_startproc
	.cfi_def_cfa_offset 16
	pushfq
	pushq	%rax
	SCRIBBLE
	incq	fake_setsp_calls(%rip)
	movq	24(%rsp), %rax
	movq	%rax, fake_last_sp(%rip)
	testq	$15, %rax
	jnz	fake_bad
	popq	%rax
	popfq
	ret	$8
	.cfi_endproc
	.size	__morestack_setsp, .-__morestack_setsp

	.section .note.GNU-stack, "", @progbits
