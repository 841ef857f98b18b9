// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_reader.c - the reader of traces, with traces made here.
 *
 * Most are given as text, see build().  That what Go's reader accepts is
 * accepted, and given the same, is test_reader_go.sh.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"
#include "kernel/check.h"
#include "trace/reader/reader.h"

/* --- a writer --- */

#define MAX_BATCH	(64u << 10)

/* A trace as it grows. */
struct out {
	uint8_t *p;
	size_t n, cap;
	unsigned int version;
	uint64_t gen;		/* 0: none has begun */
	uint64_t nclocks;	/* snapshots so far */
	uint8_t batch[MAX_BATCH];
	size_t batch_n;
	bool in_batch;
	uint64_t thread;
};

static struct out out;

static void put_bytes(const void *p, size_t n)
{
	if (out.n + n > out.cap) {
		out.cap = (out.n + n) * 2;
		out.p = realloc(out.p, out.cap);
		assert_non_null(out.p);
	}
	if (n)
		memcpy(out.p + out.n, p, n);
	out.n += n;
}

static void put_byte(unsigned int byte)
{
	uint8_t b = (uint8_t)byte;

	put_bytes(&b, 1);
}

static size_t encode(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

static void put_number(uint64_t v)
{
	uint8_t buf[10];

	put_bytes(buf, encode(buf, v));
}

static void begin(unsigned int version)
{
	char header[20];

	out.n = 0;
	out.version = version;
	out.gen = 0;
	out.nclocks = 0;
	out.in_batch = false;
	snprintf(header, sizeof(header), "go 1.%u trace", version);
	put_bytes(header, 13);
	put_bytes("\0\0", 3);
}

/* A batch of any kind: of an experiment, if that is not 0. */
static void put_batch(unsigned int experiment, uint64_t thread, uint64_t time,
		      const void *data, size_t n)
{
	put_byte(experiment ? TF_EXPERIMENTAL_BATCH : TF_EVENT_BATCH);
	if (experiment)
		put_byte(experiment);
	put_number(out.gen);
	put_number(thread);
	put_number(time);
	put_number(n);
	put_bytes(data, n);
}

static void end_batch(void)
{
	if (out.in_batch)
		put_batch(0, out.thread, 1, out.batch, out.batch_n);
	out.in_batch = false;
}

static void begin_batch(uint64_t thread)
{
	end_batch();
	out.in_batch = true;
	out.thread = thread;
	out.batch_n = 0;
}

static void add_byte(unsigned int byte)
{
	assert_true(out.batch_n < sizeof(out.batch));
	out.batch[out.batch_n++] = (uint8_t)byte;
}

static void add_number(uint64_t v)
{
	assert_true(out.batch_n + 10 <= sizeof(out.batch));
	out.batch_n += encode(out.batch + out.batch_n, v);
}

static void add_string(uint64_t id, const char *s, size_t n)
{
	size_t i;

	add_byte(TF_STRING);
	add_number(id);
	add_number(n);
	for (i = 0; i < n; i++)
		add_byte((uint8_t)s[i]);
}

/* 1 ns is one unit of time stamps.  The trace's clock is at 6, 11, 16 ... */
static void put_clocks(uint64_t mono, uint64_t sec, uint64_t nsec)
{
	begin_batch(UINT64_MAX);
	if (out.version >= 25)
		add_byte(TF_SYNC);
	add_byte(TF_FREQUENCY);
	add_number(1000000000);
	if (out.version >= 25) {
		add_byte(TF_CLOCK_SNAPSHOT);
		add_number(++out.nclocks * 5);
		add_number(mono);
		add_number(sec);
		add_number(nsec);
	}
	end_batch();
}

/* 1 "one", 2 "two", 3 "three", 4 "f.c", 5 "", 6 "one" again, 100 to 199 */
static void put_strings(void)
{
	static const char *const text[] = { "one", "two", "three", "f.c", "",
					    "one" };
	char number[16];
	size_t i;

	begin_batch(UINT64_MAX);
	add_byte(TF_STRINGS);
	for (i = 0; i < 6; i++)
		add_string(i + 1, text[i], strlen(text[i]));
	for (i = 100; i < 200; i++) {
		snprintf(number, sizeof(number), "s%zu", i);
		add_string(i, number, strlen(number));
	}
	end_batch();
}

static void add_frame(uint64_t pc, uint64_t func, uint64_t file, uint64_t line)
{
	add_number(pc);
	add_number(func);
	add_number(file);
	add_number(line);
}

/* 1: one, two; 2: three; 3: nothing, one; 4: three, no function; 9: empty */
static void put_stacks(void)
{
	begin_batch(UINT64_MAX);
	add_byte(TF_STACKS);
	add_byte(TF_STACK);
	add_number(1);
	add_number(2);
	add_frame(0x100, 1, 4, 10);
	add_frame(0x200, 2, 4, 20);
	add_byte(TF_STACK);
	add_number(2);
	add_number(1);
	add_frame(0x300, 3, 4, 30);
	add_byte(TF_STACK);
	add_number(3);
	add_number(2);
	add_frame(0, 0, 0, 0);
	add_frame(0x100, 1, 4, 10);
	add_byte(TF_STACK);
	add_number(4);
	add_number(2);
	add_frame(0x300, 3, 4, 30);
	add_frame(0x400, 5, 4, 30);
	add_byte(TF_STACK);
	add_number(9);
	add_number(0);
	end_batch();
}

static void end_generation(void)
{
	end_batch();
	if (!out.gen)
		return;
	put_strings();
	put_stacks();
	put_clocks(1000 * (out.nclocks + 1), 100 * (out.nclocks + 1), 7);
	if (out.version >= 26)
		put_byte(TF_END_OF_GENERATION);
}

static unsigned int type_of(const char *name)
{
	unsigned int i;

	for (i = 1; i < TF_TYPES; i++)
		if (!strcmp(gort_tracefile_type_name(i), name))
			return i;
	fail_msg("no event %s", name);
	return 0;
}

static uint64_t number_of(const char *word)
{
	return *word == '-' ? (uint64_t)strtoll(word, NULL, 10) :
			      strtoull(word, NULL, 10);
}

/*
 * A trace from words:
 *
 *	#N	generation N begins; N is 1 if none is given
 *	@N	thread N, from time 1 on
 *	+N	the next event is N ns later than the last; else 1
 *	Name	an event; numbers follow, its arguments
 *	!	the tables of this generation, now, and no more of it
 */
static void build_on(const char *text)
{
	char *copy = strdup(text), *save, *w;
	uint64_t dt = 1;

	for (w = strtok_r(copy, " \n;", &save); w;
	     w = strtok_r(NULL, " \n;", &save)) {
		if (*w == '#') {
			end_generation();
			out.gen = number_of(w + 1);
			continue;
		}
		if (!out.gen)
			out.gen = 1;
		if (*w == '@') {
			begin_batch(number_of(w + 1));
		} else if (*w == '+') {
			dt = number_of(w + 1);
		} else if (*w == '-' || (*w >= '0' && *w <= '9')) {
			add_number(number_of(w));
		} else {
			add_byte(type_of(w));
			add_number(dt);
			dt = 1;
		}
	}
	end_generation();
	free(copy);
}

static void build(unsigned int version, const char *text)
{
	begin(version);
	build_on(text);
}

/* --- reading --- */

#define MAX_EVENTS	4096

static struct tracefile *tf;
static struct tracefile_event evs[MAX_EVENTS];
static size_t nevs;

/* All of out: what came last. */
static int read_events(unsigned int flags)
{
	struct tracefile_event ev;
	int rc;

	gort_tracefile_close(tf);
	nevs = 0;
	rc = gort_tracefile_open(&tf, out.p, out.n, flags);
	if (rc)
		return rc;
	while ((rc = gort_tracefile_next(tf, &ev)) == TRACEFILE_EVENT)
		if (nevs < MAX_EVENTS)
			evs[nevs++] = ev;
	assert_int_equal(gort_tracefile_next(tf, &ev), rc);
	return rc;
}

static const char *text_of_error(void)
{
	return gort_tracefile_error(tf)->text;
}

static void expect_error(unsigned int flags, const char *error, const char *from)
{
	int rc = read_events(flags);

	if (rc != -EBADMSG)
		fail_msg("%s: got %d, want the error %s", from, rc, error);
	if (!strstr(text_of_error(), error))
		fail_msg("%s: got the error %s, want %s", from, text_of_error(),
			 error);
}

static void expect_good(unsigned int flags, const char *from)
{
	int rc = read_events(flags);

	if (rc != TRACEFILE_END)
		fail_msg("%s: got %d, %s", from, rc, text_of_error());
}

/* --- rules of order --- */

/* Thread 7 with proc 0, and with goroutine 1. */
#define P0	"@7 ProcStatus 0 1; "
#define G1	P0 "GoStatus 1 7 2; "

/* Another thread that also claims to run goroutine 1, and ends it. */
#define G1_ENDS	" @8 ProcStatus 1 1; GoStatus 1 8 2; +5 GoDestroy; "

static const struct rule {
	const char *text;
	const char *error;
} order_rules[] = {
	/* contexts */
	{ "@-1 GoCreate 2 0 0", "GoCreate without a thread" },
	{ "@7 GoCreate 2 0 0", "GoCreate without a proc" },
	{ P0 "GoStop 1 0", "GoStop without a goroutine" },
	{ P0 "GoBlock 1 0", "GoBlock without a goroutine" },
	{ P0 "GoDestroy", "GoDestroy without a goroutine" },
	{ P0 "ProcsChange 1 0", "ProcsChange without a goroutine" },
	{ P0 "GoLabel 1", "GoLabel without a goroutine" },
	{ P0 "UserLog 1 1 1 0", "UserLog without a goroutine" },
	{ P0 "STWBegin 1 0", "STWBegin without a goroutine" },
	{ P0 "STWEnd", "STWEnd without a goroutine" },
	{ P0 "GCMarkAssistBegin 0", "GCMarkAssistBegin without a goroutine" },
	{ P0 "UserTaskBegin 1 0 1 0", "UserTaskBegin without a goroutine" },
	{ P0 "UserTaskEnd 1 0", "UserTaskEnd without a goroutine" },
	{ P0 "UserRegionBegin 1 1 0", "UserRegionBegin without a goroutine" },
	{ P0 "GoSwitch 1 1", "GoSwitch without a goroutine" },
	{ P0 "GoSyscallBegin 1 0", "GoSyscallBegin without a goroutine" },
	{ P0 "GoSyscallEnd", "GoSyscallEnd without a goroutine" },
	{ "@7 HeapAlloc 5", "HeapAlloc without a proc" },
	{ "@7 HeapGoal 5", "HeapGoal without a proc" },
	{ "@7 GCSweepBegin 0", "GCSweepBegin without a proc" },
	{ "@7 GCSweepEnd 0 0", "GCSweepEnd without a proc" },
	{ "@-1 Span 1 1 1", "Span without a thread" },
	{ "@-1 HeapObjectFree 1", "HeapObjectFree without a thread" },
	{ G1 "GoStatus 2 0 1; GoStart 2 1",
	  "GoStart with a goroutine, number 1" },
	{ "@7 GoStatus 1 7 2; GoCreateSyscall 2",
	  "GoCreateSyscall with a goroutine, number 1" },
	{ "@7 GoStatus 2 0 1; GoStart 2 1", "GoStart without a proc" },
	{ "@-1 ProcStatus 0 2; ProcStart 0 1", "ProcStart without a thread" },
	{ "@-1 ProcStatus 0 4; ProcSteal 0 1 5", "ProcSteal without a thread" },

	/* what runs */
	{ G1 "+100 GoStop 1 0" G1_ENDS,
	  "GoStop of goroutine 1, which does not exist" },
	{ G1 "GoSyscallEnd", "GoSyscallEnd of goroutine 1, whose status is 2" },
	{ P0 "GoStatus 1 7 3; GoStop 1 0",
	  "GoStop of goroutine 1, whose status is 3" },
	{ P0 "GoStatus 1 7 3; GoSyscallBegin 1 0",
	  "GoSyscallBegin of goroutine 1, whose status is 3" },
	{ P0 "GoStatus 1 7 3; GoSwitch 2 1",
	  "GoSwitch of goroutine 1, whose status is 3" },
	{ "@7 GoSyscallEndBlocked", "GoSyscallEndBlocked without a goroutine" },
	{ "@7 GoStatus 1 7 2; GoSyscallEndBlocked",
	  "GoSyscallEndBlocked of goroutine 1, whose status is 2" },
	{ "@7 GoStatus 1 7 2; GoDestroySyscall",
	  "GoDestroySyscall of goroutine 1, whose status is 2" },
	{ "@7 ProcStop", "ProcStop with proc -1, which does not exist" },
	{ "@7 ProcStatus -1 1; ProcStop", "ProcStop without a proc" },

	/* procs */
	{ "@7 ProcStatus 0 5", "ProcStatus of proc 0 is 5" },
	{ "@7 ProcStatus 0 1; ProcStatus 0 2",
	  "ProcStatus of proc 0 is 2 instead of 1" },
	{ "@7 ProcStatus 0 2; ProcStatus 0 4",
	  "ProcStatus of proc 0 is 4 instead of 2" },
	{ "@7 ProcStatus 0 3; ProcStatus 1 1; ProcStatus 0 4",
	  "no thread has proc 0" },
	{ P0 "+100 ProcStop; @8 +5 ProcStatus 0 1; ProcStop",
	  "ProcStop of proc 0, whose status is 2" },
	{ "@7 ProcStatus 0 2; ProcStart 0 2", "ProcStart cannot happen" },
	{ P0 "ProcStart 0 1", "ProcStart cannot happen" },
	{ "@7 ProcStart 0 1", "ProcStart cannot happen" },
	{ P0 "ProcStatus 1 2; ProcStart 1 1", "ProcStart cannot happen" },
	{ P0 "ProcSteal 0 1 7", "ProcSteal cannot happen" },
	{ "@7 ProcStatus 0 3; ProcSteal 0 2 7", "ProcSteal cannot happen" },
	{ "@7 ProcStatus 0 3; ProcStatus 1 3; ProcSteal 0 1 7",
	  "ProcSteal of proc 0, but the thread has 1" },
	{ "@7 ProcStatus 0 3; ProcStatus 1 1; ProcSteal 0 1 99",
	  "ProcSteal from thread 99, which does not exist" },
	{ "@8 ProcStatus 1 1; @7 +9 ProcStatus 0 3; ProcStatus 2 1; "
	  "ProcSteal 0 1 8",
	  "ProcSteal of proc 0 from thread 8, which has 1" },

	/* goroutines */
	{ "@7 GoStatus 1 7 5", "GoStatus of goroutine 1 is 5" },
	{ "@7 GoStatus 1 7 1; GoStatus 1 7 4",
	  "GoStatus of goroutine 1 is 4 instead of 1" },
	{ "#1 @7 GoStatus 1 7 1; #2 @7 GoStatus 2 7 1",
	  "GoStatus of goroutine 2, which does not exist" },
	{ "@7 GoStatus 1 -1 3",
	  "goroutine 1 is in a system call without a thread" },
	{ "#1 @7 GoStatus 1 8 3; #2 @7 GoStatus 1 7 3",
	  "goroutine 1 is in a system call on thread 7, which has -1" },
	{ "@7 GoStatus 1 8 3; GoStatus 2 9 3; GoStatusStack 1 9 3 0",
	  "goroutine 1 is in a system call on thread 9, which has 2" },
	{ P0 "GoStatus 1 7 3; GoCreate 2 0 0",
	  "GoCreate by goroutine 1, whose status is 3" },
	{ G1 "GoCreate 1 0 0", "GoCreate of goroutine 1, which exists" },
	{ G1 "GoCreateBlocked 1 0 0",
	  "GoCreateBlocked of goroutine 1, which exists" },
	{ "@7 GoStatus 1 0 1; GoCreateSyscall 1",
	  "GoCreateSyscall of goroutine 1, which exists" },
	{ P0 "GoStart 1 1", "GoStart cannot happen" },
	{ P0 "GoStatus 1 0 1; GoStart 1 2", "GoStart cannot happen" },
	{ P0 "GoStatus 1 0 4; GoStart 1 1", "GoStart cannot happen" },
	{ "@7 GoUnblock 1 1 0", "GoUnblock cannot happen" },
	{ "@7 GoStatus 1 0 1; GoUnblock 1 1 0", "GoUnblock cannot happen" },
	{ "@7 GoStatus 1 0 4; GoUnblock 1 2 0", "GoUnblock cannot happen" },
	{ G1 "GoStatus 2 0 1; GoSwitch 2 1", "GoSwitch cannot happen" },
	{ G1 "GoStatus 2 0 4; GoSwitchDestroy 2 2",
	  "GoSwitchDestroy cannot happen" },
	{ G1 "GoSwitch 1 1", "GoSwitch cannot happen" },
	{ G1 "+5 GoSwitch 5 1 @8 ProcStatus 1 1; GoStatus 1 8 2; "
	  "+100 GoDestroy",
	  "GoSwitch of goroutine 1, which does not exist" },

	/* system calls */
	{ G1 "GoSyscallBegin 2 0",
	  "GoSyscallBegin with number 2 of proc 0, which is at 0" },
	{ P0 "GoStatus 1 7 3; GoSyscallEnd",
	  "GoSyscallEnd with proc 0, whose status is 1" },
	{ "@7 ProcStatus 0 3; GoStatus 1 7 3; GoSyscallEndBlocked",
	  "GoSyscallEndBlocked cannot happen" },
	{ P0 "GoStatus 1 7 3; GoDestroySyscall",
	  "GoDestroySyscall with proc 0, whose status is 1" },

	/* tasks and regions */
	{ G1 "UserTaskBegin 1 0 1 0; UserTaskBegin 1 0 1 0",
	  "UserTaskBegin of task 1, which has begun" },
	{ G1 "UserTaskBegin 1 0 99 0",
	  "UserTaskBegin with string 99, which is not known" },
	{ G1 "UserRegionBegin 1 99 0",
	  "UserRegionBegin with string 99, which is not known" },
	{ G1 "UserRegionEnd 1 99 0",
	  "UserRegionEnd with string 99, which is not known" },
	{ G1 "UserRegionBegin 1 1 0; UserRegionEnd 2 1 0",
	  "UserRegionEnd of another region than goroutine 1 began last" },
	{ G1 "UserRegionBegin 1 1 0; UserRegionEnd 1 2 0",
	  "UserRegionEnd of another region than goroutine 1 began last" },
	{ G1 "UserRegionBegin 1 1 0; UserRegionBegin 1 2 0; "
	  "UserRegionEnd 1 1 0",
	  "UserRegionEnd of another region than goroutine 1 began last" },
	{ G1 "+100 UserRegionBegin 1 1 0" G1_ENDS,
	  "UserRegionBegin of goroutine 1, which does not exist" },

	/* ranges */
	{ G1 "STWBegin 1 0; STWBegin 1 0",
	  "STWBegin of a range that has begun" },
	{ G1 "GCMarkAssistBegin 0; GCMarkAssistBegin 0",
	  "GCMarkAssistBegin of a range that has begun" },
	{ G1 "STWEnd", "STWEnd of a range that has not begun" },
	{ G1 "STWBegin 1 0; GCMarkAssistEnd",
	  "GCMarkAssistEnd of a range that has not begun" },
	{ G1 "GCMarkAssistBegin 0; GCMarkAssistEnd; GCMarkAssistEnd",
	  "GCMarkAssistEnd of a range that has not begun" },
	{ G1 "GCMarkAssistBegin 0; GCMarkAssistActive 1",
	  "GCMarkAssistActive of a range that has begun" },
	{ "@7 GCMarkAssistActive 1",
	  "GCMarkAssistActive of goroutine 1, which does not exist" },
	{ "#1 @7 GoStatus 1 7 4; #2 @7 GCMarkAssistActive 1",
	  "GCMarkAssistActive of a range that has not begun" },
	{ G1 "+100 STWBegin 1 0" G1_ENDS,
	  "STWBegin of goroutine 1, which does not exist" },
	{ P0 "GCSweepBegin 0; GCSweepBegin 0",
	  "GCSweepBegin of a range that has begun" },
	{ P0 "GCSweepEnd 0 0", "GCSweepEnd of a range that has not begun" },
	{ "@7 GCSweepActive 0", "GCSweepActive of proc 0, which does not exist" },
	{ P0 "GCSweepBegin 0; GCSweepActive 0",
	  "GCSweepActive of a range that has begun" },
	{ "#1 @7 ProcStatus 0 1; #2 @7 GCSweepActive 0",
	  "GCSweepActive of a range that has not begun" },

	/* the collector */
	{ "@7 GCBegin 1 0; GCActive 2",
	  "GCActive after other events of the collector" },
	{ G1 "GCBegin 1 0; GCEnd 2; #2 @7 GCActive 3",
	  "GCActive while the collector is off" },
	{ "#1 @7 GCActive 1; #2 @7 GCActive 2", "GCActive without a proc" },
	{ "#1 @7 GCActive 1; #2 @7 GCActive 3", "GCActive cannot happen" },
	{ "@7 GCBegin 1 0; GCBegin 2 0", "GCBegin while the collector is on" },
	{ "@7 GCBegin 1 0; GCBegin 3 0", "GCBegin cannot happen" },
	{ G1 "GCBegin 1 0; GCEnd 2; @7 GoStop 1 0; GCBegin 3 0",
	  "GCBegin without a goroutine" },
	{ "@7 GCEnd 1", "GCEnd while the collector is off" },
	{ G1 "GCBegin 1 0; GCEnd 2; GCEnd 3",
	  "GCEnd while the collector is off" },
	{ "@7 GCBegin 1 0; GCEnd 2", "GCEnd without a proc" },
	{ "@7 GCBegin 1 0; GCEnd 3", "GCEnd cannot happen" },

	/* what does not belong here */
	{ "@7 ClockSnapshot 1 2 3",
	  "ClockSnapshot does not belong among events" },
	{ G1 "Frequency", "type 8 does not belong among events" },
	{ G1 "GoLabel 99", "GoLabel with string 99, which is not known" },
	{ G1 "GoStop 99 0", "GoStop with string 99, which is not known" },
	{ G1 "UserLog 1 1 99 0", "UserLog with string 99, which is not known" },
	{ G1 "UserLog 1 99 1 0", "UserLog with string 99, which is not known" },
	{ G1 "STWBegin 99 0", "STWBegin with string 99, which is not known" },
	{ G1 "GoStop 1 99", "GoStop with stack 99, which is not known" },
	{ G1 "GoCreate 2 99 0", "GoCreate with stack 99, which is not known" },
	{ G1 "GoCreate 2 0 99", "GoCreate with stack 99, which is not known" },
};

/* Threads that have nothing to do with it: more than are tried in turn. */
static void add_idle_threads(char *to, size_t size, const char *text)
{
	size_t n = 0;
	int i;

	for (i = 0; i < 20; i++)
		n += (size_t)snprintf(to + n, size - n,
				      " @%d +%d GoStatus %d 0 1;", 100 + i,
				      500 + i, 1000 + i);
	snprintf(to + n, size - n, " %s", text);
}

static void test_order_rules(void **state)
{
	static const unsigned int versions[] = { 22, 23, 25, 26 };
	const struct rule *r;
	char crowd[4096];
	size_t i, v;

	(void)state;
	for (i = 0; i < sizeof(order_rules) / sizeof(*order_rules); i++) {
		r = &order_rules[i];
		for (v = 0; v < 4; v++) {
			build(versions[v], r->text);
			expect_error(0, r->error, r->text);
		}
		if (*r->text == '#')
			continue;
		add_idle_threads(crowd, sizeof(crowd), r->text);
		build(23, crowd);
		expect_error(0, r->error, crowd);
	}
}

/* More than a goroutine may have; and the first one that began ends first. */
static void test_many_ranges(void **state)
{
	char text[4096];
	size_t n;
	int i;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), "%s", G1);
	for (i = 0; i < 64; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "STWBegin %d 0; ", 100 + i);
	snprintf(text + n, sizeof(text) - n, "STWEnd; STWEnd; STWBegin 100 0");
	build(23, text);
	expect_good(0, text);
	assert_int_equal(evs[67].args[0], 100);
	assert_int_equal(evs[68].args[0], 163);	/* the last took its place */
	snprintf(text + n, sizeof(text) - n, "GCMarkAssistBegin 0");
	build(23, text);
	expect_error(0, "GCMarkAssistBegin of one range more than 64", text);
}

