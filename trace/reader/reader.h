/* SPDX-License-Identifier: ISC */
/*
 * trace/reader/reader.h - read Go execution traces, of gort or of Go.
 *
 * Versions 1.22, 1.23, 1.25 and 1.26 of the format; there is no 1.24.  Events
 * come in the order in which Go's reader gives them, with the times it gives
 * them, and a file is accepted if Go's reader accepts it.
 *
 *	struct tracefile *tf;
 *	struct tracefile_event ev;
 *
 *	err = gort_tracefile_open_file(&tf, "trace.out", TRACEFILE_STRICT);
 *	while ((st = gort_tracefile_next(tf, &ev)) == TRACEFILE_EVENT)
 *		...
 *	if (st < 0)
 *		puts(gort_tracefile_error(tf)->text);
 *	gort_tracefile_close(tf);
 *
 * Nothing in a file is trusted.  Time is linear in its size; memory is a
 * small part of it for most files, and for files made to need much at most
 * 50 bytes per byte of the file.
 *
 * Context: plain threads, not goroutines: this code checks no stack and needs
 * no runtime.  A reader belongs to one thread at a time.
 *
 * Where it differs from Go's reader, see order.c and frontier.c.
 */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACEFILE_NONE		INT64_C(-1)	/* no thread, proc, goroutine */
#define TRACEFILE_NO_TASK	UINT64_MAX
#define TRACEFILE_MAX_FRAMES	128

/* Flags of gort_tracefile_open() */
#define TRACEFILE_STRICT	1u	/* also the rules by which Go tests its
					 * own traces: validate.c */
#define TRACEFILE_TAIL		2u	/* accept a broken end after at least
					 * one complete generation */
#define TRACEFILE_ALLOCFREE	4u	/* spans and objects of the experiment
					 * must make sense: of a trace of which
					 * none were skipped; allocfree.c */

/* What gort_tracefile_next() returns, besides -errno */
enum tracefile_status {
	TRACEFILE_END,		/* all of it was read */
	TRACEFILE_EVENT,	/* one event */
	TRACEFILE_BROKEN_TAIL,	/* the complete generations were read */
};

enum tracefile_kind {
	TRACEFILE_BAD,
	TRACEFILE_SYNC,		/* a generation begins, or the trace ends */
	TRACEFILE_METRIC,
	TRACEFILE_LABEL,
	TRACEFILE_SAMPLE,	/* of the CPU profiler */
	TRACEFILE_RANGE_BEGIN,
	TRACEFILE_RANGE_ACTIVE,	/* has begun before */
	TRACEFILE_RANGE_END,
	TRACEFILE_TASK_BEGIN,
	TRACEFILE_TASK_END,
	TRACEFILE_REGION_BEGIN,
	TRACEFILE_REGION_END,
	TRACEFILE_LOG,
	TRACEFILE_TRANSITION,	/* of a goroutine or proc */
	TRACEFILE_EXPERIMENTAL,
	TRACEFILE_KINDS
};

enum tracefile_resource {
	TRACEFILE_NO_RESOURCE,
	TRACEFILE_GOROUTINE,
	TRACEFILE_PROC,
};

enum tracefile_go_state {
	TRACEFILE_GO_UNDETERMINED,
	TRACEFILE_GO_NOT_EXIST,
	TRACEFILE_GO_RUNNABLE,
	TRACEFILE_GO_RUNNING,
	TRACEFILE_GO_WAITING,
	TRACEFILE_GO_SYSCALL,
};

enum tracefile_proc_state {
	TRACEFILE_PROC_UNDETERMINED,
	TRACEFILE_PROC_NOT_EXIST,
	TRACEFILE_PROC_RUNNING,
	TRACEFILE_PROC_IDLE,
};

