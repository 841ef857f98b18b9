/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/html.h - what the parts of `gort trace html` share.
 *
 *	html.c		the command: two passes, then the page
 *	html_intern.c	strings and stacks, each once; the K greatest
 *	html_track.c	events to spans: what a goroutine, or a P, did from
 *			when to when
 *	html_scan.c	first pass: who is interesting; sums, histograms
 *	html_lane.c	second pass: the spans that are drawn
 *	html_out.c	JSON, and numbers as base64
 *	html_page.S	page.html, page.css, page.js, page_lanes.js,
 *			page_tables.js
 *
 * A trace is read twice because which goroutines are worth a lane of their
 * own is known at its end only, and keeping all spans until then would take
 * several times the size of the trace.
 *
 * Everything kept has a limit, in the list below; what a limit drops is
 * counted, and the page says so.
 */
#ifndef TRACE_CMD_HTML_H
#define TRACE_CMD_HTML_H

#include <stdio.h>

#include "cmd.h"

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

enum {
	MAX_STRINGS = 100000,
	MAX_STRING_BYTES = 4 << 20,	/* all together */
	MAX_STRING = 400,		/* each; what is longer is cut */
	MAX_FRAMES = 100000,
	MAX_NODES = 300000,		/* frames of all stacks; common callers
					 * count once */
	MAX_SITES = 5000,		/* kinds of goroutines */
	MAX_WAITS = 50000,		/* reason and stack, while reading */
	MAX_WAITS_SHOWN = 500,
	MAX_SAMPLES = 50000,		/* different stacks of samples */
	MAX_SAMPLES_SHOWN = 2000,
	MAX_LISTED = 20000,		/* goroutines by id */
	MAX_BEST = 8,			/* first of these: so many of each
					 * site */
	MAX_LANES = 1000,		/* of these, with a lane */
	MAX_PROCS = 1024,		/* lanes of Ps */
	MAX_LATENCIES = 500,		/* longest ones */
	MAX_RANGES = 2000,		/* longest ones, for each kind */
	MAX_SECTIONS = 5000,		/* longest non-preemptible ones */
	MAX_SECTION_KINDS = 500,
	MAX_RECORDS = 1 << 19,		/* spans drawn, Ps; and goroutines */
	OVERVIEW = 2048,		/* buckets of the overview */
	HIST_BUCKETS = 61 * 16 + 16,
};

/* --- html_intern.c --- */

/* From u64 to u32, without deletion. */
struct map {
	struct {
		u64 key;
		u32 value;	/* + 1; 0: empty */
	} *slots;
	u32 n, mask;
};

#define MAP_NONE	UINT32_MAX

/* MAP_NONE if it is not there. */
u32 map_get(const struct map *m, u64 key);

/* It is not there, or is changed. */
void map_put(struct map *m, u64 key, u32 value);
void map_del(struct map *m, u64 key);
void map_reset(struct map *m);

/* Make room for one more than n of size bytes; returns the array. */
void *grow(void *array, size_t n, size_t *cap, size_t size);

/* Index of a string; that of "" is 0. */
u32 intern_string(struct tracefile_str s);
u32 intern_cstring(const char *s);

/*
 * Index of a stack of the trace's, as a node: a frame and the node of its
 * caller.  0: none.
 */
u32 intern_stack(const struct tracefile *tf, u64 stack);

/* The ids of stacks begin anew. */
void intern_new_generation(void);

/*
 * Function of the outermost frame of a stack, as a string; not the one by
 * which the runtime starts goroutines, if there is another.
 */
u32 stack_root(u32 node);

struct interned {
	char **strings;
	size_t nstrings, strings_cap;
	struct frame {
		u32 func, file;
		u64 line;
	} *frames;
	size_t nframes, frames_cap;
	struct node {
		u32 frame, parent;
	} *nodes;
	size_t nnodes, nodes_cap;
	u64 strings_dropped, stacks_cut;
};

extern struct interned interned;

/* The greatest by rank, of at most max; as a heap, least first. */
struct top {
	char *items;		/* each begins with its u64 rank */
	size_t n, max, size, cap;
	u64 offered;
};

#define TOP(m, type)	{ .max = (m), .size = sizeof(type) }

void top_offer(struct top *t, const void *item);

/* Greatest first.  No more offers then. */
void top_sort(struct top *t);

/* --- html_track.c --- */

/* What a goroutine did, or who had a P. */
struct span {
	i64 start, end;		/* ns from the beginning of the window */
	i64 g;
	i64 p;			/* TRACEFILE_NONE: on none */
	i64 by;			/* who made it runnable before, or
				 * TRACEFILE_NONE */
	i64 latency;		/* running: it was runnable so long before;
				 * -1: not known */
	u32 site;
	u32 why;		/* reason; running: of its end */
	u32 stack;		/* that of why */
	u32 by_stack;		/* that of by */
	u32 before;		/* running: reason why it was runnable, if
				 * nobody made it so */
	u8 state;		/* enum tracefile_go_state */
};

