/* SPDX-License-Identifier: ISC */
/*
 * trace/outfile.h - files that are written for a whole run, because an
 * environment variable names them: GORTTRACE and such.
 */
#ifndef TRACE_OUTFILE_H
#define TRACE_OUTFILE_H

#include <arch/compiler.h>

/* Is fd open for writing?  errno is kept. */
bool outfile_is_writable(int fd);

/* One per variable, for the life of the process. */
struct outfile {
	const char *variable;
	/* The program ends by exit() in a goroutine, and the file is open. */
	void (*at_exit)(void);
	int fd;			/* -1 while it is not open */
	bool registered;
	struct outfile *next;
};

#define OUTFILE_INIT(name, fn)	{ .variable = name, .at_exit = fn, .fd = -1 }

/* What the variable says; NULL: nothing. */
const char *outfile_value(const struct outfile *f);

/* To standard error: what is wrong with it, and -err. */
void outfile_complain(const struct outfile *f, const char *what, int err);

/* False, with a complaint: that cannot be done. */
bool outfile_open(struct outfile *f, const char *path);

void outfile_close(struct outfile *f);

#endif
