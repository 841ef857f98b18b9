# expect: 6: .*function 'f': stack pointer moves in a loop without end
	.file	"x.c"
	.text
	.type	f, @function
f:	xorl	%eax, %eax
.L1:	pushq	%rax
	decl	%edi
	jne	.L1
	call	g
	.size	f, .-f
