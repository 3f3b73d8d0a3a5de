/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes each call that it gets to a file, one line each, and fails or acts
 * where it is told to. Told by parameters: log=FILE, fail=CALL, and act=WORDS
 * for what its callbacks do besides.
 */
#include <bevhost/plugin.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

struct lifecycle {
	const char *log, *fail, *act, *tag;
	int64_t number;
	int fd;
	struct event *busy;
};

struct lifecycle_conn {
	struct lifecycle *self;
	struct bevhost_conn *conn;
	struct bevhost_timer *timer;
	struct event *later; /* outside of the connection's own timers */
};

static const struct bevhost_param lifecycle_params[] = {
	{ .name = "log",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REQUIRED,
	    .help = "file for the calls",
	    .field = BEVHOST_FIELD(struct lifecycle, log) },
	{ .name = "fail",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "",
	    .field = BEVHOST_FIELD(struct lifecycle, fail) },
	{ .name = "act",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "",
	    .field = BEVHOST_FIELD(struct lifecycle, act) },
	{ .name = "tag",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "",
	    .flags = BEVHOST_PARAM_REPEAT,
	    .field = BEVHOST_FIELD(struct lifecycle, tag) },
	{ .name = "number",
	    .type = BEVHOST_PARAM_INT,
	    .value = "5",
	    .min = 1,
	    .max = 10,
	    .field = BEVHOST_FIELD(struct lifecycle, number) },
	{ .name = NULL },
};

static void
lifecycle_say(const struct lifecycle *self, const char *call)
{
	char line[256];
	int len =
	    snprintf(line, sizeof(line), "%s%s%s\n", self->tag ? self->tag : "",
		self->tag && self->tag[0] ? " " : "", call);

	if (self->fd >= 0 && write(self->fd, line, (size_t)len) != len)
		abort();
}

static int
lifecycle_acts(const struct lifecycle *self, const char *word)
{
	return strstr(self->act, word) != NULL;
}

static int
lifecycle_result(const struct lifecycle *self, const char *call)
{
	lifecycle_say(self, call);
	if (strcmp(self->fail, call) != 0)
		return 0;
	bevhost_error("told to fail in %s", call);
	return -1;
}

static int
lifecycle_create(struct bevhost_instance *instance, void **self)
{
	struct lifecycle *lifecycle = calloc(1, sizeof(*lifecycle));

	(void)instance;
	if (lifecycle == NULL || getenv("LIFECYCLE_FAIL_CREATE") != NULL) {
		free(lifecycle);
		bevhost_error("told to fail in create");
		return -1;
	}
	lifecycle->fd = -1;
	*self = lifecycle;
	return 0;
}

static int
lifecycle_config(void *self, const char *key, const char *value)
{
	struct lifecycle *lifecycle = self;
	char call[128];

	if (strcmp(key, "log") == 0)
		lifecycle->fd = open(
		    value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	snprintf(call, sizeof(call), "config %s", key);
	lifecycle_say(lifecycle, call);
	return strcmp(value, "refuse") == 0 ? -1 : 0;
}

static int
lifecycle_ready(void *self)
{
	return lifecycle_result(self, "ready");
}

/* An event that is always due. */
static void
lifecycle_on_busy(evutil_socket_t fd, short what, void *arg)
{
	struct lifecycle *self = arg;
	struct timeval now = { 0, 0 };

	(void)fd;
	(void)what;
	event_add(self->busy, &now);
}

static int
lifecycle_start(void *self, struct event_base *base)
{
	struct lifecycle *lifecycle = self;

	if (lifecycle_acts(self, "busy")) {
		lifecycle->busy =
		    evtimer_new(base, lifecycle_on_busy, lifecycle);
		lifecycle_on_busy(-1, 0, lifecycle);
	}
	return lifecycle_result(self, "start");
}

static int
lifecycle_self_test(void *self)
{
	return lifecycle_result(self, "self_test");
}

static void
lifecycle_stop(void *self)
{
	struct lifecycle *lifecycle = self;

	if (lifecycle->busy != NULL)
		event_free(lifecycle->busy);
	lifecycle_say(self, "stop");
}

static void
lifecycle_destroy(void *self)
{
	struct lifecycle *lifecycle = self;

	lifecycle_say(self, "destroy");
	if (lifecycle->fd >= 0)
		close(lifecycle->fd);
	free(lifecycle);
}

static int
lifecycle_admit(void *self, const struct bevhost_conn *conn)
{
	if (bevhost_conn_bev(conn) != NULL || bevhost_conn_self(conn) != self)
		abort();
	if (lifecycle_acts(self, "admit-because"))
		bevhost_conn_set_reason(
		    conn, BEVHOST_REASON_DENIED, "number %d", 13);
	return lifecycle_result(self, "admit") == 0;
}

static void
lifecycle_on_timer(struct bevhost_conn *conn, void *state)
{
	struct lifecycle_conn *own = state;

	if (own->conn != conn)
		abort();
	lifecycle_say(own->self, "timer");
	if (lifecycle_acts(own->self, "timer-close"))
		bevhost_conn_close(conn, BEVHOST_CLOSE_FLUSH);
	else
		bufferevent_write(bevhost_conn_bev(conn), "timer", 5);
}

static int
lifecycle_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct lifecycle_conn *own;

	if (bevhost_conn_of(bev) != conn || bevhost_conn_bev(conn) != bev)
		abort();
	if (lifecycle_acts(self, "open-close-now"))
		bevhost_conn_close(conn, BEVHOST_CLOSE_NOW);
	if (lifecycle_acts(self, "open-write"))
		bufferevent_write(bev, "welcome", 7);
	if (lifecycle_acts(self, "open-close-flush"))
		bevhost_conn_close(conn, BEVHOST_CLOSE_FLUSH);
	if (lifecycle_acts(self, "open-because"))
		bevhost_conn_set_reason(
		    conn, BEVHOST_REASON_OVERLOAD, "told to");
	if (lifecycle_result(self, "open") < 0)
		return -1;
	own = calloc(1, sizeof(*own));
	if (own == NULL)
		return -1;
	own->self = self;
	own->conn = conn;
	*state = own;
	if (lifecycle_acts(self, "timer")) {
		own->timer = bevhost_timer_new(conn, lifecycle_on_timer);
		if (own->timer == NULL ||
		    bevhost_timer_start(own->timer, 20) != 0)
			abort();
	}
	return 0;
}

