/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings as bytes, for a worker: a head with magic, version and length,
 * then records in the order in which they are built up again. The program may
 * have been replaced since it was started, so that the two ends need not be
 * of one version, and nothing that is read is believed.
 */
#include "settings_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "param.h"

#define WIRE_MAGIC    UINT32_C(0x62767374)
#define WIRE_VERSION  1
#define WIRE_MAX      (64 << 20)
#define WIRE_NO_TEXT  UINT32_MAX
#define WIRE_FD_MAX   (1 << 20)
#define WIRE_MODE_MAX 07777

struct wire_head {
	uint32_t magic, version;
	uint64_t len; /* of what follows */
};

enum wire_record {
	WIRE_SCALAR = 1,
	WIRE_HANDLER, /* its addresses and words follow */
	WIRE_ADDRESS,
	WIRE_WORD,
	WIRE_GROUP,
	WIRE_END
};

struct wire {
	char *bytes;
	size_t len, size; /* written or to be read; room */
	size_t at;	  /* read up to here */
	int failed;	  /* no memory, or not what was written */
};

static void
wire_put(struct wire *wire, const void *bytes, size_t len)
{
	size_t size = wire->size ? wire->size : 1024;
	char *grown;

	if (wire->failed)
		return;
	while (size - wire->len < len)
		size *= 2;
	if (size != wire->size) {
		grown = realloc(wire->bytes, size);
		if (grown == NULL) {
			wire->failed = 1;
			return;
		}
		wire->bytes = grown;
		wire->size = size;
	}
	memcpy(wire->bytes + wire->len, bytes, len);
	wire->len += len;
}

static void
wire_put_number(struct wire *wire, int64_t number)
{
	wire_put(wire, &number, sizeof(number));
}

static void
wire_put_text(struct wire *wire, const char *text)
{
	uint32_t len = text != NULL ? (uint32_t)strlen(text) : WIRE_NO_TEXT;

	wire_put(wire, &len, sizeof(len));
	if (text != NULL)
		wire_put(wire, text, len);
}

static void
wire_put_scalars(struct wire *wire, const struct settings *settings)
{
	const struct bevhost_param *param = settings_params;
	char buf[PARAM_TEXT_SIZE];
	const char *text;

	for (; param->name != NULL; param++) {
		text = settings_string(settings, param);
		if (text == NULL)
			text = settings_text(
			    settings, param->name, buf, sizeof(buf));
		if (text[0] == '\0')
			continue;
		wire_put_number(wire, WIRE_SCALAR);
		wire_put_text(wire, param->name);
		wire_put_text(wire, text);
	}
}

static void
wire_put_address(struct wire *wire, const struct settings_address *address)
{
	const struct addr_spec *spec = &address->spec;

	wire_put_number(wire, WIRE_ADDRESS);
	wire_put_text(wire, address->text);
	wire_put_number(wire, spec->kind);
	wire_put_text(wire, spec->host);
	wire_put_number(wire, spec->port);
	wire_put_text(wire, spec->path);
	wire_put_number(wire, spec->fd);
}

static void
wire_put_handler(struct wire *wire, const struct settings_handler *handler)
{
	int i;

	wire_put_number(wire, WIRE_HANDLER);
	wire_put_text(wire, handler->plugin);
	wire_put_text(wire, handler->worker_group);
	wire_put_text(wire, handler->where);
	wire_put_number(wire, handler->mode);
	wire_put_number(wire, handler->paused);
	for (i = 0; i < handler->address_count; i++)
		wire_put_address(wire, &handler->addresses[i]);
	for (i = 0; i < handler->word_count; i++) {
		wire_put_number(wire, WIRE_WORD);
		wire_put_text(wire, handler->words[i].key);
		wire_put_text(wire, handler->words[i].value);
		wire_put_text(wire, handler->words[i].where);
	}
}

