/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection that is to speak TLS is here after PROXY and before there is a
 * bufferevent and a handler for it.
 */
#include "step_tls.h"

#include <errno.h>
#include <stddef.h>

#ifdef HAVE_OPENSSL
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "authorities.h"
#include "tls_stream.h"

/* What a peer that fails has sent beyond it: more than this resets it. */
#define STEP_TLS_UNREAD (16 * 1024)

struct step_tls {
	struct event_base *base;
	struct tls_stream *stream;
	struct event *io, *deadline;
	int64_t timeout_ms;
	step_tls_done_fn *done;
	void *arg;
	int fd;
	short wants; /* EV_READ or EV_WRITE */
	int connects;
};

static void
step_tls_free(struct step_tls *step)
{
	if (step->io != NULL)
		event_free(step->io);
	if (step->deadline != NULL)
		event_free(step->deadline);
	if (step->stream != NULL)
		tls_stream_free(step->stream);
	free(step);
}

/*
 * The peer is to see the alert, or at least an end: input that nobody has read
 * would turn the close into a reset.
 */
static void
step_tls_part(const struct step_tls *step)
{
	char unread[STEP_TLS_UNREAD];

	shutdown(step->fd, SHUT_WR);
	(void)!recv(step->fd, unread, sizeof(unread), MSG_DONTWAIT);
}

static void
step_tls_fail(
    struct step_tls *step, enum bevhost_reason reason, const char *text)
{
	const char *why;

	/* Before its owner closes the descriptor. */
	event_del(step->io);
	if (reason == BEVHOST_REASON_TLS) {
		tls_stream_judge(step->stream);
		step_tls_part(step);
	}
	why = tls_stream_why(step->stream);
	step->done(step->arg, reason, why != NULL ? why : text, NULL);
	step_tls_free(step);
}

static void
step_tls_succeed(struct step_tls *step)
{
	struct tls_stream *stream = step->stream;

	step->stream = NULL;
	event_del(step->io);
	step->done(step->arg, BEVHOST_REASON_NONE, NULL, stream);
	step_tls_free(step);
}

static enum bevhost_reason
step_tls_reason(const struct step_tls *step, int status)
{
	enum bevhost_reason reason = tls_stream_reason(step->stream);

	if (reason != BEVHOST_REASON_NONE)
		return reason;
	return status == -ECONNRESET || status == -EPIPE ? BEVHOST_REASON_RESET
							 : BEVHOST_REASON_ERROR;
}

static int
step_tls_wait(struct step_tls *step, short wants)
{
	if (wants == step->wants)
		return 0;
	step->wants = wants;
	event_del(step->io);
	event_assign(step->io, step->base, step->fd,
	    (short)(wants | EV_PERSIST), event_get_callback(step->io), step);
	return event_add(step->io, NULL);
}

static void
step_tls_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct step_tls *step = arg;
	int wants_write, status;

	(void)fd;
	(void)what;
	status = tls_stream_handshake(step->stream, &wants_write);
	if (status == 0)
		step_tls_succeed(step);
	else if (status != -EAGAIN)
		step_tls_fail(step, step_tls_reason(step, status), NULL);
	else if (step_tls_wait(step, wants_write ? EV_WRITE : EV_READ) < 0)
		step_tls_fail(step, BEVHOST_REASON_OVERLOAD, "no memory");
}

static void
step_tls_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct step_tls *step = arg;
	char text[64];

	(void)fd;
	(void)what;
	if (step->connects) {
		step_tls_fail(step, BEVHOST_REASON_TIMEOUT, NULL);
		return;
	}
	if (step->timeout_ms % 1000 == 0)
		snprintf(text, sizeof(text),
		    "handshake-timeout after %" PRId64 "s",
		    step->timeout_ms / 1000);
	else
		snprintf(text, sizeof(text),
		    "handshake-timeout after %" PRId64 "ms", step->timeout_ms);
	step_tls_fail(step, BEVHOST_REASON_TLS, text);
}

static int
step_tls_add(struct step_tls *step)
{
	struct timeval timeout = {
		.tv_sec = (time_t)(step->timeout_ms / 1000),
		.tv_usec = (suseconds_t)(step->timeout_ms % 1000 * 1000),
	};

	if (step->stream == NULL || step->io == NULL ||
	    step->deadline == NULL || event_add(step->io, NULL) < 0)
		return -1;
	return step->timeout_ms > 0 ? event_add(step->deadline, &timeout) : 0;
}

static struct step_tls *
step_tls_new(struct event_base *base, int fd, struct ssl_ctx_st *ctx,
    int64_t timeout_ms, step_tls_done_fn *done, void *arg)
{
	struct step_tls *step = calloc(1, sizeof(*step));

	if (step == NULL)
		return NULL;
	*step = (struct step_tls){
		.base = base,
		.stream = tls_stream_new(ctx, fd),
		.timeout_ms = timeout_ms,
		.done = done,
		.arg = arg,
		.fd = fd,
		.wants = EV_READ,
	};
	step->io =
	    event_new(base, fd, EV_READ | EV_PERSIST, step_tls_on_ready, step);
	step->deadline = evtimer_new(base, step_tls_on_deadline, step);
	if (step_tls_add(step) == 0)
		return step;
	step_tls_free(step);
	errno = ENOMEM;
	return NULL;
}

struct step_tls *
step_tls_start(struct event_base *base, int fd, struct ssl_ctx_st *ctx,
    int64_t timeout_ms, step_tls_done_fn *done, void *arg)
{
	return step_tls_new(base, fd, ctx, timeout_ms, done, arg);
}

/* An address has no name to be sent, and stands in certificates by itself. */
static int
step_tls_set_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	SSL_set_connect_state(ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return 0;
	ERR_clear_error();
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 &&
		       SSL_set_tlsext_host_name(ssl, name) == 1
		   ? 0
		   : -1;
}

struct step_tls *
step_tls_connect(struct event_base *base, int fd,
    const struct bevhost_authorities *authorities, const char *name,
    int64_t timeout_ms, step_tls_done_fn *done, void *arg)
{
	struct step_tls *step = step_tls_new(
	    base, fd, authorities_ctx(authorities), timeout_ms, done, arg);

	if (step == NULL)
		return NULL;
	step->connects = 1;
	if (step_tls_set_name(tls_stream_ssl(step->stream), name) < 0) {
		ERR_clear_error();
		step_tls_free(step);
		errno = ENOMEM;
		return NULL;
	}
	/* The client speaks first. */
	event_active(step->io, EV_READ, 1);
	return step;
}

void
step_tls_cancel(struct step_tls *step)
{
	step_tls_free(step);
}
#else

/* Settings that ask for TLS are refused, so nobody calls these. */
struct step_tls *
step_tls_start(struct event_base *base, int fd, struct ssl_ctx_st *ctx,
    int64_t timeout_ms, step_tls_done_fn *done, void *arg)
{
	(void)base;
	(void)fd;
	(void)ctx;
	(void)timeout_ms;
	(void)done;
	(void)arg;
	errno = ENOSYS;
	return NULL;
}

struct step_tls *
step_tls_connect(struct event_base *base, int fd,
    const struct bevhost_authorities *authorities, const char *name,
    int64_t timeout_ms, step_tls_done_fn *done, void *arg)
{
	(void)authorities;
	(void)name;
	return step_tls_start(base, fd, NULL, timeout_ms, done, arg);
}

void
step_tls_cancel(struct step_tls *step)
{
	(void)step;
}
#endif
