// SPDX-License-Identifier: ISC
/*
 * trace/nonpreempt_write.c - what the profiler of non-preemptible sections has
 * found, as files.
 *
 * The text is for people, and for `gort nonpreempt`.  A line is a key and what
 * it says, separated by blanks; each site begins with an empty line:
 *
 *	gort nonpreempt 1
 *	seconds 12.345 sections 1234 lost 0 other 0 exceeded 3 suppressed 0
 *
 *	site 1
 *	kind systemstack
 *	what stack_refill
 *	place outermost			or: inside
 *	at stack_cache_get mm/stack.c:123
 *	count 12345
 *	gross 123456 ns			0 if inside
 *	net 12345 ns
 *	max 45678 ns
 *	quantiles p50 120 p90 200 p99 500 p99.9 900 ns
 *	waits 3 total 123 ns max 45 ns runnable 17
 *	start main tests/x.c:12		one line per frame, innermost first
 *	end f y.c:3
 *	bucket 128 4			least ns, count; of those not 0
 *
 * Names are those of functions, files and sections, so anything may be in
 * them: what is no visible ASCII character, or a backslash, is \xHH, except
 * bytes from 0x80 on, which are left.  In folded stacks ";" is as well.  A
 * name that is not known, or empty, is "?", and then there may be no place; a
 * place without a known line is the path of the object.
 *
 * A quantile is the middle of the bucket that it falls into, so it is off by
 * 3.1 % at most, but never more than the maximum.
 *
 * "at" names the function that was written down, not the accessor of a lock
 * that was inlined there: of the frames at a site the first whose file is no
 * header.
 */
#define _GNU_SOURCE
#include "trace/nonpreempt_write.h"

#include <gort/gort.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "kernel/metrics.h"
#include "kernel/out.h"
#include "kernel/print.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "mm/vm.h"
#include "trace/frames.h"
#include "trace/nonpreempt.h"
#include "trace/outfile.h"
#include "trace/pprof.h"

#define SITES_MORE	64	/* that may come while memory is got */

struct nonpreempt_us nonpreempt_us(u64 ns)
{
	struct nonpreempt_us us;

	format(us.text, sizeof(us.text), "%U.%Uus", ns / 1000, ns / 100 % 10);
	return us;
}

/*
 * Names.
 */

static void out_escaped(struct out *o, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char text[4] = { '\\', 'x', digits[c >> 4], digits[c & 15] };

	out_bytes(o, text, sizeof(text));
}

/* also: one more character to be escaped, or ' '. */
static void out_name(struct out *o, const char *name, char also)
{
	if (!name || !*name)
		name = "?";
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c <= ' ' || c == 0x7f || c == '\\' || c == also)
			out_escaped(o, c);
		else
			out_bytes(o, &c, 1);
	}
}

static void out_frame(struct out *o, const char *key, const struct frame *f)
{
	out_line(o, "%s ", key);
	out_name(o, f->func, ' ');
	if (*f->file) {
		out_bytes(o, " ", 1);
		out_name(o, f->file, ' ');
	}
	if (f->line)
		out_line(o, ":%u", f->line);
	out_bytes(o, "\n", 1);
}

static bool in_header(const struct frame *f)
{
	size_t n = strlen(f->file);

	return n > 2 && !strcmp(f->file + n - 2, ".h");
}

/* site: not 0. */
static const struct frame *frame_of_site(uintptr_t site)
{
	const struct frame_set *set = frames_at(site - 1);
	u32 i = 0;

	while (i < set->n - 1 && in_header(&set->frames[i]))
		i++;
	return &set->frames[i];
}

/*
 * Text.
 */

/* The longest that q parts of 10000 are not longer than. */
static u64 quantile_ns(const struct gort_nonpreempt_site *s, u64 q)
{
	u64 all = 0, below = 0, ns;
	unsigned int i;

	for (i = 0; i < GORT_NONPREEMPT_BUCKETS; i++)
		all += s->buckets[i];
	for (i = 0; i < GORT_NONPREEMPT_BUCKETS - 1; i++) {
		below += s->buckets[i];
		/* Both are counts of what takes 10 ns and more. */
		if (below * 10000 >= all * q)
			break;
	}
	ns = gort_nonpreempt_bucket_ns(i);
	if (i < GORT_NONPREEMPT_BUCKETS - 1)
		ns += (gort_nonpreempt_bucket_ns(i + 1) - 1 - ns + 1) / 2;
	return ns < s->max_ns ? ns : s->max_ns;
}

