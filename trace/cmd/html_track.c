// SPDX-License-Identifier: ISC
/*
 * trace/cmd/html_track.c - from events to spans: what each goroutine did from
 * when to when, and which of them had each P.
 *
 * A goroutine in a system call has its P until that is taken away, so what a
 * P did ends at other times than what the goroutine did: sinks get both.
 *
 * What is there when the trace begins did what it does since the beginning of
 * the generation in which it is first seen: a status says what was before the
 * first event.
 */
#include "html.h"

#include <stdlib.h>
#include <string.h>

struct ptrack {
	i64 id;
	i64 in_syscall;		/* goroutine, or TRACEFILE_NONE */
	i64 since;
};

struct site *sites;
size_t nsites;
struct window window = { 0, INT64_MAX };

static size_t sites_cap;
static struct map site_map;

static struct gtrack *gs;	/* those that live; id NONE: free */
static size_t ngs, gs_cap;
static u32 *free_gs;
static size_t nfree, free_cap;
static struct map g_map;

static struct ptrack *ps;
static size_t nps, ps_cap;
static struct map p_map;

static i64 begin_time, last, gen_begin;
static bool begun;

/* --- tables --- */

/* MAX_SITES is for those that came too late. */
static u32 site_of(u32 func, u32 created)
{
	u64 key = (u64)func << 32 | created;
	u32 i = map_get(&site_map, key);

	if (i != MAP_NONE)
		return i;
	if (nsites > MAX_SITES)
		return MAX_SITES;
	sites = grow(sites, nsites, &sites_cap, sizeof(*sites));
	i = (u32)nsites++;
	sites[i] = (struct site){
		.func = func, .created = created,
		.best = TOP(MAX_BEST, struct listed),
	};
	if (i < MAX_SITES) {
		map_put(&site_map, key, i);
	} else {
		sites[i].func = intern_cstring("(other functions)");
		sites[i].created = 0;
	}
	return i;
}

static struct gtrack *find_g(i64 id)
{
	u32 i = map_get(&g_map, (u64)id);

	return i == MAP_NONE ? NULL : &gs[i];
}

static struct gtrack *add_g(i64 id)
{
	u32 i;

	if (nfree) {
		i = free_gs[--nfree];
	} else {
		gs = grow(gs, ngs, &gs_cap, sizeof(*gs));
		i = (u32)ngs++;
	}
	gs[i] = (struct gtrack){
		.id = id, .p = TRACEFILE_NONE, .by = TRACEFILE_NONE,
		.latency = -1,
	};
	map_put(&g_map, (u64)id, i);
	return &gs[i];
}

static void remove_g(struct gtrack *g)
{
	map_del(&g_map, (u64)g->id);
	g->id = TRACEFILE_NONE;
	free_gs = grow(free_gs, nfree, &free_cap, sizeof(*free_gs));
	free_gs[nfree++] = (u32)(g - gs);
}

static struct ptrack *find_p(i64 id)
{
	u32 i = map_get(&p_map, (u64)id);

	if (i != MAP_NONE)
		return &ps[i];
	ps = grow(ps, nps, &ps_cap, sizeof(*ps));
	i = (u32)nps++;
	ps[i] = (struct ptrack){ .id = id, .in_syscall = TRACEFILE_NONE };
	map_put(&p_map, (u64)id, i);
	return &ps[i];
}

void track_reset(void)
{
	ngs = nfree = nps = 0;
	map_reset(&g_map);
	map_reset(&p_map);
	intern_new_generation();
	begun = false;
	last = gen_begin = 0;
	if (!nsites)
		site_of(intern_cstring("(unknown)"), 0);
}

/* --- spans --- */

static i64 in_window(i64 t)
{
	return (t < window.from ? window.from : t > window.to ? window.to : t) -
	       window.from;
}

static bool is_inside(i64 t)
{
	return t >= window.from && t <= window.to;
}

/* false if nothing is left. */
static bool clip(struct span *s)
{
	bool any = s->end >= window.from && s->start <= window.to;

	if (s->start < window.from)
		s->latency = -1;
	s->start = in_window(s->start);
	s->end = in_window(s->end);
	return any;
}

