// SPDX-License-Identifier: ISC
/*
 * trace/pprof.c - profiles in the format of pprof.
 *
 * The format is profile.proto of github.com/google/pprof: a protocol buffer
 * message, here in a gzip file of stored blocks.  Rejected: compression, for
 * a file of some hundred KiB; `gzip` does it.
 *
 * Samples of the CPU profiler with the same stack and label become one as
 * they come.  Names are found at the end only, once per pc.
 *
 * What is written in which order is ours to choose; a message needs its
 * length before it, so each is made in memory, in one of the writer's
 * buffers, which are as large as the largest can be.
 */
#define _GNU_SOURCE
#include "trace/pprof.h"

#include <gort/io.h>
#include <gort/profile.h>

#include <elf.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel/maps.h"
#include "kernel/time.h"
#include "mm/vm.h"
#include "trace/frames.h"
#include "trace/label.h"

#define STACKS_BYTES	((size_t)64 << 20)
#define NAMES_BYTES	((size_t)64 << 20)	/* each of the writer's */

/* Fields of the messages. */
enum {
	PROFILE_SAMPLE_TYPE	= 1,
	PROFILE_SAMPLE		= 2,
	PROFILE_MAPPING		= 3,
	PROFILE_LOCATION	= 4,
	PROFILE_FUNCTION	= 5,
	PROFILE_STRING		= 6,
	PROFILE_TIME_NANOS	= 9,
	PROFILE_DURATION_NANOS	= 10,
	PROFILE_PERIOD_TYPE	= 11,
	PROFILE_PERIOD		= 12,

	VALUE_TYPE		= 1,
	VALUE_UNIT		= 2,

	SAMPLE_LOCATION		= 1,
	SAMPLE_VALUE		= 2,
	SAMPLE_LABEL		= 3,

	LABEL_KEY		= 1,
	LABEL_STR		= 2,

	MAPPING_ID		= 1,
	MAPPING_START		= 2,
	MAPPING_LIMIT		= 3,
	MAPPING_OFFSET		= 4,
	MAPPING_FILE		= 5,
	MAPPING_BUILD_ID	= 6,
	MAPPING_HAS_FUNCTIONS	= 7,
	MAPPING_HAS_FILENAMES	= 8,
	MAPPING_HAS_LINES	= 9,
	MAPPING_HAS_INLINED	= 10,

	LOCATION_ID		= 1,
	LOCATION_MAPPING	= 2,
	LOCATION_ADDRESS	= 3,
	LOCATION_LINE		= 4,

	LINE_FUNCTION		= 1,
	LINE_LINE		= 2,

	FUNCTION_ID		= 1,
	FUNCTION_NAME		= 2,
	FUNCTION_SYSTEM_NAME	= 3,
	FUNCTION_FILE		= 4,
};

/* Locations and functions number from 2 on: 1 is for what was lost. */
#define LOST_ID		1
#define LINE_BYTES	16	/* bytes of a line in a location's message */
#define LOST_NAME	"gort_lost_samples"

/*
 * The aggregate.
 */

/* The bytes of a key in ->stacks. */
struct stack_key {
	void *label;
	uintptr_t pcs[SIGPROF_FRAMES_MAX];
};

