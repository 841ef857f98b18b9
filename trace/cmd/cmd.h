/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/cmd.h - what the parts of the gort command share.
 *
 *	main.c		which command, its options, its help
 *	input.c		traces, event by event
 *	progress.c	how far it is, on a terminal
 *	tally.c		sums of times, by stack or text
 *	text.c		texts that may contain anything
 *	<name>.c	one command each: struct cmd cmd_<group>_<name>
 *
 * A new command is a file with its struct cmd, a declaration below, and a line
 * in the list in main.c and in Kbuild.
 *
 * The program has one thread and ends soon: what is allocated for its whole
 * life is not freed, and lack of memory ends it.
 */
#ifndef TRACE_CMD_H
#define TRACE_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/reader/reader.h"

/* What the program ends with. */
enum cmd_status {
	CMD_OK = 0,
	CMD_BAD = 1,		/* the input was read, and is not as it should
				 * be: struct cmd's bad says how */
	CMD_ERROR = 2,		/* wrong usage; input or output that fails */
};

/* Given as -l or --name; its argument as "-l ARG" or --name=ARG. */
struct cmd_option {
	const char *name;	/* NULL ends the list */
	char letter;		/* 0: none */
	bool optional;		/* its argument may be left out: only =ARG
				 * gives it */
	const char *arg;	/* what the help calls it; NULL: has none */
	const char *help;	/* one line */
	bool *given;		/* set if it was; may be NULL */
	const char **value;	/* set to the argument; may be NULL */
};

struct cmd {
	const char *group;	/* "trace" */
	const char *name;	/* "check" */
	const char *args;	/* for the usage: "FILE..." */
	int min_args, max_args;
	const char *brief;	/* for the list of commands; no capital, no
				 * period */
	const char *help;	/* lines, each with its end; may be NULL */
	const char *bad;	/* when the status is CMD_BAD; NULL: never */
	const struct cmd_option *options;	/* may be NULL */
	/* Returns enum cmd_status.  nargs is as wanted above. */
	int (*run)(int nargs, char **args);
};

extern const struct cmd cmd_nonpreempt_diff;
extern const struct cmd cmd_nonpreempt_top;
extern const struct cmd cmd_trace_check;
extern const struct cmd cmd_trace_events;
extern const struct cmd cmd_trace_flame;
extern const struct cmd cmd_trace_html;
extern const struct cmd cmd_trace_info;
extern const struct cmd cmd_trace_json;
extern const struct cmd cmd_trace_stats;

/* --- main.c --- */

/* "gort: FILE: what" to stderr; without a file "gort: what".  CMD_ERROR */
int cmd_error(const char *file, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));

/* The same as a warning: "gort: FILE: warning: what" */
void cmd_warn(const char *file, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));

/*
 * A wrong value of an option or argument, and how this command is used, to
 * stderr.  CMD_ERROR
 */
int cmd_usage(const struct cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));

/* stdout cannot be written to: says why, by errno.  CMD_ERROR */
int cmd_output_failed(void);

/* For lack of memory. */
void cmd_no_memory(void) __attribute__((noreturn, cold));

/* Not NULL. */
void *cmd_alloc(size_t size);
void *cmd_zalloc(size_t size);
void *cmd_realloc(void *p, size_t size);

/* A decimal number of at most max; false if it is none. */
bool cmd_number(const char *text, uint64_t max, uint64_t *out);

/* --- text.c --- */

/* How many bytes the character at text has, of n; 0: this is no UTF-8. */
size_t cmd_utf8_length(const char *text, size_t n);

/* To stdout, with what is no text, or would move the cursor, as \x1b. */
void cmd_print_text(struct tracefile_str s);

/* How many columns that takes, if each character takes one. */
size_t cmd_text_width(struct tracefile_str s);

/* --- progress.c --- */

/*
 * Show how much is done, if stderr is a terminal and it takes long.  Cheap
 * enough for each 1000 events; shown at most 10 times a second.
 */
void cmd_progress(uint64_t done, uint64_t total);

/* Wipe it off the terminal. */
void cmd_progress_end(void);

/* Show none: what goes to stdout would mix with it on the same terminal. */
void cmd_progress_shares_stdout(void);

/* --- input.c --- */

/* A whole file, mapped if it can be. */
struct cmd_file {
	const char *name;	/* for messages */
	const uint8_t *data;
	size_t size;
	bool mapped;
};

/* path "-" is standard input.  CMD_OK, or CMD_ERROR after a message. */
int cmd_file_open(struct cmd_file *f, const char *path);
void cmd_file_close(struct cmd_file *f);

/*
 * A trace:
 *
 *	if (cmd_trace_open(&t, path, TRACEFILE_TAIL) == CMD_OK)
 *		while (cmd_trace_next(&t, &ev))
 *			use(t.tf, &ev);
 *	return cmd_trace_close(&t);
 */
struct cmd_trace {
	struct tracefile *tf;	/* NULL: could not be opened at all */
	struct cmd_file file;
	uint64_t events;	/* given so far */
	uint64_t offset;	/* the furthest, of those looked at */
	int result;		/* of gort_tracefile_next() or _open() */
};

/*
 * flags: TRACEFILE_*.  CMD_OK; CMD_BAD: this is no trace; CMD_ERROR: no file.
 * What is wrong is said by cmd_trace_close().
 */
int cmd_trace_open(struct cmd_trace *t, const char *path, unsigned int flags);

/* Each 1024 events. */
void cmd_trace_step(const struct cmd_trace *t);

/*
 * The next event, as gort_tracefile_next(); false at the end, or when the
 * trace is broken.  Shows progress.  Ends the program if stdout cannot be
 * written to.
 */
static inline bool cmd_trace_next(struct cmd_trace *t,
				  struct tracefile_event *ev)
{
	t->result = gort_tracefile_next(t->tf, ev);
	if (__builtin_expect(t->result != TRACEFILE_EVENT, 0))
		return false;
	if (__builtin_expect(++t->events % 1024 == 0, 0)) {
		t->offset = ev->offset > t->offset ? ev->offset : t->offset;
		cmd_trace_step(t);
	}
	return true;
}

/*
 * Says on stderr what was wrong, if anything: CMD_OK, also after a broken end
 * if TRACEFILE_TAIL allowed it, with a warning; CMD_BAD; CMD_ERROR.
 */
int cmd_trace_close(struct cmd_trace *t);

#endif
