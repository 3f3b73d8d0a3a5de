/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands: which one a line is, and what it lacks. */
#include "chat.h"

#include <string.h>
#include <strings.h>

/* Cuts the first word off and returns what follows it. */
static char *
chat_command_cut(char *line)
{
	line += strcspn(line, " ");
	if (*line != '\0')
		*line++ = '\0';
	return line + strspn(line, " ");
}

/* One word: blanks after it are forgiven. */
static const char *
chat_command_word(char *rest)
{
	size_t len = strlen(rest);

	while (len > 0 && rest[len - 1] == ' ')
		rest[--len] = '\0';
	return rest;
}

static void
chat_command_join(struct chat_member *member, char *rest)
{
	const char *room = chat_command_word(rest);

	if (chat_name_is_good(room))
		chat_member_join(member, room);
	else
		chat_member_tell(member,
		    "A room is called by 1 to %d letters, digits, - and _, "
		    "first a letter: /join ROOM",
		    CHAT_NAME_SIZE - 1);
}

static void
chat_command_nick(struct chat_member *member, char *rest)
{
	const char *nick = chat_command_word(rest);

	if (chat_name_is_good(nick))
		chat_member_rename(member, nick);
	else
		chat_member_tell(member,
		    "A nick has 1 to %d letters, digits, - and _, first a "
		    "letter: /nick NICK",
		    CHAT_NAME_SIZE - 1);
}

static void
chat_command_msg(struct chat_member *member, char *rest)
{
	const char *text = chat_command_cut(rest);

	if (text[0] != '\0')
		chat_member_message(member, rest, text);
	else
		chat_member_tell(
		    member, "Say to whom, and what: /msg NICK TEXT");
}

static void
chat_command_who(struct chat_member *member, char *rest)
{
	(void)rest;
	chat_member_who(member);
}

static void
chat_command_quit(struct chat_member *member, char *rest)
{
	(void)rest;
	chat_member_quit(member);
}

static void
chat_command_help(struct chat_member *member, char *rest)
{
	(void)rest;
	chat_member_tell(member,
	    "/join ROOM, /nick NICK, /who, /msg NICK TEXT, /quit. Everything "
	    "else is for all in the room; //TEXT begins with a slash.");
}

void
chat_command(struct chat_member *member, char *line)
{
	static const struct {
		const char *name;
		void (*run)(struct chat_member *member, char *rest);
	} commands[] = {
		{ "/join", chat_command_join },
		{ "/nick", chat_command_nick },
		{ "/who", chat_command_who },
		{ "/msg", chat_command_msg },
		{ "/quit", chat_command_quit },
		{ "/help", chat_command_help },
	};
	char *rest = chat_command_cut(line);
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcasecmp(line, commands[i].name) == 0) {
			commands[i].run(member, rest);
			return;
		}
	}
	chat_member_tell(member, "There is no %s. /help lists the commands.",
	    chat_name_is_good(line + 1) ? line : "such command");
}
