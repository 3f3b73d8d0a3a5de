/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which a client is asked: what concerns it alone comes first, so
 * that one that comes too often uses up nothing of what is everybody's.
 */
#include "gate_own.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "counters.h"
#include "limiter.h"
#include "log.h"
#include "netset.h"
#include "settings_guard.h"

_Static_assert((int)LIMIT_COUNT <= COUNTERS_LIMITS, "each limit is counted");

/* Who asks, and where. */
struct gate_client {
	const struct sockaddr *address;
	struct limit_log *log;
};

/* Making */

static int
gate_add_network(struct gate *gate, const char *text, int allowed)
{
	int count = netset_count(gate->access);
	unsigned char *grown = realloc(gate->allowed, (size_t)count + 1);
	char why[256];

	if (grown == NULL)
		return -1;
	gate->allowed = grown;
	grown[count] = (unsigned char)allowed;
	return netset_add(gate->access, text, why, sizeof(why));
}

static int
gate_add_access(struct gate *gate, const struct settings_guard *guard)
{
	const struct settings_item *item = guard->items;
	int i, allow, deny;

	for (i = 0; i < guard->item_count; i++, item++) {
		allow = strcmp(item->name, "allow") == 0;
		deny = strcmp(item->name, "deny") == 0;
		if (!allow && !deny)
			continue;
		if (gate->access == NULL)
			gate->access = netset_new();
		if (gate->access == NULL ||
		    gate_add_network(gate, item->value, allow) < 0)
			return -1;
	}
	return 0;
}

static void
gate_add_dry_runs(struct gate *gate, const struct settings_guard *guard)
{
	int i = 0, limit;

	while ((i = settings_item_next(guard, "dry-run", i)) >= 0) {
		limit = limit_find(guard->items[i++].value);
		if (limit >= 0)
			gate->dry |= 1u << limit;
	}
}

struct gate *
gate_new(
    const char *name, const char *scope, const struct settings_guard *guard)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (gate == NULL)
		return NULL;
	gate->name = name;
	gate->scope = -1;
	gate->max_connections = guard->max_connections;
	gate->max_per_client = guard->max_connections_per_client;
	gate->rate = guard->connection_rate;
	gate->rate_per_client = guard->connection_rate_per_client;
	gate->bits_ipv4 = (int)guard->client_prefix_ipv4;
	gate->bits_ipv6 = (int)guard->client_prefix_ipv6;
	gate_add_dry_runs(gate, guard);
	if (gate_add_access(gate, guard) < 0) {
		gate_free(gate);
		return NULL;
	}
	if (gate_host.limiter != NULL)
		gate->scope = limiter_scope(gate_host.limiter, scope);
	if (gate_host.limiter != NULL && gate->scope < 0)
		log_write(BEVHOST_LOG_ERROR, name,
		    "not limited: more than %d listeners since the start",
		    LIMITER_SCOPES - 1);
	return gate;
}

void
gate_free(struct gate *gate)
{
	if (gate == NULL)
		return;
	netset_free(gate->access);
	free(gate->allowed);
	free(gate);
}

/* Saying */

int
gate_is_dry(const struct gate *gate, enum limit limit)
{
	return (gate->dry >> limit & 1) != 0;
}

void
gate_count(const struct gate *gate, enum limit limit)
{
	if (gate_host.counters == NULL)
		return;
	if (gate_is_dry(gate, limit))
		gate_host.counters->spared[limit]++;
	else
		gate_host.counters->limited[limit]++;
}

static char *
gate_text(const struct sockaddr *client, char *buf, size_t size)
{
	static const socklen_t unix_len = sizeof(client->sa_family);

	return addr_text(client,
	    client->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
	    : client->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					    : unix_len,
	    buf, size);
}

/* Returns what becomes of the client. */
static enum bevhost_reason
gate_refuse(const struct gate *gate, enum limit limit,
    const struct gate_client *client, enum bevhost_reason reason)
{
	char text[ADDR_TEXT_SIZE], more[LIMIT_MORE_SIZE];
	int dry = gate_is_dry(gate, limit);

	gate_count(gate, limit);
	if (limit_may_say(client->log, limit, more, sizeof(more)))
		log_write(BEVHOST_LOG_NOTICE, gate->name, "%s: %s by %s%s",
		    gate_text(client->address, text, sizeof(text)),
		    dry ? "would be refused" : "refused", limit_name(limit),
		    more);
	return dry ? BEVHOST_REASON_NONE : reason;
}

/* The table is full: said once for each limit, since it is over when clients
   go. */
static void
gate_say_crowded(const struct gate *gate, enum limit limit, const char *what)
{
	static unsigned said; /* a bit for each */

	if ((said >> limit & 1) == 0)
		log_write(BEVHOST_LOG_WARNING, gate->name, "%s: %s",
		    limit_name(limit), what);
	said |= 1u << limit;
}

