# expect: 5: .*function 'f': has no .size
	.file	"x.c"
	.text
	.type	f, @function
f:
	call	g
	ret
