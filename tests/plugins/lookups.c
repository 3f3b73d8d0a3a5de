/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands before libc, and says each name that is looked up. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int lookups_getaddrinfo(const char *host, const char *port,
    const struct addrinfo *hints, struct addrinfo **list);

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **list)
{
	void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
	lookups_getaddrinfo *next;

	memcpy(&next, &symbol, sizeof(next));
	dprintf(STDERR_FILENO, "looked up: %s\n", host);
	return next(host, port, hints, list);
}