/* A held connection's work is done: at last it may end. */
static void
lifecycle_on_later(evutil_socket_t fd, short what, void *arg)
{
	struct lifecycle_conn *own = arg;

	(void)fd;
	(void)what;
	lifecycle_say(own->self, bevhost_conn_is_closing(own->conn)
				     ? "later, closing"
				     : "later, open");
	/* Nothing of this may reach anybody, or crash. */
	if (bevhost_conn_is_closing(own->conn) &&
	    bufferevent_write(bevhost_conn_bev(own->conn), "late", 4) == 0)
		lifecycle_say(own->self, "late write succeeded");
	bufferevent_enable(bevhost_conn_bev(own->conn), EV_READ | EV_WRITE);
	event_free(own->later);
	own->later = NULL;
	bevhost_conn_release(own->conn);
	lifecycle_say(own->self, "released");
}

static void
lifecycle_hold(struct lifecycle_conn *own, struct bufferevent *bev)
{
	struct timeval soon = { .tv_usec = 200 * 1000 };

	if (lifecycle_acts(own->self, "hold-forever")) {
		bevhost_conn_hold(own->conn);
		return;
	}
	if (own->later != NULL)
		return;
	own->later =
	    evtimer_new(bufferevent_get_base(bev), lifecycle_on_later, own);
	if (own->later == NULL || event_add(own->later, &soon) < 0)
		abort();
	bevhost_conn_hold(own->conn);
}

static void
lifecycle_read(struct bufferevent *bev, void *state)
{
	struct lifecycle_conn *own = state;
	struct evbuffer *input = bufferevent_get_input(bev);

	lifecycle_say(own->self, "read");
	if (!lifecycle_acts(own->self, "never-read"))
		evbuffer_drain(input, evbuffer_get_length(input));
	if (lifecycle_acts(own->self, "hold"))
		lifecycle_hold(own, bev);
	if (lifecycle_acts(own->self, "read-answer"))
		bufferevent_write(bev, "answer", 6);
	if (lifecycle_acts(own->self, "read-close-flush"))
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_FLUSH);
	if (lifecycle_acts(own->self, "read-close-twice"))
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_FLUSH);
	if (lifecycle_acts(own->self, "read-close-now"))
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_NOW);
	if (lifecycle_acts(own->self, "read-close") &&
	    bufferevent_write(bev, "after", 5) == 0)
		lifecycle_say(own->self, "write after close succeeded");
	if (lifecycle_acts(own->self, "read-close"))
		lifecycle_say(own->self, "read returns");
}

static void
lifecycle_write(struct bufferevent *bev, void *state)
{
	struct lifecycle_conn *own = state;

	(void)bev;
	lifecycle_say(own->self, "write");
	if (lifecycle_acts(own->self, "write-close"))
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_FLUSH);
}

static void
lifecycle_event(struct bufferevent *bev, short what, void *state)
{
	struct lifecycle_conn *own = state;

	(void)bev;
	lifecycle_say(own->self, what & BEV_EVENT_EOF	    ? "event eof"
				 : what & BEV_EVENT_TIMEOUT ? "event timeout"
							    : "event error");
	if (!lifecycle_acts(own->self, "eof-stay"))
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_FLUSH);
}

static void
lifecycle_drain(void *state)
{
	struct lifecycle_conn *own = state;

	lifecycle_say(own->self, "drain");
	if (lifecycle_acts(own->self, "drain-close"))
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_FLUSH);
}

static void
lifecycle_close(void *state, enum bevhost_reason reason)
{
	struct lifecycle_conn *own = state;
	char call[64];

	snprintf(call, sizeof(call), "close %s", bevhost_reason_name(reason));
	lifecycle_say(own->self, call);
	if (own->later != NULL)
		abort();
	/* Whatever close does to what is valid until it returns. */
	if (lifecycle_acts(own->self, "close-hold")) {
		bevhost_conn_hold(own->conn);
		bevhost_conn_release(own->conn);
	}
	if (lifecycle_acts(own->self, "close-trigger")) {
		bufferevent_trigger(bevhost_conn_bev(own->conn), EV_WRITE, 0);
		bufferevent_trigger_event(bevhost_conn_bev(own->conn),
		    BEV_EVENT_READING | BEV_EVENT_EOF, 0);
	}
	free(own);
}

static struct bevhost_plugin plugin = {
	.name = "lifecycle",
	.summary = "writes down each call that it gets",
	.params = lifecycle_params,
	.create = lifecycle_create,
	.config = lifecycle_config,
	.ready = lifecycle_ready,
	.start = lifecycle_start,
	.self_test = lifecycle_self_test,
	.stop = lifecycle_stop,
	.destroy = lifecycle_destroy,
	.admit = lifecycle_admit,
	.open = lifecycle_open,
	.read = lifecycle_read,
	.write = lifecycle_write,
	.event = lifecycle_event,
	.drain = lifecycle_drain,
	.close = lifecycle_close,
};
BEVHOST_PLUGIN(plugin)
