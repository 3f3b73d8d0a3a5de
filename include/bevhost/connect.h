/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outbound connections for handlers with callbacks, and for what an instance
 * does by itself. They have the host's way with bytes, as accepted ones have:
 * the fast path, back-pressure, TLS, and the one way to close. Tasks have
 * bevhost_connect(). C99 and later, C++11 and later; the guide to it is the
 * manual page bevhost-outbound(3).
 *
 * The rules for a bev that plugin.h gives hold for these too. All is called
 * from the loop's thread, and nothing is called back from inside.
 */
#ifndef BEVHOST_CONNECT_H
#define BEVHOST_CONNECT_H

#include <bevhost/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

struct bevhost_outbound;    /* one outbound connection */
struct bevhost_authorities; /* whose certificates are believed */

/* Where to. It need not outlive the call. */
struct bevhost_target {
	uint32_t struct_size; /* sizeof(struct bevhost_target) */
	unsigned port;	      /* 0 for unix: */
	const char *host;     /* a name, an address, or "unix:/PATH" */
	int64_t timeout_ms;   /* for all of it, lookup and handshake; 0: none */
	/* TLS with who has a certificate for tls_name, or, when that is NULL,
	   for host, by one of these authorities. NULL: plain. */
	const struct bevhost_authorities *authorities;
	const char *tls_name;
	/* What is sent before all else, the handshake too: at most 4096
	   bytes, such as a PROXY header. */
	const void *preface;
	size_t preface_size;
};

struct bevhost_outbound_calls {
	uint32_t struct_size; /* sizeof(struct bevhost_outbound_calls) */
	/*
	 * Once: status is 0, and reading is enabled; or a negative errno, as
	 * of bevhost_connect(), -ETIMEDOUT, or -EPROTO if TLS did not come
	 * about: then outbound is gone.
	 */
	void (*connected)(
	    struct bevhost_outbound *outbound, int status, void *arg);
	/*
	 * As libevent documents them, with arg as their argument. read and
	 * write may be NULL. After an event with BEV_EVENT_ERROR outbound is
	 * gone; the end of the input leaves it as it is.
	 */
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
};

/*
 * Connects for a connection: the addresses of a name, which may be some seconds
 * old (bevhost(8), name-cache), are tried as RFC 8305 says. It ends with conn
 * at the latest: from when that has a reason to close nothing of calls is
 * called any more, and what is still owed to the target is sent. What waits in
 * it counts for conn: see bevhost(8), max-memory and max-buffer. calls must
 * live as long as the plugin. NULL with errno: ENOMEM, EINVAL for a struct that
 * is not filled in rightly, ESHUTDOWN when conn closes.
 */
struct bevhost_outbound *bevhost_conn_connect(struct bevhost_conn *conn,
    const struct bevhost_target *target,
    const struct bevhost_outbound_calls *calls, void *arg) BEVHOST_MUST_CHECK;

/*
 * The same for an instance, from its start on; for want of memory, and when far
 * more was written than is taken, it fails with ENOMEM. When the host stops, it
 * ends after the last connection, with status or errno ECANCELED, and there is
 * no further one: ESHUTDOWN.
 */
struct bevhost_outbound *bevhost_instance_connect(
    struct bevhost_instance *instance, const struct bevhost_target *target,
    const struct bevhost_outbound_calls *calls, void *arg) BEVHOST_MUST_CHECK;

/* Valid once it is connected, until it is gone. */
struct bufferevent *
bevhost_outbound_bev(const struct bevhost_outbound *outbound);

/*
 * What is known of a failure beyond its errno, in connected and event: of TLS,
 * such as whose certificate is refused. Or NULL. It ends with the call.
 */
const char *bevhost_outbound_why(const struct bevhost_outbound *outbound);

/*
 * It is gone: connecting is given up, or what is owed is sent and the
 * connection closed, as bevhost_conn_close() does.
 */
void bevhost_outbound_close(
    struct bevhost_outbound *outbound, enum bevhost_close how);

/* Replaces read, write and event, of which event must not be NULL. */
void bevhost_outbound_set_callbacks(struct bevhost_outbound *outbound,
    bufferevent_data_cb read, bufferevent_data_cb write,
    bufferevent_event_cb event);

/* As bevhost_conn_set_write_watermark(). */
void bevhost_outbound_set_write_watermark(
    struct bevhost_outbound *outbound, size_t bytes);

/*
 * Tells the far end, once all that is owed has been sent, that no more comes:
 * nothing may be written from now on. Reading goes on. 0, or a negative errno
 * when the connection has failed or closes.
 */
int bevhost_outbound_write_eof(struct bevhost_outbound *outbound);
int bevhost_conn_write_eof(struct bevhost_conn *conn);

/*
 * The authorities of a file in PEM form: in create, config or ready, as it is
 * read at once. NULL, having said with bevhost_error() what is wrong with it.
 * They outlive the instance's connections: free them in destroy.
 */
struct bevhost_authorities *
bevhost_authorities_new(const char *file) BEVHOST_MUST_CHECK;
void bevhost_authorities_free(struct bevhost_authorities *authorities);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* BEVHOST_CONNECT_H */
