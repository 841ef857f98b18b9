# expect: 5: .*function 'f': uses the red zone and allocates dynamically
	.file	"x.c"
	.text
	.type	f, @function
f:
	movq	%rsp, %rcx
	movq	%rax, -8(%rsp)
	subq	%rax, %rsp
	movq	%rcx, %rsp
	ret
	.size	f, .-f
