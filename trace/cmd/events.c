// SPDX-License-Identifier: ISC
/*
 * trace/cmd/events.c - gort trace events: all of a trace as text.
 */
#include "cmd.h"

#include <stdio.h>

static int run(int nargs, char **args)
{
	struct tracefile_event ev;
	struct cmd_trace t;

	(void)nargs;
	cmd_progress_shares_stdout();
	if (cmd_trace_open(&t, args[0], TRACEFILE_TAIL) == CMD_OK)
		while (cmd_trace_next(&t, &ev))
			gort_tracefile_print(stdout, t.tf, &ev);
	return cmd_trace_close(&t);
}

const struct cmd cmd_trace_events = {
	.group = "trace",
	.name = "events",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.brief = "print each event of a trace",
	.help =
"In the order in which they happened, and in the form of go tool trace -d=parsed:\n"
"a line for each event, which begins with M=, the thread, P=, the processor, and\n"
"G=, the goroutine, -1 being none; then its stacks, if it has any.\n",
	.bad = "the trace is broken; what comes before that was printed",
	.run = run,
};
