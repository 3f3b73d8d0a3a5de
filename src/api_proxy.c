/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What plugins may ask of the PROXY header of a connection. The contracts
 * stand in <bevhost/peer.h>.
 */
#include <bevhost/peer.h>

#include "conn_proxy.h"
#include "proxyhdr_tlv.h"

static void
api_proxy_copy(const struct proxyhdr_tlv *from, struct bevhost_tlv *tlv)
{
	tlv->type = from->type;
	tlv->value = from->value;
	tlv->len = from->len;
}

static int
api_proxy_find(
    const struct proxyhdr_tlvs *tlvs, unsigned type, struct bevhost_tlv *tlv)
{
	struct proxyhdr_tlv found;

	if (proxyhdr_find(tlvs, type, &found) < 0)
		return 0;
	api_proxy_copy(&found, tlv);
	return 1;
}

int
bevhost_conn_proxy_version(const struct bevhost_conn *conn)
{
	const struct proxyhdr *header = conn_proxy(conn);

	return header != NULL ? header->version : 0;
}

int
bevhost_conn_proxy_is_local(const struct bevhost_conn *conn)
{
	const struct proxyhdr *header = conn_proxy(conn);

	return header != NULL && header->local;
}

const struct sockaddr *
bevhost_conn_proxy_destination(const struct bevhost_conn *conn, socklen_t *len)
{
	const struct proxyhdr *header = conn_proxy(conn);

	if (header == NULL || header->destination.len == 0)
		return NULL;
	if (len != NULL)
		*len = header->destination.len;
	return &header->destination.u.sa;
}

int
bevhost_conn_proxy_tlv(
    const struct bevhost_conn *conn, unsigned type, struct bevhost_tlv *tlv)
{
	const struct proxyhdr *header = conn_proxy(conn);

	return header != NULL && api_proxy_find(&header->tlvs, type, tlv);
}

int
bevhost_conn_proxy_next(
    const struct bevhost_conn *conn, size_t *at, struct bevhost_tlv *tlv)
{
	const struct proxyhdr *header = conn_proxy(conn);
	struct proxyhdr_tlv next;

	if (header == NULL || *at > header->tlvs.len ||
	    proxyhdr_next(&header->tlvs, at, &next) != 1)
		return 0;
	api_proxy_copy(&next, tlv);
	return 1;
}

int
bevhost_conn_proxy_ssl(
    const struct bevhost_conn *conn, unsigned *client, uint32_t *verify)
{
	const struct proxyhdr *header = conn_proxy(conn);
	struct proxyhdr_ssl ssl;

	if (header == NULL || proxyhdr_ssl(header, &ssl) < 0)
		return 0;
	*client = ssl.client;
	*verify = ssl.verify;
	return 1;
}

int
bevhost_conn_proxy_ssl_tlv(
    const struct bevhost_conn *conn, unsigned type, struct bevhost_tlv *tlv)
{
	const struct proxyhdr *header = conn_proxy(conn);
	struct proxyhdr_ssl ssl;

	return header != NULL && proxyhdr_ssl(header, &ssl) == 0 &&
	       api_proxy_find(&ssl.tlvs, type, tlv);
}
