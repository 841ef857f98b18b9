/* SPDX-License-Identifier: ISC */
/*
 * trace/dict.h - byte strings that are each kept once, in the order in which
 * they came, with a number for each.
 *
 * Not the user's heap: pages from the kernel, up to a limit, given back all
 * at once.
 *
 * Context: any but signal handlers; never blocks.  Locking: the caller's.
 */
#ifndef TRACE_DICT_H
#define TRACE_DICT_H

#include <arch/compiler.h>

struct dict_entry {
	struct dict_entry *next;	/* the one that came after it */
	struct dict_entry *chain;
	u64 hash;
	_Atomic u64 value;		/* the caller's; begins as 0 */
	u32 id;				/* 1, 2, 3 ... */
	u32 len;			/* bytes of key */
	char key[] __attribute__((aligned(8)));
};

struct dict {
	struct dict_entry *first, **last;
	struct dict_entry **buckets;
	void *chunks;
	char *free, *end;
	size_t bytes, max;
	u32 n;				/* entries */
};

/* All zeros is an empty one of no size.  max: bytes, for everything. */
void dict_init(struct dict *d, size_t max);

/* The entry of these bytes, made if need be; NULL: no room. */
struct dict_entry *dict_put(struct dict *d, const void *key, size_t len);

/* It is empty then, as after dict_init(). */
void dict_clear(struct dict *d);

#endif
