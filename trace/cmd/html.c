// SPDX-License-Identifier: ISC
/*
 * trace/cmd/html.c - `gort trace html`: a trace as one page.
 */
#define _GNU_SOURCE
#include "html.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

extern const char html_page[], html_page_end[];
extern const char html_css[], html_css_end[];
extern const char html_js[], html_js_end[];

static const char *from, *to;

static const struct cmd_option options[] = {
	{ .name = "from", .arg = "TIME", .value = &from,
	  .help = "only what is later than this: 1.5s, 20ms, 3us, 10ns" },
	{ .name = "to", .arg = "TIME", .value = &to,
	  .help = "only what is earlier than this" },
	{ 0 }
};

static bool set_window(void)
{
	u64 ns;

	if (from && !parse_time(from, &ns))
		return false;
	if (from)
		window.from = (i64)ns;
	if (to && !parse_time(to, &ns))
		return false;
	if (to)
		window.to = (i64)ns;
	return window.from < window.to;
}

static void put(const char *p, const char *end)
{
	fwrite(p, 1, (size_t)(end - p), stdout);
}

/* The page up to a mark, which is left out; returns what follows it. */
static const char *put_to(const char *page, const char *mark)
{
	const char *at = memmem(page, (size_t)(html_page_end - page), mark,
				strlen(mark));

	put(page, at);
	return at + strlen(mark);
}

static void put_page(const char *path, unsigned int version, bool broken)
{
	const char *slash = strrchr(path, '/');
	const char *page = put_to(html_page, "@CSS@");

	put(html_css, html_css_end);
	page = put_to(page, "@DATA@");
	html_out_data(stdout, slash ? slash + 1 : path, version, broken);
	page = put_to(page, "@JS@");
	put(html_js, html_js_end);
	put(page, html_page_end);
}

static void first_pass(struct cmd_trace *t)
{
	struct tracefile_event ev;

	track_reset();
	while (cmd_trace_next(t, &ev) && track_event(&scan_sink, t->tf, &ev))
		;
	scan.duration = track_end(&scan_sink);
	scan.generations = gort_tracefile_generations(t->tf);
	scan_finish();
}

/* The file is good, or was as far as the first pass has read it. */
static void second_pass(const struct cmd_trace *first)
{
	struct cmd_trace t = { .file = first->file };
	struct tracefile_event ev;

	if (gort_tracefile_open(&t.tf, t.file.data, t.file.size,
				TRACEFILE_TAIL))
		cmd_no_memory();
	track_reset();
	lane_begin();
	while (cmd_trace_next(&t, &ev) && track_event(&lane_sink, t.tf, &ev))
		;
	if (t.result == -ENOMEM)
		cmd_no_memory();
	track_end(&lane_sink);
	lane_finish();
	gort_tracefile_close(t.tf);
}

static int run(int nargs, char **args)
{
	unsigned int version;
	struct cmd_trace t;
	bool broken, good;
	int status;

	(void)nargs;
	if (!set_window())
		return cmd_usage(&cmd_trace_html,
				 "--from and --to are times like 1.5s, one after the other");
	status = cmd_trace_open(&t, args[0], TRACEFILE_TAIL);
	if (status != CMD_OK)
		return cmd_trace_close(&t);
	first_pass(&t);
	version = gort_tracefile_version(t.tf);
	good = t.result >= 0 && scan.duration >= 0;
	broken = t.result == TRACEFILE_BROKEN_TAIL;
	if (good)
		second_pass(&t);
	status = cmd_trace_close(&t);
	if (status == CMD_OK && !good)
		return cmd_error(args[0], "it ends before %s", from);
	if (good)
		put_page(args[0], version, broken);
	return status;
}

const struct cmd cmd_trace_html = {
	.group = "trace",
	.name = "html",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.brief = "a page that shows a trace in a browser",
	.help =
"Writes one HTML page to standard output that needs nothing else: the timeline\n"
"of Ps and goroutines, scheduling latencies, pauses, what goroutines wait for,\n"
"and sections in which nothing could be preempted.\n"
"\n"
"Large traces are cut down to what can be drawn; the page says how.  Of a part\n"
"of it, by --from and --to, more can be drawn.\n",
	.bad = "the trace is broken; there is no page",
	.options = options,
	.run = run,
};
