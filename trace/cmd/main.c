// SPDX-License-Identifier: ISC
/*
 * trace/cmd/main.c - the gort command: which one, its options, its help.
 *
 *	gort GROUP COMMAND [OPTION]... [ARGUMENT]...
 *
 * What a command is and wants stands in its struct cmd, from which the options
 * are read and the help is written, so that the two agree.
 *
 * A reader of our output that goes away ends us by SIGPIPE, as it does others;
 * if that is ignored, and for all else that can happen to output, the status
 * is CMD_ERROR.
 *
 * Rejected: argp, which puts its own exit codes and words into the help.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS	16
#define HELP_COLUMN	24	/* where the texts of options begin */
#define FIRST_LONG	256	/* what getopt_long() returns: after letters */

static const struct cmd *const cmds[] = {
	&cmd_trace_info,
	&cmd_trace_check,
	&cmd_trace_events,
	&cmd_trace_stats,
	&cmd_trace_json,
	&cmd_trace_flame,
	&cmd_trace_html,
	&cmd_nonpreempt_top,
	&cmd_nonpreempt_diff,
};

#define for_each_cmd(c) \
	for (c = cmds; c < cmds + sizeof(cmds) / sizeof(*cmds); c++)

/* --- messages --- */

static void message(const char *file, const char *kind, const char *fmt,
		    va_list ap)
{
	cmd_progress_end();
	fflush(stdout);
	fputs("gort: ", stderr);
	if (file)
		fprintf(stderr, "%s: ", file);
	fputs(kind, stderr);
	vfprintf(stderr, fmt, ap);
	putc('\n', stderr);
}

int cmd_error(const char *file, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(file, "", fmt, ap);
	va_end(ap);
	return CMD_ERROR;
}

void cmd_warn(const char *file, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(file, "warning: ", fmt, ap);
	va_end(ap);
}

int cmd_output_failed(void)
{
	int err = errno;

	cmd_progress_end();
	fprintf(stderr, "gort: standard output: %s\n", strerror(err));
	return CMD_ERROR;
}

void cmd_no_memory(void)
{
	cmd_error(NULL, "%s", strerror(ENOMEM));
	exit(CMD_ERROR);
}

void *cmd_realloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		cmd_no_memory();
	return p;
}

void *cmd_alloc(size_t size)
{
	return cmd_realloc(NULL, size);
}

void *cmd_zalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		cmd_no_memory();
	return p;
}

bool cmd_number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && !*end && *out <= max;
}

/* --- help --- */

static void print_usage(FILE *f, const struct cmd *cmd)
{
	fprintf(f, "usage: gort %s %s%s %s\n", cmd->group, cmd->name,
		cmd->options ? " [OPTION]..." : "", cmd->args);
}

static void print_option(const struct cmd_option *o)
{
	char left[80];
	int n;

	if (o->letter)
		n = snprintf(left, sizeof(left), "-%c, --%s", o->letter,
			     o->name);
	else
		n = snprintf(left, sizeof(left), "    --%s", o->name);
	if (o->arg)
		snprintf(left + n, sizeof(left) - (size_t)n,
			 o->optional ? "[=%s]" : "=%s", o->arg);
	printf("  %-*s %s\n", HELP_COLUMN - 3, left, o->help);
}

static void print_help(const struct cmd *cmd)
{
	const struct cmd_option *o;

	print_usage(stdout, cmd);
	printf("\ngort %s %s: %s.\n", cmd->group, cmd->name, cmd->brief);
	if (cmd->help)
		printf("%s", cmd->help);
	printf("\nOptions:\n");
	for (o = cmd->options; o && o->name; o++)
		print_option(o);
	print_option(&(struct cmd_option){ .name = "help", .letter = 'h',
					   .help = "show this" });
	printf("\nExit status:\n  0  all is well\n");
	if (cmd->bad)
		printf("  1  %s\n", cmd->bad);
	printf("  2  wrong usage, or a file that cannot be read or written\n");
}