/* --- what is allowed --- */

static const char *const good[] = {
	"@7",
	G1,
	/* abandoned procs, before and after anybody knew */
	"@7 ProcStatus 0 4; ProcStatus 0 4; ProcSteal 0 1 99",
	"@7 ProcStatus 0 3; GoStatus 1 7 3; @8 +50 ProcStatus 0 4; "
	"ProcSteal 0 1 7; @7 +90 GoSyscallEndBlocked",
	/* C calls in, and is gone before its proc is missed */
	"@7 GoCreateSyscall 4; ProcStatus 0 2; ProcStart 0 1; "
	"GoSyscallEndBlocked; GoStart 4 1; GoSyscallBegin 2 0; "
	"GoDestroySyscall; GoCreateSyscall 4; @8 +50 ProcSteal 0 3 7",
	/* a thread that takes its own proc */
	G1 "GoSyscallBegin 1 0; ProcSteal 0 2 7; GoSyscallEndBlocked",
	/* a number that is used again */
	"#1 " G1 "#2 " G1 "GoDestroy; GoCreate 1 0 0; GoStart 1 1",
	/* the same number for a new task, and one nobody began */
	G1 "UserTaskBegin 1 0 1 0; UserTaskEnd 1 0; UserTaskBegin 1 5 2 0; "
	"UserTaskEnd 1 0; UserTaskEnd 1 0",
	/* regions that began before the trace */
	G1 "UserRegionEnd 1 1 0; UserRegionBegin 0 1 0; UserRegionEnd 0 6 0",
	G1 "GoSwitch 2 1; GoSwitchDestroy 1 1; @9 GoStatus 2 0 4",
	/* events of later generations by a goroutine in a long system call */
	"#1 @7 GoStatus 1 8 3; #2 @7 GoStatus 1 8 3; @8 +9 "
	"GoSyscallEndBlocked",
	"#5 @7 GoStatus 1 0 4; #6 @7 GoStatus 1 0 4; GoUnblock 1 1 0; "
	"GoStatus 1 0 1",
	/* 1.22 may have events of 1.23 */
	G1 "GoCreateBlocked 2 2 1; GoStatusStack 3 0 4 1; Span 1 2 3",
	/* nobody's events */
	"@-1 GoStatus 1 0 4; GoUnblock 1 1 0; ProcStatus 0 2",
	G1 "GCBegin 5 0; GCEnd 6; GCBegin 7 0; #2 @7 GCActive 8; GCEnd 9",
};

