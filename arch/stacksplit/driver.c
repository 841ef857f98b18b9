/*
 * arch/stacksplit/driver.c - being `as`.
 *
 * Takes the real assembler's arguments, finds the input, decides whether it
 * is compiler output and for which CPU, and becomes the real assembler with
 * the rewritten text on its standard input.
 *
 * The text is in an unlinked temporary file: nothing is left behind, however
 * the process ends, and exec() hands exit status and signals on unseen.
 * Rejected: a named file and a child to wait for.
 *
 * Invariants:
 *  I1  Input that is not compiler output reaches the assembler unread.
 *  I2  The assembler starts only if everything could be rewritten.
 *  I3  This program never runs itself (GORT_AS_RUNNING).
 */
#define _GNU_SOURCE
#include "stacksplit.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNNING_ENV	"GORT_AS_RUNNING"

#if defined(__aarch64__)
#define HOST_ARCH	(&arch_arm64)
#elif defined(__x86_64__)
#define HOST_ARCH	(&arch_x86_64)
#else
#define HOST_ARCH	NULL
#endif

static const char stdin_name[] = "{standard input}";

enum mode { MODE_ASSEMBLE, MODE_PRINT, MODE_FRAMES };

struct driver {
	enum mode mode;
	char **argv;		/* for the assembler; [0] comes later */
	int argc;
	const char *input;
	int input_at;		/* in argv, or -1 */
	int ninputs;
	bool info;		/* --version and the like */
	const struct arch *arch;
};

/* ---- arguments ---- */

static void arg_add(struct driver *d, char *arg)
{
	d->argv = xrealloc(d->argv, (d->argc + 3) * sizeof(*d->argv));
	d->argv[d->argc++] = arg;
	d->argv[d->argc] = NULL;
}

static bool takes_value(const char *arg)
{
	static const char *const names[] = {
		"-o", "-I", "--defsym", "--MD", "--debug-prefix-map",
		"--listing-lhs-width", "--listing-lhs-width2",
		"--listing-rhs-width", "--listing-cont-lines",
		"--hash-size", "--elf-stt-common", "--multibyte-handling",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(arg, names[i]))
			return true;
	return false;
}

static bool is_info(const char *arg)
{
	return !strcmp(arg, "--version") || !strcmp(arg, "-version") ||
	       !strcmp(arg, "--help") || !strcmp(arg, "--target-help") ||
	       !strcmp(arg, "--dump-config");
}

static void parse_target(struct driver *d, const char *arg)
{
	if (!strcmp(arg, "--32") || !strcmp(arg, "--x32") ||
	    !strcmp(arg, "-EB") || !strcmp(arg, "-mabi=ilp32"))
		fatal("'%s': only x86-64 and little-endian arm64 with 64-bit "
		      "pointers have stack checks", arg);
	if (!strcmp(arg, "--64"))
		d->arch = &arch_x86_64;
	if (!strcmp(arg, "-EL") || !strcmp(arg, "-mabi=lp64") ||
	    str_starts(arg, "-march=armv8") || str_starts(arg, "-march=armv9"))
		d->arch = &arch_arm64;
}

static bool parse_own(struct driver *d, const char *arg)
{
	if (!strcmp(arg, "-S") || !strcmp(arg, "--gort-print"))
		d->mode = MODE_PRINT;
	else if (!strcmp(arg, "--gort-frames"))
		d->mode = MODE_FRAMES;
	else
		return false;
	return true;
}

static char *read_all(FILE *f, const char *name, size_t *len);

/* @file: words, quoted as in a shell. */
static char **expand_response(const char *path, int *n)
{
	FILE *f = fopen(path, "r");
	char **words = NULL, *text, *to, quote;
	size_t len;

	*n = 0;
	if (!f)
		return NULL;
	text = read_all(f, path, &len);
	fclose(f);
	while (*(text += strspn(text, " \t\r\n"))) {
		words = xrealloc(words, (*n + 1) * sizeof(*words));
		words[(*n)++] = to = text;
		for (quote = 0; *text; text++) {
			if (!quote && isspace((unsigned char)*text))
				break;
			if (*text == quote)
				quote = 0;
			else if (!quote && strchr("'\"", *text))
				quote = *text;
			else
				*to++ = *text == '\\' && text[1] ? *++text
								 : *text;
		}
		text += *text != '\0';
		*to = '\0';
	}
	return words;
}

static void parse_args(struct driver *d, int argc, char **argv)
{
	bool only_files = false;
	char **words;
	int i, n;

	for (i = 0; i < argc; i++) {
		if (*argv[i] == '@' && (words = expand_response(argv[i] + 1,
								&n))) {
			parse_args(d, n, words);
			continue;
		}
		if (!only_files && parse_own(d, argv[i]))
			continue;
		arg_add(d, argv[i]);
		if (!only_files && takes_value(argv[i]) && i + 1 < argc) {
			arg_add(d, argv[++i]);
			continue;
		}
		parse_target(d, argv[i]);
		d->info |= is_info(argv[i]);
		if (!only_files && !strcmp(argv[i], "--"))
			only_files = true;
		else if (only_files || *argv[i] != '-' || !argv[i][1]) {
			d->input = argv[i];
			d->input_at = d->argc - 1;
			d->ninputs++;
		}
	}
}

/* ---- input ---- */

static char *read_all(FILE *f, const char *name, size_t *len)
{
	struct buf b = { 0 };
	char block[65536];
	size_t n;

	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_add(&b, block, n);
	if (ferror(f))
		fatal("%s: %s", name, strerror(errno));
	buf_add(&b, "", 0);
	*len = b.len;
	return b.p;
}

