/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Members: their nicks, their room, and what they say. A member is there from
 * its open until it leaves, which may be before its connection has ended: the
 * others are told at once.
 */
#include "chat.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* So many names answer /who. */
#define CHAT_WHO_MAX 100

static struct chat_member *
chat_member_of(struct hub_subscriber *sub)
{
	void *at = (char *)sub - offsetof(struct chat_member, sub);

	return at;
}

/* Lines */

/* "* ", the text and an end of line; returns the length. */
BEVHOST_PRINTF(2, 0)
static size_t
chat_member_print(char *line, const char *format, va_list args)
{
	int max = CHAT_SAID_SIZE - 4, len;

	memcpy(line, "* ", 2);
	len = vsnprintf(line + 2, (size_t)max, format, args);
	if (len >= max)
		len = max - 1;
	line[len + 2] = '\n';
	return (size_t)len + 3;
}

void
chat_member_tell(struct chat_member *member, const char *format, ...)
{
	struct chat *chat = member->chat;
	va_list args;
	size_t len;

	if (member->gone)
		return;
	va_start(args, format);
	len = chat_member_print(chat->said, format, args);
	va_end(args);
	hub_tell(chat->hub, &member->sub, chat->said, len);
}

/* For a room, without `from`, which may be NULL. What there is no memory for
   is not said. */
BEVHOST_PRINTF(4, 5)
static void
chat_member_notice(struct chat *chat, const char *room,
    struct hub_subscriber *from, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	len = chat_member_print(chat->said, format, args);
	va_end(args);
	hub_publish(chat->hub, room, chat->said, len, from, 0);
}

void
chat_member_say(struct chat_member *member, const char *text)
{
	struct chat *chat = member->chat;
	int len = snprintf(
	    chat->said, CHAT_SAID_SIZE, "%s: %s\n", member->nick, text);

	if (hub_publish(chat->hub, hub_name(&member->sub), chat->said,
		(size_t)len, &member->sub, 1) < 0)
		chat_member_tell(
		    member, "Not sent: there is no memory. Try again later.");
}

/* Joins, leaves and new nicks are no news where there are many. */
static int
chat_member_is_news(const struct chat_member *member)
{
	return (int64_t)hub_count(&member->sub) <= member->chat->announce;
}

/* Nicks */

static int
chat_member_compare(const void *a, const void *b)
{
	return strcasecmp(a, b);
}

struct chat_member *
chat_member_find(struct chat *chat, const char *nick)
{
	void *const *found = tfind(nick, &chat->nicks, chat_member_compare);

	return found != NULL ? *found : NULL;
}

static int
chat_member_name_guest(struct chat_member *member)
{
	struct chat *chat = member->chat;

	do
		snprintf(member->nick, sizeof(member->nick), "guest%zu",
		    ++chat->guests);
	while (chat_member_find(chat, member->nick) != NULL);
	return tsearch(member, &chat->nicks, chat_member_compare) != NULL ? 0
									  : -1;
}

/* The new one is in the tree before the old one is out, so that this fails
   with nothing changed. */
static int
chat_member_set_nick(struct chat_member *member, const char *nick)
{
	struct chat *chat = member->chat;
	void **node;

	if (strcasecmp(nick, member->nick) != 0) {
		if (tsearch(nick, &chat->nicks, chat_member_compare) == NULL)
			return -ENOMEM;
		tdelete(member, &chat->nicks, chat_member_compare);
		node = tfind(nick, &chat->nicks, chat_member_compare);
		*node = member;
	}
	strncpy(member->nick, nick, sizeof(member->nick) - 1);
	return 0;
}

void
chat_member_rename(struct chat_member *member, const char *nick)
{
	struct chat_member *other = chat_member_find(member->chat, nick);
	char before[CHAT_NAME_SIZE];

	if (other != NULL && other != member) {
		chat_member_tell(member,
		    "The nick %s is taken. Choose another one: /nick NICK",
		    nick);
		return;
	}
	memcpy(before, member->nick, sizeof(before));
	if (chat_member_set_nick(member, nick) < 0) {
		chat_member_tell(
		    member, "There is no memory for a nick. Try again later.");
		return;
	}
	if (chat_member_is_news(member))
		chat_member_notice(member->chat, hub_name(&member->sub),
		    &member->sub, "%s is %s now", before, member->nick);
	chat_member_tell(member, "You are %s now.", member->nick);
}

