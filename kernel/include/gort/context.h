/* SPDX-License-Identifier: ISC */
/*
 * gort/context.h - words for functions that run on no goroutine's stack, or
 * on the last of it.  gort-checkstack proves that they are true.
 *
 * GORT_SYSTEMSTACK	runs on the system stack only: passed to
 *			gort_systemstack_call() or gort_blocking(), or called
 *			by such functions.  Neither it nor what it calls may
 *			block a goroutine.  What is passed directly needs no
 *			word.
 * GORT_NOSPLIT		has no stack check, so cannot be preempted at its
 *			entry, nor switch stacks.  All its frames down to the
 *			next function with a check must fit what is left of
 *			1 KiB below the guard.
 *
 * They go to the definition only.  Both keep the function from being inlined,
 * since what is inlined cannot be told from its caller.
 */
#ifndef GORT_CONTEXT_H
#define GORT_CONTEXT_H

#define GORT_CONTEXT__(name, line) \
	__attribute__((__noinline__, __section__(".text.gort." name "." #line)))
#define GORT_CONTEXT_(name, line)	GORT_CONTEXT__(name, line)

#define GORT_SYSTEMSTACK	GORT_CONTEXT_("systemstack", __LINE__)
#define GORT_NOSPLIT		GORT_CONTEXT_("nosplit", __LINE__)

#endif
