# expect: 6: .*stack pointer changed in a way that cannot be checked: subq \$size, %rsp
	.file	"x.c"
	.text
	.type	f, @function
f:
	subq	$size, %rsp
	ret
	.size	f, .-f
