/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What members may send and be called. Text is UTF-8 as RFC 3629 has it;
 * names are ASCII, so that no two look alike.
 */
#include "chat.h"

#include <stdint.h>
#include <string.h>

#define CHAT_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

int
chat_name_is_good(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < CHAT_NAME_SIZE &&
	       strchr(CHAT_LETTERS, name[0]) != NULL &&
	       strspn(name, CHAT_LETTERS "0123456789-_") == len;
}

/* The bytes of the character at `s`, of which there are `len`, and its number;
   or 0 when it is none: too short, too long for its number, or a surrogate. */
static size_t
chat_text_decode(const unsigned char *s, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t size = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	size_t i;

	*code = size == 1 ? s[0] : s[0] & (0xffu >> (size + 1));
	if (s[0] > 0xf4 || (s[0] & 0xc0) == 0x80 || size > len)
		return 0;
	for (i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[size] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return size;
}

/* C0, DEL, C1; line and paragraph separators; embeddings, overrides and
   isolates of direction, which would turn the rest of a terminal's line. */
static int
chat_text_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

long
chat_text_clean(char *line, size_t len)
{
	size_t at, size, kept = 0;
	uint32_t code;

	for (at = 0; at < len; at += size) {
		size = chat_text_decode(
		    (const unsigned char *)line + at, len - at, &code);
		if (size == 0)
			return -(long)at - 1;
		if (chat_text_is_control(code))
			continue;
		memmove(line + kept, line + at, size);
		kept += size;
	}
	line[kept] = '\0';
	return (long)kept;
}
