// SPDX-License-Identifier: ISC
/*
 * tests/trace/tracecheck.c - check execution traces, or show them as text.
 *
 *	tracecheck [-broken-tail] [-lenient] [-allocfree] [-events] FILE...
 *
 * For each file one line on standard output:
 *
 *	FILE: OK go1.23 generations=2 events=97 syncs=3 stacks=40 frames=212
 *	      named=212 lines=200 Go:Running->Waiting=12 Sync=3 ...
 *
 * (in one line).  events are all of those the reader gives, of which syncs
 * begin a generation or end the trace.  stacks is how many events came with a
 * stack, frames how many frames these have, named how many frames have the
 * name of a function, lines how many a file and a line.  The rest are the
 * kinds of events that occurred, sorted: Go:OLD->NEW and Proc:OLD->NEW for
 * transitions, Metric:NAME, Exp:NAME, or the kind itself (Sync, Label,
 * StackSample, RangeBegin, RangeActive, RangeEnd, TaskBegin, TaskEnd,
 * RegionBegin, RegionEnd, Log).
 *
 *	FILE: FAIL what, offset N, generation N, thread N (go1.23 events=...)
 *
 * if the file is no good.  The rules are those of Go's reader and of the
 * validator it is tested with, or with -lenient of the reader alone, which
 * allows frames without a name.
 *
 * -broken-tail: a file that breaks off is OK if at least one generation is
 * complete.  Its line ends with " broken tail: what, offset N, ...".
 *
 * -allocfree: also what spans and objects do must make sense, as it does
 * unless some of these events were skipped.
 *
 * -events: before that line, each event, as `go tool trace -d=parsed`:
 *
 *	M=12 P=0 G=7 StateTransition Time=81 GoID=7 Running->Waiting Reason="sleep"
 *	TransitionStack=
 *		main @ 0x401136
 *			/src/main.c:12
 *
 *	Stack=
 *		...
 *
 * The event's own line begins with M=, and what belongs to it follows.  A
 * frame is a line with a tab, function and pc, and one with two tabs, file and
 * line.
 *
 * Exit status: 0 if all are OK, 1 if one is not, 2 for a wrong option, a file
 * that cannot be read, or lack of memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/reader/reader.h"

#define MAX_KINDS	256

static struct counts {
	uint64_t events, syncs, stacks, frames, named, lines;
	struct {
		char name[64];
		uint64_t n;
	} kinds[MAX_KINDS];
	size_t nkinds;
} counts;

static int show_events;
static unsigned int flags = TRACEFILE_STRICT;

static void kind_name(char *buf, size_t size, const struct tracefile *tf,
		      const struct tracefile_event *ev)
{
	struct tracefile_details d;

	switch (ev->kind) {
	case TRACEFILE_TRANSITION:
		snprintf(buf, size, "%s:%s->%s",
			 ev->resource == TRACEFILE_PROC ? "Proc" : "Go",
			 gort_tracefile_state_name(ev->resource, ev->old_state),
			 gort_tracefile_state_name(ev->resource, ev->new_state));
		return;
	case TRACEFILE_EXPERIMENTAL:
	case TRACEFILE_METRIC:
		gort_tracefile_details(tf, ev, &d);
		snprintf(buf, size, "%s:%s", ev->kind == TRACEFILE_METRIC ?
			 "Metric" : "Exp", d.name);
		return;
	default:
		snprintf(buf, size, "%s", gort_tracefile_kind_name(ev->kind));
	}
}

static void count_kind(const struct tracefile *tf,
		       const struct tracefile_event *ev)
{
	char name[64];
	size_t i;

	kind_name(name, sizeof(name), tf, ev);
	for (i = 0; i < counts.nkinds; i++)
		if (!strcmp(counts.kinds[i].name, name))
			break;
	if (i == MAX_KINDS)
		return;
	if (i == counts.nkinds)
		strcpy(counts.kinds[counts.nkinds++].name, name);
	counts.kinds[i].n++;
}

static void count_stack(const struct tracefile *tf,
			const struct tracefile_event *ev)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n, i;

	if (!ev->stack)
		return;
	n = gort_tracefile_stack(tf, ev->stack, fr);
	counts.stacks++;
	counts.frames += n;
	for (i = 0; i < n; i++) {
		counts.named += fr[i].func.len != 0;
		counts.lines += fr[i].file.len && fr[i].line;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void print_counts(const struct tracefile *tf)
{
	size_t i;

	printf("go1.%u generations=%" PRIu64 " events=%" PRIu64 " syncs=%" PRIu64
	       " stacks=%" PRIu64 " frames=%" PRIu64 " named=%" PRIu64
	       " lines=%" PRIu64, gort_tracefile_version(tf),
	       gort_tracefile_generations(tf), counts.events, counts.syncs,
	       counts.stacks, counts.frames, counts.named, counts.lines);
	qsort(counts.kinds, counts.nkinds, sizeof(counts.kinds[0]), by_name);
	for (i = 0; i < counts.nkinds; i++)
		printf(" %s=%" PRIu64, counts.kinds[i].name, counts.kinds[i].n);
}

static void print_error(const struct tracefile *tf)
{
	const struct tracefile_error *e = gort_tracefile_error(tf);

	printf("%s, offset %" PRIu64 ", generation %" PRIu64, e->text,
	       e->offset, e->gen);
	if (e->thread != TRACEFILE_NONE)
		printf(", thread %" PRId64, e->thread);
}

static int read_all(struct tracefile *tf)
{
	struct tracefile_event ev;
	int st;

	while ((st = gort_tracefile_next(tf, &ev)) == TRACEFILE_EVENT) {
		counts.events++;
		counts.syncs += ev.kind == TRACEFILE_SYNC;
		count_kind(tf, &ev);
		count_stack(tf, &ev);
		if (show_events)
			gort_tracefile_print(stdout, tf, &ev);
	}
	return st;
}

static int check(const char *path)
{
	struct tracefile *tf;
	int rc = gort_tracefile_open_file(&tf, path, flags);

	memset(&counts, 0, sizeof(counts));
	if (!rc)
		rc = read_all(tf);
	if (!tf || rc == -ENOMEM) {
		fprintf(stderr, "tracecheck: %s: %s\n", path, strerror(-rc));
		gort_tracefile_close(tf);
		return 2;
	}
	printf("%s: ", path);
	if (rc < 0) {
		printf("FAIL ");
		print_error(tf);
		printf(" (");
		print_counts(tf);
		printf(")\n");
	} else {
		printf("OK ");
		print_counts(tf);
		if (rc == TRACEFILE_BROKEN_TAIL) {
			printf(" broken tail: ");
			print_error(tf);
		}
		putchar('\n');
	}
	gort_tracefile_close(tf);
	return rc < 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: tracecheck [-broken-tail] [-lenient] [-events] "
		"[-allocfree] FILE...\n");
	return 2;
}

int main(int argc, char **argv)
{
	int i, rc, worst = 0;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-broken-tail"))
			flags |= TRACEFILE_TAIL;
		else if (!strcmp(argv[i], "-lenient"))
			flags &= ~TRACEFILE_STRICT;
		else if (!strcmp(argv[i], "-allocfree"))
			flags |= TRACEFILE_ALLOCFREE;
		else if (!strcmp(argv[i], "-events"))
			show_events = 1;
		else
			return usage();
	}
	if (i == argc)
		return usage();
	for (; i < argc; i++) {
		rc = check(argv[i]);
		if (rc > worst)
			worst = rc;
	}
	if (fflush(stdout) || ferror(stdout)) {
		perror("tracecheck");
		return 2;
	}
	return worst;
}
