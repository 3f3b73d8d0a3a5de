/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a client may be led to: the targets as they are written, which of them
 * is the next one, and which of them rest because they have failed.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* How often a want of our own is warned of. */
#define PROXY_WANT_MS 10000

/* Reading them */

#define PROXY_PORT_NONE 0

static int
proxy_target_wrong(const char *text, const char *why)
{
	bevhost_error("to: %s: %s", text, why);
	return -1;
}

/* Digits alone; 0 when it is no port. */
static unsigned
proxy_parse_port(const char *text)
{
	unsigned port = 0;
	const char *digit;

	for (digit = text; *digit >= '0' && *digit <= '9'; digit++) {
		port = port * 10 + (unsigned)(*digit - '0');
		if (port > 65535)
			return PROXY_PORT_NONE;
	}
	return *digit == '\0' ? port : PROXY_PORT_NONE;
}

static int
proxy_parse_unix(struct proxy_target *target)
{
	const char *path = target->text + strlen("unix:");

	if (path[0] != '/' && path[0] != '@')
		return proxy_target_wrong(target->text,
		    "a path after unix: begins with / (or @, if abstract)");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return proxy_target_wrong(target->text,
		    "a path of a unix socket has at most 107 bytes");
	target->host = strdup(target->text);
	return target->host != NULL ? 0 : proxy_target_wrong("", "no memory");
}

/* What is between brackets is an IPv6 address, maybe with the name of an
   interface; no name has any. */
static int
proxy_check_host(const struct proxy_target *target, int bracketed)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(target->host, "%");
	struct in6_addr in6;

	if (!bracketed)
		return strpbrk(target->host, "[] \t") == NULL
			   ? 0
			   : proxy_target_wrong(target->text,
				 "no host has such a name: HOST:PORT");
	if (len < sizeof(address)) {
		memcpy(address, target->host, len);
		address[len] = '\0';
		if (inet_pton(AF_INET6, address, &in6) == 1)
			return 0;
	}
	return proxy_target_wrong(
	    target->text, "no IPv6 address is between the brackets");
}

static int
proxy_parse_inet(struct proxy_target *target)
{
	const char *host = target->text, *colon = strrchr(host, ':'), *end;

	if (colon == NULL || strchr(colon, ']') != NULL)
		return proxy_target_wrong(
		    target->text, "a port is missing: HOST:PORT");
	end = colon;
	if (host[0] == '[') {
		if (end[-1] != ']')
			return proxy_target_wrong(
			    target->text, "no ] before the port: [V6]:PORT");
		host++;
		end--;
	} else if (memchr(host, ':', (size_t)(end - host)) != NULL) {
		return proxy_target_wrong(
		    target->text, "an IPv6 address needs brackets: [V6]:PORT");
	}
	if (end <= host)
		return proxy_target_wrong(
		    target->text, "a host is missing: HOST:PORT");
	target->port = proxy_parse_port(colon + 1);
	if (target->port == PROXY_PORT_NONE)
		return proxy_target_wrong(
		    target->text, "a port is a number from 1 to 65535");
	target->host = strndup(host, (size_t)(end - host));
	if (target->host == NULL)
		return proxy_target_wrong("", "no memory");
	return proxy_check_host(target, target->text[0] == '[');
}

static uint64_t
proxy_hash(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	while (len-- > 0)
		hash = (hash ^ *byte++) * UINT64_C(0x100000001b3);
	return hash;
}

static int
proxy_target_is_double(
    const struct proxy *proxy, const struct proxy_target *target)
{
	size_t i;

	for (i = 0; i < proxy->count; i++)
		if (strcmp(proxy->targets[i].text, target->text) == 0)
			return 1;
	return 0;
}

static int
proxy_target_add(
    struct proxy *proxy, const char *list, const char *text, size_t len)
{
	struct proxy_target *target = &proxy->targets[proxy->count];
	int status;

