/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PROXY protocol headers: where one ends, what it says. Strict: whoever may
 * send one decides who the client is, so that what is not exactly by the
 * specification is refused, and never guessed at.
 */
#include "proxyhdr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxyhdr_tlv.h"

#define PROXYHDR_V2_FIXED    16
#define PROXYHDR_V1_SIZE_MIN 15 /* PROXY UNKNOWN */
#define PROXYHDR_UNIX_PATH   108

static const char proxyhdr_v1[] = "PROXY ";
static const char proxyhdr_v2[] = "\r\n\r\n\0\r\nQUIT\n";

/* Not more than bytes has, so that a part of it matches too. */
static int
proxyhdr_begins(const void *bytes, size_t len, const char *with, size_t size)
{
	return memcmp(bytes, with, len < size ? len : size) == 0;
}

/* The line ends with CR LF, and neither of them stands alone in it. */
static enum proxyhdr_state
proxyhdr_scan_v1(
    const unsigned char *bytes, size_t len, size_t *size, const char **why)
{
	size_t i;

	for (i = 0; i < len && i < PROXYHDR_V1_SIZE_MAX; i++) {
		int after_cr = i > 0 && bytes[i - 1] == '\r';

		if (after_cr != (bytes[i] == '\n')) {
			*why = "its line does not end with CR LF";
			return PROXYHDR_WRONG;
		}
		if (after_cr) {
			*size = i + 1;
			return PROXYHDR_WHOLE;
		}
	}
	if (i == PROXYHDR_V1_SIZE_MAX) {
		*why = "its line is longer than 107 bytes";
		return PROXYHDR_WRONG;
	}
	*size = len < PROXYHDR_V1_SIZE_MIN ? PROXYHDR_V1_SIZE_MIN : len + 1;
	return PROXYHDR_PARTIAL;
}

/* Each byte is looked at as soon as it is there. */
static const char *
proxyhdr_v2_wrong(const unsigned char *bytes, size_t len)
{
	if (len > 12 && bytes[12] >> 4 != 2)
		return "its version is neither 1 nor 2";
	if (len > 12 && (bytes[12] & 15) > 1)
		return "its command is neither LOCAL nor PROXY";
	/* Of LOCAL nothing counts but the length. */
	if (len > 13 && (bytes[12] & 15) == 1 && bytes[13] >> 4 > 3)
		return "its address family is unknown";
	if (len > 13 && (bytes[12] & 15) == 1 && (bytes[13] & 15) > 2)
		return "its transport protocol is unknown";
	return NULL;
}

static enum proxyhdr_state
proxyhdr_scan_v2(
    const unsigned char *bytes, size_t len, size_t *size, const char **why)
{
	*why = proxyhdr_v2_wrong(bytes, len);
	if (*why != NULL)
		return PROXYHDR_WRONG;
	*size = PROXYHDR_V2_FIXED;
	if (len < PROXYHDR_V2_FIXED)
		return PROXYHDR_PARTIAL;
	*size += (size_t)bytes[14] << 8 | bytes[15];
	if (*size > PROXYHDR_SIZE_MAX) {
		*why = "it is longer than 4096 bytes";
		return PROXYHDR_WRONG;
	}
	return len < *size ? PROXYHDR_PARTIAL : PROXYHDR_WHOLE;
}

enum proxyhdr_state
proxyhdr_scan(const void *bytes, size_t len, size_t *size, const char **why)
{
	const size_t v1 = sizeof(proxyhdr_v1) - 1;
	const size_t v2 = sizeof(proxyhdr_v2) - 1;

	*size = PROXYHDR_V1_SIZE_MIN;
	*why = NULL;
	if (len == 0)
		return PROXYHDR_MAYBE;
	if (proxyhdr_begins(bytes, len, proxyhdr_v1, v1))
		return len < v1 ? PROXYHDR_MAYBE
				: proxyhdr_scan_v1(bytes, len, size, why);
	*size = PROXYHDR_V2_FIXED;
	if (proxyhdr_begins(bytes, len, proxyhdr_v2, v2))
		return len < v2 ? PROXYHDR_MAYBE
				: proxyhdr_scan_v2(bytes, len, size, why);
	*why = "the first bytes are no header";
	return PROXYHDR_NONE;
}

