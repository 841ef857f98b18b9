// SPDX-License-Identifier: ISC
/*
 * trace/dict.c - byte strings kept once.
 *
 * The number of buckets is fixed: growing a table of many thousand entries
 * would take a millisecond at a time, and some callers hold a lock.  Chains
 * are short up to the limits there are: tens of megabytes.
 */
#include "trace/dict.h"

#include <string.h>

#include "mm/vm.h"

#define BUCKETS_LOG2	14
#define BUCKETS_SIZE	(sizeof(struct dict_entry *) << BUCKETS_LOG2)
#define CHUNK_SIZE	((size_t)64 << 10)
#define PAGE		((size_t)4096)

struct chunk {
	struct chunk *next;
	size_t size;
};

void dict_init(struct dict *d, size_t max)
{
	*d = (struct dict){ .max = max };
	d->last = &d->first;
}

/* FNV-1a: Fowler, Noll, Vo. */
static u64 hash_bytes(const unsigned char *p, size_t len)
{
	u64 h = 0xcbf29ce484222325;

	for (; len; len--)
		h = (h ^ *p++) * 0x100000001b3;
	return h;
}

static void *take_pages(struct dict *d, size_t size)
{
	void *p;

	if (size > d->max - d->bytes)
		return NULL;
	p = vm_alloc(size);
	if (p)
		d->bytes += size;
	return p;
}

static void *take(struct dict *d, size_t size)
{
	struct chunk *c;
	void *p;

	size = ALIGN_UP(size, 8);
	if (size > (size_t)(d->end - d->free)) {
		size_t bytes = ALIGN_UP(size + sizeof(*c), PAGE);

		if (bytes < CHUNK_SIZE)
			bytes = CHUNK_SIZE;
		c = take_pages(d, bytes);
		if (!c)
			return NULL;
		*c = (struct chunk){ d->chunks, bytes };
		d->chunks = c;
		d->free = (char *)(c + 1);
		d->end = (char *)c + bytes;
	}
	p = d->free;
	d->free += size;
	return p;
}

static struct dict_entry *add(struct dict *d, struct dict_entry **bucket,
			      u64 hash, const void *key, size_t len)
{
	struct dict_entry *e = take(d, sizeof(*e) + len);

	if (!e)
		return NULL;
	e->hash = hash;
	e->id = ++d->n;
	e->len = (u32)len;
	memcpy(e->key, key, len);
	e->chain = *bucket;
	*bucket = e;
	*d->last = e;
	d->last = &e->next;
	return e;
}

struct dict_entry *dict_put(struct dict *d, const void *key, size_t len)
{
	u64 hash = hash_bytes(key, len);
	struct dict_entry **bucket, *e;

	if (!d->buckets)
		d->buckets = take_pages(d, BUCKETS_SIZE);
	if (!d->buckets)
		return NULL;
	bucket = &d->buckets[hash >> (64 - BUCKETS_LOG2)];
	for (e = *bucket; e; e = e->chain)
		if (e->hash == hash && e->len == len &&
		    !memcmp(e->key, key, len))
			return e;
	return add(d, bucket, hash, key, len);
}

/* Empty first: a goroutine that is dropped in the middle must not leave
 * memory behind that is freed again. */
void dict_clear(struct dict *d)
{
	struct dict_entry **buckets = d->buckets;
	struct chunk *c = d->chunks, *next;

	dict_init(d, d->max);
	for (; c; c = next) {
		next = c->next;
		vm_free(c, c->size);
	}
	if (buckets)
		vm_free(buckets, BUCKETS_SIZE);
}
