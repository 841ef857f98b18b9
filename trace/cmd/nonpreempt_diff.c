// SPDX-License-Identifier: ISC
/*
 * trace/cmd/nonpreempt_diff.c - gort nonpreempt diff: what changed between two
 * profiles of non-preemptible sections, for people and for CI.
 *
 * Sites are the same if kind, what, place and function are, and the line of
 * the source.  What finds no partner so, since lines were added above it, is
 * paired in the order of the lines if the two profiles have as many of them
 * left in that function; else they count as gone and new.
 *
 * Judged is the highest quantile that the fewer sections of the two can
 * support: p99.9 from 1000 on, p99 from 100 on, else p50.  The maximum is that
 * of one section, in which the kernel may have run something else.  For the
 * same reason nothing is worse that has fewer than 10.
 *
 * Rejected: to judge by the sum of times.  It grows with the work done.
 */
#define _GNU_SOURCE

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "format.h"
#include "sections.h"

#define DEFAULT_ROWS	"20"
#define DEFAULT_ABOVE	"10us"
#define FEWEST		10	/* sections of a site that can be worse */

static const char *rows = DEFAULT_ROWS, *above = DEFAULT_ABOVE, *fail;

static const struct cmd_option options[] = {
	{ .name = "rows", .letter = 'n', .arg = "N", .value = &rows,
	  .help = "that many sites, 0: all; default " DEFAULT_ROWS },
	{ .name = "fail", .arg = "FACTOR", .value = &fail,
	  .help = "status 1 if a site takes FACTOR times as long" },
	{ .name = "above", .arg = "TIME", .value = &above,
	  .help = "but not if that is less; default " DEFAULT_ABOVE },
	{ 0 }
};

static const char *const heads[] = {
	"change", "<of", "count", "p50", "p99", "p99.9", "max", "<place",
	"<kind", "<what", "<at", NULL
};

enum quantile {
	P50,
	P99,
	P999,
};

static const char *const quantile_names[] = { "p50", "p99", "p99.9" };

struct pair {
	const struct section_site *before, *after; /* one may be NULL */
	enum quantile quantile;
	uint64_t before_ns, after_ns;	/* of that; 0 if NULL */
	bool worse;
	size_t order;
};

struct pairs {
	struct pair *p;
	size_t n, nworse;
	double factor;		/* 0: nothing is worse */
	uint64_t above_ns;
};

/* --- which sites are the same --- */

static int compare_names(struct tracefile_str a, struct tracefile_str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int c = len ? memcmp(a.p, b.p, len) : 0;

	return c ? c : a.len < b.len ? -1 : a.len > b.len;
}

static int compare_functions(const struct section_site *x,
			     const struct section_site *y)
{
	int c = compare_names(x->kind, y->kind);

	c = c ? c : compare_names(x->what, y->what);
	c = c ? c : compare_names(x->nesting, y->nesting);
	return c ? c : compare_names(x->func, y->func);
}

/* Takes ":123" off; 0 if there is none. */
static uint64_t take_line(struct tracefile_str *place)
{
	uint64_t line = 0, unit = 1;
	size_t i = place->len;

	for (; i && place->p[i - 1] >= '0' && place->p[i - 1] <= '9'; i--) {
		line += unit * (uint64_t)(place->p[i - 1] - '0');
		unit *= 10;
	}
	if (!i || place->p[i - 1] != ':')
		return 0;
	place->len = i - 1;
	return line;
}

static int compare_places(const struct section_site *x,
			  const struct section_site *y)
{
	struct tracefile_str a = x->place, b = y->place;
	uint64_t i = take_line(&a), j = take_line(&b);
	int c = compare_names(a, b);

	return c ? c : i < j ? -1 : i > j;
}

static int by_site(const void *a, const void *b)
{
	const struct section_site *x = *(const struct section_site *const *)a;
	const struct section_site *y = *(const struct section_site *const *)b;
	int c = compare_functions(x, y);

	c = c ? c : compare_places(x, y);
	return c ? c : x->number < y->number ? -1 : x->number > y->number;
}

/* --- pairs --- */

static enum quantile supported(uint64_t count)
{
	return count >= 1000 ? P999 : count >= 100 ? P99 : P50;
}

