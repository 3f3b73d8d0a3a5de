/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Speaks a small command language, one line each, so that a test can ask for
 * every way of sending and waiting:
 *
 *	send N		N bytes at once (byte i is i % 251)
 *	file PATH	a file, by evbuffer_add_file
 *	mapped PATH	the same, by way of a buffer that maps it
 *	reference N	N bytes by evbuffer_add_reference
 *	after MS	"after" from a timer
 *	cork, uncork	disable and enable EV_WRITE
 *	other		"other" to the connection before this one
 *	low N		the write callback at N bytes, which says "low"
 *	watermark N	the write watermark of back-pressure
 *	timeout MS	a read timeout
 *	stuck MS	a write timeout
 *	block PATH	the whole worker stands still until PATH is there
 *	deaf MS		reading is disabled for so long
 *	chat		the callbacks become others: "chat: " and what came
 *	owed		how many bytes wait, as a line
 *	reasons		the reasons of all that closed, as a line
 *	lend		the socket is lent, and says "lent"; a line says "busy"
 *			when it is not to be had for bytes in the buffers
 *	because N TEXT	says why it is going to close: the reason N, and a text
 *	quit, abort	close, flushing or not
 *	reset-self	what the plugin counts starts anew
 */
#include <bevhost/manifest.h>
#include <bevhost/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>

struct serve {
	struct bevhost_conn *last; /* the latest that is open */
	char reasons[1024];
	size_t references; /* that are not released yet */
};

struct serve_conn {
	struct serve *self;
	struct bevhost_conn *conn;
	struct bevhost_timer *after, *deaf;
	int say_low;
};

static void
serve_on_after(struct bevhost_conn *conn, void *state)
{
	(void)state;
	bufferevent_write(bevhost_conn_bev(conn), "after", 5);
}

static void
serve_on_deaf(struct bevhost_conn *conn, void *state)
{
	(void)state;
	bufferevent_enable(bevhost_conn_bev(conn), EV_READ);
}

static void
serve_set_timer(struct bevhost_timer **timer, struct bevhost_conn *conn,
    bevhost_timer_cb callback, long timeout_ms)
{
	if (*timer == NULL)
		*timer = bevhost_timer_new(conn, callback);
	if (*timer == NULL || bevhost_timer_start(*timer, timeout_ms) != 0)
		abort();
}

static char *
serve_pattern(size_t len)
{
	char *bytes = malloc(len + 1);
	size_t i;

	if (bytes == NULL)
		abort();
	for (i = 0; i < len; i++)
		bytes[i] = (char)(i % 251);
	return bytes;
}

static void
serve_on_unreferenced(const void *data, size_t len, void *arg)
{
	struct serve *self = arg;

	(void)len;
	self->references--;
	free((void *)(uintptr_t)data);
}

static void
serve_file(struct evbuffer *output, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    evbuffer_add_file(output, fd, 0, st.st_size) < 0)
		abort();
}

static void
serve_mapped(struct evbuffer *output, const char *path)
{
	struct evbuffer *other = evbuffer_new();

	serve_file(other, path);
	evbuffer_add_buffer(output, other);
	evbuffer_free(other);
}

