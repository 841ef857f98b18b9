// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/calls.c - who may demand the system stack.
 *
 *  C1	A function that runs on g0 only is called by such functions, or run
 *	there by way of systemstack() and the like.
 *  C2	It demands that because it takes a lock or switches goroutines
 *	itself, not because something it calls does.
 *  C3	A lock that the growth of a stack can reach is taken on g0.
 *
 * For this the graph must be the one of the source: nothing inlined.
 *
 * Not every function that runs on g0 only says so.  One of which all callers
 * do is as good; so a helper of the scheduler needs no word, and one that is
 * called from elsewhere some day is found.
 *
 * What justifies a demand, tried in this order:
 *
 *	takes		a lock
 *	held		its name ends in "_locked", and each caller has taken
 *			a lock, or is such a function, too
 *	gives		a lock back
 *	switches	goroutines, itself
 *	alone		nobody waits for it on a goroutine: all ways to it
 *			come from functions in .text.g0.  Then there is
 *			nothing that could be preempted meanwhile
 *	part		all callers are of the kind "held", "switches", "part" or
 *			"exception"
 *	closure		one call is all it makes, of a function that is
 *			justified: the shape in which systemstack() wants it
 *	exception	said in the rules, with the reason
 */
#include "checkstack.h"

#include <ctype.h>
#include <string.h>

enum why {
	WHY_UNKNOWN, WHY_TAKES, WHY_GIVES, WHY_SWITCHES, WHY_ALONE, WHY_HELD,
	WHY_PART, WHY_CLOSURE, WHY_EXCEPTION, WHY_NONE, WHY_BUSY,
};

#define for_each_fn(f)	for (f = all_fns; f; f = f->next)
#define for_each_out(e, f)	for (e = (f)->out; e; e = e->next_out)
#define for_each_in(e, f)	for (e = (f)->in; e; e = e->next_in)
#define for_each_taken(t, f)	for (t = (f)->taken; t; t = t->next)

static bool says_g0(const struct fn *f)
{
	return f->context == CONTEXT_SYSTEMSTACK || f->context == CONTEXT_G0;
}

static const struct rule *carrier(const struct taken *t)
{
	return t->call ? rule_find(RULE_CARRIER, t->call, NULL) : NULL;
}

/* As the name of something, to be printed. */
static bool is_name(const struct taken *t)
{
	return t->call && rule_find(RULE_NAMES, t->call, NULL);
}

/* Is the address where nobody knows who calls it? */
static bool is_lost(const struct fn *f, const struct taken *t)
{
	if (is_name(t))
		return false;
	return t->data ? !rule_find(RULE_STORED, t->data, f->name) :
			 !carrier(t);
}

static bool escapes(const struct fn *f)
{
	const struct taken *t;

	for_each_taken(t, f)
		if (is_lost(f, t))
			return true;
	return false;
}

/* Calls by way of data are as good as others. */
static void add_stored_calls(void)
{
	const struct taken *t;
	const struct rule *r;
	struct fn *f;

	for_each_fn(f) {
		for_each_taken(t, f) {
			r = t->data ? rule_find(RULE_STORED, t->data, f->name) :
				      NULL;
			if (r)
				edge_add(fn_named(r->reason), f, r->where);
		}
	}
}

static bool called_on_g0_only(const struct fn *f)
{
	const struct edge *e;

	for_each_in(e, f)
		if (!e->from->g0)
			return false;
	return true;
}

static void infer_g0(void)
{
	struct fn *f;
	bool again;

	for_each_fn(f)
		f->g0 = says_g0(f) || (f->frame >= 0 && !f->is_public &&
				       (f->in || f->taken) && !escapes(f));
	do {
		again = false;
		for_each_fn(f) {
			if (!f->g0 || says_g0(f) || called_on_g0_only(f))
				continue;
			f->g0 = false;
			again = true;
		}
	} while (again);
}

static bool run_alone(const struct fn *f)
{
	const struct taken *t;
	const struct edge *e;
	const struct rule *r;
	const struct fn *via;

	for_each_in(e, f)
		if (!e->from->alone)
			return false;
	for_each_taken(t, f) {
		r = carrier(t);
		via = r && r->b ? fn_named(r->b) : NULL;
		if (!t->data && !is_name(t) && (!via || !via->alone))
			return false;
	}
	return f->in || f->taken;
}

static void infer_alone(void)
{
	struct fn *f;
	bool again;

	for_each_fn(f)
		f->alone = f->g0;
	do {
		again = false;
		for_each_fn(f) {
			if (!f->alone || f->context == CONTEXT_G0 ||
			    run_alone(f))
				continue;
			f->alone = false;
			again = true;
		}
	} while (again);
}

/* ---- locks ---- */

