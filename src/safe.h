/* SPDX-License-Identifier: BSD-2-Clause */
/* Text for signal handlers: made without locks, memory or the C library. */
#ifndef SAFE_H
#define SAFE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Begins as { .len = 0 }. What does not fit is left out. */
struct safe_text {
	char bytes[1024];
	size_t len;
};

void safe_put(struct safe_text *text, const char *word);
void safe_put_number(struct safe_text *text, int64_t number);
/* With 0x before it. */
void safe_put_hex(struct safe_text *text, uint64_t number);
/* As addr_text() writes it, but a zone as its number, and unix: alone. */
void safe_put_addr(struct safe_text *text, const struct sockaddr *sa);

/* Writes the text to the log as one line. */
void safe_write(const struct safe_text *text);

/*
 * The calling thread's signal handlers run on a stack of their own from now
 * on, if they ask for it. Returns what safe_stack_end() wants; NULL when there
 * is no memory, or when it has one already.
 */
void *safe_stack_start(void);
void safe_stack_end(void *stack);

#endif
