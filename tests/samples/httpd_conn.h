/* SPDX-License-Identifier: ISC */
/*
 * tests/samples/httpd_conn.h - one connection: requests in, responses out.
 *
 * All of it belongs to the connection's goroutine and lies on its stack.
 * Reading and writing block that goroutine.
 *
 * Errors of the connection stick: after the first one nothing is read or
 * written any more, so handlers need not look.  Functions that return a
 * status return 0, or minus the status code to answer with.
 */
#ifndef TESTS_SAMPLES_HTTPD_CONN_H
#define TESTS_SAMPLES_HTTPD_CONN_H

#include <stdatomic.h>
#include <time.h>

#include "httpd_parse.h"

#define CONN_IN_SIZE	HTTP_HEAD_MAX
#define CONN_OUT_SIZE	8192

struct conn_config {
	const _Atomic bool *stopping;	/* no more requests, please */
	uint64_t body_max;		/* bytes */
	int64_t header_ns;		/* from a request's first byte on */
	int64_t idle_ns;		/* between requests */
	int64_t write_ns;		/* for each piece of a response */
};

/*
 * What others may know of a connection.  While it is idle, and only then,
 * the server may end it: see conn_kick().
 */
struct conn_slot {
	_Atomic int state;
	int fd;
};

struct conn {
	const struct conn_config *config;
	struct conn_slot *slot;
	int fd;
	int err;			/* 0 or -errno */
	bool keep;			/* for another request */
	bool refused;			/* the client's rest goes unread */
	bool head_timed;		/* the time for this head runs */
	bool head_only;			/* the response has no body */
	bool chunked;			/* it has, in chunks */
	bool continued;			/* 100 Continue is sent or needless */
	uint64_t requests;		/* answered */
	time_t date;			/* what date_text says */
	char date_text[32];
	struct http_request req;
	struct http_body body;
	size_t in_pos, in_end;		/* what is unread in in */
	size_t out_len;			/* what is unsent in out */
	char in[CONN_IN_SIZE];
	char out[CONN_OUT_SIZE];
};

void conn_init(struct conn *c, struct conn_slot *slot,
	       const struct conn_config *config);

/*
 * conn_close - send what is left and close.  Of a client whose request was
 * refused there may be more to come: wait for it a little, as closing at once
 * would reset the connection and destroy the answer on its way.
 */
void conn_close(struct conn *c);

/*
 * conn_kick - end the connection if it is idle.  Any goroutine.
 * *stopping is set already, so a connection that becomes idle ends itself.
 */
void conn_kick(struct conn_slot *slot);

/*
 * conn_read_request - wait for the next request and read its head.
 * Returns 1, 0 (no more requests), or minus a status.
 */
int conn_read_request(struct conn *c);

/*
 * conn_read_body - the next stretch of the request's body, which is good
 * until the next call.
 * Returns 1, 0 (that was all), or minus a status.
 */
int conn_read_body(struct conn *c, struct http_text *data);

/*
 * A response: conn_start(), fields, then conn_length() or conn_chunked(),
 * either of which ends the head, conn_write() and conn_end().
 */
void conn_start(struct conn *c, int status);
void conn_field(struct conn *c, const char *name, const char *value);
void conn_length(struct conn *c, uint64_t length);
void conn_chunked(struct conn *c);
void conn_write(struct conn *c, const void *data, size_t n);
void conn_end(struct conn *c);

/*
 * Complete responses.  conn_error(): allow are the methods, for 405, or NULL.
 * conn_refuse(): as the last one, the rest of the request is not read.
 */
void conn_text(struct conn *c, const char *text);
void conn_error(struct conn *c, int status, const char *allow);
void conn_refuse(struct conn *c, int status);

/*
 * For files: room for the next bytes of a body of known length, as many as
 * fit behind what is unsent; conn_added() says how many there are now.
 */
char *conn_room(struct conn *c, size_t *room);
void conn_added(struct conn *c, size_t n);

/* Send n bytes of the file fd, from its offset, behind what is unsent. */
void conn_send_file(struct conn *c, int fd, uint64_t n);

#endif
