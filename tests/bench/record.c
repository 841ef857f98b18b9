// SPDX-License-Identifier: ISC
/*
 * tests/bench/record.c - record a program's use of malloc.
 *
 *	RECORD_FILE=file LD_PRELOAD=record.so program
 *
 * Writes the file as record.h says, until the program's destructors run.
 * Calls of several threads are written in the order in which they came in.
 * Objects that record.so did not see the birth of, aligned ones for example,
 * are left out.
 *
 * A table from address to id stays ours: nothing here allocates.
 */
#define _GNU_SOURCE
#include "record.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NR_OBJECTS	(UINT32_C(1) << 22)	/* at a time */
#define TABLE_SIZE	(2 * NR_OBJECTS)
#define NR_BUFFERED	8192

#define public		__attribute__((visibility("default")))

/* glibc's own, under the names that stay its own. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

public void *malloc(size_t size);
public void *calloc(size_t n, size_t size);
public void *realloc(void *p, size_t size);
public void free(void *p);

/* Open addressing; p NULL is an empty place. */
struct object {
	void *p;
	uint32_t id;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool recording;

static struct {
	int fd;
	struct object table[TABLE_SIZE];
	uint32_t free_id[NR_OBJECTS];	/* a stack */
	uint32_t nfree, nids;
	struct record buf[NR_BUFFERED];
	uint32_t nbuf;
} r;

static void die(const char *what)
{
	if (write(STDERR_FILENO, what, strlen(what)) < 0)
		_exit(3);
	_exit(2);
}

static void flush(void)
{
	const char *p = (const char *)r.buf;
	size_t left = r.nbuf * sizeof(r.buf[0]);
	ssize_t n;

	for (; left; p += n, left -= (size_t)n) {
		n = write(r.fd, p, left);
		if (n <= 0)
			die("record.so: cannot write\n");
	}
	r.nbuf = 0;
}

static void put(enum record_op op, uint32_t id, size_t size)
{
	if (size > RECORD_MAX_SIZE)
		die("record.so: an object too large\n");
	r.buf[r.nbuf++] = (struct record){ id, op, (uint32_t)size };
	if (r.nbuf == NR_BUFFERED)
		flush();
}

static uint32_t home(const void *p)
{
	return (uint32_t)((uintptr_t)p / 16 * UINT64_C(0x9e3779b97f4a7c15) >>
			  32) % TABLE_SIZE;
}

/* Where p is, or where it would be put. */
static uint32_t find(const void *p)
{
	uint32_t i = home(p);

	while (r.table[i].p && r.table[i].p != p)
		i = (i + 1) % TABLE_SIZE;
	return i;
}

static uint32_t insert(void *p)
{
	struct object *o = &r.table[find(p)];

	if (!r.nfree && r.nids == NR_OBJECTS)
		die("record.so: too many objects\n");
	o->p = p;
	o->id = r.nfree ? r.free_id[--r.nfree] : r.nids++;
	return o->id;
}

/* Takes out the i-th, and moves those up that were put behind because of it:
 * Knuth, TAOCP vol. 3, 6.4, algorithm R. */
static void take_out(uint32_t i)
{
	uint32_t j = i, k;

	for (;;) {
		r.table[i].p = NULL;
		do {
			j = (j + 1) % TABLE_SIZE;
			if (!r.table[j].p)
				return;
			k = home(r.table[j].p);
		} while ((j - k) % TABLE_SIZE < (j - i) % TABLE_SIZE);
		r.table[i] = r.table[j];
		i = j;
	}
}

static void give_id(uint32_t id)
{
	r.free_id[r.nfree++] = id;
}

public void *malloc(size_t size)
{
	void *p;

	pthread_mutex_lock(&lock);
	p = __libc_malloc(size);
	if (p && recording)
		put(RECORD_ALLOC, insert(p), size);
	pthread_mutex_unlock(&lock);
	return p;
}

public void *calloc(size_t n, size_t size)
{
	void *p;

	pthread_mutex_lock(&lock);
	p = __libc_calloc(n, size);
	if (p && recording)
		put(RECORD_CALLOC, insert(p), n * size);
	pthread_mutex_unlock(&lock);
	return p;
}

/* The object at table[i], unless that is empty, is at p now. */
static void moved(uint32_t i, void *p, size_t size)
{
	uint32_t id = r.table[i].id;

	if (!r.table[i].p)
		return;
	take_out(i);
	i = find(p);
	r.table[i] = (struct object){ p, id };
	put(RECORD_REALLOC, id, size);
}

public void *realloc(void *old, size_t size)
{
	uint32_t i;
	void *p;

	if (!old)
		return malloc(size);
	if (!size) {
		free(old);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	i = find(old);
	p = __libc_realloc(old, size);
	if (p && recording)
		moved(i, p, size);
	pthread_mutex_unlock(&lock);
	return p;
}

public void free(void *p)
{
	uint32_t i;

	if (!p)
		return;
	pthread_mutex_lock(&lock);
	i = find(p);
	if (r.table[i].p && recording) {
		put(RECORD_FREE, r.table[i].id, 0);
		give_id(r.table[i].id);
		take_out(i);
	}
	__libc_free(p);
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor))
static void begin(void)
{
	const char *path = getenv("RECORD_FILE");

	if (!path)
		die("record.so: RECORD_FILE is not set\n");
	r.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (r.fd < 0)
		die("record.so: cannot create RECORD_FILE\n");
	recording = true;
}

__attribute__((destructor))
static void end(void)
{
	pthread_mutex_lock(&lock);
	flush();
	recording = false;
	pthread_mutex_unlock(&lock);
}