/* Copies the next word to buf: words stand between single spaces. 0 or -1. */
static int
proxyhdr_word(const char **text, const char *end, char *buf, size_t size)
{
	const char *space = memchr(*text, ' ', (size_t)(end - *text));
	size_t len = (size_t)((space != NULL ? space : end) - *text);

	/* No number or address has a byte of 0, which would end it early. */
	if (len == 0 || len >= size || memchr(*text, '\0', len) != NULL)
		return -1;
	memcpy(buf, *text, len);
	buf[len] = '\0';
	*text += len;
	/* A space that nothing follows is left, and noticed. */
	if (space != NULL && space + 1 < end)
		++*text;
	return 0;
}

static int
proxyhdr_port(const char *word, in_port_t *port)
{
	size_t len = strlen(word);
	unsigned long number;

	if (len > 5 || strspn(word, "0123456789") != len ||
	    (word[0] == '0' && len > 1))
		return -1;
	number = strtoul(word, NULL, 10);
	*port = htons((uint16_t)number);
	return number <= 65535 ? 0 : -1;
}

static void
proxyhdr_set_family(struct proxyhdr *header, int family)
{
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);

	header->family = family;
	header->client.u.sa.sa_family = (sa_family_t)family;
	header->destination.u.sa.sa_family = (sa_family_t)family;
	header->client.len = header->destination.len = len;
}

static void *
proxyhdr_host(struct addr *addr)
{
	if (addr->u.sa.sa_family == AF_INET)
		return &addr->u.in.sin_addr;
	return &addr->u.in6.sin6_addr;
}

static in_port_t *
proxyhdr_port_of(struct addr *addr)
{
	if (addr->u.sa.sa_family == AF_INET)
		return &addr->u.in.sin_port;
	return &addr->u.in6.sin6_port;
}

static int
proxyhdr_parse_words(struct proxyhdr *header, const char *text, const char *end,
    const char **why)
{
	struct addr *addrs[] = { &header->client, &header->destination };
	char word[INET6_ADDRSTRLEN];
	int i;

	for (i = 0; i < 2; i++)
		if (proxyhdr_word(&text, end, word, sizeof(word)) < 0 ||
		    inet_pton(header->family, word, proxyhdr_host(addrs[i])) !=
			1) {
			*why = i == 0 ? "its source address is wrong"
				      : "its destination address is wrong";
			return -EPROTO;
		}
	for (i = 0; i < 2; i++)
		if (proxyhdr_word(&text, end, word, sizeof(word)) < 0 ||
		    proxyhdr_port(word, proxyhdr_port_of(addrs[i])) < 0) {
			*why = i == 0 ? "its source port is wrong"
				      : "its destination port is wrong";
			return -EPROTO;
		}
	if (text != end) {
		*why = "more follows after the destination port";
		return -EPROTO;
	}
	return 0;
}

static int
proxyhdr_parse_v1(
    struct proxyhdr *header, const char *text, size_t len, const char **why)
{
	const char *end = text + len - 2; /* CR LF */

	header->version = 1;
	text += sizeof(proxyhdr_v1) - 1;
	len = (size_t)(end - text);
	/* What follows is to be ignored. */
	if (len >= 7 && memcmp(text, "UNKNOWN", 7) == 0 &&
	    (len == 7 || text[7] == ' '))
		return 0;
	if (len < 5 || memcmp(text, "TCP", 3) != 0 || text[4] != ' ' ||
	    (text[3] != '4' && text[3] != '6')) {
		*why = "its protocol is none of TCP4, TCP6 and UNKNOWN";
		return -EPROTO;
	}
	header->transport = SOCK_STREAM;
	proxyhdr_set_family(header, text[3] == '4' ? AF_INET : AF_INET6);
	return proxyhdr_parse_words(header, text + 5, end, why);
}