/* What no runtime writes, but Go's reader allows. */
static const char *const lenient[] = {
	/* Two threads wait for proc 0, a third one sets it free. */
	"@7 ProcStatus 0 3; GoStatus 1 7 3; +5 GoSyscallEndBlocked; "
	"@9 ProcStatus 0 3; GoStatus 3 9 3; +5 GoSyscallEndBlocked; "
	"@8 ProcStatus 0 3; GoStatus 2 8 3; +50 GoSyscallEnd",
	/* Ranges end with their goroutine. */
	G1 "GCMarkAssistBegin 0; GoDestroy; GoCreate 1 0 0; GoStart 1 1; "
	"GCMarkAssistBegin 0",
};

static void test_good(void **state)
{
	char crowd[4096];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		build(22, good[i]);
		expect_good(TRACEFILE_STRICT, good[i]);
		build(26, good[i]);
		expect_good(TRACEFILE_STRICT, good[i]);
		if (*good[i] == '#')
			continue;
		add_idle_threads(crowd, sizeof(crowd), good[i]);
		build(23, crowd);
		expect_good(TRACEFILE_STRICT, crowd);
	}
	for (i = 0; i < sizeof(lenient) / sizeof(*lenient); i++) {
		build(23, lenient[i]);
		expect_good(0, lenient[i]);
		add_idle_threads(crowd, sizeof(crowd), lenient[i]);
		build(23, crowd);
		expect_good(0, crowd);
	}
}

/* --- validate.c --- */

static const struct rule strict_rules[] = {
	{ "@7 GoStatus 1 7 0", "state of goroutine 1 becomes undetermined" },
	{ "@7 ProcStatus 1 0", "state of proc 1 becomes undetermined" },
	{ G1 "GoStop 1 4", "frame 1 of stack 4, pc 0x400, lacks its function" },
	{ G1 "GoCreate 2 4 0", "frame 1 of stack 4, pc 0x400" },
	{ G1 "GoLabel 5", "empty label" },
	{ G1 "GoLabel 0", "empty label" },
	{ G1 "UserTaskBegin 0 1 1 0", "task 0 begins" },
	{ G1 "UserTaskBegin -1 1 1 0", "task -1 begins" },
	{ G1 "STWBegin 1 0; STWBegin 6 0", "the world is stopped twice" },
	{ G1 "STWBegin 1 0; GoDestroy", "goroutine 1 ends within a range" },
	{ G1 "GoDestroy; GoStatus 1 0 1",
	  "goroutine 1 leaves state 0, but was in 1" },
	{ G1 "GoStatus 2 7 2",
	  "goroutine 2 starts on a thread that runs 1" },
	{ P0 "ProcStatus 1 1", "proc 1 starts on a thread that runs 0" },
	{ "@-1 GoStatus 1 7 2", "number 1 runs without a thread" },
	{ "@-1 ProcStatus 1 1", "number 1 runs without a thread" },
	{ P0 "+100 ProcStatus 2 1; @8 +5 ProcStatus 0 1; ProcStop",
	  "proc 2 starts on a thread that runs 0" },
};

static void test_strict_rules(void **state)
{
	const struct rule *r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(strict_rules) / sizeof(*strict_rules); i++) {
		r = &strict_rules[i];
		build(23, r->text);
		expect_good(0, r->text);
		expect_error(TRACEFILE_STRICT, r->error, r->text);
		/* Never what a broken tail may be. */
		expect_error(TRACEFILE_STRICT | TRACEFILE_TAIL, r->error,
			     r->text);
	}
}

/* In 1.26 a number may come again, which makes a goroutine undetermined. */
static void test_strict_generations(void **state)
{
	(void)state;
	build(26, "#1 @7 GoStatus 1 0 4; #2 @7 GoStatus 1 0 4; "
	      "#1 @7 GoStatus 2 0 4");
	expect_good(0, "first generation twice");
	expect_error(TRACEFILE_STRICT, "state of goroutine 2 is undetermined "
		     "after the first generation", "first generation twice");
	begin(26);
	expect_good(0, "nothing");
	expect_error(TRACEFILE_STRICT, "no clock snapshot", "nothing");
	begin(25);
	out.gen = 1;
	put_batch(0, 1, 0, (const uint8_t[]){ TF_SYNC, TF_FREQUENCY, 1,
		  TF_CLOCK_SNAPSHOT, 0, 1, 1, 1 }, 8);
	expect_good(0, "clock of 0");
	expect_error(TRACEFILE_STRICT, "clock of the trace is 0", "clock of 0");
}

struct clocks {
	uint64_t mono, sec, nsec;
	const char *error;	/* NULL: good */
};

static void test_strict_clocks(void **state)
{
	static const struct clocks clocks[] = {
		{ 1001, 100, 8, NULL },
		{ 1001, 101, 0, NULL },
		{ 1001, 99, 1000000008, NULL },
		{ 1001, 200, (uint64_t)-1, NULL },
		{ 1001, 100, 7, "wall clock does not rise" },
		{ 1001, 99, 1000000007, "wall clock does not rise" },
		{ 1001, 101, (uint64_t)-1000000000, "wall clock does not rise" },
		{ 1001, 0, 0, "wall clock does not rise" },
		{ 1001, (uint64_t)-62135596800, 0, "wall clock is 0" },
		{ 1000, 101, 0, "monotonic clock does not rise" },
		{ 0, 101, 0, "monotonic clock is 0" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		begin(25);
		out.gen = 1;
		put_batch(0, 1, 1, NULL, 0);
		put_clocks(1000, 100, 7);
		out.gen = 2;
		out.nclocks = 0;
		put_batch(0, 1, 99, NULL, 0);
		put_clocks(clocks[i].mono, clocks[i].sec, clocks[i].nsec);
		expect_good(0, "clocks");
		if (clocks[i].error)
			expect_error(TRACEFILE_STRICT, clocks[i].error,
				     clocks[i].error);
		else
			expect_error(TRACEFILE_STRICT, "clock of the trace does "
				     "not rise", "trace clock");
	}
}

/* A batch of raw bytes, in a trace that is good but for it. */
static void build_raw(unsigned int version, uint64_t time, const void *p,
		      size_t n)
{
	begin(version);
	out.gen = 1;
	put_batch(0, 7, time, p, n);
	end_generation();
}

#define RAW(version, ...) do {						\
	static const uint8_t raw_bytes[] = { __VA_ARGS__ };		\
									\
	build_raw(version, 1, raw_bytes, sizeof(raw_bytes));		\
} while (0)

#define MAX_NUMBER 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1

/* After the last nanosecond comes the first one. */
static void test_strict_time(void **state)
{
	static const uint8_t raw[] = {
		TF_PROC_STATUS, 0xff, 7, 0, 2,	/* 1023 */
		TF_PROC_STATUS, 1, 1, 2,
	};

	(void)state;
	build_raw(23, (UINT64_C(1) << 63) - 1024, raw, sizeof(raw));
	expect_good(0, "end of time");
	assert_int_equal(evs[1].time, INT64_MAX);
	assert_int_equal(evs[2].time, INT64_MIN);
	expect_error(TRACEFILE_STRICT, "time does not rise", "end of time");
}

/* --- bytes --- */

