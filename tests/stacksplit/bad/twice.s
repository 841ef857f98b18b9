# expect: 8: .*this file has stack checks already
	.file	"x.c"
	.text
	.type	f, @function
f:
	cmpq	%fs:0x70, %rsp
	jb	f
.Lgort_body0:
	ret
	.size	f, .-f
