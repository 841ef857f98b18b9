// SPDX-License-Identifier: ISC
/*
 * arm64/asm-offsets.c - structure offsets for assembly, never typed by hand.
 */
#include <arch/kbuild.h>
#include "kernel/sched.h"

_Static_assert(sizeof(struct switch_frame) % 16 == 0, "sp must be 16-aligned");
_Static_assert(offsetof(struct switch_frame, fp) == 0, "see arch_mcall()");
_Static_assert(offsetof(struct switch_frame, pc) == 8, "see arch_mcall()");

void asm_offsets(void);

void asm_offsets(void)
{
	OFFSET(TLS_G, tls, g);
	OFFSET(TLS_G0, tls, g0);
	OFFSET(TLS_G0_SP, tls, g0_sp);
	OFFSET(TLS_SIG_LO, tls, sig_lo);
	OFFSET(TLS_SIG_SIZE, tls, sig_size);
	OFFSET(TLS_WHERE, tls, where);
	DEFINE(ON_GOROUTINE, ON_GOROUTINE);
	DEFINE(ON_G0, ON_G0);
	BLANK();
	OFFSET(G_CTX_SP, g, ctx.sp);
	OFFSET(G_SEG, g, seg);
	OFFSET(G_WHERE, g, where);
	OFFSET(G_MORE_NEED, g, more_need);
	OFFSET(G_MORE_SP, g, more_sp);
	OFFSET(G_MORE_PC, g, more_pc);
	OFFSET(G_MORE_FP, g, more_fp);
	OFFSET(G_MORE_NEW, g, more_new);
	OFFSET(G_MORE_SEG, g, more_seg);
	BLANK();
	OFFSET(SEG_LO, segment, lo);
	OFFSET(SEG_TOP, segment, top);
	OFFSET(SEG_GUARD, segment, guard);
	OFFSET(SEG_NEXT, segment, next);
	BLANK();
	OFFSET(SWITCH_X19, switch_frame, x19);
	OFFSET(SWITCH_X21, switch_frame, x21);
	OFFSET(SWITCH_X23, switch_frame, x23);
	OFFSET(SWITCH_X25, switch_frame, x25);
	OFFSET(SWITCH_X27, switch_frame, x27);
	OFFSET(SWITCH_D8, switch_frame, d8);
	OFFSET(SWITCH_D10, switch_frame, d10);
	OFFSET(SWITCH_D12, switch_frame, d12);
	OFFSET(SWITCH_D14, switch_frame, d14);
	OFFSET(SWITCH_FPCR, switch_frame, fpcr);
	DEFINE(SWITCH_SIZE, sizeof(struct switch_frame));
}
