// SPDX-License-Identifier: ISC
/*
 * trace/cmd/info.c - gort trace info: what a trace is of, in some lines.
 */
#include "cmd.h"

#include <stdio.h>

static int run(int nargs, char **args)
{
	struct tracefile_event ev;
	struct cmd_trace t;

	(void)nargs;
	if (cmd_trace_open(&t, args[0], TRACEFILE_TAIL) == CMD_OK)
		while (cmd_trace_next(&t, &ev))
			;
	return cmd_trace_close(&t);
}

const struct cmd cmd_trace_info = {
	.group = "trace",
	.name = "info",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.brief = "say what a trace is of: when, how long, how much",
	.bad = "the trace is broken",
	.run = run,
};
