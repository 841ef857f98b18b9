// SPDX-License-Identifier: ISC
/*
 * tests/samples/httpd.c - an HTTP/1.1 server, a goroutine per connection.
 *
 *	accept_loop --gort_go()--> serve_connection, at most --connections
 *	serve	    --SIGTERM----> stop
 *
 * Each connection is served by straight-line code that reads, computes and
 * writes as if it were alone, on a stack that holds its buffers, too.  Where
 * it would have to wait the goroutine does, and the thread runs another.
 * Where it computes for long, as /work does, it is preempted.
 *
 *	httpd_parse	what the bytes of a request mean
 *	httpd_conn	one connection, requests in and responses out
 *	httpd_file	files and directories
 *	httpd		the pages made here, and the life of the server
 *
 * The pages besides files: /hello; /echo, which sends back what is posted;
 * /work?n=N, N rounds of a hash; /metrics, numbers about the runtime.
 */
#define _GNU_SOURCE
#include <gort/gort.h>
#include <gort/io.h>
#include <gort/signal.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "httpd_conn.h"
#include "httpd_file.h"

#define NSEC		INT64_C(1000000000)
#define RETRY_NS	(NSEC / 100)	/* when there are no descriptors */
#define BODIES_MAX	(256 << 20)	/* bytes in memory at a time, of all */
#define ROUNDS_MAX	UINT64_C(10000000000)
#define ROUNDS_DEFAULT	1000000

struct server {
	/* Set by main() */
	struct conn_config config;
	unsigned int connections;	/* at a time */
	int64_t grace_ns;		/* for what is in progress at the end */
	int listener;

	struct conn_slot *slots;
	struct gort_chan *free_slots;	/* of struct conn_slot * */
	struct gort_chan *signals;	/* of int */
	struct gort_chan *ended;	/* of bool: all, or time is up */
	struct gort_waitgroup goroutines;
	_Atomic bool stopping;
	_Atomic uint64_t accepted;
	_Atomic uint64_t finished;
	_Atomic uint64_t requests;	/* of those finished */
	int err;			/* 0 or -errno */
};

static struct server server = {
	.config = {
		.stopping = &server.stopping,
		.body_max = 8 << 20,
		.header_ns = 10 * NSEC,
		.idle_ns = 60 * NSEC,
		.write_ns = 30 * NSEC,
	},
	.connections = 4096,
	.grace_ns = 5 * NSEC,
};

/* ------------------------------------------------------------------------ */
/* /echo */

/* The body of a request as it grows. */
struct memory {
	char *data;
	size_t len;
	size_t size;
};

/* Of all memories.  Refusing a body is better than being killed for it. */
static _Atomic uint64_t bodies_size;

static void memory_free(struct memory *m)
{
	free(m->data);
	atomic_fetch_sub(&bodies_size, m->size);
}

/* Room for n bytes more.  Returns 0 or -ENOMEM. */
static int memory_grow(struct memory *m, size_t n)
{
	size_t size = 2 * (m->len + n), more = size - m->size;
	char *data = NULL;

	if (n <= m->size - m->len)
		return 0;
	if (atomic_fetch_add(&bodies_size, more) + more <= BODIES_MAX)
		data = realloc(m->data, size);
	if (!data) {
		atomic_fetch_sub(&bodies_size, more);
		return -ENOMEM;
	}
	m->data = data;
	m->size = size;
	return 0;
}

/* All of it first: a client need not read before it has sent. */
static int read_whole_body(struct conn *c, struct memory *m)
{
	struct http_text data;
	int got;

	while ((got = conn_read_body(c, &data)) > 0) {
		if (memory_grow(m, data.len))
			return -503;
		memcpy(m->data + m->len, data.s, data.len);
		m->len += data.len;
	}
	return got;
}

