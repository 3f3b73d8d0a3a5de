/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handler of callbacks as version 1 of the interface has it: each call that
 * it may get, each kind of parameter, and each function for connections. A line
 * names what to do, and one line answers. It is compiled with the headers in
 * this folder and no others.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/manifest.h>
#include <bevhost/peer.h>
#include <bevhost/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

struct v1 {
	const char *text;
	int64_t number, flag, size, time, choice;
	struct bevhost_instance *instance;
	struct event_base *base;
	int configs, is_ready, is_tested, admitted;
};

struct v1_conn {
	struct bevhost_conn *conn;
	struct bufferevent *bev;
	struct bevhost_timer *timer, *never;
	int writes;
};

static const char *const v1_choices[] = { "red", "green", NULL };

static const struct bevhost_param v1_params[] = {
	{
	    .name = "text",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REQUIRED | BEVHOST_PARAM_REPEAT,
	    .min = 1,
	    .max = 20,
	    .help = "any text",
	    .field = BEVHOST_FIELD(struct v1, text),
	},
	{
	    .name = "number",
	    .type = BEVHOST_PARAM_INT,
	    .value = "7",
	    .min = 1,
	    .max = 10,
	    .field = BEVHOST_FIELD(struct v1, number),
	},
	{
	    .name = "flag",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "on",
	    .field = BEVHOST_FIELD(struct v1, flag),
	},
	{
	    .name = "size",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "64k",
	    .field = BEVHOST_FIELD(struct v1, size),
	},
	{
	    .name = "time",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "2s",
	    .field = BEVHOST_FIELD(struct v1, time),
	},
	{
	    .name = "choice",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "green",
	    .choices = v1_choices,
	    .field = BEVHOST_FIELD(struct v1, choice),
	},
	{ .name = NULL },
};

static const char *const v1_reads[] = { "/etc/hostname", NULL };
static const struct bevhost_manifest v1_manifest = {
	.struct_size = sizeof(struct bevhost_manifest),
	.flags = BEVHOST_MANIFEST_CONNECT,
	.reads = v1_reads,
};

static int
v1_create(struct bevhost_instance *instance, void **self)
{
	struct v1 *v1 = calloc(1, sizeof(*v1));

	if (v1 == NULL)
		return -1;
	v1->instance = instance;
	*self = v1;
	return 0;
}

static int
v1_config(void *self, const char *key, const char *value)
{
	struct v1 *v1 = self;

	if (strcmp(value, "refuse") == 0) {
		bevhost_error("%s: is refused", key);
		return -1;
	}
	v1->configs++;
	return 0;
}

static int
v1_ready(void *self)
{
	struct v1 *v1 = self;

	v1->is_ready = 1;
	return 0;
}

static int
v1_start(void *self, struct event_base *base)
{
	struct v1 *v1 = self;

	v1->base = base;
	bevhost_log(BEVHOST_LOG_NOTICE, "v1 has started as %s",
	    bevhost_instance_name(v1->instance));
	return 0;
}

static int
v1_self_test(void *self)
{
	struct v1 *v1 = self;

	v1->is_tested = v1->base != NULL;
	return 0;
}

static void
v1_stop(void *self)
{
	bevhost_log(BEVHOST_LOG_NOTICE, "v1 has stopped after %d",
	    ((struct v1 *)self)->admitted);
}

static void
v1_destroy(void *self)
{
	bevhost_log(BEVHOST_LOG_NOTICE, "v1 is destroyed");
	free(self);
}

static int
v1_admit(void *self, const struct bevhost_conn *conn)
{
	struct v1 *v1 = self;

	v1->admitted++;
	return bevhost_conn_bev(conn) == NULL;
}

static void
v1_on_timer(struct bevhost_conn *conn, void *state)
{
	struct v1_conn *v1_conn = state;

	evbuffer_add_printf(
	    bufferevent_get_output(v1_conn->bev), "the timer fired\n");
	bevhost_conn_release(conn);
}

static int
v1_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct v1_conn *v1_conn = *state; /* of state_size bytes */

	(void)self;
	v1_conn->conn = conn;
	v1_conn->bev = bev;
	v1_conn->timer = bevhost_timer_new(conn, v1_on_timer);
	v1_conn->never = bevhost_timer_new(conn, v1_on_timer);
	return v1_conn->timer == NULL || v1_conn->never == NULL ? -1 : 0;
}