static void read_input(const struct driver *d, struct unit *u)
{
	bool is_stdin = !d->input || !strcmp(d->input, "-");
	FILE *f = is_stdin ? stdin : fopen(d->input, "r");

	u->path = is_stdin ? stdin_name : d->input;
	if (!f)
		fatal("%s: %s", d->input, strerror(errno));
	u->text = read_all(f, u->path, &u->len);
	if (f != stdin)
		fclose(f);
}

static size_t count(const char *text, const char *const *words, size_t n)
{
	size_t total = 0, i;
	const char *p;

	for (i = 0; i < n; i++)
		for (p = text; (p = strstr(p, words[i])) && total < 100; p++)
			total++;
	return total;
}

/* Without a flag that says so: registers look different. */
static const struct arch *guess_arch(const struct unit *u)
{
	static const char *const x86[] = { "%r", "%e", "%xmm", "endbr64" };
	static const char *const arm[] = {
		"\t.arch armv", "\t.arch\tarmv", "[sp", "\tx29", "\tbl\t",
		"\tw0,", "\tx0,", "\thint\t", "%function",
	};
	size_t nx86 = count(u->text, x86, ARRAY_SIZE(x86));
	size_t narm = count(u->text, arm, ARRAY_SIZE(arm));

	if (nx86 > narm)
		return &arch_x86_64;
	if (narm > nx86)
		return &arch_arm64;
	return HOST_ARCH;
}

static void rewrite(struct unit *u)
{
	size_t i;

	lex_unit(u);
	parse_unit(u);
	for (i = 0; i < u->nfuncs; i++)
		if (!u->func[i].nosplit)
			flow_analyse(u, &u->func[i]);
}

/* ---- the real assembler ---- */

static bool is_self(const struct stat *st)
{
	struct stat self;

	return !stat("/proc/self/exe", &self) && st->st_dev == self.st_dev &&
	       st->st_ino == self.st_ino;
}

/* name in one of the directories of path, but not this program. */
static char *find_in_path(const char *path, const char *name)
{
	struct buf b = { 0 };
	struct stat st;
	size_t n;

	for (; path; path = path[n] ? path + n + 1 : NULL) {
		n = strcspn(path, ":");
		b.len = 0;
		buf_add(&b, n ? path : ".", n ? n : 1);
		buf_printf(&b, "/%s", name);
		if (!stat(b.p, &st) && S_ISREG(st.st_mode) &&
		    !access(b.p, X_OK) && !is_self(&st))
			return b.p;
	}
	free(b.p);
	return NULL;
}

static char *find_assembler(const struct arch *arch)
{
	const char *path = getenv("PATH");
	char name[64], *as = NULL;

	if (getenv("GORT_AS") && *getenv("GORT_AS"))
		return getenv("GORT_AS");
	snprintf(name, sizeof(name), "%s-as", arch->triple);
	if (arch == HOST_ARCH)
		as = find_in_path(getenv("COMPILER_PATH"), "as");
	if (!as && arch == HOST_ARCH)
		as = find_in_path(path, "as");
	if (!as)
		as = find_in_path(path, name);
	if (!as)
		fatal("no assembler for %s: neither GORT_AS nor %s in PATH",
		      arch->name, name);
	return as;
}

static int run_assembler(struct driver *d, const struct arch *arch)
{
	char *as = find_assembler(arch);

	if (getenv(RUNNING_ENV))
		fatal("the real assembler is this program itself: set GORT_AS");
	setenv(RUNNING_ENV, "1", 1);
	d->argv[0] = as;
	execvp(as, d->argv);
	fatal("%s: %s", as, strerror(errno));
}

/* The assembler reads text from its standard input. */
static void replace_input(struct driver *d, const char *text, size_t len)
{
	FILE *f = tmpfile();

	if (!f || fwrite(text, 1, len, f) != len || fflush(f))
		fatal("temporary file: %s", strerror(errno));
	rewind(f);
	if (dup2(fileno(f), STDIN_FILENO) < 0)
		fatal("temporary file: %s", strerror(errno));
	if (fileno(f) != STDIN_FILENO)
		fclose(f);
	if (d->input_at >= 0)
		d->argv[d->input_at] = "-";
}

/* ---- all together ---- */

static int print(const struct driver *d, const struct unit *u,
		 const char *text, size_t len)
{
	if (d->mode == MODE_FRAMES)
		emit_frames(u, stdout);
	else if (fwrite(text, 1, len, stdout) != len)
		fatal("standard output: %s", strerror(errno));
	if (fflush(stdout))
		fatal("standard output: %s", strerror(errno));
	return 0;
}

static int assemble(struct driver *d, struct unit *u)
{
	struct buf out = { 0 };
	bool compiled;

	u->arch = d->arch ? d->arch : guess_arch(u);
	if (!u->arch)
		fatal("%s: for which CPU?", u->path);
	compiled = lex_is_compiled(u);
	if (compiled && d->ninputs > 1)
		fatal("more than one input file");
	if (compiled) {
		rewrite(u);
		emit_unit(u, &out);
	} else {
		buf_add(&out, u->text, u->len);
	}
	if (d->mode != MODE_ASSEMBLE)
		return print(d, u, out.p, out.len);
	if (compiled || u->path == stdin_name)
		replace_input(d, out.p, out.len);
	return run_assembler(d, u->arch);
}

int driver_main(int argc, char **argv)
{
	struct driver d = { .input_at = -1 };
	struct unit u = { 0 };

	arg_add(&d, argv[0]);
	parse_args(&d, argc - 1, argv + 1);
	if (d.info || (!d.input && d.argc == 1 && isatty(STDIN_FILENO)))
		return run_assembler(&d, d.arch ? d.arch : HOST_ARCH);
	read_input(&d, &u);
	return assemble(&d, &u);
}
