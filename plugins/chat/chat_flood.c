/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast a member may speak: `rate` lines a second, after `burst` at once. A
 * token bucket, kept as the time until which the lines so far have paid. Who
 * is faster is not read meanwhile: nothing is lost, and the rest waits in the
 * socket, where it is the sender's.
 */
#include "chat.h"

#define CHAT_FLOOD_US 1000000

static void
chat_flood_on_timer(struct bevhost_conn *conn, void *state)
{
	struct chat_member *member = state;

	(void)conn;
	bufferevent_enable(member->bev, EV_READ);
	member->waited = 1;
	chat_read(member->bev, member);
	member->waited = 0;
}

static int
chat_flood_wait(struct chat_member *member, int64_t wait_us)
{
	if (member->timer == NULL)
		member->timer =
		    bevhost_timer_new(member->conn, chat_flood_on_timer);
	if (member->timer == NULL ||
	    bevhost_timer_start(member->timer, (wait_us + 999) / 1000) < 0)
		return -1;
	return bufferevent_disable(member->bev, EV_READ);
}

void
chat_flood_init(struct chat_member *member)
{
	member->paid_us = bevhost_now_ms() * 1000;
}

int
chat_flood_take(struct chat_member *member)
{
	const struct chat *chat = member->chat;
	int64_t now_us = bevhost_now_ms() * 1000, line_us, wait_us;

	if (chat->rate == 0)
		return 1;
	line_us = CHAT_FLOOD_US / chat->rate;
	if (member->paid_us <= now_us) {
		member->paid_us = now_us;
		member->warned &= member->waited;
	}
	wait_us = member->paid_us - now_us - (chat->burst - 1) * line_us;
	if (wait_us > 0) {
		if (chat_flood_wait(member, wait_us) < 0)
			return -1;
		if (!member->warned)
			chat_member_tell(member,
			    "Slower, please: %d lines a second are read, the "
			    "others wait.",
			    (int)chat->rate);
		member->warned = 1;
		return 0;
	}
	member->paid_us += line_us;
	return 1;
}
