# expect: 10: .*function 'f': macro may change the stack pointer or leave the function
	.file	"x.c"
	.text
	.macro	hide
	pushq	%rax
	call	g
	.endm
	.type	f, @function
f:	nop
	hide
	ret
	.size	f, .-f
