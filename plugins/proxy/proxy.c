/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy: leads each client to one of several targets, and relays bytes. Here is
 * a client's way until it has its target, or there is none for it.
 */
#define BEVHOST_API_VERSION 1
#include "proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bevhost/manifest.h>
#include <event2/buffer.h>

/* What a client may say before its target is there. */
#define PROXY_EARLY_MAX ((size_t)64 * 1024)

#define PROXY_DAY_MS (INT64_C(24) * 3600 * 1000)

static const char *const proxy_balances[] = {
	[PROXY_ROUND_ROBIN] = "round-robin",
	[PROXY_LEAST_CONNECTIONS] = "least-connections",
	[PROXY_CLIENT_ADDRESS] = "client-address",
	NULL,
};

static const char *const proxy_sends[] = {
	[PROXY_SEND_OFF] = "off",
	[PROXY_SEND_V1] = "v1",
	[PROXY_SEND_V2] = "v2",
	NULL,
};

static const struct bevhost_param proxy_params[] = {
	{
	    .name = "to",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REQUIRED | BEVHOST_PARAM_REPEAT,
	    .help = "the targets: HOST:PORT, [V6]:PORT, unix:/PATH; several "
		    "with commas",
	},
	{
	    .name = "balance",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "round-robin",
	    .choices = proxy_balances,
	    .help = "which target a client gets",
	    .field = BEVHOST_FIELD(struct proxy, balance),
	},
	{
	    .name = "connect-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "5s",
	    .min = 1,
	    .max = 60 * 60 * 1000,
	    .help = "how long connecting to one target may take",
	    .field = BEVHOST_FIELD(struct proxy, connect_timeout_ms),
	},
	{
	    .name = "retries",
	    .type = BEVHOST_PARAM_INT,
	    .value = "3",
	    .min = 0,
	    .max = PROXY_TARGETS_MAX - 1,
	    .help = "how many other targets are tried when one fails",
	    .field = BEVHOST_FIELD(struct proxy, retries),
	},
	{
	    .name = "rest",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1s",
	    .min = 0,
	    .max = PROXY_DAY_MS,
	    .help = "how long a target that has failed is left alone, twice "
		    "as long each time; 0s turns it off",
	    .field = BEVHOST_FIELD(struct proxy, rest_ms),
	},
	{
	    .name = "rest-max",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1m",
	    .min = 1,
	    .max = PROXY_DAY_MS,
	    .help = "the longest rest",
	    .field = BEVHOST_FIELD(struct proxy, rest_max_ms),
	},
	{
	    .name = "check",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .min = 0,
	    .max = PROXY_DAY_MS,
	    .help = "how often each target is connected to, to see whether it "
		    "is there; 0s turns it off",
	    .field = BEVHOST_FIELD(struct proxy, check_ms),
	},
	{
	    .name = "send-proxy",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "off",
	    .choices = proxy_sends,
	    .help = "tell the target who the client is, by the PROXY protocol",
	    .field = BEVHOST_FIELD(struct proxy, send),
	},
	{
	    .name = "tls",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "off",
	    .help = "speak TLS with the targets",
	    .field = BEVHOST_FIELD(struct proxy, tls),
	},
	{
	    .name = "tls-ca",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "/etc/ssl/certs/ca-certificates.crt",
	    .min = 1,
	    .max = 4095,
	    .help = "a file with the authorities of their certificates",
	    .field = BEVHOST_FIELD(struct proxy, tls_ca),
	},
	{
	    .name = "tls-name",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 253,
	    .help = "the name in their certificates (unless set, the target's)",
	    .field = BEVHOST_FIELD(struct proxy, tls_name),
	},
	{
	    .name = "drain-idle",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1s",
	    .min = 1,
	    .max = PROXY_DAY_MS,
	    .help = "when the host stops, relays that move nothing for so long "
		    "end",
	    .field = BEVHOST_FIELD(struct proxy, drain_idle_ms),
	},
	{ .name = NULL },
};

/* The instance */

static int
proxy_config(void *self, const char *key, const char *value)
{
	struct proxy *proxy = self;

	if (strncmp(key, "tls-", 4) == 0)
		proxy->tls_word =
		    strcmp(key, "tls-ca") == 0 ? "tls-ca" : "tls-name";
	return strcmp(key, "to") == 0 ? proxy_targets_add(proxy, value) : 0;
}

static int
proxy_create(struct bevhost_instance *instance, void **self)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));

	*self = proxy;
	if (proxy == NULL) {
		bevhost_error("%m");
		return -1;
	}
	proxy->instance = instance;
	return 0;
}

/* A unix socket has no name that a certificate could have. */
static int
proxy_check_names(const struct proxy *proxy)
{
	size_t i;

	for (i = 0; i < proxy->count && proxy->tls_name == NULL; i++)
		if (strncmp(proxy->targets[i].host, "unix:", 5) == 0) {
			bevhost_error("to: %s: with tls=on it needs tls-name",
			    proxy->targets[i].text);
			return -1;
		}
	return 0;
}

static int
proxy_ready(void *self)
{
	struct proxy *proxy = self;

	if (proxy->rest_ms > proxy->rest_max_ms) {
		bevhost_error(
		    "rest is longer than rest-max: it is at most as long");
		return -1;
	}
	if (!proxy->tls && proxy->tls_word != NULL) {
		bevhost_error("%s is for TLS, which is off: it takes tls=on",
		    proxy->tls_word);
		return -1;
	}
	if (!proxy->tls)
		return 0;
	if (proxy_check_names(proxy) < 0)
		return -1;
	proxy->authorities = bevhost_authorities_new(proxy->tls_ca);
	return proxy->authorities != NULL ? 0 : -1;
}

