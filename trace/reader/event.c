// SPDX-License-Identifier: ISC
/*
 * trace/reader/event.c - what the arguments of events mean: strings, stacks,
 * and the rest.  Nothing here is done for who only checks a trace.
 */
#include "internal.h"

u64 gort_tracefile_own_stack(const struct tracefile_event *ev)
{
	switch (ev->type) {
	case TF_GO_CREATE:
	case TF_GO_CREATE_BLOCKED:
		return ev->args[1];
	case TF_GO_STOP:
	case TF_GO_BLOCK:
	case TF_GO_SYSCALL_BEGIN:
	case TF_GO_STATUS_STACK:
		return ev->stack;
	}
	return 0;
}

static void metric(const struct tracefile_event *ev,
		   struct tracefile_details *d)
{
	d->value = ev->args[0];
	switch (ev->type) {
	case TF_PROCS_CHANGE:
		d->name = "/sched/gomaxprocs:threads";
		break;
	case TF_HEAP_ALLOC:
		d->name = "/memory/classes/heap/objects:bytes";
		break;
	case TF_HEAP_GOAL:
		d->name = "/gc/heap/goal:bytes";
		break;
	}
}

static void of_goroutine(struct tracefile_details *d, i64 id)
{
	d->resource = TRACEFILE_GOROUTINE;
	d->id = id;
}

static void of_proc(struct tracefile_details *d, i64 id)
{
	d->resource = TRACEFILE_PROC;
	d->id = id;
}

static void range(const struct tracefile *tf, const struct tracefile_event *ev,
		  struct tracefile_details *d)
{
	switch (ev->type) {
	case TF_STW_BEGIN:
		d->text = rec_str(gen_string(&tf->gen, ev->args[0]));
		d->name = "stop-the-world";
		of_goroutine(d, ev->goroutine);
		break;
	case TF_STW_END:
		d->text = rec_str(ev->name);
		d->name = "stop-the-world";
		of_goroutine(d, ev->goroutine);
		break;
	case TF_GC_ACTIVE:
	case TF_GC_BEGIN:
	case TF_GC_END:
		d->name = "GC concurrent mark phase";
		break;
	case TF_GC_SWEEP_END:
		d->value = ev->args[0];
		d->value2 = ev->args[1];
		/* fallthrough */
	case TF_GC_SWEEP_ACTIVE:
	case TF_GC_SWEEP_BEGIN:
		d->name = "GC incremental sweep";
		of_proc(d, ev->type == TF_GC_SWEEP_ACTIVE ? (i64)ev->args[0] :
							    ev->proc);
		break;
	default:
		d->name = "GC mark assist";
		of_goroutine(d, ev->type == TF_GC_MARK_ASSIST_ACTIVE ?
				(i64)ev->args[0] : ev->goroutine);
	}
}

static void transition(const struct tracefile *tf,
		       const struct tracefile_event *ev,
		       struct tracefile_details *d)
{
	d->resource = ev->resource;
	d->id = ev->id;
	d->stack = gort_tracefile_own_stack(ev);
	if (ev->type == TF_GO_STOP || ev->type == TF_GO_BLOCK)
		d->text = rec_str(gen_string(&tf->gen, ev->args[0]));
}

void gort_tracefile_details(const struct tracefile *tf,
			    const struct tracefile_event *ev,
			    struct tracefile_details *d)
{
	const struct generation *g = &tf->gen;

	memset(d, 0, sizeof(*d));
	d->text = rec_str(NULL);
	d->message = rec_str(NULL);
	d->name = "";
	switch (ev->kind) {
	case TRACEFILE_METRIC:
		metric(ev, d);
		break;
	case TRACEFILE_LABEL:
		d->text = rec_str(gen_string(g, ev->args[0]));
		of_goroutine(d, ev->goroutine);
		break;
	case TRACEFILE_RANGE_BEGIN:
	case TRACEFILE_RANGE_ACTIVE:
	case TRACEFILE_RANGE_END:
		range(tf, ev, d);
		break;
	case TRACEFILE_TASK_BEGIN:
		d->task = ev->args[0];
		d->parent = ev->args[1];
		d->text = rec_str(gen_string(g, ev->args[2]));
		break;
	case TRACEFILE_TASK_END:
		d->task = ev->args[0];
		d->parent = ev->args[2];
		d->text = rec_str(ev->name);
		break;
	case TRACEFILE_REGION_BEGIN:
	case TRACEFILE_REGION_END:
		d->task = ev->args[0];
		d->text = rec_str(gen_string(g, ev->args[1]));
		break;
	case TRACEFILE_LOG:
		d->task = ev->args[0];
		d->text = rec_str(gen_string(g, ev->args[1]));
		d->message = rec_str(gen_string(g, ev->args[2]));
		break;
	case TRACEFILE_TRANSITION:
		transition(tf, ev, d);
		break;
	case TRACEFILE_EXPERIMENTAL:
		d->name = gort_tracefile_specs[ev->type].name;
		d->experiment = "AllocFree";
		break;
	}
}

/* More nanoseconds than a second has, or fewer than none, are carried over. */
static void set_wall(struct tracefile_sync *s, u64 sec, i64 nsec)
{
	i64 carry = nsec / 1000000000;

	nsec %= 1000000000;
	if (nsec < 0) {
		nsec += 1000000000;
		carry--;
	}
	s->wall_sec = (i64)(sec + (u64)carry);
	s->wall_nsec = (u32)nsec;
}

void gort_tracefile_sync(const struct tracefile *tf,
			 const struct tracefile_event *ev,
			 struct tracefile_sync *s)
{
	const struct generation *g = &tf->gen;

	memset(s, 0, sizeof(*s));
	s->n = ev->args[0];
	s->generation = ev->args[1];
	if (!s->generation)
		return;
	s->batches = g->nexps;
	s->clock = g->clock;
	if (!s->clock)
		return;
	s->trace = gen_time(g, g->snap_ts);
	s->mono = g->snap_mono;
	set_wall(s, g->snap_sec, (i64)g->snap_nsec);
}

bool gort_tracefile_batch(const struct tracefile *tf, size_t i,
			  struct tracefile_batch *out)
{
	struct batch_header h;
	const u8 *p;

	if (i >= tf->gen.nexps)
		return false;
	p = tf->gen.exps[i].p;
	out->experiment = *p;
	out->data = gort_tracefile_batch_header(p + 1, tf->end, &h);
	out->thread = (i64)h.thread;
	out->len = h.size;
	return true;
}

void gort_tracefile_frame(const struct generation *g, const struct rec *r,
			  struct tracefile_frame *f)
{
	u64 func, file;

	next_uvarint(next_uvarint(next_uvarint(r->p, &func), &file), &f->line);
	f->pc = r->id;
	f->func = rec_str(gen_string(g, func));
	f->file = rec_str(gen_string(g, file));
}

size_t gort_tracefile_stack(const struct tracefile *tf, u64 stack,
			    struct tracefile_frame out[TRACEFILE_MAX_FRAMES])
{
	const struct rec *r = stack ? table_find(&tf->gen.stacks, stack) : NULL;
	const u8 *p;
	u64 n, i, pc, v;

	if (!r)
		return 0;
	p = next_uvarint(r->p, &n);
	for (i = 0; i < n; i++) {
		p = next_uvarint(p, &pc);
		p = next_uvarint(next_uvarint(next_uvarint(p, &v), &v), &v);
		gort_tracefile_frame(&tf->gen,
				     table_find(&tf->gen.frames, pc), &out[i]);
	}
	return n;
}
