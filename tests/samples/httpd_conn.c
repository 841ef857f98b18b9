// SPDX-License-Identifier: ISC
/*
 * tests/samples/httpd_conn.c - one connection: requests in, responses out.
 *
 * What is sent collects in a buffer that goes out when it is full and before
 * anybody waits for the peer.  So a response is one write, and so are the
 * responses to requests that came in one packet.
 */
#define _GNU_SOURCE
#include "httpd_conn.h"

#include <gort/gort.h>
#include <gort/io.h>

#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#define LINGER_NS	INT64_C(1000000000)
#define LINGER_MAX	(1 << 20)		/* bytes */
#define SENDFILE_MAX	(1 << 20)		/* bytes at a time */

/* ------------------------------------------------------------------------ */
/* Life */

/*
 * Who may change the state: the connection between CONN_BUSY and CONN_IDLE,
 * the one who kicks from CONN_IDLE to CONN_KICKED, where it stays.
 */
enum {
	CONN_BUSY,
	CONN_IDLE,
	CONN_KICKED,
};

void conn_init(struct conn *c, struct conn_slot *slot,
	       const struct conn_config *config)
{
	c->config = config;
	c->slot = slot;
	c->fd = slot->fd;
	c->err = 0;
	c->keep = true;
	c->refused = false;
	c->requests = 0;
	c->date = 0;
	c->in_pos = c->in_end = 0;
	c->out_len = 0;
	atomic_store(&slot->state, CONN_BUSY);
}

/*
 * The connection may have closed its descriptor in between.  No socket can
 * have got its number, as nothing is accepted any more, and to a file a
 * deadline means nothing.
 */
void conn_kick(struct conn_slot *slot)
{
	int idle = CONN_IDLE;

	if (atomic_compare_exchange_strong(&slot->state, &idle, CONN_KICKED))
		gort_set_deadline(slot->fd, 1, -1);
}

static bool become_busy(struct conn *c)
{
	int idle = CONN_IDLE;

	return atomic_compare_exchange_strong(&c->slot->state, &idle,
					      CONN_BUSY);
}

/*
 * Either this sees that the server is stopping or conn_kick() sees CONN_IDLE:
 * both are written before the other is read, in one order for all.
 */
static bool become_idle(struct conn *c)
{
	atomic_store(&c->slot->state, CONN_IDLE);
	if (!atomic_load(c->config->stopping))
		return true;
	become_busy(c);
	return false;
}

static void set_read_timeout(struct conn *c, int64_t ns)
{
	gort_set_deadline(c->fd, gort_now_ns() + ns, -1);
}

static void set_write_timeout(struct conn *c)
{
	gort_set_deadline(c->fd, -1, gort_now_ns() + c->config->write_ns);
}

/* ------------------------------------------------------------------------ */
/* Bytes out */

/* As long as some of it goes out, now and then, there is time for the rest. */
static void send_all(struct conn *c, const char *data, size_t n)
{
	ssize_t got;

	while (n && !c->err) {
		set_write_timeout(c);
		got = gort_write(c->fd, data, n);
		if (got < 0) {
			c->err = got;
			break;
		}
		data += got;
		n -= got;
	}
}

static void flush(struct conn *c)
{
	send_all(c, c->out, c->out_len);
	c->out_len = 0;
}

static void put(struct conn *c, const void *data, size_t n)
{
	if (n > CONN_OUT_SIZE - c->out_len)
		flush(c);
	if (n > CONN_OUT_SIZE) {
		send_all(c, data, n);
		return;
	}
	memcpy(c->out + c->out_len, data, n);
	c->out_len += n;
}

static void put_text(struct conn *c, const char *text)
{
	put(c, text, strlen(text));
}

/* base: 10, or 16 */
static void put_number(struct conn *c, uint64_t n, unsigned int base)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	put(c, digits + at, sizeof(digits) - at);
}

/* ------------------------------------------------------------------------ */
/* Bytes in */

/* Sends first what is unsent.  Returns as read(), and c->err sticks. */
static ssize_t fill(struct conn *c, char *buf, size_t n)
{
	ssize_t got;

	flush(c);
	if (c->err)
		return c->err;
	got = gort_read(c->fd, buf, n);
	if (got < 0)
		c->err = got;
	return got;
}

/*
 * Wait for the first bytes of a request.
 * Returns 1, or 0: the peer has gone, said nothing for too long, or is not
 * welcome any more.
 */
