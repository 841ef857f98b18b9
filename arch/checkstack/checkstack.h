/* SPDX-License-Identifier: ISC */
/*
 * arch/checkstack/checkstack.h - shared by all parts of the host tool.
 *
 *	main.c		what was asked for
 *	graph.c		functions and who calls them
 *	ci.c		from the compiler: calls and sizes of frames
 *	elf.c		from the objects: contexts, checks, addresses taken
 *	rules.c		what a program says of its own functions
 *	calls.c		who may demand the system stack
 *	frames.c	what fits below the guard
 *	reach.c		what must not be reached on the system stack
 */
#ifndef CHECKSTACK_H
#define CHECKSTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define __printf(f, a)	__attribute__((format(printf, f, a)))
#define __noreturn	__attribute__((noreturn))

/* By the section that a function is in. */
enum context {
	CONTEXT_GOROUTINE,
	CONTEXT_NOSPLIT,	/* .text.gort.nosplit */
	CONTEXT_SYSTEMSTACK,	/* .text.gort.systemstack: run on g0 */
	CONTEXT_G0,		/* .text.g0: nobody waits on a goroutine */
};

struct fn;

struct edge {
	struct fn *from, *to;
	const char *where;	/* of the call, file:line:column */
	struct edge *next_out, *next_in;
	const char *rank;	/* of the lock, if "to" takes one */
};

/* The address of a function, taken by code or stored in data. */
struct taken {
	struct fn *by;		/* or NULL: */
	const char *data;
	const char *call;	/* the next one in "by", or NULL */
	struct taken *next;
};

struct fn {
	const char *name;	/* plain */
	const char *where;	/* file:line:column of the definition */
	struct fn *hash, *next;
	enum context context;
	const char *object;	/* the file it is defined in, or NULL */
	bool local, is_public;
	bool in_object;		/* seen there, not only by the compiler */
	bool instrumented;	/* its object went through gort's assembler */
	bool checked;		/* it has a check, */
	bool allocates;		/* and others before dynamic allocation */
	bool dynamic;		/* frame without a bound known */
	long frame;		/* bytes, with the return address; -1: none */
	struct edge *out, **out_end, *in, **in_end;
	struct taken *taken;

	/* calls.c */
	bool g0;		/* runs there only */
	bool alone;		/* and no goroutine waits for it to return */
	int why;
	const char *reason;
	struct fn *because;

	/* frames.c, reach.c */
	int visit;
	bool recursive;
	long need;		/* bytes below the entry sp */
	struct fn *deepest;	/* callee on the way to that */
	const char *deepest_where;
};

extern struct fn *all_fns;
extern const char *machine;	/* of the objects: x86_64 or arm64 */
extern bool verbose;

/* graph.c */
void die(const char *fmt, ...) __noreturn __printf(1, 2);
void *zalloc(size_t n);
char *copy_string(const char *s, size_t n);
char *read_whole(const char *path, size_t *len);
struct fn *fn_get(const char *object, const char *name);
struct fn *fn_find(const char *object, const char *name);
struct fn *fn_named(const char *text);
void edge_add(struct fn *from, struct fn *to, const char *where);
void report_error(const struct fn *f, const char *fmt, ...) __printf(2, 3);
void report_chain(const char *where, const struct fn *f, const char *fmt, ...)
	__printf(3, 4);
const char *file_line(const char *where);
unsigned int errors(void);

/* ci.c */
const char *ci_read(const char *path);

/* elf.c */
void elf_read(const char *object);

/* rules.c */
enum rule_kind {
	RULE_LOCK,		/* function, rank if always the same */
	RULE_UNLOCK,		/* function */
	RULE_RANK,		/* lock as the source has it, rank */
	RULE_SWITCH,		/* function */
	RULE_CARRIER,		/* function, caller of what it is given */
	RULE_NAMES,		/* function */
	RULE_STORED,		/* data, function; its caller */
	RULE_ALLOW,		/* caller, callee, reason */
	RULE_DEMAND,		/* function, reason */
	RULE_FRAME,		/* machine, function, bytes */
	RULE_ROOM,		/* function, bytes */
	RULE_BLOCKS,		/* function */
};

struct rule {
	enum rule_kind kind;
	const char *a, *b, *reason;
	const char *where;
	bool used;
	struct rule *next;
};

void rules_parse(char *text, const char *name);
struct rule *rule_find(enum rule_kind kind, const char *a, const char *b);
void rules_report_unused(void);
bool rank_on_g0(const char *rank);

/* calls.c */
void check_callers(void);
void check_calls(FILE *report);

/* frames.c */
void check_frames(FILE *report);
void check_foreign(FILE *report);

/* reach.c */
void check_reach(FILE *report);
void check_blocking(void);

#endif
