/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/sections.h - read what the profiler of non-preemptible sections
 * has written as text; see trace/nonpreempt_write.c.
 */
#ifndef TRACE_CMD_SECTIONS_H
#define TRACE_CMD_SECTIONS_H

#include "cmd.h"

struct section_frame {
	struct tracefile_str func;
	struct tracefile_str place;	/* "file:line"; empty if not known */
	bool end;		/* of the stack at the end of the section */
};

struct section_site {
	struct tracefile_str kind;
	struct tracefile_str what;
	struct tracefile_str func, place; /* where */
	struct tracefile_str nesting;	/* "outermost" or "inside" */
	uint64_t count;
	uint64_t gross_ns, net_ns, max_ns;
	uint64_t p50_ns, p90_ns, p99_ns, p999_ns;
	uint64_t waits, wait_ns, wait_max_ns, runnable;
	size_t first_frame, nframes;
	size_t number;		/* which in the file, from 0 */
};

struct sections {
	struct cmd_file file;
	struct tracefile_str seconds;	/* as text: "12.345" */
	uint64_t sections, lost, other, exceeded, suppressed;
	struct section_site *sites;
	size_t nsites;
	struct section_frame *frames;
	size_t nframes;
};

/*
 * path "-" is standard input.  CMD_OK, or CMD_ERROR after a message with the
 * number of the line that is wrong.
 */
int sections_read(struct sections *s, const char *path);

/* "12.345 seconds, 1234 sections at 17 sites", and what is missing. */
void sections_print_head(const struct sections *s);

#endif
