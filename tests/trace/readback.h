/* SPDX-License-Identifier: ISC */
/*
 * tests/trace/readback.h - traces in files of memory, read by trace/reader as
 * soon as they are written.
 *
 *	struct seen seen;
 *	int fd = trace_file();
 *
 *	... gort_trace_start(fd, NULL) ...
 *	readback(fd, 0, &seen);
 *
 * trace_read() reports, readback() fails the cmocka test.  Context: plain
 * threads, or a system stack.
 */
#ifndef TESTS_TRACE_READBACK_H
#define TESTS_TRACE_READBACK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trace/reader/reader.h"

/* A flag: there may be frames of libraries without debug information. */
#define ANY_FRAMES	(1u << 31)

/* What a trace says, in numbers. */
struct seen {
	int status;		/* of gort_tracefile_next(), or -errno */
	char why[300];		/* what is wrong */
	off_t size;
	unsigned int version;
	uint64_t generations;
	uint64_t events;
	uint64_t tasks, tasks_ended;
	uint64_t regions, regions_ended;
	uint64_t logs;
	uint64_t created, destroyed;		/* goroutines */
	uint64_t in_syscall;			/* into system calls */
	uint64_t steals;
	uint64_t maxprocs;			/* changes, and who tells it */
	uint64_t exists, allocs, frees;		/* stacks */

	/* Set by the caller. */
	void (*each)(const struct tracefile *tf,
		     const struct tracefile_event *ev, void *arg);
	void *arg;
};

/* In memory, and grows. */
static inline int trace_file(void)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	if (fd < 0) {
		perror("memfd_create");
		abort();
	}
	return fd;
}

static inline bool str_is(struct tracefile_str s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.p, text, s.len);
}

static inline void count_transition(struct seen *s,
				    const struct tracefile_event *ev)
{
	if (ev->resource != TRACEFILE_GOROUTINE)
		return;
	s->created += ev->type == TF_GO_CREATE;
	s->destroyed += ev->type == TF_GO_DESTROY;
	s->in_syscall += ev->type == TF_GO_SYSCALL_BEGIN;
}

static inline void count_event(struct seen *s,
			       const struct tracefile_event *ev)
{
	s->events++;
	s->tasks += ev->kind == TRACEFILE_TASK_BEGIN;
	s->tasks_ended += ev->kind == TRACEFILE_TASK_END;
	s->regions += ev->kind == TRACEFILE_REGION_BEGIN;
	s->regions_ended += ev->kind == TRACEFILE_REGION_END;
	s->logs += ev->kind == TRACEFILE_LOG;
	s->steals += ev->type == TF_PROC_STEAL;
	s->maxprocs += ev->type == TF_PROCS_CHANGE;
	s->exists += ev->type == TF_GOROUTINE_STACK;
	s->allocs += ev->type == TF_GOROUTINE_STACK_ALLOC;
	s->frees += ev->type == TF_GOROUTINE_STACK_FREE;
	if (ev->kind == TRACEFILE_TRANSITION)
		count_transition(s, ev);
}

static inline void trace_explain(struct seen *s, const struct tracefile *tf)
{
	const struct tracefile_error *e = gort_tracefile_error(tf);

	snprintf(s->why, sizeof(s->why), "%s, offset %llu of %lld, generation %llu, thread %lld",
		 e->text, (unsigned long long)e->offset, (long long)s->size,
		 (unsigned long long)e->gen, (long long)e->thread);
}

static inline void trace_walk(struct seen *s, const void *data, size_t len,
			      unsigned int flags)
{
	struct tracefile_event ev;
	struct tracefile *tf;

	s->status = gort_tracefile_open(&tf, data, len, flags);
	while (!s->status || s->status == TRACEFILE_EVENT) {
		s->status = gort_tracefile_next(tf, &ev);
		if (s->status != TRACEFILE_EVENT)
			break;
		count_event(s, &ev);
		if (s->each)
			s->each(tf, &ev, s->arg);
	}
	if (!tf)
		return;
	s->version = gort_tracefile_version(tf);
	s->generations = gort_tracefile_generations(tf);
	trace_explain(s, tf);
	gort_tracefile_close(tf);
}

/* A copy for other readers, if somebody wants to look at it. */
static inline void trace_keep(const void *data, size_t len)
{
	const char *dir = getenv("KEEP_TRACES");
	static int n;
	char path[300];
	FILE *f;

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%s-%d-%d.trace", dir,
		 program_invocation_short_name, (int)getpid(), n++);
	f = fopen(path, "w");
	if (!f || fwrite(data, 1, len, f) != len || fclose(f))
		perror(path);
}

/*
 * All of fd, by the rules Go's own traces are tested with.  flags:
 * TRACEFILE_TAIL, ANY_FRAMES.  Is it good?
 */
static inline bool trace_read(int fd, unsigned int flags, struct seen *s)
{
	void *data;

	s->size = lseek(fd, 0, SEEK_END);
	if (s->size <= 0) {
		s->status = -ENODATA;
		snprintf(s->why, sizeof(s->why), "nothing in it");
		return false;
	}
	data = mmap(NULL, (size_t)s->size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		s->status = -errno;
		snprintf(s->why, sizeof(s->why), "mmap: %s", strerror(errno));
		return false;
	}
	trace_keep(data, (size_t)s->size);
	trace_walk(s, data, (size_t)s->size,
		   flags & ANY_FRAMES ? flags & ~ANY_FRAMES :
					flags | TRACEFILE_STRICT);
	munmap(data, (size_t)s->size);
	return s->status == TRACEFILE_END ||
	       ((flags & TRACEFILE_TAIL) && s->status == TRACEFILE_BROKEN_TAIL);
}

#define readback(fd, flags, s) do {					\
	if (!trace_read((fd), (flags), (s)))				\
		fail_msg("status %d: %s", (s)->status, (s)->why);	\
} while (0)

/* One setting more in GORTDEBUG, besides what the mode asks for. */
static inline void debug_add(const char *setting)
{
	const char *now = getenv("GORTDEBUG");
	char buf[600];

	snprintf(buf, sizeof(buf), "%s,%s", now ? now : "", setting);
	setenv("GORTDEBUG", buf, 1);
}

#endif
