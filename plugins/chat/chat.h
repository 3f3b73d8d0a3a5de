/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of chat share. */
#ifndef CHAT_H
#define CHAT_H

#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>

#include "hub.h"

/* Of nicks and rooms, with the null byte. */
#define CHAT_NAME_SIZE HUB_NAME_SIZE
/* What is written in one line, with its end, and the most that may be read. */
#define CHAT_SAID_SIZE 8192
#define CHAT_LINE_MAX  8000
/* Who was dropped, for one line. */
#define CHAT_DROPPED_SIZE 256

/* An instance. */
struct chat {
	struct bevhost_instance *instance;
	const char *room; /* where everyone begins */
	int64_t line_max, history, backlog, rooms, rate, burst, announce;

	struct hub *hub;
	void *nicks;   /* members by their nicks: of tsearch() */
	size_t guests; /* how many there were */
	TAILQ_HEAD(, chat_member) waiting; /* for the next turn */
	char line[CHAT_LINE_MAX + 3];	   /* that is read */
	char said[CHAT_SAID_SIZE];	   /* that is written */
	char dropped[CHAT_DROPPED_SIZE];
	size_t dropped_count, dropped_unnamed, dropped_len, dropped_slow;
};

struct chat_member {
	char nick[CHAT_NAME_SIZE]; /* first: it is looked up by that */
	struct hub_subscriber sub;
	struct chat *chat;
	struct bevhost_conn *conn;
	struct bufferevent *bev;
	struct bevhost_timer *timer;	/* until it is read again, or NULL */
	TAILQ_ENTRY(chat_member) entry; /* if it waits for the next turn */
	int64_t paid_us;		/* until then its lines are paid for */
	unsigned waits : 1;		/* for the next turn */
	unsigned owed : 1;		/* so much that it is not read */
	unsigned skips : 1;  /* the rest of a line that is too long */
	unsigned warned : 1; /* that it is too fast */
	unsigned waited : 1; /* until now, and so has not paused */
	unsigned gone : 1;   /* has no nick and hears nothing */
};

/* chat_text.c */

/* A nick or the name of a room. */
int chat_name_is_good(const char *name);

/*
 * Takes out what is not for a terminal: control characters, and those that
 * change the direction of writing. Ends the line with a null byte. Returns its
 * length, or a negative number, that of the first byte that is not UTF-8,
 * from 1.
 */
long chat_text_clean(char *line, size_t len);

/* chat_flood.c */

/* 1: it may say a line now, which is paid for. 0: it is not read until it may.
   -1: there is no memory to wait, and it may not. */
int chat_flood_take(struct chat_member *member);
/* Its time is counted from here. */
void chat_flood_init(struct chat_member *member);

/* chat_turn.c */

/* 1: it is not read until others had time to take what was said, or it has
   taken what it has asked for. */
int chat_turn_wait(struct chat_member *member);
/* Its output is empty. */
void chat_turn_taken(struct chat_member *member);
void chat_turn_leave(struct chat_member *member);
/* Who waits is read. */
void chat_turn_next(struct hub *hub);

/* chat_member.c */

extern const struct hub_ops chat_hub_ops;

/* A nick, a room, a welcome. Returns 0 or -1 without memory. */
int chat_member_open(struct chat_member *member);
/* Frees the nick, leaves the room and says why there; the first time only. */
void chat_member_leave(struct chat_member *member, const char *why);
struct chat_member *chat_member_find(struct chat *chat, const char *nick);
/* For itself alone: "* " and an end of line are added. It may be gone then. */
void chat_member_tell(struct chat_member *member, const char *format, ...)
    BEVHOST_PRINTF(2, 3);
/* For all others in its room. */
void chat_member_say(struct chat_member *member, const char *text);

/* The write callback is set for those who wait for it. */
void chat_member_set_callbacks(struct chat_member *member);

/* What commands do, with their answers. */
void chat_member_join(struct chat_member *member, const char *room);
void chat_member_rename(struct chat_member *member, const char *nick);
void chat_member_who(struct chat_member *member);
void chat_member_message(
    struct chat_member *member, const char *nick, const char *text);
void chat_member_quit(struct chat_member *member);

/* chat_command.c */

/* A line that begins with a slash, which it may change. */
void chat_command(struct chat_member *member, char *line);

/* chat.c: reads the lines that have come. */
void chat_read(struct bufferevent *bev, void *state);

#endif
