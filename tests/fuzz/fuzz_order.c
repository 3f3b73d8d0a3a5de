/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order that a worker gets as bytes. An input is laid over one that is
 * sound, at the place that its first two bytes say.
 */
#include "order.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct order order, again;
	char name[256];
	size_t at;
	int fd;

	if (size < 2)
		return 0;
	at = (size_t)data[0] << 8 | data[1];
	fd = fuzz_file("", 0);
	memset(&order, 0, sizeof(order));
	order.slot = order.generation = 1;
	assert(order_write(&order, fd) == 0);
	assert(pwrite(fd, data + 2, size - 2, (off_t)at) == (ssize_t)size - 2);
	if (order_read(&order, fd) < 0)
		return 0;
	assert(order.socket_count <= ORDER_SOCKETS);
	order_name(&order, name, sizeof(name));
	fd = fuzz_file("", 0);
	assert(order_write(&order, fd) == 0);
	assert(order_read(&again, fd) == 0);
	assert(memcmp(&order, &again, sizeof(order)) == 0);
	return 0;
}
