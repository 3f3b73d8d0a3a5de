/* SPDX-License-Identifier: BSD-2-Clause */
/* From the text of a pattern to its items, as Lua's manual says in 6.4.1. */
#include "script_pattern.h"

#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

/* The bytes of each class: %a, %c and so on. */
static const char script_classes[] = "acdglpsuwxz";
static uint32_t script_class_sets[sizeof(script_classes) - 1][8];

static void
script_set_add(uint32_t *set, unsigned char byte)
{
	set[byte / 32] |= (uint32_t)1 << byte % 32;
}

static void
script_set_invert(uint32_t *set)
{
	int i;

	for (i = 0; i < 8; i++)
		set[i] = ~set[i];
}

static int
script_class_has(char class, int byte)
{
	switch (class) {
	case 'a':
		return isalpha(byte);
	case 'c':
		return iscntrl(byte);
	case 'd':
		return isdigit(byte);
	case 'g':
		return isgraph(byte);
	case 'l':
		return islower(byte);
	case 'p':
		return ispunct(byte);
	case 's':
		return isspace(byte);
	case 'u':
		return isupper(byte);
	case 'w':
		return isalnum(byte);
	case 'x':
		return isxdigit(byte);
	default: /* z, which Lua still takes */
		return byte == 0;
	}
}

void
script_pattern_init(void)
{
	size_t i;
	int byte;

	memset(script_class_sets, 0, sizeof(script_class_sets));
	for (i = 0; i < sizeof(script_classes) - 1; i++)
		for (byte = 0; byte < 256; byte++)
			if (script_class_has(script_classes[i], byte))
				script_set_add(
				    script_class_sets[i], (unsigned char)byte);
}

/* What follows a %: a class, whose capital is all else, or the byte itself. */
static void
script_set_add_escape(uint32_t *set, unsigned char byte)
{
	const char *class =
	    byte != '\0' ? strchr(script_classes, tolower(byte)) : NULL;
	uint32_t other = isupper(byte) ? UINT32_MAX : 0;
	int i;

	if (class == NULL) {
		script_set_add(set, byte);
		return;
	}
	for (i = 0; i < 8; i++)
		set[i] |= script_class_sets[class - script_classes][i] ^ other;
}

/* A pattern that is read. */
struct script_reader {
	lua_State *L;
	const char *at, *end;
	struct script_item *items;
	int count;
};

static int
script_more(const struct script_reader *reader, ptrdiff_t count)
{
	return reader->end - reader->at >= count;
}

/* After the [. A ] that comes first is one of the set. */
static void
script_read_set(struct script_reader *reader, uint32_t *set)
{
	int inverted = script_more(reader, 1) && *reader->at == '^', first = 1;
	unsigned char low, high;

	reader->at += inverted;
	for (;; first = 0) {
		if (!script_more(reader, 1))
			luaL_error(
			    reader->L, "malformed pattern (missing ']')");
		low = (unsigned char)*reader->at++;
		if (low == ']' && !first)
			break;
		if (low == '%') {
			if (!script_more(reader, 1))
				luaL_error(reader->L,
				    "malformed pattern (missing ']')");
			script_set_add_escape(
			    set, (unsigned char)*reader->at++);
			continue;
		}
		high = low;
		if (script_more(reader, 2) && reader->at[0] == '-' &&
		    reader->at[1] != ']') {
			high = (unsigned char)reader->at[1];
			reader->at += 2;
		}
		for (; low <= high; low++) {
			script_set_add(set, low);
			if (low == 255)
				break;
		}
	}
	if (inverted)
		script_set_invert(set);
}

/* A byte, or a set of them, and how often. */
static void
script_read_bytes(struct script_reader *reader, struct script_item *item)
{
	static const char repeats[] = "*+-?";
	unsigned char byte = (unsigned char)*reader->at++;
	const char *repeat;

	if (byte == '.')
		script_set_invert(item->set);
	else if (byte == '[')
		script_read_set(reader, item->set);
	else if (byte != '%')
		script_set_add(item->set, byte);
	else if (script_more(reader, 1))
		script_set_add_escape(item->set, (unsigned char)*reader->at++);
	else
		luaL_error(reader->L, "malformed pattern (ends with '%%')");
	item->kind = SCRIPT_ITEM_ONE;
	if (!script_more(reader, 1) || *reader->at == '\0')
		return;
	repeat = strchr(repeats, *reader->at);
	if (repeat == NULL)
		return;
	item->kind =
	    SCRIPT_ITEM_MOST + (enum script_item_kind)(repeat - repeats);
	reader->at++;
}

/* %b, %f and %1; 0: it is none of them. */
static int
script_read_special(struct script_reader *reader, struct script_item *item)
{
	char what = script_more(reader, 2) ? reader->at[1] : '\0';

	if (what == 'b') {
		if (!script_more(reader, 4))
			luaL_error(reader->L, "malformed pattern (missing "
					      "arguments to '%%b')");
		item->kind = SCRIPT_ITEM_BALANCE;
		memcpy(item->text, reader->at + 2, 2);
		reader->at += 4;
	} else if (what == 'f') {
		if (!script_more(reader, 3) || reader->at[2] != '[')
			luaL_error(
			    reader->L, "missing '[' after '%%f' in pattern");
		item->kind = SCRIPT_ITEM_FRONTIER;
		reader->at += 3;
		script_read_set(reader, item->set);
	} else if (what >= '0' && what <= '9') {
		if (what == '0')
			luaL_error(reader->L, "invalid capture index %%0");
		item->kind = SCRIPT_ITEM_AGAIN;
		item->number = what - '1';
		reader->at += 2;
	} else {
		return 0;
	}
	return 1;
}

static void
script_read_item(struct script_reader *reader, struct script_item *item)
{
	memset(item, 0, sizeof(*item));
	switch (*reader->at) {
	case '(':
		item->kind = SCRIPT_ITEM_OPEN;
		if (script_more(reader, 2) && reader->at[1] == ')') {
			item->kind = SCRIPT_ITEM_POSITION;
			reader->at++;
		}
		reader->at++;
		return;
	case ')':
		item->kind = SCRIPT_ITEM_CLOSE;
		reader->at++;
		return;
	case '$':
		if (script_more(reader, 2))
			break;
		item->kind = SCRIPT_ITEM_LAST;
		reader->at++;
		return;
	case '%':
		if (script_read_special(reader, item))
			return;
		break;
	default:
		break;
	}
	script_read_bytes(reader, item);
}

const struct script_item *
script_pattern_compile(
    lua_State *L, int index, size_t from, struct script_item *local)
{
	size_t len;
	const char *text = luaL_checklstring(L, index, &len);
	struct script_reader reader = {
		.L = L, .at = text + from, .end = text + len, .items = local
	};

	/* Each byte may be an item, and the end is one. */
	if (len + 1 > SCRIPT_ITEMS_LOCAL) {
		if (len > 1 << 20)
			luaL_error(L, "pattern too complex");
		reader.items =
		    lua_newuserdatauv(L, (len + 1) * sizeof(*reader.items), 0);
	}
	while (reader.at < reader.end)
		script_read_item(&reader, &reader.items[reader.count++]);
	reader.items[reader.count].kind = SCRIPT_ITEM_END;
	return reader.items;
}

int
script_pattern_is_plain(const char *text, size_t len)
{
	static const char special[] = "^$*+?.([%-";
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] != '\0' && strchr(special, text[i]) != NULL)
			return 0;
	return 1;
}
