// SPDX-License-Identifier: ISC
/*
 * kernel/debug.c - GORTDEBUG, GORTMAXPROCS and GORTMEMLIMIT.
 */
#include "kernel/debug.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/errno.h"
#include "kernel/print.h"
#include "mm/memstat.h"
#include "mm/stack.h"

static const struct debug defaults = {
	.maxstack = STACK_MAX_DEFAULT,
	.guardregions = 1,
	.tracepushdown = 1,
	.traceadvanceperiod = 1000000000,
};

struct debug debug = {
	.maxstack = STACK_MAX_DEFAULT,
	.guardregions = 1,
	.tracepushdown = 1,
	.traceadvanceperiod = 1000000000,
};

struct option {
	const char *name;
	const char *values;	/* for the error message */
	int (*parse)(const char *value, struct debug *d);
};

/* Decimal digits, then optionally K, M or G.  0 or -EINVAL. */
static int parse_size(const char *s, u64 *out)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &end, 10);
	if (errno)
		return -EINVAL;
	if (!*end)
		return 0;
	unit = strchr(units, *end);
	if (!unit || end[1] || __builtin_mul_overflow(*out,
			(u64)1 << (10 * (unit - units + 1)), out))
		return -EINVAL;
	return 0;
}

static int parse_u32(const char *s, u32 *out, u64 max)
{
	u64 v;

	if (parse_size(s, &v) || v > max)
		return -EINVAL;
	*out = (u32)v;
	return 0;
}

static int opt_asyncpreemptoff(const char *value, struct debug *d)
{
	return parse_u32(value, &d->asyncpreemptoff, 1);
}

static int opt_crash(const char *value, struct debug *d)
{
	return parse_u32(value, &d->crash, 1);
}

static int opt_doublecheckmemstats(const char *value, struct debug *d)
{
	return parse_u32(value, &d->doublecheckmemstats, 1);
}

static int opt_scheddetail(const char *value, struct debug *d)
{
	return parse_u32(value, &d->scheddetail, 1);
}

static int opt_schedtrace(const char *value, struct debug *d)
{
	return parse_u32(value, &d->schedtrace, 3600000);
}

static int opt_guardregions(const char *value, struct debug *d)
{
	return parse_u32(value, &d->guardregions, 1);
}

static int opt_maxguards(const char *value, struct debug *d)
{
	return parse_u32(value, &d->maxguards, UINT32_MAX);
}

static int opt_maxstack(const char *value, struct debug *d)
{
	u64 v;

	if (parse_size(value, &v) || v < stack_class_size(0))
		return -EINVAL;
	d->maxstack = v;
	return 0;
}

static int opt_maymorestack(const char *value, struct debug *d)
{
	if (!strcmp(value, "move"))
		d->maymorestack = MAYMORESTACK_MOVE;
	else if (!strcmp(value, "preempt"))
		d->maymorestack = MAYMORESTACK_PREEMPT;
	else if (!strcmp(value, "0"))
		d->maymorestack = MAYMORESTACK_OFF;
	else
		return -EINVAL;
	return 0;
}

static int opt_heappoison(const char *value, struct debug *d)
{
	return parse_u32(value, &d->heappoison, 1);
}

static int opt_stackpoison(const char *value, struct debug *d)
{
	return parse_u32(value, &d->stackpoison, 1);
}

static int opt_traceadvanceperiod(const char *value, struct debug *d)
{
	return parse_size(value, &d->traceadvanceperiod) ||
	       d->traceadvanceperiod < 1000000 ||
	       d->traceadvanceperiod > (u64)3600 * 1000000000 ? -EINVAL : 0;
}

static int opt_traceallocfree(const char *value, struct debug *d)
{
	return parse_u32(value, &d->traceallocfree, 1);
}

static int opt_tracebuflimit(const char *value, struct debug *d)
{
	return parse_size(value, &d->tracebuflimit) ||
	       d->tracebuflimit < (u64)1 << 20 ? -EINVAL : 0;
}

static int opt_tracecheckstackownership(const char *value, struct debug *d)
{
	return parse_u32(value, &d->tracecheckstackownership, 1);
}

static int opt_tracepushdown(const char *value, struct debug *d)
{
	return parse_u32(value, &d->tracepushdown, 1);
}

static int opt_traceversion(const char *value, struct debug *d)
{
	if (parse_u32(value, &d->traceversion, 26) ||
	    (d->traceversion != 23 && d->traceversion != 26))
		return -EINVAL;
	return 0;
}

