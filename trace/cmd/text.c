// SPDX-License-Identifier: ISC
/*
 * trace/cmd/text.c - texts out of traces, in which any byte may be.
 */
#include "cmd.h"

#include <stdio.h>

/* RFC 3629 */
size_t cmd_utf8_length(const char *text, size_t n)
{
	static const struct {
		uint8_t from, to, second_from, second_to, length;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const uint8_t *p = (const uint8_t *)text;
	size_t f, i, len;

	for (f = 0; f < sizeof(forms) / sizeof(*forms); f++)
		if (*p >= forms[f].from && *p <= forms[f].to)
			break;
	if (f == sizeof(forms) / sizeof(*forms))
		return 0;
	len = forms[f].length;
	if (len > n || (len > 1 && (p[1] < forms[f].second_from ||
				    p[1] > forms[f].second_to)))
		return 0;
	for (i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* U+0080 to U+009f are control characters, too. */
static bool is_plain(const uint8_t *p, size_t len)
{
	if (len == 1)
		return *p >= 0x20 && *p != 0x7f;
	return len && !(*p == 0xc2 && p[1] < 0xa0);
}

void cmd_print_text(struct tracefile_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t i, n;

	for (i = 0; i < s.len; i += n) {
		n = cmd_utf8_length(s.p + i, s.len - i);
		if (is_plain(p + i, n)) {
			fwrite(p + i, 1, n, stdout);
		} else {
			n = 1;
			printf("\\x%02x", p[i]);
		}
	}
}

size_t cmd_text_width(struct tracefile_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t i, n, width = 0;

	for (i = 0; i < s.len; i += n) {
		n = cmd_utf8_length(s.p + i, s.len - i);
		if (is_plain(p + i, n)) {
			width++;
		} else {
			n = 1;
			width += 4;
		}
	}
	return width;
}
