// SPDX-License-Identifier: ISC
/*
 * tests/mm/interpose_witness.c - a library to preload behind
 * libgort-malloc.so, whose constructor then runs first: allocates in its
 * constructor, frees in its destructor, and appends a line to the file
 * $WITNESS on whose heap that was:
 *
 *	program gort|other bytes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *early;

__attribute__((constructor))
static void begin(void)
{
	early = malloc(100);
	memset(early, 1, 100);
}

/* 100 bytes are 112 in our classes, 104 in glibc's. */
__attribute__((destructor))
static void end(void)
{
	const char *path = getenv("WITNESS");
	size_t usable = malloc_usable_size(early);
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;

	free(early);
	if (fd < 0)
		return;
	dprintf(fd, "%s %s %zu\n", program_invocation_short_name,
		usable == 112 ? "gort" : "other", mallinfo2().uordblks);
	close(fd);
}
