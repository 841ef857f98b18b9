// SPDX-License-Identifier: ISC
/*
 * tests/samples/wordfreq.c - count the words of files, a goroutine per file.
 *
 *	reader per file  --batches of words-->  counter per shard
 *
 * A reader parses its file by recursive descent, so brackets nested a million
 * deep are calls nested a million deep.  That is no cause for care: its stack
 * grows.  Nor is a thousand files, as most stacks stay small.
 *
 * Each word belongs to one shard, chosen by its hash.  Only the shard's counter
 * touches its table until all are done, so there is no lock.
 *
 * A word is a maximal run of ASCII letters, digits and underscores which does
 * not begin with a digit, wherever it stands: in code, comments and strings.
 * Case matters.  Of a longer word only the first WORD_MAX bytes count.
 *
 * The grammar, which takes any bytes and knows C well enough for the purpose:
 *
 *	text	= items { closing items } .
 *	items	= { group | comment | string | word | other } .
 *	group	= opening items ( closing | end of file ) .
 *	comment	= "/" "*" { word | other } "*" "/"
 *		| "/" "/" { word | other } newline .
 *	string	= quote { word | escape | other } ( quote | newline ) .
 */
#include <gort/gort.h>

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORD_MAX	255		/* bytes of a word that count */
#define INPUT_SIZE	16384		/* bytes per read() */
#define BATCH_SIZE	4000		/* bytes of words sent at a time */
#define BATCHES_QUEUED	16		/* per shard */
#define OPEN_FILES	64		/* at a time */

/*
 * Brackets deeper than this are like any other byte.  At up to 500 bytes a
 * level that is within 1 GiB, where the runtime takes a recursion for endless.
 */
#define DEPTH_MAX	2000000

/* ------------------------------------------------------------------------ */
/* Words and tables of them, for both ways to count */

struct word {
	char *text;			/* NULL: free slot */
	uint64_t count;
};

/* Open addressing; the size is a power of two. */
struct table {
	struct word *slots;
	size_t size;
	size_t used;
};

static bool is_word_byte(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (c >= '0' && c <= '9');
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* FNV-1a */
static uint64_t word_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3;
	return hash;
}

/* The slot that has this word, or the free one where it belongs. */
static struct word *table_find(const struct table *t, const char *text)
{
	size_t i = word_hash(text) & (t->size - 1);

	while (t->slots[i].text && strcmp(t->slots[i].text, text))
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

static int table_grow(struct table *t)
{
	struct table bigger = {
		.size = t->size ? 2 * t->size : 256,
		.used = t->used,
	};

	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].text)
			*table_find(&bigger, t->slots[i].text) = t->slots[i];
	free(t->slots);
	*t = bigger;
	return 0;
}

/* Count a word once more.  Returns 0 or -ENOMEM. */
static int table_add(struct table *t, const char *text)
{
	struct word *w;
	int err;

	if (t->used >= t->size / 4 * 3) {
		err = table_grow(t);
		if (err)
			return err;
	}
	w = table_find(t, text);
	if (!w->text) {
		w->text = strdup(text);
		if (!w->text)
			return -ENOMEM;
		t->used++;
	}
	w->count++;
	return 0;
}

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->size; i++)
		free(t->slots[i].text);
	free(t->slots);
}

/* ------------------------------------------------------------------------ */
/* The goroutines and what they share */

struct source {
	const char *name;
	int err;			/* 0 or -errno */
	uint64_t deepest;		/* nesting of brackets */
	uint64_t unmatched;		/* brackets without a partner */
};

/* Words on their way, each with its NUL.  Whoever receives it frees it. */
struct batch {
	size_t used;
	char text[BATCH_SIZE];
};

struct shard {
	struct gort_chan *batches;	/* of struct batch * */
	struct gort_waitgroup *counters;
	struct table table;
	int err;
};

struct job {
	bool plain;
	struct source *sources;
	size_t nsources;
	struct shard *shards;
	size_t nshards;			/* with a counter */
	struct gort_chan *open_files;	/* a semaphore: one element, one file */
	struct gort_waitgroup readers;
	struct gort_waitgroup counters;
	int err;
	uint64_t wall_ns;
};

/* ------------------------------------------------------------------------ */
/* Reader: bytes */

/*
 * An error sticks in ->err and ends the input, so nobody else has to look:
 * the parser comes back up by itself.
 */
