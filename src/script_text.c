/* SPDX-License-Identifier: BSD-2-Clause */
/* Text with escapes, and hexadecimal digits. */
#include "script_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
script_text_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) % 16 : -1;
}

/* After a backslash: how many characters were taken, or -1. */
static int
script_text_escape(const char *text, char *byte)
{
	static const char from[] = "nrt0\\ ", to[] = "\n\r\t\0\\ ";
	const char *at = *text != '\0' ? strchr(from, *text) : NULL;
	int high, low;

	if (at != NULL) {
		*byte = to[at - from];
		return 1;
	}
	if (*text != 'x')
		return -1;
	high = script_text_digit(text[1]);
	low = high >= 0 ? script_text_digit(text[2]) : -1;
	*byte = (char)(high * 16 + low);
	return low >= 0 ? 3 : -1;
}

static int
script_text_unescape(
    const char *text, char *bytes, size_t *len, char *why, size_t size)
{
	int taken;

	for (*len = 0; *text != '\0'; (*len)++) {
		if (*text != '\\') {
			bytes[*len] = *text++;
			continue;
		}
		taken = script_text_escape(text + 1, &bytes[*len]);
		if (taken < 0) {
			snprintf(why, size,
			    "'\\%.3s' is no escape: \\n \\r \\t \\0 \\xHH, "
			    "'\\ ' for a space, and \\\\",
			    text + 1);
			return -1;
		}
		text += 1 + taken;
	}
	return 0;
}

static int
script_text_hex(
    const char *text, char *bytes, size_t *len, char *why, size_t size)
{
	int high, low;

	for (*len = 0; *text != '\0';) {
		if (*text == ' ') {
			text++;
			continue;
		}
		high = script_text_digit(text[0]);
		low = high >= 0 ? script_text_digit(text[1]) : -1;
		if (low < 0) {
			snprintf(why, size,
			    "'%.2s' is no byte of two hexadecimal digits",
			    text);
			return -1;
		}
		bytes[(*len)++] = (char)(high * 16 + low);
		text += 2;
	}
	return 0;
}

int
script_text_bytes(const char *text, const char *eol, char **bytes, size_t *len,
    char *why, size_t size)
{
	char sign = *text;
	int status;

	if (sign != '\0' && sign != ' ' && sign != '-' && sign != 'x') {
		snprintf(why, size,
		    "after > or < comes a space and a text, - for a text "
		    "without an end of line, or x for hexadecimal digits");
		return -1;
	}
	*bytes = malloc(strlen(text) + strlen(eol) + 1);
	if (*bytes == NULL) {
		snprintf(why, size, "%s", strerror(ENOMEM));
		return -1;
	}
	text += sign != '\0';
	text += (sign == '-' || sign == 'x') && *text == ' ';
	status = sign == 'x'
		     ? script_text_hex(text, *bytes, len, why, size)
		     : script_text_unescape(text, *bytes, len, why, size);
	if (status < 0) {
		free(*bytes);
		*bytes = NULL;
		return -1;
	}
	if (sign == '\0' || sign == ' ') {
		memcpy(*bytes + *len, eol, strlen(eol));
		*len += strlen(eol);
	}
	(*bytes)[*len] = '\0';
	return 0;
}

/* One line of it, up to its eol if it has one. Returns how many bytes. */
static size_t
script_text_line(const char *bytes, size_t len, const char *eol, char *line)
{
	static const char digits[] = "0123456789abcdef";
	size_t eol_len = strlen(eol), used;
	int whole;
	const char *end = memmem(bytes, len, eol, eol_len);
	size_t i, taken = end != NULL ? (size_t)(end - bytes) : len;

	if (taken > SCRIPT_TEXT_LINE)
		taken = SCRIPT_TEXT_LINE;
	whole = end == bytes + taken;
	used = whole ? 0 : 1;
	line[0] = '-';
	line[used++] = ' ';
	for (i = 0; i < taken; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte == '\\' || byte == '\n' || byte == '\r') {
			line[used++] = '\\';
			line[used++] = byte == '\\'   ? '\\'
				       : byte == '\n' ? 'n'
						      : 'r';
		} else if (byte < ' ' || byte >= 0x7f) {
			line[used++] = '\\';
			line[used++] = 'x';
			line[used++] = digits[byte >> 4];
			line[used++] = digits[byte & 15];
		} else {
			line[used++] = (char)byte;
		}
	}
	/* An editor may take a space at the end away. */
	if (i > 0 && line[used - 1] == ' ') {
		line[used - 1] = '\\';
		line[used++] = ' ';
	}
	line[used] = '\0';
	return taken + (whole ? eol_len : 0);
}

void
script_text_lines(const char *bytes, size_t len, const char *eol,
    void (*put)(const char *line, void *arg), void *arg)
{
	char line[4 * SCRIPT_TEXT_LINE + 8];
	size_t taken;

	while (len > 0) {
		taken = script_text_line(bytes, len, eol, line);
		put(line, arg);
		bytes += taken;
		len -= taken;
	}
}