/* Asking */

static enum bevhost_reason
gate_ask_access(const struct gate *gate, const struct gate_client *client)
{
	int rule = gate->access != NULL
		       ? netset_match(gate->access, client->address)
		       : -1;

	return rule < 0 || gate->allowed[rule]
		   ? BEVHOST_REASON_NONE
		   : gate_refuse(
			 gate, LIMIT_ACCESS, client, BEVHOST_REASON_DENIED);
}

static enum bevhost_reason
gate_ask_client_rate(
    const struct gate *gate, uint64_t print, const struct gate_client *client)
{
	int crowded = 0, status;

	if (gate->rate_per_client <= 0)
		return BEVHOST_REASON_NONE;
	status = limiter_spend_client(
	    gate_host.limiter, print, gate->rate_per_client, &crowded);
	if (crowded)
		gate_say_crowded(gate, LIMIT_RATE_PER_CLIENT,
		    "more clients come than are "
		    "kept in mind: of those that came long ago it is forgotten "
		    "how often");
	return status == 0 ? BEVHOST_REASON_NONE
			   : gate_refuse(gate, LIMIT_RATE_PER_CLIENT, client,
				 BEVHOST_REASON_LIMIT);
}

static enum bevhost_reason
gate_ask_client_count(const struct gate *gate, uint64_t print,
    const struct gate_client *client, uint64_t *ticket)
{
	enum bevhost_reason reason = BEVHOST_REASON_NONE;
	int status;

	if (gate->max_per_client <= 0)
		return reason;
	status =
	    limiter_take_client(gate_host.limiter, print, gate->max_per_client);
	if (status == -EUSERS) {
		reason = gate_refuse(gate, LIMIT_CONNECTIONS_PER_CLIENT, client,
		    BEVHOST_REASON_LIMIT);
		if (reason == BEVHOST_REASON_NONE)
			status =
			    limiter_take_client(gate_host.limiter, print, 0);
	}
	if (status == -ENOSPC)
		gate_say_crowded(gate, LIMIT_CONNECTIONS_PER_CLIENT,
		    "more clients are connected "
		    "than can be counted: the others are not limited");
	if (status == 0)
		*ticket = print;
	return reason;
}

static enum bevhost_reason
gate_ask_rate(const struct gate *gate, const struct gate_client *client)
{
	if (gate->rate <= 0 ||
	    limiter_spend(gate_host.limiter, gate->scope, gate->rate) == 0)
		return BEVHOST_REASON_NONE;
	return gate_refuse(gate, LIMIT_RATE, client, BEVHOST_REASON_LIMIT);
}

/* Peers that have no address, as those of unix sockets, are nobody's. */
static enum bevhost_reason
gate_ask_client(
    const struct gate *gate, const struct gate_client *client, uint64_t *ticket)
{
	enum bevhost_reason reason;
	uint64_t print;

	if (gate->rate_per_client <= 0 && gate->max_per_client <= 0)
		return BEVHOST_REASON_NONE;
	print = limiter_client(gate_host.limiter, gate->scope, client->address,
	    gate->bits_ipv4, gate->bits_ipv6);
	if (print == LIMITER_CLIENT_NONE)
		return BEVHOST_REASON_NONE;
	reason = gate_ask_client_rate(gate, print, client);
	if (reason == BEVHOST_REASON_NONE)
		reason = gate_ask_client_count(gate, print, client, ticket);
	return reason;
}

static void
gate_leave_client(uint64_t ticket)
{
	if (ticket != LIMITER_CLIENT_NONE)
		limiter_return_client(gate_host.limiter, ticket);
}

enum bevhost_reason
gate_enter(struct gate *gate, struct limit_log *log,
    const struct sockaddr *address, uint64_t *ticket)
{
	const struct gate_client asked = { .address = address, .log = log },
				 *client = &asked;
	enum bevhost_reason reason;

	if (gate == NULL)
		return BEVHOST_REASON_NONE;
	reason = gate_ask_access(gate, client);
	if (reason != BEVHOST_REASON_NONE || gate->scope < 0)
		return reason;
	reason = gate_ask_client(gate, client, ticket);
	if (reason == BEVHOST_REASON_NONE)
		reason = gate_ask_rate(gate, client);
	if (reason != BEVHOST_REASON_NONE) {
		gate_leave_client(*ticket);
		*ticket = LIMITER_CLIENT_NONE;
	}
	return reason;
}

void
gate_leave(struct gate *gate, uint64_t ticket)
{
	gate_leave_client(ticket);
	gate_return_place(gate);
}
