# expect: 7: .*stack pointer moves in a loop without end .*-fno-stack-clash-protection
	.file	"x.c"
	.text
	.type	f, @function
f:
	leaq	-100000(%rsp), %r11
.L1:
	subq	$4096, %rsp
	orq	$0, (%rsp)
	cmpq	%r11, %rsp
	jne	.L1
	call	g
	addq	$100000, %rsp
	ret
	.size	f, .-f