static void test_header(void **state)
{
	static const char *const bad[] = {
		"", "g", "go", "go 1.", "go 1.23", "go 1.23 ", "go 1.23 trace",
		"go 1.23 trac", "go1.23 trace", "Go 1.23 trace",
		"go 1.x trace", "go 1.23trace", "go 1.-23 trace",
		"go 1.+23 trace", "go 1.4294967318 trace", "go\n1.23 trace",
		"go 1.99999999999999999999999 trace", "go 1.23\ntrace",
	};
	static const char *const fine[] = {
		"go 1.26 trace", "go  1.26 trace", "go 1.26  \t trace",
		"go 1. 26 trace", "go 1.0026 trace",
	};
	static const char *const unknown[] = {
		"go 1.5 trace", "go 1.11 trace", "go 1.19 trace",
		"go 1.21 trace", "go 1.24 trace", "go 1.27 trace",
		"go 1.0 trace", "go 1.4294967295 trace",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		out.n = 0;
		put_bytes(bad[i], strlen(bad[i]));
		assert_int_equal(read_events(0), -EBADMSG);
		assert_string_equal(text_of_error(), "not a Go execution trace");
		assert_int_equal(gort_tracefile_version(tf), 0);
		if (strcmp(bad[i], "go 1.23 trace") != 0)
			put_bytes("\0\0\0", 3);
		assert_int_equal(read_events(0), -EBADMSG);
	}
	for (i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
		out.n = 0;
		put_bytes(fine[i], strlen(fine[i]));
		put_bytes("\0\0\0", 3);
		expect_good(0, fine[i]);
		assert_int_equal(gort_tracefile_version(tf), 26);
		assert_int_equal(nevs, 1);
	}
	for (i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		out.n = 0;
		put_bytes(unknown[i], strlen(unknown[i]));
		put_bytes("\0\0\0", 3);
		assert_int_equal(read_events(0), -EPROTONOSUPPORT);
		assert_non_null(strstr(text_of_error(), "is not known"));
	}
}

static void test_open_file(void **state)
{
	char path[] = "/tmp/test_reader.XXXXXX";
	int fd = mkstemp(path);
	struct tracefile *t;
	struct tracefile_event ev;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(gort_tracefile_open_file(&t, path, 0), -EBADMSG);
	gort_tracefile_close(t);
	build(26, "");
	assert_int_equal(write(fd, out.p, out.n), out.n);
	close(fd);
	assert_int_equal(gort_tracefile_open_file(&t, path, 0), 0);
	assert_int_equal(gort_tracefile_next(t, &ev), TRACEFILE_EVENT);
	assert_int_equal(ev.kind, TRACEFILE_SYNC);
	assert_int_equal(gort_tracefile_next(t, &ev), TRACEFILE_END);
	gort_tracefile_close(t);
	unlink(path);
	assert_int_equal(gort_tracefile_open_file(&t, path, 0), -ENOENT);
	assert_null(t);
	assert_int_equal(gort_tracefile_open_file(&t, "/", 0), -ENODEV);
	assert_null(t);
	gort_tracefile_close(NULL);
}

static void test_event_bytes(void **state)
{
	(void)state;
	RAW(23, TF_PROC_STATUS, 1, 0);
	expect_error(0, "broken number in ProcStatus", "short");
	RAW(23, TF_PROC_STATUS);
	expect_error(0, "broken number in ProcStatus", "shorter");
	RAW(23, TF_PROC_STATUS, 1, 0x80);
	expect_error(0, "broken number in ProcStatus", "within a number");
	RAW(23, TF_PROC_STATUS, 1, MAX_NUMBER, 1);
	expect_good(0, "largest number");
	RAW(23, TF_PROC_STATUS, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 2, 1);
	expect_error(0, "broken number in ProcStatus", "number of 65 bits");
	RAW(23, TF_PROC_STATUS, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	    0x80, 0x80, 0x80, 0, 1);
	expect_error(0, "broken number in ProcStatus", "number of 11 bytes");
	RAW(23, 0, 1);
	expect_error(0, "type 0 does not belong among events", "none");
	RAW(23, 53, 1);
	expect_error(0, "type 53 does not belong among events", "hole");
	RAW(23, 127, 1);
	expect_error(0, "type 127 does not belong among events", "hole");
	RAW(23, 137, 1);
	expect_error(0, "type 137 does not belong among events", "beyond");
	RAW(23, 255, 1);
	expect_error(0, "type 255 does not belong among events", "beyond");
	assert_int_equal(gort_tracefile_error(tf)->thread, 7);
	assert_int_equal(gort_tracefile_error(tf)->gen, 1);
	assert_int_equal(gort_tracefile_error(tf)->offset, 21);

	/* The event before one that is broken is not given. */
	RAW(23, TF_PROC_STATUS, 1, 0, 1, TF_PROC_STATUS, 1, 1, 2, 0);
	expect_error(0, "type 0 does not belong among events", "the second");
	assert_int_equal(nevs, 2);
}

/* Where Go's reader takes the end of a batch for that of the file. */
static void expect_cut(const char *from)
{
	expect_good(0, from);
	assert_int_equal(nevs, 1);
	assert_int_equal(gort_tracefile_generations(tf), 0);
}

static void test_table_bytes(void **state)
{
	(void)state;
	RAW(23, TF_STRINGS, TF_STACK);
	expect_error(0, "String was expected, not type 3", "strings");
	RAW(23, TF_STRINGS, TF_STRING, 0x80);
	expect_error(0, "broken number", "strings");
	RAW(23, TF_STRINGS, TF_STRING, 77, 0x81, 8);
	expect_error(0, "string of 1025 bytes, at most 1024", "strings");
	RAW(23, TF_STRINGS, TF_STRING, 77, 3, 'a', 'b');
	expect_error(0, "string is longer than its batch", "strings");
	RAW(23, TF_STRINGS, TF_STRING, 77, 0, TF_STRING, 77, 0);
	expect_error(0, "two strings with number 77", "strings");
	RAW(23, TF_STRINGS, TF_STRING, 0, 0);
	expect_error(0, "two strings with number 0", "strings");
	RAW(23, TF_STRINGS, TF_STRING);
	expect_cut("strings");
	RAW(26, TF_STRINGS, TF_STRING, 77);
	expect_cut("strings");

	RAW(23, TF_STACKS, TF_STRING);
	expect_error(0, "Stack was expected, not type 5", "stacks");
	RAW(23, TF_STACKS, TF_STACK, 77, 0x81, 1);
	expect_error(0, "stack of 129 frames, at most 128", "stacks");
	RAW(23, TF_STACKS, TF_STACK, 77, 1, 1, 1, 1);
	expect_error(0, "broken frame of a stack", "stacks");
	RAW(23, TF_STACKS, TF_STACK, 77, 0, TF_STACK, 77, 0);
	expect_error(0, "two stacks with number 77", "stacks");
	RAW(23, TF_STACKS, TF_STACK, 77, 1, 1, 99, 1, 1);
	expect_error(0, "frame with function 99, which is no string", "stacks");
	RAW(23, TF_STACKS, TF_STACK, 77, 1, 1, 1, 99, 1);
	expect_error(0, "frame with file 99, which is no string", "stacks");
	RAW(23, TF_STACKS, TF_STACK);
	expect_cut("stacks");
	RAW(25, TF_STACKS, TF_STACK, 77);
	expect_cut("stacks");

	RAW(23, TF_CPU_SAMPLES, TF_STACK);
	expect_error(0, "CPUSample was expected, not type 3", "samples");
	RAW(23, TF_CPU_SAMPLES, TF_CPU_SAMPLE, 1, 1, 1, 1, 0x80);
	expect_error(0, "broken number", "samples");
	RAW(23, TF_CPU_SAMPLES, TF_CPU_SAMPLE, 1, 1, 1, 1, 99);
	expect_error(0, "CPUSample with stack 99, which is not known",
		     "samples");
	RAW(23, TF_CPU_SAMPLES, TF_CPU_SAMPLE, 1, 1, 1, 1);
	expect_cut("samples");
	RAW(23, TF_CPU_SAMPLES, TF_CPU_SAMPLE);
	expect_cut("samples");

	RAW(23, TF_FREQUENCY, 1);
	expect_error(0, "two frequencies in a generation", "clocks");
	RAW(23, TF_FREQUENCY, 1, TF_STACK);
	expect_error(0, "a frequency or clock snapshot was expected, not type "
		     "3", "clocks");
	RAW(23, TF_FREQUENCY, 1, TF_CLOCK_SNAPSHOT, 1, 1, 1, 1);
	expect_error(0, "was expected, not type 51", "clocks");
	RAW(25, TF_SYNC, TF_CLOCK_SNAPSHOT, 1, 1, 1, 1);
	expect_error(0, "two clock snapshots in a generation", "clocks");
	RAW(25, TF_FREQUENCY, 1);
	expect_error(0, "type 8 does not belong among events", "clocks");
	RAW(23, TF_SYNC);
	expect_error(0, "type 50 does not belong among events", "clocks");
	RAW(23, TF_FREQUENCY);
	expect_cut("clocks");
	RAW(26, TF_SYNC, TF_CLOCK_SNAPSHOT, 1, 1, 1);
	expect_cut("clocks");

	RAW(23, TF_END_OF_GENERATION);
	expect_error(0, "end of generation in version 1.23", "end");
}

/* What stands after a good header. */
static void build_bytes(unsigned int version, const void *p, size_t n)
{
	begin(version);
	put_bytes(p, n);
}

#define BYTES(version, ...) do {					\
	static const uint8_t raw_bytes[] = { __VA_ARGS__ };		\
									\
	build_bytes(version, raw_bytes, sizeof(raw_bytes));		\
} while (0)

static void test_batch_bytes(void **state)
{
	(void)state;
	BYTES(23, TF_STACKS);
	expect_error(0, "a batch was expected, not type 2", "batch");
	assert_int_equal(gort_tracefile_error(tf)->offset, 16);
	assert_int_equal(gort_tracefile_error(tf)->gen, 0);
	assert_int_equal(gort_tracefile_error(tf)->thread, TRACEFILE_NONE);
	BYTES(23, TF_EVENT_BATCH);
	expect_error(0, "broken header of a batch", "batch");
	BYTES(26, TF_EVENT_BATCH, 1, 1, 1);
	expect_error(0, "broken header of a batch", "batch");
	BYTES(23, TF_EXPERIMENTAL_BATCH, 1);
	expect_error(0, "broken header of a batch", "batch");
	BYTES(23, TF_EVENT_BATCH, 1, 1, 1, 0x81, 0x80, 4);
	expect_error(0, "batch of 65537 bytes, at most 65536 are allowed",
		     "batch");
	BYTES(23, TF_EVENT_BATCH, 1, 1, 1, 2, 1);
	expect_error(0, "batch of 2 bytes, the file has 1 more", "batch");
	BYTES(23, TF_EVENT_BATCH, 0, 1, 1, 0);
	expect_error(0, "batch of generation 0", "batch");
	BYTES(26, TF_EVENT_BATCH, 0, 1, 1, 0);
	expect_error(0, "batch of generation 0", "batch");
	BYTES(23, TF_EVENT_BATCH, 5, 1, 1, 0, TF_EVENT_BATCH, 7, 1, 1, 0);
	expect_error(0, "batch of generation 7 within 5", "batch");
	BYTES(26, TF_EVENT_BATCH, 5, 1, 1, 0, TF_EVENT_BATCH, 6, 1, 1, 0);
	expect_error(0, "generation 6 begins before the end of 5", "batch");
	BYTES(26, TF_EVENT_BATCH, 5, 1, 1, 0);
	expect_error(0, "the file ends within a generation", "batch");
	BYTES(23, TF_END_OF_GENERATION);
	expect_error(0, "batch of generation 0", "batch");
	BYTES(26, TF_END_OF_GENERATION);
	expect_error(0, "no frequency in the generation", "batch");
	BYTES(23, TF_EVENT_BATCH, 5, 1, 1, 0);
	expect_error(0, "no frequency in the generation", "batch");
	BYTES(25, TF_EVENT_BATCH, 5, 1, 1, 3, TF_SYNC, TF_FREQUENCY, 1);
	expect_error(0, "no clock snapshot in the generation", "batch");
	BYTES(26, TF_EVENT_BATCH, 5, 1, 1, 3, TF_SYNC, TF_FREQUENCY, 1,
	      TF_END_OF_GENERATION);
	expect_error(0, "no clock snapshot in the generation", "batch");
	begin(23);
	expect_error(0, "no frequency in the generation", "nothing");
	assert_int_equal(nevs, 1);

	/* The end of the generation as a batch of its own. */
	BYTES(26, TF_EVENT_BATCH, 5, 1, 1, 8, TF_SYNC, TF_FREQUENCY, 1,
	      TF_CLOCK_SNAPSHOT, 1, 1, 1, 1,
	      TF_EVENT_BATCH, 5, 1, 1, 1, TF_END_OF_GENERATION);
	expect_good(TRACEFILE_STRICT, "end in a batch");
	/* An experiment with number 0 is none. */
	BYTES(23, TF_EXPERIMENTAL_BATCH, 0, 5, 1, 1, 2, TF_FREQUENCY, 1);
	expect_good(0, "no experiment");
	/* The file ends after the first byte of a batch that may have more. */
	build(23, G1);
	put_byte(TF_EXPERIMENTAL_BATCH);
	expect_good(0, "end in a batch");
	build(26, G1);
	put_byte(TF_EXPERIMENTAL_BATCH);
	expect_good(0, "end in a batch");
}