/* A path, or after a byte of 0 an abstract name; zeroes fill the rest. */
static void
proxyhdr_set_unix(struct addr *addr, const unsigned char *path)
{
	size_t len = PROXYHDR_UNIX_PATH;

	while (len > 0 && path[len - 1] == 0)
		len--;
	memset(&addr->u.un, 0, sizeof(addr->u.un));
	addr->u.un.sun_family = AF_UNIX;
	memcpy(addr->u.un.sun_path, path, len);
	addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* The addresses stand first, both, and then the ports. */
static void
proxyhdr_set_addrs(
    struct proxyhdr *header, int family, const unsigned char *bytes)
{
	size_t size = family == AF_INET ? 4 : 16;

	if (family == AF_UNIX) {
		header->family = family;
		proxyhdr_set_unix(&header->client, bytes);
		proxyhdr_set_unix(
		    &header->destination, bytes + PROXYHDR_UNIX_PATH);
		return;
	}
	proxyhdr_set_family(header, family);
	memcpy(proxyhdr_host(&header->client), bytes, size);
	memcpy(proxyhdr_host(&header->destination), bytes + size, size);
	bytes += 2 * size;
	memcpy(proxyhdr_port_of(&header->client), bytes, 2);
	memcpy(proxyhdr_port_of(&header->destination), bytes + 2, 2);
}

static size_t
proxyhdr_addrs_size(int family)
{
	switch (family) {
	case AF_INET:
		return 12;
	case AF_INET6:
		return 36;
	case AF_UNIX:
		return 2 * PROXYHDR_UNIX_PATH;
	default:
		return 0;
	}
}

/* LOCAL is valid whatever its block has; only the length of that counts. */
static int
proxyhdr_parse_v2(struct proxyhdr *header, const unsigned char *bytes,
    size_t len, const char **why)
{
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX };
	static const int transports[] = { 0, SOCK_STREAM, SOCK_DGRAM };
	int family = bytes[13] >> 4 <= 3 ? families[bytes[13] >> 4] : AF_UNSPEC;
	size_t size = PROXYHDR_V2_FIXED + proxyhdr_addrs_size(family);

	header->version = 2;
	header->local = (bytes[12] & 15) == 0;
	if (!header->local)
		header->transport = transports[bytes[13] & 15];
	if (size > len && header->local)
		return 0;
	if (size > len) {
		*why = "it is too short for its addresses";
		return -EPROTO;
	}
	if (!header->local && family != AF_UNSPEC && header->transport != 0)
		proxyhdr_set_addrs(header, family, bytes + PROXYHDR_V2_FIXED);
	header->tlvs.bytes = bytes + size;
	header->tlvs.len = len - size;
	return proxyhdr_check_tlvs(header, bytes, len, why);
}

int
proxyhdr_parse(
    struct proxyhdr *header, const void *bytes, size_t len, const char **why)
{
	size_t size;

	memset(header, 0, sizeof(*header));
	switch (proxyhdr_scan(bytes, len, &size, why)) {
	case PROXYHDR_WHOLE:
		if (size == len)
			break;
		/* FALLTHROUGH */
	case PROXYHDR_MAYBE:
	case PROXYHDR_PARTIAL:
		*why = "its size is wrong";
		return -EPROTO;
	case PROXYHDR_NONE:
	case PROXYHDR_WRONG:
		return -EPROTO;
	}
	if (((const char *)bytes)[0] == 'P')
		return proxyhdr_parse_v1(header, bytes, len, why);
	return proxyhdr_parse_v2(header, bytes, len, why);
}

struct proxyhdr *
proxyhdr_new(const void *bytes, size_t len, const char **why)
{
	struct proxyhdr header, *copy;

	if (proxyhdr_parse(&header, bytes, len, why) < 0)
		return NULL;
	copy = malloc(sizeof(*copy) + header.tlvs.len);
	if (copy == NULL)
		return NULL;
	*copy = header;
	if (header.tlvs.len > 0)
		memcpy(copy + 1, header.tlvs.bytes, header.tlvs.len);
	copy->tlvs.bytes = (const unsigned char *)(copy + 1);
	return copy;
}

void
proxyhdr_free(struct proxyhdr *header)
{
	free(header);
}
