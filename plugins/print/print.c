/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * print: shows who connects and what they send, on standard output or in a
 * file, escaped, so that no peer can write to a terminal. Answers each chunk
 * when it is told what with.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

struct print {
	const char *file;  /* or NULL: standard output */
	const char *reply; /* or NULL: none */
	size_t reply_len;
	FILE *out;
	int failed; /* and said so */
};

static const struct bevhost_param print_params[] = {
	{
	    .name = "file",
	    .type = BEVHOST_PARAM_STRING,
	    .min = 1,
	    .max = 4095,
	    .help = "append to this file instead of standard output",
	    .field = BEVHOST_FIELD(struct print, file),
	},
	{
	    .name = "reply",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "what each chunk is answered with (nothing, unless set)",
	    .field = BEVHOST_FIELD(struct print, reply),
	},
	{ .name = NULL },
};

static int
print_ready(void *self)
{
	struct print *print = self;

	print->reply_len = print->reply ? strlen(print->reply) : 0;
	print->out = print->file ? fopen(print->file, "ae") : stdout;
	if (print->out == NULL) {
		bevhost_error("cannot write to '%s': %m", print->file);
		return -1;
	}
	return 0;
}

static void
print_destroy(void *self)
{
	struct print *print = self;

	if (print->out != NULL && print->out != stdout)
		fclose(print->out);
}

/* A full disk is said once; the connections go on. */
static void
print_flush(struct print *print)
{
	if (fflush(print->out) == 0 && !ferror(print->out)) {
		print->failed = 0;
		return;
	}
	if (!print->failed)
		bevhost_error("cannot write to %s: %m",
		    print->file ? print->file : "standard output");
	print->failed = 1;
	clearerr(print->out);
}

static int
print_open(void *self, struct bevhost_conn *conn, struct bufferevent *bev,
    void **state)
{
	struct print *print = self;
	char address[BEVHOST_ADDRESS_SIZE];

	(void)bev;
	*state = self;
	fprintf(print->out, "Connection from: %s\n",
	    bevhost_conn_client_text(conn, address, sizeof(address)));
	print_flush(print);
	return 0;
}

static void
print_bytes(FILE *out, const unsigned char *bytes, size_t len)
{
	static const char names[] = "abtnvfr"; /* 7 to 13 */
	size_t i;

	for (i = 0; i < len; i++) {
		if (bytes[i] == '\\')
			fputs("\\\\", out);
		else if (bytes[i] >= ' ' && bytes[i] < 0x7f)
			putc(bytes[i], out);
		else if (bytes[i] >= '\a' && bytes[i] <= '\r')
			fprintf(out, "\\%c", names[bytes[i] - '\a']);
		else
			fprintf(out, "\\x%02x", bytes[i]);
	}
}

/* One line for each chunk, however the buffer is laid out. */
static void
print_read(struct bufferevent *bev, void *state)
{
	struct print *print = state;
	struct evbuffer *input = bufferevent_get_input(bev);
	unsigned char bytes[4096];
	int len;

	while ((len = evbuffer_remove(input, bytes, sizeof(bytes))) > 0)
		print_bytes(print->out, bytes, (size_t)len);
	putc('\n', print->out);
	print_flush(print);
	if (print->reply_len > 0 &&
	    bufferevent_write(bev, print->reply, print->reply_len) < 0)
		bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_NOW);
}

static struct bevhost_plugin print_plugin = {
	.name = "print",
	.version = PACKAGE_VERSION,
	.summary = "shows who connects and what they send",
	.params = print_params,
	.self_size = sizeof(struct print),
	.ready = print_ready,
	.destroy = print_destroy,
	.open = print_open,
	.read = print_read,
};
BEVHOST_PLUGIN(print_plugin)
