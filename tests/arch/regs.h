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
 * regs_saved[] lists the words that a callee keeps.  REGS_FP is the frame
 * pointer: on another segment the body has that of __morestack.
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
#define REGS_FP		4
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

#elif defined(__aarch64__)

/*
 * Words 0-29: x0-x29, without x16-x18.  From word 64 on 32 vectors of 16
 * bytes each.
 */
#define REGS_GENERAL	30
#define REGS_FP		29
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

#endif

#endif
