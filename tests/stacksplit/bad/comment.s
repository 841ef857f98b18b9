# expect: 4: .*unterminated comment
	.file	"x.c"
	.text
f:	/* nothing ends this
	ret