/* group: only those of it; NULL: all */
static void print_commands(FILE *f, const char *group)
{
	const struct cmd *const *c;
	char name[80];

	fprintf(f, "usage: gort %s COMMAND [OPTION]... [ARGUMENT]...\n\n",
		group ? group : "GROUP");
	for_each_cmd(c) {
		if (group && strcmp((*c)->group, group) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", (*c)->group, (*c)->name);
		fprintf(f, "  gort %-17s %s\n", name, (*c)->brief);
	}
	fprintf(f, "\ngort GROUP COMMAND --help tells more, gort --version which "
		"one this is.\n");
}

int cmd_usage(const struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "gort: %s %s: ", cmd->group, cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	print_usage(stderr, cmd);
	fprintf(stderr, "gort %s %s --help tells more.\n", cmd->group,
		cmd->name);
	return CMD_ERROR;
}

/* --- options --- */

struct options {
	const struct cmd_option *of[MAX_OPTIONS + 1];
	struct option longs[MAX_OPTIONS + 2];
	char letters[2 * MAX_OPTIONS + 8];
	int n;
};

static void add_option(struct options *os, const struct cmd_option *o)
{
	int has_arg = !o->arg ? no_argument : o->optional ? optional_argument :
		      required_argument;
	size_t end = strlen(os->letters);

	if (os->n == MAX_OPTIONS + 1)
		abort();	/* a new command's many options: more room */
	if (o->letter) {
		os->letters[end++] = o->letter;
		if (o->arg)
			os->letters[end++] = ':';
		os->letters[end] = '\0';
	}
	os->longs[os->n] = (struct option){ o->name, has_arg, NULL,
					    FIRST_LONG + os->n };
	os->of[os->n++] = o;
}

static const struct cmd_option *find_option(const struct options *os, int c)
{
	int i;

	for (i = 0; i < os->n; i++)
		if (c == FIRST_LONG + i || c == os->of[i]->letter)
			return os->of[i];
	return NULL;
}

static int bad_option(const struct cmd *cmd, char **argv, int c)
{
	const char *what = c == ':' ? "lacks its argument" :
			   optopt >= FIRST_LONG ? "takes no argument" :
			   "is unknown";

	if (optopt && optopt < FIRST_LONG)
		return cmd_usage(cmd, "option -%c %s", optopt, what);
	return cmd_usage(cmd, "option %s %s", argv[optind - 1], what);
}

/* 0; -1 if all is done, with the status to end with */
static int parse_options(const struct cmd *cmd, int argc, char **argv,
			 int *status)
{
	static const struct cmd_option help = { .name = "help", .letter = 'h' };
	struct options os = { .letters = ":" };
	const struct cmd_option *o;
	int c;

	for (o = cmd->options; o && o->name; o++)
		add_option(&os, o);
	add_option(&os, &help);
	while ((c = getopt_long(argc, argv, os.letters, os.longs, NULL)) != -1) {
		o = find_option(&os, c);
		if (!o) {
			*status = bad_option(cmd, argv, c);
			return -1;
		}
		if (o == &help) {
			print_help(cmd);
			return -1;
		}
		if (o->given)
			*o->given = true;
		if (o->value && optarg)
			*o->value = optarg;
	}
	return 0;
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
	int status = CMD_OK, nargs;

	if (parse_options(cmd, argc, argv, &status) < 0)
		return status;
	nargs = argc - optind;
	if (nargs < cmd->min_args)
		return cmd_usage(cmd, "want %s", cmd->args);
	if (nargs > cmd->max_args)
		return cmd_usage(cmd, "%s is one argument too many",
				 argv[optind + cmd->max_args]);
	return cmd->run(nargs, argv + optind);
}

/* --- which command --- */

static bool is_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h") ||
	       !strcmp(arg, "help");
}

static bool is_group(const char *name)
{
	const struct cmd *const *c;

	for_each_cmd(c)
		if (!strcmp((*c)->group, name))
			return true;
	return false;
}

static int dispatch(int argc, char **argv)
{
	const char *group = argc > 1 ? argv[1] : NULL;
	const struct cmd *const *c;

	if (group && !strcmp(group, "--version")) {
		printf("gort " GORT_VERSION "\n");
		return CMD_OK;
	}
	if (group && is_help(group)) {
		print_commands(stdout, NULL);
		return CMD_OK;
	}
	if (group && !is_group(group)) {
		cmd_error(NULL, "%s: no such group of commands", group);
		group = NULL;
	} else if (argc > 2 && is_help(argv[2])) {
		print_commands(stdout, group);
		return CMD_OK;
	} else if (argc > 2) {
		for_each_cmd(c)
			if (!strcmp((*c)->group, group) &&
			    !strcmp((*c)->name, argv[2]))
				return run(*c, argc - 2, argv + 2);
		cmd_error(NULL, "%s %s: no such command", group, argv[2]);
	}
	print_commands(stderr, group);
	return CMD_ERROR;
}

int main(int argc, char **argv)
{
	int status;

	/* One thread: locking costs more than writing. */
	__fsetlocking(stdout, FSETLOCKING_BYCALLER);
	status = dispatch(argc, argv);
	cmd_progress_end();
	if (ferror(stdout) || fclose(stdout))
		status = cmd_output_failed();
	return status;
}
