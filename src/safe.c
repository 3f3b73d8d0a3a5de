/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a signal handler has to say. printf and its like may allocate or take
 * a lock that the interrupted code holds, so numbers and addresses are
 * written here by hand.
 */
#include "safe.h"

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"

#define SAFE_STACK (64u * 1024)

static void
safe_put_char(struct safe_text *text, char c)
{
	if (text->len < sizeof(text->bytes))
		text->bytes[text->len++] = c;
}

void
safe_put(struct safe_text *text, const char *word)
{
	while (*word != '\0')
		safe_put_char(text, *word++);
}

static void
safe_put_digits(struct safe_text *text, uint64_t number, unsigned base)
{
	char digits[24];
	int count = 0;

	do {
		digits[count++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number > 0);
	while (count > 0)
		safe_put_char(text, digits[--count]);
}

void
safe_put_number(struct safe_text *text, int64_t number)
{
	if (number < 0)
		safe_put_char(text, '-');
	safe_put_digits(
	    text, number < 0 ? -(uint64_t)number : (uint64_t)number, 10);
}

void
safe_put_hex(struct safe_text *text, uint64_t number)
{
	safe_put(text, "0x");
	safe_put_digits(text, number, 16);
}

static void
safe_put_v4(struct safe_text *text, const unsigned char *bytes)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (i > 0)
			safe_put_char(text, '.');
		safe_put_digits(text, bytes[i], 10);
	}
}

/* The first of the longest runs of zeros, of two groups at least. */
static int
safe_find_zeros(const unsigned *groups, int count, int *length)
{
	int best = -1, start, end;

	*length = 1;
	for (start = 0; start < count; start = end + 1) {
		for (end = start; end < count && groups[end] == 0;)
			end++;
		if (end - start > *length) {
			best = start;
			*length = end - start;
		}
	}
	return best;
}

/* RFC 5952, and the last 32 bits as IPv4 where glibc does so too. */
static void
safe_put_v6(struct safe_text *text, const unsigned char *bytes)
{
	unsigned groups[8];
	int i, zeros, length, count, v4;

	for (i = 0; i < 8; i++)
		groups[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
	zeros = safe_find_zeros(groups, 8, &length);
	v4 =
	    zeros == 0 && (length == 6 || (length == 5 && groups[5] == 0xffff));
	count = v4 ? 6 : 8;
	for (i = 0; i < count; i++) {
		if (i == zeros) {
			safe_put(text, i == 0 ? "::" : ":");
			i += length - 1;
			continue;
		}
		safe_put_digits(text, groups[i], 16);
		if (i < 7)
			safe_put_char(text, ':');
	}
	if (v4)
		safe_put_v4(text, bytes + 12);
}

void
safe_put_addr(struct safe_text *text, const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	switch (sa->sa_family) {
	case AF_INET:
		safe_put_v4(text, (const void *)&in->sin_addr);
		safe_put_char(text, ':');
		safe_put_digits(text, ntohs(in->sin_port), 10);
		break;
	case AF_INET6:
		safe_put_char(text, '[');
		safe_put_v6(text, in6->sin6_addr.s6_addr);
		if (in6->sin6_scope_id != 0) {
			safe_put_char(text, '%');
			safe_put_digits(text, in6->sin6_scope_id, 10);
		}
		safe_put(text, "]:");
		safe_put_digits(text, ntohs(in6->sin6_port), 10);
		break;
	case AF_UNIX:
		safe_put(text, "unix:");
		break;
	default:
		safe_put(text, "unknown:");
		safe_put_digits(text, sa->sa_family, 10);
	}
}

void *
safe_stack_start(void)
{
	stack_t stack;

	/* A sanitizer's stays. */
	if (sigaltstack(NULL, &stack) < 0 || !(stack.ss_flags & SS_DISABLE))
		return NULL;
	stack = (stack_t){ .ss_size = SAFE_STACK };
	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED)
		return NULL;
	if (sigaltstack(&stack, NULL) == 0)
		return stack.ss_sp;
	munmap(stack.ss_sp, stack.ss_size);
	return NULL;
}

void
safe_stack_end(void *stack)
{
	const stack_t none = { .ss_flags = SS_DISABLE };

	if (stack == NULL)
		return;
	sigaltstack(&none, NULL);
	munmap(stack, SAFE_STACK);
}

void
safe_write(const struct safe_text *text)
{
	log_write_safe(text->bytes, text->len);
}
