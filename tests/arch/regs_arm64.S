/* SPDX-License-Identifier: ISC */
/*
 * tests/arch/regs_arm64.S - see regs.h.
 */

#define VECTORS		512	/* offset in struct regs */

	.text

.macro pair op, n, m
	\op	x\n, x\m, [x16, #8 * \n]
.endm

/* All registers but x16-x18, x30 and sp, by stp or ldp, str or ldr at x16. */
.macro each_register opp, op
	pair	\opp, 0, 1
	pair	\opp, 2, 3
	pair	\opp, 4, 5
	pair	\opp, 6, 7
	pair	\opp, 8, 9
	pair	\opp, 10, 11
	pair	\opp, 12, 13
	pair	\opp, 14, 15
	\op	x19, [x16, #8 * 19]
	pair	\opp, 20, 21
	pair	\opp, 22, 23
	pair	\opp, 24, 25
	pair	\opp, 26, 27
	pair	\opp, 28, 29
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op	q\n, [x16, #VECTORS + 16 * \n]
	.endr
.endm

	.globl	regs_call
	.type	regs_call, %function
regs_call:
	stp	x29, x30, [sp, #-176]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	str	x2, [sp, #160]			/* out */
	mov	x16, x1				/* in */
	mov	x17, x0				/* fn */
	each_register ldp, ldr
	blr	x17
	ldr	x16, [sp, #160]			/* out */
	each_register stp, str
	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #176
	ret
	.size	regs_call, . - regs_call

	.globl	regs_cross
	.type	regs_cross, %function
regs_cross:
	mov	x16, #256
	stp	x16, x30, [sp, #-16]!
	bl	__morestack
	ret
	hint	#38
	stp	x29, x30, [sp, #-16]!
	adrp	x16, regs_in_body
	add	x16, x16, :lo12:regs_in_body
	each_register stp, str
	adrp	x16, regs_to_return
	add	x16, x16, :lo12:regs_to_return
	each_register ldp, ldr
	ldp	x29, x30, [sp], #16
	ret
	.size	regs_cross, . - regs_cross

	.section .note.GNU-stack, "", %progbits