static int fill_idle(struct conn *c)
{
	ssize_t n;

	flush(c);
	set_read_timeout(c, c->config->idle_ns);
	if (!become_idle(c))
		return 0;
	n = fill(c, c->in, CONN_IN_SIZE);
	if (!become_busy(c) || n <= 0)
		return 0;
	c->in_pos = 0;
	c->in_end = n;
	return 1;
}

/* Behind what there is of a head or a body.  Returns 1, 0 (end), or -408. */
static int fill_more(struct conn *c)
{
	ssize_t n = fill(c, c->in + c->in_end, CONN_IN_SIZE - c->in_end);

	if (n == -ETIMEDOUT) {
		c->err = 0;
		return -408;
	}
	if (n <= 0)
		return 0;
	c->in_end += n;
	return 1;
}

/* The parser has seen what there is, and wants more. */
static int fill_head(struct conn *c)
{
	if (c->in_pos == c->in_end)
		return fill_idle(c);
	if (!c->head_timed) {
		set_read_timeout(c, c->config->header_ns);
		c->head_timed = true;
	}
	if (c->in_pos) {
		memmove(c->in, c->in + c->in_pos, c->in_end - c->in_pos);
		c->in_end -= c->in_pos;
		c->in_pos = 0;
		c->req = (struct http_request){ 0 };
	}
	return fill_more(c);
}

static int read_head(struct conn *c)
{
	int n;

	c->req = (struct http_request){ 0 };
	c->head_timed = false;
	for (;;) {
		n = http_parse_head(&c->req, c->in + c->in_pos,
				    c->in_end - c->in_pos);
		if (n)
			break;
		n = fill_head(c);
		if (n <= 0)
			return n;
	}
	if (n > 0)
		c->in_pos += n;
	return n;
}

int conn_read_request(struct conn *c)
{
	int got, err;

	if (c->err || !c->keep)
		return 0;
	got = read_head(c);
	c->head_only = c->req.method == HTTP_HEAD;
	c->keep = c->req.keep_alive;
	c->continued = !c->req.expects_continue;
	if (got <= 0)
		return got;
	err = http_body_init(&c->body, &c->req, c->config->body_max);
	return err ? err : 1;
}

/* A body that breaks off: nobody is there for an answer. */
static int fill_body(struct conn *c)
{
	int got;

	if (!c->continued)
		put_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
	c->continued = true;
	c->in_pos = c->in_end = 0;
	set_read_timeout(c, c->config->header_ns);
	got = fill_more(c);
	if (!got && !c->err)
		c->err = -ECONNRESET;
	return got ? got : -400;
}

int conn_read_body(struct conn *c, struct http_text *data)
{
	int n;

	data->len = 0;
	while (!http_body_ended(&c->body) && !data->len) {
		if (c->in_pos == c->in_end) {
			n = fill_body(c);
			if (n < 0)
				return n;
		}
		n = http_body_decode(&c->body, c->in + c->in_pos,
				     c->in_end - c->in_pos, data);
		if (n < 0)
			return n;
		c->in_pos += n;
		c->continued = true;
	}
	return data->len > 0;
}

/* ------------------------------------------------------------------------ */
/* Responses */

static const char *status_text(int status)
{
	switch (status) {
	case 200:
		return "200 OK";
	case 301:
		return "301 Moved Permanently";
	case 400:
		return "400 Bad Request";
	case 403:
		return "403 Forbidden";
	case 404:
		return "404 Not Found";
	case 405:
		return "405 Method Not Allowed";
	case 408:
		return "408 Request Timeout";
	case 413:
		return "413 Content Too Large";
	case 414:
		return "414 URI Too Long";
	case 417:
		return "417 Expectation Failed";
	case 431:
		return "431 Request Header Fields Too Large";
	case 501:
		return "501 Not Implemented";
	case 503:
		return "503 Service Unavailable";
	case 505:
		return "505 HTTP Version Not Supported";
	default:
		return "500 Internal Server Error";
	}
}