static void text_stack(struct out *o, const char *key, const uintptr_t *pcs,
		       u32 n)
{
	for (u32 i = 0; i < n; i++) {
		const struct frame_set *set = frames_at(pcs[i]);

		for (u32 k = 0; k < set->n; k++)
			out_frame(o, key, &set->frames[k]);
	}
}

static void text_times(struct out *o, const struct gort_nonpreempt_site *s)
{
	out_line(o, "count %U\ngross %U ns\nnet %U ns\nmax %U ns\n", s->count,
		 s->gross_ns, s->net_ns, s->max_ns);
	out_line(o, "quantiles p50 %U p90 %U p99 %U p99.9 %U ns\n",
		 quantile_ns(s, 5000), quantile_ns(s, 9000),
		 quantile_ns(s, 9900), quantile_ns(s, 9990));
	out_line(o, "waits %U total %U ns max %U ns runnable %u\n", s->waits,
		 s->wait_ns, s->wait_max_ns, s->wait_runnable);
}

static void text_site(struct out *o, const struct gort_nonpreempt_site *s,
		      size_t number)
{
	out_line(o, "\nsite %U\nkind %s\nwhat ", number,
		 gort_nonpreempt_kind_name(s->kind));
	out_name(o, s->what, ' ');
	out_line(o, "\nplace %s\n", s->outermost ? "outermost" : "inside");
	if (s->site)
		out_frame(o, "at", frame_of_site(s->site));
	else
		out_line(o, "at ?\n");
	text_times(o, s);
	text_stack(o, "start", s->start, s->nstart);
	text_stack(o, "end", s->end, s->nend);
	for (unsigned int i = 0; i < GORT_NONPREEMPT_BUCKETS; i++)
		if (s->buckets[i])
			out_line(o, "bucket %U %U\n",
				 gort_nonpreempt_bucket_ns(i), s->buckets[i]);
}

static int write_text(int fd, const struct nonpreempt_report *r)
{
	const struct gort_nonpreempt_stats *st = &r->stats;
	u64 ms = r->duration_ns / 1000000;
	struct out o = { .fd = fd };

	out_line(&o, "gort nonpreempt 1\nseconds %U.%U%U%U", ms / 1000,
		 ms / 100 % 10, ms / 10 % 10, ms % 10);
	out_line(&o, " sections %U lost %U other %U exceeded %U suppressed %U\n",
		 st->sections, st->lost, st->other, st->exceeded,
		 st->suppressed);
	for (size_t i = 0; i < r->n && !o.err; i++)
		text_site(&o, &r->sites[i], i + 1);
	out_flush(&o);
	return o.err;
}

/*
 * Folded stacks, as of B. Gregg's FlameGraph: "kind;what;outermost;...;innermost
 * net", in ns.
 */

static void folded_pc(struct out *o, uintptr_t pc)
{
	const struct frame_set *set = frames_at(pc);

	for (u32 i = set->n; i-- > 0;) {
		out_bytes(o, ";", 1);
		out_name(o, set->frames[i].func, ';');
	}
}

static void folded_site(struct out *o, const struct gort_nonpreempt_site *s)
{
	if (!s->net_ns)
		return;
	out_line(o, "%s;", gort_nonpreempt_kind_name(s->kind));
	out_name(o, s->what, ';');
	for (u32 i = s->nstart; i-- > 0;)
		folded_pc(o, s->start[i]);
	if (!s->nstart && s->site)
		folded_pc(o, s->site - 1);
	out_line(o, " %U\n", s->net_ns);
}

static int write_folded(int fd, const struct nonpreempt_report *r)
{
	struct out o = { .fd = fd };

	for (size_t i = 0; i < r->n && !o.err; i++)
		folded_site(&o, &r->sites[i]);
	out_flush(&o);
	return o.err;
}

/*
 * For `go tool pprof`.
 */

static const struct pprof_type types[] = {
	{ "sections", "count" },
	{ "gross", "nanoseconds" },
	{ "net", "nanoseconds" },
	{ "max", "nanoseconds" },
};

