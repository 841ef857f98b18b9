# expect: 5: .*function 'f': frame of 2147483632 bytes is larger than 1 GiB
	.file	"x.c"
	.text
	.type	f, @function
f:
	subq	$2147483624, %rsp
	call	g
	addq	$2147483624, %rsp
	ret
	.size	f, .-f
