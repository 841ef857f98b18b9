# tests/stacksplit/forms_x86_64.s - every form of a dynamic sp that is checked.
#
# Looks like compiler output, so it is rewritten.  Each function returns how
# far the checked sp is from the sp it got, plus 1 if a flag or register is
# damaged: 0 is right.
	.file	"forms.c"
	.text

	.globl	form_sub_reg
	.type	form_sub_reg, @function
form_sub_reg:
	.cfi_startproc
	pushq	%rbp
	movq	%rsp, %rbp
	movslq	%edi, %rcx
	subq	%rcx, %rsp
	movq	fake_last_sp(%rip), %rax
	subq	%rsp, %rax
	leave
	ret
	.cfi_endproc
	.size	form_sub_reg, .-form_sub_reg

	.globl	form_add_reg
	.type	form_add_reg, @function
form_add_reg:
	pushq	%rbp
	movq	%rsp, %rbp
	negq	%rdi
	addq	%rdi, %rsp
	movq	fake_last_sp(%rip), %rax
	subq	%rsp, %rax
	leave
	ret
	.size	form_add_reg, .-form_add_reg

	.globl	form_sub_rsp_mem
	.type	form_sub_rsp_mem, @function
form_sub_rsp_mem:
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$32, %rsp
	movq	%rdi, 16(%rsp)
	subq	16(%rsp), %rsp
	movq	fake_last_sp(%rip), %rax
	subq	%rsp, %rax
	leave
	ret
	.size	form_sub_rsp_mem, .-form_sub_rsp_mem

	.globl	form_sub_rax_mem
	.type	form_sub_rax_mem, @function
form_sub_rax_mem:
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$32, %rsp
	movq	%rdi, 16(%rsp)
	leaq	8(%rsp), %rax
	xchgq	%rax, %rdx
	movq	%rdx, %rax
	subq	8(%rax), %rsp
	subq	%rax, %rdx
	movq	fake_last_sp(%rip), %rax
	subq	%rsp, %rax
	addq	%rdx, %rax
	leave
	ret
	.size	form_sub_rax_mem, .-form_sub_rax_mem

# flags must survive
	.globl	form_mov_reg
	.type	form_mov_reg, @function
form_mov_reg:
	pushq	%rbp
	movq	%rsp, %rbp
	movq	%rsp, %rdx
	subq	%rdi, %rdx
	stc
	movq	%rdx, %rsp
	sbbq	%rcx, %rcx
	movq	fake_last_sp(%rip), %rax
	subq	%rsp, %rax
	subq	$-1, %rcx
	addq	%rcx, %rax
	leave
	ret
	.size	form_mov_reg, .-form_mov_reg

	.globl	form_mov_mem
	.type	form_mov_mem, @function
form_mov_mem:
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$16, %rsp
	movq	%rsp, %rdx
	subq	%rdi, %rdx
	movq	%rdx, (%rsp)
	stc
	movq	(%rsp), %rsp
	sbbq	%rcx, %rcx
	movq	fake_last_sp(%rip), %rax
	subq	%rsp, %rax
	subq	$-1, %rcx
	addq	%rcx, %rax
	leave
	ret
	.size	form_mov_mem, .-form_mov_mem

# 400 bytes are used below the new sp: checked with them
	.globl	form_slack
	.type	form_slack, @function
form_slack:
	pushq	%rbp
	movq	%rsp, %rbp
	movq	%rsp, %rdx
	subq	%rdi, %rdx
	stc
	movq	%rdx, %rsp
	sbbq	%rcx, %rcx
	movq	fake_last_sp(%rip), %rax
	subq	%rsp, %rax
	subq	$400, %rsp
	addq	$400, %rsp
	addq	$400, %rax
	subq	$-1, %rcx
	addq	%rcx, %rax
	leave
	ret
	.size	form_slack, .-form_slack

# a loop to the entry must not run the check again: r11 lives in it
	.globl	form_entry_loop
	.type	form_entry_loop, @function
form_entry_loop:
.Lloop:
	leaq	(%rdi,%rdi), %r11
	xorl	%eax, %eax
	decq	%rsi
	jg	.Lloop
	pushq	%r11
	call	form_nothing
	popq	%rax
	subq	%rdi, %rax
	subq	%rdi, %rax
	ret
	.size	form_entry_loop, .-form_entry_loop

	.type	form_nothing, @function
form_nothing:
	ret
	.size	form_nothing, .-form_nothing

# called, so not a part of form_hot although it is named like one
	.type	form_hot.cold.1, @function
form_hot.cold.1:
	pushq	%rdi
	call	form_nothing
	popq	%rax
	ret
	.size	form_hot.cold.1, .-form_hot.cold.1

	.globl	form_hot
	.type	form_hot, @function
form_hot:
	pushq	%rdi
	call	form_hot.cold.1
	popq	%rcx
	subq	%rcx, %rax
	ret
	.size	form_hot, .-form_hot

	.section .note.GNU-stack,"",@progbits
	.addrsig
	.addrsig_sym form_hot
