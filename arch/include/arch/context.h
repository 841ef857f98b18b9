/* SPDX-License-Identifier: ISC */
/*
 * arch/context.h - leaving and entering stacks.
 *
 * A goroutine off the CPU is one word, the stack pointer: callee-saved
 * registers, the floating-point control state and the return address lie in
 * a struct switch_frame at that address (see <asm/context.h>).
 */
#ifndef ARCH_CONTEXT_H
#define ARCH_CONTEXT_H

#include <arch/compiler.h>

struct g;

struct context {
	uintptr_t sp;
};

#include <asm/context.h>

/*
 * arch_mcall - save the goroutine's context in g->ctx, go to g0, call fn(g).
 * From goroutine context only.  fn never returns.  arch_mcall itself returns
 * when somebody resumes g by arch_gogo().
 */
void arch_mcall(void (*fn)(struct g *gp));

/*
 * arch_gogo - leave this stack for good and resume gp on this thread.  Makes
 * gp the thread's current goroutine and its guard the thread's guard.  Never
 * returns; call it last, so that the call becomes a jump.
 */
void arch_gogo(struct g *gp);

/*
 * arch_systemstack - run fn(arg) on this M's g0 and come back.
 * From a goroutine: a switch.  From g0: a plain call.  From a signal
 * handler's stack: a fatal error.  fn must not block and must not switch
 * goroutines.
 * Returns 0, or -EPERM on a thread that the runtime does not know.
 */
int arch_systemstack(void (*fn)(void *arg), void *arg);

/*
 * goroutine_start - first instructions of every goroutine: calls fn(arg)
 * found in the first switch frame, then goroutine_exit().  Backtraces end
 * here.
 */
void goroutine_start(void);
__noreturn void goroutine_exit(void);

/*
 * context_init - build the first frame below top (16-aligned) so that
 * arch_gogo() enters fn(arg).
 */
static inline void context_init(struct context *ctx, uintptr_t top,
				void (*fn)(void *), void *arg);

/* Where a walk along frame records begins for a goroutine off the CPU. */
static inline uintptr_t context_pc(const struct context *ctx)
{
	return ((const struct switch_frame *)ctx->sp)->pc;
}

static inline uintptr_t context_fp(const struct context *ctx)
{
	return ((const struct switch_frame *)ctx->sp)->fp;
}

static inline void context_init(struct context *ctx, uintptr_t top,
				void (*fn)(void *), void *arg)
{
	struct switch_frame *f;

	f = (struct switch_frame *)(top - sizeof(*f));
	*f = (struct switch_frame){ .pc = (uintptr_t)goroutine_start };
	switch_frame_start(f, fn, arg);
	ctx->sp = (uintptr_t)f;
}

#endif
