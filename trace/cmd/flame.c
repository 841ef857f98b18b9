// SPDX-License-Identifier: ISC
/*
 * trace/cmd/flame.c - gort trace flame: a flame graph out of a trace, or out
 * of folded stacks.
 *
 * What is drawn of a trace:
 *
 *	--cpu		samples, by the stacks they were taken with
 *	--block		how long goroutines waited: from when one blocks or
 *			enters a system call, with its stack there, until it
 *			can run again or the trace ends; below the stacks, why.
 *			Not what the tracer itself waits for
 *	--nonpreempt	sections that the profiler marked as long: logs of
 *			category "nonpreempt", "KIND WHAT 12.3us"
 *
 * Times in system calls that gave up their processor end when the goroutine
 * wants to run again, as others do.
 *
 * Numbers of stacks hold for a generation, and the same stack comes again and
 * again: what it is in the tree is remembered until the next generation.
 *
 * Invariants:
 *  I1  A goroutine is in waiting.gs while it waits and only then, so that
 *      memory is not used for goroutines that are gone.
 */
#define _GNU_SOURCE

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "calltree.h"
#include "cmd.h"
#include "flame_svg.h"
#include "format.h"
#include "tally.h"

static bool want_cpu, want_block, want_nonpreempt, want_folded;
static const char *block_reason, *folded_unit;

static const struct cmd_option options[] = {
	{ .name = "cpu", .given = &want_cpu,
	  .help = "samples of the CPU profiler; the default" },
	{ .name = "block", .optional = true, .arg = "REASON",
	  .given = &want_block, .value = &block_reason,
	  .help = "time in which goroutines waited [for REASON]" },
	{ .name = "nonpreempt", .given = &want_nonpreempt,
	  .help = "non-preemptible sections that were marked" },
	{ .name = "folded", .optional = true, .arg = "UNIT",
	  .given = &want_folded, .value = &folded_unit,
	  .help = "FILE is folded stacks; UNIT ns: of times" },
	{ 0 }
};

/* --- stacks of the trace in the tree --- */

/* id: the node under it << 32 | the number of the stack */
struct known_stack {
	u64 id;
	u32 node;
};

static struct calltree tree;
static struct table known_stacks;

static u32 child(u32 parent, struct tracefile_str name)
{
	return calltree_child(&tree, parent,
			      calltree_name(&tree, name.p, name.len));
}

static u32 child_text(u32 parent, const char *name)
{
	return child(parent, (struct tracefile_str){ name, strlen(name) });
}

/* "0x401234" */
static u32 child_pc(u32 parent, u64 pc)
{
	char buf[24];
	int len = snprintf(buf, sizeof(buf), "0x%" PRIx64, pc);

	return calltree_child(&tree, parent,
			      calltree_name_copy(&tree, buf, (size_t)len));
}

static u32 add_frames(const struct tracefile *tf, u64 stack, u32 node)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(tf, stack, fr);

	if (!n)
		return child_text(node, "[no stack]");
	while (n--)
		node = fr[n].func.len ? child(node, fr[n].func) :
					child_pc(node, fr[n].pc);
	return node;
}

/* The node of a stack above another node. */
static u32 stack_node(const struct tracefile *tf, u64 stack, u32 under)
{
	u64 id = (u64)under << 32 | (u32)stack;
	struct known_stack *k;
	u32 node;

	if (stack > UINT32_MAX)
		return add_frames(tf, stack, under);
	k = table_find(&known_stacks, id);
	if (k)
		return k->node;
	node = add_frames(tf, stack, under);
	k = tally_new(&known_stacks, id);
	k->node = node;
	return node;
}

/* --- samples --- */

static void add_sample(const struct tracefile *tf,
		       const struct tracefile_event *ev)
{
	calltree_add(&tree, stack_node(tf, ev->stack, 0), 1);
}

/* --- blocking --- */

struct blocked {
	u64 goid;
	i64 since;
	u32 node;
};

static struct {
	struct table gs;	/* of struct blocked */
	struct calltree reasons; /* names of all there are */
	i64 first, last;	/* times of events; first -1: there are none */
} waiting = { .first = -1 };

static bool waits(unsigned int state)
{
	return state == TRACEFILE_GO_WAITING || state == TRACEFILE_GO_SYSCALL;
}

static struct tracefile_str reason_of(const struct tracefile_event *ev,
				      const struct tracefile_details *d)
{
	if (ev->new_state == TRACEFILE_GO_SYSCALL)
		return (struct tracefile_str){ "system call", 11 };
	if (!d->text.len)
		return (struct tracefile_str){ "unknown", 7 };
	return d->text;
}

static bool is_text(struct tracefile_str s, const char *text)
{
	return strlen(text) == s.len && !memcmp(text, s.p, s.len);
}

/* The tracer's own goroutines wait all the time. */
static bool reason_wanted(struct tracefile_str reason)
{
	return block_reason ? is_text(reason, block_reason) :
			      !is_text(reason, "trace");
}