static int
wire_write(const struct wire *wire, int fd)
{
	size_t done = 0;
	ssize_t len;

	if (ftruncate(fd, 0) < 0)
		return -1;
	while (done < wire->len) {
		len = pwrite(
		    fd, wire->bytes + done, wire->len - done, (off_t)done);
		if (len < 0 && errno != EINTR)
			return -1;
		done += len > 0 ? (size_t)len : 0;
	}
	return 0;
}

int
settings_write(const struct settings *settings, int fd)
{
	struct wire_head head = { WIRE_MAGIC, WIRE_VERSION, 0 };
	struct wire wire = { .bytes = NULL };
	int status = -1, i;

	wire_put(&wire, &head, sizeof(head));
	wire_put_scalars(&wire, settings);
	for (i = 0; i < settings->handler_count; i++)
		wire_put_handler(&wire, &settings->handlers[i]);
	for (i = 0; i < settings->group_count; i++) {
		wire_put_number(&wire, WIRE_GROUP);
		wire_put_text(&wire, settings->groups[i].name);
		wire_put_number(&wire, settings->groups[i].workers);
	}
	wire_put_number(&wire, WIRE_END);
	if (!wire.failed && wire.len <= WIRE_MAX) {
		head.len = wire.len - sizeof(head);
		memcpy(wire.bytes, &head, sizeof(head));
		status = wire_write(&wire, fd);
	} else {
		errno = wire.failed ? ENOMEM : EFBIG;
	}
	free(wire.bytes);
	return status;
}

static void
wire_take(struct wire *wire, void *bytes, size_t len)
{
	if (wire->failed || wire->len - wire->at < len) {
		wire->failed = 1;
		memset(bytes, 0, len);
		return;
	}
	memcpy(bytes, wire->bytes + wire->at, len);
	wire->at += len;
}

/* From min to max, or it has failed. */
static int64_t
wire_take_number(struct wire *wire, int64_t min, int64_t max)
{
	int64_t number;

	wire_take(wire, &number, sizeof(number));
	if (number >= min && number <= max)
		return number;
	wire->failed = 1;
	return min;
}

/* A copy, which is freed by the caller, or NULL: there is none, or failed. */
static char *
wire_take_text(struct wire *wire)
{
	uint32_t len;
	char *text;

	wire_take(wire, &len, sizeof(len));
	if (wire->failed || len == WIRE_NO_TEXT)
		return NULL;
	if (wire->len - wire->at < len) {
		wire->failed = 1;
		return NULL;
	}
	text = malloc((size_t)len + 1);
	if (text == NULL) {
		wire->failed = 1;
		return NULL;
	}
	wire_take(wire, text, len);
	text[len] = '\0';
	wire->failed |= strlen(text) != len;
	return text;
}

/* One that has to be there. */
static char *
wire_take_some(struct wire *wire)
{
	char *text = wire_take_text(wire);

	wire->failed |= text == NULL;
	return text;
}

static void
wire_take_into(struct wire *wire, char *buf, size_t size)
{
	char *text = wire_take_some(wire);

	if (text != NULL && strlen(text) < size)
		memcpy(buf, text, strlen(text) + 1);
	else
		wire->failed = 1;
	free(text);
}

static void
wire_take_scalar(struct wire *wire, struct settings *settings)
{
	char *name = wire_take_some(wire), *text = wire_take_some(wire);
	char why[PARAM_TEXT_SIZE];

	if (!wire->failed &&
	    settings_set(settings, name, text, why, sizeof(why)) < 0)
		wire->failed = 1;
	free(name);
	free(text);
}

static void
wire_take_handler(struct wire *wire, struct settings *settings)
{
	char *plugin = wire_take_some(wire), *group = wire_take_some(wire);
	struct settings_handler *handler = NULL;

	if (!wire->failed)
		handler = settings_add_handler(settings, plugin);
	if (handler == NULL) {
		wire->failed = 1;
	} else {
		free(handler->worker_group);
		handler->worker_group = group;
		group = NULL;
		handler->where = wire_take_text(wire);
		handler->mode = (int)wire_take_number(wire, -1, WIRE_MODE_MAX);
		handler->paused = (int)wire_take_number(wire, 0, 1);
	}
	free(plugin);
	free(group);
}

