// SPDX-License-Identifier: ISC
/*
 * trace/nonpreempt_env.c - GORTNONPREEMPT=FILE[,threshold=50us][,format=...]
 *
 * Options are looked for from the end: ",name=value" is one, so that a comma
 * alone may be in the name of the file.  What is wrong with it is said to
 * standard error, and the program runs without a profile.
 */
#include <gort/gort.h>
#include <gort/nonpreempt.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "kernel/sched.h"
#include "trace/nonpreempt_event.h"
#include "trace/outfile.h"

static void at_exit(void)
{
	nonpreempt_run_end();
}

static struct outfile out = OUTFILE_INIT("GORTNONPREEMPT", at_exit);

static enum gort_nonpreempt_format format;

static bool parse_format(const char *s)
{
	static const char *const names[] = {
		[GORT_NONPREEMPT_TEXT] = "text",
		[GORT_NONPREEMPT_FOLDED] = "folded",
		[GORT_NONPREEMPT_PPROF] = "pprof",
	};

	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(s, names[i])) {
			format = i;
			return true;
		}
	return false;
}

/* A whole number and its unit, not 0. */
static bool parse_duration(const char *s, u64 *ns)
{
	static const struct {
		const char *name;
		u64 ns;
	} units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 },
		{ "s", 1000000000 },
	};
	u64 n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *s - '0', &n))
			return false;
	for (u32 i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(s, units[i].name))
			return !__builtin_mul_overflow(n, units[i].ns, ns) &&
			       *ns;
	return false;
}

/* The "=" of the last option in path, or NULL. */
static char *last_option(char *path)
{
	char *comma = strrchr(path, ',');
	size_t n = comma ? strspn(comma + 1, "abcdefghijklmnopqrstuvwxyz") : 0;

	return n && comma[1 + n] == '=' ? comma + 1 + n : NULL;
}

/* Cuts the options off; what is wrong with them, or NULL. */
static const char *parse_options(char *path,
				 struct gort_nonpreempt_config *config)
{
	char *value;

	while ((value = last_option(path))) {
		char *name = strrchr(path, ',');

		*value++ = '\0';
		*name++ = '\0';
		if (!strcmp(name, "threshold")) {
			if (!parse_duration(value, &config->threshold_ns))
				return "threshold is a duration such as 50us, in ns, us, ms or s";
			config->actions = GORT_NONPREEMPT_PRINT |
					  GORT_NONPREEMPT_MARK;
		} else if (!strcmp(name, "format")) {
			if (!parse_format(value))
				return "format is text, folded or pprof";
		} else {
			return "unknown option; there are threshold= and format=";
		}
	}
	return NULL;
}

static void start_by_env(const char *env)
{
	struct gort_nonpreempt_config config = { 0 };
	char path[PATH_MAX];
	const char *wrong;
	int err;

	if (strlen(env) >= sizeof(path)) {
		outfile_complain(&out, "cannot profile", -ENAMETOOLONG);
		return;
	}
	format = GORT_NONPREEMPT_TEXT;
	wrong = parse_options(strcpy(path, env), &config);
	if (wrong) {
		outfile_complain(&out, wrong, -EINVAL);
		return;
	}
	if (!outfile_open(&out, path))
		return;
	err = gort_nonpreempt_start(&config);
	if (err)
		outfile_complain(&out, "cannot profile", err);
}

void nonpreempt_run_begin(void)
{
	const char *env = outfile_value(&out);

	if (env)
		start_by_env(env);
}

void nonpreempt_run_end(void)
{
	int err;

	gort_nonpreempt_stop();
	nonpreempt_watch_drain();
	if (out.fd < 0)
		return;
	err = gort_nonpreempt_write(out.fd, format);
	if (err)
		outfile_complain(&out, "the profile is incomplete", err);
	outfile_close(&out);
}
