/* SPDX-License-Identifier: ISC */
/*
 * trace/nonpreempt_event.h - single non-preemptible sections: those that took
 * too long, and those that have not ended.
 */
#ifndef TRACE_NONPREEMPT_EVENT_H
#define TRACE_NONPREEMPT_EVENT_H

#include "trace/nonpreempt.h"

/* What sysmon does. */
#define NONPREEMPT_QUEUED	(GORT_NONPREEMPT_PRINT | GORT_NONPREEMPT_CALL)

/* What is to be done with long sections.  Never changes, stays for good. */
struct nonpreempt_actions {
	struct gort_nonpreempt_config config;
	struct nonpreempt_actions *next;
};

/* Of the profile that runs, or ran last; NULL: nothing. */
extern _Atomic(const struct nonpreempt_actions *) nonpreempt_actions;

/* A section, and what is to be done with it. */
struct nonpreempt_event {
	struct gort_nonpreempt_event ev; /* ->what is NULL */
	uintptr_t what;		/* for nonpreempt_what() */
	const struct nonpreempt_actions *actions;
};

/* The next one in the queue; false: it is empty.  One caller at a time. */
bool nonpreempt_event_take(struct nonpreempt_event *out);
bool nonpreempt_event_pending(void);

/* nonpreempt_watch.c: do what is queued, now.  Context: goroutine. */
void nonpreempt_watch_drain(void);

/* May something be done now, by ->per_second?  Context: any. */
bool nonpreempt_event_allowed(const struct nonpreempt_actions *actions);
void nonpreempt_event_suppressed(void);

/* Exceeded and suppressed are 0 again, and nothing was done lately. */
void nonpreempt_event_reset(void);

/* The program dies of e, which is ours to tell of first.  Context: any. */
__cold __noreturn void nonpreempt_event_abort(const struct nonpreempt_event *e);

/*
 * Questions to threads: is mp still in the section that began then, and where?
 * One at a time.
 */
enum nonpreempt_reply {
	NONPREEMPT_NOT_YET,
	NONPREEMPT_FOUND,	/* ->actions is NULL */
	NONPREEMPT_OVER,	/* that section */
	NONPREEMPT_UNABLE,	/* to tell, at that moment */
};

/* False: somebody else asks, or there is no such thread. */
bool nonpreempt_ask(struct m *mp, u64 since);

/* By who asked.  Anything but NOT_YET is the end of it. */
enum nonpreempt_reply nonpreempt_reply(struct nonpreempt_event *out);

/* By who asked, who does not want to know any more.  False: the reply is
 * being written, and has to be taken. */
bool nonpreempt_ask_no_more(void);

/*
 * nonpreempt_guess - what can be told of that section without mp's help.
 * False: it is over.  Context: any.
 */
bool nonpreempt_guess(struct m *mp, u64 since, struct nonpreempt_event *out);

/* The handler of SIGURG on mp's thread, which was interrupted at uc. */
void nonpreempt_interrupted(struct m *mp, const void *uc);

#endif
