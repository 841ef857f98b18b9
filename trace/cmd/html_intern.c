// SPDX-License-Identifier: ISC
/*
 * trace/cmd/html_intern.c - strings, frames and stacks, each once.
 *
 * Each generation of a trace has its own numbers for them.  Here a stack is a
 * path in a tree from its outermost frame: stacks with common callers share
 * them, so a node costs two numbers on the page, whatever the depth.
 *
 * Keys of tables are hashes of what they stand for.  What they hit is not
 * compared except for strings: 64 bits from a seed of this run do not collide.
 */
#include "html.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct interned interned;

static struct map string_map, frame_map, node_map, gen_map;
static size_t string_bytes;
static u64 seed;

/* --- tables --- */

/* As in splitmix64 (Steele, Lea, Flood 2014). */
static u64 mix(u64 x)
{
	x ^= seed;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Keys near each other, as ids are, are near each other in the table. */
static u32 map_home(const struct map *m, u64 key)
{
	return ((u32)mix(key >> 4) << 4 | (key & 15)) & m->mask;
}

static u32 map_slot(const struct map *m, u64 key)
{
	u32 i = map_home(m, key);

	while (m->slots[i].value && m->slots[i].key != key)
		i = (i + 1) & m->mask;
	return i;
}

u32 map_get(const struct map *m, u64 key)
{
	return m->slots ? m->slots[map_slot(m, key)].value - 1 : MAP_NONE;
}

static void map_resize(struct map *m, u32 size)
{
	struct map old = *m;
	u32 i;

	if (!seed && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (u64)(uintptr_t)&old;
	m->slots = cmd_zalloc(size * sizeof(*m->slots));
	m->mask = size - 1;
	for (i = 0; old.slots && i <= old.mask; i++)
		if (old.slots[i].value)
			m->slots[map_slot(m, old.slots[i].key)] = old.slots[i];
	free(old.slots);
}

void map_put(struct map *m, u64 key, u32 value)
{
	u32 i;

	if (!m->slots || m->n > m->mask / 2)
		map_resize(m, m->slots ? (m->mask + 1) * 2 : 64);
	i = map_slot(m, key);
	m->n += !m->slots[i].value;
	m->slots[i].key = key;
	m->slots[i].value = value + 1;
}

/* What follows moves up if it is nearer to its home then (Knuth, 6.4 R). */
void map_del(struct map *m, u64 key)
{
	u32 i, j, home;

	if (!m->slots)
		return;
	i = map_slot(m, key);
	if (!m->slots[i].value)
		return;
	for (j = (i + 1) & m->mask; m->slots[j].value; j = (j + 1) & m->mask) {
		home = map_home(m, m->slots[j].key);
		if (((j - home) & m->mask) < ((j - i) & m->mask))
			continue;
		m->slots[i] = m->slots[j];
		i = j;
	}
	m->slots[i].value = 0;
	m->n--;
}

void map_reset(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

void *grow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 16;
	return cmd_realloc(array, *cap * size);
}

/* --- strings --- */

/* FNV-1a (Fowler, Noll, Vo), then mixed with the seed by the table. */
static u64 string_hash(const char *p, size_t len)
{
	u64 h = UINT64_C(0xcbf29ce484222325) ^ seed;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (u8)p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static u32 add_string(const char *p, size_t len)
{
	struct interned *in = &interned;
	char *s = cmd_alloc(len + 1);
	size_t i;

	/* JSON has no other way to say a NUL than the one for all bytes. */
	for (i = 0; i < len; i++)
		s[i] = p[i] ? p[i] : '?';
	s[len] = '\0';
	in->strings = grow(in->strings, in->nstrings, &in->strings_cap,
			   sizeof(*in->strings));
	in->strings[in->nstrings] = s;
	string_bytes += len + 1;
	return (u32)in->nstrings++;
}

u32 intern_string(struct tracefile_str s)
{
	size_t len = s.len < MAX_STRING ? s.len : MAX_STRING;
	u64 hash;
	u32 i;

	if (!interned.nstrings)
		map_put(&string_map, string_hash("", 0), add_string("", 0));
	if (!len)
		return 0;
	hash = string_hash(s.p, len);
	i = map_get(&string_map, hash);
	if (i != MAP_NONE)
		return i;
	if (interned.nstrings == MAX_STRINGS ||
	    string_bytes + len >= MAX_STRING_BYTES) {
		interned.strings_dropped++;
		return 0;
	}
	i = add_string(s.p, len);
	map_put(&string_map, hash, i);
	return i;
}

u32 intern_cstring(const char *s)
{
	return intern_string((struct tracefile_str){ s, strlen(s) });
}

/* --- stacks --- */

static u32 intern_frame(const struct tracefile_frame *f)
{
	struct interned *in = &interned;
	struct frame fr = { .line = f->line };
	u64 key;
	u32 i;

	fr.func = intern_string(f->func);
	fr.file = intern_string(f->file);
	key = mix((u64)fr.func << 32 | fr.file) + fr.line;
	i = map_get(&frame_map, key);
	if (i != MAP_NONE || in->nframes == MAX_FRAMES)
		return i;
	in->frames = grow(in->frames, in->nframes, &in->frames_cap,
			  sizeof(*in->frames));
	i = (u32)in->nframes++;
	in->frames[i] = fr;
	map_put(&frame_map, key, i);
	return i;
}

static u32 intern_node(u32 frame, u32 parent)
{
	struct interned *in = &interned;
	u64 key = (u64)frame << 32 | parent;
	u32 i = map_get(&node_map, key);

	if (i != MAP_NONE || in->nnodes >= MAX_NODES)
		return i;
	in->nodes = grow(in->nodes, in->nnodes, &in->nodes_cap,
			 sizeof(*in->nodes));
	i = (u32)in->nnodes++;
	in->nodes[i] = (struct node){ frame, parent };
	map_put(&node_map, key, i);
	return i;
}

static u32 add_stack(const struct tracefile *tf, u64 stack)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(tf, stack, fr);
	u32 node = 0, next, frame;

	if (!interned.nnodes)
		intern_node(0, MAP_NONE);	/* 0: none */
	while (n-- > 0) {
		frame = intern_frame(&fr[n]);
		next = frame == MAP_NONE ? MAP_NONE : intern_node(frame, node);
		if (next == MAP_NONE) {
			interned.stacks_cut++;
			break;
		}
		node = next;
	}
	return node;
}

u32 intern_stack(const struct tracefile *tf, u64 stack)
{
	u32 node;

	if (!stack)
		return 0;
	node = map_get(&gen_map, stack);
	if (node == MAP_NONE) {
		node = add_stack(tf, stack);
		map_put(&gen_map, stack, node);
	}
	return node;
}

void intern_new_generation(void)
{
	map_reset(&gen_map);
}

static u32 node_func(u32 node)
{
	return interned.frames[interned.nodes[node].frame].func;
}

static bool is_start(u32 node)
{
	const char *name = interned.strings[node_func(node)];

	return !strcmp(name, "goroutine_start") ||
	       !strcmp(name, "runtime.goexit");
}

u32 stack_root(u32 node)
{
	u32 parent;

	for (; node; node = parent) {
		parent = interned.nodes[node].parent;
		if (!parent || is_start(parent))
			return node_func(node);
	}
	return 0;
}

/* --- the greatest --- */

static u64 rank_at(const struct top *t, size_t i)
{
	u64 rank;

	memcpy(&rank, t->items + i * t->size, sizeof(rank));
	return rank;
}

static void top_swap(struct top *t, size_t i, size_t j)
{
	char tmp[256];

	memcpy(tmp, t->items + i * t->size, t->size);
	memcpy(t->items + i * t->size, t->items + j * t->size, t->size);
	memcpy(t->items + j * t->size, tmp, t->size);
}

static void sift_up(struct top *t, size_t i)
{
	while (i && rank_at(t, i) < rank_at(t, (i - 1) / 2)) {
		top_swap(t, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void sift_down(struct top *t)
{
	size_t i = 0, child;

	while ((child = 2 * i + 1) < t->n) {
		if (child + 1 < t->n && rank_at(t, child + 1) < rank_at(t, child))
			child++;
		if (rank_at(t, i) <= rank_at(t, child))
			return;
		top_swap(t, i, child);
		i = child;
	}
}

void top_offer(struct top *t, const void *item)
{
	u64 rank;

	t->offered++;
	memcpy(&rank, item, sizeof(rank));
	if (t->n < t->max) {
		t->items = grow(t->items, t->n, &t->cap, t->size);
		memcpy(t->items + t->n * t->size, item, t->size);
		sift_up(t, t->n++);
	} else if (rank > rank_at(t, 0)) {
		memcpy(t->items, item, t->size);
		sift_down(t);
	}
}

static int by_rank(const void *a, const void *b)
{
	u64 x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? 1 : x > y ? -1 : 0;
}

void top_sort(struct top *t)
{
	if (t->n)
		qsort(t->items, t->n, t->size, by_rank);
}