/* --- what is given --- */

static struct tracefile_details details;
static char *printed;

static void free_printed(void)
{
	free(printed);
	printed = NULL;
}

/* Read on to the n-th event of out, from 0: its details, and as text. */
static void read_to(size_t n)
{
	struct tracefile_event ev;
	size_t len, i;
	FILE *f;

	gort_tracefile_close(tf);
	free_printed();
	assert_int_equal(gort_tracefile_open(&tf, out.p, out.n,
					     TRACEFILE_STRICT), 0);
	for (i = 0; i <= n; i++)
		assert_int_equal(gort_tracefile_next(tf, &ev), TRACEFILE_EVENT);
	gort_tracefile_details(tf, &ev, &details);
	f = open_memstream(&printed, &len);
	assert_non_null(f);
	gort_tracefile_print(f, tf, &ev);
	fclose(f);
}

/* The text of each event after those of G1, but for thread and so on. */
static void expect_text(const char *events, const char *want)
{
	char text[1024];
	const char *kind;

	snprintf(text, sizeof(text), "%s%s", G1, events);
	build(25, text);
	expect_good(TRACEFILE_STRICT, events);
	read_to(nevs - 2);
	kind = strstr(printed, "G=");
	assert_non_null(kind);
	assert_string_equal(strchr(kind, ' ') + 1, want);
}

#define STACK1	"\tone @ 0x100\n\t\tf.c:10\n\ttwo @ 0x200\n\t\tf.c:20\n"
#define STACK2	"\tthree @ 0x300\n\t\tf.c:30\n"

static void test_text(void **state)
{
	(void)state;
	expect_text("", "StateTransition Time=3 GoID=1 Undetermined->Running "
		    "Reason=\"\"\n");
	expect_text("ProcsChange 5 1", "Metric Time=4 Name=\"/sched/gomaxprocs:"
		    "threads\" Value=Value{Uint64(5)}\nStack=\n" STACK1 "\n");
	expect_text("HeapAlloc 6", "Metric Time=4 Name=\"/memory/classes/heap/"
		    "objects:bytes\" Value=Value{Uint64(6)}\n");
	expect_text("HeapGoal 7", "Metric Time=4 Name=\"/gc/heap/goal:bytes\" "
		    "Value=Value{Uint64(7)}\n");
	expect_text("GoLabel 4",
		    "Label Time=4 Label=\"f.c\" Resource=Goroutine(1)\n");
	expect_text("GoCreate 2 2 1", "StateTransition Time=4 GoID=2 "
		    "NotExist->Runnable Reason=\"\"\nTransitionStack=\n" STACK2
		    "\nStack=\n" STACK1 "\n");
	expect_text("GoCreateBlocked 2 0 0", "StateTransition Time=4 GoID=2 "
		    "NotExist->Waiting Reason=\"\"\nTransitionStack=\n\n");
	expect_text("GoStop 3 2", "StateTransition Time=4 GoID=1 "
		    "Running->Runnable Reason=\"three\"\nTransitionStack=\n"
		    STACK2 "\nStack=\n" STACK2 "\n");
	expect_text("GoBlock 2 9", "StateTransition Time=4 GoID=1 "
		    "Running->Waiting Reason=\"two\"\nTransitionStack=\n\n"
		    "Stack=\n\n");
	expect_text("GoSyscallBegin 1 2", "StateTransition Time=4 GoID=1 "
		    "Running->Syscall Reason=\"\"\nTransitionStack=\n" STACK2
		    "\nStack=\n" STACK2 "\n");
	expect_text("ProcStatus 3 2", "StateTransition Time=4 ProcID=3 "
		    "Undetermined->Idle Reason=\"\"\n");
	expect_text("STWBegin 2 0", "RangeBegin Time=4 Name=\"stop-the-world "
		    "(two)\" Scope=Goroutine(1)\n");
	expect_text("STWBegin 2 0; STWEnd", "RangeEnd Time=5 Name=\""
		    "stop-the-world (two)\" Scope=Goroutine(1) Attributes=[]\n");
	expect_text("GCActive 3", "RangeActive Time=4 Name=\"GC concurrent mark "
		    "phase\" Scope=None\n");
	expect_text("GCSweepBegin 0", "RangeBegin Time=4 Name=\"GC incremental "
		    "sweep\" Scope=Proc(0)\n");
	expect_text("GCSweepBegin 0; GCSweepEnd 8 9", "RangeEnd Time=5 "
		    "Name=\"GC incremental sweep\" Scope=Proc(0) Attributes=["
		    "\"bytes swept\"=Value{Uint64(8)} \"bytes reclaimed\"="
		    "Value{Uint64(9)}]\n");
	expect_text("ProcStatus 3 2; GCSweepActive 3", "RangeActive Time=5 "
		    "Name=\"GC incremental sweep\" Scope=Proc(3)\n");
	expect_text("GoStatus 5 0 4; GCMarkAssistActive 5", "RangeActive Time=5 "
		    "Name=\"GC mark assist\" Scope=Goroutine(5)\n");
	expect_text("GCMarkAssistBegin 0; GCMarkAssistEnd", "RangeEnd Time=5 "
		    "Name=\"GC mark assist\" Scope=Goroutine(1) Attributes=[]"
		    "\n");
	expect_text("UserTaskBegin 4 0 1 0", "TaskBegin Time=4 ID=4 "
		    "Parent=18446744073709551615 Type=\"one\"\n");
	expect_text("UserTaskBegin 4 3 1 0; UserTaskEnd 4 0", "TaskEnd Time=5 "
		    "ID=4 Parent=3 Type=\"one\"\n");
	expect_text("UserTaskEnd 4 0", "TaskEnd Time=4 ID=4 "
		    "Parent=18446744073709551615 Type=\"\"\n");
	expect_text("UserRegionBegin 4 2 0",
		    "RegionBegin Time=4 Task=4 Type=\"two\"\n");
	expect_text("UserRegionEnd 4 2 0",
		    "RegionEnd Time=4 Task=4 Type=\"two\"\n");
	expect_text("UserLog 4 2 3 0", "Log Time=4 Task=4 Category=\"two\" "
		    "Message=\"three\"\n");
	expect_text("Span 4 2 3", "Experimental Time=4 Name=Span Args=["
		    "id=Value{Uint64(4)}, npages_value=Value{Uint64(2)}, "
		    "kindclass=Value{Uint64(3)}]\n");
	expect_text("#2", "Sync Time=4 N=2 Trace=11 Mono=2000 "
		    "Wall=1970-01-01T00:03:20.000000007Z\n");
	free_printed();
}

/* A task and a stopped world that end in another generation, whose strings
 * have other numbers. */
static void test_across_generations(void **state)
{
	(void)state;
	build(23, "#1 " G1 "UserTaskBegin 4 3 2 0; STWBegin 1 0; #2 @7 "
	      "UserTaskEnd 4 0; STWEnd");
	read_to(6);
	assert_memory_equal(details.text.p, "two", 3);
	assert_int_equal(details.parent, 3);
	read_to(7);
	assert_int_equal(details.text.len, 3);
	assert_memory_equal(details.text.p, "one", 3);
	free_printed();
}

static void build_string(const char *s, size_t n)
{
	static const uint8_t events[] = {
		TF_PROC_STATUS, 1, 0, 1, TF_GO_STATUS, 1, 1, 7, 2,
		TF_GO_LABEL, 1, 77,
	};

	begin(23);
	out.gen = 1;
	put_batch(0, 7, 1, events, sizeof(events));
	begin_batch(1);
	add_byte(TF_STRINGS);
	add_string(77, s, n);
	end_generation();
}

