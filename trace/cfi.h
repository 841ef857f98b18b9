/* SPDX-License-Identifier: ISC */
/*
 * trace/cfi.h - what a function has done to its stack so far.
 */
#ifndef TRACE_CFI_H
#define TRACE_CFI_H

#include <arch/compiler.h>

enum cfi {
	CFI_NO_CODE,		/* pc is in no code of a loaded object */
	CFI_FRAME,		/* or nothing is known */
	/*
	 * The stack is as the call of the function left it.  So it has no
	 * frame there, and frame pointers do not know its caller: in a leaf
	 * that needs none, or before or behind the part that has one.
	 */
	CFI_AT_ENTRY,
};

/*
 * cfi_look - believes the unwind tables of loaded objects.
 * Context: goroutine, threads; not signal handlers.  Waits for the loader.
 */
enum cfi cfi_look(uintptr_t pc);

#endif
