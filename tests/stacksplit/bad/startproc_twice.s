# expect: 7: .*\.cfi_startproc: the one of line 6 is still open
	.file	"x.c"
	.text
	.type	f, @function
f:
	.cfi_startproc
	.cfi_startproc
	ret
	.cfi_endproc
	.size	f, .-f
