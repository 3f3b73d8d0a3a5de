/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socks: connects clients to where they ask for, as RFC 1928 (version 5, the
 * command CONNECT) and RFC 1929 (user and password) say. Here is a client's
 * way from its request to its relay, or to an answer that says why not.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/manifest.h>
#include <bevhost/task.h>

#include <errno.h>
#include <string.h>

#include "socks.h"

struct socks {
	const char *user, *password; /* or NULL: everyone is welcome */
	int64_t private, connect_timeout_ms, handshake_timeout_ms;
};

static const struct bevhost_param socks_params[] = {
	{
	    .name = "user",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 255,
	    .help = "who may use it (everyone, unless set)",
	    .field = BEVHOST_FIELD(struct socks, user),
	},
	{
	    .name = "password",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 255,
	    .help = "the password of that user",
	    .field = BEVHOST_FIELD(struct socks, password),
	},
	{
	    .name = "private",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "off",
	    .help = "connect to this machine and to private networks too",
	    .field = BEVHOST_FIELD(struct socks, private),
	},
	{
	    .name = "connect-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "10s",
	    .min = 1,
	    .max = 60 * 60 * 1000,
	    .help = "how long connecting may take, all addresses together",
	    .field = BEVHOST_FIELD(struct socks, connect_timeout_ms),
	},
	{
	    .name = "handshake-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "30s",
	    .min = 1,
	    .max = 60 * 60 * 1000,
	    .help = "how long a client may take to say what it wants",
	    .field = BEVHOST_FIELD(struct socks, handshake_timeout_ms),
	},
	{ .name = NULL },
};

static int
socks_ready(void *self)
{
	const struct socks *socks = self;

	if ((socks->user == NULL) == (socks->password == NULL))
		return 0;
	bevhost_error("user and password need each other");
	return -1;
}

/* Replies */

static int
socks_reply(struct bevhost_stream *stream, enum socks_code code,
    const union socks_addr *bound)
{
	unsigned char reply[22] = { 5, (unsigned char)code, 0, 1 };
	size_t len = 10;

	if (bound->sa.sa_family == AF_INET) {
		memcpy(reply + 4, &bound->in.sin_addr, 4);
		memcpy(reply + 8, &bound->in.sin_port, 2);
	} else if (bound->sa.sa_family == AF_INET6) {
		reply[3] = 4;
		memcpy(reply + 4, &bound->in6.sin6_addr, 16);
		memcpy(reply + 20, &bound->in6.sin6_port, 2);
		len = sizeof(reply);
	}
	return bevhost_stream_write(stream, reply, len, -1);
}

static int
socks_reply_connected(
    struct bevhost_stream *client, struct bevhost_stream *remote)
{
	union socks_addr bound;
	socklen_t len = sizeof(bound);

	memset(&bound, 0, sizeof(bound));
	if (getsockname(bufferevent_getfd(bevhost_stream_bev(remote)),
		&bound.sa, &len) < 0)
		return -errno;
	return socks_reply(client, SOCKS_OK, &bound);
}

static int
socks_reply_failed(struct bevhost_stream *client, enum socks_code code)
{
	const union socks_addr none = { .sa.sa_family = AF_UNSPEC };

	return socks_reply(client, code, &none);
}

static enum socks_code
socks_code_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
		return SOCKS_REFUSED;
	case ENETUNREACH:
	case ENETDOWN:
		return SOCKS_NETWORK_UNREACHABLE;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENOENT:
	case ETIMEDOUT:
		return SOCKS_HOST_UNREACHABLE;
	case EACCES:
	case EPERM:
		return SOCKS_NOT_ALLOWED;
	default:
		return SOCKS_FAILURE;
	}
}

/* Connecting */

/* Keeps those that a client may go to. Returns 0, or -EACCES for none. */
static int
socks_keep_allowed(const struct socks *socks, struct socks_target *target)
{
	size_t i, kept = 0;

	for (i = 0; i < target->count; i++)
		if (socks->private || !socks_addr_is_private(&target->addrs[i]))
			target->addrs[kept++] = target->addrs[i];
	target->count = kept;
	return kept > 0 ? 0 : -EACCES;
}

/* The addresses are checked, and no name is looked up a second time. */
static int
socks_find_addrs(const struct socks *socks, struct socks_target *target)
{
	int status = 0, result = 0;

	if (target->count == 0)
		status = bevhost_run_job(socks_resolve, target, &result);
	if (status == 0)
		status = result;
	return status < 0 ? status : socks_keep_allowed(socks, target);
}

