/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program is told of its connection, as UCSPI has it: PROTO, and names
 * that begin with it. With TLS the names of TCP are there as well, and those
 * of TLS itself as mod_ssl calls them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bevhost/peer.h>

#include "exec.h"

struct exec_vars {
	char text[EXEC_VARS_SIZE];
	size_t len;
};

union exec_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage any;
};

/* One that has no room is left out whole. */
static void __attribute__((format(printf, 2, 3)))
exec_vars_add(struct exec_vars *vars, const char *format, ...)
{
	size_t room = sizeof(vars->text) - vars->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(vars->text + vars->len, room, format, args);
	va_end(args);
	if (len >= 0 && (size_t)len < room)
		vars->len += (size_t)len + 1;
}

/* 192.0.2.1 also when it came by IPv6. */
static unsigned
exec_vars_split(const union exec_addr *addr, char *ip)
{
	ip[0] = '\0';
	if (addr->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr->in.sin_addr, ip, INET6_ADDRSTRLEN);
		return ntohs(addr->in.sin_port);
	}
	if (addr->sa.sa_family != AF_INET6)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr))
		inet_ntop(AF_INET, &addr->in6.sin6_addr.s6_addr[12], ip,
		    INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &addr->in6.sin6_addr, ip, INET6_ADDRSTRLEN);
	return ntohs(addr->in6.sin6_port);
}

static void
exec_vars_add_ends(struct exec_vars *vars, const char *proto,
    const union exec_addr *local, const union exec_addr *client)
{
	char ip[INET6_ADDRSTRLEN];
	unsigned port = exec_vars_split(client, ip);

	if (ip[0] != '\0') {
		exec_vars_add(vars, "%sREMOTEIP=%s", proto, ip);
		exec_vars_add(vars, "%sREMOTEPORT=%u", proto, port);
	}
	port = exec_vars_split(local, ip);
	if (ip[0] != '\0') {
		exec_vars_add(vars, "%sLOCALIP=%s", proto, ip);
		exec_vars_add(vars, "%sLOCALPORT=%u", proto, port);
	}
}

static void
exec_vars_add_unix(struct exec_vars *vars, const struct bevhost_conn *conn,
    const union exec_addr *local)
{
	int fd = bufferevent_getfd(bevhost_conn_bev(conn));
	struct ucred peer;
	socklen_t len = sizeof(peer);

	exec_vars_add(vars, "PROTO=UNIX");
	if (local->un.sun_path[0] != '\0')
		exec_vars_add(vars, "UNIXLOCALPATH=%.*s",
		    (int)sizeof(local->un.sun_path), local->un.sun_path);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	exec_vars_add(vars, "UNIXREMOTEPID=%ld", (long)peer.pid);
	exec_vars_add(vars, "UNIXREMOTEEUID=%lu", (unsigned long)peer.uid);
	exec_vars_add(vars, "UNIXREMOTEEGID=%lu", (unsigned long)peer.gid);
}

static void
exec_vars_add_tls(struct exec_vars *vars, const struct bevhost_conn *conn)
{
	const char *cipher = bevhost_conn_tls_cipher(conn);
	const char *sni = bevhost_conn_tls_sni(conn), *alpn;
	char *subject = bevhost_conn_tls_subject(conn);
	size_t len;

	exec_vars_add(vars, "SSL_PROTOCOL=%s", bevhost_conn_tls_version(conn));
	if (cipher != NULL)
		exec_vars_add(vars, "SSL_CIPHER=%s", cipher);
	if (sni != NULL)
		exec_vars_add(vars, "SSL_TLS_SNI=%s", sni);
	alpn = bevhost_conn_tls_alpn(conn, &len);
	if (alpn != NULL)
		exec_vars_add(vars, "SSL_TLS_ALPN=%.*s", (int)len, alpn);
	exec_vars_add(
	    vars, "SSL_CLIENT_VERIFY=%s", subject != NULL ? "SUCCESS" : "NONE");
	if (subject != NULL)
		exec_vars_add(vars, "SSL_CLIENT_S_DN=%s", subject);
	free(subject);
}

/* Where the client believes to be. */
static void
exec_vars_local(const struct bevhost_conn *conn, union exec_addr *addr)
{
	socklen_t len = 0;
	const struct sockaddr *asked =
	    bevhost_conn_proxy_destination(conn, &len);

	memset(addr, 0, sizeof(*addr));
	if (asked != NULL && len <= sizeof(*addr))
		memcpy(addr, asked, len);
	else
		(void)bevhost_conn_local(conn, &addr->any);
}

/* PROTO, and what begins with a protocol and says of which end it is. */
int
exec_vars_has(const char *text)
{
	static const char *const names[] = { "REMOTEIP", "REMOTEPORT",
		"LOCALIP", "LOCALPORT", NULL };
	size_t len = strcspn(text, "="), i;

	if (strncmp(text, "SSL_", 4) == 0 ||
	    strncmp(text, "UNIXREMOTE", 10) == 0 ||
	    (len == 5 && strncmp(text, "PROTO", 5) == 0) ||
	    (len == 13 && strncmp(text, "UNIXLOCALPATH", 13) == 0))
		return 1;
	if (strncmp(text, "TCP", 3) != 0 && strncmp(text, "SSL", 3) != 0)
		return 0;
	for (i = 0; names[i] != NULL; i++)
		if (len == 3 + strlen(names[i]) &&
		    strncmp(text + 3, names[i], len - 3) == 0)
			return 1;
	return 0;
}

char *
exec_vars(const struct bevhost_conn *conn, size_t *size)
{
	struct exec_vars vars;
	union exec_addr local, client;
	socklen_t len;
	const struct sockaddr *addr = bevhost_conn_client(conn, &len);
	int is_tls = bevhost_conn_tls_version(conn) != NULL;
	char *text;

	vars.len = 0;
	memset(&client, 0, sizeof(client));
	if (len <= sizeof(client))
		memcpy(&client, addr, len);
	exec_vars_local(conn, &local);
	if (client.sa.sa_family == AF_UNIX) {
		exec_vars_add_unix(&vars, conn, &local);
	} else {
		exec_vars_add(&vars, "PROTO=%s", is_tls ? "SSL" : "TCP");
		exec_vars_add_ends(&vars, "TCP", &local, &client);
	}
	if (is_tls) {
		exec_vars_add_ends(&vars, "SSL", &local, &client);
		exec_vars_add_tls(&vars, conn);
	}
	text = malloc(vars.len);
	if (text != NULL)
		memcpy(text, vars.text, vars.len);
	*size = vars.len;
	return text;
}
