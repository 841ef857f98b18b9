# expect: 7: .*function 'f': stack pointer changed.*popq %rsp \[y.c:12\]
	.file	"x.c"
	.text
	.type	f, @function
f:	.file	1 "y.c"
	.loc	1 12 3
	popq	%rsp
	ret
	.size	f, .-f
