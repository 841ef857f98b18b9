// SPDX-License-Identifier: ISC
/*
 * trace/user.c - events of the program: tasks, regions, logs.
 *
 * Names are expected to be few and to come again, messages not: those are
 * written at once and kept nowhere.
 */
#include "trace/trace.h"

#include <gort/gort.h>
#include <gort/trace.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Atomic u64 last_task;

/* The M, not preemptible, that may write; NULL: nothing to be done. */
static struct m *user_begin(void)
{
	struct m *mp;

	if (likely(!tracing()) || !in_goroutine())
		return NULL;
	mp = acquirem();
	if (trace_acquire(mp))
		return mp;
	releasem(mp);
	return NULL;
}

static void user_end(struct m *mp)
{
	trace_release(mp);
	releasem(mp);
}

static u32 name_id(struct m *mp, const char *s)
{
	return trace_string_put(mp, s ? s : "");
}

__public uint64_t gort_trace_task_begin(uint64_t parent, const char *name)
{
	u64 task = 1 + atomic_fetch_add_explicit(&last_task, 1,
						 memory_order_relaxed);
	struct m *mp = user_begin();

	if (!mp)
		return task;
	trace_user_event(mp, EV_USER_TASK_BEGIN, 3,
			 (u64[]){ task, parent, name_id(mp, name) });
	user_end(mp);
	return task;
}

__public void gort_trace_task_end(uint64_t task)
{
	struct m *mp = user_begin();

	if (!mp)
		return;
	trace_user_event(mp, EV_USER_TASK_END, 1, (u64[]){ task });
	user_end(mp);
}

static inline __attribute__((always_inline))
void region(uint64_t task, const char *name, u8 type)
{
	struct m *mp = user_begin();

	if (!mp)
		return;
	trace_user_event(mp, type, 2, (u64[]){ task, name_id(mp, name) });
	user_end(mp);
}

__public void gort_trace_region_begin(uint64_t task, const char *name)
{
	region(task, name, EV_USER_REGION_BEGIN);
}

__public void gort_trace_region_end(uint64_t task, const char *name)
{
	region(task, name, EV_USER_REGION_END);
}

static inline __attribute__((always_inline))
void log_message(uint64_t task, const char *category, const char *message,
		 size_t len)
{
	struct m *mp = user_begin();

	if (!mp)
		return;
	trace_user_event(mp, EV_USER_LOG, 3, (u64[]){ task,
			 name_id(mp, category),
			 trace_string_emit(mp, message, len) });
	user_end(mp);
}

__public void gort_trace_log(uint64_t task, const char *category,
			     const char *message)
{
	if (!tracing())
		return;
	if (!message)
		message = "";
	log_message(task, category, message,
		    strnlen(message, TRACE_STRING_MAX));
}

__public void gort_trace_logf(uint64_t task, const char *category,
			      const char *format, ...)
{
	char buf[TRACE_STRING_MAX + 1];
	va_list ap;
	int n;

	if (!tracing() || !in_goroutine())
		return;
	va_start(ap, format);
	n = vsnprintf(buf, sizeof(buf), format, ap);
	va_end(ap);
	log_message(task, category, buf, n < 0 ? 0 : (size_t)n);
}
