// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_flame_prog.c - a program with something to draw: burn()
 * uses 100 ms of CPU time while a goroutine waits for it in wait_for_it(),
 * another sleeps in doze() and then in nap(), so that generations of a trace
 * have different stacks, and logs look like those of long sections.
 */
#include <gort/gort.h>
#include <gort/time.h>
#include <gort/trace.h>

#include <stdlib.h>

#include "trace/cpu.h"

static struct gort_waitgroup wg;
static struct gort_chan *chan;

static __attribute__((noinline)) void burn(void)
{
	cpu_use(100000000);
}

static __attribute__((noinline)) void wait_for_it(void)
{
	gort_chan_recv(chan, NULL);
	/* Or the call would be a jump. */
	__asm__ volatile("");
}

static __attribute__((noinline)) void doze(void)
{
	gort_sleep_ns(5000000);
	__asm__ volatile("");
}

static __attribute__((noinline)) void nap(void)
{
	gort_sleep_ns(4000000);
	__asm__ volatile("");
}

static void receiver(void *arg)
{
	(void)arg;
	wait_for_it();
	gort_waitgroup_done(&wg);
}

static void sleeper(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		doze();
	for (i = 0; i < 3; i++)
		nap();
	gort_waitgroup_done(&wg);
}

static __attribute__((noinline)) void log_sections(void)
{
	static const char *const messages[] = {
		"lock SCHED 100.0us", "lock SCHED 50us", "lock HEAP 1.5ms",
		"systemstack <a&b>\"'c 250.0us", "user my own part 1us",
		"user z\x1b[m\xff\xed\xa0\x80\xef\xbf\xbf\xc3\xa9]]> 1us",
		"stw 99ns", "stw 1ns",
		/* No times: */
		"lock", "", "lock SCHED 1", "lock SCHED us", "lock SCHED -1us",
		"lock SCHED 1.us", "lock SCHED 1.2.3us", "lock SCHED 1h",
	};
	size_t i;

	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		gort_trace_log(0, "nonpreempt", messages[i]);
	gort_trace_log(0, "nonpreempted", "lock OTHER 1s");
}

static void first(void *arg)
{
	(void)arg;
	chan = gort_chan_new(0, 0);
	gort_waitgroup_add(&wg, 2);
	if (!chan || gort_go(receiver, NULL) || gort_go(sleeper, NULL))
		abort();
	log_sections();
	burn();
	gort_chan_send(chan, NULL);
	gort_waitgroup_wait(&wg);
	gort_chan_free(chan);
}

int main(void)
{
	return gort_run(first, NULL) ? 1 : 0;
}
