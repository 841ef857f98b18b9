# expect: 6: .*function 'f': stack pointer changed in a way that cannot be checked: xchgq %rsp, %rax
	.file	"x.c"
	.text
	.type	f, @function
f:
	xchgq	%rsp, %rax
	ret
	.size	f, .-f
