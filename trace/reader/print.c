// SPDX-License-Identifier: ISC
/*
 * trace/reader/print.c - events as text, as `go tool trace -d=parsed` does.
 *
 * Strings are quoted as Go quotes them, but for characters beyond ASCII:
 * those Go holds not to be printable are not known here, and stay.
 *
 * A file is locked once for each event.  What most lines consist of, numbers
 * and strings, is not left to fprintf(), which would take most of the time.
 */
#define _GNU_SOURCE		/* fputs_unlocked() */
#include "internal.h"

#include <inttypes.h>
#include <time.h>

static const char *const kind_names[TRACEFILE_KINDS] = {
	[TRACEFILE_SYNC] = "Sync",
	[TRACEFILE_METRIC] = "Metric",
	[TRACEFILE_LABEL] = "Label",
	[TRACEFILE_SAMPLE] = "StackSample",
	[TRACEFILE_RANGE_BEGIN] = "RangeBegin",
	[TRACEFILE_RANGE_ACTIVE] = "RangeActive",
	[TRACEFILE_RANGE_END] = "RangeEnd",
	[TRACEFILE_TASK_BEGIN] = "TaskBegin",
	[TRACEFILE_TASK_END] = "TaskEnd",
	[TRACEFILE_REGION_BEGIN] = "RegionBegin",
	[TRACEFILE_REGION_END] = "RegionEnd",
	[TRACEFILE_LOG] = "Log",
	[TRACEFILE_TRANSITION] = "StateTransition",
	[TRACEFILE_EXPERIMENTAL] = "Experimental",
};

static const char *const go_state_names[] = {
	[TRACEFILE_GO_UNDETERMINED] = "Undetermined",
	[TRACEFILE_GO_NOT_EXIST] = "NotExist",
	[TRACEFILE_GO_RUNNABLE] = "Runnable",
	[TRACEFILE_GO_RUNNING] = "Running",
	[TRACEFILE_GO_WAITING] = "Waiting",
	[TRACEFILE_GO_SYSCALL] = "Syscall",
};

static const char *const proc_state_names[] = {
	[TRACEFILE_PROC_UNDETERMINED] = "Undetermined",
	[TRACEFILE_PROC_NOT_EXIST] = "NotExist",
	[TRACEFILE_PROC_RUNNING] = "Running",
	[TRACEFILE_PROC_IDLE] = "Idle",
};

static const char *name_in(const char *const *names, size_t n, size_t i)
{
	return i < n && names[i] ? names[i] : "Bad";
}

#define NAME_IN(names, i) name_in(names, sizeof(names) / sizeof(*(names)), i)

const char *gort_tracefile_kind_name(unsigned int kind)
{
	return NAME_IN(kind_names, kind);
}

const char *gort_tracefile_type_name(unsigned int type)
{
	if (type >= TF_TYPES || !gort_tracefile_specs[type].name)
		return "Bad";
	return gort_tracefile_specs[type].name;
}

const char *gort_tracefile_state_name(unsigned int resource,
				      unsigned int state)
{
	if (resource == TRACEFILE_GOROUTINE)
		return NAME_IN(go_state_names, state);
	return NAME_IN(proc_state_names, state);
}

/* --- numbers and strings --- */

static void print_const(FILE *f, const char *s)
{
	fputs_unlocked(s, f);
}

static void print_u64(FILE *f, u64 v)
{
	char buf[20], *p = buf + sizeof(buf);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	fwrite_unlocked(p, 1, (size_t)(buf + sizeof(buf) - p), f);
}

static void print_i64(FILE *f, i64 v)
{
	if (v < 0)
		putc_unlocked('-', f);
	print_u64(f, v < 0 ? -(u64)v : (u64)v);
}

static void print_hex(FILE *f, u64 v)
{
	char buf[16], *p = buf + sizeof(buf);

	do {
		*--p = "0123456789abcdef"[v % 16];
		v /= 16;
	} while (v);
	fwrite_unlocked(p, 1, (size_t)(buf + sizeof(buf) - p), f);
}

