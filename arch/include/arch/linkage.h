/* SPDX-License-Identifier: ISC */
/*
 * arch/linkage.h - for assembly files.
 */
#ifndef ARCH_LINKAGE_H
#define ARCH_LINKAGE_H

#define SYM_FUNC_START(name)		\
	.globl	name;			\
	.hidden	name;			\
	.type	name, %function;	\
	.p2align 4;			\
name:					\
	.cfi_startproc

/* The function before it runs on into this one. */
#define SYM_FUNC_START_UNALIGNED(name)	\
	.globl	name;			\
	.hidden	name;			\
	.type	name, %function;	\
name:					\
	.cfi_startproc

/* Seen outside the library: compilers and stacksplit call it by name. */
#define SYM_FUNC_START_PUBLIC(name)	\
	.globl	name;			\
	.type	name, %function;	\
	.p2align 4;			\
name:					\
	.cfi_startproc

#define SYM_FUNC_END(name)		\
	.cfi_endproc;			\
	.size	name, . - name

#endif
