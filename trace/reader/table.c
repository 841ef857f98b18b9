// SPDX-License-Identifier: ISC
/*
 * trace/reader/table.c - hash tables, arrays that grow, numbers.
 *
 * Open addressing with linear probing, at most half full.  The hash is seeded
 * from outside, so that no file is made to collide.  Tables of a generation
 * are new for each: clearing the slots of a large one for every small one that
 * follows would cost the square of the file's size.
 *
 * Invariants:
 *  I1  slots is NULL, or has mask + 1 > 2 * n elements.
 *  I2  From the home of an entry to where it is, no slot is empty.
 *  I3  memo has mask + 1 elements, each 0 or what a slot has.
 */
#include "internal.h"

#include <stdlib.h>

#define FIRST_SLOTS	64u

/* The memo of tables without slots: nothing is noted in it. */
static u32 no_memo[1];

void gort_tracefile_table_init(struct table *t, size_t size, u64 seed)
{
	memset(t, 0, sizeof(*t));
	t->size = (u32)size;
	t->memo = no_memo;
	t->seed = hash_mix(seed);
}

void gort_tracefile_table_reset(struct table *t)
{
	free(t->slots);
	t->slots = NULL;
	t->memo = no_memo;
	t->mask = 0;
	t->n = 0;
}

void gort_tracefile_table_free(struct table *t)
{
	gort_tracefile_table_reset(t);
	free(t->entries);
	t->entries = NULL;
	t->cap = 0;
}

void *gort_tracefile_table_search(const struct table *t, u64 id)
{
	u64 *entry;
	u32 i;

	if (!t->slots)
		return NULL;
	for (i = table_home(t, id); t->slots[i]; i = (i + 1) & t->mask) {
		entry = table_at(t, t->slots[i] - 1);
		if (*entry == id) {
			t->memo[id & t->mask] = t->slots[i];
			return entry;
		}
	}
	return NULL;
}

bool gort_tracefile_grow(void *array, u32 n, u32 *cap, size_t size)
{
	void **p = array;
	void *bigger;
	u32 want;

	if (likely(n < *cap))
		return true;
	if (*cap > (NONE32 - 1) / 2)
		return false;
	want = *cap ? *cap * 2 : 16;
	bigger = realloc(*p, want * size);
	if (!bigger)
		return false;
	*p = bigger;
	*cap = want;
	return true;
}

static void put_slot(struct table *t, u64 id, u32 index)
{
	u32 i = table_home(t, id);

	while (t->slots[i])
		i = (i + 1) & t->mask;
	t->slots[i] = index + 1;
}

static bool more_slots(struct table *t)
{
	size_t n = t->slots ? ((size_t)t->mask + 1) * 2 : FIRST_SLOTS;
	u32 *slots, i;

	if (n > (size_t)1 << 31)
		return false;
	slots = calloc(n, 2 * sizeof(*slots));
	if (!slots)
		return false;
	free(t->slots);
	t->slots = slots;
	t->memo = slots + n;
	t->mask = (u32)(n - 1);
	for (i = 0; i < t->n; i++)
		put_slot(t, *(u64 *)table_at(t, i), i);
	return true;
}

void *gort_tracefile_table_add(struct table *t, u64 id)
{
	void *entry;

	if (!gort_tracefile_grow(&t->entries, t->n, &t->cap, t->size))
		return NULL;
	if ((!t->slots || t->n >= t->mask / 2) && !more_slots(t))
		return NULL;
	entry = table_at(t, t->n);
	memset(entry, 0, t->size);
	*(u64 *)entry = id;
	put_slot(t, id, t->n++);
	t->memo[id & t->mask] = t->n;
	return entry;
}

static u32 find_slot(const struct table *t, u64 id, u32 index)
{
	u32 i = table_home(t, id);

	while (t->slots[i] != index + 1)
		i = (i + 1) & t->mask;
	return i;
}

/*
 * Empty a slot; then move those back that it kept away from their homes.
 * Knuth, The Art of Computer Programming 3, 6.4, algorithm R.
 */
static void clear_slot(struct table *t, u32 hole)
{
	u32 i = hole, home;

	for (;;) {
		t->slots[hole] = 0;
		do {
			i = (i + 1) & t->mask;
			if (!t->slots[i])
				return;
			home = table_home(t, *(u64 *)table_at(t, t->slots[i] - 1));
		} while (((i - home) & t->mask) < ((i - hole) & t->mask));
		t->slots[hole] = t->slots[i];
		hole = i;
	}
}

void gort_tracefile_table_del(struct table *t, void *entry)
{
	u32 index = table_index(t, entry), last = t->n - 1;
	u64 last_id = *(u64 *)table_at(t, last);

	t->memo[*(u64 *)entry & t->mask] = 0;
	t->memo[last_id & t->mask] = 0;
	clear_slot(t, find_slot(t, *(u64 *)entry, index));
	if (index != last) {
		t->slots[find_slot(t, last_id, last)] = index + 1;
		memcpy(entry, table_at(t, last), t->size);
	}
	t->n--;
}

/* LEB128, at most 64 bits. */
const u8 *gort_tracefile_uvarint_long(const u8 *p, const u8 *end, u64 *v)
{
	unsigned int shift;
	u64 x = 0;

	for (shift = 0; p < end && shift < 70; shift += 7, p++) {
		if (shift == 63 && *p > 1)
			return NULL;
		x |= (u64)(*p & 0x7f) << shift;
		if (*p < 0x80) {
			*v = x;
			return p + 1;
		}
	}
	return NULL;
}
