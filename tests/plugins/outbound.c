/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does with an outbound connection what each line says, and answers what came
 * of it: what <bevhost/connect.h> promises, and what it refuses.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bevhost/connect.h>
#include <bevhost/manifest.h>
#include <event2/buffer.h>

#define BIG 1000000

struct outbound_test {
	struct bevhost_conn *conn;
	struct bevhost_outbound *outbound;
	int calls;
};

static void
outbound_answer(struct outbound_test *test, const char *what, int status)
{
	evbuffer_add_printf(
	    bufferevent_get_output(bevhost_conn_bev(test->conn)), "%s %s\n",
	    what, status == 0 ? "0" : strerrorname_np(abs(status)));
}

static void
outbound_on_connected(struct bevhost_outbound *outbound, int status, void *arg)
{
	struct outbound_test *test = arg;

	if (status < 0) {
		/* It is gone: this does nothing. */
		bevhost_outbound_close(outbound, BEVHOST_CLOSE_NOW);
		test->outbound = NULL;
	}
	outbound_answer(test, "connected", status);
}

static void
outbound_on_read(struct bufferevent *bev, void *arg)
{
	struct outbound_test *test = arg;

	bufferevent_write_buffer(
	    bevhost_conn_bev(test->conn), bufferevent_get_input(bev));
}

static void
outbound_on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	outbound_answer(arg, "written", 0);
}

static void
outbound_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct outbound_test *test = arg;

	(void)bev;
	if (what & BEV_EVENT_ERROR)
		test->outbound = NULL;
	outbound_answer(test, what & BEV_EVENT_EOF ? "eof" : "error",
	    what & BEV_EVENT_EOF ? 0 : EVUTIL_SOCKET_ERROR());
}

static const struct bevhost_outbound_calls outbound_calls = {
	.struct_size = sizeof(outbound_calls),
	.connected = outbound_on_connected,
	.read = outbound_on_read,
	.event = outbound_on_event,
};

static void
outbound_try(struct outbound_test *test, const char *what,
    const struct bevhost_target *target,
    const struct bevhost_outbound_calls *calls)
{
	struct bevhost_outbound *outbound =
	    bevhost_conn_connect(test->conn, target, calls, test);

	outbound_answer(test, what, outbound == NULL ? errno : 0);
	if (outbound != NULL)
		bevhost_outbound_close(outbound, BEVHOST_CLOSE_NOW);
}

static void
outbound_try_wrong(struct outbound_test *test)
{
	const struct bevhost_target good = {
		.struct_size = sizeof(good),
		.host = "127.0.0.1",
		.port = 1,
	};
	struct bevhost_target target = good;
	struct bevhost_outbound_calls calls = outbound_calls;

	outbound_try(test, "right", &good, &calls);
	target.struct_size = 0;
	outbound_try(test, "size", &target, &calls);
	target = good;
	target.host = NULL;
	outbound_try(test, "host", &target, &calls);
	target = good;
	target.preface = "";
	target.preface_size = 4097;
	outbound_try(test, "preface", &target, &calls);
	target = good;
	target.host = "unix:/socket";
	target.authorities = (const struct bevhost_authorities *)test;
	outbound_try(test, "name", &target, &calls);
	calls.event = NULL;
	outbound_try(test, "event", &good, &calls);
}

static void
outbound_connect(struct outbound_test *test, const char *to)
{
	struct bevhost_target target = {
		.struct_size = sizeof(target),
		.host = "127.0.0.1",
		.port = (unsigned)atoi(to),
		.timeout_ms = 60000,
		.preface = "preface\n",
		.preface_size = 8,
	};

	test->outbound =
	    bevhost_conn_connect(test->conn, &target, &outbound_calls, test);
	outbound_answer(test, "connect", test->outbound == NULL ? errno : 0);
	if (test->outbound == NULL)
		return;
	if (bevhost_outbound_bev(test->outbound) != NULL)
		outbound_answer(test, "too early", EISCONN);
	outbound_answer(
	    test, "early", bevhost_outbound_write_eof(test->outbound));
}

static void
outbound_flood(struct bevhost_outbound *outbound, size_t size)
{
	char *big = malloc(size);

	memset(big, 'x', size);
	bufferevent_write(bevhost_outbound_bev(outbound), big, size);
	free(big);
}

/* Much, which is to arrive though it is closed at once. */
static void
outbound_write_and_close(struct outbound_test *test, size_t size)
{
	outbound_flood(test->outbound, size);
	bevhost_outbound_close(test->outbound, BEVHOST_CLOSE_FLUSH);
	test->outbound = NULL;
}

