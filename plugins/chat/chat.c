/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chat: a line chat with rooms and nicks. Here are its parameters and its
 * callbacks, and the way from bytes to a line; what a line does is in
 * chat_command.c and chat_member.c, and how it reaches the others in hub.c.
 */
#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include <bevhost/manifest.h>

static const struct bevhost_param chat_params[] = {
	{
	    .name = "room",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "lobby",
	    .min = 1,
	    .max = CHAT_NAME_SIZE - 1,
	    .help = "where everyone begins",
	    .field = BEVHOST_FIELD(struct chat, room),
	},
	{
	    .name = "line-max",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "1000",
	    .min = 80,
	    .max = CHAT_LINE_MAX,
	    .help = "bytes of a line, without its end",
	    .field = BEVHOST_FIELD(struct chat, line_max),
	},
	{
	    .name = "history",
	    .type = BEVHOST_PARAM_INT,
	    .value = "20",
	    .min = 0,
	    .max = 1000,
	    .help = "lines said before that one who joins is shown",
	    .field = BEVHOST_FIELD(struct chat, history),
	},
	{
	    .name = "rate",
	    .type = BEVHOST_PARAM_INT,
	    .value = "5",
	    .min = 0,
	    .max = 100000,
	    .help = "lines a second that are read of each; 0: all",
	    .field = BEVHOST_FIELD(struct chat, rate),
	},
	{
	    .name = "burst",
	    .type = BEVHOST_PARAM_INT,
	    .value = "20",
	    .min = 1,
	    .max = 100000,
	    .help = "lines that are read at once before rate counts",
	    .field = BEVHOST_FIELD(struct chat, burst),
	},
	{
	    .name = "backlog",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "256k",
	    .min = 16 * 1024,
	    .max = 1024 * 1024 * 1024,
	    .help = "bytes that a reader may be behind before it is dropped",
	    .field = BEVHOST_FIELD(struct chat, backlog),
	},
	{
	    .name = "rooms",
	    .type = BEVHOST_PARAM_INT,
	    .value = "1000",
	    .min = 1,
	    .max = 1000000,
	    .help = "how many rooms there may be",
	    .field = BEVHOST_FIELD(struct chat, rooms),
	},
	{
	    .name = "announce",
	    .type = BEVHOST_PARAM_INT,
	    .value = "100",
	    .min = 0,
	    .max = 1000000,
	    .help = "members of a room up to which who comes and goes is told",
	    .field = BEVHOST_FIELD(struct chat, announce),
	},
	{ .name = NULL },
};

static int
chat_create(struct bevhost_instance *instance, void **self)
{
	struct chat *chat = calloc(1, sizeof(*chat));

	if (chat == NULL) {
		bevhost_error("no memory");
		return -1;
	}
	chat->instance = instance;
	*self = chat;
	return 0;
}

static void
chat_destroy(void *self)
{
	free(self);
}

static int
chat_ready(void *self)
{
	const struct chat *chat = self;

	if (chat_name_is_good(chat->room))
		return 0;
	bevhost_error("room '%s': use letters, digits, - and _, first a letter",
	    chat->room);
	return -1;
}

static int
chat_start(void *self, struct event_base *base)
{
	struct chat *chat = self;
	const struct hub_options options = {
		.topics_max = (size_t)chat->rooms,
		.backlog_bytes = (size_t)chat->backlog,
		.kept_max = (size_t)chat->history,
		.always = chat->room,
		.ops = &chat_hub_ops,
		.owner = chat,
	};

	TAILQ_INIT(&chat->waiting);
	chat->hub = hub_new(base, &options);
	if (chat->hub != NULL)
		return 0;
	bevhost_error("no memory");
	return -1;
}

static void
chat_stop(void *self)
{
	struct chat *chat = self;

	hub_free(chat->hub);
}

static int
chat_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct chat_member *member = *state;

	member->chat = self;
	member->conn = conn;
	member->bev = bev;
	member->sub.output = bufferevent_get_output(bev);
	if (chat_member_open(member) == 0)
		return 0;
	bevhost_conn_set_reason(conn, BEVHOST_REASON_OVERLOAD, NULL);
	return -1;
}

