/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses: what is parsed and resolved is printed as what parses again. */
#include "addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void
fuzz_addr_resolve(const struct addr_spec *spec)
{
	struct addr addrs[4], again;
	struct addr_spec parsed;
	char text[ADDR_TEXT_SIZE];
	const char *why = NULL;
	int count = addr_resolve(spec, addrs, 4, &why), i;

	assert(count >= 0 || why != NULL);
	for (i = 0; i < count; i++) {
		addr_text(&addrs[i].u.sa, addrs[i].len, text, sizeof(text));
		if (spec->kind == ADDR_UNIX)
			continue;
		assert(addr_parse(text, &parsed, &why) == 0);
		assert(addr_resolve(&parsed, &again, 1, &why) == 1);
		assert(again.len == addrs[i].len &&
		       memcmp(&again.u, &addrs[i].u, again.len) == 0);
	}
}

/* Names would be asked for at some server of names. */
static int
fuzz_addr_is_name(const struct addr_spec *spec)
{
	struct in6_addr addr;

	return spec->kind == ADDR_INET && spec->host[0] != '\0' &&
	       inet_pton(AF_INET, spec->host, &addr) != 1 &&
	       inet_pton(AF_INET6, spec->host, &addr) != 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct addr_spec spec;
	const char *why = NULL;

	if (addr_parse(text, &spec, &why) < 0)
		assert(why != NULL);
	else if (spec.kind != ADDR_FD && !fuzz_addr_is_name(&spec))
		fuzz_addr_resolve(&spec);
	free(text);
	return 0;
}