/* The text is made once a second, not once a response. */
static void put_date(struct conn *c)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (c->date != now.tv_sec) {
		c->date = now.tv_sec;
		gmtime_r(&now.tv_sec, &tm);
		strftime(c->date_text, sizeof(c->date_text),
			 "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	conn_field(c, "Date", c->date_text);
}

/*
 * A client that waits for 100 Continue may or may not send the body after
 * another answer, so that is the last one.
 */
void conn_start(struct conn *c, int status)
{
	if (!c->continued)
		c->refused = true;
	if (c->refused || atomic_load(c->config->stopping))
		c->keep = false;
	put_text(c, "HTTP/1.1 ");
	put_text(c, status_text(status));
	put_text(c, "\r\n");
	put_date(c);
}

void conn_field(struct conn *c, const char *name, const char *value)
{
	put_text(c, name);
	put_text(c, ": ");
	put_text(c, value);
	put_text(c, "\r\n");
}

static void end_head(struct conn *c)
{
	if (!c->keep)
		conn_field(c, "Connection", "close");
	else if (c->req.http_1_0)
		conn_field(c, "Connection", "keep-alive");
	put_text(c, "\r\n");
}

void conn_length(struct conn *c, uint64_t length)
{
	c->chunked = false;
	put_text(c, "Content-Length: ");
	put_number(c, length, 10);
	put_text(c, "\r\n");
	end_head(c);
}

/* For HTTP/1.0 the end of the connection is that of the body. */
void conn_chunked(struct conn *c)
{
	c->chunked = !c->req.http_1_0;
	if (c->chunked)
		conn_field(c, "Transfer-Encoding", "chunked");
	else
		c->keep = false;
	end_head(c);
}

void conn_write(struct conn *c, const void *data, size_t n)
{
	if (c->head_only || !n)
		return;
	if (c->chunked) {
		put_number(c, n, 16);
		put_text(c, "\r\n");
	}
	put(c, data, n);
	if (c->chunked)
		put_text(c, "\r\n");
}

/* What nobody wanted of the request's body is still in the way. */
static void drop_body(struct conn *c)
{
	struct http_text data;
	int got;

	do {
		got = conn_read_body(c, &data);
	} while (got > 0);
	if (got < 0) {
		c->keep = false;
		c->refused = true;
	}
}

void conn_end(struct conn *c)
{
	if (c->chunked && !c->head_only)
		put_text(c, "0\r\n\r\n");
	c->requests++;
	if (!c->refused)
		drop_body(c);
	/* Requests behind the last one get no answer. */
	if (!c->keep)
		c->refused = true;
}

static void put_page(struct conn *c, const char *text)
{
	conn_field(c, "Content-Type", "text/plain; charset=utf-8");
	conn_length(c, strlen(text));
	conn_write(c, text, strlen(text));
	conn_end(c);
}

void conn_text(struct conn *c, const char *text)
{
	conn_start(c, 200);
	put_page(c, text);
}

void conn_error(struct conn *c, int status, const char *allow)
{
	conn_start(c, status);
	if (allow)
		conn_field(c, "Allow", allow);
	put_page(c, status_text(status));
}

void conn_refuse(struct conn *c, int status)
{
	c->refused = true;
	conn_error(c, status, NULL);
}

char *conn_room(struct conn *c, size_t *room)
{
	*room = CONN_OUT_SIZE - c->out_len;
	return c->out + c->out_len;
}

void conn_added(struct conn *c, size_t n)
{
	c->out_len += n;
}

/* The disk may be slow, so for the runtime this is a blocking call. */
static ssize_t send_piece(struct conn *c, int fd, size_t n)
{
	ssize_t got;

	gort_syscall_enter();
	got = sendfile(c->fd, fd, NULL, n);
	if (got < 0)
		got = -errno;
	gort_syscall_exit();
	return got;
}

/* Returns 0 or -errno. */
static int wait_writable(struct conn *c)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLOUT };
	int got = gort_poll(&pfd, 1, c->config->write_ns);

	if (got < 0)
		return got;
	return got ? 0 : -ETIMEDOUT;
}

void conn_send_file(struct conn *c, int fd, uint64_t n)
{
	ssize_t got;

	flush(c);
	while (n && !c->err) {
		got = send_piece(c, fd, n < SENDFILE_MAX ? n : SENDFILE_MAX);
		if (got > 0)
			n -= got;
		else if (got == -EAGAIN)
			c->err = wait_writable(c);
		else if (got != -EINTR)	/* 0: the file has become shorter */
			c->err = got ? got : -EIO;
	}
}

/* ------------------------------------------------------------------------ */
/* The end */

/* Until the peer has seen the end of what we said, and says so. */
static void linger(struct conn *c)
{
	size_t seen = 0;
	ssize_t n;

	shutdown(c->fd, SHUT_WR);
	set_read_timeout(c, LINGER_NS);
	do {
		n = fill(c, c->in, CONN_IN_SIZE);
		seen += n > 0 ? n : 0;
	} while (n > 0 && seen < LINGER_MAX);
}

void conn_close(struct conn *c)
{
	flush(c);
	if (!c->err && c->refused)
		linger(c);
	gort_close(c->fd);
}
