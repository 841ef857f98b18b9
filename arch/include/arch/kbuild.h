// SPDX-License-Identifier: ISC
/*
 * arch/include/arch/kbuild.h - what asm-offsets.c is written with
 *
 * The file is compiled to assembly text only.  Each macro leaves a marker in
 * it, from which the build makes a line of <asm-offsets.h>; so assembly never
 * repeats an offset that the compiler knows.
 */
#ifndef ARCH_KBUILD_H
#define ARCH_KBUILD_H

#include <stddef.h>

/* #define sym val */
#define DEFINE(sym, val) \
	asm volatile("\n.ascii \"->" #sym " %0 " #val "\"" : : "i"(val))

/* #define sym offset of mem in struct str */
#define OFFSET(sym, str, mem) DEFINE(sym, offsetof(struct str, mem))

#define BLANK() asm volatile("\n.ascii \"->\"" : :)

#define COMMENT(x) asm volatile("\n.ascii \"->#" x "\"")

#endif /* ARCH_KBUILD_H */
