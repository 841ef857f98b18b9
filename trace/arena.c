// SPDX-License-Identifier: ISC
/*
 * trace/arena.c - memory that stays as long as the process.
 *
 * What looks at a program should not change its heap, and must work where
 * malloc() is the user's.  So chunks from the kernel, out of which pieces are
 * cut by one atomic addition.  Strings are found by a hash table of chains
 * that only grow.
 *
 * Invariants:
 *  I1  A chunk that is current, or was, is never freed.
 *  I2  A string is complete before a chain has it, and then never changes.
 *
 * Locks: none.
 */
#include "trace/arena.h"

#include <stdatomic.h>
#include <string.h>

#include "mm/vm.h"

#define CHUNK_SIZE	((size_t)256 << 10)
#define BIG_SIZE	(CHUNK_SIZE / 8)	/* gets a mapping of its own */
#define PAGE		((size_t)4096)
#define BUCKETS_LOG2	14

struct chunk {
	_Atomic size_t used;	/* beyond CHUNK_SIZE: somebody found it full */
};

struct string {
	struct string *next;
	u64 hash;
	char s[];
};

static _Atomic(struct chunk *) current;
static _Atomic(struct string *) buckets[1 << BUCKETS_LOG2];

/* Put a fresh chunk in the place of full, unless somebody did. */
static struct chunk *chunk_new(struct chunk *full)
{
	struct chunk *c = vm_alloc(CHUNK_SIZE);

	if (!c)
		return NULL;
	atomic_init(&c->used, sizeof(*c));
	/*
	 * Release: pairs with the acquire in arena_alloc().  Acquire: of who
	 * was faster, for the same reason.
	 */
	if (atomic_compare_exchange_strong_explicit(&current, &full, c,
			memory_order_release, memory_order_acquire))
		return c;
	vm_free(c, CHUNK_SIZE);
	return full;
}

void *arena_alloc(size_t size)
{
	struct chunk *c = atomic_load_explicit(&current, memory_order_acquire);
	size_t at;

	size = ALIGN_UP(size, sizeof(u64));
	if (size > BIG_SIZE)
		return vm_alloc(ALIGN_UP(size, PAGE));
	for (;;) {
		at = CHUNK_SIZE;
		/* Acquire: pairs with the release in arena_undo(). */
		if (c)
			at = atomic_fetch_add_explicit(&c->used, size,
						       memory_order_acquire);
		if (at + size <= CHUNK_SIZE)
			return (char *)c + at;
		c = chunk_new(c);
		if (!c)
			return NULL;
	}
}

void arena_undo(void *p, size_t size)
{
	struct chunk *c = atomic_load_explicit(&current, memory_order_acquire);
	size_t at = (size_t)((char *)p - (char *)c), end;

	size = ALIGN_UP(size, sizeof(u64));
	if (size > BIG_SIZE) {
		vm_free(p, ALIGN_UP(size, PAGE));
		return;
	}
	end = at + size;
	memset(p, 0, size);
	/* Release: the zeros, for who gets it next in arena_alloc(). */
	atomic_compare_exchange_strong_explicit(&c->used, &end, at,
			memory_order_release, memory_order_relaxed);
}

/* FNV-1a: Fowler, Noll, Vo. */
static u64 hash_add(u64 hash, const char *s)
{
	for (; *s; s++)
		hash = (hash ^ (u8)*s) * 0x100000001b3;
	return hash;
}

/* Is s what a, sep and b make? */
static bool is_joined(const char *s, const char *a, const char *sep,
		      const char *b)
{
	size_t na = strlen(a), nsep = strlen(sep);

	return !strncmp(s, a, na) && !strncmp(s + na, sep, nsep) &&
	       !strcmp(s + na + nsep, b);
}

static struct string *string_new(u64 hash, const char *a, const char *sep,
				 const char *b, size_t size)
{
	struct string *str = arena_alloc(size);

	if (str) {
		str->hash = hash;
		strcpy(stpcpy(stpcpy(str->s, a), sep), b);
	}
	return str;
}

const char *arena_intern(const char *a, const char *b)
{
	const char *sep = b && *a ? "/" : "";
	struct string *first, *s, *seen = NULL, *mine = NULL;
	_Atomic(struct string *) *bucket;
	size_t size;
	u64 hash;

	if (!b)
		b = "";
	hash = hash_add(hash_add(hash_add(0xcbf29ce484222325, a), sep), b);
	/* The last bytes are in the low bits only; the multiplier: Fibonacci. */
	bucket = &buckets[(hash ^ hash >> 32) * 0x9e3779b97f4a7c15 >>
			  (64 - BUCKETS_LOG2)];
	size = sizeof(*s) + strlen(a) + strlen(sep) + strlen(b) + 1;
	/* Acquire: pairs with the release below. */
	first = atomic_load_explicit(bucket, memory_order_acquire);
	do {
		for (s = first; s != seen; s = s->next)
			if (s->hash == hash && is_joined(s->s, a, sep, b))
				goto found;
		seen = first;
		if (!mine)
			mine = string_new(hash, a, sep, b, size);
		if (!mine)
			return "";
		mine->next = first;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &first, mine,
			memory_order_release, memory_order_acquire));
	return mine->s;
found:
	if (mine)
		arena_undo(mine, size);
	return s->s;
}