static void
v1_say_self(struct v1_conn *v1_conn, struct evbuffer *output)
{
	const struct v1 *v1 = bevhost_conn_self(v1_conn->conn);

	evbuffer_add_printf(output,
	    "text=%s number=%jd flag=%jd size=%jd time=%jd choice=%s "
	    "configs=%d ready=%d tested=%d admitted=%d state=%d\n",
	    v1->text, (intmax_t)v1->number, (intmax_t)v1->flag,
	    (intmax_t)v1->size, (intmax_t)v1->time, v1_choices[v1->choice],
	    v1->configs, v1->is_ready, v1->is_tested, v1->admitted,
	    bevhost_conn_state(v1_conn->conn) == v1_conn);
}

static void
v1_say_place(struct v1_conn *v1_conn, struct evbuffer *output)
{
	char client[BEVHOST_ADDRESS_SIZE];
	struct sockaddr_storage local;
	socklen_t client_len, peer_len;
	const struct sockaddr *peer =
	    bevhost_conn_peer(v1_conn->conn, &peer_len);

	bevhost_conn_client(v1_conn->conn, &client_len);
	evbuffer_add_printf(output,
	    "client=%s local=%d peer=%d lens=%d id=%d\n",
	    bevhost_conn_client_text(v1_conn->conn, client, sizeof(client)),
	    bevhost_conn_local(v1_conn->conn, &local) > 0, peer->sa_family,
	    client_len == peer_len, bevhost_conn_id(v1_conn->conn) > 0);
}

static void
v1_say_proxy(struct v1_conn *v1_conn, struct evbuffer *output)
{
	const struct bevhost_conn *conn = v1_conn->conn;
	struct bevhost_tlv tlv = { .len = 0 };
	unsigned client = 0;
	uint32_t verify = 0;
	size_t at = 0;
	int count = 0, has_name, has_cn;

	while (bevhost_conn_proxy_next(conn, &at, &tlv))
		count++;
	has_cn = bevhost_conn_proxy_ssl_tlv(conn, BEVHOST_PROXY_SSL_CN, &tlv);
	has_name = bevhost_conn_proxy_tlv(conn, BEVHOST_PROXY_AUTHORITY, &tlv);
	evbuffer_add_printf(output,
	    "version=%d local=%d destination=%d tlvs=%d ssl=%d cn=%d "
	    "authority=%.*s\n",
	    bevhost_conn_proxy_version(conn), bevhost_conn_proxy_is_local(conn),
	    bevhost_conn_proxy_destination(conn, NULL) != NULL, count,
	    bevhost_conn_proxy_ssl(conn, &client, &verify), has_cn,
	    has_name ? (int)tlv.len : 0, (const char *)tlv.value);
}

static void
v1_say_tls(struct v1_conn *v1_conn, struct evbuffer *output)
{
	const struct bevhost_conn *conn = v1_conn->conn;
	size_t len = 0;
	char *subject = bevhost_conn_tls_subject(conn);
	void *certificate = bevhost_conn_tls_certificate(conn, &len);

	evbuffer_add_printf(output,
	    "version=%d cipher=%d sni=%d alpn=%d subject=%d certificate=%d\n",
	    bevhost_conn_tls_version(conn) != NULL,
	    bevhost_conn_tls_cipher(conn) != NULL,
	    bevhost_conn_tls_sni(conn) != NULL,
	    bevhost_conn_tls_alpn(conn, &len) != NULL, subject != NULL,
	    certificate != NULL);
	free(subject);
	free(certificate);
}

/* Release is called when the timer fires, or never, for it was stopped. */
static void
v1_start_timer(struct v1_conn *v1_conn)
{
	bevhost_conn_hold(v1_conn->conn);
	bevhost_timer_start(v1_conn->timer, 1);
	bevhost_timer_start(v1_conn->never, 1);
	bevhost_timer_stop(v1_conn->never);
	bevhost_timer_free(v1_conn->never);
	v1_conn->never = NULL;
}