static void serve_echo(struct conn *c)
{
	struct memory m = { 0 };
	int err = read_whole_body(c, &m);

	if (err) {
		conn_refuse(c, -err);
	} else {
		conn_start(c, 200);
		conn_field(c, "Content-Type", "application/octet-stream");
		if (c->req.chunked)
			conn_chunked(c);
		else
			conn_length(c, m.len);
		conn_write(c, m.data, m.len);
		conn_end(c);
	}
	memory_free(&m);
}

/* ------------------------------------------------------------------------ */
/* /work */

/*
 * A loop without calls: other goroutines run because this one is interrupted,
 * not because it is polite.
 */
__attribute__((noinline))
static uint64_t hash_rounds(uint64_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (uint64_t i = 0; i < n; i++) {
		h = (h ^ i) * 0x100000001b3;
		h ^= h >> 32;
	}
	return h;
}

static void serve_work(struct conn *c)
{
	uint64_t n = ROUNDS_DEFAULT;
	char text[32];

	if (http_query_number(c->req.query, "n", ROUNDS_MAX, &n) == -400) {
		conn_error(c, 400, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%016" PRIx64 "\n", hash_rounds(n));
	conn_text(c, text);
}

/* ------------------------------------------------------------------------ */
/* /metrics */

/* By way of a file in memory: only then is the length known. */
static int make_metrics(uint64_t *size)
{
	int fd = memfd_create("metrics", MFD_CLOEXEC), err;
	off_t end;

	if (fd < 0)
		return -errno;
	err = gort_metrics_write(fd);
	end = lseek(fd, 0, SEEK_CUR);
	if (!err && (end < 0 || lseek(fd, 0, SEEK_SET) < 0))
		err = -errno;
	if (err) {
		gort_close(fd);
		return err;
	}
	*size = (uint64_t)end;
	return fd;
}

static void serve_metrics(struct conn *c)
{
	uint64_t size = 0;
	int fd = make_metrics(&size);

	if (fd < 0) {
		conn_error(c, 503, NULL);
		return;
	}
	conn_start(c, 200);
	conn_field(c, "Content-Type", "application/openmetrics-text; "
		   "version=1.0.0; charset=utf-8");
	conn_length(c, size);
	if (!c->head_only)
		conn_send_file(c, fd, size);
	conn_end(c);
	gort_close(fd);
}

/* ------------------------------------------------------------------------ */
/* Connections */

static void serve_hello(struct conn *c)
{
	conn_text(c, "Hello, world\n");
}

static const struct page {
	const char *path;
	void (*serve)(struct conn *c);
	bool takes_post;		/* and nothing else */
} pages[] = {
	{ "/hello", serve_hello, false },
	{ "/echo", serve_echo, true },
	{ "/work", serve_work, false },
	{ "/metrics", serve_metrics, false },
};

static const struct page files = { "", file_serve, false };

static const struct page *find_page(struct http_text path)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (path.len == strlen(pages[i].path) &&
		    !memcmp(path.s, pages[i].path, path.len))
			return &pages[i];
	return &files;
}

static void serve_request(struct conn *c)
{
	const struct page *page = find_page(c->req.path);

	if (page->takes_post == (c->req.method == HTTP_POST))
		page->serve(c);
	else
		conn_error(c, 405, page->takes_post ? "POST" : "GET, HEAD");
}

static void serve_connection(void *arg)
{
	struct conn_slot *slot = arg;
	struct conn c;
	int got;

	conn_init(&c, slot, &server.config);
	while ((got = conn_read_request(&c)) > 0)
		serve_request(&c);
	if (got < 0)
		conn_refuse(&c, -got);
	conn_close(&c);
	atomic_fetch_add(&server.requests, c.requests);
	atomic_fetch_add(&server.finished, 1);
	gort_chan_send(server.free_slots, &slot);
	gort_waitgroup_done(&server.goroutines);
}

static void start_connection(struct conn_slot *slot)
{
	atomic_fetch_add(&server.accepted, 1);
	gort_waitgroup_add(&server.goroutines, 1);
	if (!gort_go(serve_connection, slot))
		return;
	gort_close(slot->fd);
	gort_chan_send(server.free_slots, &slot);
	gort_waitgroup_done(&server.goroutines);
}

/*
 * Whoever finds no free slot waits in the listener's queue, at no cost to us.
 * Ends when stop() has closed the channel or the listener.
 */
static void accept_loop(void *arg)
{
	struct conn_slot *slot;

	(void)arg;
	while (!gort_chan_recv(server.free_slots, &slot)) {
		slot->fd = gort_accept(server.listener, NULL, NULL,
				       SOCK_CLOEXEC);
		if (slot->fd >= 0) {
			start_connection(slot);
			continue;
		}
		gort_chan_send(server.free_slots, &slot);
		if (atomic_load(&server.stopping))
			break;
		/* No descriptors or memory now, or the client has gone. */
		gort_sleep_ns(RETRY_NS);
	}
	gort_waitgroup_done(&server.goroutines);
}

/* ------------------------------------------------------------------------ */
/* Beginning and end */

static int make_slots(void)
{
	server.slots = calloc(server.connections, sizeof(*server.slots));
	server.free_slots = gort_chan_new(sizeof(struct conn_slot *),
					  server.connections);
	if (!server.slots || !server.free_slots)
		return -ENOMEM;
	for (unsigned int i = 0; i < server.connections; i++) {
		struct conn_slot *slot = &server.slots[i];

		gort_chan_send(server.free_slots, &slot);
	}
	return 0;
}

static int notify_signals(void)
{
	int err;

	server.signals = gort_chan_new(sizeof(int), 1);
	if (!server.signals)
		return -ENOMEM;
	err = gort_signal_notify(server.signals, SIGTERM);
	return err ? err : gort_signal_notify(server.signals, SIGINT);
}

static int start(void)
{
	int err;

	server.ended = gort_chan_new(sizeof(bool), 2);
	if (!server.ended)
		return -ENOMEM;
	err = make_slots();
	if (!err)
		err = notify_signals();
	if (err)
		return err;
	gort_waitgroup_add(&server.goroutines, 1);
	return gort_go(accept_loop, NULL);
}

static void wait_for_end(void *arg)
{
	bool all = true;

	(void)arg;
	gort_waitgroup_wait(&server.goroutines);
	gort_chan_send(server.ended, &all);
}

static void wait_for_grace(void *arg)
{
	bool all = false;

	(void)arg;
	gort_sleep_ns(server.grace_ns);
	gort_chan_send(server.ended, &all);
}

/* No new connections or requests; those in progress get some time. */
static int stop(void)
{
	bool all;
	int err;

	atomic_store(&server.stopping, true);
	gort_close(server.listener);
	gort_chan_close(server.free_slots);
	for (unsigned int i = 0; i < server.connections; i++)
		conn_kick(&server.slots[i]);
	err = gort_go(wait_for_end, NULL);
	if (!err)
		err = gort_go(wait_for_grace, NULL);
	if (!err)
		err = gort_chan_recv(server.ended, &all);
	return err;
}

/* The first goroutine.  What is left when it returns is dropped. */
static void serve(void *arg)
{
	const uint16_t *port = arg;
	int sig;

	server.err = start();
	if (server.err)
		return;
	printf("listening on 127.0.0.1:%u\n", *port);
	fflush(stdout);
	server.err = gort_chan_recv(server.signals, &sig);
	if (!server.err)
		server.err = stop();
}

/* Returns the descriptor, or -errno; *port is the one it got. */
static int listen_on(uint16_t *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	socklen_t len = sizeof(addr);
	int fd, err, on = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Inherited by what is accepted. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, len) || listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len)) {
		err = -errno;
		close(fd);
		return err;
	}
	*port = ntohs(addr.sin_port);
	return fd;
}

