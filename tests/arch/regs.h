/* SPDX-License-Identifier: ISC */
/*
 * tests/arch/regs.h - all registers at once, for test_context.c.
 *
 *	void regs_call(void (*fn)(void), const struct regs *in,
 *		       struct regs *out);
 *
 * Loads every register of struct regs from *in, calls fn, stores them all
 * into *out.
 *
 *	void regs_cross(void);
 *
 * Has a stack check that always fails.  Stores the registers it finds in its
 * body into regs_in_body, loads those of regs_to_return, and returns.
 *
 *	extern const unsigned int regs_saved[];		what a callee keeps
 */
#ifndef TESTS_ARCH_REGS_H
#define TESTS_ARCH_REGS_H

#include <stdint.h>

#define REGS_WORDS	320

struct regs {
	uint64_t word[REGS_WORDS];
};

extern struct regs regs_in_body, regs_to_return;
extern uint32_t regs_vectors;	/* see below */

void regs_call(void (*fn)(void), const struct regs *in, struct regs *out);
void regs_cross(void);

#if defined(__x86_64__)

/*
 * Words 0-14: rax rcx rdx rbx rbp rsi rdi r8-r15.  Words 16-23: k0-k7, of 16
 * bits.  From word 24 on 32 vectors of 64 bytes each; regs_vectors tells how
 * much of them there is: 0 for xmm0-15, 1 ymm0-15, 2 zmm0-31 and k0-k7.
 */
#define REGS_GENERAL	15
#define REGS_MASKS	16
#define REGS_VECTORS	24
#define REGS_VECTOR	8	/* words */

static const unsigned int regs_saved[] = { 3, 4, 11, 12, 13, 14 };

static inline void regs_init(void)
{
	__builtin_cpu_init();
	regs_vectors = __builtin_cpu_supports("avx512f") ? 2 :
		       __builtin_cpu_supports("avx") ? 1 : 0;
}

static inline int regs_kept_by_morestack(unsigned int i)
{
	unsigned int v = i - REGS_VECTORS;

	if (i < REGS_GENERAL)
		return 1;
	if (i < REGS_VECTORS)
		return i >= REGS_MASKS && regs_vectors == 2;
	if (regs_vectors == 2)
		return v < 32 * REGS_VECTOR;
	return v < 16 * REGS_VECTOR &&
	       v % REGS_VECTOR < (regs_vectors ? 4 : 2);
}

/* Bits of the word that exist. */
static inline uint64_t regs_mask(unsigned int i)
{
	return i >= REGS_MASKS && i < REGS_VECTORS ? 0xffff : ~(uint64_t)0;
}

