# expect: 4: .*\.macro without .endm
	.file	"x.c"
	.text
	.macro	open
	nop