struct listed {			/* a goroutine */
	u64 rank;		/* it ran or wanted to: ns */
	i64 id, begin, end;
	u64 time[TRACEFILE_GO_SYSCALL + 1];
	u64 max_latency, spans;
	u32 site;
	bool born, ended;
};

/* A kind of goroutine: what it runs, and where it was started. */
struct site {
	u32 func;
	u32 created;		/* stack */
	u64 count, ended;
	u64 time[TRACEFILE_GO_SYSCALL + 1];
	u64 max_latency;
	struct top best;	/* struct listed: its most interesting ones */
};

/* One goroutine, as long as it lives. */
struct gtrack {
	i64 id;
	i64 since;		/* of its state */
	i64 p, by, latency;
	u32 site, why, stack, by_stack, before;
	u8 state;
	bool born;		/* in this trace */
	bool guessed;		/* since; see html_track.c */
	/* sums */
	i64 begin;
	u64 time[TRACEFILE_GO_SYSCALL + 1];
	u64 max_latency;
	u64 spans;
};

/*
 * What becomes of spans, cut to the window, and of events, also those outside;
 * all but p_span may be NULL.
 */
struct sink {
	void (*g_span)(const struct span *s);
	void (*p_span)(const struct span *s);
	void (*g_end)(const struct gtrack *g, i64 now);
	void (*event)(const struct tracefile *tf,
		      const struct tracefile_event *ev, i64 now,
		      bool inside);
};

extern struct site *sites;
extern size_t nsites;

/* What of the trace is shown: ns from its beginning. */
struct window {
	i64 from, to;
};

extern struct window window;

/* Forget goroutines and Ps, but not sites. */
void track_reset(void);

/* false: what follows is behind the window. */
bool track_event(const struct sink *to, const struct tracefile *tf,
		 const struct tracefile_event *ev);

/*
 * The trace, or the window, ends: so do all spans.  Returns how long the
 * window is, in ns; negative: the trace ends before it.
 */
i64 track_end(const struct sink *to);

/* --- html_scan.c --- */

/* Log-linear: 16 to each power of two. */
struct hist {
	u64 count, sum, max;
	u64 buckets[HIST_BUCKETS];
};

struct latency {
	u64 rank;		/* ns */
	struct span span;	/* that began after it */
};

struct range {
	u64 rank;		/* ns */
	i64 start;
	i64 g;
	u32 what;		/* string */
	u32 stack;
};

struct section {		/* non-preemptible */
	u64 rank;		/* ns */
	i64 start;
	i64 g, p;
	u32 what;		/* string: kind and what */
	u32 stack;
};

struct wait {			/* all that was said of one key */
	u64 rank;		/* sum, ns */
	u64 count, max;
	u32 why, stack;
};

struct scan {
	struct hist latency, stw, nonpreempt;
	struct listed *shown;	/* those of listed and of all best, in the
				 * order in which they are shown */
	size_t nshown;
	struct top listed, latencies, stw_list, gc_list, sections;
	struct wait *waits, *kinds, *samples;	/* kinds: of sections */
	size_t nwaits, nkinds, nsamples;
	u64 state_time[TRACEFILE_GO_SYSCALL + 1];
	u64 events, goroutines, ended, generations, unparsed_sections;
	u64 samples_total, logs, regions, tasks;
	i64 duration;
};

extern struct scan scan;
extern const struct sink scan_sink;

/* "12.5us" to ns; false if it is no time. */
bool parse_time(const char *s, u64 *ns);

/* After track_end(). */
void scan_finish(void);

/* --- html_lane.c --- */

/* A span that is drawn, or several of one lane together. */
struct record {
	i64 start, end;
	union {
		struct {
			i64 who;	/* P's lane: goroutine; or vice versa */
			i64 by;
			i64 latency;
		};
		struct {		/* MERGED: ns of it in this state */
			i64 running, runnable, syscall;
		};
	};
	u32 site, why, stack, by_stack;
	u32 count;
	u8 state;
};

#define MERGED		6	/* after enum tracefile_go_state */

struct lane {
	i64 id;
	struct record *recs;
	size_t n, cap;
};

struct lanes {
	struct lane *lanes;
	size_t nlanes;
	struct map index;
	u64 nrecs;
	u64 spans;		/* that these stand for */
	u64 left_out;		/* of no lane here */
	unsigned int shift;	/* those inside the same 2^shift ns are one */
};

extern struct lanes plane, glane;
extern const struct sink lane_sink;

/* Mean number of goroutines in a state, in buckets of overview_width ns:
 * sums of their times. */
extern u64 overview[3][OVERVIEW];
extern i64 overview_width;

/* After scan_finish(). */
void lane_begin(void);
void lane_finish(void);

/* --- html_out.c --- */

/* All of it that is data: JSON in one script element, numbers in another. */
void html_out_data(FILE *f, const char *name, unsigned int version,
		   bool broken);

#endif
