// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/rules.c - what a program says of its own functions.
 *
 * One rule per line, words between blanks, "#" begins a comment:
 *
 *	ranks FILE		ranks of locks: name, then "g0" or "any"
 *	lock FN [RANK]		takes a lock, the one in its argument
 *	unlock FN		gives one back
 *	rank LOCK RANK		LOCK: as the source has it, without "&"; with
 *				"file.c:" before it where names repeat
 *	switch FN		leaves a goroutine, or enters one
 *	carrier FN [VIA]	runs on g0 what is passed to it; later, by VIA
 *	names FN		never calls a function that is passed to it
 *	stored DATA FN CALLER	FN is called by CALLER, by way of DATA
 *	allow CALLER CALLEE REASON
 *				on g0 whenever it makes that call
 *	demand FN REASON	demands the system stack all the same
 *	frame CPU FN BYTES	of assembly
 *	room FN BYTES		entered where so much is left, by assembly that
 *				has made sure; not below the guard
 *	blocks FN		not to be reached on the system stack
 *
 * VIA and CALLER may have "file.c:" before them.  Those with a REASON are
 * exceptions: one that is not needed any more is an error.
 */
#include "checkstack.h"

#include <stdlib.h>
#include <string.h>

static struct rule *rules, **rules_end = &rules;
static struct rule *ranks;

/* How many names stand behind the word, and whether a reason must. */
static const struct form {
	const char *word;
	enum rule_kind kind;
	int least, most;
	bool reason;
} forms[] = {
	{ "lock", RULE_LOCK, 1, 2, false },
	{ "unlock", RULE_UNLOCK, 1, 1, false },
	{ "rank", RULE_RANK, 2, 2, false },
	{ "switch", RULE_SWITCH, 1, 1, false },
	{ "carrier", RULE_CARRIER, 1, 2, false },
	{ "names", RULE_NAMES, 1, 1, false },
	{ "stored", RULE_STORED, 2, 2, true },
	{ "allow", RULE_ALLOW, 2, 2, true },
	{ "demand", RULE_DEMAND, 1, 1, true },
	{ "room", RULE_ROOM, 2, 2, false },
	{ "blocks", RULE_BLOCKS, 1, 1, false },
};

static char *next_word(char **s)
{
	char *word;

	*s += strspn(*s, " \t");
	word = *s;
	*s += strcspn(*s, " \t");
	if (**s)
		*(*s)++ = '\0';
	return *word ? word : NULL;
}

static struct rule *rule_add(enum rule_kind kind, const char *where)
{
	struct rule *r = zalloc(sizeof(*r));

	r->kind = kind;
	r->where = where;
	*rules_end = r;
	rules_end = &r->next;
	return r;
}

static void read_ranks(const char *path)
{
	char *text = read_whole(path, NULL), *line, *next, *name, *stack;
	struct rule *r;

	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		name = next_word(&line);
		stack = next_word(&line);
		if (!name || !stack)
			continue;
		r = zalloc(sizeof(*r));
		r->a = name;
		r->b = stack;
		r->next = ranks;
		ranks = r;
	}
}

/* May only be held on g0?  -1: there is no such rank. */
static int rank_find(const char *rank)
{
	const struct rule *r = ranks;

	while (r && strcmp(r->a, rank))
		r = r->next;
	return r ? !strcmp(r->b, "g0") : -1;
}

bool rank_on_g0(const char *rank)
{
	return rank_find(rank) == 1;
}

static void read_frame(char *line, const char *where)
{
	const char *cpu = next_word(&line), *name = next_word(&line);
	const char *bytes = next_word(&line);
	struct rule *r;

	if (!bytes || strspn(bytes, "0123456789") != strlen(bytes))
		die("%s: frame CPU FUNCTION BYTES", where);
	r = rule_add(RULE_FRAME, where);
	r->a = cpu;
	r->b = name;
	r->reason = bytes;
}

static void read_form(const struct form *f, char *line, const char *where)
{
	struct rule *r = rule_add(f->kind, where);

	r->a = next_word(&line);
	r->b = f->most > 1 ? next_word(&line) : NULL;
	line += strspn(line, " \t");
	r->reason = line;
	if (!r->a || (f->least > 1 && !r->b))
		die("%s: name missing behind \"%s\"", where, f->word);
	if (!f->reason != !*line)
		die("%s: %s", where, *line ? "too many words" :
					     "the reason is missing");
	if (r->b && (f->kind == RULE_LOCK || f->kind == RULE_RANK) &&
	    rank_find(r->b) < 0)
		die("%s: %s is not a rank", where, r->b);
}

static void read_line(char *line, const char *where)
{
	const char *word;
	size_t i;

	line[strcspn(line, "#")] = '\0';
	line[strcspn(line, "\r")] = '\0';
	while (*line && strchr(" \t", line[strlen(line) - 1]))
		line[strlen(line) - 1] = '\0';
	word = next_word(&line);
	if (!word)
		return;
	if (!strcmp(word, "frame")) {
		read_frame(line, where);
		return;
	}
	if (!strcmp(word, "ranks")) {
		read_ranks(line + strspn(line, " \t"));
		return;
	}
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (!strcmp(word, forms[i].word)) {
			read_form(&forms[i], line, where);
			return;
		}
	}
	die("%s: \"%s\" is not a rule", where, word);
}

void rules_parse(char *text, const char *name)
{
	char *line, *next, where[512];
	unsigned int n = 0;

	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		snprintf(where, sizeof(where), "%s:%u", name, ++n);
		read_line(line, copy_string(where, strlen(where)));
	}
}

/* b: NULL if it does not matter. */
struct rule *rule_find(enum rule_kind kind, const char *a, const char *b)
{
	struct rule *r;

	for (r = rules; r; r = r->next) {
		if (r->kind == kind && !strcmp(r->a, a) &&
		    (!b || !strcmp(r->b, b))) {
			r->used = true;
			return r;
		}
	}
	return NULL;
}

void rules_report_unused(void)
{
	const struct rule *r;

	for (r = rules; r; r = r->next)
		if (!r->used && (r->kind == RULE_ALLOW ||
				 r->kind == RULE_DEMAND ||
				 r->kind == RULE_STORED))
			report_error(NULL, "%s: exception for %s%s%s is not needed",
				     r->where, r->a, r->b ? " " : "",
				     r->b ? r->b : "");
}
