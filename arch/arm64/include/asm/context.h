/* SPDX-License-Identifier: ISC */
/*
 * asm/context.h - arm64: what arch_mcall() stores and arch_gogo() loads.
 */
#ifndef ASM_CONTEXT_H
#define ASM_CONTEXT_H

struct switch_frame {
	u64 fp;			/* x29: with pc, a frame record */
	u64 pc;			/* x30 */
	u64 x19, x20, x21, x22, x23, x24, x25, x26, x27, x28;
	u64 d8, d9, d10, d11, d12, d13, d14, d15;
	u64 fpcr;
	u64 pad;
};

/* What Linux starts a thread with: no traps, round to nearest. */
#define FPCR_DEFAULT	0

static inline void switch_frame_start(struct switch_frame *f,
				      void (*fn)(void *), void *arg)
{
	f->fpcr = FPCR_DEFAULT;
	f->x19 = (u64)fn;
	f->x20 = (u64)arg;
}

#endif
