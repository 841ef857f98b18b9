# expect: 6: .*function 'f': stack pointer changed in a way that cannot be checked: addvl sp, sp, #-1
	.arch armv8-a
	.file	"x.c"
	.type	f, %function
f:
	addvl	sp, sp, #-1
	bl	g
	ret
	.size	f, .-f
