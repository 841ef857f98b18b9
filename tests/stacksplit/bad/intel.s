# expect: 3: .*Intel syntax is not supported
	.file	"x.c"
	.intel_syntax noprefix
	.text
	.type	f, @function
f:	ret
	.size	f, .-f