static void pprof_site(struct pprof_file *f,
		       const struct gort_nonpreempt_site *s)
{
	const struct pprof_label labels[] = {
		{ "kind", gort_nonpreempt_kind_name(s->kind) },
		{ "what", s->what },
	};
	const uintptr_t at = s->site - 1;

	pprof_put(f, &(const struct pprof_sample){
		.pcs = s->nstart ? s->start : &at,
		.n = s->nstart ? s->nstart : s->site != 0,
		.values = (u64[]){ s->count, s->gross_ns, s->net_ns,
				   s->max_ns },
		.labels = labels,
		.nlabels = *s->what ? 2 : 1,
	});
}

static int write_pprof(int fd, const struct nonpreempt_report *r)
{
	struct pprof_file *f = pprof_open(fd, &(const struct pprof_head){
		.types = types,
		.ntypes = ARRAY_SIZE(types),
		.wall_ns = r->wall_ns,
		.duration_ns = r->duration_ns,
	});

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		pprof_site(f, &r->sites[i]);
	return pprof_close(f);
}

int nonpreempt_write(int fd, enum gort_nonpreempt_format format,
		     const struct nonpreempt_report *r)
{
	frames_refresh();
	switch (format) {
	case GORT_NONPREEMPT_TEXT:
		return write_text(fd, r);
	case GORT_NONPREEMPT_FOLDED:
		return write_folded(fd, r);
	case GORT_NONPREEMPT_PPROF:
		return write_pprof(fd, r);
	}
	return -EINVAL;
}

/*
 * For metrics, whose buckets are four times as wide, and have ours in them.
 */

static void sum_site(const struct gort_nonpreempt_site *row, void *arg)
{
	struct nonpreempt_sum *sum = arg;
	struct time_sum *t = &sum->gross[row->kind];

	if (!row->outermost)
		return;
	t->sum_ns += row->gross_ns;
	for (unsigned int i = 0; i < GORT_NONPREEMPT_BUCKETS; i++)
		t->counts[hist_bucket((s64)gort_nonpreempt_bucket_ns(i))] +=
			row->buckets[i];
}

void nonpreempt_sum(struct nonpreempt_sum *out)
{
	struct gort_nonpreempt_stats st;

	memset(out, 0, sizeof(*out));
	nonpreempt_each(sum_site, out);
	gort_nonpreempt_read_stats(&st);
	out->sections = st.sections;
	out->lost = st.lost;
	out->exceeded = st.exceeded;
	out->suppressed = st.suppressed;
}

/*
 * All there is.
 */

struct sites {
	struct gort_nonpreempt_site *s;
	size_t bytes;
	size_t n;
};

/* Sites may come while we get memory for those that were there. */
static int sites_read(struct sites *all)
{
	ssize_t n = gort_nonpreempt_read(NULL, 0);

	while (n >= 0) {
		size_t room = (size_t)n + SITES_MORE;

		all->bytes = ALIGN_UP(room * sizeof(*all->s), PAGE_SIZE);
		all->s = vm_alloc(all->bytes);
		if (!all->s)
			return -ENOMEM;
		n = gort_nonpreempt_read(all->s, room);
		all->n = (size_t)n;
		if (n >= 0 && all->n <= room)
			return 0;
		vm_free(all->s, all->bytes);
	}
	return (int)n;
}

/* Sections may end after those were read; a file shall not disagree with
 * itself. */
static void count_sites(const struct sites *all,
			struct gort_nonpreempt_stats *st)
{
	st->sections = st->other = 0;
	for (size_t i = 0; i < all->n; i++) {
		st->sections += all->s[i].count;
		if (all->s[i].kind == GORT_NONPREEMPT_OTHER)
			st->other += all->s[i].count;
	}
}

static s64 wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (s64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

__public int gort_nonpreempt_write(int fd, enum gort_nonpreempt_format format)
{
	struct nonpreempt_report r;
	struct sites all = { 0 };
	int err;

	if (!in_goroutine())
		return -EPERM;
	if ((unsigned int)format > GORT_NONPREEMPT_PPROF)
		return -EINVAL;
	if (!outfile_is_writable(fd))
		return -EBADF;
	err = sites_read(&all);
	if (err)
		return err;
	gort_nonpreempt_read_stats(&r.stats);
	count_sites(&all, &r.stats);
	r.sites = all.s;
	r.n = all.n;
	r.duration_ns = nonpreempt_duration_ns();
	r.wall_ns = wall_ns() - (s64)r.duration_ns;
	err = nonpreempt_write(fd, format, &r);
	vm_free(all.s, all.bytes);
	return err;
}
