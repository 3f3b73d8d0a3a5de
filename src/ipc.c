/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message is one packet of a socket that keeps packets apart: a header, and
 * as much text as it says. Both sides are of one build but for the moment of
 * an upgrade, in which the version tells them.
 */
#include "ipc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IPC_MAGIC   0x62657668u
#define IPC_VERSION 1u

struct ipc_packet {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t text_size; /* with the '\0' */
	uint32_t has_fd;
	int64_t numbers[IPC_NUMBERS];
	char text[IPC_TEXT_SIZE];
};

union ipc_control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int
ipc_pair(int fds[2])
{
	return socketpair(
	    AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
}

static void
ipc_attach(struct msghdr *header, union ipc_control *control, int fd)
{
	struct cmsghdr *part;

	memset(control, 0, sizeof(*control));
	header->msg_control = control->bytes;
	header->msg_controllen = sizeof(control->bytes);
	part = CMSG_FIRSTHDR(header);
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(part), &fd, sizeof(fd));
}

int
ipc_send(int fd, const struct ipc_message *message)
{
	struct ipc_packet packet = {
		.magic = IPC_MAGIC,
		.version = IPC_VERSION,
		.type = (uint16_t)message->type,
		.text_size =
		    (uint32_t)strnlen(message->text, IPC_TEXT_SIZE - 1) + 1,
		.has_fd = message->fd >= 0,
	};
	struct iovec part = { .iov_base = &packet };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	union ipc_control control;
	ssize_t sent;

	memcpy(packet.numbers, message->numbers, sizeof(packet.numbers));
	memcpy(packet.text, message->text, packet.text_size - 1);
	part.iov_len = offsetof(struct ipc_packet, text) + packet.text_size;
	if (message->fd >= 0)
		ipc_attach(&header, &control, message->fd);
	do {
		sent = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Returns how many descriptors came along: the first, further ones closed. */
static int
ipc_take_fds(struct msghdr *header, int *taken)
{
	struct cmsghdr *part;
	size_t i, count;
	int fd, total = 0;

	*taken = -1;
	for (part = CMSG_FIRSTHDR(header); part != NULL;
	     part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level != SOL_SOCKET ||
		    part->cmsg_type != SCM_RIGHTS)
			continue;
		count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < count; i++) {
			memcpy(
			    &fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
			if (total++ == 0)
				*taken = fd;
			else
				close(fd);
		}
	}
	return total;
}

static int
ipc_is_sound(
    const struct ipc_packet *packet, size_t size, int flags, int fd_count)
{
	const size_t fixed = offsetof(struct ipc_packet, text);

	return !(flags & (MSG_TRUNC | MSG_CTRUNC)) && size >= fixed + 1 &&
	       packet->magic == IPC_MAGIC && packet->version == IPC_VERSION &&
	       packet->type > 0 && packet->type < IPC_TYPES &&
	       packet->text_size == size - fixed &&
	       packet->text[packet->text_size - 1] == '\0' &&
	       packet->has_fd == (uint32_t)fd_count && fd_count <= 1;
}

int
ipc_receive(int fd, struct ipc_message *message)
{
	struct ipc_packet packet;
	struct iovec part = { &packet, sizeof(packet) };
	union ipc_control control;
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	int fd_count;
	ssize_t size;

	do {
		size = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (size < 0 && errno == EINTR);
	if (size < 0)
		return -errno;
	memset(message, 0, sizeof(*message));
	fd_count = ipc_take_fds(&header, &message->fd);
	if (size == 0 && fd_count == 0)
		return 0;
	if (!ipc_is_sound(&packet, (size_t)size, header.msg_flags, fd_count)) {
		if (message->fd >= 0)
			close(message->fd);
		message->fd = -1;
		return -EPROTO;
	}
	message->type = (enum ipc_type)packet.type;
	memcpy(message->numbers, packet.numbers, sizeof(packet.numbers));
	memcpy(message->text, packet.text, packet.text_size);
	return 1;
}
