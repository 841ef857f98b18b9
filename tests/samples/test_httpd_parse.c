// SPDX-License-Identifier: ISC
/*
 * tests/samples/test_httpd_parse.c - requests, good and hostile, cut anywhere.
 *
 * Each input is parsed whole, byte by byte, and in two pieces cut at every
 * place, from memory that ends where the input does, so that a sanitizer sees
 * a read beyond it.  All must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "samples/httpd_parse.h"

#define NELEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define GET		"GET / HTTP/1.1\r\n"
#define HOST		"Host: a\r\n"
#define POST		"POST /echo HTTP/1.1\r\nHost: a\r\n"
#define END		"\r\n"

/* ------------------------------------------------------------------------ */
/* Heads */

static void expect_text(struct http_text text, const char *want)
{
	if (text.len != strlen(want) || memcmp(text.s, want, text.len))
		fail_msg("got \"%.*s\", want \"%s\"", (int)text.len, text.s,
			 want);
}

/* Parse len bytes in a block of their own, so the old ones are gone. */
static int parse_copy(struct http_request *req, const char *in, size_t len,
		      char **copy)
{
	free(*copy);
	*copy = malloc(len ? len : 1);
	assert_non_null(*copy);
	memcpy(*copy, in, len);
	return http_parse_head(req, *copy, len);
}

/* The first answer that is not "more", from pieces: cut, then step. */
static int parse_pieces(const char *in, size_t len, size_t cut, size_t step)
{
	struct http_request req = { 0 };
	char *copy = NULL;
	size_t n = cut;
	int got;

	while (!(got = parse_copy(&req, in, n, &copy)) && n < len)
		n = n + step < len ? n + step : len;
	free(copy);
	return got;
}

/* Parse in, behind which something else may follow; it shall give want. */
static void check_head(const char *in, size_t len, int want)
{
	int got;

	for (size_t cut = 0; cut <= len; cut++) {
		got = parse_pieces(in, len, cut, len);
		if (got != want)
			fail_msg("cut at %zu: got %d, want %d: \"%.*s\"", cut,
				 got, want, (int)len, in);
	}
	got = parse_pieces(in, len, 0, 1);
	if (got != want)
		fail_msg("byte by byte: got %d, want %d: \"%.*s\"", got, want,
			 (int)len, in);
}

/* in is one head; another request behind it changes nothing. */
static struct http_request parse_good(const char *in)
{
	static char buf[2 * HTTP_HEAD_MAX];
	struct http_request req = { 0 };
	size_t len = strlen(in);

	check_head(in, len, len);
	snprintf(buf, sizeof(buf), "%s" GET HOST END, in);
	check_head(buf, strlen(buf), len);
	assert_int_equal(http_parse_head(&req, in, len), len);
	return req;
}

static void parse_bad(const char *in, int status)
{
	check_head(in, strlen(in), -status);
}

static void test_minimal(void **state)
{
	struct http_request req = parse_good(GET HOST END);

	(void)state;
	assert_int_equal(req.method, HTTP_GET);
	expect_text(req.path, "/");
	expect_text(req.query, "");
	assert_int_equal(req.length, 0);
	assert_false(req.chunked);
	assert_false(req.http_1_0);
	assert_true(req.keep_alive);
	assert_false(req.expects_continue);
}

static void test_methods(void **state)
{
	(void)state;
	assert_int_equal(parse_good("HEAD / HTTP/1.1\r\n" HOST END).method,
			 HTTP_HEAD);
	assert_int_equal(parse_good("POST / HTTP/1.1\r\n" HOST END).method,
			 HTTP_POST);
	parse_bad("get / HTTP/1.1\r\n", 501);
	parse_bad("GETS / HTTP/1.1\r\n", 501);
	parse_bad("DELETE /x HTTP/1.1\r\n", 501);
	parse_bad("OPTIONS * HTTP/1.1\r\n", 501);
	parse_bad("CONNECT a:80 HTTP/1.1\r\n", 501);
	parse_bad("!#$%&'*+-.^_`|~ / HTTP/1.1\r\n", 501);
	parse_bad("G(T / HTTP/1.1\r\n", 400);
	parse_bad("G\xc3\x84T / HTTP/1.1\r\n", 400);
	parse_bad(" / HTTP/1.1\r\n", 400);
}

