// SPDX-License-Identifier: ISC
/*
 * trace/cmd/progress.c - how far it is: "42%" on a terminal, and nothing else.
 *
 * The line is written over itself and wiped off before anything else is said.
 */
#include "cmd.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS	100000000	/* 10 a second */

static bool off;
static bool shown;
static uint64_t next_ns;		/* 0: nothing was begun */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t percent(uint64_t done, uint64_t total)
{
	return total ? (uint64_t)((double)done / (double)total * 100) : 100;
}

void cmd_progress(uint64_t done, uint64_t total)
{
	uint64_t now;

	if (off)
		return;
	now = now_ns();
	if (!next_ns) {
		next_ns = now + PERIOD_NS;
		off = !isatty(STDERR_FILENO);
	}
	if (off || now < next_ns)
		return;
	next_ns = now + PERIOD_NS;
	shown = true;
	fprintf(stderr, "\r%3llu%%",
		(unsigned long long)percent(done, total));
}

void cmd_progress_end(void)
{
	if (shown)
		fputs("\r    \r", stderr);
	shown = false;
}

void cmd_progress_shares_stdout(void)
{
	off |= isatty(STDOUT_FILENO);
}
