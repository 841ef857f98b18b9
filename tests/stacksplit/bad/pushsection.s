# expect: .*\.pushsection without .popsection
	.file	"x.c"
	.text
	.pushsection .data
	.long	1
