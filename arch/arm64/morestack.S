/* SPDX-License-Identifier: ISC */
/*
 * arm64/morestack.S - the slow path of every stack check.
 *
 * A function that finds too little stack comes here by
 *
 *	more:	mov	x16, #need		// frame size, flags in bits 0-3
 *		stp	x16, x30, [sp, #-16]!	// return address to its caller
 *		bl	__morestack		// pops both
 *		ret
 *		hint	#38			// bti jc
 *		b	body
 *
 * and sees one of two things: the call returns behind the "ret", and body
 * runs where it would have run; or body is called from here on another
 * segment, and when it has returned, so does the call, to the "ret".  (Going
 * straight to the function's caller would leave the CPU's stack of return
 * addresses off by one.)  Either way every register but x16, x17 and the flags is as it was: compilers keep values in
 * caller-saved registers across calls to functions they have seen.  x16 and
 * x17 they leave to the linker, whose veneers may use them in any call.
 *
 * The frame built here begins at the function's own entry sp, with the return
 * address to its caller.  So it looks as if that caller had called
 * __morestack and __morestack the body, to walkers along frame pointers and
 * to those that read the unwind tables:
 *
 *	+176 stack-passed arguments, the caller's frame (the CFA)
 *	+168 x18	slow path only
 *	+120 x10-x15	slow path only
 *	 +88 x6-x9	slow path only
 *	 +40 x0-x5
 *	 +32 need
 *	 +24 the segment this frame is on
 *	 +16 return address of "bl __morestack"; plus RET_SIZE: the way to body
 *	  +8 return address to the caller
 *	  +0 caller's x29		<- x29
 *
 * gdb accepts a caller's frame at a lower address than its callee's only
 * from a function of this very name.
 *
 * The goroutine's fields written here are read by this thread only, or by
 * whoever takes the goroutine over after newstack() let it go: no barriers.
 */
#include <arch/linkage.h>
#include <arch/stacksplit.h>
#include <asm/tls.h>
#include "asm-offsets.h"

#define ARGS_MAX	1024	/* C promises 127 parameters of 8 bytes */
/* AAPCS64 aligns none of them to more than 16 bytes, and sp always is. */

#define RET_SIZE	4	/* of the instruction "ret" */

#define FRAME_RET	16
#define FRAME_SEG	24
#define FRAME_X0	40
#define FRAME_X6	88
#define FRAME_X18	168
#define FRAME_SIZE	176

	.text

	.globl __morestack
	.type __morestack, %function
	.p2align 4
