/* SPDX-License-Identifier: ISC */
#ifndef KERNEL_TRACEBACK_H
#define KERNEL_TRACEBACK_H

#include <arch/compiler.h>

struct g;

/*
 * Print what this thread does, from pc and frame pointer fp on, on gp's stack
 * (NULL: none), g0 or the signal stack.
 */
void traceback_at(struct g *gp, uintptr_t pc, uintptr_t fp);

/* Print a stack that was taken before. */
void traceback_pcs(const uintptr_t *pcs, u32 n);

/* Print every goroutine but skip. */
void traceback_others(const struct g *skip);

#endif
