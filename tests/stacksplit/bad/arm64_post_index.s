# expect: 6: .*stack pointer changed in a way that cannot be checked: ld1 {v0.16b}, \[sp\], x1
	.arch armv8-a
	.file	"x.c"
	.type	f, %function
f:
	ld1	{v0.16b}, [sp], x1
	ret
	.size	f, .-f
