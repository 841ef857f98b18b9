// SPDX-License-Identifier: ISC
/*
 * trace/table.c - stacks and strings, each written once per generation and
 * then called by its number.
 *
 * Entries lie one behind the other in blocks that an M has to itself, and are
 * found by a trie over the bits of their hash, into which they are inserted
 * by compare-and-swap (the structure of runtime/tracemap.go, with wide roots).
 * An M that finds that another one was faster leaves its copy behind.  At the
 * end of the generation the blocks are read from front to back, and dropped.
 *
 * Rejected: a table of buckets, which touches a page for each of the first
 * few hundred stacks, or is slow with a million.
 *
 * The dump of stacks is what takes long.  A frame's bytes - pc, numbers of
 * function and file, line, and the same for what was inlined - are the same
 * wherever it occurs, so they are kept by pc for the time of one dump.
 */
#include "trace/trace.h"

#include <gort/gort.h>

#include <stdio.h>
#include <string.h>

#include "mm/vm.h"
#include "trace/frames.h"

#define TABLE_ROOTS	4096u
#define ROOT_BITS	12
#define STRING		1u	/* in entry->kind */
#define STACK		2u
#define IDS_AT_ONCE	16u

struct trace_entry {
	_Atomic(struct trace_entry *) child[4];
	u64 hash;
	u32 id;			/* 0: another M was faster */
	u16 size;		/* of the key, in bytes */
	u16 kind;
	u64 key[];
};

struct trace_table {
	_Atomic(struct trace_entry *) roots[TABLE_ROOTS];
	_Atomic u32 ids;
};

static struct {
	struct trace_table stacks, strings;
} *tables[2];

static struct trace_table *table_of(u32 gen, u32 kind)
{
	return kind == STACK ? &tables[gen % 2]->stacks :
			       &tables[gen % 2]->strings;
}

/* Multiply and fold, as wyhash does it (W. Yi, 2019). */
static inline u64 mix(u64 a, u64 b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (u64)r ^ (u64)(r >> 64);
}

#define HASH_SEED	0x9e3779b97f4a7c15u
#define HASH_MUL	0xe7037ed1a0b428dbu

/* Four chains side by side: multiplications take their time. */
static u64 hash_words(const u64 *p, u32 n)
{
	u64 h[4] = { n, HASH_SEED, HASH_MUL, HASH_SEED ^ HASH_MUL };
	u32 i = 0;

	for (; i + 4 <= n; i += 4)
		for (u32 k = 0; k < 4; k++)
			h[k] = (h[k] ^ p[i + k]) * HASH_MUL;
	for (u32 k = 0; i + k < n; k++)
		h[k] = (h[k] ^ p[i + k]) * HASH_MUL;
	return mix(h[0] ^ h[1] << 1, HASH_SEED) ^
	       mix(h[2] ^ h[3] << 1, HASH_MUL);
}

/* A NUL follows the key. */
static u32 entry_bytes(u32 size)
{
	return (u32)ALIGN_UP(sizeof(struct trace_entry) + size + 1, 8);
}

/* Room in the block at *at, or in a new one.  NULL: no memory. */
static struct trace_entry *entry_alloc(u32 gen, struct trace_block **at,
				       u32 size)
{
	u32 need = entry_bytes(size);
	struct trace_block *b = *at;
	struct trace_entry *e;

	if (unlikely(!b || block_room(b) < need)) {
		b = trace_block_take(gen);
		if (!b)
			return NULL;
		*at = b;
	}
	e = (struct trace_entry *)&b->data[b->pos];
	b->pos += need;
	return e;
}

static struct trace_entry *entry_new(u32 gen, struct trace_block **at,
				     const void *key, u32 size, u64 hash,
				     u32 kind)
{
	struct trace_entry *e = entry_alloc(gen, at, size);

	if (!e)
		return NULL;
	for (u32 i = 0; i < 4; i++)
		atomic_store_explicit(&e->child[i], NULL,
				      memory_order_relaxed);
	e->hash = hash;
	e->size = (u16)size;
	e->kind = (u16)kind;
	memcpy(e->key, key, size);
	((char *)e->key)[size] = '\0';
	/* Others may know it by its number as soon as they find it. */
	e->id = 1 + atomic_fetch_add_explicit(&table_of(gen, kind)->ids, 1,
					      memory_order_relaxed);
	return e;
}

