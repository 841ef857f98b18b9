/* SPDX-License-Identifier: ISC */
/*
 * trace/format.h - the execution trace format of Go, version 2.
 *
 * Source: internal/trace/tracev2 of Go 1.26, events.go and doc.go.  After a
 * header of 16 bytes a trace is batches, grouped by generation.  A batch is
 * of one thread, and in it each event is a byte, a time relative to the event
 * before, and arguments, all of them LEB128 numbers.
 */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#define TRACE_BATCH_MAX		(64u << 10)
#define TRACE_FRAMES_MAX	128u
#define TRACE_STRING_MAX	1024u
#define TRACE_VARINT_MAX	10u	/* bytes of a 64-bit number */
#define TRACE_HEADER_SIZE	16u
#define TRACE_NO_THREAD		UINT64_MAX

enum trace_event {
	EV_BATCH = 1,		/* gen, m, time, size */
	EV_STACKS,
	EV_STACK,		/* id, n, n * { pc, func, file, line } */
	EV_STRINGS,
	EV_STRING,		/* id, len, bytes */
	EV_CPU_SAMPLES,
	EV_CPU_SAMPLE,		/* time, m, p, g, stack */
	EV_FREQUENCY,		/* units of time per second */
	EV_PROCS_CHANGE,	/* n, stack */
	EV_PROC_START,		/* p, seq */
	EV_PROC_STOP,
	EV_PROC_STEAL,		/* p, seq, m */
	EV_PROC_STATUS,		/* p, status */
	EV_GO_CREATE,		/* g, new stack, stack */
	EV_GO_CREATE_SYSCALL,
	EV_GO_START,		/* g, seq */
	EV_GO_DESTROY,
	EV_GO_DESTROY_SYSCALL,
	EV_GO_STOP,		/* reason, stack */
	EV_GO_BLOCK,		/* reason, stack */
	EV_GO_UNBLOCK,		/* g, seq, stack */
	EV_GO_SYSCALL_BEGIN,	/* p seq, stack */
	EV_GO_SYSCALL_END,
	EV_GO_SYSCALL_END_BLOCKED,
	EV_GO_STATUS,		/* g, m, status */
	EV_STW_BEGIN,		/* why, stack */
	EV_STW_END,
	EV_HEAP_ALLOC = 37,	/* bytes */
	EV_HEAP_GOAL,		/* bytes; 0: none */
	EV_GO_LABEL = 39,	/* label */
	EV_USER_TASK_BEGIN,	/* task, parent, name, stack */
	EV_USER_TASK_END,	/* task, stack */
	EV_USER_REGION_BEGIN,	/* task, name, stack */
	EV_USER_REGION_END,	/* task, name, stack */
	EV_USER_LOG,		/* task, category, message, stack */
	EV_GO_STATUS_STACK = 48, /* g, m, status, stack */
	EV_EXPERIMENTAL_BATCH,	/* experiment, gen, m, time, size */
	EV_SYNC,
	EV_CLOCK_SNAPSHOT,	/* time, monotonic ns, wall s, ns */
	EV_END_OF_GENERATION,

	/* Of the experiment EXP_ALLOC_FREE. */
	EV_SPAN_EXISTS = 128,	/* id, pages, kind and class */
	EV_SPAN_ALLOC,		/* id, pages, kind and class */
	EV_SPAN_FREE,		/* id */
	EV_OBJECT_EXISTS,	/* id, type */
	EV_OBJECT_ALLOC,	/* id, type */
	EV_OBJECT_FREE,		/* id */
	EV_STACK_EXISTS,	/* id, order */
	EV_STACK_ALLOC,		/* id, order */
	EV_STACK_FREE,		/* id */
};

#define EXP_ALLOC_FREE	1

/*
 * These events have no numbers for their order: who has to know, as an address
 * is used again, goes by their times, whatever goroutines do meanwhile.
 *
 * Ids are addresses: what is there at base + id * unit.  Batches of this
 * experiment begin with a byte that says what they are; this one has base and
 * the units of spans, objects and stacks.
 */
#define ALLOC_FREE_INFO		1
#define OBJECT_UNIT		8u
/* The class of a large object is 0.  As in Go: objects without pointers, and
 * bit 0, for other than objects, is not set. */
#define SPAN_KIND(class)	(((class) << 1 | 1) << 1)

enum trace_go_status {
	GO_RUNNABLE = 1,
	GO_RUNNING,
	GO_SYSCALL,
	GO_WAITING,
};

enum trace_proc_status {
	PROC_RUNNING = 1,
	PROC_IDLE,
	PROC_SYSCALL,
	PROC_SYSCALL_ABANDONED,	/* about to be stolen */
};

#endif