static const struct option options[] = {
	{ "asyncpreemptoff", "0 or 1", opt_asyncpreemptoff },
	{ "crash", "0 or 1", opt_crash },
	{ "doublecheckmemstats", "0 or 1", opt_doublecheckmemstats },
	{ "guardregions", "0 or 1", opt_guardregions },
	{ "heappoison", "0 or 1", opt_heappoison },
	{ "maxguards", "a number", opt_maxguards },
	{ "maxstack", "bytes, at least a slot of the smallest class; K, M, G", opt_maxstack },
	{ "maymorestack", "0, move or preempt", opt_maymorestack },
	{ "scheddetail", "0 or 1", opt_scheddetail },
	{ "schedtrace", "milliseconds, at most 3600000; 0: off", opt_schedtrace },
	{ "stackpoison", "0 or 1", opt_stackpoison },
	{ "traceadvanceperiod", "nanoseconds, 1000000 to 3600 s", opt_traceadvanceperiod },
	{ "traceallocfree", "0 or 1", opt_traceallocfree },
	{ "tracebuflimit", "bytes, at least 1M; K, M, G", opt_tracebuflimit },
	{ "tracecheckstackownership", "0 or 1", opt_tracecheckstackownership },
	{ "tracepushdown", "0 or 1", opt_tracepushdown },
	{ "traceversion", "23 or 26", opt_traceversion },
};

static const struct option *find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strlen(options[i].name) == len &&
		    !memcmp(options[i].name, name, len))
			return &options[i];
	return NULL;
}

static __cold int unknown_option(const char *name)
{
	print("gort: GORTDEBUG: unknown setting \"%s\"; there are:", name);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		print(" %s", options[i].name);
	print("\n");
	return -EINVAL;
}

static int parse_one(char *item, struct debug *d)
{
	char *eq = strchr(item, '=');
	const struct option *o;

	if (eq)
		*eq = '\0';
	o = find_option(item, strlen(item));
	if (!o)
		return unknown_option(item);
	if (eq && !o->parse(eq + 1, d))
		return 0;
	print("gort: GORTDEBUG: %s=%s: want %s\n", item, eq ? eq + 1 : "",
	      o->values);
	return -EINVAL;
}

/*
 * debug_parse - read a list of name=value, separated by commas, into d.
 * Returns 0, or -EINVAL after saying why on standard error.
 */
int debug_parse(const char *env, struct debug *d)
{
	char buf[512], *item, *save;

	if (strlen(env) >= sizeof(buf)) {
		print("gort: GORTDEBUG: longer than %d bytes\n",
		      (int)sizeof(buf) - 1);
		return -EINVAL;
	}
	strcpy(buf, env);
	for (item = strtok_r(buf, ",", &save); item;
	     item = strtok_r(NULL, ",", &save)) {
		int err = parse_one(item, d);

		if (err)
			return err;
	}
	return 0;
}

/*
 * debug_parse_memlimit - bytes, as GORTDEBUG's, or as Go's GOMEMLIMIT has
 * them: B, KiB, MiB, GiB, TiB, or off.  0 or -EINVAL.
 */
int debug_parse_memlimit(const char *s, u64 *limit)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t digits = strspn(s, "0123456789");
	char number[24];

	if (!*s || !strcmp(s, "off")) {
		*limit = UINT64_MAX;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(s + digits, units[i]) || digits >= sizeof(number))
			continue;
		memcpy(number, s, digits);
		number[digits] = '\0';
		return parse_size(number, limit) ||
		       __builtin_mul_overflow(*limit, (u64)1 << (10 * i),
					      limit) ? -EINVAL : 0;
	}
	return parse_size(s, limit);
}

/* The environment.  0, or -EINVAL after saying why. */
static int parse_env(struct debug *d, u64 *limit)
{
	const char *env = getenv("GORTDEBUG");
	const char *procs = getenv("GORTMAXPROCS");
	const char *memlimit = getenv("GORTMEMLIMIT");

	*d = defaults;
	if (env && debug_parse(env, d))
		return -EINVAL;
	if (procs && *procs &&
	    (parse_u32(procs, &d->maxprocs, MAXPROCS_LIMIT) || !d->maxprocs)) {
		print("gort: GORTMAXPROCS=%s: want 1 to %d\n", procs,
		      MAXPROCS_LIMIT);
		return -EINVAL;
	}
	if (debug_parse_memlimit(memlimit ? memlimit : "", limit)) {
		print("gort: GORTMEMLIMIT=%s: want bytes, with K, M, G, B, KiB, MiB, GiB or TiB, or off\n",
		      memlimit);
		return -EINVAL;
	}
	return 0;
}

/* Read the environment, for a run.  0, or -EINVAL after saying why. */
int debug_parse_env(void)
{
	struct debug d;
	u64 limit;

	if (parse_env(&d, &limit))
		return -EINVAL;
	atomic_store_explicit(&mem_global.limit, limit, memory_order_relaxed);
	debug = d;
	return 0;
}

/*
 * debug_heappoison - read the environment for the heap, which may be used
 * without a run, or while another thread begins one: so debug stays as it is.
 * A bad value is said, and counts for nothing.
 */
bool debug_heappoison(void)
{
	struct debug d;
	u64 limit;

	if (parse_env(&d, &limit))
		return false;
	atomic_store_explicit(&mem_global.limit, limit, memory_order_relaxed);
	return d.heappoison;
}