/* ------------------------------------------------------------------------ */
/* The program */

struct options {
	const char *dir;
	uint16_t port;
};

static const char help[] =
	"Usage: httpd [OPTION]...\n"
	"Serve files by HTTP/1.1 on 127.0.0.1, until SIGTERM or SIGINT.\n"
	"\n"
	"  -p PORT             port (default: 0, any; it is printed)\n"
	"  -d DIR              directory to serve (default: .)\n"
	"  --connections=N     at a time; others wait (default: 4096)\n"
	"  --body=BYTES        most in a request (default: 8388608)\n"
	"  --header-timeout=S  seconds to send the head of a request in, and\n"
	"                      each piece of its body (default: 10)\n"
	"  --idle-timeout=S    between requests (default: 60)\n"
	"  --write-timeout=S   for each piece of a response (default: 30)\n"
	"  --grace=S           for what goes on at the end (default: 5)\n"
	"  --help              print this\n"
	"\n"
	"Also there: /hello, POST /echo, /work?n=ROUNDS, /metrics.\n"
	"\n"
	"Exit status: 0; 1 after an error; 2 for wrong usage.  GORTMAXPROCS\n"
	"is the number of goroutines run at a time.\n";

static bool parse_number(const char *s, uint64_t max, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && !errno && *n <= max;
}

