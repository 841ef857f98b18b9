// SPDX-License-Identifier: ISC
/*
 * trace/reader/reader.c - from a file to events, one at a time.
 *
 * The order is that of Go's internal/trace/reader.go: what is queued; else a
 * CPU sample, if it comes before all events of threads; else the earliest
 * event that may happen (frontier.c).  When nothing is left, the next
 * generation is read.  Times are made to rise where they do not.
 *
 * Two differences to Go's reader.  It gives a CPU sample whose stack is not
 * known, and panics when asked for the frames; here it is an error.  And a
 * header may have other spaces than those of ASCII there.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int gort_tracefile_fail(struct tracefile *tf, const u8 *at, u64 thread,
			const char *fmt, ...)
{
	struct tracefile_error *e = &tf->error;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	e->offset = (u64)(at - tf->data);
	e->gen = tf->gen.num;
	e->thread = (i64)thread;
	return -EBADMSG;
}

/* --- the header --- */

static bool is_space(u8 c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static const u8 *skip_spaces(const u8 *p, const u8 *end)
{
	while (p && p < end && is_space(*p))
		p++;
	return p;
}

static const u8 *skip_text(const u8 *p, const u8 *end, const char *s, size_t n)
{
	if (!p || (size_t)(end - p) < n || memcmp(p, s, n) != 0)
		return NULL;
	return p + n;
}

static const u8 *read_decimal(const u8 *p, const u8 *end, u64 *v)
{
	const u8 *start = p;

	for (*v = 0; p && p < end && *p >= '0' && *p <= '9'; p++) {
		*v = *v * 10 + (*p - '0');
		if (*v > UINT32_MAX)
			return NULL;
	}
	return p == start ? NULL : p;
}

/* "go 1.N trace\0\0\0", read as scanf() would: more spaces are no harm. */
static int read_header(struct tracefile *tf)
{
	const u8 *p, *end = tf->end;
	u64 v;

	p = skip_text(tf->data, end, "go ", 3);
	p = skip_text(skip_spaces(p, end), end, "1.", 2);
	p = read_decimal(skip_spaces(p, end), end, &v);
	p = skip_text(p, end, " ", 1);
	p = skip_text(skip_spaces(p, end), end, "trace\0\0\0", 8);
	if (!p)
		return gort_tracefile_fail(tf, tf->data, NO_ID,
					   "not a Go execution trace");
	if (v != 22 && v != 23 && v != 25 && v != 26) {
		gort_tracefile_fail(tf, tf->data, NO_ID, "version 1.%llu is not "
				    "known", (unsigned long long)v);
		return -EPROTONOSUPPORT;
	}
	tf->version = (unsigned int)v;
	tf->pos = p;
	return 0;
}

/* --- opening and closing --- */

int gort_tracefile_open(struct tracefile **out, const void *data, size_t len,
			unsigned int flags)
{
	struct tracefile *tf = calloc(1, sizeof(*tf));
	u64 seed = 0;
	int rc;

	*out = tf;
	if (!tf)
		return -ENOMEM;
	tf->data = len ? data : (const u8 *)"";
	tf->end = tf->data + len;
	tf->pos = tf->data;
	tf->flags = flags;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (u64)(uintptr_t)tf;
	gort_tracefile_order_init(&tf->order, seed);
	gort_tracefile_allocfree_init(&tf->allocfree, seed);
	gort_tracefile_table_init(&tf->gen.strings, sizeof(struct rec), seed);
	gort_tracefile_table_init(&tf->gen.stacks, sizeof(struct rec), seed);
	gort_tracefile_table_init(&tf->gen.frames, sizeof(struct rec), seed);
	rc = read_header(tf);
	if (rc < 0) {
		tf->ended = true;
		tf->result = rc;
	}
	return rc;
}

static int map_file(const char *path, void **map, size_t *len)
{
	struct stat st;
	int fd, err = 0;

	*map = NULL;
	*len = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
	} else if (st.st_size > 0 || !S_ISREG(st.st_mode)) {
		*len = (size_t)st.st_size;
		*map = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (*map == MAP_FAILED)
			err = -errno;
	}
	close(fd);
	return err;
}

