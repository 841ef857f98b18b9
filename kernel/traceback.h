/* SPDX-License-Identifier: ISC */
#ifndef KERNEL_TRACEBACK_H
#define KERNEL_TRACEBACK_H

#include <arch/compiler.h>

struct g;

/* Print one goroutine: header and frames.  pc 0: from its saved context. */
void traceback_g(struct g *gp, uintptr_t pc, uintptr_t fp);

/* Print every goroutine but skip. */
void traceback_others(const struct g *skip);

/* Print the frames of the caller, at most what is on this stack. */
void traceback_here(struct g *gp);

#endif