static void test_quoting(void **state)
{
	static const char *const pairs[][2] = {
		{ "a\"\\b", "\"a\\\"\\\\b\"" },
		{ "\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\"" },
		{ "\x01\x7f", "\"\\x01\\x7f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\x80\xff\xc3", "\"\\x80\\xff\\xc3\"" },
		{ "\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x80\xc1\x81",
		  "\"\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xe0\\x80\\x80\\xc1"
		  "\\x81\"" },
		{ "\xc2\x85", "\"\\u0085\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		build_string(pairs[i][0], strlen(pairs[i][0]));
		read_to(3);
		assert_non_null(strstr(printed, pairs[i][1]));
	}
	build_string("\0", 1);
	read_to(3);
	assert_non_null(strstr(printed, "Label=\"\\x00\" "));
	free_printed();
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(gort_tracefile_kind_name(TRACEFILE_BAD), "Bad");
	assert_string_equal(gort_tracefile_kind_name(TRACEFILE_SYNC), "Sync");
	assert_string_equal(gort_tracefile_kind_name(99), "Bad");
	assert_string_equal(gort_tracefile_type_name(TF_GO_START), "GoStart");
	assert_string_equal(gort_tracefile_type_name(0), "Bad");
	assert_string_equal(gort_tracefile_type_name(100), "Bad");
	assert_string_equal(gort_tracefile_type_name(TF_TYPES), "Bad");
	assert_string_equal(gort_tracefile_state_name(TRACEFILE_GOROUTINE, 5),
			    "Syscall");
	assert_string_equal(gort_tracefile_state_name(TRACEFILE_GOROUTINE, 6),
			    "Bad");
	assert_string_equal(gort_tracefile_state_name(TRACEFILE_PROC, 3),
			    "Idle");
	assert_string_equal(gort_tracefile_state_name(TRACEFILE_PROC, 4), "Bad");
}

static void test_context(void **state)
{
	const struct tracefile_event *ev;

	(void)state;
	build(23, G1 "GoCreate 2 2 1; GoSwitch 3 1; @8 GoStatus 3 0 4");
	expect_good(TRACEFILE_STRICT, "context");
	ev = &evs[1];		/* ProcStatus */
	assert_int_equal(ev->thread, 7);
	assert_int_equal(ev->proc, TRACEFILE_NONE);
	assert_int_equal(ev->goroutine, TRACEFILE_NONE);
	assert_int_equal(ev->resource, TRACEFILE_PROC);
	assert_int_equal(ev->id, 0);
	assert_int_equal(ev->old_state, TRACEFILE_PROC_UNDETERMINED);
	assert_int_equal(ev->new_state, TRACEFILE_PROC_RUNNING);
	assert_int_equal(ev->type, TF_PROC_STATUS);
	assert_int_equal(ev->gen, 1);
	assert_int_equal(ev->offset, 21);
	ev = &evs[nevs - 5];	/* GoCreate */
	assert_int_equal(ev->type, TF_GO_CREATE);
	assert_int_equal(ev->proc, 0);
	assert_int_equal(ev->goroutine, 1);
	assert_int_equal(ev->nargs, 3);
	assert_int_equal(ev->args[1], 2);
	assert_int_equal(ev->stack, 1);
	ev = &evs[nevs - 4];	/* GoSwitch: unblocks, */
	assert_int_equal(ev->type, TF_GO_SWITCH);
	assert_int_equal(ev->goroutine, 1);
	assert_int_equal(ev->id, 3);
	assert_int_equal(ev->new_state, TRACEFILE_GO_RUNNABLE);
	ev++;			/* blocks, */
	assert_int_equal(ev->type, TF_GO_BLOCK);
	assert_int_equal(ev->id, 1);
	assert_int_equal(ev->goroutine, 1);
	assert_int_equal(ev->offset, ev[-1].offset);
	ev++;			/* starts */
	assert_int_equal(ev->type, TF_GO_START);
	assert_int_equal(ev->id, 3);
	assert_int_equal(ev->goroutine, TRACEFILE_NONE);
	assert_int_equal(ev->time, ev[-1].time + 1);
}

/* Earlier ones first; equal times are pulled apart; none is given twice. */
static void test_order(void **state)
{
	size_t i;

	(void)state;
	build(23, "@7 ProcStatus 7 2; +10 ProcStatus 10 2; @8 ProcStatus 8 2; "
	      "+10 ProcStatus 11 2; @9 ProcStatus 9 2;");
	expect_good(TRACEFILE_STRICT, "order");
	assert_int_equal(nevs, 7);
	assert_int_equal(evs[0].time, 1);
	for (i = 1; i < 4; i++)
		assert_int_equal(evs[i].time, i + 1);
	for (i = 4; i < 6; i++)
		assert_int_equal(evs[i].time, i + 8);
	assert_int_equal(evs[6].time, 14);
}

static void add_sample(uint64_t time, uint64_t thread, uint64_t proc, uint64_t g,
		       uint64_t stack)
{
	add_byte(TF_CPU_SAMPLE);
	add_number(time);
	add_number(thread);
	add_number(proc);
	add_number(g);
	add_number(stack);
}

/* Samples in no order, among events at 2 and 12. */
static void test_samples(void **state)
{
	static const uint8_t events[] = {
		TF_PROC_STATUS, 1, 0, 2, TF_PROC_STATUS, 10, 1, 2,
	};
	static const int64_t want[] = { 1, 2, 3, 6, 7, 8, 12, 13, 50 };
	size_t i;

	(void)state;
	begin(23);
	out.gen = 1;
	put_batch(0, 7, 1, events, sizeof(events));
	begin_batch(1);
	add_byte(TF_CPU_SAMPLES);
	add_sample(50, 1, 2, 3, 1);
	add_sample(6, 7, 0, 0, 2);
	add_sample(12, 7, -1, 5, 0);
	add_sample(6, 8, 0, 0, 2);
	add_sample(7, 9, 0, 0, 2);
	add_sample(2, 10, 0, 0, 2);
	end_generation();
	expect_good(TRACEFILE_STRICT, "samples");
	assert_int_equal(nevs, 10);
	for (i = 0; i < 9; i++)
		assert_int_equal(evs[i].time, want[i]);
	assert_int_equal(evs[2].kind, TRACEFILE_SAMPLE);
	assert_int_equal(evs[2].thread, 10);
	assert_int_equal(evs[3].thread, 7);
	assert_int_equal(evs[3].proc, 0);
	assert_int_equal(evs[3].goroutine, TRACEFILE_NONE);
	assert_int_equal(evs[3].stack, 2);
	assert_int_equal(evs[4].thread, 8);	/* as in the file */
	assert_int_equal(evs[6].kind, TRACEFILE_TRANSITION);
	assert_int_equal(evs[7].goroutine, 5);
	assert_int_equal(evs[7].proc, TRACEFILE_NONE);
	assert_int_equal(evs[8].stack, 1);
}

/*
 * Thread 9 waits from 2 to 102 among many: a sample of 50 comes after it, as
 * no time comes before that of the earliest event there is.
 */
static void test_sample_waits(void **state)
{
	static const uint8_t waits[] = { TF_GO_UNBLOCK, 2, 1, 1, 0 };
	static const uint8_t tells[] = { TF_GO_STATUS, 102, 1, 0, 4 };
	static const uint8_t early[] = { TF_PROC_STATUS, 30, 8, 2 };
	static const uint8_t idle[] = { TF_PROC_STATUS, 110, 9, 2 };
	size_t i;

	(void)state;
	begin(23);
	out.gen = 1;
	put_batch(0, 9, 0, waits, sizeof(waits));
	put_batch(0, 8, 0, tells, sizeof(tells));
	put_batch(0, 7, 0, early, sizeof(early));
	for (i = 0; i < 20; i++)
		put_batch(0, 10 + i, i, idle, sizeof(idle));
	begin_batch(1);
	add_byte(TF_CPU_SAMPLES);
	add_sample(50, 1, 0, 0, 0);
	end_generation();
	assert_int_equal(read_events(0), TRACEFILE_END);
	assert_int_equal(evs[1].time, 30);
	assert_int_equal(evs[2].type, TF_GO_STATUS);
	assert_int_equal(evs[2].time, 102);
	assert_int_equal(evs[3].type, TF_GO_UNBLOCK);
	assert_int_equal(evs[3].time, 103);
	assert_int_equal(evs[4].type, TF_CPU_SAMPLE);
	assert_int_equal(evs[4].time, 104);
}

/* Tasks end in another order than they began: none is forgotten, none stays. */
static void test_many_tasks(void **state)
{
	struct tracefile_event ev;
	uint64_t i, id;

	(void)state;
	begin(23);
	out.gen = 1;
	begin_batch(7);
	add_byte(TF_PROC_STATUS);
	add_number(1);
	add_number(0);
	add_number(1);
	add_byte(TF_GO_STATUS);
	add_number(1);
	add_number(1);
	add_number(7);
	add_number(2);
	for (i = 0; i < 1009; i++) {
		add_byte(TF_USER_TASK_BEGIN);
		add_number(1);
		add_number(i * i * i);
		add_number(i + 5000);
		add_number(1);
		add_number(0);
	}
	for (i = 0; i < 2 * 1009; i++) {
		id = i * 7 % 1009;
		add_byte(TF_USER_TASK_END);
		add_number(1);
		add_number(id * id * id);
		add_number(0);
	}
	end_generation();
	gort_tracefile_close(tf);
	assert_int_equal(gort_tracefile_open(&tf, out.p, out.n, 0), 0);
	for (i = 0; gort_tracefile_next(tf, &ev) == TRACEFILE_EVENT;) {
		if (ev.type != TF_USER_TASK_END)
			continue;
		assert_int_equal(ev.args[2], i < 1009 ? i * 7 % 1009 + 5000 :
							TRACEFILE_NO_TASK);
		i++;
	}
	assert_int_equal(i, 2 * 1009);
}

/* Pages of 8192 bytes, objects of 8. */
static const struct { const char *text, *error; } allocfree_rules[] = {
	{ "@7 SpanAlloc 1 2 4; HeapObjectAlloc 1024 0; HeapObjectFree 1024;"
	  "HeapObjectAlloc 2048 0; HeapObjectFree 2048; SpanFree 1;"
	  "SpanAlloc 2 1 4", NULL },
	{ "@7 Span 1 2000 2; HeapObject 1024 0; Span 2 1 4", NULL },
	{ "@7 Span 1 1 4; #2 @7 HeapObjectAlloc 1024 0; #3 @8 SpanFree 1",
	  "span 1 freed with 1 objects" },
	{ "@7 Span 1 1 4; SpanAlloc 1 1 4", "span 1 where span 1 is" },
	{ "@7 Span 1 2 4; SpanAlloc 2 1 4", "span 2 where span 1 is" },
	{ "@7 SpanAlloc 1 0 4", "span 1 with 0 pages" },
	{ "@7 SpanAlloc 1 2000 4", "span 1 with 2000 pages" },
	{ "@7 SpanFree 1", "span 1 freed, which is not there" },
	{ "@7 SpanAlloc 1 2 4; SpanFree 2",
	  "span 2 freed, which is not there" },
	{ "@7 HeapObjectAlloc 5 0", "object 5 in no span" },
	{ "@7 Span 1 1 4; HeapObject 1024 0; HeapObjectAlloc 1024 0",
	  "object 1024 is there already" },
	{ "@7 Span 1 1 4; HeapObjectFree 1024",
	  "object 1024 freed, which is not there" },
};

#define NRULES	(sizeof(allocfree_rules) / sizeof(allocfree_rules[0]))

static void test_allocfree(void **state)
{
	static const uint8_t info[] = { 1, 0, 0x80, 0x40, 8, 0x80, 0x80, 4 };

	(void)state;
	for (size_t i = 0; i < NRULES; i++) {
		const char *error = allocfree_rules[i].error;

		begin(23);
		out.gen = 1;
		put_batch(1, UINT64_MAX, 1, info, sizeof(info));
		build_on(allocfree_rules[i].text);
		assert_int_equal(read_events(0), TRACEFILE_END);
		if (error)
			expect_error(TRACEFILE_ALLOCFREE, error,
				     allocfree_rules[i].text);
		else
			assert_int_equal(read_events(TRACEFILE_ALLOCFREE),
					 TRACEFILE_END);
	}
	build(23, "@7 Span 1 1 4; HeapObject 1024 0");
	expect_error(TRACEFILE_ALLOCFREE, "objects without the size of pages",
		     "no information");
}

static void test_sync(void **state)
{
	struct tracefile_event ev;
	struct tracefile_batch b;
	struct tracefile_sync s;

	(void)state;
	begin(26);
	out.gen = 3;
	put_batch(1, 42, 9, "hello", 5);
	put_batch(200, 43, 9, "", 0);
	end_generation();
	gort_tracefile_close(tf);
	assert_int_equal(gort_tracefile_open(&tf, out.p, out.n, 0), 0);
	assert_int_equal(gort_tracefile_version(tf), 26);
	assert_int_equal(gort_tracefile_next(tf, &ev), TRACEFILE_EVENT);
	gort_tracefile_sync(tf, &ev, &s);
	assert_int_equal(s.n, 1);
	assert_true(s.generation);
	assert_true(s.clock);
	assert_int_equal(s.trace, 6);
	assert_int_equal(s.mono, 1000);
	assert_int_equal(s.wall_sec, 100);
	assert_int_equal(s.wall_nsec, 7);
	assert_int_equal(s.batches, 2);
	assert_true(gort_tracefile_batch(tf, 0, &b));
	assert_int_equal(b.experiment, 1);
	assert_int_equal(b.thread, 42);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "hello", 5);
	assert_true(gort_tracefile_batch(tf, 1, &b));
	assert_int_equal(b.experiment, 200);
	assert_int_equal(b.len, 0);
	assert_false(gort_tracefile_batch(tf, 2, &b));
	assert_int_equal(gort_tracefile_generations(tf), 0);
	assert_int_equal(gort_tracefile_next(tf, &ev), TRACEFILE_EVENT);
	gort_tracefile_sync(tf, &ev, &s);
	assert_int_equal(s.n, 2);
	assert_false(s.generation);
	assert_int_equal(gort_tracefile_generations(tf), 1);
	assert_int_equal(gort_tracefile_next(tf, &ev), TRACEFILE_END);
	gort_tracefile_close(tf);
	tf = NULL;
}

