/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that plugins may call, and nothing else: the names of
 * bevhost.syms. The contracts stand in <bevhost/plugin.h>.
 */
#include <errno.h>
#include <stdarg.h>

#include <bevhost/plugin.h>

#include "conn.h"
#include "conn_why.h"
#include "instance.h"
#include "reason.h"

struct bevhost_conn *
bevhost_conn_of(struct bufferevent *bev)
{
	return (struct bevhost_conn *)flow_of(bev);
}

struct bufferevent *
bevhost_conn_bev(const struct bevhost_conn *conn)
{
	return conn->flow.bev;
}

void *
bevhost_conn_self(const struct bevhost_conn *conn)
{
	return conn->handler.instance->self;
}

void *
bevhost_conn_state(const struct bevhost_conn *conn)
{
	return conn->handler.state;
}

uint64_t
bevhost_conn_id(const struct bevhost_conn *conn)
{
	return conn->id;
}

void
bevhost_conn_close(struct bevhost_conn *conn, enum bevhost_close how)
{
	conn_end(conn, how, BEVHOST_REASON_HANDLER);
}

void
bevhost_conn_set_reason(const struct bevhost_conn *conn,
    enum bevhost_reason reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	/* It is const for admit alone. */
	conn_set_reason(
	    (struct bevhost_conn *)(uintptr_t)conn, reason, format, args);
	va_end(args);
}

int
bevhost_conn_is_closing(const struct bevhost_conn *conn)
{
	return conn_is_closing(conn);
}

void
bevhost_conn_set_callbacks(struct bevhost_conn *conn, bufferevent_data_cb read,
    bufferevent_data_cb write, bufferevent_event_cb event)
{
	const struct bevhost_plugin *def = &conn->handler.instance->plugin->def;

	if (def->generate != NULL || def->run != NULL) {
		bevhost_conn_log(conn, BEVHOST_LOG_ERROR,
		    "bevhost_conn_set_callbacks is for the model of callbacks");
		return;
	}
	conn->handler.read = read;
	conn->handler.write = write;
	conn->handler.event = event;
	if (!conn_is_closing(conn))
		flow_set_heard(
		    &conn->flow, handler_hears_writes(&conn->handler));
}

void
bevhost_conn_set_write_watermark(struct bevhost_conn *conn, size_t bytes)
{
	if (!conn_is_closing(conn))
		flow_set_write_watermark(&conn->flow, bytes);
}

int
bevhost_conn_lend(struct bevhost_conn *conn)
{
	return conn_lend(conn);
}

void
bevhost_conn_hold(struct bevhost_conn *conn)
{
	conn_hold(conn);
}

void
bevhost_conn_release(struct bevhost_conn *conn)
{
	conn_release(conn);
}

const struct sockaddr *
bevhost_conn_client(const struct bevhost_conn *conn, socklen_t *len)
{
	return conn_client(conn, len);
}

const struct sockaddr *
bevhost_conn_peer(const struct bevhost_conn *conn, socklen_t *len)
{
	return conn_peer(conn, len);
}

int
bevhost_conn_local(
    const struct bevhost_conn *conn, struct sockaddr_storage *addr)
{
	socklen_t len = sizeof(*addr);

	if (getsockname(conn_fd(conn), (struct sockaddr *)addr, &len) < 0)
		return -errno;
	return (int)len;
}

char *
bevhost_conn_client_text(
    const struct bevhost_conn *conn, char *buf, size_t size)
{
	return conn_client_text(conn, buf, size);
}

const char *
bevhost_instance_name(const struct bevhost_instance *instance)
{
	return instance_name(instance);
}

const char *
bevhost_reason_name(enum bevhost_reason reason)
{
	return reason_name(reason);
}
