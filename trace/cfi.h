/* SPDX-License-Identifier: ISC */
/*
 * trace/cfi.h - what a function has done to its stack so far.
 */
#ifndef TRACE_CFI_H
#define TRACE_CFI_H

#include <arch/compiler.h>

/*
 * cfi_at_entry - is the stack at pc as the call of the function left it?  Then
 * the function has no frame there, and frame pointers do not know its caller:
 * in a leaf that needs none, or before or behind the part that has one.
 *
 * Believes the unwind tables of loaded objects, and "no" where there are none.
 * Context: goroutine, threads; not signal handlers.
 */
bool cfi_at_entry(uintptr_t pc);

#endif