static void test_stacks(void **state)
{
	struct tracefile_frame f[TRACEFILE_MAX_FRAMES];

	(void)state;
	build(23, G1);
	read_to(1);
	assert_int_equal(gort_tracefile_stack(tf, 0, f), 0);
	assert_int_equal(gort_tracefile_stack(tf, 99, f), 0);
	assert_int_equal(gort_tracefile_stack(tf, 9, f), 0);
	assert_int_equal(gort_tracefile_stack(tf, 3, f), 2);
	assert_int_equal(f[0].pc, 0);
	assert_int_equal(f[0].func.len, 0);
	assert_int_equal(f[1].pc, 0x100);
	assert_int_equal(f[1].line, 10);
	assert_int_equal(f[1].file.len, 3);
	assert_memory_equal(f[1].file.p, "f.c", 3);
	free_printed();
}

/* --- broken ends --- */

#define TWO_GENERATIONS \
	"#1 " G1 "GoCreate 2 2 1; #2 @7 ProcStatus 0 1; GoStatus 1 7 2; " \
	"GoStatus 2 7 1; GoStop 1 1; GoStart 2 1;"

/* Cut anywhere: nothing but a clean end, or an error; never a crash. */
static void cut(unsigned int version)
{
	size_t full, second, i;
	bool tail;
	int rc;

	build(version, "#1 " G1 "GoCreate 2 2 1;");
	second = out.n;
	build(version, TWO_GENERATIONS);
	expect_good(TRACEFILE_STRICT, "both");
	assert_int_equal(gort_tracefile_generations(tf), 2);
	full = out.n;
	for (i = 0; i < full; i++) {
		build(version, TWO_GENERATIONS);
		out.n = i;
		rc = read_events(TRACEFILE_TAIL);
		tail = i > second;
		if (i < 16)
			assert_int_equal(rc, -EBADMSG);
		else if (i == second || (version == 26 && i == 16))
			assert_int_equal(rc, TRACEFILE_END);
		else if (i < second && version == 26)
			assert_true(rc == -EBADMSG ||
				    (rc == TRACEFILE_END && nevs == 1));
		else if (tail)
			assert_true(rc == TRACEFILE_BROKEN_TAIL ||
				    rc == TRACEFILE_END);
		if (tail)
			assert_true(gort_tracefile_generations(tf) >= 1);
		if (rc == TRACEFILE_BROKEN_TAIL) {
			assert_true(nevs >= 5);
			assert_int_not_equal(text_of_error()[0], '\0');
			assert_int_equal(read_events(0), -EBADMSG);
		}
	}
}

static void test_cut(void **state)
{
	(void)state;
	cut(22);
	cut(25);
	cut(26);
}

/* The generation before a broken batch is whole if its tables are there. */
static void test_tail(void **state)
{
	(void)state;
	build(23, TWO_GENERATIONS);
	put_byte(99);
	assert_int_equal(read_events(0), -EBADMSG);
	assert_int_equal(gort_tracefile_generations(tf), 2);
	assert_int_equal(read_events(TRACEFILE_TAIL), TRACEFILE_BROKEN_TAIL);
	assert_int_equal(gort_tracefile_generations(tf), 2);
	assert_string_equal(text_of_error(),
			    "a batch was expected, not type 99");
	assert_int_equal(gort_tracefile_error(tf)->offset, out.n - 1);
	assert_int_equal(evs[nevs - 1].kind, TRACEFILE_SYNC);

	/* Order counts, too. */
	build(23, TWO_GENERATIONS "GoStart 2 1");
	assert_int_equal(read_events(TRACEFILE_TAIL), TRACEFILE_BROKEN_TAIL);
	assert_int_equal(gort_tracefile_generations(tf), 1);
	build(23, G1 "GoStart 2 1");
	assert_int_equal(read_events(TRACEFILE_TAIL), -EBADMSG);
}

/* --- a scheduler that writes what it does, with clocks that differ --- */

#define SIM_MS		40
#define SIM_GS		4000	/* a number is used once */
#define SIM_STEPS	20000

struct sim_m {
	int p, g;		/* -1: none */
	bool in_syscall;
	bool in_syscall_p;	/* and has a new proc */
	uint64_t skew, last;
	uint8_t *buf;
	size_t n;
};

struct sim_g {
	enum { SIM_NONE, SIM_RUNNABLE, SIM_RUNNING, SIM_WAITING,
	       SIM_DEAD } state;
	uint64_t seq;
};

static struct sim {
	struct sim_m ms[SIM_MS];
	struct sim_g gs[SIM_GS];
	uint64_t pseq[SIM_MS];
	bool pidle[SIM_MS];
	int nms, ngs;
	uint64_t now, gc_seq, random;
	size_t nevents;
} sim;

static uint32_t sim_random(uint32_t n)
{
	sim.random = sim.random * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(sim.random >> 33) % n;
}

static void sim_event(int mi, unsigned int type, int nargs, uint64_t a,
		      uint64_t b, uint64_t c)
{
	struct sim_m *m = &sim.ms[mi];
	uint64_t ts = sim.now + m->skew, args[3] = { a, b, c };
	int i;

	if (ts < m->last)
		ts = m->last;
	m->buf[m->n++] = (uint8_t)type;
	m->n += encode(m->buf + m->n, ts - m->last);
	for (i = 0; i < nargs; i++)
		m->n += encode(m->buf + m->n, args[i]);
	m->last = ts;
	sim.nevents += type == TF_GO_SWITCH ? 3 : 1;
}

/* A goroutine in this state, from a random one on; -1: none */
static int sim_find_g(int state)
{
	int n = sim.ngs, start = (int)sim_random((uint32_t)n), i, g;

	if (state == SIM_NONE)
		return n < SIM_GS ? sim.ngs++ : -1;
	for (i = 0; i < n; i++) {
		g = (start + i) % n;
		if ((int)sim.gs[g].state == state)
			return g;
	}
	return -1;
}

static void sim_stop(struct sim_m *m, int state)
{
	sim.gs[m->g].state = state;
	m->g = -1;
}

static void sim_unblock(int mi, int g)
{
	sim.gs[g].state = SIM_RUNNABLE;
	sim_event(mi, TF_GO_UNBLOCK, 3, (uint64_t)g + 1, ++sim.gs[g].seq, 0);
}

static void sim_switch(int mi, int to)
{
	struct sim_m *m = &sim.ms[mi];

	sim_event(mi, TF_GO_SWITCH, 2, (uint64_t)to + 1, ++sim.gs[to].seq, 0);
	sim_stop(m, SIM_WAITING);
	m->g = to;
	sim.gs[to].state = SIM_RUNNING;
}

static void sim_create(int mi, int g)
{
	sim.gs[g].state = SIM_RUNNABLE;
	sim.gs[g].seq = 0;
	sim_event(mi, TF_GO_CREATE, 3, (uint64_t)g + 1, 0, 0);
}

static void sim_running(int mi)
{
	struct sim_m *m = &sim.ms[mi];
	int g;

	switch (sim_random(9)) {
	case 0:
		sim_event(mi, TF_GO_STOP, 2, 1, 0, 0);
		sim_stop(m, SIM_RUNNABLE);
		break;
	case 1:
		sim_event(mi, TF_GO_BLOCK, 2, 1, 0, 0);
		sim_stop(m, SIM_WAITING);
		break;
	case 2:
	case 3:
		g = sim_find_g(SIM_WAITING);
		if (g >= 0)
			sim_unblock(mi, g);
		break;
	case 4:
		sim_event(mi, TF_GO_SYSCALL_BEGIN, 2, ++sim.pseq[m->p], 0, 0);
		m->in_syscall = true;
		break;
	case 5:
		g = sim_find_g(SIM_WAITING);
		if (g >= 0)
			sim_switch(mi, g);
		break;
	case 6:
		g = sim_find_g(SIM_NONE);
		if (g >= 0)
			sim_create(mi, g);
		break;
	case 7:
		sim_event(mi, TF_GO_DESTROY, 0, 0, 0, 0);
		sim_stop(m, SIM_DEAD);
		break;
	case 8:
		sim_event(mi, sim.gc_seq % 2 ? TF_GC_END : TF_GC_BEGIN,
			  sim.gc_seq % 2 ? 1 : 2, sim.gc_seq + 1, 0, 0);
		sim.gc_seq++;
		break;
	}
}

/* With a proc and no goroutine. */
static void sim_looking(int mi)
{
	struct sim_m *m = &sim.ms[mi];
	int g = sim_find_g(SIM_RUNNABLE);

	if (g >= 0 && sim_random(8)) {
		sim_event(mi, TF_GO_START, 2, (uint64_t)g + 1, ++sim.gs[g].seq,
			  0);
		sim.gs[g].state = SIM_RUNNING;
		m->g = g;
	} else if (g < 0) {
		g = sim_find_g(SIM_NONE);
		if (g >= 0)
			sim_create(mi, g);
	} else {
		sim_event(mi, TF_PROC_STOP, 0, 0, 0, 0);
		sim.pidle[m->p] = true;
		m->p = -1;
	}
}

static void sim_steal(int mi)
{
	int victim = (int)sim_random((uint32_t)sim.nms), p;
	struct sim_m *v = &sim.ms[victim];

	if (victim == mi || !v->in_syscall || v->in_syscall_p || v->p < 0)
		return;
	p = v->p;
	sim_event(mi, TF_PROC_STEAL, 3, (uint64_t)p, ++sim.pseq[p],
		  (uint64_t)victim + 1);
	sim.pidle[p] = true;
	v->p = -1;
}

static void sim_start_proc(int mi)
{
	int p = (int)sim_random((uint32_t)sim.nms);

	if (!sim.pidle[p])
		return;
	sim_event(mi, TF_PROC_START, 2, (uint64_t)p, ++sim.pseq[p], 0);
	sim.pidle[p] = false;
	sim.ms[mi].p = p;
}

static void sim_step(int mi)
{
	struct sim_m *m = &sim.ms[mi];

	if (!sim_random(5)) {
		sim_steal(mi);
	} else if (m->in_syscall && m->p >= 0 && !m->in_syscall_p) {
		if (sim_random(3))
			return;
		sim_event(mi, TF_GO_SYSCALL_END, 0, 0, 0, 0);
		m->in_syscall = false;
	} else if (m->in_syscall && m->p < 0 && sim_random(2)) {
		sim_start_proc(mi);
		m->in_syscall_p = m->p >= 0;
	} else if (m->in_syscall) {
		m->in_syscall_p = false;
		sim_event(mi, TF_GO_SYSCALL_END_BLOCKED, 0, 0, 0, 0);
		sim_stop(m, SIM_RUNNABLE);
		m->in_syscall = false;
	} else if (m->p < 0) {
		sim_start_proc(mi);
	} else if (m->g < 0) {
		sim_looking(mi);
	} else {
		sim_running(mi);
	}
}

static void sim_init(int nms, uint64_t seed, uint32_t skew)
{
	struct sim_m *m;
	int i;

	memset(&sim, 0, sizeof(sim));
	sim.nms = nms;
	sim.random = seed;
	sim.gc_seq = 1;
	for (i = 0; i < nms; i++) {
		m = &sim.ms[i];
		m->skew = i ? sim_random(skew) + 1 : 0;
		m->buf = malloc(SIM_STEPS * 32);
		m->p = i;
		m->g = -1;
		if (!i)		/* sets the count, so is the first of all */
			sim_event(i, TF_GC_ACTIVE, 1, sim.gc_seq, 0, 0);
		sim_event(i, TF_PROC_STATUS, 2, (uint64_t)i, 1, 0);
	}
	sim.ngs = 100;
	for (i = 0; i < sim.ngs; i++) {
		sim.gs[i].state = SIM_WAITING;
		sim_event(0, TF_GO_STATUS, 3, (uint64_t)i + 1, 0, 4);
	}
}

