// SPDX-License-Identifier: ISC
/*
 * trace/cmd/check.c - gort trace check: is a trace one that Go would read?
 */
#include "cmd.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

static bool tail, lenient, allocfree;

static const struct cmd_option options[] = {
	{ .name = "broken-tail", .given = &tail,
	  .help = "accept a broken end after a complete generation" },
	{ .name = "lenient", .given = &lenient,
	  .help = "accept frames without a name" },
	{ .name = "allocfree", .given = &allocfree,
	  .help = "what spans and objects do must make sense, too" },
	{ 0 }
};

static int check(const char *path, unsigned int flags)
{
	struct tracefile_event ev;
	uint64_t syncs = 0;
	struct cmd_trace t;

	if (cmd_trace_open(&t, path, flags) == CMD_OK)
		while (cmd_trace_next(&t, &ev))
			syncs += ev.kind == TRACEFILE_SYNC;
	if (t.tf && t.result >= 0)
		printf("%s: OK go1.%u generations=%" PRIu64 " events=%" PRIu64
		       " syncs=%" PRIu64 "\n", t.file.name,
		       gort_tracefile_version(t.tf),
		       gort_tracefile_generations(t.tf), t.events, syncs);
	return cmd_trace_close(&t);
}

static int run(int nargs, char **args)
{
	unsigned int flags = (tail ? TRACEFILE_TAIL : 0) |
			     (lenient ? 0 : TRACEFILE_STRICT) |
			     (allocfree ? TRACEFILE_ALLOCFREE : 0);
	int i, status, worst = CMD_OK;

	for (i = 0; i < nargs; i++) {
		status = check(args[i], flags);
		worst = status > worst ? status : worst;
	}
	return worst;
}

const struct cmd cmd_trace_check = {
	.group = "trace",
	.name = "check",
	.args = "FILE...",
	.min_args = 1,
	.max_args = INT_MAX,
	.brief = "check that traces follow the rules of Go's reader",
	.help =
"Reads all of each FILE, \"-\" being standard input, and prints a line if it is\n"
"good.  The rules are those of Go's reader and, unless --lenient is given, those\n"
"that Go's own traces are tested by.  If one is broken, what, where in the file,\n"
"in which generation and of which thread is said on standard error.\n",
	.bad = "a trace is broken",
	.options = options,
	.run = run,
};