static s64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (s64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void pprof_begin(struct pprof *p, u32 hz)
{
	dict_init(&p->stacks, STACKS_BYTES);
	p->period_ns = NSEC_PER_SEC / hz;
	p->wall_ns = clock_ns(CLOCK_REALTIME);
	p->begin_ns = clock_ns(CLOCK_MONOTONIC);
}

bool pprof_add(struct pprof *p, const struct cpu_sample *s)
{
	struct stack_key key = { .label = s->label };
	struct dict_entry *e;

	memcpy(key.pcs, s->pcs, s->n * sizeof(s->pcs[0]));
	e = dict_put(&p->stacks, &key, offsetof(struct stack_key, pcs) +
		     s->n * sizeof(s->pcs[0]));
	if (e)
		atomic_fetch_add_explicit(&e->value, s->weight,
					  memory_order_relaxed);
	return e;
}

void pprof_end(struct pprof *p)
{
	p->end_ns = clock_ns(CLOCK_MONOTONIC);
}

void pprof_clear(struct pprof *p)
{
	dict_clear(&p->stacks);
}

/*
 * The file: gzip (RFC 1952) around stored blocks (RFC 1951, 3.2.4).
 */

#define BLOCK_MAX	65535
#define BLOCK_HEAD	5
#define VARINT_MAX	10

/* A label is 3 bytes at least, and its message 2 + 2 * 6 at most. */
#define MSG_MAX		8192
#define LABELS_MAX	(GORT_LABELS_SIZE_MAX / 3)
_Static_assert(SIGPROF_FRAMES_MAX * 5 + LABELS_MAX * 14 + 100 < MSG_MAX,
	       "all there is of a sample fits a message");

/* Whoever may have more to add than fits looks at msg_room(). */
struct msg {
	u32 len;
	unsigned char buf[MSG_MAX];
};

struct pprof_file {
	int fd;
	int err;		/* the first */
	u32 crc;
	u32 size;		/* modulo 2^32 */
	u32 nblock;
	struct dict strings, locations, functions, mappings;
	bool any_lost;		/* LOST_ID is in use */
	u32 ntypes;		/* values of each sample */
	struct msg msg;		/* being made; */
	struct msg part;	/* one in it */
	char maps[MAPS_BUF_SIZE], path[MAPS_BUF_SIZE];
	struct pprof_label labels[LABELS_MAX];
	unsigned char block[BLOCK_HEAD + BLOCK_MAX];
};

#define FILE_BYTES	ALIGN_UP(sizeof(struct pprof_file), (size_t)4096)

/* Four bits at a time: the table is small, and files are, too. */
u32 pprof_crc32(u32 crc, const void *data, size_t len)
{
	static const u32 table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const unsigned char *p = data;

	crc = ~crc;
	for (; len; len--, p++) {
		crc = table[(crc ^ *p) & 15] ^ crc >> 4;
		crc = table[(crc ^ *p >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}

static void write_out(struct pprof_file *w, const void *data, size_t len)
{
	ssize_t n;

	if (w->err)
		return;
	n = gort_write_all(w->fd, data, len);
	if (n != (ssize_t)len)
		w->err = n < 0 ? (int)n : -EIO;
}

static void put_le(unsigned char *p, u32 v, u32 n)
{
	for (; n; n--, v >>= 8)
		*p++ = (unsigned char)v;
}

static void write_block(struct pprof_file *w, bool last)
{
	w->block[0] = last;
	put_le(w->block + 1, w->nblock, 2);
	put_le(w->block + 3, ~w->nblock, 2);
	w->crc = pprof_crc32(w->crc, w->block + BLOCK_HEAD, w->nblock);
	w->size += w->nblock;
	write_out(w, w->block, BLOCK_HEAD + w->nblock);
	w->nblock = 0;
}

static void write_bytes(struct pprof_file *w, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		size_t n = BLOCK_MAX - w->nblock;

		if (n > len)
			n = len;
		memcpy(w->block + BLOCK_HEAD + w->nblock, p, n);
		w->nblock += (u32)n;
		p += n;
		len -= n;
		if (w->nblock == BLOCK_MAX)
			write_block(w, false);
	}
}

static void write_begin(struct pprof_file *w)
{
	/* Deflate, no flags, no time; OS: unknown. */
	static const unsigned char head[10] = { 0x1f, 0x8b, 8, [9] = 0xff };

	write_out(w, head, sizeof(head));
}

static void write_end(struct pprof_file *w)
{
	unsigned char tail[8];

	write_block(w, true);
	put_le(tail, w->crc, 4);
	put_le(tail + 4, w->size, 4);
	write_out(w, tail, sizeof(tail));
}

/*
 * Protocol buffers.
 */

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static struct msg *msg_begin(struct msg *m)
{
	m->len = 0;
	return m;
}

static u32 msg_room(const struct msg *m)
{
	return MSG_MAX - m->len;
}

static u32 put_varint(unsigned char *p, u64 v)
{
	u32 n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (unsigned char)(v | 0x80);
	p[n++] = (unsigned char)v;
	return n;
}

static void msg_varint(struct msg *m, u64 v)
{
	m->len += put_varint(m->buf + m->len, v);
}

static void msg_part(struct msg *m, u32 field, const struct msg *part)
{
	msg_varint(m, field << 3 | WIRE_BYTES);
	msg_varint(m, part->len);
	memcpy(m->buf + m->len, part->buf, part->len);
	m->len += part->len;
}

/* 0 is what a reader takes a field for that is not there. */
static void msg_int(struct msg *m, u32 field, u64 v)
{
	if (!v)
		return;
	msg_varint(m, field << 3 | WIRE_VARINT);
	msg_varint(m, v);
}

static void write_field(struct pprof_file *w, u32 field, const void *data,
			size_t len)
{
	unsigned char head[2 * VARINT_MAX];
	u32 n = put_varint(head, field << 3 | WIRE_BYTES);

	n += put_varint(head + n, len);
	write_bytes(w, head, n);
	write_bytes(w, data, len);
}

static void write_msg(struct pprof_file *w, u32 field, const struct msg *m)
{
	write_field(w, field, m->buf, m->len);
}

static void write_int(struct pprof_file *w, u32 field, u64 v)
{
	unsigned char buf[2 * VARINT_MAX];
	u32 n = put_varint(buf, field << 3 | WIRE_VARINT);

	n += put_varint(buf + n, v);
	write_bytes(w, buf, n);
}

/* Its number in the table; without memory it is "". */
static u32 string_id(struct pprof_file *w, const char *s)
{
	const struct dict_entry *e;

	if (!*s)
		return 0;
	e = dict_put(&w->strings, s, strlen(s));
	return e ? e->id : 0;
}

/*
 * Mappings.
 */

/* The bytes of a key in ->mappings; its value: MAPPING_ flags. */
struct mapping {
	u64 start, end, offset;
	u32 file, build_id;	/* strings */
};

#define MAPPING_LOOKED_UP	1u	/* names there */
#define MAPPING_NOT_FOUND	2u	/* some of them */

#define BUILD_ID_MAX	64
#define NOTES_MAX	4096

/* In notes of a file; -1: not there. */
static int find_build_id(const unsigned char *p, size_t size,
			 const unsigned char **id)
{
	Elf64_Nhdr h;

	while (size >= sizeof(h)) {
		size_t name, desc;

		memcpy(&h, p, sizeof(h));
		name = sizeof(h) + ALIGN_UP((size_t)h.n_namesz, 4);
		desc = ALIGN_UP((size_t)h.n_descsz, 4);
		if (size < name || size - name < desc)
			return -1;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 &&
		    !memcmp(p + sizeof(h), "GNU", 4) &&
		    h.n_descsz <= BUILD_ID_MAX) {
			*id = p + name;
			return (int)h.n_descsz;
		}
		p += name + desc;
		size -= name + desc;
	}
	return -1;
}

/* Bytes read into buf, or 0. */
static size_t read_at(int fd, void *buf, size_t len, u64 offset)
{
	ssize_t n = pread(fd, buf, len, (off_t)offset);

	return n > 0 ? (size_t)n : 0;
}

/* In hexadecimal into out; "" if there is none. */
static void read_build_id(int fd, char *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char notes[NOTES_MAX];
	const unsigned char *id;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int n = -1;

	*out = '\0';
	if (read_at(fd, &eh, sizeof(eh), 0) != sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(ph))
		return;
	for (u32 i = 0; i < eh.e_phnum && n < 0; i++) {
		if (read_at(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) !=
		    sizeof(ph))
			return;
		if (ph.p_type != PT_NOTE || ph.p_align > 4)
			continue;
		n = find_build_id(notes, read_at(fd, notes,
				ph.p_filesz < NOTES_MAX ? ph.p_filesz :
				NOTES_MAX, ph.p_offset), &id);
	}
	for (int i = 0; i < n; i++) {
		*out++ = digits[id[i] >> 4];
		*out++ = digits[id[i] & 15];
	}
	*out = '\0';
}

static u32 build_id_string(struct pprof_file *w, const char *path)
{
	char hex[2 * BUILD_ID_MAX + 1];
	struct stat st;
	int fd = maps_open_file(path, w->path, &st);

	if (fd < 0)
		return 0;
	read_build_id(fd, hex);
	close(fd);
	return string_id(w, hex);
}

/* Where code is. */
static void find_mappings(struct pprof_file *w)
{
	struct maps_reader r;
	struct vma vma;

	if (!maps_open(&r, w->maps))
		return;
	while (maps_next(&r, &vma)) {
		struct mapping m = {
			vma.start, vma.end, vma.offset, 0, 0
		};

		if (!vma.exec)
			continue;
		m.file = string_id(w, vma.path);
		if (*vma.path == '/')
			m.build_id = build_id_string(w, vma.path);
		dict_put(&w->mappings, &m, sizeof(m));
	}
	maps_close(&r);
}

static struct dict_entry *mapping_of(struct pprof_file *w, uintptr_t pc)
{
	struct dict_entry *e;

	for (e = w->mappings.first; e; e = e->next) {
		const struct mapping *m = (const struct mapping *)e->key;

		if (pc >= m->start && pc < m->end)
			return e;
	}
	return NULL;
}

static void write_mappings(struct pprof_file *w)
{
	const struct dict_entry *e;

	for (e = w->mappings.first; e; e = e->next) {
		const struct mapping *p = (const struct mapping *)e->key;
		u64 flags = atomic_load_explicit(&e->value,
						 memory_order_relaxed);
		bool found = flags == MAPPING_LOOKED_UP;
		struct msg *m = msg_begin(&w->msg);

		msg_int(m, MAPPING_ID, e->id);
		msg_int(m, MAPPING_START, p->start);
		msg_int(m, MAPPING_LIMIT, p->end);
		msg_int(m, MAPPING_OFFSET, p->offset);
		msg_int(m, MAPPING_FILE, p->file);
		msg_int(m, MAPPING_BUILD_ID, p->build_id);
		msg_int(m, MAPPING_HAS_FUNCTIONS, found);
		msg_int(m, MAPPING_HAS_FILENAMES, found);
		msg_int(m, MAPPING_HAS_LINES, found);
		msg_int(m, MAPPING_HAS_INLINED, found);
		write_msg(w, PROFILE_MAPPING, m);
	}
}

/*
 * Samples.
 */

/* The bytes of a key in ->functions. */
struct function {
	u32 name, file;		/* strings */
};

static u32 lost_id(struct pprof_file *w)
{
	w->any_lost = true;
	return LOST_ID;
}

/*
 * The location of pc; 0: no code is there, so what led to it was no frame
 * record, but left by code without frame pointers.
 */
static u32 location_id(struct pprof_file *w, uintptr_t pc)
{
	const struct dict_entry *mapping = mapping_of(w, pc);
	struct dict_entry *e;

	/* Without /proc there is none at all. */
	if (!mapping && w->mappings.n)
		return 0;
	e = dict_put(&w->locations, &pc, sizeof(pc));
	return e ? e->id + LOST_ID : lost_id(w);
}

static u32 function_id(struct pprof_file *w, const struct frame *f)
{
	struct function fn = { string_id(w, f->func), string_id(w, f->file) };
	const struct dict_entry *e = dict_put(&w->functions, &fn, sizeof(fn));

	return e ? e->id + LOST_ID : lost_id(w);
}

static void msg_labels(struct pprof_file *w, struct msg *m,
		       const struct pprof_sample *s)
{
	for (u32 i = 0; i < s->nlabels; i++) {
		struct msg *label = msg_begin(&w->part);

		msg_int(label, LABEL_KEY, string_id(w, s->labels[i].key));
		msg_int(label, LABEL_STR, string_id(w, s->labels[i].value));
		msg_part(m, SAMPLE_LABEL, label);
	}
}

static void msg_values(struct pprof_file *w, struct msg *m, const u64 *v)
{
	struct msg *values = msg_begin(&w->part);

	for (u32 i = 0; i < w->ntypes; i++)
		msg_varint(values, v[i]);
	msg_part(m, SAMPLE_VALUE, values);
}

void pprof_put(struct pprof_file *w, const struct pprof_sample *s)
{
	struct msg *m = msg_begin(&w->msg), *ids = msg_begin(&w->part);

	for (u32 i = 0; i < s->n; i++) {
		u32 id = location_id(w, s->pcs[i]);

		if (id)
			msg_varint(ids, id);
	}
	msg_part(m, SAMPLE_LOCATION, ids);
	msg_values(w, m, s->values);
	msg_labels(w, m, s);
	write_msg(w, PROFILE_SAMPLE, m);
}

void pprof_put_lost(struct pprof_file *w, const u64 *values)
{
	struct msg *m = msg_begin(&w->msg), *ids = msg_begin(&w->part);

	msg_varint(ids, lost_id(w));
	msg_part(m, SAMPLE_LOCATION, ids);
	msg_values(w, m, values);
	write_msg(w, PROFILE_SAMPLE, m);
}

/*
 * Locations and functions.
 */

static void msg_line(struct pprof_file *w, struct msg *m, u32 function, u32 line)
{
	struct msg *part = msg_begin(&w->part);

	msg_int(part, LINE_FUNCTION, function);
	msg_int(part, LINE_LINE, line);
	msg_part(m, LOCATION_LINE, part);
}

/* Innermost first, as in the set; without a name the pc says it all. */
static void write_location(struct pprof_file *w, const struct dict_entry *e)
{
	uintptr_t pc = *(const uintptr_t *)e->key;
	const struct frame_set *set = frames_at(pc);
	struct dict_entry *mapping = mapping_of(w, pc);
	bool found = *set->frames[0].func;
	struct msg *m = msg_begin(&w->msg);

	msg_int(m, LOCATION_ID, e->id + LOST_ID);
	msg_int(m, LOCATION_MAPPING, mapping ? mapping->id : 0);
	msg_int(m, LOCATION_ADDRESS, pc);
	for (u32 i = 0; found && i < set->n && msg_room(m) > LINE_BYTES; i++)
		msg_line(w, m, function_id(w, &set->frames[i]),
			 set->frames[i].line);
	write_msg(w, PROFILE_LOCATION, m);
	if (mapping)
		atomic_fetch_or_explicit(&mapping->value, found ?
					 MAPPING_LOOKED_UP : MAPPING_NOT_FOUND,
					 memory_order_relaxed);
}

static void write_function(struct pprof_file *w, u32 id, u32 name, u32 file)
{
	struct msg *m = msg_begin(&w->msg);

	msg_int(m, FUNCTION_ID, id);
	msg_int(m, FUNCTION_NAME, name);
	msg_int(m, FUNCTION_SYSTEM_NAME, name);
	msg_int(m, FUNCTION_FILE, file);
	write_msg(w, PROFILE_FUNCTION, m);
}

static void write_lost(struct pprof_file *w)
{
	struct msg *m = msg_begin(&w->msg);

	msg_int(m, LOCATION_ID, LOST_ID);
	msg_line(w, m, LOST_ID, 0);
	write_msg(w, PROFILE_LOCATION, m);
	write_function(w, LOST_ID, string_id(w, LOST_NAME), 0);
}

static void write_names(struct pprof_file *w)
{
	const struct dict_entry *e;

	frames_refresh();
	for (e = w->locations.first; e; e = e->next)
		write_location(w, e);
	for (e = w->functions.first; e; e = e->next) {
		const struct function *fn = (const struct function *)e->key;

		write_function(w, e->id + LOST_ID, fn->name, fn->file);
	}
	if (w->any_lost)
		write_lost(w);
}

/* Number 0 is "". */
static void write_strings(struct pprof_file *w)
{
	write_field(w, PROFILE_STRING, "", 0);
	for (const struct dict_entry *e = w->strings.first; e; e = e->next)
		write_field(w, PROFILE_STRING, e->key, e->len);
}

static void write_type(struct pprof_file *w, u32 field,
		       const struct pprof_type *type)
{
	struct msg *m = msg_begin(&w->msg);

	msg_int(m, VALUE_TYPE, string_id(w, type->type));
	msg_int(m, VALUE_UNIT, string_id(w, type->unit));
	write_msg(w, field, m);
}

static void write_head(struct pprof_file *w, const struct pprof_head *head)
{
	for (u32 i = 0; i < head->ntypes; i++)
		write_type(w, PROFILE_SAMPLE_TYPE, &head->types[i]);
	if (head->period) {
		write_type(w, PROFILE_PERIOD_TYPE, &head->period_type);
		write_int(w, PROFILE_PERIOD, head->period);
	}
	write_int(w, PROFILE_TIME_NANOS, (u64)head->wall_ns);
	write_int(w, PROFILE_DURATION_NANOS, head->duration_ns);
}

static void dicts_of(struct pprof_file *w, struct dict *dicts[4])
{
	dicts[0] = &w->strings;
	dicts[1] = &w->locations;
	dicts[2] = &w->functions;
	dicts[3] = &w->mappings;
}

struct pprof_file *pprof_open(int fd, const struct pprof_head *head)
{
	struct pprof_file *w = vm_alloc(FILE_BYTES);
	struct dict *dicts[4];

	if (!w)
		return NULL;
	dicts_of(w, dicts);
	for (u32 i = 0; i < ARRAY_SIZE(dicts); i++)
		dict_init(dicts[i], NAMES_BYTES);
	w->fd = fd;
	w->ntypes = head->ntypes;
	write_begin(w);
	write_head(w, head);
	find_mappings(w);
	return w;
}

int pprof_close(struct pprof_file *w)
{
	struct dict *dicts[4];
	int err;

	write_names(w);
	write_mappings(w);
	write_strings(w);
	write_end(w);
	err = w->err;
	dicts_of(w, dicts);
	for (u32 i = 0; i < ARRAY_SIZE(dicts); i++)
		dict_clear(dicts[i]);
	vm_free(w, FILE_BYTES);
	return err;
}

/*
 * Of the CPU profiler.
 */

static const struct pprof_type cpu_types[] = {
	{ "samples", "count" },
	{ "cpu", "nanoseconds" },
};

static void put_stack(struct pprof_file *w, const struct pprof *p,
		      const struct dict_entry *e)
{
	const struct stack_key *key = (const struct stack_key *)e->key;
	u64 count = atomic_load_explicit(&e->value, memory_order_relaxed);
	struct pprof_sample s = {
		.pcs = key->pcs,
		.n = (u32)((e->len - offsetof(struct stack_key, pcs)) /
			   sizeof(key->pcs[0])),
		.values = (u64[]){ count, count * (u64)p->period_ns },
		.labels = w->labels,
	};
	struct pprof_label label = { 0 };

	while (label_next(key->label, &label.key, &label.value))
		w->labels[s.nlabels++] = label;
	pprof_put(w, &s);
}

int pprof_write(struct pprof *p, u64 lost, int fd)
{
	struct pprof_head head = {
		.types = cpu_types,
		.ntypes = ARRAY_SIZE(cpu_types),
		.period_type = cpu_types[1],
		.period = (u64)p->period_ns,
		.wall_ns = p->wall_ns,
		.duration_ns = (u64)(p->end_ns - p->begin_ns),
	};
	struct pprof_file *w = pprof_open(fd, &head);

	if (!w)
		return -ENOMEM;
	for (const struct dict_entry *e = p->stacks.first; e; e = e->next)
		put_stack(w, p, e);
	if (lost)
		pprof_put_lost(w, (u64[]){ lost, lost * (u64)p->period_ns });
	return pprof_close(w);
}
