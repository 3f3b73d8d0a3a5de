/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the plugin have in common, in the order of a client's
 * way: a target is chosen, connected to, maybe told who the client is, and
 * bytes are relayed.
 */
#ifndef PROXY_H
#define PROXY_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/connect.h>

#define PROXY_TARGETS_MAX 64
#define PROXY_HEADER_MAX  108 /* of version 1, with its end as a text */

enum proxy_balance {
	PROXY_ROUND_ROBIN,
	PROXY_LEAST_CONNECTIONS,
	PROXY_CLIENT_ADDRESS
};

enum proxy_send { PROXY_SEND_OFF, PROXY_SEND_V1, PROXY_SEND_V2 };

struct proxy;

struct proxy_target {
	struct proxy *proxy;
	char *text; /* as it was given: its name in the log */
	char *host; /* as bevhost_conn_connect() takes it */
	unsigned port;
	uint64_t hash;	  /* of text */
	size_t count;	  /* connections that lead there, or try to */
	int64_t rest_ms;  /* how long it rests, 0: it is well */
	int64_t until_ms; /* when that ends */
	int tried;	  /* it has rested: one client tries it */
	int down;	  /* the last check failed */
	struct bevhost_outbound *check; /* under way, or NULL */
};

/* An instance. */
struct proxy {
	int64_t balance, retries, connect_timeout_ms, send, tls;
	int64_t rest_ms, rest_max_ms, check_ms, drain_idle_ms;
	const char *tls_ca, *tls_name; /* tls_name: NULL if not given */
	const char *tls_word; /* one of those that was given, or NULL */
	struct bevhost_authorities *authorities; /* or NULL: plain */
	struct bevhost_instance *instance;
	struct event *check_timer; /* or NULL */
	struct proxy_target targets[PROXY_TARGETS_MAX];
	size_t count, next;
	int64_t want_until_ms; /* a want of our own is known until then */
};

/* A connection. */
struct proxy_relay {
	struct bevhost_conn *conn;
	struct bevhost_outbound *outbound; /* NULL: none yet, or no more */
	struct proxy *proxy;
	struct proxy_target *target; /* that it counts for, or NULL */
	uint64_t tried;		     /* targets, a bit for each */
	unsigned retried;
	unsigned client_ended : 1, target_ended : 1; /* have sent their last */
	struct bevhost_timer *timer;		     /* of a drain, or NULL */
	unsigned quiet : 1; /* nothing has moved since it began */
};

/* Targets */

/* HOST:PORT, [V6]:PORT or unix:/PATH; several with commas. 0 or -1, having
   said why not. */
int proxy_targets_add(struct proxy *proxy, const char *list);
void proxy_targets_clear(struct proxy *proxy);

/* One that was not tried yet; NULL when there is none. */
struct proxy_target *proxy_choose(
    struct proxy *proxy, const struct bevhost_conn *conn, uint64_t tried);

/* What is wrong with it, for the log. */
const char *
proxy_what(const struct proxy_target *target, int status, const char *why);
/* Is it for want of descriptors or memory here, and not the target's fault? */
int proxy_is_own_want(int status);
/* What came of connecting to it. */
void
proxy_target_failed(struct proxy_target *target, int status, const char *why);
void proxy_target_succeeded(struct proxy_target *target);
/* What a check has found out. */
void proxy_target_is_up(struct proxy_target *target);
void
proxy_target_is_down(struct proxy_target *target, int status, const char *why);
/* How it is connected to, but for a preface. */
void proxy_target_fill(
    const struct proxy_target *target, struct bevhost_target *where);

/* Returns the size: 0 when none is to be sent. conn NULL: for ourselves. */
size_t proxy_header(const struct proxy *proxy, const struct bevhost_conn *conn,
    unsigned char buf[PROXY_HEADER_MAX]);

/* From the instance's start to its stop. 0 or -1, having said why. */
int proxy_checks_start(struct proxy *proxy, struct event_base *base);
void proxy_checks_stop(struct proxy *proxy);

/* A relay has its connection to a target, or has none. */
void proxy_connected(
    struct proxy_relay *relay, struct bevhost_outbound *outbound, int status);

/* Relaying: from when both ends are there. */
void proxy_relay_start(struct proxy_relay *relay);
/* The callbacks of the outbound connection. */
extern const struct bevhost_outbound_calls proxy_calls;
/* The host stops: what is under way arrives, and nothing more is taken. */
void proxy_relay_finish(struct proxy_relay *relay);
/* Those of the client's, from then on. */
void proxy_relay_on_read(struct bufferevent *bev, void *state);
void proxy_relay_on_event(struct bufferevent *bev, short what, void *state);

#endif