int gort_tracefile_open_file(struct tracefile **out, const char *path,
			     unsigned int flags)
{
	size_t len;
	void *map;
	int err;

	*out = NULL;
	err = map_file(path, &map, &len);
	if (err)
		return err;
	err = gort_tracefile_open(out, map, len, flags);
	if (*out)
		(*out)->map = map;
	else if (map)
		munmap(map, len);
	return err;
}

void gort_tracefile_close(struct tracefile *tf)
{
	if (!tf)
		return;
	gort_tracefile_order_free(&tf->order);
	gort_tracefile_allocfree_free(&tf->allocfree);
	gort_tracefile_frontier_free(&tf->frontier);
	gort_tracefile_gen_free(&tf->gen);
	if (tf->map)
		munmap(tf->map, (size_t)(tf->end - tf->data));
	free(tf);
}

unsigned int gort_tracefile_version(const struct tracefile *tf)
{
	return tf->version;
}

u64 gort_tracefile_generations(const struct tracefile *tf)
{
	return tf->complete;
}

const struct tracefile_error *
gort_tracefile_error(const struct tracefile *tf)
{
	return &tf->error;
}

/* --- events --- */

/* One that is no thread's. */
static int make_event(struct tracefile *tf, struct tracefile_event *ev, u8 type,
		      i64 time)
{
	memset(ev, 0, sizeof(*ev));
	ev->type = type;
	ev->time = time;
	ev->thread = TRACEFILE_NONE;
	ev->proc = TRACEFILE_NONE;
	ev->goroutine = TRACEFILE_NONE;
	ev->gen = tf->gen.num;
	ev->offset = (u64)(tf->pos - tf->data);
	return TRACEFILE_EVENT;
}

static int make_sync(struct tracefile *tf, struct tracefile_event *ev, i64 time)
{
	make_event(tf, ev, TF_SYNC_EVENT, time);
	ev->args[0] = ++tf->syncs;
	ev->args[1] = !tf->closing;
	return TRACEFILE_EVENT;
}

/* The last sync of all; result comes after it. */
static int make_last_sync(struct tracefile *tf, struct tracefile_event *ev,
			  int result)
{
	tf->closing = true;
	tf->result = result;
	return make_sync(tf, ev, tf->last_time);
}

static __cold int make_sample(struct tracefile *tf, struct tracefile_event *ev,
		       const struct sample *s)
{
	u64 thread, proc, g;
	const u8 *p = s->p;

	make_event(tf, ev, TF_CPU_SAMPLE, s->time);
	ev->offset = (u64)(s->p - tf->data);
	p = next_uvarint(p, &thread);
	p = next_uvarint(p, &proc);
	p = next_uvarint(p, &g);
	next_uvarint(p, &ev->args[0]);
	ev->thread = (i64)thread;
	ev->proc = (i64)proc;
	ev->goroutine = g ? (i64)g : TRACEFILE_NONE;
	return TRACEFILE_EVENT;
}

static __cold int next_generation(struct tracefile *tf, struct tracefile_event *ev)
{
	int rc;

	if (tf->closing)
		return tf->result;
	if (tf->reading)
		tf->complete++;
	tf->reading = false;
	if (tf->tail_broken)
		return make_last_sync(tf, ev, -EBADMSG);
	if (tf->version < 26 && tf->nth_gen && !tf->more)
		return make_last_sync(tf, ev, TRACEFILE_END);
	rc = gort_tracefile_gen_read(tf);
	if (rc == -ENOMEM)
		return rc;
	if (rc != GEN_OK)
		return make_last_sync(tf, ev, rc < 0 ? rc : TRACEFILE_END);
	rc = gort_tracefile_frontier_init(tf);
	if (rc < 0)
		return rc;
	tf->reading = true;
	return make_sync(tf, ev, gen_time(&tf->gen, tf->gen.min_ts));
}