static bool parse_seconds(const char *s, int64_t *ns)
{
	char *end;
	double value = strtod(s, &end);

	*ns = 0;
	if (end == s || *end || !(value > 0 && value < 1e9))
		return false;
	*ns = value * NSEC;
	return true;
}

static bool parse_option(int c, const char *arg, struct options *opt)
{
	uint64_t n = 0;
	bool good = true;

	switch (c) {
	case 'p':
		good = parse_number(arg, UINT16_MAX, &n);
		opt->port = n;
		return good;
	case 'd':
		opt->dir = arg;
		return true;
	case 'c':
		good = parse_number(arg, 1 << 20, &n) && n;
		server.connections = n;
		return good;
	case 'b':
		return parse_number(arg, SIZE_MAX / 4, &server.config.body_max);
	case 'H':
		return parse_seconds(arg, &server.config.header_ns);
	case 'I':
		return parse_seconds(arg, &server.config.idle_ns);
	case 'W':
		return parse_seconds(arg, &server.config.write_ns);
	default:
		return parse_seconds(arg, &server.grace_ns);
	}
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option longopts[] = {
		{ "connections", required_argument, NULL, 'c' },
		{ "body", required_argument, NULL, 'b' },
		{ "header-timeout", required_argument, NULL, 'H' },
		{ "idle-timeout", required_argument, NULL, 'I' },
		{ "write-timeout", required_argument, NULL, 'W' },
		{ "grace", required_argument, NULL, 'G' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*opt = (struct options){ .dir = "." };
	while ((c = getopt_long(argc, argv, "p:d:", longopts, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (c == '?') {
			fputs("Try 'httpd --help'.\n", stderr);
			return 2;
		}
		if (!parse_option(c, optarg, opt)) {
			fprintf(stderr, "httpd: bad value '%s'\n", optarg);
			return 2;
		}
	}
	if (optind < argc) {
		fputs("httpd: too many arguments, try 'httpd --help'\n",
		      stderr);
		return 2;
	}
	return -1;
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "httpd: %s: %s\n", what, strerror(-err));
	return EXIT_FAILURE;
}

static void print_totals(void)
{
	uint64_t accepted = atomic_load(&server.accepted);
	uint64_t finished = atomic_load(&server.finished);

	printf("%" PRIu64 " requests on %" PRIu64 " connections, %" PRIu64
	       " of them cut off\n",
	       atomic_load(&server.requests), accepted, accepted - finished);
}

int main(int argc, char **argv)
{
	struct options opt;
	int status, err;

	status = parse_options(argc, argv, &opt);
	if (status >= 0)
		return status;
	err = file_root_open(opt.dir);
	if (err)
		return fail(opt.dir, err);
	server.listener = listen_on(&opt.port);
	if (server.listener < 0)
		return fail("cannot listen", server.listener);
	signal(SIGPIPE, SIG_IGN);
	err = gort_run(serve, &opt.port);
	if (!err)
		err = server.err;
	if (err)
		return fail("cannot go on", err);
	print_totals();
	return EXIT_SUCCESS;
}