static void test_targets(void **state)
{
	struct http_request req;

	(void)state;
	req = parse_good("GET /a%20b/c;d=1?x=1&y=?/[]{} HTTP/1.1\r\n" HOST END);
	expect_text(req.path, "/a%20b/c;d=1");
	expect_text(req.query, "x=1&y=?/[]{}");
	req = parse_good("GET /? HTTP/1.1\r\n" HOST END);
	expect_text(req.path, "/");
	expect_text(req.query, "");
	req = parse_good("GET http://a.b:80/c?d HTTP/1.1\r\n" HOST END);
	expect_text(req.path, "/c");
	expect_text(req.query, "d");
	req = parse_good("GET HTTP://[::1]:8080 HTTP/1.1\r\n" HOST END);
	expect_text(req.path, "/");
	req = parse_good("GET http://a?b HTTP/1.1\r\n" HOST END);
	expect_text(req.path, "/");
	expect_text(req.query, "b");
	parse_bad("GET * HTTP/1.1\r\n", 400);
	parse_bad("GET a/b HTTP/1.1\r\n", 400);
	parse_bad("GET http:/a HTTP/1.1\r\n", 400);
	parse_bad("GET https://a/ HTTP/1.1\r\n", 400);
	parse_bad("GET http://user@a/ HTTP/1.1\r\n", 400);
	parse_bad("GET /a#b HTTP/1.1\r\n", 400);
	parse_bad("GET /?a#b HTTP/1.1\r\n", 400);
	parse_bad("GET /\\a HTTP/1.1\r\n", 400);
	parse_bad("GET /\x7f HTTP/1.1\r\n", 400);
	parse_bad("GET /?\x01 HTTP/1.1\r\n", 400);
	parse_bad("GET /?\xe4 HTTP/1.1\r\n", 400);
	parse_bad("GET /\xe4 HTTP/1.1\r\n", 400);
}

static void test_versions(void **state)
{
	static const char *const malformed[] = {
		"GET /\r\n",
		"GET / \r\n",
		"GET\r\n",
		"GET / HTTP/1.1 \r\n",
		"GET / HTTP/1.1\t\r\n",
		"GET / http/1.1\r\n",
		"GET / HTTP/1.\r\n",
		"GET / HTTP/11\r\n",
		"GET / HTTP/1.10\r\n",
		"GET / HTTP/x.1\r\n",
		"GET / HTTP/1,1\r\n",
		"GET / HTTP/1.x\r\n",
		"GET  / HTTP/1.1\r\n",
		"GET /  HTTP/1.1\r\n",
		"GET / a HTTP/1.1\r\n",
		"GET\t/\tHTTP/1.1\r\n",
		"\x16\x03\x01\x02\n",			/* TLS */
	};

	(void)state;
	assert_true(parse_good("GET / HTTP/1.0\r\n" END).http_1_0);
	assert_false(parse_good("GET / HTTP/1.9\r\n" HOST END).http_1_0);
	parse_bad("PRI * HTTP/2.0\r\n", 505);
	parse_bad("GET / HTTP/0.9\r\n", 505);
	for (size_t i = 0; i < NELEMS(malformed); i++)
		parse_bad(malformed[i], 400);
}

/* Only CR LF ends a line, and CR is good for nothing else. */
static void test_line_ends(void **state)
{
	struct http_request req = parse_good("\r\n\r\n" GET HOST END);

	(void)state;
	expect_text(req.path, "/");
	parse_bad("\n", 400);
	parse_bad("GET / HTTP/1.1\n", 400);
	parse_bad(GET "Host: a\n", 400);
	parse_bad(GET HOST "\n", 400);
	parse_bad(GET "Host: a\r\r\n", 400);
	parse_bad(GET "Host: a\rX: b\r\n", 400);
	parse_bad("GET / HTTP/1.1\r\r\n", 400);
}

static void test_fields(void **state)
{
	static const char *const malformed[] = {
		GET "Host : a\r\n",
		GET "Host\r\n",
		GET ": a\r\n",
		GET " Host: a\r\n",
		GET HOST " folded\r\n",
		GET HOST "\tfolded\r\n",
		GET HOST " \r\n",
		GET "X(: a\r\n",
		GET "X: a\x01\r\n",
		GET "X: a\x7f\r\n",
		GET "\xe4: a\r\n",
	};

	(void)state;
	parse_good(GET "hOsT:\t a \t\r\nX:\r\nY: \xe4 \"<>\" \t(\\)\r\n" END);
	for (size_t i = 0; i < NELEMS(malformed); i++)
		parse_bad(malformed[i], 400);
}