/* Rooms */

static void
chat_member_tell_room(struct chat_member *member, const char *before)
{
	size_t others = hub_count(&member->sub) - 1;

	chat_member_tell(member, "%s in %s, with %zu other%s.", before,
	    hub_name(&member->sub), others, others == 1 ? "" : "s");
}

void
chat_member_join(struct chat_member *member, const char *room)
{
	struct chat *chat = member->chat;
	char before[CHAT_NAME_SIZE];
	int was_news = chat_member_is_news(member), status;

	if (strcasecmp(room, hub_name(&member->sub)) == 0) {
		chat_member_tell(
		    member, "You are in %s already.", hub_name(&member->sub));
		return;
	}
	memcpy(before, hub_name(&member->sub), sizeof(before));
	status = hub_subscribe(chat->hub, &member->sub, room);
	if (status < 0) {
		chat_member_tell(member,
		    status == -ENOSPC
			? "There are too many rooms. Join one that is there."
			: "There is no memory for it. Try again later.");
		return;
	}
	if (was_news)
		chat_member_notice(
		    chat, before, NULL, "%s has left", member->nick);
	if (chat_member_is_news(member))
		chat_member_notice(chat, hub_name(&member->sub), &member->sub,
		    "%s has joined", member->nick);
	if (!member->gone)
		chat_member_tell_room(member, "You are");
}

void
chat_member_who(struct chat_member *member)
{
	char names[CHAT_WHO_MAX * (CHAT_NAME_SIZE + 2)] = "";
	struct hub_subscriber *sub = hub_first(&member->sub);
	size_t len = 0, shown = 0, count = hub_count(&member->sub);
	char more[32] = "";

	for (; sub != NULL && shown < CHAT_WHO_MAX; shown++) {
		len += (size_t)snprintf(names + len, sizeof(names) - len,
		    "%s%s", shown > 0 ? ", " : "", chat_member_of(sub)->nick);
		sub = hub_next(sub);
	}
	if (shown < count)
		snprintf(more, sizeof(more), " and %zu more", count - shown);
	chat_member_tell(
	    member, "In %s: %s%s", hub_name(&member->sub), names, more);
}

/* To one other */

void
chat_member_message(
    struct chat_member *member, const char *nick, const char *text)
{
	struct chat *chat = member->chat;
	struct chat_member *other = chat_member_find(chat, nick);
	int len;

	if (other == NULL) {
		chat_member_tell(member,
		    "Nobody has the nick %s. /who lists those who are here.",
		    chat_name_is_good(nick) ? nick : "that you say");
		return;
	}
	len = snprintf(
	    chat->said, CHAT_SAID_SIZE, "%s -> you: %s\n", member->nick, text);
	if (hub_tell(chat->hub, &other->sub, chat->said, (size_t)len) < 0)
		chat_member_tell(
		    member, "Not sent: %s has been dropped.", nick);
}

/* Coming and going */

int
chat_member_open(struct chat_member *member)
{
	struct chat *chat = member->chat;
	char welcome[64];

	if (chat_member_name_guest(member) < 0)
		return -1;
	if (hub_subscribe(chat->hub, &member->sub, chat->room) < 0) {
		tdelete(member, &chat->nicks, chat_member_compare);
		return -1;
	}
	chat_flood_init(member);
	if (chat_member_is_news(member))
		chat_member_notice(chat, hub_name(&member->sub), &member->sub,
		    "%s has joined", member->nick);
	snprintf(welcome, sizeof(welcome), "Welcome. You are %s", member->nick);
	if (!member->gone)
		chat_member_tell_room(member, welcome);
	return 0;
}