	if (proxy->count == PROXY_TARGETS_MAX) {
		bevhost_error("to: more than %d targets", PROXY_TARGETS_MAX);
		return -1;
	}
	target->text = strndup(text, len);
	if (target->text == NULL)
		return proxy_target_wrong("", "no memory");
	if (len == 0)
		status = proxy_target_wrong(
		    list, "an empty target: HOST:PORT[,HOST:PORT...]");
	else if (proxy_target_is_double(proxy, target))
		status = proxy_target_wrong(target->text, "is there twice");
	else if (strncmp(target->text, "unix:", 5) == 0)
		status = proxy_parse_unix(target);
	else
		status = proxy_parse_inet(target);
	target->proxy = proxy;
	target->hash =
	    proxy_hash(UINT64_C(0xcbf29ce484222325), target->text, len);
	/* What is wrong is freed with the rest. */
	proxy->count++;
	return status;
}

int
proxy_targets_add(struct proxy *proxy, const char *list)
{
	const char *whole = list;
	size_t len;

	for (;; list += len + 1) {
		len = strcspn(list, ",");
		if (proxy_target_add(proxy, whole, list, len) < 0)
			return -1;
		if (list[len] == '\0')
			return 0;
	}
}

void
proxy_targets_clear(struct proxy *proxy)
{
	while (proxy->count > 0) {
		proxy->count--;
		free(proxy->targets[proxy->count].text);
		free(proxy->targets[proxy->count].host);
	}
}

/* Choosing one */

static int
proxy_target_is_well(const struct proxy_target *target, int64_t now_ms)
{
	return target->until_ms <= now_ms && !target->down;
}

/* Where a client's address is, without its port. */
static uint64_t
proxy_hash_client(const struct bevhost_conn *conn)
{
	socklen_t len;
	const struct sockaddr *sa = bevhost_conn_client(conn, &len);
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return proxy_hash(0, &in->sin_addr, sizeof(in->sin_addr));
	if (sa->sa_family == AF_INET6)
		return proxy_hash(0, &in6->sin6_addr, sizeof(in6->sin6_addr));
	return 0;
}

/* Spreads what differs in few bits over all of them: the end of MurmurHash3. */
static uint64_t
proxy_mix(uint64_t hash)
{
	hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ hash >> 33;
}

/* Is one better than other, by what is balanced? */
static int
proxy_is_better(const struct proxy *proxy, const struct proxy_target *one,
    const struct proxy_target *other, uint64_t client)
{
	if (other == NULL)
		return 1;
	switch (proxy->balance) {
	case PROXY_LEAST_CONNECTIONS:
		return one->count < other->count;
	case PROXY_CLIENT_ADDRESS:
		/* When one is missing, only its own clients go elsewhere. */
		return proxy_mix(one->hash ^ client) >
		       proxy_mix(other->hash ^ client);
	default:
		return 0;
	}
}

/* Of two that are not well: one that is down is worse than one that rests. */
static int
proxy_is_nearer(
    const struct proxy_target *one, const struct proxy_target *other)
{
	if (other == NULL || one->down != other->down)
		return other == NULL || other->down;
	return one->until_ms < other->until_ms;
}

/* The best of those that are well, from the one whose turn it is on; or else
   of the others the one that rests the least. */
struct proxy_target *
proxy_choose(
    struct proxy *proxy, const struct bevhost_conn *conn, uint64_t tried)
{
	struct proxy_target *best = NULL, *rested = NULL, *target;
	int64_t now_ms = bevhost_now_ms();
	uint64_t client = proxy->balance == PROXY_CLIENT_ADDRESS
			      ? proxy_hash_client(conn)
			      : 0;
	size_t i, index;

	for (i = 0; i < proxy->count; i++) {
		index = (proxy->next + i) % proxy->count;
		target = &proxy->targets[index];
		if (tried & UINT64_C(1) << index)
			continue;
		if (proxy_target_is_well(target, now_ms)) {
			if (proxy_is_better(proxy, target, best, client))
				best = target;
		} else if (proxy_is_nearer(target, rested)) {
			rested = target;
		}
	}
	if (best == NULL)
		return rested;
	proxy->next = (size_t)(best - proxy->targets) + 1;
	/* One client tries whether it works again, and the others wait. */
	if (best->rest_ms > 0) {
		best->until_ms = now_ms + proxy->connect_timeout_ms;
		best->tried = 1;
	}
	return best;
}

