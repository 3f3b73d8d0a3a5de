/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PROXY headers. One that is whole is no header when any byte at its end is
 * missing, and what its parts say lies inside of it.
 */
#include "proxyhdr_tlv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* Memory of just that size: reading past it is seen. */
static enum proxyhdr_state
fuzz_proxyhdr_scan(
    const uint8_t *data, size_t len, size_t *size, const char **why)
{
	uint8_t *bytes = malloc(len ? len : 1);
	enum proxyhdr_state state;

	assert(bytes != NULL);
	memcpy(bytes, data, len);
	state = proxyhdr_scan(bytes, len, size, why);
	free(bytes);
	return state;
}

static size_t
fuzz_proxyhdr_read(const struct proxyhdr_tlvs *tlvs)
{
	struct proxyhdr_tlv tlv, found;
	size_t at = 0, sum = 0, i;

	while (proxyhdr_next(tlvs, &at, &tlv) == 1) {
		for (i = 0; i < tlv.len; i++)
			sum += tlv.value[i];
		assert(proxyhdr_find(tlvs, tlv.type, &found) == 0);
	}
	assert(at <= tlvs->len);
	return sum;
}

/* Returns whether it is taken. */
static int
fuzz_proxyhdr_parse(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	struct proxyhdr *header = proxyhdr_new(data, size, &why);
	struct proxyhdr_ssl ssl;
	char text[ADDR_TEXT_SIZE];

	if (header == NULL) {
		assert(why != NULL);
		return 0;
	}
	fuzz_proxyhdr_read(&header->tlvs);
	if (proxyhdr_ssl(header, &ssl) == 0)
		fuzz_proxyhdr_read(&ssl.tlvs);
	if (header->client.len > 0)
		addr_text(&header->client.u.sa, header->client.len, text,
		    sizeof(text));
	proxyhdr_free(header);
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	size_t whole = 0, part = 0, len;
	int taken;
	enum proxyhdr_state state =
	    fuzz_proxyhdr_scan(data, size, &whole, &why);

	assert(state <= PROXYHDR_WRONG);
	if (state == PROXYHDR_NONE || state == PROXYHDR_WRONG) {
		assert(why != NULL);
		return 0;
	}
	if (state != PROXYHDR_WHOLE) {
		assert(whole > size);
		return 0;
	}
	assert(whole > 0 && whole <= size && whole <= PROXYHDR_SIZE_MAX);
	taken = fuzz_proxyhdr_parse(data, whole);
	for (len = 0; len < whole && len < 300; len++) {
		state = fuzz_proxyhdr_scan(data, len, &part, &why);
		assert(state == PROXYHDR_MAYBE || state == PROXYHDR_PARTIAL);
		/* Nobody is to read past one that is taken. */
		assert(part > len && (part <= whole || !taken));
	}
	return 0;
}
