/* SPDX-License-Identifier: ISC */
/*
 * kernel/suspend.h - owning the stack of another goroutine.
 */
#ifndef KERNEL_SUSPEND_H
#define KERNEL_SUSPEND_H

#include "kernel/sched.h"

struct suspended {
	struct g *gp;
	u32 status;		/* without G_SCAN */
	bool stopped;		/* it ran, and is to be made runnable again */
	bool again;		/* it was asked to stop: insist */
};

/*
 * suspend_begin - from now on the caller may suspend others, or wait in
 * another way for goroutines that may be suspending it: its own status is
 * G_WAITING, so that two goroutines that suspend each other do not wait for
 * ever.  why: one of those from WAIT_STACK_SCAN on.  suspend_end - no more.
 * sysstack: the caller's stack must not be in use while others own it.
 */
void suspend_begin(struct g *self, enum wait_reason why);
void suspend_end(struct g *self);

/*
 * suspend_g - own the stack of gp, which is stopped if it runs.  False: it
 * is dead, the run ends, or it did not stop for patience_ns (TIME_NEVER: wait
 * for it), which s->status == G_RUNNING tells; s is all zeros, or as such a
 * call left it, to insist.  resume_g - give it back.
 * sysstack: between suspend_begin() and suspend_end().  The status gate is
 * open.
 */
bool suspend_g(struct g *gp, struct suspended *s, s64 patience_ns);
void resume_g(struct suspended *s);

/* After gp became G_PREEMPTED: it may be that nobody waits for that. */
void suspend_stopped(struct g *gp);

/* Of a goroutine that the caller owns: is it off its stack altogether? */
bool suspended_off_stack(const struct suspended *s);

#endif
