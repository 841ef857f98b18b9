# expect: 4: .*\.popsection without a .pushsection
	.file	"x.c"
	.text
	.popsection
