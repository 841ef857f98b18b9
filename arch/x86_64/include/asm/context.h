/* SPDX-License-Identifier: ISC */
/*
 * asm/context.h - x86-64: what arch_mcall() pushes and arch_gogo() pops.
 */
#ifndef ASM_CONTEXT_H
#define ASM_CONTEXT_H

struct switch_frame {
	u32 mxcsr;
	u16 x87cw;
	u16 pad;
	u64 r15, r14, r13, r12, rbx;
	u64 fp;			/* %rbp: with pc, a frame record */
	u64 pc;
};

/* Power-on control words: all exceptions masked, round to nearest. */
#define MXCSR_DEFAULT	0x1f80
#define X87CW_DEFAULT	0x037f

static inline void switch_frame_start(struct switch_frame *f,
				      void (*fn)(void *), void *arg)
{
	f->mxcsr = MXCSR_DEFAULT;
	f->x87cw = X87CW_DEFAULT;
	f->rbx = (u64)fn;
	f->r12 = (u64)arg;
}

#endif