static void test_nul(void **state)
{
	static const char in_line[] = "GET /\0 HTTP/1.1\r\n";
	static const char in_name[] = GET "Ho\0st: a\r\n";
	static const char in_value[] = GET "Host: a\0\r\n";

	(void)state;
	check_head(in_line, sizeof(in_line) - 1, -400);
	check_head(in_name, sizeof(in_name) - 1, -400);
	check_head(in_value, sizeof(in_value) - 1, -400);
}

static void test_host(void **state)
{
	(void)state;
	parse_good(GET "Host:\r\n" END);
	parse_good(GET "Host: [::1]:80\r\n" END);
	parse_good("GET / HTTP/1.0\r\nHost: a\r\n" END);
	parse_bad(GET END, 400);
	parse_bad(GET "X: a\r\n" END, 400);
	parse_bad(GET HOST HOST, 400);
	parse_bad("GET / HTTP/1.0\r\n" HOST HOST, 400);
	parse_bad(GET "Host: a b\r\n", 400);
	parse_bad(GET "Host: a/b\r\n", 400);
	parse_bad(GET "Host: a@b\r\n", 400);
}

static void test_length(void **state)
{
	static const char *const malformed[] = {
		POST "Content-Length:\r\n",
		POST "Content-Length: -1\r\n",
		POST "Content-Length: +1\r\n",
		POST "Content-Length: 1 1\r\n",
		POST "Content-Length: 1, 1\r\n",
		POST "Content-Length: 1,\r\n",
		POST "Content-Length: 0x1\r\n",
		POST "Content-Length: 1.0\r\n",
		POST "Content-Length: 1a\r\n",
		POST "Content-Length: \xb2\r\n",
		POST "Content-Length: 9223372036854775808\r\n",
		POST "Content-Length: 18446744073709551617\r\n",
		POST "Content-Length: 99999999999999999999999999\r\n",
		POST "Content-Length: 1\r\nContent-Length: 1\r\n",
		POST "Content-Length: 1\r\ncontent-length: 2\r\n",
	};
	struct http_request req;

	(void)state;
	req = parse_good(POST "content-LENGTH: 0042\r\n" END);
	assert_int_equal(req.length, 42);
	req = parse_good(POST "Content-Length: 9223372036854775807\r\n" END);
	assert_true(req.length == INT64_MAX);
	for (size_t i = 0; i < NELEMS(malformed); i++)
		parse_bad(malformed[i], 400);
}

static void test_encoding(void **state)
{
	static const char *const malformed[] = {
		POST "Transfer-Encoding:\r\n",
		POST "Transfer-Encoding: identity\r\n",
		POST "Transfer-Encoding: chunked, gzip\r\n",
		POST "Transfer-Encoding: chunked, chunked\r\n",
		POST "Transfer-Encoding: chunked;a=b\r\n",
		POST "Transfer-Encoding: xchunked\r\n",
		POST "Transfer-Encoding: chunked\x0b\r\n",
		POST "Transfer-Encoding: \"chunked\"\r\n",
		POST "Transfer-Encoding: chunked\r\n"
		     "Transfer-Encoding: chunked\r\n",
		POST "Transfer-Encoding: chunked\r\n"
		     "Transfer-Encoding: identity\r\n",
		POST "Transfer-Encoding: chunked\r\n"
		     "Content-Length: 1\r\n" END,
		POST "Content-Length: 1\r\n"
		     "Transfer-Encoding: chunked\r\n" END,
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END,
	};
	struct http_request req;

	(void)state;
	req = parse_good(POST "transfer-encoding: \tChunked \r\n" END);
	assert_true(req.chunked);
	parse_bad(POST "Transfer-Encoding: gzip, chunked\r\n", 501);
	for (size_t i = 0; i < NELEMS(malformed); i++)
		parse_bad(malformed[i], 400);
}

static bool kept(const char *version, const char *connection)
{
	char buf[200];

	snprintf(buf, sizeof(buf), "GET / HTTP/%s\r\n" HOST "%s" END, version,
		 connection);
	return parse_good(buf).keep_alive;
}

