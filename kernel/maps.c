// SPDX-License-Identifier: ISC
/*
 * kernel/maps.c - what is mapped where, by /proc/self/maps.
 *
 * Rejected:
 *  - dl_iterate_phdr(): takes the loader's lock, which the code that a signal
 *    interrupted may hold.
 *  - a snapshot by dl_iterate_phdr() at start, maps for the rest: two
 *    sources for one fact, an init call to forget, and a snapshot does not
 *    notice dlclose().  maps alone is always true.
 *
 * Locks: none.
 * Forbidden here: malloc, stdio, the loader.
 */
#include "kernel/maps.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kernel/errno.h"

static bool maps_fill(struct maps_reader *r)
{
	ssize_t n;

	memmove(r->buf, r->buf + r->pos, r->len - r->pos);
	r->len -= r->pos;
	r->pos = 0;
	if (r->len == MAPS_BUF_SIZE) {
		r->skip = true;
		r->len = 0;
	}
	do {
		n = read(r->fd, r->buf + r->len, MAPS_BUF_SIZE - r->len);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	r->len += (size_t)n;
	return true;
}

/* The next line, NUL for newline; good until the next call. */
static char *maps_next_line(struct maps_reader *r)
{
	char *line, *nl;

	for (;;) {
		line = r->buf + r->pos;
		nl = memchr(line, '\n', r->len - r->pos);
		if (!nl) {
			if (!maps_fill(r))
				return NULL;
			continue;
		}
		r->pos = (size_t)(nl + 1 - r->buf);
		if (!r->skip) {
			*nl = '\0';
			return line;
		}
		r->skip = false;
	}
}

/* A number in this base, then the character `after`. */
static bool parse_number(const char **p, unsigned int base, char after,
			 u64 *val)
{
	const char *s = *p;
	unsigned int digit;

	for (*val = 0; *s != after; s++) {
		if (*s >= '0' && *s <= '9')
			digit = (unsigned int)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			digit = (unsigned int)(*s - 'a') + 10;
		else
			return false;
		if (digit >= base)
			return false;
		*val = *val * base + digit;
	}
	*p = s + 1;
	return true;
}

/* "start-end rwxp offset major:minor inode   path" */
static bool vma_parse(const char *p, struct vma *vma)
{
	u64 start, end, major, minor;

	if (!parse_number(&p, 16, '-', &start) ||
	    !parse_number(&p, 16, ' ', &end) || strnlen(p, 5) < 5)
		return false;
	vma->start = start;
	vma->end = end;
	vma->exec = p[2] == 'x';
	p += 5;
	if (!parse_number(&p, 16, ' ', &vma->offset) ||
	    !parse_number(&p, 16, ':', &major) ||
	    !parse_number(&p, 16, ' ', &minor))
		return false;
	vma->dev = major << 32 | minor;
	if (!parse_number(&p, 10, ' ', &vma->ino))
		return false;
	while (*p == ' ')
		p++;
	vma->path = p;
	return true;
}

bool maps_open(struct maps_reader *r, char *buf)
{
	*r = (struct maps_reader){ .buf = buf };
	r->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	return r->fd >= 0;
}

bool maps_next(struct maps_reader *r, struct vma *vma)
{
	const char *line;

	do {
		line = maps_next_line(r);
	} while (line && !vma_parse(line, vma));
	return line;
}

void maps_close(struct maps_reader *r)
{
	close(r->fd);
}

static int open_path(const char *path, char *buf)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	ssize_t n = readlink("/proc/self/exe", buf, MAPS_BUF_SIZE - 1);

	if (n > 0) {
		buf[n] = '\0';
		if (strcmp(path, buf) == 0)
			return open("/proc/self/exe", flags);
	}
	return open(path, flags);
}

int maps_open_file(const char *path, char *buf, struct stat *st)
{
	int fd = open_path(path, buf);

	if (fd < 0)
		return -1;
	if (!fstat(fd, st) && S_ISREG(st->st_mode) && st->st_size > 0)
		return fd;
	close(fd);
	return -1;
}
