# expect: 7: .*function 'f': stack pointer changed inside .rept
	.file	"x.c"
	.text
	.type	f, @function
f:
	.rept	3
	pushq	%rax
	.endr
	call	g
	addq	$24, %rsp
	ret
	.size	f, .-f