/* In their order; each has its share of the time that is left. */
static int
socks_try_addrs(const struct socks *socks, const struct socks_target *target,
    struct bevhost_stream **remote)
{
	int64_t end = bevhost_after_ms(socks->connect_timeout_ms), left;
	char text[SOCKS_ADDR_TEXT_SIZE];
	int status, first = 0;
	size_t i;

	for (i = 0; i < target->count; i++) {
		left = (end - bevhost_now_ms()) / (int64_t)(target->count - i);
		socks_addr_text(&target->addrs[i], text, sizeof(text));
		status = bevhost_connect(
		    text, target->port, bevhost_after_ms(left), remote);
		if (status == 0 || status == -ECANCELED)
			return status;
		/* That there is no way for IPv6 tells the least. */
		if (first == 0 || first == -ENETUNREACH)
			first = status;
	}
	return first;
}

static int
socks_connect(const struct socks *socks, struct socks_target *target,
    struct bevhost_stream **remote)
{
	int status = socks_find_addrs(socks, target);

	return status < 0 ? status : socks_try_addrs(socks, target, remote);
}

/* The way of a client */

/* There was no request, or one that is answered without trying. */
static int
socks_refuse(const struct socks_talk *talk, int status)
{
	struct bevhost_conn *conn = bevhost_stream_conn(talk->stream);
	const char *wrong = talk->wrong;

	if (wrong == NULL)
		wrong = status == -ENODATA     ? "ended in its handshake"
			: status == -ETIMEDOUT ? "handshake took too long"
			: status < 0	       ? strerror(-status)
					       : "";
	bevhost_conn_log(conn, BEVHOST_LOG_INFO, "refused: %s", wrong);
	if (status == -ETIMEDOUT)
		bevhost_conn_set_reason(conn, BEVHOST_REASON_TIMEOUT, NULL);
	if (status > 0)
		return socks_reply_failed(
		    talk->stream, (enum socks_code)status);
	return status;
}

static const char *
socks_error_text(int error)
{
	switch (error) {
	case ENOENT:
		return "no such name";
	case EACCES:
		return "not allowed";
	default:
		return strerror(error);
	}
}

static void
socks_log_result(struct bevhost_stream *client,
    const struct socks_target *target, int status)
{
	if (bevhost_log_enabled(BEVHOST_LOG_INFO))
		bevhost_conn_log(bevhost_stream_conn(client), BEVHOST_LOG_INFO,
		    status < 0 ? "not connected to %s port %u: %s"
			       : "connected to %s port %u%s",
		    target->name, target->port,
		    status < 0 ? socks_error_text(-status) : "");
}

/* From the first byte to the answer. 0 and a remote, or a negative errno. */
static int
socks_negotiate(const struct socks *socks, struct bevhost_stream *client,
    struct bevhost_stream **remote)
{
	struct socks_talk talk = {
		.stream = client,
		.user = socks->user,
		.password = socks->password,
		.deadline = bevhost_after_ms(socks->handshake_timeout_ms),
	};
	struct socks_target target = { .count = 0 };
	int status = socks_read_request(&talk, &target);

	if (status != 0)
		return socks_refuse(&talk, status);
	status = socks_connect(socks, &target, remote);
	if (status == -ECANCELED)
		return status;
	socks_log_result(client, &target, status);
	if (status == 0)
		return socks_reply_connected(client, *remote);
	socks_reply_failed(client, socks_code_of(-status));
	return status;
}

static int
socks_run(struct bevhost_stream *client, void *self)
{
	struct bevhost_stream *remote = NULL;
	int status = socks_negotiate(self, client, &remote);

	return status == 0 && remote != NULL ? socks_relay(client, remote)
					     : status;
}

static const struct bevhost_manifest socks_manifest = {
	.struct_size = sizeof(socks_manifest),
	.flags = BEVHOST_MANIFEST_CONNECT | BEVHOST_MANIFEST_NAMES,
};

static struct bevhost_plugin socks_plugin = {
	.name = "socks",
	.version = PACKAGE_VERSION,
	.summary = "connects clients to where they ask for (SOCKS version 5)",
	.params = socks_params,
	.self_size = sizeof(struct socks),
	.ready = socks_ready,
	.run = socks_run,
	.manifest = &socks_manifest,
};
BEVHOST_PLUGIN(socks_plugin)