/* How many bytes of UTF-8 stand at p, of n; 0: broken */
static size_t utf8_length(const u8 *p, size_t n)
{
	size_t len = *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 :
		     *p < 0xf5 ? 4 : 0;
	size_t i;

	if (len > n)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static void print_byte(FILE *f, u8 c)
{
	static const char escapes[] = "a\ab\bf\fn\nr\rt\tv\v\\\\\"\"";
	const char *e;

	for (e = escapes; *e; e += 2) {
		if (c == (u8)e[1]) {
			fprintf(f, "\\%c", e[0]);
			return;
		}
	}
	if (c < 0x20 || c >= 0x7f)
		fprintf(f, "\\x%02x", c);
	else
		putc_unlocked(c, f);
}

/* Those of most texts: they stay as they are. */
static bool is_plain(u8 c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* From U+0080 to U+00a0 nothing can be seen. */
static void print_escaped(FILE *f, struct tracefile_str s)
{
	const u8 *p = (const u8 *)s.p;
	size_t i, n;

	for (i = 0; i < s.len; i += n) {
		for (n = 0; i + n < s.len && is_plain(p[i + n]); n++)
			;
		if (n) {
			fwrite_unlocked(p + i, 1, n, f);
			continue;
		}
		n = utf8_length(p + i, s.len - i);
		if (n == 2 && p[i] == 0xc2 && p[i + 1] <= 0xa0) {
			fprintf(f, "\\u00%02x", p[i + 1]);
		} else if (n) {
			fwrite(p + i, 1, n, f);
		} else {
			n = 1;
			print_byte(f, p[i]);
		}
	}
}

static void print_quoted(FILE *f, struct tracefile_str s)
{
	putc_unlocked('"', f);
	print_escaped(f, s);
	putc_unlocked('"', f);
}

static void print_str(FILE *f, struct tracefile_str s)
{
	fwrite_unlocked(s.p, 1, s.len, f);
}

/* --- parts --- */

static void print_value(FILE *f, u64 v)
{
	fprintf(f, "Value{Uint64(%" PRIu64 ")}", v);
}

static void print_resource(FILE *f, unsigned int resource, i64 id)
{
	if (resource == TRACEFILE_NO_RESOURCE)
		fputs("None", f);
	else
		fprintf(f, "%s(%" PRId64 ")",
			resource == TRACEFILE_PROC ? "Proc" : "Goroutine", id);
}

static void print_stack(FILE *f, const struct tracefile *tf, u64 stack)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(tf, stack, fr), i;

	for (i = 0; i < n; i++) {
		putc_unlocked('\t', f);
		print_str(f, fr[i].func);
		print_const(f, " @ 0x");
		print_hex(f, fr[i].pc);
		print_const(f, "\n\t\t");
		print_str(f, fr[i].file);
		putc_unlocked(':', f);
		print_u64(f, fr[i].line);
		putc_unlocked('\n', f);
	}
}

static void print_range(FILE *f, const struct tracefile_event *ev,
			const struct tracefile_details *d)
{
	fputs(" Name=\"", f);
	fputs(d->name, f);
	if (ev->type == TF_STW_BEGIN || ev->type == TF_STW_END) {
		fputs(" (", f);
		print_escaped(f, d->text);
		putc(')', f);
	}
	fputs("\" Scope=", f);
	print_resource(f, d->resource, d->id);
	if (ev->kind != TRACEFILE_RANGE_END)
		return;
	fputs(" Attributes=[", f);
	if (ev->type == TF_GC_SWEEP_END) {
		fputs("\"bytes swept\"=", f);
		print_value(f, d->value);
		fputs(" \"bytes reclaimed\"=", f);
		print_value(f, d->value2);
	}
	putc(']', f);
}

static void print_experimental(FILE *f, const struct tracefile_event *ev,
			       const struct tracefile_details *d)
{
	const struct spec *spec = &gort_tracefile_specs[ev->type];
	u32 i;

	fprintf(f, " Name=%s Args=[", d->name);
	for (i = 0; i < spec->nargs; i++) {
		fprintf(f, "%s%s=", i ? ", " : "", spec->args[i]);
		print_value(f, ev->args[i]);
	}
	putc(']', f);
}

static void print_wall(FILE *f, const struct tracefile_sync *s)
{
	time_t sec = (time_t)s->wall_sec;
	char frac[16];
	struct tm tm;
	size_t n;

	if (!gmtime_r(&sec, &tm))
		return;
	n = (size_t)snprintf(frac, sizeof(frac), ".%09u", s->wall_nsec);
	while (n && (frac[n - 1] == '0' || frac[n - 1] == '.'))
		frac[--n] = '\0';
	fprintf(f, "%04lld-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900LL,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		frac);
}

static void print_sync(FILE *f, const struct tracefile *tf,
		       const struct tracefile_event *ev)
{
	struct tracefile_sync s;

	gort_tracefile_sync(tf, ev, &s);
	fprintf(f, " N=%" PRIu64, s.n);
	if (!s.clock)
		return;
	fprintf(f, " Trace=%" PRId64 " Mono=%" PRIu64 " Wall=", s.trace,
		s.mono);
	print_wall(f, &s);
}

static void print_transition(FILE *f, const struct tracefile *tf,
			     const struct tracefile_event *ev,
			     const struct tracefile_details *d)
{
	print_const(f, ev->resource == TRACEFILE_PROC ? " ProcID=" : " GoID=");
	print_i64(f, ev->id);
	putc_unlocked(' ', f);
	print_const(f, gort_tracefile_state_name(ev->resource, ev->old_state));
	print_const(f, "->");
	print_const(f, gort_tracefile_state_name(ev->resource, ev->new_state));
	print_const(f, " Reason=");
	print_quoted(f, d->text);
	/* That of a new goroutine stands there even if it is empty. */
	if (d->stack || ev->type == TF_GO_CREATE ||
	    ev->type == TF_GO_CREATE_BLOCKED) {
		print_const(f, "\nTransitionStack=\n");
		print_stack(f, tf, d->stack);
	}
}

static void print_task(FILE *f, const char *id_name,
		       const struct tracefile_event *ev,
		       const struct tracefile_details *d)
{
	fprintf(f, " %s=%" PRIu64, id_name, d->task);
	if (ev->kind == TRACEFILE_TASK_BEGIN || ev->kind == TRACEFILE_TASK_END)
		fprintf(f, " Parent=%" PRIu64, d->parent);
	fputs(ev->kind == TRACEFILE_LOG ? " Category=" : " Type=", f);
	print_quoted(f, d->text);
	if (ev->kind == TRACEFILE_LOG) {
		fputs(" Message=", f);
		print_quoted(f, d->message);
	}
}

static void print_details(FILE *f, const struct tracefile *tf,
			  const struct tracefile_event *ev)
{
	struct tracefile_details d;

	gort_tracefile_details(tf, ev, &d);
	switch (ev->kind) {
	case TRACEFILE_SYNC:
		print_sync(f, tf, ev);
		break;
	case TRACEFILE_METRIC:
		fprintf(f, " Name=\"%s\" Value=", d.name);
		print_value(f, d.value);
		break;
	case TRACEFILE_LABEL:
		fputs(" Label=", f);
		print_quoted(f, d.text);
		fputs(" Resource=", f);
		print_resource(f, d.resource, d.id);
		break;
	case TRACEFILE_RANGE_BEGIN:
	case TRACEFILE_RANGE_ACTIVE:
	case TRACEFILE_RANGE_END:
		print_range(f, ev, &d);
		break;
	case TRACEFILE_TASK_BEGIN:
	case TRACEFILE_TASK_END:
		print_task(f, "ID", ev, &d);
		break;
	case TRACEFILE_REGION_BEGIN:
	case TRACEFILE_REGION_END:
	case TRACEFILE_LOG:
		print_task(f, "Task", ev, &d);
		break;
	case TRACEFILE_TRANSITION:
		print_transition(f, tf, ev, &d);
		break;
	case TRACEFILE_EXPERIMENTAL:
		print_experimental(f, ev, &d);
		break;
	}
}

void gort_tracefile_print(FILE *f, const struct tracefile *tf,
			  const struct tracefile_event *ev)
{
	flockfile(f);
	print_const(f, "M=");
	print_i64(f, ev->thread);
	print_const(f, " P=");
	print_i64(f, ev->proc);
	print_const(f, " G=");
	print_i64(f, ev->goroutine);
	putc_unlocked(' ', f);
	print_const(f, gort_tracefile_kind_name(ev->kind));
	print_const(f, " Time=");
	print_i64(f, ev->time);
	print_details(f, tf, ev);
	if (ev->stack || ev->type == TF_CPU_SAMPLE) {
		print_const(f, "\nStack=\n");
		print_stack(f, tf, ev->stack);
	}
	putc_unlocked('\n', f);
	funlockfile(f);
}