static void emit_p(const struct sink *to, struct span s)
{
	if (s.p != TRACEFILE_NONE && clip(&s))
		to->p_span(&s);
}

/* The span of g that ends now. */
static struct span span_of(const struct gtrack *g, i64 now)
{
	return (struct span){
		.start = g->since, .end = now, .g = g->id, .p = g->p,
		.by = g->by, .latency = g->latency, .site = g->site,
		.why = g->why, .stack = g->stack, .by_stack = g->by_stack,
		.before = g->before, .state = g->state,
	};
}

static void end_span(const struct sink *to, struct gtrack *g, i64 now)
{
	struct span s = span_of(g, now);

	if (g->state == TRACEFILE_GO_RUNNING)
		emit_p(to, s);
	if (!clip(&s))
		return;
	g->time[g->state] += (u64)(s.end - s.start);
	g->spans++;
	if (to->g_span)
		to->g_span(&s);
}

static void end_g(const struct sink *to, struct gtrack *g, i64 now)
{
	if (!to->g_end || !g->spans)
		return;
	g->begin = in_window(g->begin);
	to->g_end(g, in_window(now));
}

/* The goroutine in a system call has the P no longer, or is out of it. */
static void end_p_syscall(const struct sink *to, i64 id, i64 g, i64 now)
{
	struct ptrack *p = id == TRACEFILE_NONE ? NULL : find_p(id);
	struct gtrack *gt;
	struct span s;

	if (!p || p->in_syscall == TRACEFILE_NONE ||
	    (g != TRACEFILE_NONE && p->in_syscall != g))
		return;
	gt = find_g(p->in_syscall);
	if (gt && gt->state == TRACEFILE_GO_SYSCALL) {
		s = span_of(gt, now);
		s.start = p->since;
		s.p = id;
		emit_p(to, s);
	}
	p->in_syscall = TRACEFILE_NONE;
}

static bool is_known(u8 state)
{
	return state >= TRACEFILE_GO_RUNNABLE && state <= TRACEFILE_GO_SYSCALL;
}

/* --- transitions --- */

static bool is_status(const struct tracefile_event *ev)
{
	return ev->type == TF_GO_STATUS || ev->type == TF_GO_STATUS_STACK;
}

static struct gtrack *new_g(const struct tracefile_event *ev, i64 now)
{
	struct gtrack *g = add_g(ev->id);

	g->born = ev->old_state == TRACEFILE_GO_NOT_EXIST;
	g->since = g->begin = g->born ? now : gen_begin;
	return g;
}

static void left_running(struct gtrack *g, const struct tracefile_event *ev,
			 const struct tracefile_details *d, u32 stack)
{
	if (ev->goroutine == g->id && ev->proc != TRACEFILE_NONE)
		g->p = ev->proc;
	g->stack = stack;
	if (ev->new_state == TRACEFILE_GO_SYSCALL)
		g->why = intern_cstring("system call");
	else if (ev->new_state == TRACEFILE_GO_NOT_EXIST)
		g->why = intern_cstring("end");
	else
		g->why = intern_string(d->text);
}

/* Who made it runnable, who is about to begin. */
static void became_runnable(struct gtrack *g, const struct tracefile_event *ev,
			    u32 stack)
{
	if (is_status(ev))
		return;
	if (ev->goroutine != g->id) {
		g->by = ev->goroutine;
		g->by_stack = stack;
		g->why = 0;
		g->stack = 0;
	} else {
		g->by = TRACEFILE_NONE;
		g->by_stack = 0;
	}
}

static void became_running(struct gtrack *g, const struct tracefile_event *ev,
			   i64 now)
{
	g->latency = -1;
	if (g->state != TRACEFILE_GO_RUNNABLE) {
		g->by = TRACEFILE_NONE;
		g->by_stack = 0;
	} else if (!g->guessed) {
		g->latency = now - g->since;
		if (is_inside(now) && (u64)g->latency > g->max_latency)
			g->max_latency = (u64)g->latency;
	}
	/* A status may be told by another thread. */
	g->p = !is_status(ev) || (i64)ev->args[1] == ev->thread ? ev->proc :
								   TRACEFILE_NONE;
	g->before = g->state == TRACEFILE_GO_RUNNABLE ? g->why : 0;
	g->why = g->stack = 0;
}