/* Resting */

const char *
proxy_what(const struct proxy_target *target, int status, const char *why)
{
	if (why != NULL)
		return why;
	if (target->port != PROXY_PORT_NONE && status == -ENOENT)
		return "the name has no address";
	if (target->port != PROXY_PORT_NONE && status == -EAGAIN)
		return "its address cannot be found out now";
	return strerror(-status);
}

int
proxy_is_own_want(int status)
{
	return status == -EMFILE || status == -ENFILE || status == -ENOMEM ||
	       status == -ENOBUFS;
}

/* It says nothing of the target: who tried whether it works may try again. */
static void
proxy_target_not_tried(struct proxy_target *target, const char *what)
{
	struct proxy *proxy = target->proxy;
	int64_t now_ms = bevhost_now_ms();
	int quiet = now_ms < proxy->want_until_ms;

	if (target->tried)
		target->until_ms = now_ms;
	target->tried = 0;
	bevhost_log(quiet ? BEVHOST_LOG_INFO : BEVHOST_LOG_WARNING,
	    "%s: not tried: %s", target->text, what);
	if (!quiet)
		proxy->want_until_ms = now_ms + PROXY_WANT_MS;
}

void
proxy_target_failed(struct proxy_target *target, int status, const char *why)
{
	const struct proxy *proxy = target->proxy;
	const char *what = proxy_what(target, status, why);
	int64_t now_ms = bevhost_now_ms();
	int rests =
	    target->rest_ms > 0 && target->until_ms > now_ms && !target->tried;

	if (proxy_is_own_want(status)) {
		proxy_target_not_tried(target, what);
		return;
	}
	target->tried = 0;
	if (rests || proxy->rest_ms == 0) {
		bevhost_log(BEVHOST_LOG_INFO, "%s: %s", target->text, what);
		return;
	}
	target->rest_ms =
	    target->rest_ms == 0 ? proxy->rest_ms : target->rest_ms * 2;
	if (target->rest_ms > proxy->rest_max_ms)
		target->rest_ms = proxy->rest_max_ms;
	target->until_ms = now_ms + target->rest_ms;
	bevhost_log(BEVHOST_LOG_WARNING, "%s: %s: rests for %g s", target->text,
	    what, (double)target->rest_ms / 1000);
}

void
proxy_target_succeeded(struct proxy_target *target)
{
	target->tried = 0;
	if (target->rest_ms == 0)
		return;
	target->rest_ms = target->until_ms = 0;
	bevhost_log(BEVHOST_LOG_NOTICE, "%s: works again", target->text);
}

/* Being checked */

void
proxy_target_is_up(struct proxy_target *target)
{
	if (!target->down) {
		proxy_target_succeeded(target);
		return;
	}
	bevhost_log(BEVHOST_LOG_NOTICE, "%s: is up", target->text);
	target->down = 0;
	target->rest_ms = target->until_ms = 0;
	target->tried = 0;
}

void
proxy_target_is_down(struct proxy_target *target, int status, const char *why)
{
	const char *what = proxy_what(target, status, why);

	if (proxy_is_own_want(status)) {
		proxy_target_not_tried(target, what);
		return;
	}
	bevhost_log(target->down ? BEVHOST_LOG_INFO : BEVHOST_LOG_WARNING,
	    "%s: %s: is down", target->text, what);
	target->down = 1;
}

void
proxy_target_fill(
    const struct proxy_target *target, struct bevhost_target *where)
{
	const struct proxy *proxy = target->proxy;

	*where = (struct bevhost_target){
		.struct_size = sizeof(*where),
		.host = target->host,
		.port = target->port,
		.timeout_ms = proxy->connect_timeout_ms,
		.authorities = proxy->authorities,
		.tls_name = proxy->tls_name,
	};
}