__asm__(
"	.section .text.nosplit, \"ax\", @progbits\n"

/* Everything from (%r11), r11 last; and to it, from the stack. */
"	.macro regs_each16 op\n"
"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	\\op \\n\n"
"	.endr\n"
"	.endm\n"
"	.macro load_xmm n\n	movdqu	192+64*\\n(%r11), %xmm\\n\n	.endm\n"
"	.macro load_ymm n\n	vmovdqu	192+64*\\n(%r11), %ymm\\n\n	.endm\n"
"	.macro load_zmm n\n	vmovdqu64 192+64*\\n(%r11), %zmm\\n\n	.endm\n"
"	.macro store_xmm n\n	movdqu	%xmm\\n, 192+64*\\n(%r11)\n	.endm\n"
"	.macro store_ymm n\n	vmovdqu	%ymm\\n, 192+64*\\n(%r11)\n	.endm\n"
"	.macro store_zmm n\n	vmovdqu64 %zmm\\n, 192+64*\\n(%r11)\n	.endm\n"
"	.macro regs_high op\n"
"	.irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
"	\\op \\n\n"
"	.endr\n"
"	.endm\n"
"	.macro load_k n\n	kmovw	128+8*\\n(%r11), %k\\n\n	.endm\n"
"	.macro store_k n\n	kmovw	%k\\n, 128+8*\\n(%r11)\n	.endm\n"
"	.macro regs_k op\n"
"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
"	\\op \\n\n"
"	.endr\n"
"	.endm\n"

"	.macro regs_load\n"
"	cmpl	$1, regs_vectors(%rip)\n"
"	jb	1f\n"
"	je	2f\n"
"	regs_each16 load_zmm\n"
"	regs_high load_zmm\n"
"	regs_k	load_k\n"
"	jmp	3f\n"
"1:	regs_each16 load_xmm\n"
"	jmp	3f\n"
"2:	regs_each16 load_ymm\n"
"3:	movq	0(%r11), %rax\n"
"	movq	8(%r11), %rcx\n"
"	movq	16(%r11), %rdx\n"
"	movq	24(%r11), %rbx\n"
"	movq	32(%r11), %rbp\n"
"	movq	40(%r11), %rsi\n"
"	movq	48(%r11), %rdi\n"
"	movq	56(%r11), %r8\n"
"	movq	64(%r11), %r9\n"
"	movq	72(%r11), %r10\n"
"	movq	88(%r11), %r12\n"
"	movq	96(%r11), %r13\n"
"	movq	104(%r11), %r14\n"
"	movq	112(%r11), %r15\n"
"	movq	80(%r11), %r11\n"
"	.endm\n"

/* The value of r11 was pushed. */
"	.macro regs_store\n"
"	movq	%rax, 0(%r11)\n"
"	movq	%rcx, 8(%r11)\n"
"	movq	%rdx, 16(%r11)\n"
"	movq	%rbx, 24(%r11)\n"
"	movq	%rbp, 32(%r11)\n"
"	movq	%rsi, 40(%r11)\n"
"	movq	%rdi, 48(%r11)\n"
"	movq	%r8, 56(%r11)\n"
"	movq	%r9, 64(%r11)\n"
"	movq	%r10, 72(%r11)\n"
"	popq	80(%r11)\n"
"	movq	%r12, 88(%r11)\n"
"	movq	%r13, 96(%r11)\n"
"	movq	%r14, 104(%r11)\n"
"	movq	%r15, 112(%r11)\n"
"	cmpl	$1, regs_vectors(%rip)\n"
"	jb	1f\n"
"	je	2f\n"
"	regs_each16 store_zmm\n"
"	regs_high store_zmm\n"
"	regs_k	store_k\n"
"	jmp	3f\n"
"1:	regs_each16 store_xmm\n"
"	jmp	3f\n"
"2:	regs_each16 store_ymm\n"
"3:\n"
"	.endm\n"

"	.type	regs_call, @function\n"
"regs_call:\n"
"	pushq	%rbp\n"
"	pushq	%rbx\n"
"	pushq	%r12\n"
"	pushq	%r13\n"
"	pushq	%r14\n"
"	pushq	%r15\n"
"	pushq	%rdx\n"			/* out */
"	pushq	%rdi\n"			/* fn */
"	subq	$8, %rsp\n"
"	movq	%rsi, %r11\n"
"	regs_load\n"
"	call	*8(%rsp)\n"
"	pushq	%r11\n"
"	movq	24(%rsp), %r11\n"	/* out */
"	regs_store\n"
"	addq	$24, %rsp\n"
"	popq	%r15\n"
"	popq	%r14\n"
"	popq	%r13\n"
"	popq	%r12\n"
"	popq	%rbx\n"
"	popq	%rbp\n"
"	ret\n"
"	.size	regs_call, . - regs_call\n"

"	.type	regs_cross, @function\n"
"regs_cross:\n"
"	pushq	$256\n"
"	call	__morestack\n"
"	jmp	regs_cross_body\n"
"regs_cross_body:\n"
"	pushq	%r11\n"
"	leaq	regs_in_body(%rip), %r11\n"
"	regs_store\n"
"	leaq	regs_to_return(%rip), %r11\n"
"	regs_load\n"
"	ret\n"
"	.size	regs_cross, . - regs_cross\n"
"	.text\n"
);

#elif defined(__aarch64__)