static void test_connection(void **state)
{
	(void)state;
	assert_true(kept("1.1", ""));
	assert_true(kept("1.1", "Connection: Keep-Alive\r\n"));
	assert_true(kept("1.1", "Connection: closed, upgrade\r\n"));
	assert_false(kept("1.1", "Connection: close\r\n"));
	assert_false(kept("1.1", "Connection: x ,\tCLOSE, y\r\n"));
	assert_false(kept("1.1", "Connection: keep-alive, close\r\n"));
	assert_false(kept("1.1", "Connection: close\r\n"
			  "Connection: keep-alive\r\n"));
	assert_false(kept("1.0", ""));
	assert_true(kept("1.0", "Connection: keep-alive\r\n"));
	assert_false(kept("1.0", "Connection: close, keep-alive\r\n"));
}

static void test_expect(void **state)
{
	struct http_request req;

	(void)state;
	req = parse_good(POST "Expect: 100-Continue\r\n" END);
	assert_true(req.expects_continue);
	req = parse_good("POST / HTTP/1.0\r\nExpect: 100-continue\r\n" END);
	assert_false(req.expects_continue);
	parse_bad(POST "Expect: 200-ok\r\n", 417);
}

/* A head of size bytes in all, the rest of which is path or a field. */
static char *long_head(size_t size, bool path)
{
	static const char start[] = "GET /", middle[] = " HTTP/1.1\r\nHost: ",
			  end[] = "\r\n\r\n";
	size_t pad = size - strlen(start) - strlen(middle) - strlen(end);
	char *head = malloc(size + 1), *fill = malloc(pad + 1);

	assert_non_null(head);
	assert_non_null(fill);
	memset(fill, 'x', pad);
	fill[pad] = '\0';
	snprintf(head, size + 1, "%s%s%s%s%s", start, path ? fill : "", middle,
		 path ? "" : fill, end);
	assert_int_equal(strlen(head), size);
	free(fill);
	return head;
}

static int parse_long(size_t size, bool path, size_t step)
{
	char *head = long_head(size, path);
	int got = parse_pieces(head, size, 0, step);

	free(head);
	return got;
}

static void test_limits(void **state)
{
	static const size_t steps[] = { 1, 7, HTTP_HEAD_MAX, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < NELEMS(steps); i++) {
		size_t step = steps[i];

		assert_int_equal(parse_long(HTTP_HEAD_MAX, true, step),
				 HTTP_HEAD_MAX);
		assert_int_equal(parse_long(HTTP_HEAD_MAX, false, step),
				 HTTP_HEAD_MAX);
		assert_int_equal(parse_long(HTTP_HEAD_MAX + 1, false, step),
				 -431);
		assert_int_equal(parse_long(HTTP_HEAD_MAX + 1, true, step),
				 -431);
		assert_int_equal(parse_long(2 * HTTP_HEAD_MAX, true, step),
				 -414);
		assert_int_equal(parse_long(2 * HTTP_HEAD_MAX, false, step),
				 -431);
	}
}

/* Whatever the bytes, the parser stays within them and comes to an end. */
static void test_random(void **state)
{
	static const char *const words[] = {
		"GET ", "POST ", "/ ", "HTTP/1.1", "\r\n", "\r", "\n", ":",
		"Host", "Content-Length", "Transfer-Encoding", "chunked", " ",
		"1", "\t", ",", "\xff", "", "\r\n\r\n", "Connection: close",
	};

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		char in[256] = GET;
		size_t len = rand() % 2 ? strlen(GET) : 0;
		int whole;

		while (len < 128 && rand() % 20) {
			const char *w = words[rand() % NELEMS(words)];

			memcpy(in + len, w, strlen(w) + 1);
			len += strlen(w) + !*w;
		}
		whole = parse_pieces(in, len, len, len);
		assert_in_range(whole + 600, 0, 600 + len);
		assert_int_equal(parse_pieces(in, len, 0, 1), whole);
	}
}

/* ------------------------------------------------------------------------ */
/* Bodies */

#define BODY_LIMIT	1000

struct decoded {
	int result;		/* bytes taken, or minus a status */
	bool ended;
	size_t len;
	char data[BODY_LIMIT];
};

/* Feed what there is, in a block of its own; false when no more is wanted. */
static bool feed(struct http_body *body, const char *in, size_t n,
		 struct decoded *d)
{
	char *copy = malloc(n ? n : 1);
	size_t done = 0;
	int got = 0;

