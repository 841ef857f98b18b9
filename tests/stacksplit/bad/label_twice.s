# expect: 8: .*label '.L1' is defined twice, first in line 6
	.file	"x.c"
	.text
	.type	f, @function
f:
.L1:
	nop
.L1:
	ret
	.size	f, .-f
