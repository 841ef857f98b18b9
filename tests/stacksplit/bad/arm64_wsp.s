# expect: 6: .*stack pointer changed in a way that cannot be checked: mov wsp, w0
	.arch armv8-a
	.file	"x.c"
	.type	f, %function
f:
	mov	wsp, w0
	ret
	.size	f, .-f
