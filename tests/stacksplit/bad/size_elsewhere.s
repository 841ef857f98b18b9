# expect: 8: .*function 'f': does not end in the section where it begins
	.file	"x.c"
	.text
	.type	f, @function
f:
	ret
	.data
	.size	f, .-f
