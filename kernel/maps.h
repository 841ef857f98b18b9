/* SPDX-License-Identifier: ISC */
/*
 * kernel/maps.h - what is mapped where, and the ELF files behind it.
 *
 * Context: any, signal handlers included: neither malloc, stdio nor a lock;
 * less than 1 KiB of stack besides the caller's buffer.  May change errno.
 */
#ifndef KERNEL_MAPS_H
#define KERNEL_MAPS_H

#include <sys/stat.h>

#include <arch/compiler.h>

#define MAPS_BUF_SIZE	8192	/* longer lines and paths are skipped */

/* One line of /proc/self/maps. */
struct vma {
	uintptr_t start;
	uintptr_t end;
	u64 offset;
	u64 dev;		/* major << 32 | minor */
	u64 ino;
	bool exec;
	/* "" if there is none, else a path or "[...]"; in the buffer. */
	const char *path;
};

struct maps_reader {
	char *buf;		/* of MAPS_BUF_SIZE; the caller's */
	int fd;
	size_t pos;		/* of the next line in buf */
	size_t len;		/* of what is in buf */
	bool skip;		/* inside a line that is too long */
};

/*
 * maps_open, maps_next, maps_close - go through the mappings, by address.
 *
 * maps_open() returns false if there is no /proc; then nothing is to be
 * closed.  maps_next() returns false behind the last one; vma->path is good
 * until the next call.  What is mapped meanwhile may be missed.
 */
bool maps_open(struct maps_reader *r, char *buf);
bool maps_next(struct maps_reader *r, struct vma *vma);
void maps_close(struct maps_reader *r);

/*
 * maps_open_file - open the file at the path of a vma.
 *
 * The main program can be read even if it was deleted.  buf: MAPS_BUF_SIZE
 * bytes.  Returns a descriptor of a file that is regular and not empty, and
 * sets *st; or -1.
 */
int maps_open_file(const char *path, char *buf, struct stat *st);

#endif