struct parser {
	struct job *job;
	struct source *source;
	int fd;
	int err;
	bool at_end;
	size_t pos, end;		/* what is left in buf */
	unsigned char buf[INPUT_SIZE];
	uint64_t depth;
	char word[WORD_MAX + 1];	/* not in a frame: those are nested */
	struct batch *batches[];	/* one per shard, or NULL */
};

static bool fill(struct parser *p)
{
	ssize_t n;

	if (p->at_end || p->err)
		return false;
	n = read(p->fd, p->buf, sizeof(p->buf));
	if (n < 0)
		p->err = -errno;
	if (n <= 0) {
		p->at_end = true;
		return false;
	}
	p->pos = 0;
	p->end = n;
	return true;
}

/* The next byte, or EOF. */
static int peek(struct parser *p)
{
	if (p->pos == p->end && !fill(p))
		return EOF;
	return p->buf[p->pos];
}

/* The same, and go on to the one behind it. */
static int next(struct parser *p)
{
	int c = peek(p);

	if (c != EOF)
		p->pos++;
	return c;
}

/* ------------------------------------------------------------------------ */
/* Reader: words to their counters */

static void send_batch(struct parser *p, size_t shard)
{
	struct batch *b = p->batches[shard];
	int err;

	p->batches[shard] = NULL;
	err = gort_chan_send(p->job->shards[shard].batches, &b);
	if (err) {
		p->err = err;
		free(b);
	}
}

static void send_rest(struct parser *p)
{
	for (size_t i = 0; i < p->job->nshards; i++)
		if (p->batches[i])
			send_batch(p, i);
}

/* The shard's batch with room for n bytes more, or NULL. */
static struct batch *batch_for(struct parser *p, size_t shard, size_t n)
{
	struct batch *b = p->batches[shard];

	if (b && b->used + n > BATCH_SIZE)
		send_batch(p, shard);
	if (!p->batches[shard]) {
		b = malloc(sizeof(*b));
		if (!b) {
			p->err = -ENOMEM;
			return NULL;
		}
		b->used = 0;
		p->batches[shard] = b;
	}
	return p->batches[shard];
}

/* p->word, of len bytes.  Tables use the low bits of the hash. */
static void send_word(struct parser *p, size_t len)
{
	size_t shard = (word_hash(p->word) >> 32) % p->job->nshards;
	struct batch *b = batch_for(p, shard, len + 1);

	if (!b)
		return;
	memcpy(b->text + b->used, p->word, len + 1);
	b->used += len + 1;
}

/* ------------------------------------------------------------------------ */
/* Reader: the grammar */

static void parse_items(struct parser *p);

/* The bracket that closes this one; EOF if it is no opening bracket. */
static int closing_of(int c)
{
	switch (c) {
	case '(':
		return ')';
	case '[':
		return ']';
	case '{':
		return '}';
	default:
		return EOF;
	}
}

static bool is_closing(int c)
{
	return c == ')' || c == ']' || c == '}';
}

/* word, or a number: a run that begins with a digit */
static void parse_word(struct parser *p)
{
	size_t len = 0;

	for (; is_word_byte(peek(p)); next(p))
		if (len < WORD_MAX)
			p->word[len++] = peek(p);
	p->word[len] = '\0';
	if (!is_digit(p->word[0]))
		send_word(p, len);
}

/* word | other.  Returns its first byte, or EOF. */
static int parse_word_or_byte(struct parser *p)
{
	int c = peek(p);

	if (is_word_byte(c))
		parse_word(p);
	else
		next(p);
	return c;
}

/* { word | other } newline */
static void parse_line_comment(struct parser *p)
{
	int c;

	do {
		c = parse_word_or_byte(p);
	} while (c != '\n' && c != EOF);
}

/* { word | other } and the two bytes that end it, after the first two */
static void parse_block_comment(struct parser *p)
{
	int last, c = 0;

	do {
		last = c;
		c = parse_word_or_byte(p);
	} while (!(last == '*' && c == '/') && c != EOF);
}

/* comment, or a slash */
static void parse_slash(struct parser *p)
{
	next(p);
	if (peek(p) == '*') {
		next(p);
		parse_block_comment(p);
	} else if (peek(p) == '/') {
		parse_line_comment(p);
	}
}

/* string.  An escaped letter is part of a word like any other. */
static void parse_string(struct parser *p)
{
	int quote = next(p);
	int c;

	do {
		c = parse_word_or_byte(p);
		if (c == '\\' && !is_word_byte(peek(p)))
			next(p);
	} while (c != quote && c != '\n' && c != EOF);
}