static void
wire_take_address(struct wire *wire, struct settings_handler *handler)
{
	char *text = wire_take_some(wire);
	struct addr_spec spec = { .kind = ADDR_INET };

	spec.kind = (enum addr_kind)wire_take_number(wire, ADDR_INET, ADDR_FD);
	wire_take_into(wire, spec.host, sizeof(spec.host));
	spec.port = (unsigned)wire_take_number(wire, 0, 65535);
	wire_take_into(wire, spec.path, sizeof(spec.path));
	spec.fd = (int)wire_take_number(wire, -1, WIRE_FD_MAX);
	if (!wire->failed && settings_add_address(handler, text, &spec) == NULL)
		wire->failed = 1;
	free(text);
}

static void
wire_take_word(struct wire *wire, struct settings_handler *handler)
{
	char *key = wire_take_text(wire), *value = wire_take_some(wire);
	char *where = wire_take_text(wire);

	if (!wire->failed &&
	    settings_add_word(handler, key, value, where) == NULL)
		wire->failed = 1;
	free(key);
	free(value);
	free(where);
}

static void
wire_take_group(struct wire *wire, struct settings *settings)
{
	char *name = wire_take_some(wire);
	int64_t workers = wire_take_number(wire, -1, 256);
	struct settings_group *group = NULL;

	if (!wire->failed)
		group = settings_add_group(settings, name);
	if (group != NULL)
		group->workers = workers;
	else
		wire->failed = 1;
	free(name);
}

static void
wire_take_records(struct wire *wire, struct settings *settings)
{
	int64_t kind = 0;

	while (!wire->failed && kind != WIRE_END) {
		struct settings_handler *last = NULL;

		if (settings->handler_count > 0)
			last = &settings->handlers[settings->handler_count - 1];
		kind = wire_take_number(wire, WIRE_SCALAR, WIRE_END);
		if ((kind == WIRE_ADDRESS || kind == WIRE_WORD) && last == NULL)
			wire->failed = 1;
		if (wire->failed)
			return;
		if (kind == WIRE_SCALAR)
			wire_take_scalar(wire, settings);
		else if (kind == WIRE_HANDLER)
			wire_take_handler(wire, settings);
		else if (kind == WIRE_ADDRESS)
			wire_take_address(wire, last);
		else if (kind == WIRE_WORD)
			wire_take_word(wire, last);
		else if (kind == WIRE_GROUP)
			wire_take_group(wire, settings);
	}
	wire->failed |= wire->at != wire->len;
}

/* All of the descriptor, whatever its offset: workers share it. */
static int
wire_read(struct wire *wire, int fd)
{
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) < 0)
		return -1;
	errno = EPROTO;
	if (st.st_size < (off_t)sizeof(struct wire_head) ||
	    st.st_size > WIRE_MAX)
		return -1;
	wire->size = (size_t)st.st_size;
	wire->bytes = malloc(wire->size);
	if (wire->bytes == NULL)
		return -1;
	while (wire->len < wire->size) {
		len = pread(fd, wire->bytes + wire->len, wire->size - wire->len,
		    (off_t)wire->len);
		if (len < 0 && errno == EINTR)
			continue;
		if (len == 0)
			errno = EPROTO;
		if (len <= 0)
			return -1;
		wire->len += (size_t)len;
	}
	return 0;
}

int
settings_read(struct settings *settings, int fd)
{
	struct wire wire = { .bytes = NULL };
	struct wire_head head;
	int status = -1;

	settings_init(settings);
	if (wire_read(&wire, fd) == 0) {
		wire_take(&wire, &head, sizeof(head));
		wire.failed |= head.magic != WIRE_MAGIC ||
			       head.version != WIRE_VERSION ||
			       head.len != wire.len - sizeof(head);
		wire_take_records(&wire, settings);
		status = wire.failed ? -1 : 0;
		errno = EPROTO;
	}
	free(wire.bytes);
	return status;
}