/*
 * Words 0-29: x0-x29.  From word 64 on 32 vectors of 16 bytes each.  x16,
 * x17 and x18 are nobody's.
 */
#define REGS_GENERAL	30
#define REGS_VECTORS	64
#define REGS_VECTOR	2	/* words */

static const unsigned int regs_saved[] = {
	19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
	/* The low halves of v8-v15. */
	64 + 16, 64 + 18, 64 + 20, 64 + 22, 64 + 24, 64 + 26, 64 + 28, 64 + 30,
};

static inline void regs_init(void)
{
}

static inline int regs_kept_by_morestack(unsigned int i)
{
	if (i < REGS_GENERAL)
		return i != 16 && i != 17 && i != 18;
	return i >= REGS_VECTORS && i < REGS_VECTORS + 32 * REGS_VECTOR;
}

static inline uint64_t regs_mask(unsigned int i)
{
	(void)i;
	return ~(uint64_t)0;
}

__asm__(
"	.section .text.nosplit, \"ax\", @progbits\n"

/* All but x16-x18 from or to [x16]. */
"	.macro regs_all op\n"
"	.irp n, 0, 2, 4, 6, 8, 10, 12, 14, 20, 22, 24, 26, 28\n"
"	regs_pair \\op, \\n\n"
"	.endr\n"
"	\\op\\()r	x19, [x16, #152]\n"
"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "
		"18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
"	\\op\\()r	q\\n, [x16, #512+16*\\n]\n"
"	.endr\n"
"	.endm\n"
"	.macro regs_pair op, n\n"
"	.altmacro\n"
"	regs_pair2 \\op, \\n, %(\\n+1)\n"
"	.noaltmacro\n"
"	.endm\n"
"	.macro regs_pair2 op, n, m\n"
"	\\op\\()p	x\\n, x\\m, [x16, #8*\\n]\n"
"	.endm\n"

"	.type	regs_call, @function\n"
"regs_call:\n"
"	stp	x29, x30, [sp, #-176]!\n"
"	stp	x19, x20, [sp, #16]\n"
"	stp	x21, x22, [sp, #32]\n"
"	stp	x23, x24, [sp, #48]\n"
"	stp	x25, x26, [sp, #64]\n"
"	stp	x27, x28, [sp, #80]\n"
"	stp	d8, d9, [sp, #96]\n"
"	stp	d10, d11, [sp, #112]\n"
"	stp	d12, d13, [sp, #128]\n"
"	stp	d14, d15, [sp, #144]\n"
"	str	x2, [sp, #160]\n"	/* out */
"	mov	x16, x1\n"
"	mov	x17, x0\n"
"	regs_all ld\n"
"	blr	x17\n"
"	ldr	x16, [sp, #160]\n"
"	regs_all st\n"
"	ldp	d14, d15, [sp, #144]\n"
"	ldp	d12, d13, [sp, #128]\n"
"	ldp	d10, d11, [sp, #112]\n"
"	ldp	d8, d9, [sp, #96]\n"
"	ldp	x27, x28, [sp, #80]\n"
"	ldp	x25, x26, [sp, #64]\n"
"	ldp	x23, x24, [sp, #48]\n"
"	ldp	x21, x22, [sp, #32]\n"
"	ldp	x19, x20, [sp, #16]\n"
"	ldp	x29, x30, [sp], #176\n"
"	ret\n"
"	.size	regs_call, . - regs_call\n"

"	.type	regs_cross, @function\n"
"regs_cross:\n"
"	mov	x17, x30\n"
"	mov	x16, #256\n"
"	bl	__morestack\n"
"	hint	#38\n"
"	adrp	x16, regs_in_body\n"
"	add	x16, x16, :lo12:regs_in_body\n"
"	regs_all st\n"
"	adrp	x16, regs_to_return\n"
"	add	x16, x16, :lo12:regs_to_return\n"
"	regs_all ld\n"
"	ret\n"
"	.size	regs_cross, . - regs_cross\n"
"	.text\n"
);

#endif

struct regs regs_in_body, regs_to_return;
uint32_t regs_vectors;

#endif
