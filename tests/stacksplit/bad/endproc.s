# expect: 7: .*\.cfi_endproc without .cfi_startproc
	.file	"x.c"
	.text
	.type	f, @function
f:
	ret
	.cfi_endproc
	.size	f, .-f
