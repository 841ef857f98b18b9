// SPDX-License-Identifier: ISC
/*
 * trace/cmd/nonpreempt.c - gort nonpreempt top: the sites of non-preemptible
 * sections, as the profiler has written them.
 */
#define _GNU_SOURCE

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "sections.h"

#define DEFAULT_ROWS	"20"

static bool verbose;
static const char *rows = DEFAULT_ROWS, *sort = "max";

static const struct cmd_option options[] = {
	{ .name = "rows", .letter = 'n', .arg = "N", .value = &rows,
	  .help = "that many sites, 0: all; default " DEFAULT_ROWS },
	{ .name = "sort", .arg = "KEY", .value = &sort,
	  .help = "max (the default), gross, net, count, wait" },
	{ .name = "verbose", .letter = 'v', .given = &verbose,
	  .help = "with both stacks of the longest section" },
	{ 0 }
};

static const struct sort_key {
	const char *name;
	size_t offset;
} sort_keys[] = {
	{ "max", offsetof(struct section_site, max_ns) },
	{ "gross", offsetof(struct section_site, gross_ns) },
	{ "net", offsetof(struct section_site, net_ns) },
	{ "count", offsetof(struct section_site, count) },
	{ "wait", offsetof(struct section_site, wait_ns) },
	{ 0 }
};

static const char *const heads[] = {
	"count", "gross", "net", "max", "p50", "p99", "p99.9", "waits",
	"waited", "longest", "<place", "<kind", "<what", "<at", NULL
};

static int by_key(const void *a, const void *b, void *key)
{
	const struct section_site *x = a, *y = b;
	size_t offset = ((const struct sort_key *)key)->offset;
	uint64_t v = *(const uint64_t *)((const char *)a + offset);
	uint64_t w = *(const uint64_t *)((const char *)b + offset);

	if (v != w)
		return v > w ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void add_row(struct columns *c, const struct section_site *s)
{
	columns_printf(c, "%" PRIu64, s->count);
	if (*s->nesting.p == 'i')
		columns_printf(c, "-");
	else
		columns_ns(c, s->gross_ns);
	columns_ns(c, s->net_ns);
	columns_ns(c, s->max_ns);
	columns_ns(c, s->p50_ns);
	columns_ns(c, s->p99_ns);
	columns_ns(c, s->p999_ns);
	columns_printf(c, "%" PRIu64, s->waits);
	columns_ns(c, s->wait_ns);
	columns_ns(c, s->wait_max_ns);
	columns_add(c, s->nesting);
	columns_add(c, s->kind);
	columns_add(c, s->what);
	columns_add_both(c, s->func, s->place);
}

static void print_frame(const struct section_frame *fr)
{
	fputs("        ", stdout);
	cmd_print_text(fr->func);
	if (fr->place.len)
		putchar(' ');
	cmd_print_text(fr->place);
	putchar('\n');
}

static void print_stack(const struct sections *all,
			const struct section_site *s, bool end)
{
	const struct section_frame *fr = all->frames + s->first_frame;
	size_t i, n = 0;

	for (i = 0; i < s->nframes; i++) {
		if (fr[i].end != end)
			continue;
		if (!n++)
			printf("    the longest %s in\n",
			       end ? "ended" : "began");
		print_frame(&fr[i]);
	}
}

static void print_details(size_t row, void *sections)
{
	const struct sections *all = sections;
	const struct section_site *s = &all->sites[row];

	print_stack(all, s, false);
	print_stack(all, s, true);
	if (s->waits)
		printf("    at most %" PRIu64 " goroutines wanted to run "
		       "meanwhile\n", s->runnable);
	putchar('\n');
}

static void print_top(struct sections *s, size_t n)
{
	struct columns c;
	size_t i;

	columns_begin(&c, heads);
	for (i = 0; i < n; i++)
		add_row(&c, &s->sites[i]);
	sections_print_head(s);
	putchar('\n');
	if (n)
		columns_print(&c, verbose ? print_details : NULL, s);
	if (n < s->nsites)
		printf("... and %zu more\n", s->nsites - n);
}

static int run(int nargs, char **args)
{
	const struct sort_key *key = sort_keys;
	struct sections s;
	uint64_t n;

	(void)nargs;
	if (!cmd_number(rows, SIZE_MAX, &n))
		return cmd_usage(&cmd_nonpreempt_top, "-n %s: no number", rows);
	while (key->name && strcmp(key->name, sort) != 0)
		key++;
	if (!key->name)
		return cmd_usage(&cmd_nonpreempt_top, "--sort=%s: want max, "
				 "gross, net, count or wait", sort);
	if (sections_read(&s, args[0]) != CMD_OK)
		return CMD_ERROR;
	if (s.nsites)
		qsort_r(s.sites, s.nsites, sizeof(*s.sites), by_key,
			(void *)(uintptr_t)key);
	print_top(&s, n && n < s.nsites ? (size_t)n : s.nsites);
	return CMD_OK;
}

const struct cmd cmd_nonpreempt_top = {
	.group = "nonpreempt",
	.name = "top",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.brief = "where nothing could be preempted for longest",
	.help =
"FILE is what GORTNONPREEMPT=FILE or gort_nonpreempt_write() has written as\n"
"text; \"-\" is standard input.\n"
"\n"
"  count   sections that began there\n"
"  gross   their time in all; \"-\" for those inside another section\n"
"  net     the same without the sections inside them\n"
"  max     the longest: gross time, or net if inside; so are the quantiles\n"
"  waits   requests to preempt that had to wait for the end of one\n"
"  waited  how long they did, in all, and the longest of them\n",
	.options = options,
	.run = run,
};
