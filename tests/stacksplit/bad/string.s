# expect: 4: .*unterminated string
	.file	"x.c"
	.section .rodata
	.string	"abc
