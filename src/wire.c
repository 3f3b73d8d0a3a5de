/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and texts in a row of bytes. What is read is not believed. */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#define WIRE_NO_TEXT UINT32_MAX

void
wire_put(struct wire *wire, const void *bytes, size_t len)
{
	size_t size = wire->size ? wire->size : 1024;
	char *grown;

	if (wire->failed)
		return;
	while (size - wire->len < len)
		size *= 2;
	if (size != wire->size) {
		grown = realloc(wire->bytes, size);
		if (grown == NULL) {
			wire->failed = 1;
			return;
		}
		wire->bytes = grown;
		wire->size = size;
	}
	memcpy(wire->bytes + wire->len, bytes, len);
	wire->len += len;
}

void
wire_put_number(struct wire *wire, int64_t number)
{
	wire_put(wire, &number, sizeof(number));
}

void
wire_put_text(struct wire *wire, const char *text)
{
	uint32_t len = text != NULL ? (uint32_t)strlen(text) : WIRE_NO_TEXT;

	wire_put(wire, &len, sizeof(len));
	if (text != NULL)
		wire_put(wire, text, len);
}

void
wire_take(struct wire *wire, void *bytes, size_t len)
{
	if (wire->failed || wire->len - wire->at < len) {
		wire->failed = 1;
		memset(bytes, 0, len);
		return;
	}
	memcpy(bytes, wire->bytes + wire->at, len);
	wire->at += len;
}

int64_t
wire_take_number(struct wire *wire, int64_t min, int64_t max)
{
	int64_t number;

	wire_take(wire, &number, sizeof(number));
	if (number >= min && number <= max)
		return number;
	wire->failed = 1;
	return min;
}

char *
wire_take_text(struct wire *wire)
{
	uint32_t len;
	char *text;

	wire_take(wire, &len, sizeof(len));
	if (wire->failed || len == WIRE_NO_TEXT)
		return NULL;
	if (wire->len - wire->at < len) {
		wire->failed = 1;
		return NULL;
	}
	text = malloc((size_t)len + 1);
	if (text == NULL) {
		wire->failed = 1;
		return NULL;
	}
	wire_take(wire, text, len);
	text[len] = '\0';
	wire->failed |= strlen(text) != len;
	return text;
}

char *
wire_take_some(struct wire *wire)
{
	char *text = wire_take_text(wire);

	wire->failed |= text == NULL;
	return text;
}

void
wire_take_into(struct wire *wire, char *buf, size_t size)
{
	char *text = wire_take_some(wire);

	if (text != NULL && strlen(text) < size)
		memcpy(buf, text, strlen(text) + 1);
	else
		wire->failed = 1;
	free(text);
}
