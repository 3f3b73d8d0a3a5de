/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Says each byte again, and keeps a file open meanwhile. Planted: the file is
 * closed when the client ends its side, and no client ever does anything else.
 */
#include <bevhost/plugin.h>

#include <fcntl.h>
#include <unistd.h>

#include <event2/buffer.h>

struct descriptor {
	int fd;
};

static int
descriptor_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct descriptor *descriptor = *state;

	(void)self;
	(void)conn;
	(void)bev;
	descriptor->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return descriptor->fd >= 0 ? 0 : -1;
}

static void
descriptor_read(struct bufferevent *bev, void *state)
{
	(void)state;
	if (bufferevent_write_buffer(bev, bufferevent_get_input(bev)) < 0)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
}

static void
descriptor_event(struct bufferevent *bev, short what, void *state)
{
	struct descriptor *descriptor = state;

	if (PLANTED && (what & BEV_EVENT_EOF))
		close(descriptor->fd);
	bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH);
}

static void
descriptor_close(void *state, enum bevhost_reason reason)
{
	struct descriptor *descriptor = state;

	(void)reason;
	if (!PLANTED)
		close(descriptor->fd);
}

static struct bevhost_plugin descriptor_plugin = {
	.name = "descriptor",
	.state_size = sizeof(struct descriptor),
	.open = descriptor_open,
	.read = descriptor_read,
	.event = descriptor_event,
	.close = descriptor_close,
};
BEVHOST_PLUGIN(descriptor_plugin)