static void
outbound_obey(struct outbound_test *test, const char *line)
{
	if (strcmp(line, "wrong") == 0) {
		outbound_try_wrong(test);
	} else if (strncmp(line, "connect ", 8) == 0) {
		outbound_connect(test, line + 8);
	} else if (strcmp(line, "cancel") == 0) {
		bevhost_outbound_close(test->outbound, BEVHOST_CLOSE_FLUSH);
		outbound_answer(test, "cancelled", 0);
	} else if (strcmp(line, "close") == 0) {
		outbound_write_and_close(test, BIG);
	} else if (strncmp(line, "close ", 6) == 0) {
		outbound_write_and_close(test, (size_t)atol(line + 6));
	} else if (strcmp(line, "flood") == 0) {
		outbound_flood(test->outbound, BIG);
		outbound_answer(test, "flooded", 0);
	} else if (strcmp(line, "eof") == 0) {
		bufferevent_write(
		    bevhost_outbound_bev(test->outbound), "last", 4);
		outbound_answer(
		    test, "eof", bevhost_outbound_write_eof(test->outbound));
	} else if (strcmp(line, "hear") == 0) {
		bevhost_outbound_set_callbacks(test->outbound, outbound_on_read,
		    outbound_on_write, outbound_on_event);
		bufferevent_write(
		    bevhost_outbound_bev(test->outbound), "heard", 5);
	} else if (strcmp(line, "quit") == 0) {
		bevhost_conn_close(test->conn, BEVHOST_CLOSE_FLUSH);
		if (bevhost_conn_connect(test->conn,
			&(struct bevhost_target){
			    .struct_size = sizeof(struct bevhost_target),
			    .host = "127.0.0.1" },
			&outbound_calls, test) == NULL &&
		    errno == ESHUTDOWN)
			bevhost_log(BEVHOST_LOG_NOTICE, "no further one");
	}
}

static void
outbound_read(struct bufferevent *bev, void *state)
{
	char *line;

	while (
	    !bevhost_conn_is_closing(((struct outbound_test *)state)->conn) &&
	    (line = evbuffer_readln(
		 bufferevent_get_input(bev), NULL, EVBUFFER_EOL_LF)) != NULL) {
		outbound_obey(state, line);
		free(line);
	}
}

static int
outbound_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	(void)self;
	(void)bev;
	((struct outbound_test *)*state)->conn = conn;
	return 0;
}

/* Of the instance: it is cancelled when the host stops, and there is no other.
 */

struct outbound_self {
	struct bevhost_instance *instance;
	int64_t port, floods;
};

static void outbound_self_connect(struct outbound_self *self);

static void
outbound_on_self_connected(
    struct bevhost_outbound *outbound, int status, void *arg)
{
	struct outbound_self *self = arg;

	bevhost_log(BEVHOST_LOG_NOTICE, "instance connected: %s",
	    status == 0 ? "0" : strerrorname_np(-status));
	if (status == 0 && self->floods-- > 0)
		outbound_flood(outbound, BIG);
	if (status == -ECANCELED)
		outbound_self_connect(arg);
}

static void
outbound_on_self_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	bevhost_log(BEVHOST_LOG_NOTICE, "instance event: %s",
	    what & BEV_EVENT_EOF ? "eof"
				 : strerrorname_np(EVUTIL_SOCKET_ERROR()));
	outbound_self_connect(arg);
}

static void
outbound_self_connect(struct outbound_self *self)
{
	static const struct bevhost_outbound_calls calls = {
		.struct_size = sizeof(calls),
		.connected = outbound_on_self_connected,
		.event = outbound_on_self_event,
	};
	struct bevhost_target target = {
		.struct_size = sizeof(target),
		.host = "127.0.0.1",
		.port = (unsigned)self->port,
	};

	if (bevhost_instance_connect(self->instance, &target, &calls, self) ==
	    NULL)
		bevhost_log(
		    BEVHOST_LOG_NOTICE, "instance: %s", strerrorname_np(errno));
}

static int
outbound_create(struct bevhost_instance *instance, void **self)
{
	struct outbound_self *own = calloc(1, sizeof(*own));

	*self = own;
	if (own == NULL)
		return -1;
	own->instance = instance;
	return 0;
}

static int
outbound_start(void *self, struct event_base *base)
{
	(void)base;
	if (((struct outbound_self *)self)->port > 0)
		outbound_self_connect(self);
	return 0;
}

static const struct bevhost_param outbound_params[] = {
	{
	    .name = "port",
	    .type = BEVHOST_PARAM_INT,
	    .value = "0",
	    .max = 65535,
	    .help = "where the instance connects",
	    .field = BEVHOST_FIELD(struct outbound_self, port),
	},
	{
	    .name = "floods",
	    .type = BEVHOST_PARAM_INT,
	    .value = "0",
	    .help = "how many of its connections write much at once",
	    .field = BEVHOST_FIELD(struct outbound_self, floods),
	},
	{ .name = NULL },
};

static const struct bevhost_manifest outbound_manifest = {
	.struct_size = sizeof(outbound_manifest),
	.flags = BEVHOST_MANIFEST_CONNECT,
};

static struct bevhost_plugin plugin = {
	.name = "outbound",
	.params = outbound_params,
	.state_size = sizeof(struct outbound_test),
	.create = outbound_create,
	.start = outbound_start,
	.destroy = free,
	.open = outbound_open,
	.read = outbound_read,
	.manifest = &outbound_manifest,
};
BEVHOST_PLUGIN(plugin)
