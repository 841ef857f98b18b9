# expect: 6: .*stack pointer changed in a way that cannot be checked: addl \$8, %esp
	.file	"x.c"
	.text
	.type	f, @function
f:
	addl	$8, %esp
	ret
	.size	f, .-f