static int
proxy_start(void *self, struct event_base *base)
{
	return proxy_checks_start(self, base);
}

static void
proxy_stop(void *self)
{
	proxy_checks_stop(self);
}

static void
proxy_destroy(void *self)
{
	struct proxy *proxy = self;

	proxy_targets_clear(proxy);
	bevhost_authorities_free(proxy->authorities);
	free(proxy);
}

/* A client that has no target yet */

static void
proxy_leave_target(struct proxy_relay *relay)
{
	if (relay->target != NULL)
		relay->target->count--;
	relay->target = NULL;
}

/* Returns 0, or -1 when there is no further target for it. */
static int
proxy_try(struct proxy_relay *relay)
{
	struct proxy *proxy = relay->proxy;
	unsigned char header[PROXY_HEADER_MAX];
	struct bevhost_target where;
	struct proxy_target *target =
	    proxy_choose(proxy, relay->conn, relay->tried);

	if (target == NULL) {
		bevhost_conn_set_reason(relay->conn, BEVHOST_REASON_HANDLER,
		    "no target is left to try");
		return -1;
	}
	relay->tried |= UINT64_C(1) << (target - proxy->targets);
	proxy_target_fill(target, &where);
	where.preface = header;
	where.preface_size = proxy_header(proxy, relay->conn, header);
	relay->outbound =
	    bevhost_conn_connect(relay->conn, &where, &proxy_calls, relay);
	if (relay->outbound == NULL) {
		bevhost_conn_log(
		    relay->conn, BEVHOST_LOG_WARNING, "%s: %m", target->text);
		bevhost_conn_set_reason(relay->conn, BEVHOST_REASON_HANDLER,
		    "%s: %m", target->text);
		return -1;
	}
	relay->target = target;
	target->count++;
	return 0;
}

static void
proxy_try_another(struct proxy_relay *relay)
{
	if (relay->retried++ < relay->proxy->retries && proxy_try(relay) == 0)
		return;
	bevhost_conn_close(relay->conn, BEVHOST_CLOSE_NOW);
}

/* A peer that has vanished is noticed, however long nothing is to be sent. */
static void
proxy_keep_alive(struct bevhost_outbound *outbound)
{
	int fd = bufferevent_getfd(bevhost_outbound_bev(outbound)), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

void
proxy_connected(
    struct proxy_relay *relay, struct bevhost_outbound *outbound, int status)
{
	const char *why;

	if (status == 0) {
		proxy_target_succeeded(relay->target);
		proxy_keep_alive(outbound);
		proxy_relay_start(relay);
		return;
	}
	relay->outbound = NULL;
	why = bevhost_outbound_why(outbound);
	proxy_target_failed(relay->target, status, why);
	bevhost_conn_set_reason(relay->conn, BEVHOST_REASON_HANDLER, "%s: %s",
	    relay->target->text, proxy_what(relay->target, status, why));
	proxy_leave_target(relay);
	if (proxy_is_own_want(status))
		bevhost_conn_close(relay->conn, BEVHOST_CLOSE_NOW);
	else
		proxy_try_another(relay);
}

static void
proxy_on_early_read(struct bufferevent *client, void *state)
{
	(void)state;
	if (evbuffer_get_length(bufferevent_get_input(client)) >=
	    PROXY_EARLY_MAX)
		bufferevent_disable(client, EV_READ);
}

static void
proxy_on_early_event(struct bufferevent *client, short what, void *state)
{
	struct proxy_relay *relay = state;

	(void)client;
	if (what & BEV_EVENT_EOF)
		relay->client_ended = 1;
}

static int
proxy_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct proxy_relay *relay = *state;

	(void)bev;
	relay->conn = conn;
	relay->proxy = self;
	return proxy_try(relay);
}

/*
 * The host stops. Nobody can tell whether a relay that moves nothing has work
 * under way, so it gets a moment in which something may move.
 */
static void
proxy_on_drain_timer(struct bevhost_conn *conn, void *state)
{
	struct proxy_relay *relay = state;

	(void)conn;
	if (relay->quiet) {
		proxy_relay_finish(relay);
		return;
	}
	relay->quiet = 1;
	if (bevhost_timer_start(relay->timer, relay->proxy->drain_idle_ms) < 0)
		proxy_relay_finish(relay);
}

static void
proxy_on_drain(void *state)
{
	struct proxy_relay *relay = state;

	relay->timer = bevhost_timer_new(relay->conn, proxy_on_drain_timer);
	if (relay->timer == NULL)
		return;
	relay->quiet = 0;
	proxy_on_drain_timer(relay->conn, relay);
}

static void
proxy_close(void *state, enum bevhost_reason reason)
{
	(void)reason;
	proxy_leave_target(state);
}

static const struct bevhost_manifest proxy_manifest = {
	.struct_size = sizeof(proxy_manifest),
	.flags = BEVHOST_MANIFEST_CONNECT | BEVHOST_MANIFEST_NAMES,
};

static struct bevhost_plugin plugin = {
	.name = "proxy",
	.summary = "relay bytes to one of several servers",
	.params = proxy_params,
	.bare_param = "to",
	.state_size = sizeof(struct proxy_relay),
	.create = proxy_create,
	.config = proxy_config,
	.ready = proxy_ready,
	.start = proxy_start,
	.stop = proxy_stop,
	.destroy = proxy_destroy,
	.open = proxy_open,
	.read = proxy_on_early_read,
	.event = proxy_on_early_event,
	.drain = proxy_on_drain,
	.close = proxy_close,
	.manifest = &proxy_manifest,
};
BEVHOST_PLUGIN(plugin)
