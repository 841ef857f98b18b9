// SPDX-License-Identifier: ISC
/*
 * trace/reader/allocfree.c - rules of the alloc/free experiment, for traces
 * of which nothing was skipped: spans and objects come and go in turn, and an
 * object lies in a span that is there.
 *
 * These events are looked at in the order of their times, a generation at a
 * time.  As they are given they may be in another: a thread whose goroutine
 * waits for what another thread is late to say is held up, and all it has to
 * say of memory with it.  What happens to a piece of memory in one generation
 * has happened before what happens to it in the next.
 *
 * Of a span of class 0, which has one object, the first page is noted only:
 * so what a broken file can make us note is bounded by its size.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

#define INFO_BATCH	1	/* its first byte */
#define EXP_ALLOC_FREE	1
#define PAGES_MAX	1024u	/* of a span with a class */

struct page_rec {
	u64 id;
	u64 span;		/* first page of it */
	u64 npages, objects;	/* in the record of the first page */
};

struct object_rec {
	u64 id;
	u64 span;
};

struct mem_event {
	i64 time;
	u64 nth;		/* in the order in which they were given */
	u64 offset;
	i64 thread;
	u64 args[3];
	u8 type;
};

#define BROKEN(tf, ev, ...) \
	gort_tracefile_fail(tf, (tf)->data + (ev)->offset, (u64)(ev)->thread, \
			    __VA_ARGS__)

typedef unsigned long long ull;

void gort_tracefile_allocfree_init(struct allocfree *a, u64 seed)
{
	gort_tracefile_table_init(&a->pages, sizeof(struct page_rec), seed);
	gort_tracefile_table_init(&a->objects, sizeof(struct object_rec),
				  seed);
}

void gort_tracefile_allocfree_free(struct allocfree *a)
{
	gort_tracefile_table_free(&a->pages);
	gort_tracefile_table_free(&a->objects);
	free(a->events);
}

/* base, page size, smallest object, smallest stack */
static void read_info(struct allocfree *a, const u8 *p, const u8 *end)
{
	u64 base, page, object;

	p = get_uvarint(p, end, &base);
	p = p ? get_uvarint(p, end, &page) : NULL;
	p = p ? get_uvarint(p, end, &object) : NULL;
	if (p && object)
		a->objects_per_page = page / object;
}

static void look_for_info(struct tracefile *tf)
{
	struct tracefile_batch b;
	const u8 *p;

	for (size_t i = 0; gort_tracefile_batch(tf, i, &b); i++) {
		p = b.data;
		if (b.experiment == EXP_ALLOC_FREE && b.len &&
		    *p == INFO_BATCH)
			read_info(&tf->allocfree, p + 1, p + b.len);
	}
}

static u64 mapped_pages(u64 npages, u64 kind)
{
	return kind >> 2 ? npages : 1;
}

static int span_begins(struct tracefile *tf, const struct mem_event *ev)
{
	u64 first = ev->args[0], npages = ev->args[1], i;
	u64 n = mapped_pages(npages, ev->args[2]);
	struct page_rec *r;

	if (!npages || n > PAGES_MAX)
		return BROKEN(tf, ev, "span %llu with %llu pages", (ull)first,
			      (ull)npages);
	for (i = 0; i < n; i++) {
		r = table_find(&tf->allocfree.pages, first + i);
		if (r)
			return BROKEN(tf, ev, "span %llu where span %llu is",
				      (ull)first, (ull)r->span);
		r = gort_tracefile_table_add(&tf->allocfree.pages, first + i);
		if (!r)
			return -ENOMEM;
		r->span = first;
		r->npages = n;
	}
	return 0;
}

/* The record of the first page of a span. */
static struct page_rec *find_span(struct tracefile *tf, u64 id)
{
	struct page_rec *r = table_find(&tf->allocfree.pages, id);

	return r && r->span == id ? r : NULL;
}

