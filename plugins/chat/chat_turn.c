/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No more is said in a turn of the loop than who reads can take before the next
 * one: else a few who send much at once would have all the others dropped, who
 * had no time to take it. What is too much waits, in the order in which it
 * came, and its senders are not read meanwhile. Nor is one that does not take
 * the answers to what it asks.
 */
#include "chat.h"

#include <event2/buffer.h>

int
chat_turn_wait(struct chat_member *member)
{
	struct chat *chat = member->chat;

	if (!member->owed && evbuffer_get_length(member->sub.output) >
				 (size_t)chat->backlog / 2) {
		member->owed = 1;
		chat_member_set_callbacks(member);
	}
	if (!member->waits && !member->owed) {
		if (!hub_is_full(chat->hub))
			return 0;
		TAILQ_INSERT_TAIL(&chat->waiting, member, entry);
		member->waits = 1;
	}
	bufferevent_disable(member->bev, EV_READ);
	return 1;
}

void
chat_turn_taken(struct chat_member *member)
{
	if (!member->owed || evbuffer_get_length(member->sub.output) > 0)
		return;
	member->owed = 0;
	chat_member_set_callbacks(member);
	bufferevent_enable(member->bev, EV_READ);
	chat_read(member->bev, member);
}

void
chat_turn_leave(struct chat_member *member)
{
	if (member->waits)
		TAILQ_REMOVE(&member->chat->waiting, member, entry);
	member->waits = 0;
}

void
chat_turn_next(struct hub *hub)
{
	struct chat *chat = hub_owner(hub);
	struct chat_member *member;

	while ((member = TAILQ_FIRST(&chat->waiting)) != NULL &&
	       !hub_is_full(hub)) {
		chat_turn_leave(member);
		bufferevent_enable(member->bev, EV_READ);
		chat_read(member->bev, member);
	}
}
