/*
 * tests/stacksplit/fake_arm64.S - a __morestack that only looks.
 *
 * Keeps what the contract promises and destroys everything else: x16, x17,
 * the flags (in __morestack) and the memory below sp.
 */
	.text

	.macro SCRIBBLE			/* over the 256 bytes below sp */
	mov	x17, #-256
	add	x16, sp, x17
1:	str	x17, [x16], #8
	adds	x17, x17, #8
	b.ne	1b
	.endm

	.macro INC counter
	adrp	x16, \counter
	ldr	x17, [x16, :lo12:\counter]
	add	x17, x17, #1
	str	x17, [x16, :lo12:\counter]
	.endm

/*
 * __morestack - count, check the number, go on in place.
 *
 * In:   [sp] frame and flags, [sp, #8] the function's x30; both are popped
 */
	.globl	__morestack
	.type	__morestack, %function
__morestack:
	.cfi_startproc
	hint	#34				/* bti c */
	ldp	x16, x17, [sp]
	stp	x17, x30, [sp]
	.cfi_adjust_cfa_offset 16
	tst	x16, #12			/* only two flags exist */
	b.ne	2f
	SCRIBBLE
	INC	fake_morestack_calls
	ldp	x30, x16, [sp], #16
	.cfi_adjust_cfa_offset -16
	add	x16, x16, #4			/* behind a ret */
	mov	x17, #-1
	cmp	x17, x17
	br	x16
2:	bl	fake_bad
	.cfi_endproc
	.size	__morestack, .-__morestack

/*
 * __morestack_setsp - check that the new sp is aligned, remember it.
 *
 *	+16  new sp
 */
	.globl	__morestack_setsp
	.type	__morestack_setsp, %function
__morestack_setsp:
	.cfi_startproc
	hint	#34				/* bti c */
	mrs	x16, nzcv
	stp	x16, x30, [sp, #-16]!
	.cfi_adjust_cfa_offset 16
	SCRIBBLE
	INC	fake_setsp_calls
	ldr	x16, [sp, #32]
	adrp	x17, fake_last_sp
	str	x16, [x17, :lo12:fake_last_sp]
	tst	x16, #15
	b.ne	2f
	ldp	x16, x30, [sp], #16
	.cfi_adjust_cfa_offset -16
	msr	nzcv, x16
	mov	x16, #-1
	mov	x17, #-1
	ret
2:	bl	fake_bad
	.cfi_endproc
	.size	__morestack_setsp, .-__morestack_setsp

	.section .note.GNU-stack, "", %progbits