	assert_non_null(copy);
	memcpy(copy, in, n);
	while (done < n && !http_body_ended(body)) {
		struct http_text data;

		got = http_body_decode(body, copy + done, n - done, &data);
		if (got < 0)
			break;
		assert_in_range(got, 1, n - done);
		assert_in_range(data.len, 0, BODY_LIMIT - d->len);
		memcpy(d->data + d->len, data.s, data.len);
		d->len += data.len;
		done += got;
	}
	free(copy);
	d->result = got < 0 ? got : d->result + (int)done;
	return got >= 0 && !http_body_ended(body);
}

static struct decoded decode(const struct http_request *req, const char *in,
			     size_t len, size_t cut, size_t step)
{
	struct decoded d = { 0 };
	struct http_body body;

	assert_int_equal(http_body_init(&body, req, BODY_LIMIT), 0);
	for (size_t at = 0, n = cut; at < len; at += n, n = step) {
		if (n > len - at)
			n = len - at;
		if (!feed(&body, in + at, n, &d))
			break;
	}
	d.ended = http_body_ended(&body);
	assert_true(d.result < 0 || body.total == d.len);
	return d;
}

static void same(const struct decoded *a, const struct decoded *b)
{
	assert_int_equal(a->result, b->result);
	assert_int_equal(a->ended, b->ended);
	if (a->result < 0)
		return;
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
}

static struct decoded decode_any(const struct http_request *req,
				 const char *in, size_t len)
{
	struct decoded whole = decode(req, in, len, len, len), other;

	for (size_t cut = 1; cut < len; cut++) {
		other = decode(req, in, len, cut, len);
		same(&other, &whole);
	}
	other = decode(req, in, len, 1, 1);
	same(&other, &whole);
	return whole;
}

static const struct http_request chunked = { .chunked = true };

static void expect_body(const struct http_request *req, const char *in,
			const char *data, const char *rest)
{
	struct decoded d = decode_any(req, in, strlen(in));

	assert_true(d.ended);
	assert_int_equal(d.len, strlen(data));
	assert_memory_equal(d.data, data, d.len);
	assert_string_equal(in + d.result, rest);
}

static void expect_bad_chunks(const char *in, int status)
{
	struct decoded d = decode_any(&chunked, in, strlen(in));

	if (d.result != -status)
		fail_msg("got %d, want %d: \"%s\"", d.result, -status, in);
}

static void test_body_length(void **state)
{
	struct http_request req = { 0 };
	struct http_body body;

	(void)state;
	assert_int_equal(http_body_init(&body, &req, 0), 0);
	assert_true(http_body_ended(&body));
	req.length = 5;
	expect_body(&req, "helloGET", "hello", "GET");
	assert_int_equal(http_body_init(&body, &req, 4), -413);
	assert_int_equal(http_body_init(&body, &req, 5), 0);
	assert_false(decode_any(&req, "hell", 4).ended);
}

static void test_chunks(void **state)
{
	(void)state;
	expect_body(&chunked, "0\r\n\r\n", "", "");
	expect_body(&chunked, "000\r\n\r\nGET", "", "GET");
	expect_body(&chunked, "5\r\nhello\r\n0\r\n\r\n", "hello", "");
	expect_body(&chunked, "1\r\na\r\n00002\r\n\r\n\r\n0\r\n\r\n0", "a\r\n",
		    "0");
	expect_body(&chunked, "A;x=\"y\"\r\n0123456789\r\n0;z\r\n\r\n",
		    "0123456789", "");
	expect_body(&chunked, "a \t;x\r\n0123456789\r\n0\r\n"
		    "X: y\r\nZ:\r\n\r\nGET", "0123456789", "GET");
	assert_false(decode_any(&chunked, "5\r\nhello\r\n0\r\n", 13).ended);
}

static void test_bad_chunks(void **state)
{
	static const char *const malformed[] = {
		"\r\n",
		";x\r\n",
		" 1\r\na\r\n",
		"-1\r\n",
		"0x1\r\na\r\n",
		"1 \r\na\r\n",
		"1 1\r\na\r\n",
		"1\na\r\n",
		"1\r\r\n",
		"1\rX",
		"1;x\ny\r\n",
		"1;\x01\r\n",
		"1\r\nab\r\n",
		"1\r\na0\r\n",
		"1\r\na\n0\r\n",
		"1\r\na\r0\r\n",
		"1\r\na\r\n\r\n",
		"0\n",
		"0\r\n\n",
		"0\r\n\rX",
		"0\r\n X: y\r\n",
		"0\r\nX: y\n",
		"0\r\nX: y\rZ",
		"0\r\nX: \x01\r\n",
	};

	(void)state;
	for (size_t i = 0; i < NELEMS(malformed); i++)
		expect_bad_chunks(malformed[i], 400);
}

