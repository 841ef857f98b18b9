// SPDX-License-Identifier: ISC
/*
 * trace/cmd/format.c - times and names as text.
 *
 * Names come from files that anyone may have written, and go to browsers.
 */
#include "format.h"

#include <string.h>

#include "cmd.h"

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
};

#define NR_UNITS	(sizeof(units) / sizeof(units[0]))

const char *format_ns(char buf[FORMAT_NS], uint64_t ns)
{
	double v = (double)ns;
	int decimals;
	size_t i = 0;

	if (ns < 1000) {
		snprintf(buf, FORMAT_NS, "%uns", (unsigned int)ns);
		return buf;
	}
	/* What would be rounded to 1000 is 1.00 of the next. */
	for (; v >= 999.5 && i < NR_UNITS - 1; i++)
		v /= 1000;
	decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
	snprintf(buf, FORMAT_NS, "%.*f%s", decimals, v, units[i].name);
	return buf;
}

static const struct unit *find_unit(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < NR_UNITS; i++)
		if (strlen(units[i].name) == len &&
		    !memcmp(units[i].name, p, len))
			return &units[i];
	return NULL;
}

bool parse_ns(const char *p, size_t len, uint64_t *ns)
{
	const char *end = p + len, *first = p, *point = NULL;
	const struct unit *unit;
	double v = 0, scale = 1;

	for (; p < end && (*p == '.' || (*p >= '0' && *p <= '9')); p++) {
		if (*p == '.' && (point || p == first))
			return false;
		if (*p == '.') {
			point = p;
			continue;
		}
		v = v * 10 + (*p - '0');
		scale *= point ? 10 : 1;
	}
	unit = find_unit(p, (size_t)(end - p));
	if (p == first || p - 1 == point || !unit)
		return false;
	v = v / scale * (double)unit->ns + 0.5;
	if (!(v < 18446744073709551616.0))
		return false;
	*ns = (uint64_t)v;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t unescape(char *out, const char *p, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; n++) {
		if (len - i >= 4 && p[i] == '\\' && p[i + 1] == 'x' &&
		    hex_digit(p[i + 2]) >= 0 && hex_digit(p[i + 3]) >= 0) {
			out[n] = (char)(hex_digit(p[i + 2]) << 4 |
					hex_digit(p[i + 3]));
			i += 4;
		} else {
			out[n] = p[i++];
		}
	}
	return n;
}

/* C0, which XML cannot have, and C1 and DEL, which nothing can show. */
static bool is_control(const unsigned char *p)
{
	return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
}

/* U+FFFE and U+FFFF. */
static bool is_noncharacter(const unsigned char *p)
{
	return *p == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
}

static void put_xml_char(FILE *f, const unsigned char *p, size_t n)
{
	switch (*p) {
	case '<':
		fputs("&lt;", f);
		return;
	case '>':
		fputs("&gt;", f);
		return;
	case '&':
		fputs("&amp;", f);
		return;
	case '"':
		fputs("&quot;", f);
		return;
	default:
		fwrite(p, 1, n, f);
	}
}

void put_xml(FILE *f, const char *text, size_t len)
{
	const unsigned char *p;
	size_t n;

	for (; len; text += n, len -= n) {
		p = (const unsigned char *)text;
		n = cmd_utf8_length(text, len);
		if (n && !is_control(p) && !is_noncharacter(p)) {
			put_xml_char(f, p, n);
			continue;
		}
		fputs("\xef\xbf\xbd", f);
		n = n ? n : 1;
	}
}

size_t utf8_cut(const char *text, size_t len, size_t max)
{
	size_t n, at = 0;

	while (at < len) {
		n = cmd_utf8_length(text + at, len - at);
		n = n ? n : 1;
		if (at + n > max)
			break;
		at += n;
	}
	return at;
}