__morestack:
	.cfi_startproc
	.cfi_def_cfa_offset 16
	.cfi_offset x30, -8
	BTI_C
	ldp	x16, x17, [sp], #16
	.cfi_def_cfa_offset 0
	.cfi_register x30, x17
	stp	x29, x17, [sp, #-FRAME_SIZE]!
	.cfi_def_cfa_offset FRAME_SIZE
	.cfi_offset x29, -FRAME_SIZE
	.cfi_offset x30, -FRAME_SIZE + 8
	mov	x29, sp
	.cfi_def_cfa_register x29
	stp	x0, x1, [sp, #FRAME_X0]
	stp	x2, x3, [sp, #FRAME_X0 + 16]
	stp	x4, x5, [sp, #FRAME_X0 + 32]
	tls_self x0, x1
	guard_addr x2, x1
	ldr	x0, [x0, #TLS_G]		/* g */
	ldr	x1, [x0, #G_SEG]		/* g->seg */
	str	x30, [sp, #FRAME_RET]
	stp	x1, x16, [sp, #FRAME_SEG]

#ifdef GORT_ASAN
	b	slow			/* newstack() tells AddressSanitizer */
#endif

	/*
	 * Fast path: the guard is this segment's own, so nobody asks for
	 * anything; the stack pointer is inside; the next segment is attached.
	 */
	ldr	x3, [x1, #SEG_GUARD]
	ldr	x4, [x2]
	cmp	x3, x4
	b.ne	slow
	ldr	x5, [x1, #SEG_TOP]
	cmp	x29, x5
	b.hs	slow
	ldr	x3, [x1, #SEG_LO]
	cmp	x29, x3
	b.lo	slow
	ldr	x4, [x1, #SEG_NEXT]		/* g->seg->next */
	cbz	x4, slow

	/*
	 * The arguments end where the caller's frame record begins at the
	 * latest: gcc puts it right above them (at their place, if there are
	 * none), clang above the locals as well.  A caller without a frame
	 * record, or with a large frame, gets ARGS_MAX, but no more than
	 * there is.
	 */
	add	x17, x29, #FRAME_SIZE		/* arguments */
	ldr	x3, [x29]			/* caller's x29 */
	sub	x3, x3, x17			/* bytes of them */
	cmp	x3, #ARGS_MAX
	b.ls	args_known
	tst	x16, #STACKSPLIT_BIGARGS
	b.ne	slow
	sub	x3, x5, x17
	mov	x1, #ARGS_MAX
	cmp	x3, x1
	csel	x3, x1, x3, hi
args_known:
	add	x3, x3, #15
	and	x3, x3, #-16
	ldr	x1, [x4, #SEG_TOP]
	sub	x1, x1, x3			/* their new place */
	and	x5, x16, #~STACKSPLIT_FLAGS
	sub	x5, x1, x5			/* lowest byte of the frame */
	ldr	x30, [x4, #SEG_GUARD]
	cmp	x5, x30
	b.lo	slow

	str	x4, [x0, #G_SEG]
	str	x30, [x2]
	cbz	x3, args_copied
	mov	x0, x1
	add	x3, x1, x3			/* their new end */
copy_args:
	ldp	x4, x5, [x17], #16
	stp	x4, x5, [x0], #16
	cmp	x0, x3
	b.ne	copy_args
args_copied:
	mov	sp, x1				/* on the next segment */

call_body:
	ldr	x16, [x29, #FRAME_RET]
	ldp	x0, x1, [x29, #FRAME_X0]
	ldp	x2, x3, [x29, #FRAME_X0 + 16]
	ldp	x4, x5, [x29, #FRAME_X0 + 32]
	add	x16, x16, #RET_SIZE
	blr	x16				/* body */
	.globl morestack_return
	.hidden morestack_return
morestack_return:
	tls_self x16, x17
	ldr	x30, [x29, #FRAME_SEG]		/* the segment we came from */
	ldr	x16, [x16, #TLS_G]
	str	x30, [x16, #G_SEG]
	guard_addr x16, x17
	ldr	x30, [x30, #SEG_GUARD]
	str	x30, [x16]
#ifdef GORT_ASAN
	stp	x0, x1, [x29, #FRAME_X0]
	stp	x2, x3, [x29, #FRAME_X0 + 16]
	stp	x4, x5, [x29, #FRAME_X0 + 32]
	stp	x6, x7, [x29, #FRAME_X6]
	stp	x8, x9, [x29, #FRAME_X6 + 16]
	stp	x10, x11, [x29, #FRAME_X6 + 32]
	stp	x12, x13, [x29, #FRAME_X6 + 48]
	stp	x14, x15, [x29, #FRAME_X6 + 64]
	str	x18, [x29, #FRAME_X18]
	adrp	x0, segment_left
	add	x0, x0, :lo12:segment_left
	bl	morestack_mcall
	ldp	x0, x1, [x29, #FRAME_X0]
	ldp	x2, x3, [x29, #FRAME_X0 + 16]
	ldp	x4, x5, [x29, #FRAME_X0 + 32]
	ldp	x6, x7, [x29, #FRAME_X6]
	ldp	x8, x9, [x29, #FRAME_X6 + 16]
	ldp	x10, x11, [x29, #FRAME_X6 + 32]
	ldp	x12, x13, [x29, #FRAME_X6 + 48]
	ldp	x14, x15, [x29, #FRAME_X6 + 64]
	ldr	x18, [x29, #FRAME_X18]
#endif
	mov	sp, x29				/* on it again */
	ldr	x16, [sp, #FRAME_RET]
	ldp	x29, x30, [sp], #FRAME_SIZE
	.cfi_remember_state
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	ret	x16				/* to "ret" */
	.cfi_restore_state

slow:
	stp	x6, x7, [sp, #FRAME_X6]
	stp	x8, x9, [sp, #FRAME_X6 + 16]
	stp	x10, x11, [sp, #FRAME_X6 + 32]
	stp	x12, x13, [sp, #FRAME_X6 + 48]
	stp	x14, x15, [sp, #FRAME_X6 + 64]
	str	x18, [sp, #FRAME_X18]
	tls_self x1, x2
	ldr	x0, [x1, #TLS_G]
	ldr	w2, [x1, #TLS_WHERE]
	cmp	w2, #ON_GOROUTINE
	b.lo	in_place
	ldr	x2, [x1, #TLS_SIG_LO]
	ldr	x3, [x1, #TLS_SIG_SIZE]
	sub	x2, x29, x2
	cmp	x2, x3
	b.lo	in_place			/* a signal handler's check */
	str	x16, [x0, #G_MORE_NEED]
	add	x2, x29, #FRAME_SIZE
	str	x2, [x0, #G_MORE_SP]
	ldr	x2, [x29, #FRAME_RET]
	str	x2, [x0, #G_MORE_PC]
	str	x29, [x0, #G_MORE_FP]
	adrp	x0, newstack
	add	x0, x0, :lo12:newstack
	bl	morestack_mcall
	tls_self x0, x1
	ldr	x0, [x0, #TLS_G]
	ldp	x6, x7, [sp, #FRAME_X6]
	ldp	x8, x9, [sp, #FRAME_X6 + 16]
	ldp	x10, x11, [sp, #FRAME_X6 + 32]
	ldp	x12, x13, [sp, #FRAME_X6 + 48]
	ldp	x14, x15, [sp, #FRAME_X6 + 64]
	ldr	x18, [sp, #FRAME_X18]
	ldr	x1, [x0, #G_MORE_NEW]
	cbz	x1, in_place
	ldr	x0, [x0, #G_MORE_SEG]
	str	x0, [x29, #FRAME_SEG]
	mov	sp, x1				/* on a new segment */
	b	call_body

in_place:
	ldr	x16, [sp, #FRAME_RET]
	ldp	x0, x1, [sp, #FRAME_X0]
	ldp	x2, x3, [sp, #FRAME_X0 + 16]
	ldp	x4, x5, [sp, #FRAME_X0 + 32]
	ldp	x29, x30, [sp], #FRAME_SIZE
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	add	x16, x16, #RET_SIZE
	ret	x16				/* to body */
SYM_FUNC_END(__morestack)

	.arch_extension sve

/*
 * morestack_mcall - arch_mcall() that keeps the vector registers as well:
 * they carry arguments, and another goroutine may run meanwhile.
 *
 * In:   x0 fn
 * Keep: x19-x29, q0-q31, FPCR, FPSR; with SVE z0-z31, p0-p15, FFR
 * Kill: the other general registers
 *
 * The stack, with SVE (VL: bytes of a z register, PL: of a predicate, VL/8):
 *	+35 VL  frame record, FPSR	<- x29
 *	 +3 VL  z0-z31
 *	+16 PL  FFR
 *	 +0 PL  p0-p15
 * and without:
 *	 +512   frame record, FPSR	<- x29
 *	   +0   q0-q31
 */
SYM_FUNC_START(morestack_mcall)
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset x29, -32
	.cfi_offset x30, -24
	mov	x29, sp
	.cfi_def_cfa_register x29
	mrs	x1, fpsr
	str	x1, [x29, #16]
	adrp	x1, arm64_has_sve
	ldrb	w1, [x1, :lo12:arm64_has_sve]
	cbz	w1, no_sve
	addvl	sp, sp, #-32
	addvl	sp, sp, #-3			/* 17 PL, sp 16-aligned */
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, \
		17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	str	z\n, [sp, #\n + 3, mul vl]
	.endr
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	str	p\n, [sp, #\n, mul vl]
	.endr
	rdffr	p0.b
	str	p0, [sp, #16, mul vl]
	bl	arch_mcall
	ldr	p0, [sp, #16, mul vl]
	wrffr	p0.b
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	ldr	p\n, [sp, #\n, mul vl]
	.endr
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, \
		17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	ldr	z\n, [sp, #\n + 3, mul vl]
	.endr
	b	restored
no_sve:
	sub	sp, sp, #512
	stp	q0, q1, [sp]
	stp	q2, q3, [sp, #32]
	stp	q4, q5, [sp, #64]
	stp	q6, q7, [sp, #96]
	stp	q8, q9, [sp, #128]
	stp	q10, q11, [sp, #160]
	stp	q12, q13, [sp, #192]
	stp	q14, q15, [sp, #224]
	stp	q16, q17, [sp, #256]
	stp	q18, q19, [sp, #288]
	stp	q20, q21, [sp, #320]
	stp	q22, q23, [sp, #352]
	stp	q24, q25, [sp, #384]
	stp	q26, q27, [sp, #416]
	stp	q28, q29, [sp, #448]
	stp	q30, q31, [sp, #480]
	bl	arch_mcall
	ldp	q0, q1, [sp]
	ldp	q2, q3, [sp, #32]
	ldp	q4, q5, [sp, #64]
	ldp	q6, q7, [sp, #96]
	ldp	q8, q9, [sp, #128]
	ldp	q10, q11, [sp, #160]
	ldp	q12, q13, [sp, #192]
	ldp	q14, q15, [sp, #224]
	ldp	q16, q17, [sp, #256]
	ldp	q18, q19, [sp, #288]
	ldp	q20, q21, [sp, #320]
	ldp	q22, q23, [sp, #352]
	ldp	q24, q25, [sp, #384]
	ldp	q26, q27, [sp, #416]
	ldp	q28, q29, [sp, #448]
	ldp	q30, q31, [sp, #480]
restored:
	ldr	x1, [x29, #16]
	msr	fpsr, x1
	mov	sp, x29
	ldp	x29, x30, [sp], #32
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	ret
	.globl morestack_mcall_end
	.hidden morestack_mcall_end
morestack_mcall_end:
SYM_FUNC_END(morestack_mcall)

#define SETSP_X0	0
#define SETSP_X2	16
#define SETSP_SIZE	32
#define SETSP_ARG	(SETSP_SIZE + 16)
#define SETSP_ARG_SIZE	32

#define SETSP_SLOW_FLAGS	16
#define SETSP_SLOW_X5		32
#define SETSP_SLOW_SIZE		144

/*
 * __morestack_setsp - may the stack pointer move to a computed place?
 *
 * Comes before every dynamic allocation (alloca, variable-length arrays), by
 *
 *		stp	x16, x30, [sp, #-32]!
 *		str	x17, [sp, #24]
 *		...				// x16 = the stack pointer to be
 *		str	x16, [sp, #16]
 *		bl	__morestack_setsp
 *		ldr	x17, [sp, #24]
 *		ldp	x16, x30, [sp], #32
 *
 * In:   [sp, #16] the stack pointer to be
 * Out:  if that lies in the segment, which may have grown.  Otherwise a fatal
 *	 error.
 * Keep: every register but x30, and the flags.  The caller saves x16 and x17
 *	 all the same, for the linker's veneers.
 */
SYM_FUNC_START_PUBLIC(__morestack_setsp)
	BTI_C
	stp	x0, x1, [sp, #-SETSP_SIZE]!
	.cfi_adjust_cfa_offset SETSP_SIZE
	stp	x2, x3, [sp, #SETSP_X2]
	mrs	x2, nzcv
	ldr	x0, [sp, #SETSP_ARG]		/* the stack pointer to be */
	cmp	sp, x0
	b.ls	setsp_done			/* goes up: the end of a scope */
	guard_addr x1, x3
	ldr	x1, [x1]
	cmp	x0, x1
	b.lo	setsp_slow
setsp_done:
	msr	nzcv, x2
	ldp	x2, x3, [sp, #SETSP_X2]
	ldp	x0, x1, [sp], #SETSP_SIZE
	.cfi_adjust_cfa_offset -SETSP_SIZE
	ret
	.cfi_adjust_cfa_offset SETSP_SIZE
setsp_slow:
	stp	x29, x30, [sp, #-SETSP_SLOW_SIZE]!
	.cfi_adjust_cfa_offset SETSP_SLOW_SIZE
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	stp	x2, x4, [sp, #SETSP_SLOW_FLAGS]
	stp	x5, x6, [sp, #SETSP_SLOW_X5]
	stp	x7, x8, [sp, #SETSP_SLOW_X5 + 16]
	stp	x9, x10, [sp, #SETSP_SLOW_X5 + 32]
	stp	x11, x12, [sp, #SETSP_SLOW_X5 + 48]
	stp	x13, x14, [sp, #SETSP_SLOW_X5 + 64]
	stp	x15, x16, [sp, #SETSP_SLOW_X5 + 80]
	stp	x17, x18, [sp, #SETSP_SLOW_X5 + 96]
	tls_self x1, x2
	ldr	x2, [x1, #TLS_G]
	ldr	w3, [x1, #TLS_WHERE]
	cmp	w3, #ON_GOROUTINE
	b.lo	setsp_restore
	ldr	x3, [x1, #TLS_SIG_LO]
	ldr	x4, [x1, #TLS_SIG_SIZE]
	sub	x3, x29, x3
	cmp	x3, x4
	b.lo	setsp_restore
	str	x0, [x2, #G_MORE_NEED]
	add	x3, x29, #SETSP_SLOW_SIZE + SETSP_SIZE + SETSP_ARG_SIZE
	str	x3, [x2, #G_MORE_SP]		/* before the argument */
	ldp	x3, x4, [x29]
	str	x4, [x2, #G_MORE_PC]
	str	x3, [x2, #G_MORE_FP]
	adrp	x0, newstack_setsp
	add	x0, x0, :lo12:newstack_setsp
	bl	morestack_mcall
setsp_restore:
	ldp	x17, x18, [sp, #SETSP_SLOW_X5 + 96]
	ldp	x15, x16, [sp, #SETSP_SLOW_X5 + 80]
	ldp	x13, x14, [sp, #SETSP_SLOW_X5 + 64]
	ldp	x11, x12, [sp, #SETSP_SLOW_X5 + 48]
	ldp	x9, x10, [sp, #SETSP_SLOW_X5 + 32]
	ldp	x7, x8, [sp, #SETSP_SLOW_X5 + 16]
	ldp	x5, x6, [sp, #SETSP_SLOW_X5]
	ldp	x2, x4, [sp, #SETSP_SLOW_FLAGS]
	ldp	x29, x30, [sp], #SETSP_SLOW_SIZE
	.cfi_adjust_cfa_offset -SETSP_SLOW_SIZE
	.cfi_restore x29
	.cfi_restore x30
	b	setsp_done
SYM_FUNC_END(__morestack_setsp)

	.section .note.GNU-stack, "", %progbits
