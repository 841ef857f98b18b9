/* SPDX-License-Identifier: ISC */
/*
 * tests/samples/httpd_parse.h - HTTP/1.1 requests out of bytes (RFC 9112).
 *
 * Pure functions on memory: nothing here reads, waits, allocates or calls
 * gort.  What they return when a request is bad is minus the status code to
 * answer with.
 *
 * Strict where leniency has let two parties disagree on where a request ends
 * ("request smuggling"): lines end in CR LF and nothing else, no folded
 * lines, no space before a colon, one Content-Length or one
 * Transfer-Encoding but not both, and digits that do not overflow.
 */
#ifndef TESTS_SAMPLES_HTTPD_PARSE_H
#define TESTS_SAMPLES_HTTPD_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX	8192	/* bytes: request line, fields, empty line */

/* Part of a buffer; not terminated. */
struct http_text {
	const char *s;
	size_t len;
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
};

/* All zeros is a request of which nothing has been seen. */
struct http_request {
	enum http_method method;
	struct http_text path;		/* with its escapes, from the first / */
	struct http_text query;		/* behind the ?, or empty */
	uint64_t length;		/* of the body, unless chunked */
	bool chunked;
	bool http_1_0;
	bool keep_alive;		/* the connection may be kept */
	bool expects_continue;

	/* The parser's own */
	size_t line;			/* where the first unread line starts */
	size_t seen;			/* bytes known to hold no more lines */
	bool in_fields;			/* the request line has been read */
	bool has_host;
	bool has_length;
	bool has_encoding;
	bool says_close;
	bool says_keep_alive;
};

/*
 * http_parse_head - read the head of the request that starts at buf, of which
 * len bytes are there: the same ones as the last time and perhaps more.
 *
 * Returns the size of the head when it is complete; 0 if there must be more;
 * or
 *	-400	not HTTP, or its end or the end of its body is in doubt
 *	-414	the request line is longer than HTTP_HEAD_MAX
 *	-417	an expectation other than 100-continue
 *	-431	the head is longer than that
 *	-501	a method or an encoding that is not supported
 *	-505	not HTTP/1
 */
int http_parse_head(struct http_request *req, const char *buf, size_t len);

/*
 * The body of a request, by length or in chunks.
 */
struct http_body {
	uint64_t left;			/* of the length or of this chunk */
	uint64_t total;			/* bytes of data so far */
	uint64_t limit;			/* most there may be */
	size_t framing;			/* bytes of this line or the trailers */
	uint8_t state;
};

/*
 * http_body_init - the body that req announces.
 * Returns 0, or -413 if it is known already to be longer than limit.
 */
int http_body_init(struct http_body *body, const struct http_request *req,
		   uint64_t limit);

/* Has all of it been decoded? */
bool http_body_ended(const struct http_body *body);

/*
 * http_body_decode - take bytes off the n at in, up to the end of a stretch
 * of data; data is that stretch, which may be empty.
 *
 * Returns how many were taken, more than 0 for n > 0 unless the body has
 * ended; or
 *	-400	the chunks are malformed
 *	-413	more data than the limit
 *	-431	trailers longer than HTTP_HEAD_MAX
 */
int http_body_decode(struct http_body *body, const char *in, size_t n,
		     struct http_text *data);

/*
 * http_decode_path - the path as a file name relative to a root directory:
 * without escapes and leading slashes, "." for the root itself; terminated.
 *
 * Returns 0, -400 (bad escape, NUL, or a ".." between slashes: clients
 * resolve those themselves), or -414 (does not fit).
 */
int http_decode_path(struct http_text path, char *name, size_t size);

/*
 * http_query_number - the value of key in a query such as "a=1&n=7".
 * Returns 0, -404 (no such key; *value stays), or -400 (not a decimal number
 * up to max).
 */
int http_query_number(struct http_text query, const char *key, uint64_t max,
		      uint64_t *value);

#endif
