/* SPDX-License-Identifier: ISC */
/*
 * trace/arena.h - memory that stays as long as the process, not the user's
 * heap; and strings in it.
 *
 * Context: any but signal handlers.  Never blocks.  May change errno.
 */
#ifndef TRACE_ARENA_H
#define TRACE_ARENA_H

#include <arch/compiler.h>

/* Zeroed, aligned to 8; NULL if there is no memory. */
void *arena_alloc(size_t size);

/*
 * arena_undo - give back what arena_alloc() gave last.
 *
 * For who lost a race to publish it.  Does nothing if it was not the last;
 * such memory is lost.
 */
void arena_undo(void *p, size_t size);

/*
 * arena_intern - the string a, or a/b if b is not NULL and a not empty.
 *
 * Equal strings are equal pointers.  "" if there is no memory.
 */
const char *arena_intern(const char *a, const char *b);

#endif