void
chat_member_leave(struct chat_member *member, const char *why)
{
	struct chat *chat = member->chat;
	char room[CHAT_NAME_SIZE];

	if (member->gone)
		return;
	if (!chat_member_is_news(member))
		why = NULL;
	member->gone = 1;
	chat_turn_leave(member);
	memcpy(room, hub_name(&member->sub), sizeof(room));
	hub_unsubscribe(chat->hub, &member->sub);
	tdelete(member, &chat->nicks, chat_member_compare);
	if (why != NULL)
		chat_member_notice(
		    chat, room, NULL, "%s %s", member->nick, why);
}

void
chat_member_quit(struct chat_member *member)
{
	chat_member_tell(member, "Good bye.");
	chat_member_leave(member, "has left");
	bevhost_conn_set_reason(
	    member->conn, BEVHOST_REASON_HANDLER, "%s has quit", member->nick);
	bevhost_conn_close(member->conn, BEVHOST_CLOSE_FLUSH);
}

/* Those who do not read */

static void
chat_member_on_write(struct bufferevent *bev, void *state)
{
	struct chat_member *member = state;

	(void)bev;
	if (!member->gone)
		hub_taken(member->chat->hub, &member->sub);
	if (!member->gone)
		chat_turn_taken(member);
}

void
chat_member_set_callbacks(struct chat_member *member)
{
	bevhost_conn_set_callbacks(member->conn, chat_read,
	    member->sub.behind || member->owed ? chat_member_on_write : NULL,
	    NULL);
}

static void
chat_member_on_behind(struct hub_subscriber *sub, int behind)
{
	(void)behind;
	chat_member_set_callbacks(chat_member_of(sub));
}

/* For the line that tells the others. */
static void
chat_member_note_dropped(struct chat_member *member)
{
	struct chat *chat = member->chat;

	if (chat->dropped_len + CHAT_NAME_SIZE + 2 < CHAT_DROPPED_SIZE)
		chat->dropped_len +=
		    (size_t)snprintf(chat->dropped + chat->dropped_len,
			CHAT_DROPPED_SIZE - chat->dropped_len, "%s%s",
			chat->dropped_count > 0 ? ", " : "", member->nick);
	else
		chat->dropped_unnamed++;
	chat->dropped_count++;
}

static void
chat_member_on_lost(struct hub_subscriber *sub, size_t behind)
{
	struct chat_member *member = chat_member_of(sub);

	if (bevhost_conn_is_closing(member->conn)) {
		chat_member_leave(member, "has left");
		return;
	}
	chat_member_note_dropped(member);
	if (behind > 0) {
		member->chat->dropped_slow++;
		bevhost_conn_set_reason(member->conn, BEVHOST_REASON_SLOW,
		    "%s is %zu bytes behind", member->nick, behind);
	} else {
		bevhost_conn_set_reason(member->conn, BEVHOST_REASON_OVERLOAD,
		    "no memory for what %s is to be sent", member->nick);
	}
	chat_member_leave(member, NULL);
	bevhost_conn_close(member->conn, BEVHOST_CLOSE_NOW);
}

/* One line for all of them: were it one for each, those who are a little
   slow would be the next. */
static void
chat_member_on_lost_some(struct hub *hub, const char *room)
{
	struct chat *chat = hub_owner(hub);
	size_t count = chat->dropped_count, unnamed = chat->dropped_unnamed;
	int all_slow = chat->dropped_slow == count;
	char more[32] = "";

	if (count == 0)
		return;
	chat->dropped_count = chat->dropped_unnamed = chat->dropped_len = 0;
	chat->dropped_slow = 0;
	if (unnamed > 0)
		snprintf(more, sizeof(more), " and %zu more", unnamed);
	bevhost_instance_log(chat->instance, BEVHOST_LOG_NOTICE,
	    "%s: %zu dropped%s", room, count,
	    all_slow ? " who did not read what they were sent"
		     : ": there was no memory for all");
	chat_member_notice(chat, room, NULL, "%s%s dropped: %s", chat->dropped,
	    more, all_slow ? "too slow" : "no memory");
}

const struct hub_ops chat_hub_ops = {
	.behind = chat_member_on_behind,
	.lost = chat_member_on_lost,
	.lost_some = chat_member_on_lost_some,
	.next = chat_turn_next,
};
