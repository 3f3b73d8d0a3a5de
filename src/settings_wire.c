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
#include "settings_guard.h"
#include "settings_origin.h"
#include "wire.h"

#define WIRE_MAGIC    UINT32_C(0x62767374)
#define WIRE_VERSION  1
#define WIRE_MAX      (64 << 20)
#define WIRE_FD_MAX   (1 << 20)
#define WIRE_MODE_MAX 07777

struct wire_head {
	uint32_t magic, version;
	uint64_t len; /* of what follows */
};

enum wire_record {
	WIRE_SCALAR = 1,
	WIRE_HANDLER, /* all it has follows */
	WIRE_ADDRESS,
	WIRE_WORD,
	WIRE_GROUP,
	WIRE_ITEM, /* as scalars: of the handler before it, or of all */
	WIRE_END,
	WIRE_ORIGIN /* of a scalar, as items */
};

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
wire_put_items(struct wire *wire, const struct settings_guard *guard)
{
	int i;

	for (i = 0; i < guard->item_count; i++) {
		if (guard->items[i].inherited)
			continue;
		wire_put_number(wire, WIRE_ITEM);
		wire_put_text(wire, guard->items[i].name);
		wire_put_text(wire, guard->items[i].value);
		wire_put_text(wire, guard->items[i].where);
	}
}

static void
wire_put_origins(struct wire *wire, const struct settings_guard *guard)
{
	int i;

	for (i = 0; i < guard->origin_count; i++) {
		if (guard->origins[i].inherited)
			continue;
		wire_put_number(wire, WIRE_ORIGIN);
		wire_put_text(wire, guard->origins[i].name);
		wire_put_text(wire, guard->origins[i].where);
	}
}

static void
wire_put_guard(struct wire *wire, const struct settings_guard *guard)
{
	const struct bevhost_param *param = settings_guard_next(NULL);
	char buf[PARAM_TEXT_SIZE];

	for (; param != NULL; param = settings_guard_next(param)) {
		settings_guard_text(guard, param, buf, sizeof(buf));
		if (buf[0] == '\0')
			continue;
		wire_put_number(wire, WIRE_SCALAR);
		wire_put_text(wire, param->name);
		wire_put_text(wire, buf);
	}
	wire_put_items(wire, guard);
	wire_put_origins(wire, guard);
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
	wire_put_guard(wire, &handler->guard);
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
	wire_put_items(&wire, &settings->guard);
	wire_put_origins(&wire, &settings->guard);
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

/* handler NULL: of all. */
static void
wire_take_scalar(struct wire *wire, struct settings *settings,
    struct settings_handler *handler)
{
	char *name = wire_take_some(wire), *text = wire_take_some(wire);
	char why[PARAM_TEXT_SIZE];
	int status = 0;

	if (!wire->failed)
		status = handler != NULL ? settings_guard_set(&handler->guard,
					       name, text, why, sizeof(why))
					 : settings_set(settings, name, text,
					       why, sizeof(why));
	wire->failed |= status < 0;
	free(name);
	free(text);
}

static void
wire_take_item(struct wire *wire, struct settings_guard *guard)
{
	char *name = wire_take_some(wire), *value = wire_take_some(wire);
	char *where = wire_take_text(wire);
	const struct settings_list *list = NULL;
	char why[PARAM_TEXT_SIZE];

	if (!wire->failed)
		list = settings_list_find(name);
	if (list == NULL ||
	    settings_add_item(guard, list, value, where, why, sizeof(why)) < 0)
		wire->failed = 1;
	free(name);
	free(value);
	free(where);
}

static void
wire_take_origin(struct wire *wire, struct settings_guard *guard)
{
	char *name = wire_take_some(wire), *where = wire_take_text(wire);

	if (wire->failed || settings_give(guard, name, where) < 0)
		wire->failed = 1;
	free(name);
	free(where);
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
		struct settings_guard *guard = &settings->guard;

		if (settings->handler_count > 0) {
			last = &settings->handlers[settings->handler_count - 1];
			guard = &last->guard;
		}
		kind = wire_take_number(wire, WIRE_SCALAR, WIRE_ORIGIN);
		if ((kind == WIRE_ADDRESS || kind == WIRE_WORD) && last == NULL)
			wire->failed = 1;
		if (wire->failed)
			return;
		if (kind == WIRE_SCALAR)
			wire_take_scalar(wire, settings, last);
		else if (kind == WIRE_HANDLER)
			wire_take_handler(wire, settings);
		else if (kind == WIRE_ADDRESS)
			wire_take_address(wire, last);
		else if (kind == WIRE_WORD)
			wire_take_word(wire, last);
		else if (kind == WIRE_GROUP)
			wire_take_group(wire, settings);
		else if (kind == WIRE_ITEM)
			wire_take_item(wire, guard);
		else if (kind == WIRE_ORIGIN)
			wire_take_origin(wire, guard);
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
		wire.failed |= settings_finish(settings) < 0;
		status = wire.failed ? -1 : 0;
		errno = EPROTO;
	}
	free(wire.bytes);
	return status;
}