/* What the bytes of the file say an event is. */
enum tracefile_type {
	TF_NONE,
	TF_EVENT_BATCH,
	TF_STACKS,
	TF_STACK,
	TF_STRINGS,
	TF_STRING,
	TF_CPU_SAMPLES,
	TF_CPU_SAMPLE,
	TF_FREQUENCY,
	TF_PROCS_CHANGE,
	TF_PROC_START,
	TF_PROC_STOP,
	TF_PROC_STEAL,
	TF_PROC_STATUS,
	TF_GO_CREATE,
	TF_GO_CREATE_SYSCALL,
	TF_GO_START,
	TF_GO_DESTROY,
	TF_GO_DESTROY_SYSCALL,
	TF_GO_STOP,
	TF_GO_BLOCK,
	TF_GO_UNBLOCK,
	TF_GO_SYSCALL_BEGIN,
	TF_GO_SYSCALL_END,
	TF_GO_SYSCALL_END_BLOCKED,
	TF_GO_STATUS,
	TF_STW_BEGIN,
	TF_STW_END,
	TF_GC_ACTIVE,
	TF_GC_BEGIN,
	TF_GC_END,
	TF_GC_SWEEP_ACTIVE,
	TF_GC_SWEEP_BEGIN,
	TF_GC_SWEEP_END,
	TF_GC_MARK_ASSIST_ACTIVE,
	TF_GC_MARK_ASSIST_BEGIN,
	TF_GC_MARK_ASSIST_END,
	TF_HEAP_ALLOC,
	TF_HEAP_GOAL,
	TF_GO_LABEL,
	TF_USER_TASK_BEGIN,
	TF_USER_TASK_END,
	TF_USER_REGION_BEGIN,
	TF_USER_REGION_END,
	TF_USER_LOG,
	TF_GO_SWITCH,
	TF_GO_SWITCH_DESTROY,
	TF_GO_CREATE_BLOCKED,
	TF_GO_STATUS_STACK,
	TF_EXPERIMENTAL_BATCH,
	TF_SYNC,
	TF_CLOCK_SNAPSHOT,
	TF_END_OF_GENERATION,

	TF_SPAN = 128,
	TF_SPAN_ALLOC,
	TF_SPAN_FREE,
	TF_HEAP_OBJECT,
	TF_HEAP_OBJECT_ALLOC,
	TF_HEAP_OBJECT_FREE,
	TF_GOROUTINE_STACK,
	TF_GOROUTINE_STACK_ALLOC,
	TF_GOROUTINE_STACK_FREE,
	TF_TYPES,

	TF_SYNC_EVENT = 255,	/* made by the reader: kind TRACEFILE_SYNC */
};

/* In the file: not terminated, and any byte may be in it. */
struct tracefile_str {
	const char *p;
	size_t len;
};

struct tracefile;

/*
 * One event.  thread, proc and goroutine are those on which it happened, as
 * they were before it, or TRACEFILE_NONE.
 */
struct tracefile_event {
	int64_t time;		/* ns; rises strictly */
	int64_t thread;
	int64_t proc;
	int64_t goroutine;
	uint64_t gen;		/* number of the generation */
	uint64_t offset;	/* in the file; of made ones that of the cause */
	uint64_t args[4];	/* as in the file, without the time */
	uint64_t stack;		/* of what ran when it happened; 0: none */
	int64_t id;		/* transition: of which ... */
	uint8_t resource;	/* ... enum tracefile_resource */
	uint8_t old_state;	/* enum tracefile_go_state or _proc_state */
	uint8_t new_state;
	uint8_t kind;		/* enum tracefile_kind */
	uint8_t type;		/* enum tracefile_type */
	uint8_t nargs;		/* in the file, of args[] */
	const uint8_t *name;	/* the reader's */
};

/* What the arguments of an event mean.  What is not named is 0. */
struct tracefile_details {
	const char *name;	/* metric, range, experimental event */
	const char *experiment;	/* experimental event */
	struct tracefile_str text; /* label; reason of a transition or of
				 * stopping the world; type of task, region;
				 * category of a log */
	struct tracefile_str message;	/* log */
	int64_t id;		/* label, range, transition: of what; */
	uint8_t resource;	/* enum tracefile_resource */
	uint64_t value;		/* metric; range end of a sweep: bytes swept */
	uint64_t value2;	/* range end of a sweep: bytes reclaimed */
	uint64_t task;		/* task, region, log */
	uint64_t parent;	/* task; TRACEFILE_NO_TASK: none, not known */
	uint64_t stack;		/* transition: of what changes its state */
};

struct tracefile_frame {
	uint64_t pc;
	struct tracefile_str func;
	struct tracefile_str file;
	uint64_t line;		/* 0: unknown */
};

struct tracefile_sync {
	uint64_t n;		/* the how manyth sync of the trace, from 1 */
	bool generation;	/* one begins: what follows is set */
	bool clock;		/* mono and wall are set; 1.25 and later */
	int64_t trace;		/* ns, as the times of events ... */
	uint64_t mono;		/* ... when CLOCK_MONOTONIC was this, in ns */
	int64_t wall_sec;	/* and the time since 1970 this */
	uint32_t wall_nsec;
	size_t batches;		/* for gort_tracefile_batch() */
};

