/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Networks, one in each line, and then the addresses that a rule is looked for:
 * the tree finds the first one that has the address when it is alone.
 */
#include "netset.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "fuzz.h"

#define FUZZ_NETSET_MAX 64

static struct netset *fuzz_set, *fuzz_alone[FUZZ_NETSET_MAX];

static void
fuzz_netset_match(const struct sockaddr *address)
{
	int count = netset_count(fuzz_set), i;

	for (i = 0; i < count; i++)
		if (netset_match(fuzz_alone[i], address) == 0)
			break;
	assert(netset_match(fuzz_set, address) == (i < count ? i : -1));
}

static void
fuzz_netset_match_text(const char *text)
{
	struct addr addr;

	memset(&addr, 0, sizeof(addr));
	if (inet_pton(AF_INET, text, &addr.u.in.sin_addr) == 1)
		addr.u.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &addr.u.in6.sin6_addr) == 1)
		addr.u.sa.sa_family = AF_INET6;
	else
		addr.u.sa.sa_family = AF_UNIX;
	fuzz_netset_match(&addr.u.sa);
}

static void
fuzz_netset_add(const char *text)
{
	int number = netset_count(fuzz_set);
	char why[256] = "";

	if (netset_add(fuzz_set, text, why, sizeof(why)) < 0) {
		assert(why[0] != '\0');
		assert(netset_check(text, why, sizeof(why)) < 0);
		assert(netset_count(fuzz_set) == number);
		return;
	}
	assert(netset_check(text, why, sizeof(why)) == 0);
	fuzz_alone[number] = netset_new();
	assert(fuzz_alone[number] != NULL);
	assert(netset_add(fuzz_alone[number], text, why, sizeof(why)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), *rest = text, *line, *slash;
	int i;

	fuzz_set = netset_new();
	assert(fuzz_set != NULL);
	while (rest != NULL && netset_count(fuzz_set) < FUZZ_NETSET_MAX)
		fuzz_netset_add(strsep(&rest, "\n"));
	memcpy(text, data, size);
	rest = text;
	while (rest != NULL) {
		line = strsep(&rest, "\n");
		slash = strchr(line, '/');
		if (slash != NULL)
			*slash = '\0';
		fuzz_netset_match_text(line);
	}
	for (i = 0; i < netset_count(fuzz_set); i++)
		netset_free(fuzz_alone[i]);
	netset_free(fuzz_set);
	free(text);
	return 0;
}
