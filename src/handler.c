/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls into a plugin for one connection. The instance is noted around each,
 * so that the log and a crash can name whose code it was.
 */
#include "handler.h"

#include <stdlib.h>

static const struct bevhost_plugin *
handler_def(const struct handler *handler)
{
	return &handler->instance->plugin->def;
}

void
handler_init(struct handler *handler, const struct bevhost_instance *instance)
{
	const struct bevhost_plugin *def = &instance->plugin->def;

	*handler = (struct handler){
		.instance = instance,
		.read = def->read,
		.write = def->write,
		.event = def->event,
	};
}

int
handler_admit(const struct handler *handler, const struct bevhost_conn *conn)
{
	const struct bevhost_plugin *def = handler_def(handler);
	const struct bevhost_instance *before;
	int admitted;

	if (def->admit == NULL)
		return 1;
	before = instance_enter(handler->instance);
	admitted = def->admit(handler->instance->self, conn);
	instance_enter(before);
	return admitted != 0;
}

int
handler_open(
    struct handler *handler, struct bevhost_conn *conn, struct bufferevent *bev)
{
	const struct bevhost_plugin *def = handler_def(handler);
	const struct bevhost_instance *before;
	int status = 0;

	if (def->state_size != 0) {
		handler->memory = calloc(1, def->state_size);
		if (handler->memory == NULL)
			return -1;
		handler->state = handler->memory;
	}
	if (def->open != NULL) {
		before = instance_enter(handler->instance);
		status = def->open(
		    handler->instance->self, conn, bev, &handler->state);
		instance_enter(before);
	}
	if (status < 0) {
		free(handler->memory);
		handler->memory = NULL;
	}
	return status < 0 ? -1 : 0;
}

void
handler_read(struct handler *handler, struct bufferevent *bev)
{
	const struct bevhost_instance *before;

	if (handler->read == NULL)
		return;
	before = instance_enter(handler->instance);
	handler->read(bev, handler->state);
	instance_enter(before);
}

void
handler_write(struct handler *handler, struct bufferevent *bev)
{
	const struct bevhost_instance *before;

	if (handler->write == NULL)
		return;
	before = instance_enter(handler->instance);
	handler->write(bev, handler->state);
	instance_enter(before);
}

int
handler_event(struct handler *handler, struct bufferevent *bev, short what)
{
	const struct bevhost_instance *before;

	if (handler->event == NULL)
		return 0;
	before = instance_enter(handler->instance);
	handler->event(bev, what, handler->state);
	instance_enter(before);
	return 1;
}

int
handler_drain(struct handler *handler)
{
	const struct bevhost_plugin *def = handler_def(handler);
	const struct bevhost_instance *before;

	if (def->drain == NULL)
		return 0;
	before = instance_enter(handler->instance);
	def->drain(handler->state);
	instance_enter(before);
	return 1;
}

void
handler_timer(
    struct handler *handler, struct bevhost_conn *conn, bevhost_timer_cb cb)
{
	const struct bevhost_instance *before;

	before = instance_enter(handler->instance);
	cb(conn, handler->state);
	instance_enter(before);
}

void
handler_close(struct handler *handler, enum bevhost_reason reason)
{
	const struct bevhost_plugin *def = handler_def(handler);
	const struct bevhost_instance *before;

	if (def->close != NULL) {
		before = instance_enter(handler->instance);
		def->close(handler->state, reason);
		instance_enter(before);
	}
	free(handler->memory);
	handler->memory = NULL;
	handler->state = NULL;
}
