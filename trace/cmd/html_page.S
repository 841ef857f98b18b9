/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/html_page.S - the page, without the data, in the command.
 */
	.macro	file name, path
	.globl	\name, \name\()_end
\name:
	.incbin	"\path"
\name\()_end:
	.endm

	.section .rodata
	file	html_page, trace/cmd/page.html
	file	html_css, trace/cmd/page.css
	file	html_js, trace/cmd/page.js

	.section .note.GNU-stack, "", %progbits
