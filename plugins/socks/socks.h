/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the plugin have in common, in the order of a client's
 * way: it says where it wants to go, the addresses of that are looked at, one
 * is connected to, and bytes are relayed.
 */
#ifndef SOCKS_H
#define SOCKS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include <bevhost/task.h>

#define SOCKS_ADDRS_MAX	     8
#define SOCKS_ADDR_TEXT_SIZE 64

/* RFC 1928, section 6 */
enum socks_code {
	SOCKS_OK,
	SOCKS_FAILURE,
	SOCKS_NOT_ALLOWED,
	SOCKS_NETWORK_UNREACHABLE,
	SOCKS_HOST_UNREACHABLE,
	SOCKS_REFUSED,
	SOCKS_TTL_EXPIRED,
	SOCKS_NO_COMMAND,
	SOCKS_NO_ADDRESS_TYPE
};

union socks_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Where a client wants to go. */
struct socks_target {
	char name[256]; /* as the client gave it */
	unsigned port;
	size_t count;
	union socks_addr addrs[SOCKS_ADDRS_MAX];
};

/* A client whose words are read. */
struct socks_talk {
	struct bevhost_stream *stream;
	const char *user, *password; /* or NULL: everyone is welcome */
	int64_t deadline;
	const char *wrong; /* what was, for the log, or NULL */
};

/*
 * What a client says: the method, its password, its request. Returns 0 and
 * the target, with its address unless that is a name; or a code to answer
 * with; or a negative errno when there is nothing to answer.
 */
int socks_read_request(struct socks_talk *talk, struct socks_target *target);

/* An address of 4 or 16 bytes. */
void socks_addr_set(union socks_addr *addr, int family, const void *bytes);

/* 192.0.2.1 or 2001:db8::1, without its port. Returns buf. */
char *socks_addr_text(const union socks_addr *addr, char *buf, size_t size);

/* 1 for what is not on the public internet: this machine, its networks. */
int socks_addr_is_private(const union socks_addr *addr);

/*
 * For bevhost_run_job(), with a struct socks_target: the addresses of its
 * name. Blocks. Returns 0, or a negative errno, -ENOENT when it has none.
 */
int socks_resolve(void *target);

/*
 * Moves bytes both ways until both sides have sent their last, or one fails.
 * Called by the task that opened remote. Returns 0 or a negative errno.
 */
int socks_relay(struct bevhost_stream *client, struct bevhost_stream *remote);

#endif
