/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and texts as bytes, and back. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

struct wire {
	char *bytes;
	size_t len, size; /* written or to be read; room */
	size_t at;	  /* read up to here */
	int failed;	  /* no memory, or not what was written */
};

/* After a failure these do nothing. bytes are the owner's to free. */
void wire_put(struct wire *wire, const void *bytes, size_t len);
void wire_put_number(struct wire *wire, int64_t number);
void wire_put_text(struct wire *wire, const char *text); /* or NULL */

/* Zeros when it has failed. */
void wire_take(struct wire *wire, void *bytes, size_t len);
/* From min to max, or it has failed. */
int64_t wire_take_number(struct wire *wire, int64_t min, int64_t max);
/* A copy, which is freed by the caller, or NULL: there is none, or failed. */
char *wire_take_text(struct wire *wire);
/* One that has to be there. */
char *wire_take_some(struct wire *wire);
/* With its end into size bytes, or it has failed. */
void wire_take_into(struct wire *wire, char *buf, size_t size);

#endif