static int span_ends(struct tracefile *tf, const struct mem_event *ev)
{
	struct page_rec *r = find_span(tf, ev->args[0]);
	u64 i, n;

	if (!r)
		return BROKEN(tf, ev, "span %llu freed, which is not there",
			      (ull)ev->args[0]);
	if (r->objects)
		return BROKEN(tf, ev, "span %llu freed with %llu objects",
			      (ull)r->id, (ull)r->objects);
	n = r->npages;
	for (i = 0; i < n; i++)
		gort_tracefile_table_del(&tf->allocfree.pages,
				table_find(&tf->allocfree.pages,
					   ev->args[0] + i));
	return 0;
}

static int object_begins(struct tracefile *tf,
			 const struct mem_event *ev)
{
	struct allocfree *a = &tf->allocfree;
	u64 id = ev->args[0];
	struct object_rec *r;
	struct page_rec *p;

	if (!a->objects_per_page)
		return BROKEN(tf, ev, "objects without the size of pages");
	p = table_find(&a->pages, id / a->objects_per_page);
	if (!p)
		return BROKEN(tf, ev, "object %llu in no span", (ull)id);
	if (table_find(&a->objects, id))
		return BROKEN(tf, ev, "object %llu is there already",
			      (ull)id);
	r = gort_tracefile_table_add(&a->objects, id);
	if (!r)
		return -ENOMEM;
	r->span = p->span;
	find_span(tf, p->span)->objects++;
	return 0;
}

static int object_ends(struct tracefile *tf, const struct mem_event *ev)
{
	struct allocfree *a = &tf->allocfree;
	struct object_rec *r = table_find(&a->objects, ev->args[0]);

	if (!r)
		return BROKEN(tf, ev, "object %llu freed, which is not there",
			      (ull)ev->args[0]);
	find_span(tf, r->span)->objects--;
	gort_tracefile_table_del(&a->objects, r);
	return 0;
}

static int apply(struct tracefile *tf, const struct mem_event *ev)
{
	switch (ev->type) {
	case TF_SPAN:
	case TF_SPAN_ALLOC:
		return span_begins(tf, ev);
	case TF_SPAN_FREE:
		return span_ends(tf, ev);
	case TF_HEAP_OBJECT:
	case TF_HEAP_OBJECT_ALLOC:
		return object_begins(tf, ev);
	default:
		return object_ends(tf, ev);
	}
}

static int by_time(const void *x, const void *y)
{
	const struct mem_event *a = x, *b = y;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return a->nth < b->nth ? -1 : 1;
}

/* All of a generation were given. */
static int apply_all(struct tracefile *tf)
{
	struct allocfree *a = &tf->allocfree;
	int err = 0;

	if (a->n)
		qsort(a->events, a->n, sizeof(*a->events), by_time);
	for (u32 i = 0; !err && i < a->n; i++)
		err = apply(tf, &a->events[i]);
	a->n = 0;
	return err;
}

static int keep(struct allocfree *a, const struct tracefile_event *ev,
		i64 time)
{
	if (!gort_tracefile_grow(&a->events, a->n, &a->cap,
				 sizeof(*a->events)))
		return -ENOMEM;
	a->events[a->n] = (struct mem_event){
		.time = time,
		.nth = a->n,
		.offset = ev->offset,
		.thread = ev->thread,
		.args = { ev->args[0], ev->args[1], ev->args[2] },
		.type = ev->type,
	};
	a->n++;
	return 0;
}

int gort_tracefile_allocfree(struct tracefile *tf,
			     const struct tracefile_event *ev, i64 time)
{
	int err;

	switch (ev->type) {
	case TF_SYNC_EVENT:
		err = apply_all(tf);
		if (!err && ev->args[1])
			look_for_info(tf);
		return err;
	case TF_SPAN:
	case TF_SPAN_ALLOC:
	case TF_SPAN_FREE:
	case TF_HEAP_OBJECT:
	case TF_HEAP_OBJECT_ALLOC:
	case TF_HEAP_OBJECT_FREE:
		return keep(&tf->allocfree, ev, time);
	}
	return 0;
}