/* What an experiment had to say other than by events. */
struct tracefile_batch {
	uint8_t experiment;	/* 1: AllocFree */
	int64_t thread;
	const void *data;
	size_t len;
};

struct tracefile_error {
	char text[200];		/* what; "" as long as all is well */
	uint64_t offset;	/* where in the file */
	uint64_t gen;		/* in which generation; 0: before the first */
	int64_t thread;		/* whose events; TRACEFILE_NONE: nobody's */
};

/**
 * gort_tracefile_open() - begin to read a trace.
 * @out: set on success, and if the header is bad: then for
 *       gort_tracefile_error() and gort_tracefile_close() only; else NULL
 * @data: the whole file; must stay as it is until gort_tracefile_close()
 * @len: bytes
 * @flags: TRACEFILE_*
 *
 * Returns 0; -EBADMSG: no trace; -EPROTONOSUPPORT: of a version that is not
 * known; -ENOMEM.
 */
int gort_tracefile_open(struct tracefile **out, const void *data, size_t len,
			unsigned int flags);

/**
 * gort_tracefile_open_file() - the same for a file.
 *
 * It is mapped: who truncates it meanwhile kills the process by SIGBUS.
 * Returns also what open(2), fstat(2) and mmap(2) say, with *out NULL.
 */
int gort_tracefile_open_file(struct tracefile **out, const char *path,
			     unsigned int flags);

/**
 * gort_tracefile_close() - forget all.  NULL does nothing.
 */
void gort_tracefile_close(struct tracefile *tf);

/**
 * gort_tracefile_version() - 22, 23, 25 or 26; 0: of an unknown one.
 */
unsigned int gort_tracefile_version(const struct tracefile *tf);

/**
 * gort_tracefile_next() - one event more.
 * @ev: set for TRACEFILE_EVENT only
 *
 * The first event of each generation, and the last of a trace, is one of kind
 * TRACEFILE_SYNC.  Before an error, too, unless it is one of order.
 *
 * Returns enum tracefile_status; -EBADMSG: broken, see gort_tracefile_error();
 * -ENOMEM.  All but TRACEFILE_EVENT are final: they come again.
 */
int gort_tracefile_next(struct tracefile *tf, struct tracefile_event *ev);

/**
 * gort_tracefile_generations() - how many are complete and have been given.
 */
uint64_t gort_tracefile_generations(const struct tracefile *tf);

/**
 * gort_tracefile_error() - what is wrong, after -EBADMSG, -EPROTONOSUPPORT or
 * TRACEFILE_BROKEN_TAIL.  Lives as long as tf.
 */
const struct tracefile_error *
gort_tracefile_error(const struct tracefile *tf);

/*
 * What follows is about an event until the next call of gort_tracefile_next().
 * Strings stay until gort_tracefile_close().
 */

/**
 * gort_tracefile_details() - the arguments by what they mean.
 */
void gort_tracefile_details(const struct tracefile *tf,
			    const struct tracefile_event *ev,
			    struct tracefile_details *out);

/**
 * gort_tracefile_sync() - of an event of kind TRACEFILE_SYNC.
 */
void gort_tracefile_sync(const struct tracefile *tf,
			 const struct tracefile_event *ev,
			 struct tracefile_sync *out);

/**
 * gort_tracefile_batch() - the i-th of this generation, from 0.
 * Returns false if there are fewer.
 */
bool gort_tracefile_batch(const struct tracefile *tf, size_t i,
			  struct tracefile_batch *out);

/**
 * gort_tracefile_stack() - the frames of a stack, innermost first.
 * @stack: from an event or its details
 * Returns how many; 0 for 0.
 */
size_t gort_tracefile_stack(const struct tracefile *tf, uint64_t stack,
			    struct tracefile_frame out[TRACEFILE_MAX_FRAMES]);

/**
 * gort_tracefile_print() - an event as text, in the form of
 * `go tool trace -d=parsed`.  Times of day in UTC.
 */
void gort_tracefile_print(FILE *f, const struct tracefile *tf,
			  const struct tracefile_event *ev);

/* Names of things, as Go calls them; "Bad" for what is none. */
const char *gort_tracefile_kind_name(unsigned int kind);
const char *gort_tracefile_type_name(unsigned int type);
const char *gort_tracefile_state_name(unsigned int resource,
				      unsigned int state);

#endif
