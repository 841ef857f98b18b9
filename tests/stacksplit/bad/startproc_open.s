# expect: 6: .*\.cfi_startproc without .cfi_endproc
	.file	"x.c"
	.text
	.type	f, @function
f:
	.cfi_startproc
	ret
	.size	f, .-f
