/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between processes: a packet of any bytes with up to three
 * descriptors. What is received can be sent on, and no descriptor is left.
 */
#include "ipc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define FUZZ_IPC_FDS 3

static void
fuzz_ipc_send(int fd, const uint8_t *data, size_t size, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FUZZ_IPC_FDS * sizeof(int))];
	} control;
	struct iovec part = { (void *)(uintptr_t)data, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int fds[FUZZ_IPC_FDS] = { fd, fd, fd };
	struct cmsghdr *header;

	memset(&control, 0, sizeof(control));
	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
	}
	assert(sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)size);
}

static void
fuzz_ipc_send_on(int fds[2], struct ipc_message *message)
{
	struct ipc_message again;

	assert(ipc_send(fds[1], message) == 0);
	assert(ipc_receive(fds[0], &again) == 1);
	assert(again.type == message->type &&
	       (again.fd >= 0) == (message->fd >= 0) &&
	       memcmp(again.numbers, message->numbers, sizeof(again.numbers)) ==
		   0 &&
	       strcmp(again.text, message->text) == 0);
	if (message->fd >= 0) {
		close(message->fd);
		close(again.fd);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_message message;
	int fds[2], next = fuzz_next_fd(), status;

	/* Longer packets than a socket takes are nobody's. */
	if (size == 0 || size > 65536)
		return 0;
	assert(ipc_pair(fds) == 0);
	fuzz_ipc_send(fds[1], data + 1, size - 1, data[0] % 4);
	status = ipc_receive(fds[0], &message);
	assert(status == 1 || status == 0 || status == -EPROTO);
	if (status == 1)
		fuzz_ipc_send_on(fds, &message);
	assert(ipc_receive(fds[0], &message) == -EAGAIN);
	close(fds[1]);
	assert(ipc_receive(fds[0], &message) == 0);
	close(fds[0]);
	assert(fuzz_next_fd() == next);
	return 0;
}
