/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses of names. What was found is kept for a while, and who asks for
 * the same at the same time shares one lookup.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <bevhost/base.h>

#define NAMES_ADDRS_MAX 16

struct addr;
struct event_base;
struct name;

/* One that waits for an answer. The caller's, and still when it is called. */
struct names_wait {
	/* From the loop, once: how many addresses, or a negative errno. They do
	   not outlive the call, in which nobody may be asked or left. */
	void (*on_found)(
	    struct names_wait *wait, int status, const struct addr *addrs);
	struct name *name;
	TAILQ_ENTRY(names_wait) entry;
};

/*
 * Once for each process. Answers are kept for keep_ms, 0: for those alone who
 * wait for them. on_gone is called after the end of each lookup that nobody
 * waited for.
 */
void names_init(int64_t keep_ms, void (*on_gone)(void *arg), void *arg);
/* Lookups that run although nobody waits for them. */
size_t names_count(void);
/* After the jobs have ended. */
void names_clear(void);

/*
 * The addresses of host, at most NAMES_ADDRS_MAX, without a port and in the
 * order of RFC 6724: their number if they are known, or a negative errno:
 * -EINPROGRESS, wait will be called. -ENOENT: it has none; -EAGAIN: nobody
 * knows now; -ENOMEM.
 */
int names_find(const char *host, struct addr *addrs,
    struct names_wait *wait) BEVHOST_MUST_CHECK;
/* It will not be called. */
void names_leave(struct names_wait *wait);
/* None of its addresses answers: they are no longer taken for good. */
void names_doubt(const char *host);

#endif
