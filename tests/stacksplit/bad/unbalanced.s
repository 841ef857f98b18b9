# expect: 7: .*function 'f': stack pointer is 8 bytes off: ret
	.file	"x.c"
	.text
	.type	f, @function
f:
	pushq	%rbx
	ret
	.size	f, .-f
