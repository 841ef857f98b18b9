// tests/stacksplit/forms_arm64.s - every form of a dynamic sp that is checked.
//
// Looks like compiler output, so it is rewritten.  Each function returns how
// far the checked sp is from the sp it got, plus 1 if a flag or register is
// damaged: 0 is right.
	.arch	armv8-a
	.file	"forms.c"
	.text

	.global	form_sub_reg
	.type	form_sub_reg, %function
form_sub_reg:
	.cfi_startproc
	stp	x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	mov	x29, sp
	sub	sp, sp, w0, sxtw #1
	adrp	x1, fake_last_sp
	ldr	x0, [x1, :lo12:fake_last_sp]
	mov	x1, sp
	sub	x0, x0, x1
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	form_sub_reg, .-form_sub_reg

	.global	form_add_reg
	.type	form_add_reg, %function
form_add_reg:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	neg	x16, x0
	mov	x17, #7
	add	sp, sp, x16
	cmp	x17, #7
	b.ne	form_damaged
	neg	x16, x16
	cmp	x16, x0
	b.ne	form_damaged
	adrp	x1, fake_last_sp
	ldr	x0, [x1, :lo12:fake_last_sp]
	mov	x1, sp
	sub	x0, x0, x1
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	ret
	.size	form_add_reg, .-form_add_reg

	.global	form_sub_rsp_mem
	.type	form_sub_rsp_mem, %function
form_sub_rsp_mem:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x16, sp
	add	x16, x16, xzr
	neg	x17, x0
	neg	x17, x17
	sub	sp, x16, x17
	cmp	x17, x0
	b.ne	form_damaged
	adrp	x1, fake_last_sp
	ldr	x0, [x1, :lo12:fake_last_sp]
	mov	x1, sp
	sub	x0, x0, x1
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	ret
	.size	form_sub_rsp_mem, .-form_sub_rsp_mem

	.global	form_sub_rax_mem
	.type	form_sub_rax_mem, %function
form_sub_rax_mem:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	neg	x30, x0
	neg	x30, x30
	sub	sp, sp, x30, lsl #1
	cmp	x30, x0
	b.ne	form_damaged
	adrp	x1, fake_last_sp
	ldr	x0, [x1, :lo12:fake_last_sp]
	mov	x1, sp
	sub	x0, x0, x1
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	ret
	.size	form_sub_rax_mem, .-form_sub_rax_mem

// flags must survive
	.global	form_mov_reg
	.type	form_mov_reg, %function
form_mov_reg:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x9, sp
	sub	x16, x9, x0
	mov	x17, #9
	cmp	x17, #9
	mov	sp, x16
	b.ne	form_damaged
	cmp	x17, #9
	b.ne	form_damaged
	mov	x1, sp
	cmp	x1, x16
	b.ne	form_damaged
	adrp	x1, fake_last_sp
	ldr	x0, [x1, :lo12:fake_last_sp]
	mov	x1, sp
	sub	x0, x0, x1
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	ret
	.size	form_mov_reg, .-form_mov_reg

	.global	form_mov_mem
	.type	form_mov_mem, %function
form_mov_mem:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x9, sp
	sub	x9, x9, x0
	and	sp, x9, #0xffffffffffffffc0
	adrp	x1, fake_last_sp
	ldr	x0, [x1, :lo12:fake_last_sp]
	mov	x1, sp
	sub	x0, x0, x1
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	ret
	.size	form_mov_mem, .-form_mov_mem

// 400 bytes are used below the new sp: checked with them
	.global	form_slack
	.type	form_slack, %function
form_slack:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	sub	sp, sp, x0
	adrp	x1, fake_last_sp
	ldr	x0, [x1, :lo12:fake_last_sp]
	mov	x1, sp
	sub	x0, x0, x1
	sub	sp, sp, #400
	add	sp, sp, #400
	add	x0, x0, #400
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	ret
	.size	form_slack, .-form_slack

// a loop to the entry must not run the check again: x16 lives in it
	.global	form_entry_loop
	.type	form_entry_loop, %function
form_entry_loop:
.Lloop:
	add	x16, x16, #1
	cbz	x1, 1f
	mov	x16, #5
	mov	x1, #0
	b	.Lloop
1:	sub	x0, x16, #6
	stp	x0, x30, [sp, #-16]!
	bl	form_nothing
	ldp	x0, x30, [sp], #16
	ret
	.size	form_entry_loop, .-form_entry_loop

	.type	form_nothing, %function
form_nothing:
	ret
	.size	form_nothing, .-form_nothing

// called, so not a part of form_hot although it is named like one
	.type	form_hot.cold.1, %function
form_hot.cold.1:
	stp	x0, x30, [sp, #-16]!
	bl	form_nothing
	ldp	x0, x30, [sp], #16
	ret
	.size	form_hot.cold.1, .-form_hot.cold.1

	.global	form_hot
	.type	form_hot, %function
form_hot:
	stp	x0, x30, [sp, #-16]!
	bl	form_hot.cold.1
	ldp	x1, x30, [sp], #16
	sub	x0, x0, x1
	ret
	.size	form_hot, .-form_hot

form_damaged:
	mov	x0, #1
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	ret

	.section .note.GNU-stack,"",%progbits
	.addrsig
	.addrsig_sym form_hot