/* The argument of the call at file:line:column, as the source has it. */
static bool argument_at(const char *where, char *arg, size_t size)
{
	static char *path, *text;
	unsigned int line = 0, column = 0;
	char name[512], *s;
	size_t n = 0;
	int depth = 1;

	if (!where || sscanf(where, "%511[^:]:%u:%u", name, &line, &column) != 3)
		return false;
	if (!path || strcmp(path, name)) {
		path = copy_string(name, strlen(name));
		text = read_whole(path, NULL);
	}
	for (s = text; s && --line; s = s ? s + 1 : NULL)
		s = strchr(s, '\n');
	if (!s || strcspn(s, "\n") < column)
		return false;
	s += strcspn(s + column - 1, "(\n") + column - 1;
	if (*s++ != '(')
		return false;
	for (; *s && n < size - 1; s++) {
		depth += (*s == '(') - (*s == ')');
		if (!depth)
			break;
		if (!isspace((unsigned char)*s) && *s != '&')
			arg[n++] = *s;
	}
	arg[n] = '\0';
	return !depth;
}

static const char *rank_at(const struct edge *e)
{
	const struct rule *r = rule_find(RULE_LOCK, e->to->name, NULL);
	char arg[256], full[800];

	if (r->b)
		return r->b;
	if (!argument_at(e->where, arg, sizeof(arg))) {
		report_error(e->from, "takes a lock at %s, but there is no call",
			     file_line(e->where));
		return "?";
	}
	snprintf(full, sizeof(full), "%.*s:%s",
		 (int)strcspn(file_line(e->where), ":"), file_line(e->where),
		 arg);
	r = rule_find(RULE_RANK, full, NULL);
	if (!r)
		r = rule_find(RULE_RANK, arg, NULL);
	if (r)
		return r->b;
	report_error(e->from, "takes \"%s\" at %s: no rule says its rank", arg,
		     file_line(e->where));
	return "?";
}

/* Those that take the lock of their caller's choice are no callers. */
static bool is_lock_call(const struct edge *e)
{
	return rule_find(RULE_LOCK, e->to->name, NULL) &&
	       !rule_find(RULE_LOCK, e->from->name, NULL);
}

static void check_locks(void)
{
	struct edge *e;
	struct fn *f;

	for_each_fn(f) {
		for_each_out(e, f) {
			if (!is_lock_call(e))
				continue;
			e->rank = rank_at(e);
			if (f->g0 || !rank_on_g0(e->rank) ||
			    rule_find(RULE_ALLOW, f->name, e->to->name))
				continue;
			report_error(f, "takes %s at %s, which is taken on g0 only, but may run on a goroutine's stack",
				     e->rank, file_line(e->where));
		}
	}
}

static const char *takes(const struct fn *f)
{
	const struct edge *e;

	for_each_out(e, f)
		if (e->rank)
			return e->rank;
	return NULL;
}

static bool calls_one_of(const struct fn *f, enum rule_kind kind)
{
	const struct edge *e;

	for_each_out(e, f)
		if (rule_find(kind, e->to->name, NULL))
			return true;
	return false;
}

/* ---- C1 ---- */

/* How a function that is no g0 code came to be called: up to its root. */
static void print_callers(const struct fn *f)
{
	const struct edge *e;
	int depth;

	for (depth = 0; depth < 16; depth++) {
		for_each_in(e, f)
			if (!e->from->g0 && e->from != f)
				break;
		if (!e)
			return;
		f = e->from;
		report_chain(e->where, f, " calls that");
	}
}

static void check_callers_of(const struct fn *f)
{
	const struct taken *t;
	const struct edge *e;

	for_each_in(e, f) {
		if (e->from->g0 ||
		    rule_find(RULE_ALLOW, e->from->name, f->name))
			continue;
		report_error(f, "runs on the system stack only, but is called from a goroutine's");
		report_chain(e->where, e->from, " calls it");
		print_callers(e->from);
	}
	for_each_taken(t, f) {
		if (!is_lost(f, t))
			continue;
		if (t->data)
			report_error(f, "runs on the system stack only, but its address is stored in %s",
				     t->data);
		else
			report_error(f, "runs on the system stack only, but its address is taken in %s(), at %s, and not for systemstack()",
				     t->by->name, file_line(t->by->where));
	}
}

void check_callers(void)
{
	struct fn *f;

	add_stored_calls();
	infer_g0();
	for_each_fn(f)
		if (says_g0(f))
			check_callers_of(f);
}

/* ---- C2 ---- */

static bool is_locked_helper(const struct fn *f)
{
	size_t n = strlen(f->name);

	return n > 7 && !strcmp(f->name + n - 7, "_locked");
}

static const char *held(struct fn *f)
{
	const char *rank = NULL;
	const struct edge *e;

	if (!is_locked_helper(f) || f->taken)
		return NULL;
	for_each_in(e, f) {
		if (rule_find(RULE_ALLOW, e->from->name, f->name))
			continue;
		rank = takes(e->from);
		if (!rank && !is_locked_helper(e->from))
			return NULL;
	}
	if (rank || !f->in)
		return rank;
	/* Helpers' helper. */
	f->visit++;
	if (f->visit == 1)
		rank = held(f->in->from);
	f->visit--;
	return rank ? rank : "a lock";
}

