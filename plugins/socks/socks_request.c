/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client says before bytes are relayed: which methods it knows, who it
 * is, where it wants to go. Each function here returns 0 to go on, a code to
 * answer with, or a negative errno.
 */
#include "socks.h"

#include <errno.h>
#include <string.h>

#define SOCKS_VERSION	   5
#define SOCKS_AUTH_VERSION 1

#define SOCKS_METHOD_NONE     0
#define SOCKS_METHOD_PASSWORD 2
#define SOCKS_METHOD_REFUSED  255

#define SOCKS_CONNECT 1

#define SOCKS_IPV4 1
#define SOCKS_NAME 3
#define SOCKS_IPV6 4

static int
socks_wrong(struct socks_talk *talk, const char *wrong, int status)
{
	talk->wrong = wrong;
	return status;
}

static int
socks_read(struct socks_talk *talk, void *buf, size_t size)
{
	ssize_t len = bevhost_stream_read_exactly(
	    talk->stream, buf, size, talk->deadline);

	return len < 0 ? (int)len : 0;
}

/* A byte says how many follow. */
static int
socks_read_counted(struct socks_talk *talk, void *buf, size_t *len)
{
	unsigned char count = 0;
	int status = socks_read(talk, &count, 1);

	*len = count;
	return status != 0 ? status : socks_read(talk, buf, count);
}

static int
socks_write_pair(struct socks_talk *talk, int one, int two)
{
	const unsigned char pair[2] = {
		(unsigned char)one,
		(unsigned char)two,
	};

	return bevhost_stream_write(talk->stream, pair, sizeof(pair), -1);
}

/* RFC 1929 */

/* Its time does not tell how much of it was right. */
static int
socks_equal(const unsigned char *given, size_t len, const char *wanted)
{
	size_t wanted_len = strlen(wanted), i;
	int differs = len != wanted_len;

	for (i = 0; i < len; i++)
		differs |=
		    given[i] ^ (unsigned char)wanted[i < wanted_len ? i : 0];
	return differs == 0;
}

static int
socks_read_password(struct socks_talk *talk)
{
	unsigned char version, user[255], password[255];
	size_t user_len, password_len;
	int status = socks_read(talk, &version, 1), allowed;

	if (status == 0 && version != SOCKS_AUTH_VERSION)
		return socks_wrong(
		    talk, "another version of authentication", -EPROTO);
	if (status == 0)
		status = socks_read_counted(talk, user, &user_len);
	if (status == 0)
		status = socks_read_counted(talk, password, &password_len);
	if (status != 0)
		return status;
	allowed = socks_equal(user, user_len, talk->user) &
		  socks_equal(password, password_len, talk->password);
	explicit_bzero(password, sizeof(password));
	status = socks_write_pair(talk, SOCKS_AUTH_VERSION, !allowed);
	if (status == 0 && !allowed)
		return socks_wrong(talk, "wrong user or password", -EACCES);
	return status;
}

/* RFC 1928, section 3 */

static int
socks_choose_method(struct socks_talk *talk, int method)
{
	unsigned char version, methods[255];
	size_t count;
	int status = socks_read(talk, &version, 1);

	if (status == 0 && version != SOCKS_VERSION)
		return socks_wrong(talk, "not SOCKS version 5", -EPROTO);
	if (status == 0)
		status = socks_read_counted(talk, methods, &count);
	if (status != 0)
		return status;
	if (memchr(methods, method, count) != NULL)
		return socks_write_pair(talk, SOCKS_VERSION, method);
	status = socks_write_pair(talk, SOCKS_VERSION, SOCKS_METHOD_REFUSED);
	return status < 0 ? status
			  : socks_wrong(talk, "no acceptable method", -EPROTO);
}

/* RFC 1928, sections 4 and 5 */

/* What getaddrinfo could read in another way than the log shows is none. */
static int
socks_read_name(struct socks_talk *talk, struct socks_target *target)
{
	size_t len, i;
	int status = socks_read_counted(talk, target->name, &len);

	if (status != 0)
		return status;
	target->name[len] = '\0';
	for (i = 0; i < len; i++)
		if (target->name[i] <= ' ' || target->name[i] > '~')
			break;
	return len > 0 && i == len
		   ? 0
		   : socks_wrong(talk, "malformed name", SOCKS_FAILURE);
}

static int
socks_read_ip(struct socks_talk *talk, struct socks_target *target, int family)
{
	unsigned char bytes[16];
	int status = socks_read(talk, bytes, family == AF_INET ? 4 : 16);

	if (status != 0)
		return status;
	socks_addr_set(&target->addrs[0], family, bytes);
	target->count = 1;
	socks_addr_text(&target->addrs[0], target->name, sizeof(target->name));
	return 0;
}

static int
socks_read_host(struct socks_talk *talk, struct socks_target *target, int type)
{
	switch (type) {
	case SOCKS_IPV4:
		return socks_read_ip(talk, target, AF_INET);
	case SOCKS_IPV6:
		return socks_read_ip(talk, target, AF_INET6);
	case SOCKS_NAME:
		return socks_read_name(talk, target);
	default:
		return socks_wrong(
		    talk, "unknown type of address", SOCKS_NO_ADDRESS_TYPE);
	}
}

static int
socks_read_command(struct socks_talk *talk, struct socks_target *target)
{
	unsigned char head[4], port[2];
	int status = socks_read(talk, head, sizeof(head));

	if (status != 0)
		return status;
	if (head[0] != SOCKS_VERSION)
		return socks_wrong(
		    talk, "request of another version", SOCKS_FAILURE);
	if (head[2] != 0)
		return socks_wrong(
		    talk, "reserved byte is not 0", SOCKS_FAILURE);
	status = socks_read_host(talk, target, head[3]);
	if (status == 0)
		status = socks_read(talk, port, sizeof(port));
	if (status != 0)
		return status;
	target->port = (unsigned)port[0] << 8 | port[1];
	if (head[1] != SOCKS_CONNECT)
		return socks_wrong(
		    talk, "command is not CONNECT", SOCKS_NO_COMMAND);
	if (target->port == 0)
		return socks_wrong(talk, "port is 0", SOCKS_FAILURE);
	return 0;
}

int
socks_read_request(struct socks_talk *talk, struct socks_target *target)
{
	int method =
	    talk->user != NULL ? SOCKS_METHOD_PASSWORD : SOCKS_METHOD_NONE;
	int status = socks_choose_method(talk, method);

	if (status == 0 && method == SOCKS_METHOD_PASSWORD)
		status = socks_read_password(talk);
	if (status == 0)
		status = socks_read_command(talk, target);
	return status;
}
