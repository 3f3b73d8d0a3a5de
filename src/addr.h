/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses: from text and back, and from names to what can be bound. */
#ifndef ADDR_H
#define ADDR_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <bevhost/base.h>

enum addr_kind {
	ADDR_INET, /* host and port */
	ADDR_UNIX, /* a path, or an abstract name after '@' */
	ADDR_FD	   /* an inherited descriptor, by number or by name */
};

/* What an operator wrote, taken apart. */
struct addr_spec {
	enum addr_kind kind;
	char host[256]; /* "" means all addresses */
	unsigned port;
	char path[256]; /* fits into sun_path, or the name of descriptors */
	int fd;		/* -1: they have a name */
};

struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} u;
};

#define ADDR_TEXT_SIZE 128

/*
 * HOST:PORT, :PORT, [V6]:PORT, unix:/PATH, unix:@ABSTRACT, fd:N, fd:NAME, a
 * NAME being a letter and then letters, digits, '_', '.', '@' or '-'. Returns
 * 0, or -1 with *why set to static text that says what is wrong.
 */
int addr_parse(const char *text, struct addr_spec *spec,
    const char **why) BEVHOST_MUST_CHECK;

/*
 * The addresses of spec, at most max, a name in the order that getaddrinfo
 * gives. Returns how many, or -1 with *why set. Not for ADDR_FD.
 */
int addr_resolve(const struct addr_spec *spec, struct addr *addrs, int max,
    const char **why) BEVHOST_MUST_CHECK;

/* 192.0.2.1:80, [2001:db8::1]:80, unix:/path, unix:@name or unix:. Returns
   buf. */
char *
addr_text(const struct sockaddr *sa, socklen_t len, char *buf, size_t size);

#endif