static enum why justify(struct fn *f);

static bool is_part(const struct fn *f)
{
	const struct edge *e;
	enum why why;

	if (!f->in || f->taken)
		return false;
	for_each_in(e, f) {
		why = justify(e->from);
		if (why != WHY_HELD && why != WHY_SWITCHES &&
		    why != WHY_EXCEPTION && why != WHY_PART)
			return false;
	}
	return true;
}

/* Nothing but a call of what is justified. */
static struct fn *closure_of(const struct fn *f)
{
	struct fn *to = f->out ? f->out->to : NULL;
	const struct edge *e;

	if (!to || f->in || to->frame < 0)
		return NULL;
	for_each_out(e, f)
		if (e->to != to)
			return NULL;
	if (!says_g0(to))
		return takes(to) && !calls_one_of(f, RULE_LOCK) ? to : NULL;
	return justify(to) < WHY_NONE ? to : NULL;
}

static enum why decide(struct fn *f)
{
	const struct rule *r;

	r = rule_find(RULE_LOCK, f->name, NULL);
	if ((f->reason = r ? r->b : takes(f)))
		return WHY_TAKES;
	if ((f->reason = held(f)))
		return WHY_HELD;
	if (calls_one_of(f, RULE_UNLOCK))
		return WHY_GIVES;
	if (calls_one_of(f, RULE_SWITCH) ||
	    rule_find(RULE_SWITCH, f->name, NULL))
		return WHY_SWITCHES;
	if (f->alone)
		return WHY_ALONE;
	if (is_part(f))
		return WHY_PART;
	if ((f->because = closure_of(f)))
		return WHY_CLOSURE;
	r = rule_find(RULE_DEMAND, f->name, NULL);
	if (!r)
		return WHY_NONE;
	f->reason = r->reason;
	return WHY_EXCEPTION;
}

static enum why justify(struct fn *f)
{
	if (f->why == WHY_UNKNOWN) {
		f->why = WHY_BUSY;
		f->why = (int)decide(f);
	}
	return (enum why)f->why;
}

/* What it calls, and what of that wants the system stack. */
static void print_demand(const struct fn *f)
{
	const struct edge *e;

	for_each_in(e, f)
		report_chain(e->where, e->from, " calls it");
	for_each_out(e, f)
		if (says_g0(e->to))
			report_chain(e->where, e->to, ", which it calls, should switch itself");
}

static void write_why(FILE *out, const struct fn *f)
{
	static const char *const words[] = {
		[WHY_GIVES] = "gives a lock back",
		[WHY_SWITCHES] = "switches goroutines",
		[WHY_ALONE] = "no goroutine waits",
		[WHY_PART] = "only called from such",
	};

	switch (f->why) {
	case WHY_TAKES:
		fprintf(out, "takes %s", f->reason);
		break;
	case WHY_HELD:
		fprintf(out, "%s is held", f->reason);
		break;
	case WHY_CLOSURE:
		fprintf(out, "for %s()", f->because->name);
		break;
	case WHY_EXCEPTION:
		fprintf(out, "exception: %s", f->reason);
		break;
	default:
		fputs(words[f->why], out);
	}
}

static void write_demand(FILE *out, const struct fn *f)
{
	const struct edge *e;
	const char *last = f->reason;

	fprintf(out, "  %-32s %-28s ", file_line(f->where), f->name);
	write_why(out, f);
	if (f->why == WHY_TAKES) {
		for_each_out(e, f) {
			if (e->rank && strcmp(e->rank, last))
				fprintf(out, ", %s", e->rank);
			if (e->rank)
				last = e->rank;
		}
	}
	fputc('\n', out);
}

void check_calls(FILE *out)
{
	unsigned int n = 0, exceptions = 0;
	struct fn *f;

	check_callers();
	infer_alone();
	check_locks();
	for_each_fn(f) {
		if (f->context != CONTEXT_SYSTEMSTACK)
			continue;
		n++;
		if (justify(f) != WHY_NONE) {
			exceptions += f->why == WHY_EXCEPTION;
			continue;
		}
		report_error(f, "demands the system stack, but takes no lock and switches no goroutine itself");
		print_demand(f);
	}
	fprintf(out, "system stack: %u functions, %u exceptions\n", n,
		exceptions);
	for_each_fn(f)
		if (f->context == CONTEXT_SYSTEMSTACK && f->why != WHY_NONE)
			write_demand(out, f);
		else if (f->context == CONTEXT_G0)
			fprintf(out, "  %-32s %-28s enters g0\n",
				file_line(f->where), f->name);
}