static uint64_t quantile_of(const struct section_site *s, enum quantile q)
{
	if (!s)
		return 0;
	return q == P999 ? s->p999_ns : q == P99 ? s->p99_ns : s->p50_ns;
}

static void add_pair(struct pairs *ps, const struct section_site *before,
		     const struct section_site *after)
{
	uint64_t count = before ? before->count : UINT64_MAX;
	struct pair *p = &ps->p[ps->n];

	if (after && after->count < count)
		count = after->count;
	*p = (struct pair){ .before = before, .after = after,
			    .quantile = supported(count), .order = ps->n++ };
	p->before_ns = quantile_of(before, p->quantile);
	p->after_ns = quantile_of(after, p->quantile);
	p->worse = ps->factor > 0 && after && count >= FEWEST &&
		   p->after_ns >= ps->above_ns &&
		   (!before || (double)p->after_ns >
			       (double)p->before_ns * ps->factor);
	ps->nworse += p->worse;
}

/* Sorted by_site(). */
struct sites {
	const struct section_site **s;
	size_t n;
};

static struct sites sort_sites(const struct sections *all)
{
	struct sites out = { .n = all->nsites };
	size_t i;

	out.s = cmd_alloc(out.n * sizeof(*out.s));
	for (i = 0; i < out.n; i++)
		out.s[i] = &all->sites[i];
	if (out.n)
		qsort(out.s, out.n, sizeof(*out.s), by_site);
	return out;
}

/* Of one function; what finds no partner at once moves to the front. */
static void pair_function(struct pairs *ps, struct sites a, struct sites b)
{
	size_t i = 0, j = 0, na = 0, nb = 0;
	int c;

	while (i < a.n || j < b.n) {
		c = i == a.n ? 1 : j == b.n ? -1 :
		    compare_places(a.s[i], b.s[j]);
		if (!c)
			add_pair(ps, a.s[i++], b.s[j++]);
		else if (c < 0)
			a.s[na++] = a.s[i++];
		else
			b.s[nb++] = b.s[j++];
	}
	for (i = 0; i < na && na == nb; i++)
		add_pair(ps, a.s[i], b.s[i]);
	for (i = 0; i < na && na != nb; i++)
		add_pair(ps, a.s[i], NULL);
	for (i = 0; i < nb && na != nb; i++)
		add_pair(ps, NULL, b.s[i]);
}

/* Those at the front that are of the same function as site. */
static struct sites take_function(struct sites *from,
				  const struct section_site *site)
{
	struct sites out = { .s = from->s };

	while (out.n < from->n && !compare_functions(from->s[out.n], site))
		out.n++;
	from->s += out.n;
	from->n -= out.n;
	return out;
}

static void pair_all(struct pairs *ps, struct sites a, struct sites b)
{
	const struct section_site *next;
	struct sites of_a, of_b;

	while (a.n || b.n) {
		next = !b.n || (a.n && compare_functions(*a.s, *b.s) < 0) ?
		       *a.s : *b.s;
		of_a = take_function(&a, next);
		of_b = take_function(&b, next);
		pair_function(ps, of_a, of_b);
	}
}

