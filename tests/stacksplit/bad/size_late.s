# expect: 6: .*function 'f': its .size does not come before function 'g'
	.file	"x.c"
	.text
	.type	f, @function
	.type	g, @function
f:
	call	g
	ret
g:
	ret
	.size	g, .-g
	.size	f, .-f
