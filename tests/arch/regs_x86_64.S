/* SPDX-License-Identifier: ISC */
/*
 * tests/arch/regs_x86_64.S - see regs.h.
 */

#define MASKS		128	/* offsets in struct regs */
#define VECTORS		192

	.text

.macro each_vector op
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\op \n
	.endr
.endm

.macro each_high_vector op
	.irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op \n
	.endr
.endm

.macro each_mask op
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7
	\op \n
	.endr
.endm

.macro load_xmm n
	movdqu	VECTORS + 64 * \n(%r11), %xmm\n
.endm
.macro load_ymm n
	vmovdqu	VECTORS + 64 * \n(%r11), %ymm\n
.endm
.macro load_zmm n
	vmovdqu64 VECTORS + 64 * \n(%r11), %zmm\n
.endm
.macro load_mask n
	kmovw	MASKS + 8 * \n(%r11), %k\n
.endm
.macro store_xmm n
	movdqu	%xmm\n, VECTORS + 64 * \n(%r11)
.endm
.macro store_ymm n
	vmovdqu	%ymm\n, VECTORS + 64 * \n(%r11)
.endm
.macro store_zmm n
	vmovdqu64 %zmm\n, VECTORS + 64 * \n(%r11)
.endm
.macro store_mask n
	kmovw	%k\n, MASKS + 8 * \n(%r11)
.endm

/* All registers but %rsp from *%r11, %r11 last. */
.macro load_all
	cmpl	$1, regs_vectors(%rip)
	jb	1f
	je	2f
	each_vector load_zmm
	each_high_vector load_zmm
	each_mask load_mask
	jmp	3f
1:	each_vector load_xmm
	jmp	3f
2:	each_vector load_ymm
3:	movq	0(%r11), %rax
	movq	8(%r11), %rcx
	movq	16(%r11), %rdx
	movq	24(%r11), %rbx
	movq	32(%r11), %rbp
	movq	40(%r11), %rsi
	movq	48(%r11), %rdi
	movq	56(%r11), %r8
	movq	64(%r11), %r9
	movq	72(%r11), %r10
	movq	88(%r11), %r12
	movq	96(%r11), %r13
	movq	104(%r11), %r14
	movq	112(%r11), %r15
	movq	80(%r11), %r11
.endm

/* And to it; the value of %r11 itself was pushed. */
.macro store_all
	movq	%rax, 0(%r11)
	movq	%rcx, 8(%r11)
	movq	%rdx, 16(%r11)
	movq	%rbx, 24(%r11)
	movq	%rbp, 32(%r11)
	movq	%rsi, 40(%r11)
	movq	%rdi, 48(%r11)
	movq	%r8, 56(%r11)
	movq	%r9, 64(%r11)
	movq	%r10, 72(%r11)
	popq	80(%r11)
	movq	%r12, 88(%r11)
	movq	%r13, 96(%r11)
	movq	%r14, 104(%r11)
	movq	%r15, 112(%r11)
	cmpl	$1, regs_vectors(%rip)
	jb	1f
	je	2f
	each_vector store_zmm
	each_high_vector store_zmm
	each_mask store_mask
	jmp	3f
1:	each_vector store_xmm
	jmp	3f
2:	each_vector store_ymm
3:
.endm

	.globl	regs_call
	.type	regs_call, @function
regs_call:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdx				/* out */
	pushq	%rdi				/* fn */
	subq	$8, %rsp
	movq	%rsi, %r11			/* in */
	load_all
	call	*8(%rsp)
	pushq	%r11
	movq	24(%rsp), %r11			/* out */
	store_all
	addq	$24, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.size	regs_call, . - regs_call

	.globl	regs_cross
	.type	regs_cross, @function
regs_cross:
	pushq	$256
	call	__morestack
	ret
	jmp	cross_body
cross_body:
	pushq	%rbp
	pushq	%r11
	leaq	regs_in_body(%rip), %r11
	store_all
	leaq	regs_to_return(%rip), %r11
	load_all
	popq	%rbp
	ret
	.size	regs_cross, . - regs_cross

	.section .note.GNU-stack, "", %progbits