static void test_body_limits(void **state)
{
	char *in = malloc(4 * HTTP_HEAD_MAX);
	size_t n;

	(void)state;
	assert_non_null(in);
	expect_bad_chunks("3e9\r\n", 413);
	expect_bad_chunks("1\r\na\r\n3e8\r\n", 413);
	expect_bad_chunks("ffffffffffffffff\r\n", 413);
	expect_bad_chunks("10000000000000000\r\n", 413);
	expect_bad_chunks("1000000000000000000000000001\r\n", 413);

	n = sprintf(in, "%0250d\r\n\r\n", 0);
	assert_true(decode_any(&chunked, in, n).ended);
	sprintf(in, "%0300d", 0);
	expect_bad_chunks(in, 400);
	sprintf(in, "1;%0300d", 0);
	expect_bad_chunks(in, 400);

	n = 0;
	for (int i = 0; i < BODY_LIMIT; i++)
		n += sprintf(in + n, "1\r\n%d\r\n", i % 10);
	n += sprintf(in + n, "0\r\n\r\n");
	assert_int_equal(decode(&chunked, in, n, n, n).len, BODY_LIMIT);

	n = sprintf(in, "0\r\nX: %08000d\r\n\r\n", 0);
	assert_true(decode(&chunked, in, n, n, n).ended);
	n = sprintf(in, "0\r\nX: %05000d\r\nY: %05000d\r\n\r\n", 0, 0);
	assert_int_equal(decode(&chunked, in, n, n, n).result, -431);
	assert_int_equal(decode(&chunked, in, n, 1, 1).result, -431);
	free(in);
}

/* ------------------------------------------------------------------------ */
/* Targets */

static int decode_path(const char *path, char *name, size_t size)
{
	return http_decode_path((struct http_text){ path, strlen(path) }, name,
				size);
}

static void expect_name(const char *path, const char *want)
{
	char name[32];

	assert_int_equal(decode_path(path, name, sizeof(name)), 0);
	assert_string_equal(name, want);
}

static void test_paths(void **state)
{
	static const char *const bad[] = {
		"/..", "/../x", "/a/..", "/a/../b", "//..", "/%2e%2E/x",
		"/.%2e/x", "/a%2f..%2fb", "/..%2fx", "/%2F..", "/%2f%2e%2e%2f",
		"/%", "/%2", "/%2x", "/%x2", "/a%", "/%00", "/a%00.txt",
		"/%%32e",
	};
	char name[32];

	(void)state;
	expect_name("/", ".");
	expect_name("//", ".");
	expect_name("/a/b.c", "a/b.c");
	expect_name("///a//b/", "a//b/");
	expect_name("/%2Fetc/x", "etc/x");
	expect_name("/%61%7a%7E%e4%20", "az~\xe4 ");
	expect_name("/%252e%252e/x", "%2e%2e/x");
	expect_name("/.../..a/b../.x", ".../..a/b../.x");
	for (size_t i = 0; i < NELEMS(bad); i++)
		if (decode_path(bad[i], name, sizeof(name)) != -400)
			fail_msg("\"%s\" passes as \"%s\"", bad[i], name);
	assert_int_equal(decode_path("/1234567", name, 8), 0);
	assert_int_equal(decode_path("/12345678", name, 8), -414);
}

static int query(const char *text, uint64_t *n)
{
	return http_query_number((struct http_text){ text, strlen(text) }, "n",
				 1000, n);
}

static void test_query(void **state)
{
	static const char *const bad[] = {
		"n=", "n", "n=-1", "n=1x", "n=1001", "n= 1", "n=1=1",
		"n=99999999999999999999999",
	};
	uint64_t n = 5;

	(void)state;
	assert_int_equal(query("", &n), -404);
	assert_int_equal(query("m=1&nn=2&N=3", &n), -404);
	assert_int_equal(n, 5);
	assert_int_equal(query("n=1000", &n), 0);
	assert_int_equal(n, 1000);
	assert_int_equal(query("a=7&&n=0&n=3", &n), 0);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < NELEMS(bad); i++)
		if (query(bad[i], &n) != -400)
			fail_msg("\"%s\" passes as %d", bad[i], (int)n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_expect),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_body_length),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_bad_chunks),
		cmocka_unit_test(test_body_limits),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
