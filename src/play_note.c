/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of fixed sizes, since memory may be out when they are written. */
#include "play_note.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bevhost/test.h>

#include "log.h"
#include "play.h"

/* Bytes that are shown of what was sent or came: all, or how it begins and
   ends. */
#define PLAY_NOTE_LINE 160
#define PLAY_NOTE_HEAD 100
#define PLAY_NOTE_TAIL 50

/* The first lines go, until there is room for so much more. */
static size_t
play_note_room(struct play_result *result, size_t more)
{
	char *text = result->transcript, *next;
	size_t len = strlen(text);

	while (len > 0 && len + more >= sizeof(result->transcript)) {
		next = strchr(text, '\n');
		next = next != NULL ? next + 1 : text + len;
		len -= (size_t)(next - text);
		memmove(text, next, len + 1);
	}
	return len;
}

void
play_note(struct play_result *result, const char *format, ...)
{
	char line[1024];
	va_list args;
	size_t len, at;

	va_start(args, format);
	vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	strcat(line, "\n");
	len = strlen(line);
	at = play_note_room(result, len + 1);
	memcpy(result->transcript + at, line, len + 1);
}

void
play_note_word(struct play_result *result, const char *word, const char *name)
{
	play_note(result, "%s%s%s", word, *name != '\0' ? " " : "", name);
}

char *
play_quote(char *buf, size_t size, const char *bytes, size_t len)
{
	size_t head = len <= PLAY_NOTE_LINE ? len : PLAY_NOTE_HEAD;
	char text[4 * PLAY_NOTE_LINE + 1], tail[4 * PLAY_NOTE_TAIL + 1];

	log_escape(text, sizeof(text), bytes, head, 1);
	if (head < len) {
		log_escape(tail, sizeof(tail), bytes + len - PLAY_NOTE_TAIL,
		    PLAY_NOTE_TAIL, 1);
		snprintf(
		    buf, size, "\"%s\"...\"%s\" (%zu bytes)", text, tail, len);
	} else {
		snprintf(buf, size, "\"%s\"", text);
	}
	return buf;
}

void
play_note_bytes(struct play_result *result, const char *name, const char *sign,
    const char *bytes, size_t len)
{
	char text[4 * PLAY_NOTE_LINE + 64];

	play_note(result, "%s%s %s", name, sign,
	    play_quote(text, sizeof(text), bytes, len));
}

/* The debugger's: a call that is left out, or in place, is none. */
void __attribute__((noinline)) bevhost_test_failed(const char *why)
{
	__asm__ volatile("" : : "r"(why) : "memory");
}

int
play_wrong(struct play_result *result, const char *format, ...)
{
	va_list args;

	if (result->why[0] != '\0')
		return -1;
	va_start(args, format);
	vsnprintf(result->why, sizeof(result->why), format, args);
	va_end(args);
	bevhost_test_failed(result->why);
	return -1;
}