/* Takes the place of read. */
static void
v1_read_other(struct bufferevent *bev, void *state)
{
	const struct v1_conn *v1_conn = state;
	struct evbuffer *input = bufferevent_get_input(bev);

	evbuffer_drain(input, evbuffer_get_length(input));
	evbuffer_add_printf(
	    bufferevent_get_output(bev), "writes=%d\n", v1_conn->writes > 0);
}

static void
v1_turn(struct v1_conn *v1_conn, struct evbuffer *output)
{
	bevhost_conn_set_callbacks(v1_conn->conn, v1_read_other, NULL, NULL);
	evbuffer_add_printf(output, "as you wish\n");
}

static void
v1_say_time(struct evbuffer *output)
{
	int64_t now = bevhost_now_ms();

	evbuffer_add_printf(output, "after=%d reason=%s debug=%d\n",
	    bevhost_after_ms(1000) >= now + 1000,
	    bevhost_reason_name(BEVHOST_REASON_LIFETIME),
	    bevhost_log_enabled(BEVHOST_LOG_DEBUG));
}

static void
v1_close_now(struct v1_conn *v1_conn, enum bevhost_close how)
{
	bevhost_conn_close(v1_conn->conn, how);
	bevhost_conn_log(v1_conn->conn, BEVHOST_LOG_NOTICE, "v1 is closing: %d",
	    bevhost_conn_is_closing(v1_conn->conn));
}

static void
v1_obey(struct v1_conn *v1_conn, const char *line, struct evbuffer *output)
{
	if (strcmp(line, "self") == 0)
		v1_say_self(v1_conn, output);
	else if (strcmp(line, "place") == 0)
		v1_say_place(v1_conn, output);
	else if (strcmp(line, "proxy") == 0)
		v1_say_proxy(v1_conn, output);
	else if (strcmp(line, "tls") == 0)
		v1_say_tls(v1_conn, output);
	else if (strcmp(line, "time") == 0)
		v1_say_time(output);
	else if (strcmp(line, "timer") == 0)
		v1_start_timer(v1_conn);
	else if (strcmp(line, "other") == 0)
		v1_turn(v1_conn, output);
	else if (strcmp(line, "flush") == 0)
		v1_close_now(v1_conn, BEVHOST_CLOSE_FLUSH);
	else
		v1_close_now(v1_conn, BEVHOST_CLOSE_NOW);
}

static void
v1_read(struct bufferevent *bev, void *state)
{
	struct v1_conn *v1_conn = state;
	struct evbuffer *input = bufferevent_get_input(bev);
	char *line;

	bevhost_conn_set_write_watermark(bevhost_conn_of(bev), 65536);
	while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF)) != NULL) {
		v1_obey(v1_conn, line, bufferevent_get_output(bev));
		free(line);
	}
}

static void
v1_write(struct bufferevent *bev, void *state)
{
	(void)bev;
	((struct v1_conn *)state)->writes++;
}

static void
v1_event(struct bufferevent *bev, short what, void *state)
{
	(void)bev;
	if (what & BEV_EVENT_EOF)
		v1_close_now(state, BEVHOST_CLOSE_FLUSH);
}

static void
v1_drain(void *state)
{
	struct v1_conn *v1_conn = state;

	bufferevent_write(v1_conn->bev, "drained\n", 8);
	bevhost_conn_close(v1_conn->conn, BEVHOST_CLOSE_FLUSH);
}

static void
v1_close(void *state, enum bevhost_reason reason)
{
	const struct v1_conn *v1_conn = state;

	bevhost_conn_log(v1_conn->conn, BEVHOST_LOG_NOTICE, "v1 has closed: %s",
	    bevhost_reason_name(reason));
}

static struct bevhost_plugin v1_plugin = {
	.name = "abi-v1-callbacks",
	.version = "1",
	.summary = "obeys a line with a line",
	.params = v1_params,
	.bare_param = "text",
	.state_size = sizeof(struct v1_conn),
	.create = v1_create,
	.config = v1_config,
	.ready = v1_ready,
	.start = v1_start,
	.stop = v1_stop,
	.destroy = v1_destroy,
	.admit = v1_admit,
	.open = v1_open,
	.read = v1_read,
	.write = v1_write,
	.event = v1_event,
	.drain = v1_drain,
	.close = v1_close,
	.self_test = v1_self_test,
	.manifest = &v1_manifest,
};
BEVHOST_PLUGIN(v1_plugin)
