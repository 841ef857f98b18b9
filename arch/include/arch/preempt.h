/* SPDX-License-Identifier: ISC */
/*
 * arch/preempt.h - stopping a goroutine at any instruction.
 */
#ifndef ARCH_PREEMPT_H
#define ARCH_PREEMPT_H

#include <arch/compiler.h>

/*
 * sigcontext_call - from a signal handler: when it returns, the interrupted
 * code has called fn, on its own stack.  Below it lies a copy of the signal
 * frame, where fn leaves to, and between a frame record that says where it
 * was interrupted.
 * sigcontext_call_size - the room this takes below the interrupted sp.
 *
 * Async-signal-safe.
 */
void sigcontext_call(void *uc, void (*fn)(void));
size_t sigcontext_call_size(const void *uc);

/*
 * async_preempt - what sigcontext_call() is called with: calls
 * async_preempt_park(), and gives everything back as it was.
 */
void async_preempt(void);
void async_preempt_park(void);

#endif
