/* SPDX-License-Identifier: ISC */
/* trace/cmd/flame_js.S - flame.js, for the program that puts it into graphs */
	.section .rodata
	.globl	flame_js, flame_js_end
flame_js:
	.incbin	"trace/cmd/flame.js"
flame_js_end:
	.section .note.GNU-stack, "", %progbits