static inline bool equal_words(const u64 *a, const u64 *b, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

static inline bool equal_keys(const struct trace_entry *e, const void *key,
			      u32 size, u32 kind)
{
	return kind == STACK ? equal_words(e->key, key, size / sizeof(u64)) :
			       !memcmp(e->key, key, size);
}

/* The entry of a key; NULL: no memory. */
static inline __attribute__((always_inline)) struct trace_entry *put(u32 gen, struct trace_block **at, const void *key, u32 size,
	       u64 hash, u32 kind)
{
	struct trace_table *t = table_of(gen, kind);
	_Atomic(struct trace_entry *) *slot = &t->roots[hash >> (64 - ROOT_BITS)];
	struct trace_entry *new = NULL, *e;
	u64 bits = hash << ROOT_BITS;

	for (;;) {
		/* Acquire: pairs with the release below. */
		e = atomic_load_explicit(slot, memory_order_acquire);
		if (!e) {
			if (!new)
				new = entry_new(gen, at, key, size, hash, kind);
			if (!new || atomic_compare_exchange_strong_explicit(
					slot, &e, new, memory_order_release,
					memory_order_acquire))
				return new;
		}
		if (e->hash == hash && e->size == size &&
		    equal_keys(e, key, size, kind))
			break;
		slot = &e->child[bits >> 62];
		bits <<= 2;
	}
	if (new)
		new->id = 0;
	return e;
}

/* 0, which stands for nothing, without memory. */
static u32 id_of(const struct trace_entry *e)
{
	return e ? e->id : 0;
}

static struct trace_block **entries_of(struct m *mp)
{
	return (struct trace_block **)
		&mp->trace.buf[mp->trace.gen % 2][STREAM_ENTRIES];
}

u32 trace_stack_put(struct m *mp, const uintptr_t *pcs, u32 n)
{
	return id_of(put(mp->trace.gen, entries_of(mp), pcs,
			 n * (u32)sizeof(*pcs), hash_words(pcs, n), STACK));
}

static u64 hash_bytes(const char *s, u32 n)
{
	u64 h = HASH_SEED ^ n, word;

	for (; n > sizeof(word); s += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		h = mix(h ^ word, HASH_MUL);
	}
	word = 0;
	memcpy(&word, s, n);
	return mix(h ^ word, HASH_MUL);
}

/* Cut off at TRACE_STRING_MAX. */
static struct trace_entry *string_put(u32 gen, struct trace_block **at,
				      const char *s, size_t len)
{
	if (len > TRACE_STRING_MAX)
		len = TRACE_STRING_MAX;
	return put(gen, at, s, (u32)len, hash_bytes(s, (u32)len), STRING);
}

/*
 * Names are literals, mostly.  So where one lies is a hint, that is cheaper to
 * check than to look it up.
 */
u32 trace_string_put(struct m *mp, const char *s)
{
	struct trace_name *n = &mp->trace.names[(uintptr_t)s / 8 % TRACE_NAMES];
	const struct trace_entry *e;

	if (likely(n->s == s && n->gen == mp->trace.gen)) {
		e = n->entry;
		if (likely(!strcmp((const char *)e->key, s)))
			return e->id;
	}
	e = string_put(mp->trace.gen, entries_of(mp), s, strlen(s));
	if (e)
		*n = (struct trace_name){ s, e, mp->trace.gen };
	return id_of(e);
}

/* A number that no other M of this generation has. */
static u32 next_id(struct m *mp)
{
	struct m_trace *t = &mp->trace;

	if (unlikely(t->id_gen != t->gen || t->id_next == t->id_end)) {
		t->id_next = 1 + atomic_fetch_add_explicit(
				&table_of(t->gen, STRING)->ids, IDS_AT_ONCE,
				memory_order_relaxed);
		t->id_end = t->id_next + IDS_AT_ONCE;
		t->id_gen = t->gen;
	}
	return t->id_next++;
}

/*
 * Where gcc knows a bound of n it would copy by "rep movs", which takes longer
 * to begin than a call of memcpy() does altogether.
 */
static inline void copy_bytes(void *to, const void *from, size_t n)
{
	__asm__("" : "+r" (n));
	memcpy(to, from, n);
}

static void put_string(struct trace_block *b, u32 id, const void *s, u32 len)
{
	put_byte(b, EV_STRING);
	put_varint(b, id);
	put_varint(b, len);
	copy_bytes(&b->data[b->pos], s, len);
	b->pos += len;
}

#define STRING_BYTES	(1 + 2 * TRACE_VARINT_MAX + TRACE_STRING_MAX)

/* One that will not come again: not kept, but written at once. */
u32 trace_string_emit(struct m *mp, const char *s, size_t len)
{
	struct trace_block *b;
	u32 id;

	if (len > TRACE_STRING_MAX)
		len = TRACE_STRING_MAX;
	b = trace_stream(mp, STREAM_STRINGS, (u32)len + 1 +
					     2 * TRACE_VARINT_MAX);
	if (!b)
		return 0;
	id = next_id(mp);
	put_string(b, id, s, (u32)len);
	return id;
}

/*
 * The end of a generation.
 */

/* A frame, and what was inlined there, as it is written. */
struct code {
	u16 len;
	u8 frames;
	u8 bytes[];
};

#define FRAME_BYTES	(4 * TRACE_VARINT_MAX)
#define INLINED_MAX	32u	/* frames at one pc; the innermost */

static struct {
	struct slot {
		uintptr_t pc;
		struct code *code;
	} *slots;
	size_t nslots, used;		/* a power of two */
	struct trace_block *blocks;	/* of the codes */
	struct trace_block *strings;	/* entries for the names */
} dump;

#define FIRST_SLOTS	4096u

static struct slot *find_slot(struct slot *slots, size_t n, uintptr_t pc)
{
	size_t i = (size_t)mix(pc ^ HASH_SEED, HASH_MUL) & (n - 1);

	while (slots[i].pc && slots[i].pc != pc)
		i = (i + 1) & (n - 1);
	return &slots[i];
}

/* Twice as many; false: no memory, and all is as it was. */
static bool more_slots(void)
{
	size_t n = dump.nslots ? 2 * dump.nslots : FIRST_SLOTS;
	struct slot *slots = vm_alloc(n * sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < dump.nslots; i++)
		if (dump.slots[i].pc)
			*find_slot(slots, n, dump.slots[i].pc) = dump.slots[i];
	if (dump.slots)
		vm_free(dump.slots, dump.nslots * sizeof(*slots));
	dump.slots = slots;
	dump.nslots = n;
	return true;
}

static struct code *code_alloc(u32 size)
{
	struct trace_block *b = dump.blocks;
	u32 need = (u32)ALIGN_UP(sizeof(struct code) + size, 8);
	struct code *c;

	if (!b || block_room(b) < need) {
		b = vm_alloc(sizeof(*b));
		if (!b)
			return NULL;
		b->link = dump.blocks;
		dump.blocks = b;
	}
	c = (struct code *)&b->data[b->pos];
	b->pos += need;
	return c;
}

static u32 name_id(u32 gen, const char *s)
{
	return id_of(string_put(gen, &dump.strings, s, strlen(s)));
}

/*
 * Readers take the pc for the name of a frame: so those that share one get
 * different ones, in bits that no address has.
 */
static u64 frame_pc(uintptr_t pc, u32 depth)
{
	return (u64)pc | (u64)depth << 48;
}

/* On g0, in a call that may block: at once, not when sysmon finds out. */
static void index_program(void *arg)
{
	trace_leave_p();
	frames_at(*(uintptr_t *)arg);
}

/*
 * The first pc in a file has that indexed, which can take longer than others
 * should wait for the P.
 */
static const struct frame_set *frames_of(uintptr_t pc)
{
	static bool indexed;
	const struct frame_set *set;

	if (!in_goroutine())
		return frames_at(pc);
	if (!indexed)
		gort_blocking(index_program, &pc);
	indexed = true;
	gort_syscall_enter();
	set = frames_at(pc);
	gort_syscall_exit();
	return set;
}

/*
 * A frame of code without symbols or lines says so.  Go's rules want each to
 * have all three: a line that is not known is 1, in the file of the code.
 */
static u32 func_id(u32 gen, const struct frame *f)
{
	const char *base = strrchr(f->file, '/');
	char buf[128];

	if (*f->func)
		return name_id(gen, f->func);
	snprintf(buf, sizeof(buf), "[no symbol in %s]",
		 base ? base + 1 : *f->file ? f->file : "any file");
	return name_id(gen, buf);
}

static u32 file_id(u32 gen, const struct frame *f)
{
	return name_id(gen, *f->file ? f->file : "[no file]");
}

/* How the runtime's own functions are inlined is nobody's business. */
static struct code *encode(u32 gen, uintptr_t pc)
{
	const struct frame_set *set = frames_of(pc);
	u32 first = trace_ours(pc) ? set->n - 1 : 0, n = set->n - first;
	u8 buf[INLINED_MAX * FRAME_BYTES], *p = buf;
	struct code *c;

	if (n > INLINED_MAX)
		n = INLINED_MAX;
	for (u32 i = 0; i < n; i++) {
		const struct frame *f = &set->frames[first + i];

		p = write_varint(p, frame_pc(pc, n - 1 - i));
		p = write_varint(p, func_id(gen, f));
		p = write_varint(p, file_id(gen, f));
		p = write_varint(p, f->line ? f->line : 1);
	}
	c = code_alloc((u32)(p - buf));
	if (!c)
		return NULL;
	c->len = (u16)(p - buf);
	c->frames = (u8)n;
	memcpy(c->bytes, buf, c->len);
	return c;
}

static const struct code *code_of(u32 gen, uintptr_t pc)
{
	struct slot *s;

	if (dump.used * 2 >= dump.nslots && !more_slots())
		return NULL;
	s = find_slot(dump.slots, dump.nslots, pc);
	if (unlikely(!s->pc)) {
		s->code = encode(gen, pc);
		if (!s->code)
			return NULL;
		s->pc = pc;
		dump.used++;
	}
	return s->code;
}

/* False: no memory, the generation is lost. */
static bool dump_stack(struct trace_writer *w, const struct trace_entry *e)
{
	const struct code *codes[TRACE_FRAMES_MAX];
	u32 n = e->size / (u32)sizeof(u64), len = 0, frames = 0, used = 0;

	for (u32 i = 0; i < n && frames < TRACE_FRAMES_MAX; i++) {
		const struct code *c = code_of(w->gen, e->key[i]);

		if (!c)
			return false;
		if (frames + c->frames > TRACE_FRAMES_MAX)
			break;
		codes[used++] = c;
		len += c->len;
		frames += c->frames;
	}
	if (!trace_writer_room(w, 1 + 2 * TRACE_VARINT_MAX + len))
		return false;
	put_byte(w->buf, EV_STACK);
	put_varint(w->buf, e->id);
	put_varint(w->buf, frames);
	for (u32 i = 0; i < used; i++) {
		copy_bytes(&w->buf->data[w->buf->pos], codes[i]->bytes,
			   codes[i]->len);
		w->buf->pos += codes[i]->len;
	}
	return true;
}

static bool dump_string(struct trace_writer *w, const struct trace_entry *e)
{
	if (!trace_writer_room(w, STRING_BYTES))
		return false;
	put_string(w->buf, e->id, e->key, e->size);
	return true;
}

/* All entries of a kind; nobody adds to them. */
static void dump_entries(struct trace_writer *w, u32 kind,
			 bool (*fn)(struct trace_writer *w,
				    const struct trace_entry *e))
{
	struct trace_block *b = trace.blocks[w->gen % 2];
	u64 slice = 0;

	for (; b; b = b->link) {
		for (u32 pos = 0; pos < b->pos;) {
			const struct trace_entry *e =
				(struct trace_entry *)&b->data[pos];

			pos += entry_bytes(e->size);
			if (e->kind != kind || !e->id)
				continue;
			if (!fn(w, e)) {
				trace_lose(w->gen, -ENOMEM);
				return;
			}
			trace_breathe(&slice);
		}
		trace_breathe(&slice);	/* all may be of another kind */
	}
	trace_writer_flush(w);
}

static void forget_codes(void)
{
	trace_blocks_give_back(dump.blocks);
	if (dump.slots)
		vm_free(dump.slots, dump.nslots * sizeof(*dump.slots));
	memset(&dump, 0, sizeof(dump));
}

/* Stacks bring new strings, so they come first. */
void trace_tables_dump(u32 gen)
{
	struct trace_writer stacks = { .gen = gen, .kind = EV_STACKS };
	struct trace_writer strings = { .gen = gen, .kind = EV_STRINGS };

	frames_refresh();
	dump_entries(&stacks, STACK, dump_stack);
	dump_entries(&strings, STRING, dump_string);
	forget_codes();
}

/* For the generation after next, which will have gen's place. */
void trace_tables_reset(u32 gen)
{
	struct trace_block *list = trace.blocks[gen % 2];

	trace.blocks[gen % 2] = NULL;
	memset(tables[gen % 2], 0, sizeof(*tables[0]));
	trace_blocks_give_back(list);
}

/* Once per process: 0 or -ENOMEM. */
int trace_tables_init(void)
{
	for (int i = 0; i < 2; i++) {
		if (!tables[i])
			tables[i] = vm_alloc(ALIGN_UP(sizeof(*tables[0]),
						      PAGE_SIZE));
		if (!tables[i])
			return -ENOMEM;
	}
	return 0;
}
