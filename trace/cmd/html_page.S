/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/html_page.S - the page, without the data, in the command.
 */
	.macro	file name, paths:vararg
	.globl	\name, \name\()_end
\name:
	.irp	path, \paths
	.incbin	"trace/cmd/\path"
	.endr
\name\()_end:
	.endm

	.section .rodata
	file	html_page, page.html
	file	html_css, page.css
	file	html_js, page.js, page_lanes.js, page_tables.js

	.section .note.GNU-stack, "", %progbits