static void
serve_chat_read(struct bufferevent *bev, void *state)
{
	(void)state;
	bufferevent_write(bev, "chat: ", 6);
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void
serve_block(const char *path)
{
	bevhost_log(BEVHOST_LOG_NOTICE, "blocks until %s", path);
	while (access(path, F_OK) < 0)
		usleep(1000);
}

static void
serve_because(struct serve_conn *own, char *rest)
{
	char *text;
	long reason = strtol(rest, &text, 10);

	errno = EPIPE;
	bevhost_conn_set_reason(own->conn, (enum bevhost_reason)reason,
	    text[0] != '\0' ? "%s: %m" : NULL, text + 1);
	if (errno != EPIPE)
		abort();
}

static void
serve_send(struct serve_conn *own, struct bufferevent *bev, const char *word,
    const char *rest)
{
	struct evbuffer *output = bufferevent_get_output(bev);
	size_t len = (size_t)atol(rest);

	if (strcmp(word, "send") == 0) {
		char *bytes = serve_pattern(len);

		bufferevent_write(bev, bytes, len);
		free(bytes);
	} else if (strcmp(word, "reference") == 0) {
		own->self->references++;
		if (evbuffer_add_reference(output, serve_pattern(len), len,
			serve_on_unreferenced, own->self) < 0)
			abort();
	} else if (strcmp(word, "file") == 0) {
		serve_file(output, rest);
	} else if (strcmp(word, "mapped") == 0) {
		serve_mapped(output, rest);
	} else if (strcmp(word, "other") == 0 && own->self->last != NULL) {
		bufferevent_write(
		    bevhost_conn_bev(own->self->last), "other", 5);
	} else if (strcmp(word, "owed") == 0) {
		evbuffer_add_printf(
		    output, "%zu\n", evbuffer_get_length(output));
	} else if (strcmp(word, "reasons") == 0) {
		evbuffer_add_printf(output, "%s references=%zu\n",
		    own->self->reasons, own->self->references);
	} else if (strcmp(word, "block") == 0) {
		serve_block(rest);
	} else if (strcmp(word, "reset-self") == 0) {
		own->self->reasons[0] = '\0';
	}
}

static void
serve_set(struct serve_conn *own, struct bufferevent *bev, const char *word,
    long number)
{
	struct timeval timeout = {
		.tv_sec = number / 1000,
		.tv_usec = number % 1000 * 1000,
	};

	if (strcmp(word, "after") == 0) {
		serve_set_timer(&own->after, own->conn, serve_on_after, number);
	} else if (strcmp(word, "cork") == 0) {
		bufferevent_disable(bev, EV_WRITE);
	} else if (strcmp(word, "uncork") == 0) {
		bufferevent_enable(bev, EV_WRITE);
	} else if (strcmp(word, "low") == 0) {
		own->say_low = 1;
		bufferevent_setwatermark(bev, EV_WRITE, (size_t)number, 0);
	} else if (strcmp(word, "watermark") == 0) {
		bevhost_conn_set_write_watermark(own->conn, (size_t)number);
	} else if (strcmp(word, "timeout") == 0) {
		bufferevent_set_timeouts(bev, &timeout, NULL);
	} else if (strcmp(word, "stuck") == 0) {
		bufferevent_enable(bev, EV_WRITE);
		bufferevent_set_timeouts(bev, NULL, &timeout);
	} else if (strcmp(word, "deaf") == 0) {
		bufferevent_disable(bev, EV_READ);
		serve_set_timer(&own->deaf, own->conn, serve_on_deaf, number);
	} else if (strcmp(word, "chat") == 0) {
		bevhost_conn_set_callbacks(
		    own->conn, serve_chat_read, NULL, NULL);
	} else if (strcmp(word, "quit") == 0) {
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_FLUSH);
	} else if (strcmp(word, "abort") == 0) {
		bevhost_conn_close(own->conn, BEVHOST_CLOSE_NOW);
	}
}

/* Whoever has the socket writes a line, and one that comes is left to it. */
static void
serve_lend(struct serve_conn *own, struct bufferevent *bev)
{
	int fd = bevhost_conn_lend(own->conn);

	if (fd == -EBUSY)
		bufferevent_write(bev, "busy\n", 5);
	else if (fd != bufferevent_getfd(bev) || dprintf(fd, "lent\n") != 5 ||
		 bufferevent_write(bev, "never", 5) == 0 ||
		 bufferevent_enable(bev, EV_READ) < 0)
		abort();
	else if (bevhost_conn_lend(own->conn) != fd)
		abort();
}

static void
serve_read(struct bufferevent *bev, void *state)
{
	struct serve_conn *own = state;
	struct evbuffer *input = bufferevent_get_input(bev);
	char *line, *rest;

	while (!bevhost_conn_is_closing(own->conn) &&
	       (line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF)) != NULL) {
		rest = strchr(line, ' ');
		if (rest != NULL)
			*rest++ = '\0';
		serve_send(own, bev, line, rest ? rest : "");
		serve_set(own, bev, line, rest ? atol(rest) : 0);
		if (strcmp(line, "lend") == 0)
			serve_lend(own, bev);
		else if (strcmp(line, "because") == 0)
			serve_because(own, rest);
		free(line);
	}
}

static void
serve_write(struct bufferevent *bev, void *state)
{
	struct serve_conn *own = state;

	if (!own->say_low)
		return;
	own->say_low = 0;
	evbuffer_add_printf(bufferevent_get_output(bev), "low");
}

static int
serve_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct serve_conn *own = *state;

	(void)bev;
	own->self = self;
	own->conn = conn;
	if (own->self->last == NULL)
		own->self->last = conn;
	return 0;
}

static void
serve_close(void *state, enum bevhost_reason reason)
{
	struct serve_conn *own = state;
	size_t used = strlen(own->self->reasons);

	if (own->self->last == own->conn)
		own->self->last = NULL;
	snprintf(own->self->reasons + used, sizeof(own->self->reasons) - used,
	    "%s%s", used ? " " : "", bevhost_reason_name(reason));
}

/* Whatever file a test asks for. */
static const char *const serve_reads[] = { "/", NULL };
static const struct bevhost_manifest serve_manifest = {
	.struct_size = sizeof(serve_manifest),
	.reads = serve_reads,
};

static struct bevhost_plugin plugin = {
	.name = "serve",
	.manifest = &serve_manifest,
	.self_size = sizeof(struct serve),
	.state_size = sizeof(struct serve_conn),
	.open = serve_open,
	.read = serve_read,
	.write = serve_write,
	.close = serve_close,
};
BEVHOST_PLUGIN(plugin)
