/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How connections end. <bevhost/types.h> includes it.
 */
#ifndef BEVHOST_REASONS_H
#define BEVHOST_REASONS_H

/* Why a connection closed; each closes for exactly one reason. */
enum bevhost_reason {
	BEVHOST_REASON_NONE = 0,  /* it is open */
	BEVHOST_REASON_PEER,	  /* the peer sent all, we answered all */
	BEVHOST_REASON_HANDLER,	  /* the handler closed it */
	BEVHOST_REASON_RESET,	  /* the peer reset it */
	BEVHOST_REASON_ERROR,	  /* the socket or the handler's open failed */
	BEVHOST_REASON_TIMEOUT,	  /* a timeout that the handler had set */
	BEVHOST_REASON_REFUSED,	  /* the handler's admit said no */
	BEVHOST_REASON_OVERLOAD,  /* no memory or descriptors for it */
	BEVHOST_REASON_DRAIN,	  /* the host stops */
	BEVHOST_REASON_DENIED,	  /* the access list says no */
	BEVHOST_REASON_LIMIT,	  /* too many connections, or too fast */
	BEVHOST_REASON_PROXY,	  /* no PROXY header, a wrong or a late one */
	BEVHOST_REASON_TLS,	  /* the handshake failed, or the protocol */
	BEVHOST_REASON_TRUNCATED, /* TLS ended without close_notify */
	BEVHOST_REASON_IDLE,	  /* nothing was sent for too long */
	BEVHOST_REASON_SLOW,	  /* the peer took, or sent, too little */
	BEVHOST_REASON_LIFETIME	  /* it was open for as long as it may be */
};

/* How bevhost_conn_close() treats what is still to be sent. */
enum bevhost_close {
	BEVHOST_CLOSE_FLUSH, /* all of it reaches the peer first */
	BEVHOST_CLOSE_NOW    /* it is dropped */
};

#endif /* BEVHOST_REASONS_H */
