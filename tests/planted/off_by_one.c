/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message is one byte that says how many follow, and those; the answer is
 * their sum. Planted: the first byte is counted among them, so that the last
 * one seems to be there before it is.
 */
#include <bevhost/plugin.h>

#include <event2/buffer.h>

static unsigned
off_by_one_sum(const unsigned char *bytes, size_t len)
{
	unsigned sum = 0;

	while (len-- > 0)
		sum += *bytes++;
	return sum;
}

static void
off_by_one_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	unsigned char message[1 + 255], len = 0;

	(void)state;
	while (evbuffer_copyout(input, &len, 1) == 1) {
		if (evbuffer_get_length(input) < (PLANTED ? len : 1u + len))
			return;
		message[len] = 0;
		evbuffer_remove(input, message, 1u + len);
		if (evbuffer_add_printf(bufferevent_get_output(bev), "%u\n",
			off_by_one_sum(message + 1, len)) < 0) {
			bevhost_conn_close(
			    bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
			return;
		}
	}
}

static struct bevhost_plugin off_by_one_plugin = {
	.name = "off-by-one",
	.read = off_by_one_read,
};
BEVHOST_PLUGIN(off_by_one_plugin)
