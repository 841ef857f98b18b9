// SPDX-License-Identifier: ISC
/*
 * trace/outfile.c - files that environment variables name.
 *
 * Locks: none.  They are opened and closed by the first goroutine of a run, or
 * by who calls exit(), after which nobody comes.
 */
#define _GNU_SOURCE
#include "trace/outfile.h"

#include <gort/io.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/errno.h"
#include "kernel/print.h"
#include "kernel/sched.h"

static struct outfile *outfiles;	/* the one registered last first */

bool outfile_is_writable(int fd)
{
	int saved = errno, flags = fcntl(fd, F_GETFL);

	errno = saved;
	return flags >= 0 && !(flags & O_PATH) &&
	       (flags & O_ACCMODE) != O_RDONLY;
}

const char *outfile_value(const struct outfile *f)
{
	const char *value = getenv(f->variable);

	return value && *value ? value : NULL;
}

void outfile_complain(const struct outfile *f, const char *what, int err)
{
	print("gort: %s=%s: %s: %s\n", f->variable, getenv(f->variable), what,
	      strerrordesc_np(-err));
}

/* One may stop what another uses: the last to begin ends first. */
static void at_exit(void)
{
	for (struct outfile *f = outfiles; f; f = f->next)
		if (f->fd >= 0 && in_goroutine())
			f->at_exit();
}

static void outfile_register(struct outfile *f)
{
	if (f->registered || (!outfiles && atexit(at_exit)))
		return;
	f->registered = true;
	f->next = outfiles;
	outfiles = f;
}

bool outfile_open(struct outfile *f, const char *path)
{
	f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (f->fd < 0) {
		outfile_complain(f, "cannot open it", -errno);
		return false;
	}
	outfile_register(f);
	return true;
}

void outfile_close(struct outfile *f)
{
	gort_close(f->fd);
	f->fd = -1;
}
