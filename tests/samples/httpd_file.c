// SPDX-License-Identifier: ISC
/*
 * tests/samples/httpd_file.c - files and directories below the root.
 *
 * Nothing outside the root can be reached: http_decode_path() lets no ".."
 * through, and symbolic links that lead out are the kernel's to refuse, by
 * openat2() with RESOLVE_BENEATH.  Where there is no openat2() (Linux before
 * 5.6, emulators) no link is followed at all, be it inside.
 *
 * What may wait for a disk runs between gort_syscall_enter() and
 * gort_syscall_exit(): if it does wait, other goroutines get the processor.
 */
#define _GNU_SOURCE
#include "httpd_file.h"

#include <gort/gort.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not waiting for somebody to open the other end of a named pipe. */
#define OPEN_FLAGS	(O_RDONLY | O_CLOEXEC | O_NONBLOCK)

static struct {
	int fd;
	bool has_openat2;
} root;

/* ------------------------------------------------------------------------ */
/* Opening */

static int open_beneath(const char *name)
{
	struct open_how how = {
		.flags = OPEN_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = syscall(SYS_openat2, root.fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* name ends at a slash, too. */
static int open_part(int dir, const char *name, size_t len)
{
	char part[NAME_MAX + 1] = ".";
	int fd;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(part, name, len);
	fd = openat(dir, part, OPEN_FLAGS | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* One component at a time; an empty one is the directory itself. */
static int open_by_steps(const char *name)
{
	int dir = root.fd, fd;

	for (;;) {
		size_t len = strcspn(name, "/");

		fd = open_part(dir, name, len);
		if (dir != root.fd)
			close(dir);
		if (fd < 0 || !name[len])
			return fd;
		dir = fd;
		name += len + 1;
	}
}

/* Returns a descriptor or -errno; blocks the thread. */
static int open_name(const char *name, struct stat *st)
{
	int fd, err;

	fd = root.has_openat2 ? open_beneath(name) : open_by_steps(name);
	if (fd < 0 || !fstat(fd, st))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void close_file(int fd)
{
	gort_syscall_enter();
	close(fd);
	gort_syscall_exit();
}

int file_root_open(const char *dir)
{
	int fd;

	root.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0)
		return -errno;
	fd = open_beneath(".");
	root.has_openat2 = fd >= 0;
	if (fd >= 0)
		close(fd);
	return 0;
}

/* ------------------------------------------------------------------------ */
/* Files */

static const struct type {
	const char *suffix;
	const char *name;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".htm", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".md", "text/plain; charset=utf-8" },
	{ ".c", "text/plain; charset=utf-8" },
	{ ".h", "text/plain; charset=utf-8" },
	{ ".xml", "application/xml" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },
	{ ".gif", "image/gif" },
	{ ".webp", "image/webp" },
	{ ".ico", "image/vnd.microsoft.icon" },
	{ ".pdf", "application/pdf" },
	{ ".wasm", "application/wasm" },
};

static const char *type_of(const char *name)
{
	const char *suffix = strrchr(name, '.');

	for (size_t i = 0; suffix && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(suffix, types[i].suffix))
			return types[i].name;
	return "application/octet-stream";
}

/* A read() that fails or falls short is seen when the rest is sent. */
static size_t read_front(struct conn *c, int fd, uint64_t size)
{
	size_t room;
	char *to = conn_room(c, &room);
	ssize_t n;

	gort_syscall_enter();
	n = read(fd, to, size < room ? size : room);
	gort_syscall_exit();
	if (n < 0)
		n = 0;
	conn_added(c, n);
	return n;
}

/* The head and as much as fits behind it are one write. */
static void send_file(struct conn *c, int fd, const char *name, uint64_t size)
{
	conn_start(c, 200);
	conn_field(c, "Content-Type", type_of(name));
	conn_length(c, size);
	if (!c->head_only) {
		size -= read_front(c, fd, size);
		conn_send_file(c, fd, size);
	}
	conn_end(c);
}

/* ------------------------------------------------------------------------ */
/* Directories */

struct listing {
	int fd;				/* of the directory */
	int n;				/* of entries, or -errno */
	struct dirent **entries;
};

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* On the thread's own stack: who knows how much of it libc wants for that. */
static void scan(void *arg)
{
	struct listing *list = arg;

	list->n = scandirat(list->fd, ".", &list->entries, not_hidden,
			    alphasort);
	if (list->n < 0)
		list->n = -errno;
}

/* A name as part of a path: all but the plainest bytes escaped. */
static size_t escape_path(char *to, const char *name)
{
	static const char plain[] = "-._~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = 0;

	for (; *name; name++)
		if (strchr(plain, *name))
			to[n++] = *name;
		else
			n += sprintf(to + n, "%%%02X", (unsigned char)*name);
	return n;
}

/* A name as text in HTML. */
static size_t escape_html(char *to, const char *name)
{
	size_t n = 0;

	for (; *name; name++)
		if (strchr("<>&\"'", *name))
			n += sprintf(to + n, "&#%d;", *name);
		else
			to[n++] = *name;
	return n;
}

static void send_entry(struct conn *c, const struct dirent *entry)
{
	const char *slash = entry->d_type == DT_DIR ? "/" : "";
	char row[9 * NAME_MAX + 64];	/* 3 for the path, up to 5 for HTML */
	size_t n;

	n = sprintf(row, "<li><a href=\"./");
	n += escape_path(row + n, entry->d_name);
	n += sprintf(row + n, "%s\">", slash);
	n += escape_html(row + n, entry->d_name);
	n += sprintf(row + n, "%s</a>\n", slash);
	conn_write(c, row, n);
}

static void send_listing(struct conn *c, const struct listing *list)
{
	static const char head[] = "<!DOCTYPE html>\n"
				   "<title>Files</title>\n<ul>\n";
	static const char tail[] = "</ul>\n";

	conn_start(c, 200);
	conn_field(c, "Content-Type", "text/html; charset=utf-8");
	conn_chunked(c);
	conn_write(c, head, strlen(head));
	for (int i = 0; i < list->n; i++)
		send_entry(c, list->entries[i]);
	conn_write(c, tail, strlen(tail));
	conn_end(c);
}

/* Links in a listing are relative, so its path must end in a slash. */
static void redirect(struct conn *c)
{
	struct http_text path = c->req.path;
	char location[HTTP_HEAD_MAX + 2];

	/* "//x/" would be a path on the host x. */
	while (path.len > 1 && path.s[1] == '/') {
		path.s++;
		path.len--;
	}
	sprintf(location, "%.*s/", (int)path.len, path.s);
	conn_start(c, 301);
	conn_field(c, "Location", location);
	conn_length(c, 0);
	conn_end(c);
}

static void serve_directory(struct conn *c, int fd)
{
	struct listing list = { .fd = fd };
	int err;

	if (c->req.path.s[c->req.path.len - 1] != '/') {
		redirect(c);
		return;
	}
	err = gort_blocking(scan, &list);
	if (err || list.n < 0) {
		conn_error(c, 503, NULL);
		return;
	}
	send_listing(c, &list);
	for (int i = 0; i < list.n; i++)
		free(list.entries[i]);
	free(list.entries);
}

/* ------------------------------------------------------------------------ */
/* Requests */

static int status_of(int err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return 403;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return 503;
	case -EIO:
		return 500;
	default:	/* not there, a link out of the root, a name too long */
		return 404;
	}
}

static void serve_open(struct conn *c, int fd, const struct stat *st,
		       const char *name)
{
	if (S_ISDIR(st->st_mode))
		serve_directory(c, fd);
	else if (S_ISREG(st->st_mode))
		send_file(c, fd, name, st->st_size);
	else
		conn_error(c, 404, NULL);
}

void file_serve(struct conn *c)
{
	char name[PATH_MAX];
	struct stat st;
	int fd, err;

	err = http_decode_path(c->req.path, name, sizeof(name));
	if (err) {
		conn_error(c, -err, NULL);
		return;
	}
	gort_syscall_enter();
	fd = open_name(name, &st);
	gort_syscall_exit();
	if (fd < 0) {
		conn_error(c, status_of(fd), NULL);
		return;
	}
	serve_open(c, fd, &st, name);
	close_file(fd);
}
