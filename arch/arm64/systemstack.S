/* SPDX-License-Identifier: ISC */
/*
 * arm64/systemstack.S - run a function on g0 and come back.
 *
 * Only this thread reads what is written here: no barriers.
 */
#include <asm/errno.h>

#include <arch/linkage.h>
#include <asm/tls.h>
#include "asm-offsets.h"

#define FRAME_X19	16
#define FRAME_X21	32
#define FRAME_SIZE	48

	.text

/*
 *	int arch_systemstack(void (*fn)(void *), void *arg);
 *
 * In:   x0 fn, x1 arg
 * Out:  w0 0, or -EPERM on a thread the runtime does not know
 * Keep: x19-x29, d8-d15
 * Kill: everything else
 *
 * The guard stays in a register meanwhile: a pair costs as much as one.  It
 * is put back as it was, poisoned or not.
 */
SYM_FUNC_START(arch_systemstack)
	BTI_C
	stp	x29, x30, [sp, #-FRAME_SIZE]!
	.cfi_def_cfa_offset FRAME_SIZE
	.cfi_offset x29, -FRAME_SIZE
	.cfi_offset x30, -FRAME_SIZE + 8
	mov	x29, sp
	.cfi_def_cfa_register x29
	stp	x19, x20, [sp, #FRAME_X19]
	.cfi_offset x19, FRAME_X19 - FRAME_SIZE
	.cfi_offset x20, FRAME_X19 - FRAME_SIZE + 8
	str	x21, [sp, #FRAME_X21]
	.cfi_offset x21, FRAME_X21 - FRAME_SIZE
	tls_self x19, x9
	mov	x9, x0				/* fn */
	mov	x0, x1				/* arg */
	ldr	x10, [x19, #TLS_SIG_LO]
	ldr	x11, [x19, #TLS_SIG_SIZE]
	sub	x10, x29, x10
	cmp	x10, x11
	b.lo	on_signal_stack
	ldr	w10, [x19, #TLS_WHERE]
	cmp	w10, #ON_GOROUTINE
	b.ne	elsewhere
	guard_addr x20, x11
	ldr	x21, [x20]			/* guard */
	mov	w10, #ON_G0
	str	w10, [x19, #TLS_WHERE]
	str	xzr, [x20]
	ldr	x10, [x19, #TLS_G0_SP]
	mov	sp, x10				/* on g0's stack */
	blr	x9
	mov	sp, x29				/* on the goroutine's stack */
	mov	w10, #ON_GOROUTINE
	str	w10, [x19, #TLS_WHERE]
	str	x21, [x20]
systemstack_done:
	mov	w0, #0
systemstack_return:
	ldr	x21, [sp, #FRAME_X21]
	ldp	x19, x20, [sp, #FRAME_X19]
	ldp	x29, x30, [sp], #FRAME_SIZE
	.cfi_remember_state
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	ret
	.cfi_restore_state

elsewhere:
	cmp	w10, #ON_G0
	b.ne	not_ours
	blr	x9
	b	systemstack_done

not_ours:
	mov	w0, #-EPERM
	b	systemstack_return

on_signal_stack:
	bl	systemstack_on_signal
	brk	#1
SYM_FUNC_END(arch_systemstack)

	.section .note.GNU-stack, "", %progbits