/* One batch for each thread. */
static void sim_write(void)
{
	struct sim_m *m;
	int i;

	begin(23);
	out.gen = 1;
	for (i = 0; i < sim.nms; i++) {
		m = &sim.ms[i];
		assert_true(m->n <= MAX_BATCH);
		put_batch(0, (uint64_t)i + 1, 0, m->buf, m->n);
		free(m->buf);
	}
	end_generation();
}

static void simulate(int nms, uint64_t seed, uint32_t skew)
{
	struct tracefile_event ev;
	size_t n = 0;
	int i, rc;

	sim_init(nms, seed, skew);
	for (i = 0; i < SIM_STEPS; i++) {
		sim.now += sim_random(5);
		sim_step((int)sim_random((uint32_t)nms));
	}
	sim_write();
	gort_tracefile_close(tf);
	assert_int_equal(gort_tracefile_open(&tf, out.p, out.n,
					     TRACEFILE_STRICT), 0);
	while ((rc = gort_tracefile_next(tf, &ev)) == TRACEFILE_EVENT)
		n++;
	if (rc != TRACEFILE_END)
		fail_msg("seed %" PRIu64 " with %d threads: %s", seed, nms,
			 text_of_error());
	assert_int_equal(n, sim.nevents + 2);
}

static void test_simulated(void **state)
{
	uint64_t seed;
	int n = mode_times(20);

	(void)state;
	for (seed = 1; seed <= (uint64_t)n; seed++) {
		simulate(5, seed, 1);
		simulate(12, seed, 100);
		simulate(13, seed, 100);
		simulate(SIM_MS, seed, 2);
		simulate(SIM_MS, seed, 1000);
		simulate(SIM_MS, seed, 100000);
	}
}

/* --- traces made to cost --- */

#define COST_SIZE	(4u << 20)

/* Each of very many threads waits; n is a multiple of the generation. */
static void cost_waiters(size_t n)
{
	uint8_t ev[32];
	size_t i, len;

	for (i = 0; out.n < n; i++) {
		len = 0;
		ev[len++] = TF_GO_START;
		ev[len++] = 1;
		len += encode(ev + len, i % 2 ? 1 : i + 2);
		len += encode(ev + len, i % 2 ? 3 : i);
		put_batch(0, i + 100, 0, ev, len);
	}
}

/* A goroutine starts and stops; nothing anybody waits for comes. */
static void cost_events(size_t n)
{
	static const uint8_t first[] = {
		TF_PROC_STATUS, 9, 0, 1, TF_GO_STATUS, 9, 1, 7, 1,
	};
	static const uint8_t again[] = {
		TF_GO_START, 9, 1, 1, TF_GO_STOP, 9, 1, 0,
		TF_GO_START, 9, 1, 2, TF_GO_STOP, 9, 1, 0,
		TF_GO_STATUS, 9, 1, 7, 1,
	};
	uint8_t batch[sizeof(again) * 1000];
	size_t i;

	for (i = 0; i < 1000; i++)
		memcpy(batch + i * sizeof(again), again, sizeof(again));
	put_batch(0, 7, 9, first, sizeof(first));
	while (out.n < n)
		put_batch(0, 7, 0, batch, sizeof(batch));
}

static void cost_threads(size_t size)
{
	begin(23);
	out.gen = 1;
	cost_waiters(size / 2);
	cost_events(size);
	end_generation();
}

static void cost_empty_batches(size_t size)
{
	begin(23);
	out.gen = 1;
	while (out.n < size)
		put_batch(0, out.n % 2, 0, NULL, 0);
	end_generation();
}

/* One thread more with each: without an event, or with one. */
static void cost_new_threads(size_t size)
{
	static const uint8_t ev[] = { TF_SPAN_FREE, 1, 1 };
	size_t i;

	begin(23);
	out.gen = 1;
	for (i = 0; out.n < size; i++)
		put_batch(0, i, 0, ev, i % 2 ? sizeof(ev) : 0);
	end_generation();
}

static void cost_exp_batches(size_t size)
{
	begin(23);
	out.gen = 1;
	while (out.n < size)
		put_batch(1, 0, 0, NULL, 0);
	end_generation();
}

/* A table whose entries are made by add(i), 20 bytes at most each. */
static void cost_table(size_t size, unsigned int type, void (*add)(size_t i))
{
	size_t i = 0;

	begin(23);
	out.gen = 1;
	while (out.n < size) {
		begin_batch(1);
		add_byte(type);
		while (out.batch_n < MAX_BATCH - 600)
			add(i++);
		end_batch();
	}
	put_clocks(1, 1, 1);
}

static void add_empty_string(size_t i)
{
	add_string(i + 1000, "", 0);
}

static void add_small_stack(size_t i)
{
	add_byte(TF_STACK);
	add_number(i + 1000);
	add_number(1);
	add_frame(i, 0, 0, 0);
}

static void add_small_sample(size_t i)
{
	add_sample(i * 77 % 128, 0, 0, 0, 0);
}

static void cost_strings(size_t size)
{
	cost_table(size, TF_STRINGS, add_empty_string);
}

static void cost_stacks(size_t size)
{
	cost_table(size, TF_STACKS, add_small_stack);
}

static void cost_samples(size_t size)
{
	cost_table(size, TF_CPU_SAMPLES, add_small_sample);
}

static void cost_goroutines(size_t size)
{
	size_t i = 0;

	begin(23);
	out.gen = 1;
	while (out.n < size) {
		begin_batch(1);
		while (out.batch_n < MAX_BATCH - 100) {
			add_byte(TF_GO_STATUS);
			add_number(0);
			add_number(i++);
			add_number(0);
			add_number(4);
		}
		end_batch();
	}
	end_generation();
}

/* A large generation, then many that are as small as can be. */
static void cost_generations(size_t size)
{
	cost_strings(size / 2);
	while (out.n < size) {
		out.gen++;
		put_clocks(1, 1, 1);
	}
}

/* Very many threads, and procs that are said to be abandoned on none. */
static void cost_searches(size_t size)
{
	static const uint8_t again[] = {
		TF_PROC_STATUS, 0, 0, 3, TF_PROC_STATUS, 0, 0, 4,
	};
	uint8_t batch[sizeof(again) * 1000];
	size_t i;

	begin(23);
	out.gen = 1;
	for (i = 0; out.n < size / 2; i++)
		put_batch(0, i + 2, 0, (const uint8_t[]){ TF_SPAN_FREE, 0, 1 },
			  3);
	for (i = 0; i < 1000; i++)
		memcpy(batch + i * sizeof(again), again, sizeof(again));
	while (out.n < size)
		put_batch(0, 1, 0, batch, sizeof(batch));
	end_generation();
}

/* Regions and tasks without an end. */
static void add_begin(size_t i)
{
	add_byte(i % 2 ? TF_USER_REGION_BEGIN : TF_USER_TASK_BEGIN);
	add_number(0);
	add_number(i + 1);
	add_number(i % 2);
	add_number(1);
	if (!(i % 2))
		add_number(0);
}

static void cost_marks(size_t size)
{
	static const uint8_t first[] = {
		TF_PROC_STATUS, 1, 0, 1, TF_GO_STATUS, 1, 1, 7, 2,
	};
	size_t i = 0;

	begin(23);
	out.gen = 1;
	put_batch(0, 7, 0, first, sizeof(first));
	while (out.n < size) {
		begin_batch(7);
		while (out.batch_n < MAX_BATCH - 100)
			add_begin(i++);
		end_batch();
	}
	end_generation();
}

static const struct cost {
	const char *name;
	void (*make)(size_t size);
} costs[] = {
	{ "threads that wait", cost_threads },
	{ "empty batches", cost_empty_batches },
	{ "threads", cost_new_threads },
	{ "experimental batches", cost_exp_batches },
	{ "strings", cost_strings },
	{ "stacks", cost_stacks },
	{ "samples", cost_samples },
	{ "goroutines", cost_goroutines },
	{ "generations", cost_generations },
	{ "searches", cost_searches },
	{ "regions and tasks", cost_marks },
};

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int read_to_end(void)
{
	struct tracefile_event ev;
	int rc;

	gort_tracefile_close(tf);
	rc = gort_tracefile_open(&tf, out.p, out.n, TRACEFILE_STRICT);
	while (!rc || rc == TRACEFILE_EVENT)
		rc = gort_tracefile_next(tf, &ev) ?: -1;
	return rc;
}

/* What takes the square of the size takes minutes. */
static void test_time(void **state)
{
	size_t size = mode_emulated() || mode_sanitized() ? COST_SIZE / 4 :
							    COST_SIZE;
	double t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
		costs[i].make(size);
		t = cpu_seconds();
		read_to_end();
		t = cpu_seconds() - t;
		print_message("%-22s %4.0f ns per byte\n", costs[i].name,
			      t * 1e9 / (double)out.n);
		if (t > 5)
			fail_msg("%s: %.1f s for %zu bytes", costs[i].name, t,
				 out.n);
	}
}

/* As reader.h says: at most 50 bytes per byte of the file. */
static void read_in_bounds(void *arg)
{
	struct rlimit limit;
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	(void)arg;
	CHECK_EQ(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	limit.rlim_cur = pages * (size_t)getpagesize() + (1u << 20) +
			 out.n * 50;
	limit.rlim_max = limit.rlim_cur;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	CHECK_NE(read_to_end(), -ENOMEM);
}

static void test_memory(void **state)
{
	size_t i;

	(void)state;
	if (mode_emulated() || mode_sanitized())
		skip();
	for (i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
		costs[i].make(COST_SIZE);
		child_run(read_in_bounds, NULL);
		print_message("%s\n", costs[i].name);
		child_expect_exit(0);
	}
}

/* --- without memory --- */

static long allocations = -1;	/* until one fails; below 0: none does */

static bool out_of_memory(void)
{
	return allocations >= 0 && !allocations--;
}

/* The linker sends those of the reader here. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	return out_of_memory() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return out_of_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return out_of_memory() ? NULL : __real_realloc(p, n);
}

/* Fail one allocation after the other, until there are none. */
static void fail_each(const char *what)
{
	struct tracefile_event ev;
	struct tracefile *t;
	long n;
	int rc;

	for (n = 0;; n++) {
		allocations = n;
		rc = gort_tracefile_open(&t, out.p, out.n, TRACEFILE_STRICT);
		while (!rc || rc == TRACEFILE_EVENT)
			rc = gort_tracefile_next(t, &ev) ?: 1000;
		gort_tracefile_close(t);
		if (allocations >= 0)
			break;
		if (rc != -ENOMEM)
			fail_msg("%s: got %d when allocation %ld failed", what,
				 rc, n);
	}
	allocations = -1;
	assert_true(n > 3);
}

static void test_no_memory(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
		costs[i].make(1u << 13);
		fail_each(costs[i].name);
	}
	simulate(SIM_MS, 1, 1000);
	fail_each("scheduler");
	build(23, G1 "GoStatus 2 99 3; UserTaskBegin 1 1 1 0; STWBegin 1 0; "
	      "GCSweepBegin 0; UserRegionBegin 1 1 0");
	fail_each("states");
}

static int clean_up(void **state)
{
	(void)state;
	gort_tracefile_close(tf);
	free(out.p);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_open_file),
		cmocka_unit_test(test_batch_bytes),
		cmocka_unit_test(test_table_bytes),
		cmocka_unit_test(test_event_bytes),
		cmocka_unit_test(test_order_rules),
		cmocka_unit_test(test_many_ranges),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_strict_rules),
		cmocka_unit_test(test_strict_generations),
		cmocka_unit_test(test_strict_clocks),
		cmocka_unit_test(test_strict_time),
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_sample_waits),
		cmocka_unit_test(test_many_tasks),
		cmocka_unit_test(test_allocfree),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_across_generations),
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_simulated),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_no_memory),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, clean_up);
}
