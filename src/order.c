/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order is one struct in a file without a name. Master and worker are of
 * one build, which a number made from the struct's size bears witness to.
 */
#include "order.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ORDER_MAGIC (0x6f726400u + (uint32_t)sizeof(struct order))

struct order_file {
	uint32_t magic, version;
	struct order order;
};

int
order_write(const struct order *order, int fd)
{
	struct order_file file;
	ssize_t written;

	memset(&file, 0, sizeof(file));
	file.magic = ORDER_MAGIC;
	file.version = 1;
	file.order = *order;
	written = pwrite(fd, &file, sizeof(file), 0);
	if (written >= 0 && written != (ssize_t)sizeof(file))
		errno = ENOSPC;
	return written == (ssize_t)sizeof(file) ? 0 : -1;
}

static int
order_is_sound(const struct order *order)
{
	int i;

	if (order->group_count < 0 || order->group_count > ORDER_GROUPS ||
	    order->code_count < 0 || order->socket_count < 0 ||
	    order->socket_count > ORDER_SOCKETS || order->slot < 1 ||
	    order->generation < 1 ||
	    memchr(order->worker_group, '\0', sizeof(order->worker_group)) ==
		NULL)
		return 0;
	for (i = 0; i < order->socket_count; i++)
		if (order->handlers[i] < 0)
			return 0;
	return 1;
}

int
order_read(struct order *order, int fd)
{
	struct order_file file;
	ssize_t count = pread(fd, &file, sizeof(file), 0);

	if (count < 0)
		return -1;
	if (count != (ssize_t)sizeof(file) || file.magic != ORDER_MAGIC ||
	    file.version != 1 || !order_is_sound(&file.order)) {
		errno = EPROTO;
		return -1;
	}
	*order = file.order;
	return 0;
}

char *
order_name(const struct order *order, char *buf, size_t size)
{
	int named = order->worker_group[0] != '\0';

	snprintf(buf, size, "worker %d (%s%sgeneration %d)", order->slot,
	    order->worker_group, named ? ", " : "", order->generation);
	return buf;
}