/* group.  Any closing bracket ends it, be it the right one or not. */
static void parse_group(struct parser *p)
{
	int closing = closing_of(next(p));

	p->depth++;
	if (p->source->deepest < p->depth)
		p->source->deepest = p->depth;
	parse_items(p);
	if (next(p) != closing)
		p->source->unmatched++;
	p->depth--;
}

/* items */
static void parse_items(struct parser *p)
{
	int c;

	while ((c = peek(p)) != EOF && !is_closing(c)) {
		if (closing_of(c) != EOF && p->depth < DEPTH_MAX)
			parse_group(p);
		else if (c == '"' || c == '\'')
			parse_string(p);
		else if (c == '/')
			parse_slash(p);
		else
			parse_word_or_byte(p);
	}
}

/* text */
static void parse_text(struct parser *p)
{
	parse_items(p);
	while (next(p) != EOF) {
		p->source->unmatched++;
		parse_items(p);
	}
}

/* ------------------------------------------------------------------------ */
/* Reader: the goroutine */

static int parse_fd(struct job *job, struct source *src, int fd)
{
	struct parser *p;
	int err;

	p = calloc(1, sizeof(*p) + job->nshards * sizeof(p->batches[0]));
	if (!p)
		return -ENOMEM;
	p->job = job;
	p->source = src;
	p->fd = fd;
	parse_text(p);
	send_rest(p);
	err = p->err;
	free(p);
	return err;
}