/* A line without its end, which is whole and not too long. */
static void
chat_line(struct chat_member *member, char *line, size_t len)
{
	long clean = chat_text_clean(line, len);

	if (clean < 0)
		chat_member_tell(member,
		    "Not sent: byte %ld is not UTF-8. Set your terminal to "
		    "UTF-8.",
		    -clean);
	else if (line[0] == '/' && line[1] != '/')
		chat_command(member, line);
	else if (line[strspn(line, " ")] != '\0')
		chat_member_say(member, line + (line[0] == '/'));
}

static void
chat_line_refuse(struct chat_member *member, int too_long)
{
	if (too_long)
		chat_member_tell(member,
		    "Not sent: a line has at most %d bytes. Send it in parts.",
		    (int)member->chat->line_max);
	else
		chat_member_tell(member,
		    "Not sent: it was too fast, and there is no memory to let "
		    "it wait. Try again later.");
}

/* Takes the next line out of the input. Returns 0 when there is none yet, or
   it may not be said yet. */
static int
chat_read_line(struct chat_member *member, struct evbuffer *input)
{
	struct chat *chat = member->chat;
	size_t max = (size_t)chat->line_max, len;
	ev_ssize_t have = evbuffer_copyout(input, chat->line, max + 2);
	const char *end =
	    have > 0 ? memchr(chat->line, '\n', (size_t)have) : NULL;
	int may = 1;

	if (have <= 0 ||
	    (end == NULL && !member->skips && (size_t)have < max + 2))
		return 0;
	if (!member->skips &&
	    (chat_turn_wait(member) || (may = chat_flood_take(member)) == 0))
		return 0;
	len = end != NULL ? (size_t)(end - chat->line) : (size_t)have;
	evbuffer_drain(input, len + (end != NULL));
	if (end != NULL && len > 0 && end[-1] == '\r')
		len--;
	if (!member->skips && (len > max || may < 0))
		chat_line_refuse(member, len > max);
	else if (!member->skips)
		chat_line(member, chat->line, len);
	member->skips = end == NULL;
	return 1;
}

void
chat_read(struct bufferevent *bev, void *state)
{
	struct chat_member *member = state;
	struct evbuffer *input = bufferevent_get_input(bev);

	while (!member->gone && chat_read_line(member, input))
		;
}

static void
chat_drain(void *state)
{
	struct chat_member *member = state;

	chat_member_tell(member, "The server stops or changes. Come again.");
	chat_member_leave(member, NULL);
	bevhost_conn_set_reason(member->conn, BEVHOST_REASON_DRAIN, NULL);
	bevhost_conn_close(member->conn, BEVHOST_CLOSE_FLUSH);
}

static void
chat_close(void *state, enum bevhost_reason reason)
{
	switch (reason) {
	case BEVHOST_REASON_PEER:
	case BEVHOST_REASON_HANDLER:
		chat_member_leave(state, "has left");
		break;
	case BEVHOST_REASON_SLOW:
	case BEVHOST_REASON_OVERLOAD:
		chat_member_leave(state, "dropped: too slow");
		break;
	case BEVHOST_REASON_DRAIN:
		chat_member_leave(state, NULL);
		break;
	default:
		chat_member_leave(state, "has lost the connection");
		break;
	}
}

/* The members of another worker are in other rooms. */
static const struct bevhost_manifest chat_manifest = {
	.struct_size = sizeof(chat_manifest),
	.flags = BEVHOST_MANIFEST_ONE_WORKER,
};

static struct bevhost_plugin chat_plugin = {
	.name = "chat",
	.version = PACKAGE_VERSION,
	.summary = "a line chat with rooms and nicks",
	.params = chat_params,
	.state_size = sizeof(struct chat_member),
	.create = chat_create,
	.destroy = chat_destroy,
	.ready = chat_ready,
	.start = chat_start,
	.stop = chat_stop,
	.open = chat_open,
	.read = chat_read,
	.drain = chat_drain,
	.close = chat_close,
	.manifest = &chat_manifest,
};
BEVHOST_PLUGIN(chat_plugin)
