// SPDX-License-Identifier: ISC
/*
 * trace/cmd/input.c - files, and the traces in them.
 *
 * A file is mapped, so that no more of it is in memory than the kernel likes;
 * a pipe is read to its end first, since the reader wants all of it.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0 or -errno */
static int read_all(struct cmd_file *f, int fd)
{
	uint8_t *data = NULL;
	size_t cap = 0;
	ssize_t n;

	for (;;) {
		if (f->size == cap) {
			cap = cap ? cap * 2 : 1 << 16;
			data = cmd_realloc(data, cap);
		}
		n = read(fd, data + f->size, cap - f->size);
		if (n < 0 && errno != EINTR) {
			n = -errno;
			free(data);
			return (int)n;
		}
		if (n == 0)
			break;
		f->size += n > 0 ? (size_t)n : 0;
	}
	f->data = data;
	return 0;
}

/* 0 or -errno */
static int map_or_read(struct cmd_file *f, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || !st.st_size || fd == STDIN_FILENO)
		return read_all(f, fd);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	f->data = map;
	f->size = (size_t)st.st_size;
	f->mapped = true;
	return 0;
}

int cmd_file_open(struct cmd_file *f, const char *path)
{
	bool in = !strcmp(path, "-");
	int fd, err;

	*f = (struct cmd_file){ .name = in ? "standard input" : path };
	fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : map_or_read(f, fd);
	if (fd > STDIN_FILENO)
		close(fd);
	return err ? cmd_error(f->name, "%s", strerror(-err)) : CMD_OK;
}

void cmd_file_close(struct cmd_file *f)
{
	if (f->mapped)
		munmap((void *)(uintptr_t)f->data, f->size);
	else
		free((void *)(uintptr_t)f->data);
	f->data = NULL;
}

int cmd_trace_open(struct cmd_trace *t, const char *path, unsigned int flags)
{
	int status;

	memset(t, 0, sizeof(*t));
	status = cmd_file_open(&t->file, path);
	if (status != CMD_OK)
		return status;
	t->result = gort_tracefile_open(&t->tf, t->file.data, t->file.size,
					flags);
	return t->result < 0 ? CMD_BAD : CMD_OK;
}

void cmd_trace_step(const struct cmd_trace *t)
{
	if (ferror(stdout))
		exit(cmd_output_failed());
	cmd_progress(t->offset, t->file.size);
}

/* "what, offset N, generation N, thread N" */
static void describe(char *buf, size_t size, const struct tracefile_error *e)
{
	int n;

	n = snprintf(buf, size, "%s, offset %" PRIu64 ", generation %" PRIu64,
		     e->text, e->offset, e->gen);
	if (e->thread != TRACEFILE_NONE)
		snprintf(buf + n, size - (size_t)n, ", thread %" PRId64,
			 e->thread);
}

int cmd_trace_close(struct cmd_trace *t)
{
	int status = t->result < 0 ? CMD_BAD : CMD_OK;
	char what[400];

	cmd_progress_end();
	if (!t->tf) {
		status = CMD_ERROR;
	} else if (t->result == -ENOMEM) {
		cmd_no_memory();
	} else if (t->result < 0) {
		describe(what, sizeof(what), gort_tracefile_error(t->tf));
		cmd_error(t->file.name, "%s", what);
	} else if (t->result == TRACEFILE_BROKEN_TAIL) {
		describe(what, sizeof(what), gort_tracefile_error(t->tf));
		cmd_warn(t->file.name, "broken end: %s", what);
	}
	gort_tracefile_close(t->tf);
	cmd_file_close(&t->file);
	return status;
}