static void enter_syscall(struct gtrack *g, i64 now)
{
	struct ptrack *p;

	if (g->state != TRACEFILE_GO_RUNNING || g->p == TRACEFILE_NONE)
		return;
	p = find_p(g->p);
	p->in_syscall = g->id;
	p->since = now;
}

static void change(const struct sink *to, struct gtrack *g,
		   const struct tracefile_event *ev,
		   const struct tracefile_details *d, u32 stack, i64 now)
{
	if (g->state == TRACEFILE_GO_SYSCALL)
		end_p_syscall(to, g->p, g->id, now);
	if (g->state == TRACEFILE_GO_RUNNING)
		left_running(g, ev, d, stack);
	if (is_known(g->state))
		end_span(to, g, now);

	/* Of what it has been doing; only that of its creator else. */
	if (is_status(ev))
		g->stack = stack;
	switch (ev->new_state) {
	case TRACEFILE_GO_RUNNABLE:
		became_runnable(g, ev, stack);
		break;
	case TRACEFILE_GO_RUNNING:
		became_running(g, ev, now);
		break;
	case TRACEFILE_GO_SYSCALL:
		enter_syscall(g, now);
		break;
	}
	g->state = ev->new_state;
	g->guessed = !is_known(ev->old_state) && !g->born;
	if (!g->guessed)
		g->since = now;
}

static void go_transition(const struct sink *to, const struct tracefile *tf,
			  const struct tracefile_event *ev, i64 now)
{
	struct gtrack *g = find_g(ev->id);
	struct tracefile_details d = { 0 };
	u32 stack = intern_stack(tf, ev->stack);

	/* Most have none; that is half of the time this takes. */
	if (!g || g->state == TRACEFILE_GO_RUNNING)
		gort_tracefile_details(tf, ev, &d);
	if (!g)
		g = new_g(ev, now);
	if (d.stack && !g->site)
		g->site = site_of(stack_root(intern_stack(tf, d.stack)),
				  g->born && !g->state ? stack : 0);
	if (g->state != ev->new_state)
		change(to, g, ev, &d, stack, now);
	if (g->state == TRACEFILE_GO_NOT_EXIST) {
		end_g(to, g, now);
		remove_g(g);
	}
}

static void proc_transition(const struct sink *to,
			    const struct tracefile_event *ev, i64 now)
{
	find_p(ev->id);
	if (ev->new_state != TRACEFILE_PROC_RUNNING)
		end_p_syscall(to, ev->id, TRACEFILE_NONE, now);
}

/* Times of a broken trace may be far apart. */
static i64 since_begin(i64 time)
{
	u64 d = (u64)time - (u64)begin_time;

	return time < begin_time ? last :
	       d > INT64_MAX / 4 ? INT64_MAX / 4 : (i64)d;
}

bool track_event(const struct sink *to, const struct tracefile *tf,
		 const struct tracefile_event *ev)
{
	i64 now;

	if (!begun)
		begin_time = ev->time;
	begun = true;
	now = since_begin(ev->time);
	last = now > last ? now : last;

	if (ev->kind == TRACEFILE_SYNC) {
		intern_new_generation();
		gen_begin = now;
	} else if (ev->kind == TRACEFILE_TRANSITION) {
		if (ev->resource == TRACEFILE_GOROUTINE)
			go_transition(to, tf, ev, now);
		else
			proc_transition(to, ev, now);
	}
	if (to->event)
		to->event(tf, ev, in_window(now), is_inside(now));
	return now <= window.to;
}

i64 track_end(const struct sink *to)
{
	size_t i;

	for (i = 0; i < nps; i++)
		end_p_syscall(to, ps[i].id, TRACEFILE_NONE, last);
	for (i = 0; i < ngs; i++) {
		if (gs[i].id == TRACEFILE_NONE)
			continue;
		if (gs[i].state == TRACEFILE_GO_RUNNING)
			gs[i].why = intern_cstring("end of the trace");
		if (is_known(gs[i].state))
			end_span(to, &gs[i], last);
		end_g(to, &gs[i], last);
	}
	return (last < window.to ? last : window.to) - window.from;
}
