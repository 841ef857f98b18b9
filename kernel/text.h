/* SPDX-License-Identifier: ISC */
/*
 * kernel/text.h - which code has stack checks.
 */
#ifndef KERNEL_TEXT_H
#define KERNEL_TEXT_H

#include <arch/compiler.h>

/* Is pc in an instrumented function of the user's?  Any context. */
bool text_contains(uintptr_t pc);

/* Look again if objects were loaded or unloaded.  Not in signal handlers. */
void text_refresh(void);

#endif