static void begin_wait(const struct tracefile *tf,
		       const struct tracefile_event *ev, i64 since)
{
	struct tracefile_str reason;
	struct tracefile_details d;
	struct blocked *w;

	gort_tracefile_details(tf, ev, &d);
	reason = reason_of(ev, &d);
	calltree_name(&waiting.reasons, reason.p, reason.len);
	if (!reason_wanted(reason))
		return;
	w = tally_new(&waiting.gs, (u64)ev->id);
	w->since = since;
	w->node = stack_node(tf, d.stack, child(0, reason));
}

static void end_wait(struct blocked *w, i64 until)
{
	if (until > w->since)
		calltree_add(&tree, w->node, (u64)(until - w->since));
}

/*
 * A goroutine of which the trace hears for the first time, or a status at the
 * beginning of another generation, has waited since before.
 */
static void add_transition(const struct tracefile *tf,
			   const struct tracefile_event *ev)
{
	struct blocked *w = table_find(&waiting.gs, (u64)ev->id);
	bool first = ev->old_state == TRACEFILE_GO_UNDETERMINED;

	if (w && ev->new_state != ev->old_state) {
		end_wait(w, ev->time);
		gort_tracefile_table_del(&waiting.gs, w);
		w = NULL;
	}
	if (!w && waits(ev->new_state) && ev->new_state != ev->old_state)
		begin_wait(tf, ev, first ? waiting.first : ev->time);
}

static void add_waiting(const struct tracefile *tf,
			const struct tracefile_event *ev)
{
	if (waiting.first < 0)
		waiting.first = ev->time;
	waiting.last = ev->time;
	if (ev->kind == TRACEFILE_TRANSITION &&
	    ev->resource == TRACEFILE_GOROUTINE)
		add_transition(tf, ev);
}

static void end_all_waits(void)
{
	u32 i;

	for (i = 0; i < waiting.gs.n; i++)
		end_wait(table_at(&waiting.gs, i), waiting.last);
}

/* None at all is an ordinary thing, none of this reason perhaps a mistake. */
static void list_reasons(const char *file)
{
	char list[400] = "";
	struct tracefile_str r;
	size_t at = 0;
	u32 i;

	for (i = 0; i < waiting.reasons.names.n; i++) {
		r = calltree_name_text(&waiting.reasons, i);
		if (at + r.len + 5 > sizeof(list))
			break;
		at += (size_t)sprintf(list + at, "%s%.*s", i ? ", " : "",
				      (int)r.len, r.p);
	}
	for (at = 0; list[at]; at++)
		if (list[at] < ' ' || list[at] > '~')
			list[at] = '?';
	cmd_warn(file, "nothing blocked for \"%s\"; reasons there are: %s",
		 block_reason, list);
}

/* --- non-preemptible sections --- */

static u64 strange_logs;

/* "KIND WHAT 12.3us"; WHAT may be missing, and may have blanks in it. */
static void add_log(const struct tracefile *tf, const struct tracefile_event *ev)
{
	const char *blank, *last, *end;
	struct tracefile_details d;
	u32 node;
	u64 ns;

	gort_tracefile_details(tf, ev, &d);
	if (!is_text(d.text, "nonpreempt"))
		return;
	end = d.message.p + d.message.len;
	blank = d.message.len ? memchr(d.message.p, ' ', d.message.len) : NULL;
	last = blank ? memrchr(d.message.p, ' ', d.message.len) : NULL;
	if (!last || !parse_ns(last + 1, (size_t)(end - last - 1), &ns)) {
		strange_logs++;
		return;
	}
	node = child(0, (struct tracefile_str){ d.message.p,
			(size_t)(blank - d.message.p) });
	if (last > blank)
		node = child(node, (struct tracefile_str){ blank + 1,
				(size_t)(last - blank - 1) });
	calltree_add(&tree, stack_node(tf, ev->stack, node), ns);
}

/* --- traces --- */

static void add_event(const struct tracefile *tf,
		      const struct tracefile_event *ev)
{
	if (ev->kind == TRACEFILE_SYNC)
		gort_tracefile_table_reset(&known_stacks);
	if (want_block)
		add_waiting(tf, ev);
	else if (want_nonpreempt && ev->kind == TRACEFILE_LOG)
		add_log(tf, ev);
	else if (!want_nonpreempt && ev->kind == TRACEFILE_SAMPLE)
		add_sample(tf, ev);
}

/* After all events: what is to be drawn of them. */
static struct flame describe(void)
{
	if (want_block)
		return (struct flame){
			.title = "Blocked goroutines", .unit = "ns",
			.empty = "No goroutine blocked.",
			.colours = FLAME_BLUE };
	if (want_nonpreempt)
		return (struct flame){
			.title = "Non-preemptible sections", .unit = "ns",
			.empty = "No sections were marked.  The profiler does "
				 "that if GORT_NONPREEMPT_MARK is given.",
			.colours = FLAME_VIOLET };
	return (struct flame){
		.title = "CPU samples", .unit = "samples",
		.empty = "There are no samples.  They are in a trace if the "
			 "CPU profiler runs as well (GORTCPUPROFILE).",
		.colours = FLAME_WARM };
}

