// SPDX-License-Identifier: ISC
/*
 * tests/samples/httpd_parse.c - HTTP/1.1 requests out of bytes.
 *
 * The head is read line by line as it comes in, so that nonsense is refused
 * at its first line, and no byte is looked at twice for the end of a line
 * however slowly they drip in.  The framing of chunks is a state machine on
 * bytes, since any of its parts may be cut anywhere.
 *
 * Section numbers are those of RFC 9112 unless said otherwise.
 */
#include "httpd_parse.h"

#include <string.h>

#define CHUNK_LINE_MAX	256	/* bytes of size and extensions of a chunk */

/* ------------------------------------------------------------------------ */
/* Characters */

enum {
	TOKEN	= 1,		/* of names and methods: RFC 9110, 5.6.2 */
	PATH	= 2,		/* of paths: RFC 3986, 3.3 */
	HOST	= 4,		/* of Host: RFC 3986, 3.2.2 and 3.2.3 */
	FIELD	= 8,		/* of values: RFC 9110, 5.5 */
	DIGIT	= 16,
	HEX	= 32,

	ALL	= TOKEN | PATH | HOST | FIELD,
	DELIM	= PATH | HOST | FIELD,
};

/* In the order of ASCII. */
static const uint8_t classes[256] = {
	['\t'] = FIELD,
	[' '] = FIELD,
	['!'] = ALL,
	['"'] = FIELD,
	['#'] = TOKEN | FIELD,
	['$' ... '\''] = ALL,
	['(' ... ')'] = DELIM,
	['*' ... '+'] = ALL,
	[','] = DELIM,
	['-' ... '.'] = ALL,
	['/'] = PATH | FIELD,
	['0' ... '9'] = ALL | DIGIT | HEX,
	[':' ... ';'] = DELIM,
	['<'] = FIELD,
	['='] = DELIM,
	['>' ... '?'] = FIELD,
	['@'] = PATH | FIELD,
	['A' ... 'F'] = ALL | HEX,
	['G' ... 'Z'] = ALL,
	['['] = HOST | FIELD,
	['\\'] = FIELD,
	[']'] = HOST | FIELD,
	['^'] = TOKEN | FIELD,
	['_'] = ALL,
	['`'] = TOKEN | FIELD,
	['a' ... 'f'] = ALL | HEX,
	['g' ... 'z'] = ALL,
	['{'] = FIELD,
	['|'] = TOKEN | FIELD,
	['}'] = FIELD,
	['~'] = ALL,
	[128 ... 255] = FIELD,
};

static bool is(unsigned char c, int class)
{
	return classes[c] & class;
}

/* How many bytes at the front of text are of this class. */
static size_t span(struct http_text text, int class)
{
	size_t n = 0;

	while (n < text.len && is(text.s[n], class))
		n++;
	return n;
}

