/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a PROXY protocol header tells beside the addresses: types, lengths and
 * values, which are checked once when the header is taken apart.
 */
#include "proxyhdr_tlv.h"

#include <errno.h>

#define PROXYHDR_SSL_FIXED     5
#define PROXYHDR_UNIQUE_ID_MAX 128

/* CRC-32C, reflected, four bits at a time. */
static uint32_t
proxyhdr_crc(uint32_t crc, const unsigned char *bytes, size_t len)
{
	static const uint32_t table[16] = { 0x00000000, 0x105ec76f, 0x20bd8ede,
		0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4,
		0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 };

	while (len-- > 0) {
		crc ^= *bytes++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

static uint32_t
proxyhdr_u32(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	       (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Of all bytes, those of the checksum being 0. */
static int
proxyhdr_crc_is_right(
    const unsigned char *bytes, size_t len, const unsigned char *sum)
{
	static const unsigned char zeroes[4];
	size_t at = (size_t)(sum - bytes);
	uint32_t crc = proxyhdr_crc(0xffffffff, bytes, at);

	crc = proxyhdr_crc(crc, zeroes, 4);
	crc = proxyhdr_crc(crc, sum + 4, len - at - 4);
	return (crc ^ 0xffffffff) == proxyhdr_u32(sum);
}

int
proxyhdr_next(
    const struct proxyhdr_tlvs *tlvs, size_t *at, struct proxyhdr_tlv *tlv)
{
	const unsigned char *bytes = tlvs->bytes + *at;
	size_t left = tlvs->len - *at;

	if (left == 0)
		return 0;
	if (left < 3)
		return -EPROTO;
	tlv->type = bytes[0];
	tlv->len = (size_t)bytes[1] << 8 | bytes[2];
	tlv->value = bytes + 3;
	if (tlv->len > left - 3)
		return -EPROTO;
	*at += 3 + tlv->len;
	return 1;
}

int
proxyhdr_find(
    const struct proxyhdr_tlvs *tlvs, unsigned type, struct proxyhdr_tlv *tlv)
{
	size_t at = 0;

	while (proxyhdr_next(tlvs, &at, tlv) == 1)
		if (tlv->type == type)
			return 0;
	return -ENOENT;
}

static void
proxyhdr_set_ssl(const struct proxyhdr_tlv *tlv, struct proxyhdr_ssl *ssl)
{
	ssl->client = tlv->value[0];
	ssl->verify = proxyhdr_u32(tlv->value + 1);
	ssl->tlvs.bytes = tlv->value + PROXYHDR_SSL_FIXED;
	ssl->tlvs.len = tlv->len - PROXYHDR_SSL_FIXED;
}

int
proxyhdr_ssl(const struct proxyhdr *header, struct proxyhdr_ssl *ssl)
{
	struct proxyhdr_tlv tlv;
	int error = proxyhdr_find(&header->tlvs, PROXYHDR_SSL, &tlv);

	if (error == 0)
		proxyhdr_set_ssl(&tlv, ssl);
	return error;
}

static int
proxyhdr_are_whole(const struct proxyhdr_tlvs *tlvs)
{
	struct proxyhdr_tlv tlv;
	size_t at = 0;
	int more;

	while ((more = proxyhdr_next(tlvs, &at, &tlv)) == 1)
		continue;
	return more == 0;
}

/* NULL, or what is wrong with the lengths. */
static const char *
proxyhdr_tlv_wrong(const struct proxyhdr_tlv *tlv)
{
	struct proxyhdr_ssl ssl;

	switch (tlv->type) {
	case PROXYHDR_CRC32C:
		return tlv->len == 4 ? NULL : "its checksum has not 4 bytes";
	case PROXYHDR_UNIQUE_ID:
		return tlv->len <= PROXYHDR_UNIQUE_ID_MAX
			   ? NULL
			   : "its unique id is longer than 128 bytes";
	case PROXYHDR_SSL:
		if (tlv->len < PROXYHDR_SSL_FIXED)
			return "its SSL information is too short";
		proxyhdr_set_ssl(tlv, &ssl);
		return proxyhdr_are_whole(&ssl.tlvs)
			   ? NULL
			   : "a length in its SSL is wrong";
	default:
		return NULL;
	}
}

int
proxyhdr_check_tlvs(struct proxyhdr *header, const unsigned char *bytes,
    size_t len, const char **why)
{
	struct proxyhdr_tlv tlv;
	size_t at = 0;

	if (!proxyhdr_are_whole(&header->tlvs)) {
		*why = "the length of a TLV is wrong";
		/* Where the addresses are to be ignored, who knows what it is.
		 */
		if (header->family != AF_UNSPEC)
			return -EPROTO;
		header->tlvs.len = 0;
	}
	while (proxyhdr_next(&header->tlvs, &at, &tlv) == 1) {
		*why = proxyhdr_tlv_wrong(&tlv);
		if (*why == NULL && tlv.type == PROXYHDR_CRC32C &&
		    !proxyhdr_crc_is_right(bytes, len, tlv.value))
			*why = "its checksum is wrong";
		if (*why != NULL)
			return -EPROTO;
	}
	return 0;
}