/* What is worse; then what has grown most. */
static int by_change(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	double grown = (double)x->after_ns - (double)x->before_ns;
	double other = (double)y->after_ns - (double)y->before_ns;

	if (x->worse != y->worse)
		return x->worse ? -1 : 1;
	if (grown != other)
		return grown > other ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* --- output --- */

static void add_times(struct columns *c, const struct pair *p,
		      uint64_t before, uint64_t after)
{
	char from[FORMAT_NS], to[FORMAT_NS];

	columns_printf(c, "%s -> %s",
		       p->before ? format_ns(from, before) : "-",
		       p->after ? format_ns(to, after) : "-");
}

static void add_change(struct columns *c, const struct pair *p)
{
	const char *worse = p->worse ? " worse" : "";
	uint64_t before = p->before_ns ? p->before_ns : 1;

	if (!p->before)
		columns_printf(c, "new%s", worse);
	else if (!p->after)
		columns_printf(c, "gone");
	else
		columns_printf(c, "x%.2f%s", (double)p->after_ns /
			       (double)before, worse);
}

static void add_count(struct columns *c, const struct pair *p)
{
	char from[24] = "-", to[24] = "-";

	if (p->before)
		snprintf(from, sizeof(from), "%" PRIu64, p->before->count);
	if (p->after)
		snprintf(to, sizeof(to), "%" PRIu64, p->after->count);
	columns_printf(c, "%s -> %s", from, to);
}

static void add_row(struct columns *c, const struct pair *p)
{
	static const struct section_site none;
	const struct section_site *a = p->before ? p->before : &none;
	const struct section_site *b = p->after ? p->after : &none;
	const struct section_site *there = p->after ? p->after : p->before;

	add_change(c, p);
	columns_printf(c, "%s", quantile_names[p->quantile]);
	add_count(c, p);
	add_times(c, p, a->p50_ns, b->p50_ns);
	add_times(c, p, a->p99_ns, b->p99_ns);
	add_times(c, p, a->p999_ns, b->p999_ns);
	add_times(c, p, a->max_ns, b->max_ns);
	columns_add(c, there->nesting);
	columns_add(c, there->kind);
	columns_add(c, there->what);
	columns_add_both(c, there->func, there->place);
}

static void print_pairs(const struct pairs *ps, size_t n)
{
	struct columns c;
	size_t i;

	columns_begin(&c, heads);
	for (i = 0; i < n; i++)
		add_row(&c, &ps->p[i]);
	putchar('\n');
	if (n)
		columns_print(&c, NULL, NULL);
	if (n < ps->n)
		printf("... and %zu more\n", ps->n - n);
	if (ps->nworse)
		printf("\nWorse: %zu of %zu, more than %s times as long or "
		       "new, and %s or more\n", ps->nworse, ps->n, fail,
		       above);
}

static int diff(struct pairs *ps, const struct sections *before,
		const struct sections *after, uint64_t nrows)
{
	size_t n;

	ps->p = cmd_alloc((before->nsites + after->nsites) * sizeof(*ps->p));
	pair_all(ps, sort_sites(before), sort_sites(after));
	if (ps->n)
		qsort(ps->p, ps->n, sizeof(*ps->p), by_change);
	n = nrows && nrows < ps->n ? (size_t)nrows : ps->n;
	printf("before: ");
	sections_print_head(before);
	printf("after:  ");
	sections_print_head(after);
	print_pairs(ps, n > ps->nworse ? n : ps->nworse);
	return ps->nworse ? CMD_BAD : CMD_OK;
}

/* 0 if it is none. */
static double read_factor(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	return *text >= '0' && *text <= '9' && !*end && isfinite(v) && v >= 1 ?
	       v : 0;
}

static int run(int nargs, char **args)
{
	struct sections before, after;
	struct pairs ps = { 0 };
	uint64_t n;

	(void)nargs;
	if (!cmd_number(rows, SIZE_MAX, &n))
		return cmd_usage(&cmd_nonpreempt_diff, "-n %s: no number",
				 rows);
	if (fail)
		ps.factor = read_factor(fail);
	if (fail && ps.factor < 1)
		return cmd_usage(&cmd_nonpreempt_diff, "--fail=%s: want 1 or "
				 "more, such as 1.5", fail);
	if (!parse_ns(above, strlen(above), &ps.above_ns))
		return cmd_usage(&cmd_nonpreempt_diff, "--above=%s: want a "
				 "time, such as 10us", above);
	if (sections_read(&before, args[0]) != CMD_OK ||
	    sections_read(&after, args[1]) != CMD_OK)
		return CMD_ERROR;
	return diff(&ps, &before, &after, n);
}

const struct cmd cmd_nonpreempt_diff = {
	.group = "nonpreempt",
	.name = "diff",
	.args = "BEFORE AFTER",
	.min_args = 2,
	.max_args = 2,
	.brief = "what takes longer than it did, for CI",
	.help =
"Both files are as for gort nonpreempt top.  Sites are the same if kind, what,\n"
"place, function and line are; when lines moved, the first of a function stays\n"
"the first.\n"
"\n"
"A site is judged by p99.9 if both profiles have 1000 sections of it, by p99 if\n"
"they have 100, else by p50: what is above that may be bad luck.  With --fail a\n"
"site that is new is worse as well, if it takes the TIME of --above or more; but\n"
"none is with fewer than 10 sections.  Quantiles are exact to 3 percent.\n",
	.bad = "--fail was given, and something got worse",
	.options = options,
	.run = run,
};