static unsigned int hex_value(unsigned char c)
{
	return is(c, DIGIT) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* ------------------------------------------------------------------------ */
/* Texts */

static struct http_text text_of(const char *s)
{
	return (struct http_text){ s, strlen(s) };
}

static struct http_text text_skip(struct http_text text, size_t n)
{
	return (struct http_text){ text.s + n, text.len - n };
}

static bool text_equal(struct http_text text, const char *s)
{
	return text.len == strlen(s) && !memcmp(text.s, s, text.len);
}

static bool text_starts(struct http_text text, const char *s)
{
	size_t len = strlen(s);

	return text.len >= len && !memcmp(text.s, s, len);
}

/* lower: in lower case, as tolower() of the C locale would make it. */
static bool text_starts_nocase(struct http_text text, const char *lower)
{
	size_t len = strlen(lower);

	if (text.len < len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text.s[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c != (unsigned char)lower[i])
			return false;
	}
	return true;
}

static bool text_equal_nocase(struct http_text text, const char *lower)
{
	return text.len == strlen(lower) && text_starts_nocase(text, lower);
}

/* Cut off and return what is in front of the first c, or all. */
static struct http_text text_cut(struct http_text *text, char c)
{
	const char *at = text->len ? memchr(text->s, c, text->len) : NULL;
	size_t n = at ? (size_t)(at - text->s) : text->len;
	struct http_text front = { text->s, n };

	*text = text_skip(*text, at ? n + 1 : n);
	return front;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_text text_trim(struct http_text text)
{
	while (text.len && is_blank(text.s[0]))
		text = text_skip(text, 1);
	while (text.len && is_blank(text.s[text.len - 1]))
		text.len--;
	return text;
}

/* One or more digits and nothing else, up to max.  Is it that? */
static bool text_number(struct http_text text, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (!text.len || span(text, DIGIT) != text.len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned int digit = text.s[i] - '0';

		if (digit > max || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return true;
}

/* ------------------------------------------------------------------------ */
/* The request line */

/* A method that is none of ours may be well-formed: 501, not 400. */
static int parse_method(struct http_request *req, struct http_text method)
{
	if (!method.len || span(method, TOKEN) != method.len)
		return -400;
	if (text_equal(method, "GET"))
		req->method = HTTP_GET;
	else if (text_equal(method, "HEAD"))
		req->method = HTTP_HEAD;
	else if (text_equal(method, "POST"))
		req->method = HTTP_POST;
	else
		return -501;
	return 0;
}

/* Browsers send more than RFC 3986 allows, so take what is visible ASCII. */
static bool is_query(struct http_text query)
{
	for (size_t i = 0; i < query.len; i++) {
		unsigned char c = query.s[i];

		if (c <= ' ' || c >= 127 || c == '#')
			return false;
	}
	return true;
}

/*
 * 3.2: servers take the absolute form too.  The Host field is required all
 * the same, and as we are one host under any name it is not looked at.
 */
static int parse_target(struct http_request *req, struct http_text target)
{
	static const char scheme[] = "http://";
	bool absolute = target.len && target.s[0] != '/';

	if (absolute) {
		if (!text_starts_nocase(target, scheme))
			return -400;
		target = text_skip(target, strlen(scheme));
		target = text_skip(target, span(target, HOST));
	}
	req->path = text_cut(&target, '?');
	req->query = target;
	if (absolute && !req->path.len)
		req->path = text_of("/");
	if (!text_starts(req->path, "/") ||
	    span(req->path, PATH) != req->path.len ||
	    !is_query(req->query))
		return -400;
	return 0;
}

/* 2.3: HTTP/1.x with a higher x is to be taken as the highest we know. */
static int parse_version(struct http_request *req, struct http_text version)
{
	const char *s = version.s;

	if (version.len != strlen("HTTP/1.1") ||
	    !text_starts(version, "HTTP/") || !is(s[5], DIGIT) ||
	    s[6] != '.' || !is(s[7], DIGIT))
		return -400;
	if (s[5] != '1')
		return -505;
	req->http_1_0 = s[7] == '0';
	return 0;
}

static int parse_request_line(struct http_request *req, struct http_text line)
{
	struct http_text method, target;
	int err;

	method = text_cut(&line, ' ');
	target = text_cut(&line, ' ');
	err = parse_version(req, line);
	if (!err)
		err = parse_method(req, method);
	if (!err)
		err = parse_target(req, target);
	return err;
}

/* ------------------------------------------------------------------------ */
/* Fields */

static int field_host(struct http_request *req, struct http_text value)
{
	if (req->has_host || span(value, HOST) != value.len)
		return -400;
	req->has_host = true;
	return 0;
}

/* 6.3, 5: even repetitions of the same length are refused here. */
static int field_length(struct http_request *req, struct http_text value)
{
	if (req->has_length || !text_number(value, INT64_MAX, &req->length))
		return -400;
	req->has_length = true;
	return 0;
}

/*
 * 6.1: chunked must be last, and once.  Anything before it is well-formed but
 * unknown here, and any other end makes the length of the body a guess.
 */
static int field_encoding(struct http_request *req, struct http_text value)
{
	struct http_text coding = { 0 };

	if (req->has_encoding)
		return -400;
	req->has_encoding = true;
	if (text_equal_nocase(value, "chunked")) {
		req->chunked = true;
		return 0;
	}
	while (value.len) {
		if (text_equal_nocase(coding, "chunked"))
			return -400;
		coding = text_trim(text_cut(&value, ','));
	}
	return text_equal_nocase(coding, "chunked") ? -501 : -400;
}

static int field_connection(struct http_request *req, struct http_text value)
{
	while (value.len) {
		struct http_text option = text_trim(text_cut(&value, ','));

		if (text_equal_nocase(option, "close"))
			req->says_close = true;
		else if (text_equal_nocase(option, "keep-alive"))
			req->says_keep_alive = true;
	}
	return 0;
}

static int field_expect(struct http_request *req, struct http_text value)
{
	if (!text_equal_nocase(value, "100-continue"))
		return -417;
	req->expects_continue = true;
	return 0;
}

/* Those that say where the request ends, and what becomes of the connection. */
static const struct field {
	const char *name;
	int (*parse)(struct http_request *req, struct http_text value);
} fields[] = {
	{ "host", field_host },
	{ "connection", field_connection },
	{ "content-length", field_length },
	{ "transfer-encoding", field_encoding },
	{ "expect", field_expect },
};

/* A blank in front (a folded line) or before the colon is no token: 400. */
static int parse_field(struct http_request *req, struct http_text line)
{
	size_t n = span(line, TOKEN);
	struct http_text name = { line.s, n }, value;

	if (!n || n == line.len || line.s[n] != ':')
		return -400;
	value = text_trim(text_skip(line, n + 1));
	if (span(value, FIELD) != value.len)
		return -400;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (text_equal_nocase(name, fields[i].name))
			return fields[i].parse(req, value);
	return 0;
}

/* What only all fields together say. */
static int finish_head(struct http_request *req)
{
	if (!req->has_host && !req->http_1_0)
		return -400;
	if (req->has_encoding && (req->has_length || req->http_1_0))
		return -400;
	if (req->http_1_0)
		req->expects_continue = false;
	req->keep_alive = !req->says_close &&
			  (!req->http_1_0 || req->says_keep_alive);
	return 0;
}

/* ------------------------------------------------------------------------ */
/* The head */

/* The next line without its CR LF.  Returns 1, 0 (not there yet), or -400. */
static int next_line(struct http_request *req, const char *buf, size_t len,
		     struct http_text *line)
{
	const char *start = buf + req->line;
	const char *end = memchr(buf + req->seen, '\n', len - req->seen);

	if (!end) {
		req->seen = len;
		return 0;
	}
	if (end == start || end[-1] != '\r')
		return -400;
	*line = (struct http_text){ start, end - 1 - start };
	req->line = req->seen = end + 1 - buf;
	return 1;
}

/* 2.2: empty lines in front of a request are to be ignored. */
static int parse_line(struct http_request *req, struct http_text line)
{
	int err;

	if (req->in_fields)
		return parse_field(req, line);
	if (!line.len)
		return 0;
	err = parse_request_line(req, line);
	req->in_fields = !err;
	return err;
}

int http_parse_head(struct http_request *req, const char *buf, size_t len)
{
	size_t max = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
	struct http_text line;
	int found, err = 0;

	while ((found = next_line(req, buf, max, &line)) > 0) {
		if (req->in_fields && !line.len) {
			err = finish_head(req);
			return err ? err : (int)req->line;
		}
		err = parse_line(req, line);
		if (err)
			return err;
	}
	if (found < 0)
		return found;
	if (max == HTTP_HEAD_MAX)
		return req->in_fields ? -431 : -414;
	return 0;
}

/* ------------------------------------------------------------------------ */
/* The body */

enum {
	BODY_LENGTH,		/* left bytes of data, and that is all */
	CHUNK_SIZE,		/* at the first digit */
	CHUNK_DIGITS,		/* at a further digit, or behind the last */
	CHUNK_BLANK,		/* at blanks in front of an extension */
	CHUNK_EXTENSION,	/* in what we ignore, up to the CR */
	CHUNK_SIZE_LF,
	CHUNK_DATA,		/* left bytes of data */
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_START,		/* at the first byte of a line */
	TRAILER,
	TRAILER_LF,
	LAST_LF,
	BODY_ENDED,
};

int http_body_init(struct http_body *body, const struct http_request *req,
		   uint64_t limit)
{
	*body = (struct http_body){
		.left = req->length,
		.limit = limit,
		.state = req->chunked ? CHUNK_SIZE :
			 req->length ? BODY_LENGTH : BODY_ENDED,
	};
	return req->length > limit ? -413 : 0;
}

bool http_body_ended(const struct http_body *body)
{
	return body->state == BODY_ENDED;
}

/* Those that are too big for 64 bits are too big for any limit. */
static int chunk_digit(struct http_body *body, unsigned char c)
{
	if (body->left > UINT64_MAX >> 4)
		return -413;
	body->left = body->left << 4 | hex_value(c);
	return CHUNK_DIGITS;
}

/* Behind the digits: an extension, or the end of the line. */
static int chunk_size_end(unsigned char c)
{
	if (c == ';')
		return CHUNK_EXTENSION;
	return is_blank(c) ? CHUNK_BLANK : -400;
}

static int chunk_begin(const struct http_body *body)
{
	if (!body->left)
		return TRAILER_START;
	if (body->left > body->limit - body->total)
		return -413;
	return CHUNK_DATA;
}

/* The state after this byte of the framing, or minus a status. */
static int framing_byte(struct http_body *body, unsigned char c)
{
	switch (body->state) {
	case CHUNK_SIZE:
		return is(c, HEX) ? chunk_digit(body, c) : -400;
	case CHUNK_DIGITS:
		if (is(c, HEX))
			return chunk_digit(body, c);
		return c == '\r' ? CHUNK_SIZE_LF : chunk_size_end(c);
	case CHUNK_BLANK:
		return chunk_size_end(c);
	case CHUNK_EXTENSION:
		if (c == '\r')
			return CHUNK_SIZE_LF;
		return is(c, FIELD) ? CHUNK_EXTENSION : -400;
	case CHUNK_SIZE_LF:
		return c == '\n' ? chunk_begin(body) : -400;
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : -400;
	case CHUNK_DATA_LF:
		return c == '\n' ? CHUNK_SIZE : -400;
	case TRAILER_START:
		if (c == '\r')
			return LAST_LF;
		return is(c, TOKEN) ? TRAILER : -400;
	case TRAILER:
		if (c == '\r')
			return TRAILER_LF;
		return is(c, FIELD) ? TRAILER : -400;
	case TRAILER_LF:
		return c == '\n' ? TRAILER_START : -400;
	default:	/* LAST_LF */
		return c == '\n' ? BODY_ENDED : -400;
	}
}

/* Without this, bytes of framing could cost more than the limit allows. */
static int check_framing(struct http_body *body)
{
	body->framing++;
	if (body->state >= TRAILER_START)
		return body->framing > HTTP_HEAD_MAX ? -431 : 0;
	return body->framing > CHUNK_LINE_MAX ? -400 : 0;
}

static bool in_data(const struct http_body *body)
{
	return body->state == BODY_LENGTH || body->state == CHUNK_DATA;
}

static struct http_text take_data(struct http_body *body, const char *in,
				  size_t n)
{
	if (n > body->left)
		n = body->left;
	body->left -= n;
	body->total += n;
	body->framing = 0;
	if (!body->left)
		body->state = body->state == BODY_LENGTH ? BODY_ENDED :
							   CHUNK_DATA_CR;
	return (struct http_text){ in, n };
}

int http_body_decode(struct http_body *body, const char *in, size_t n,
		     struct http_text *data)
{
	size_t i = 0;
	int err;

	if (n > INT32_MAX)
		n = INT32_MAX;
	*data = (struct http_text){ in, 0 };
	while (i < n && !in_data(body) && !http_body_ended(body)) {
		err = check_framing(body);
		if (!err)
			err = framing_byte(body, in[i++]);
		if (err < 0)
			return err;
		body->state = err;
	}
	if (in_data(body)) {
		*data = take_data(body, in + i, n - i);
		i += data->len;
	}
	return i;
}

/* ------------------------------------------------------------------------ */
/* Targets */

static int decode_escape(struct http_text text, char *c)
{
	if (text.len < 3 || !is(text.s[1], HEX) || !is(text.s[2], HEX))
		return -400;
	*c = hex_value(text.s[1]) << 4 | hex_value(text.s[2]);
	return *c ? 0 : -400;
}

/* Is there a ".." that would lead upwards? */
static bool has_parent(const char *name)
{
	struct http_text rest = text_of(name);

	while (rest.len)
		if (text_equal(text_cut(&rest, '/'), ".."))
			return true;
	return false;
}

int http_decode_path(struct http_text path, char *name, size_t size)
{
	size_t n = 0;
	char c;

	while (path.len) {
		bool escape = path.s[0] == '%';

		c = path.s[0];
		if (escape && decode_escape(path, &c))
			return -400;
		path = text_skip(path, escape ? 3 : 1);
		if (c == '/' && !n)
			continue;
		if (n + 1 >= size)
			return -414;
		name[n++] = c;
	}
	name[n] = '\0';
	if (has_parent(name))
		return -400;
	if (!n)
		strcpy(name, ".");
	return 0;
}

int http_query_number(struct http_text query, const char *key, uint64_t max,
		      uint64_t *value)
{
	while (query.len) {
		struct http_text item = text_cut(&query, '&');

		if (text_equal(text_cut(&item, '='), key))
			return text_number(item, max, value) ? 0 : -400;
	}
	return -404;
}