static void draw(const char *file, struct flame fl)
{
	fl.file = file;
	if (want_block && block_reason && tree.nodes.n == 1)
		list_reasons(file);
	else if (tree.nodes.n == 1)
		cmd_warn(file, "%s", fl.empty);
	if (strange_logs)
		cmd_warn(file, "%" PRIu64 " logs of category nonpreempt do not "
			 "say how long", strange_logs);
	flame_svg(stdout, &tree, &fl);
}

static int run_trace(const char *path)
{
	struct tracefile_event ev;
	struct cmd_trace t;

	tally_table(&known_stacks, sizeof(struct known_stack));
	tally_table(&waiting.gs, sizeof(struct blocked));
	calltree_init(&waiting.reasons);
	if (cmd_trace_open(&t, path, TRACEFILE_TAIL) == CMD_OK)
		while (cmd_trace_next(&t, &ev))
			add_event(t.tf, &ev);
	end_all_waits();
	if (t.tf && t.result >= 0)
		draw(t.file.name, describe());
	return cmd_trace_close(&t);
}

/* --- folded stacks --- */

static u32 add_folded_name(u32 node, const char *p, size_t len)
{
	char *copy;
	u32 name;

	if (!len || !memchr(p, '\\', len)) {
		name = calltree_name(&tree, p, len);
	} else {
		copy = cmd_alloc(len);
		len = unescape(copy, p, len);
		name = calltree_name_copy(&tree, copy, len);
		free(copy);
	}
	return calltree_child(&tree, node, name);
}

/* "main;read_all;read 1234".  False: not like this. */
static bool add_line(const char *p, const char *end)
{
	const char *blank = memrchr(p, ' ', (size_t)(end - p)), *semicolon;
	char number[24];
	u64 weight;
	u32 node = 0;

	if (!blank || blank == p || (size_t)(end - blank) > sizeof(number))
		return false;
	memcpy(number, blank + 1, (size_t)(end - blank - 1));
	number[end - blank - 1] = '\0';
	if (!cmd_number(number, UINT64_MAX, &weight))
		return false;
	for (; p; p = semicolon ? semicolon + 1 : NULL) {
		semicolon = memchr(p, ';', (size_t)(blank - p));
		node = add_folded_name(node, p, (size_t)
				       ((semicolon ? semicolon : blank) - p));
	}
	calltree_add(&tree, node, weight);
	return true;
}

static int add_lines(const struct cmd_file *f)
{
	const char *p = (const char *)f->data, *end = p + f->size, *eol;
	u64 line;

	for (line = 1; p < end; p = eol + 1, line++) {
		eol = memchr(p, '\n', (size_t)(end - p));
		eol = eol ? eol : end;
		if (eol > p && !add_line(p, eol)) {
			cmd_error(f->name, "line %" PRIu64 ": no stack and "
				  "number, as in \"main;read 123\"", line);
			return CMD_BAD;
		}
	}
	return CMD_OK;
}

static int run_folded(const char *path)
{
	struct cmd_file f;
	int status = cmd_file_open(&f, path);

	if (status != CMD_OK)
		return status;
	status = add_lines(&f);
	if (status == CMD_OK)
		draw(f.name, (struct flame){
			.title = "Flame graph", .colours = FLAME_WARM,
			.unit = folded_unit ? folded_unit : "",
			.empty = "There are no stacks." });
	cmd_file_close(&f);
	return status;
}

static int run(int nargs, char **args)
{
	(void)nargs;
	if (want_cpu + want_block + want_nonpreempt + want_folded > 1)
		return cmd_usage(&cmd_trace_flame, "want one of --cpu, "
				 "--block, --nonpreempt, --folded");
	calltree_init(&tree);
	return want_folded ? run_folded(args[0]) : run_trace(args[0]);
}

const struct cmd cmd_trace_flame = {
	.group = "trace",
	.name = "flame",
	.args = "FILE > out.svg",
	.min_args = 1,
	.max_args = 1,
	.brief = "draw a flame graph",
	.help =
"Writes an SVG that any browser shows.  A function is as wide as what was\n"
"measured in it and in what it called; a click on it makes it as wide as the\n"
"window.\n"
"\n"
"Goroutines that block are drawn by REASON: \"chan receive\", \"sync mutex\",\n"
"\"sleep\", \"network\", \"system call\", ...; those of a trace are listed if it has\n"
"none of the one that is wanted.  \"trace\" is the tracer itself, which is left out\n"
"unless it is wanted.\n"
"\n"
"Folded stacks are lines like \"main;read_all;read 123\", as the profiler of\n"
"non-preemptible sections writes them (--folded=ns) and many other tools do.\n",
	.bad = "the trace is broken, or these are no folded stacks",
	.options = options,
	.run = run,
};
