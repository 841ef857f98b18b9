# expect: 7: .*function 'f': stack pointer changed in a way that cannot be checked: leaq (%rsp,%rax), %rsp
	.file	"x.c"
	.text
	.type	f, @function
f:
	call	g
	leaq	(%rsp,%rax), %rsp
	ret
	.size	f, .-f