static int parse_file(struct job *job, struct source *src)
{
	int fd, err;

	fd = open(src->name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = parse_fd(job, src, fd);
	close(fd);
	return err;
}

struct reader {
	struct job *job;
	struct source *source;
};

/* There may be far more of these than files that can be open. */
static void run_reader(void *arg)
{
	struct reader *r = arg;
	struct job *job = r->job;
	int err;

	err = gort_chan_send(job->open_files, NULL);
	if (!err) {
		err = parse_file(job, r->source);
		gort_chan_recv(job->open_files, NULL);
	}
	r->source->err = err;
	gort_waitgroup_done(&job->readers);
}

static void start_readers(struct job *job)
{
	for (size_t i = 0; i < job->nsources; i++) {
		struct reader r = { job, &job->sources[i] };
		int err;

		gort_waitgroup_add(&job->readers, 1);
		err = gort_go_copy(run_reader, &r, sizeof(r));
		if (err) {
			r.source->err = err;
			gort_waitgroup_done(&job->readers);
		}
	}
}

/* ------------------------------------------------------------------------ */
/* Counters, and the first goroutine */

static int count_batch(struct table *t, const struct batch *b)
{
	const char *text = b->text;
	int err = 0;

	while (!err && text < b->text + b->used) {
		err = table_add(t, text);
		text += strlen(text) + 1;
	}
	return err;
}

/* After an error it goes on receiving: nobody shall wait for it forever. */
static void run_counter(void *arg)
{
	struct shard *shard = arg;
	struct batch *b;

	while (!gort_chan_recv(shard->batches, &b)) {
		if (!shard->err)
			shard->err = count_batch(&shard->table, b);
		free(b);
	}
	gort_waitgroup_done(shard->counters);
}

static int start_counter(struct job *job, struct shard *shard)
{
	int err;

	shard->batches = gort_chan_new(sizeof(struct batch *), BATCHES_QUEUED);
	if (!shard->batches)
		return -ENOMEM;
	shard->counters = &job->counters;
	gort_waitgroup_add(&job->counters, 1);
	err = gort_go(run_counter, shard);
	if (err) {
		gort_waitgroup_done(&job->counters);
		gort_chan_free(shard->batches);
	}
	return err;
}

/* One for each goroutine that can run at a time. */
static int start_counters(struct job *job)
{
	struct gort_stats st;
	int err = 0;

	gort_read_stats(&st);
	job->shards = calloc(st.procs, sizeof(*job->shards));
	if (!job->shards)
		return -ENOMEM;
	while (!err && job->nshards < st.procs) {
		err = start_counter(job, &job->shards[job->nshards]);
		if (!err)
			job->nshards++;
	}
	return err;
}

static void stop_counters(struct job *job)
{
	for (size_t i = 0; i < job->nshards; i++)
		gort_chan_close(job->shards[i].batches);
	gort_waitgroup_wait(&job->counters);
	for (size_t i = 0; i < job->nshards; i++) {
		gort_chan_free(job->shards[i].batches);
		if (job->shards[i].err)
			job->err = job->shards[i].err;
	}
}

static void run_job(void *arg)
{
	struct job *job = arg;

	job->open_files = gort_chan_new(0, OPEN_FILES);
	if (!job->open_files) {
		job->err = -ENOMEM;
		return;
	}
	job->err = start_counters(job);
	if (!job->err)
		start_readers(job);
	gort_waitgroup_wait(&job->readers);
	stop_counters(job);
	gort_chan_free(job->open_files);
}

static int count_on_goroutines(struct job *job)
{
	struct gort_stats st;
	int err;

	err = gort_run(run_job, job);
	if (err)
		return err;
	gort_read_stats(&st);
	job->wall_ns = st.wall_ns;
	return job->err;
}

/* ------------------------------------------------------------------------ */
/* The same without goroutines, grammar or recursion, to compare with */

static int plain_count_stream(FILE *f, struct table *t)
{
	char word[WORD_MAX + 1];
	size_t len = 0;
	int c, err;

	do {
		c = getc_unlocked(f);
		if (is_word_byte(c)) {
			if (len < WORD_MAX)
				word[len++] = c;
			continue;
		}
		if (c == EOF && ferror(f))
			return -errno;
		if (len > 0 && !is_digit(word[0])) {
			word[len] = '\0';
			err = table_add(t, word);
			if (err)
				return err;
		}
		len = 0;
	} while (c != EOF);
	return 0;
}

static int plain_count_file(const char *name, struct table *t)
{
	FILE *f;
	int err;

	f = fopen(name, "re");
	if (!f)
		return -errno;
	err = plain_count_stream(f, t);
	fclose(f);
	return err;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int count_plainly(struct job *job)
{
	uint64_t start_ns = now_ns();

	job->shards = calloc(1, sizeof(*job->shards));
	if (!job->shards)
		return -ENOMEM;
	job->nshards = 1;
	for (size_t i = 0; i < job->nsources; i++) {
		struct source *src = &job->sources[i];

		src->err = plain_count_file(src->name, &job->shards[0].table);
	}
	job->wall_ns = now_ns() - start_ns;
	return 0;
}

/* ------------------------------------------------------------------------ */
/* Results */

struct words {
	struct word *list;		/* most frequent first */
	size_t n;
	uint64_t total;
};

static int by_frequency(const void *a, const void *b)
{
	const struct word *v = a, *w = b;

	if (v->count != w->count)
		return v->count < w->count ? 1 : -1;
	return strcmp(v->text, w->text);
}

/* The texts still belong to the tables.  Returns 0 or -ENOMEM. */
static int collect_words(const struct job *job, struct words *words)
{
	size_t n = 0;

	for (size_t i = 0; i < job->nshards; i++)
		n += job->shards[i].table.used;
	*words = (struct words){ .list = calloc(n + 1, sizeof(struct word)) };
	if (!words->list)
		return -ENOMEM;
	for (size_t i = 0; i < job->nshards; i++) {
		const struct table *t = &job->shards[i].table;

		for (size_t j = 0; j < t->size; j++) {
			if (!t->slots[j].text)
				continue;
			words->list[words->n++] = t->slots[j];
			words->total += t->slots[j].count;
		}
	}
	qsort(words->list, words->n, sizeof(*words->list), by_frequency);
	return 0;
}

static void print_words(const struct words *words, size_t max)
{
	for (size_t i = 0; i < words->n && i < max; i++)
		printf("%7" PRIu64 " %s\n", words->list[i].count,
		       words->list[i].text);
}

static void print_brackets(const struct job *job)
{
	uint64_t deepest = 0, unmatched = 0;

	for (size_t i = 0; i < job->nsources; i++) {
		if (deepest < job->sources[i].deepest)
			deepest = job->sources[i].deepest;
		unmatched += job->sources[i].unmatched;
	}
	printf("brackets      nested %" PRIu64 " deep, %" PRIu64 " unmatched\n",
	       deepest, unmatched);
}

static void print_runtime(void)
{
	struct gort_stats st;

	gort_read_stats(&st);
	printf("goroutines    %" PRIu64 "\n", st.goroutines);
	printf("threads       %" PRIu64 ", %" PRIu64 " at a time\n", st.threads,
	       st.procs);
	printf("scheduling    %" PRIu64 " switches, %" PRIu64 " steals\n",
	       st.switches, st.steals);
	printf("stack growth  %" PRIu64 " in place, %" PRIu64 " by switching\n",
	       st.stack_grown_in_place, st.stack_grown_by_switch);
	printf("stack memory  %" PRIu64 " KiB at its peak\n",
	       st.stack_peak / 1024);
}

static void print_report(const struct job *job, const struct words *words)
{
	printf("\nwords         %" PRIu64 ", %zu different, in %zu files\n",
	       words->total, words->n, job->nsources);
	if (!job->plain) {
		print_brackets(job);
		print_runtime();
	}
	printf("wall time     %.1f ms\n", job->wall_ns / 1e6);
}

/* ------------------------------------------------------------------------ */
/* The program */

struct options {
	bool plain;
	bool quiet;
	size_t max;
};

static const char help[] =
	"Usage: wordfreq [OPTION]... FILE...\n"
	"Count the words of all FILEs together, and print the most frequent.\n"
	"\n"
	"  -n COUNT  print COUNT words (default: 20, with -q all)\n"
	"  -p        plain: count without goroutines, to compare\n"
	"  -q        quiet: print the counts only, no report\n"
	"  --help    print this\n"
	"\n"
	"A word is a run of ASCII letters, digits and underscores that does not\n"
	"begin with a digit, in code, comments and strings alike.\n"
	"\n"
	"Exit status: 0; 1 after an error, as a FILE that could not be read; 2 for\n"
	"wrong usage.  GORTMAXPROCS is the number of goroutines run at a time.\n";

static bool parse_count(const char *s, size_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(s, &end, 10);
	return is_digit(s[0]) && !*end && !errno;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool max_given = false;
	int c;

	*opt = (struct options){ .max = 20 };
	while ((c = getopt_long(argc, argv, "n:pq", longopts, NULL)) != -1) {
		switch (c) {
		case 'n':
			if (!parse_count(optarg, &opt->max)) {
				fprintf(stderr, "wordfreq: bad COUNT '%s'\n",
					optarg);
				return 2;
			}
			max_given = true;
			break;
		case 'p':
			opt->plain = true;
			break;
		case 'q':
			opt->quiet = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			fputs("Try 'wordfreq --help'.\n", stderr);
			return 2;
		}
	}
	if (optind == argc) {
		fputs("wordfreq: no FILE given, try 'wordfreq --help'\n",
		      stderr);
		return 2;
	}
	if (opt->quiet && !max_given)
		opt->max = SIZE_MAX;
	return -1;
}

static int job_init(struct job *job, char **names, size_t n, bool plain)
{
	*job = (struct job){
		.plain = plain,
		.sources = calloc(n, sizeof(*job->sources)),
		.nsources = n,
	};
	if (!job->sources)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		job->sources[i].name = names[i];
	return 0;
}

static void job_free(struct job *job)
{
	for (size_t i = 0; i < job->nshards; i++)
		table_free(&job->shards[i].table);
	free(job->shards);
	free(job->sources);
}

/* In the order of the command line.  Returns whether there were any. */
static bool print_errors(const struct job *job)
{
	bool any = false;

	for (size_t i = 0; i < job->nsources; i++) {
		const struct source *src = &job->sources[i];

		if (!src->err)
			continue;
		fprintf(stderr, "wordfreq: %s: %s\n", src->name,
			strerror(-src->err));
		any = true;
	}
	return any;
}

static int run(struct job *job, const struct options *opt)
{
	struct words words;
	int err;

	err = opt->plain ? count_plainly(job) : count_on_goroutines(job);
	if (err)
		return err;
	err = collect_words(job, &words);
	if (err)
		return err;
	print_words(&words, opt->max);
	if (!opt->quiet)
		print_report(job, &words);
	free(words.list);
	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		return errno ? -errno : -EIO;
	return 0;
}

int main(int argc, char **argv)
{
	struct options opt;
	struct job job;
	int status, err;

	status = parse_options(argc, argv, &opt);
	if (status >= 0)
		return status;
	err = job_init(&job, argv + optind, argc - optind, opt.plain);
	if (!err)
		err = run(&job, &opt);
	if (err)
		fprintf(stderr, "wordfreq: %s\n", strerror(-err));
	if (err || print_errors(&job))
		status = EXIT_FAILURE;
	else
		status = EXIT_SUCCESS;
	job_free(&job);
	return status;
}