static int pop(struct order *o, struct tracefile_event *ev)
{
	*ev = o->queue[o->queue_head++];
	if (o->queue_head == o->queue_len) {
		o->queue_head = 0;
		o->queue_len = 0;
	}
	return TRACEFILE_EVENT;
}

static inline int find_event(struct tracefile *tf, struct tracefile_event *ev)
{
	struct frontier *f = &tf->frontier;
	struct generation *g = &tf->gen;
	bool samples = g->next_sample < g->nsamples;
	int rc;

	if (unlikely(tf->order.queue_len))
		return pop(&tf->order, ev);
	if (!tf->reading || (frontier_empty(f) && !samples))
		return next_generation(tf, ev);
	if (samples && (frontier_empty(f) ||
			g->samples[g->next_sample].time < frontier_time(f)))
		return make_sample(tf, ev, &g->samples[g->next_sample++]);
	tf->order.out = ev;
	rc = gort_tracefile_frontier_advance(tf);
	return rc < 0 ? rc : TRACEFILE_EVENT;
}

static __cold int bad_id(struct tracefile *tf, const struct tracefile_event *ev,
			 const char *what, u64 id)
{
	return gort_tracefile_fail(tf, tf->data + ev->offset, (u64)ev->thread,
		"%s with %s %llu, which is not known",
		gort_tracefile_specs[ev->type].name, what,
		(unsigned long long)id);
}

/* The stacks and strings an event names must be known. */
static inline int check_ids(struct tracefile *tf,
			    const struct tracefile_event *ev,
			    const struct spec *spec)
{
	const struct generation *g = &tf->gen;
	u64 id;
	u32 i;

	for (i = 0; i < spec->nstacks; i++) {
		id = ev->args[spec->stacks[i]];
		if (unlikely(!has_id(&g->stacks, id)))
			return bad_id(tf, ev, "stack", id);
	}
	for (i = 0; i < spec->nstrings; i++) {
		id = ev->args[spec->strings[i]];
		if (unlikely(!has_id(&g->strings, id)))
			return bad_id(tf, ev, "string", id);
	}
	return TRACEFILE_EVENT;
}

static inline int complete_event(struct tracefile *tf, struct tracefile_event *ev)
{
	const struct spec *spec;
	int rc = TRACEFILE_EVENT;
	i64 time = ev->time;

	ev->kind = TRACEFILE_SYNC;
	ev->stack = 0;
	if (ev->type != TF_SYNC_EVENT) {
		spec = &gort_tracefile_specs[ev->type];
		ev->kind = spec->kind;
		if (spec->nstacks)
			ev->stack = ev->args[spec->stacks[0]];
		rc = check_ids(tf, ev, spec);
	}
	if (rc < 0)
		return rc;
	if (ev->time <= tf->last_time)
		ev->time = (i64)((u64)tf->last_time + 1);
	tf->last_time = ev->time;
	rc = 0;
	if (tf->flags & TRACEFILE_STRICT)
		rc = gort_tracefile_validate(tf, ev);
	if (!rc && tf->flags & TRACEFILE_ALLOCFREE)
		rc = gort_tracefile_allocfree(tf, ev, time);
	if (rc < 0) {
		tf->rules_broken = true;
		return rc;
	}
	if (ev->resource == TRACEFILE_GOROUTINE &&
	    ev->new_state == TRACEFILE_GO_NOT_EXIST)
		rc = gort_tracefile_order_forget(tf, (u64)ev->id);
	return rc < 0 ? rc : TRACEFILE_EVENT;
}

int gort_tracefile_next(struct tracefile *tf, struct tracefile_event *ev)
{
	int rc;

	if (tf->ended)
		return tf->result;
	rc = find_event(tf, ev);
	if (likely(rc == TRACEFILE_EVENT))
		rc = complete_event(tf, ev);
	if (likely(rc == TRACEFILE_EVENT))
		return rc;
	if (rc == -EBADMSG && (tf->flags & TRACEFILE_TAIL) && tf->complete &&
	    !tf->rules_broken)
		rc = TRACEFILE_BROKEN_TAIL;
	tf->ended = true;
	tf->result = rc;
	return rc;
}
