/* SPDX-License-Identifier: ISC */
/*
 * trace/reader/table.h - hash tables and arrays that grow.
 *
 * For the reader, and for those who count what it reads.
 */
#ifndef TRACE_READER_TABLE_H
#define TRACE_READER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define NONE32	UINT32_MAX		/* no index */

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/*
 * From ids to entries.  The entries stand in one array, in the order of
 * arrival; each begins with its u64 id.  Adding moves the array: pointers to
 * entries end there.
 *
 * Ids are mostly small numbers in a row, or the same few again and again: memo
 * has, by the lowest bits of an id, where one with these bits was last found.
 * It is as large as slots, so that those in a row all have their place in it.
 */
struct table {
	char *entries;
	u32 *slots;		/* index + 1; 0: empty */
	u32 *memo;		/* the same; behind slots; never NULL */
	u32 size;		/* of an entry */
	u32 n;
	u32 cap;		/* of entries */
	u32 mask;		/* number of slots - 1; 0: there are none */
	u64 seed;
};

void gort_tracefile_table_init(struct table *t, size_t size, u64 seed);
void gort_tracefile_table_free(struct table *t);

/* Forget all entries.  Costs what the entries did. */
void gort_tracefile_table_reset(struct table *t);

/* A new zeroed entry for an id that has none; NULL without memory. */
void *gort_tracefile_table_add(struct table *t, u64 id);

/* Forget one.  Another entry takes its place in the array. */
void gort_tracefile_table_del(struct table *t, void *entry);

/* Grow an array to hold one more than n; false without memory. */
bool gort_tracefile_grow(void *array, u32 n, u32 *cap, size_t size);

static inline u64 hash_mix(u64 x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static inline u32 table_home(const struct table *t, u64 id)
{
	return (u32)hash_mix(id ^ t->seed) & t->mask;
}

static inline void *table_at(const struct table *t, u32 i)
{
	return t->entries + (size_t)i * t->size;
}

static inline u32 table_index(const struct table *t, const void *entry)
{
	return (u32)((size_t)((const char *)entry - t->entries) / t->size);
}

/* What table_find() does if the memo does not know. */
void *gort_tracefile_table_search(const struct table *t, u64 id);

/* NULL if there is none. */
static inline void *table_find(const struct table *t, u64 id)
{
	u64 *entry;
	u32 i;

	i = t->memo[id & t->mask];
	if (likely(i)) {
		entry = table_at(t, i - 1);
		if (likely(*entry == id))
			return entry;
	}
	return gort_tracefile_table_search(t, id);
}

#endif
