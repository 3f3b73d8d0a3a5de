/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * getaddrinfo in a job, once for all who ask meanwhile. It tells nobody how
 * long an answer holds: so it is fresh for a time that the operator chooses,
 * and then old. Who asks for an old one has it at once and causes a lookup, and
 * it stays in use while that fails, for half a minute at most; then one waits
 * for the lookup. That there is no answer is known for a second.
 */
#include "names.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "clock.h"
#include "job.h"

#define NAMES_MAX     1024
#define NAMES_BUCKETS 256
#define NAMES_OLD_MS  30000
#define NAMES_FAIL_MS 1000

/* What a thread writes is here, until its job has ended. */
struct names_lookup {
	struct job job;
	int count;
	struct addr addrs[NAMES_ADDRS_MAX];
	char host[];
};

struct name {
	LIST_ENTRY(name) bucket;
	TAILQ_ENTRY(name) entry; /* the one asked for last is the first */
	TAILQ_HEAD(, names_wait) waits;
	struct names_lookup *lookup; /* under way, or NULL */
	/* The answer, of which there is none before the first: addresses, or
	   else the error. */
	struct addr *addrs;
	int count, error;
	int64_t looked_ms;    /* when it came */
	int64_t fresh_ms;     /* until then nobody looks again */
	int64_t old_ms;	      /* until then the addresses may be used */
	unsigned looked : 1;  /* there is one */
	unsigned doubted : 1; /* not before it was looked again */
	char host[];
};

static struct {
	LIST_HEAD(, name) buckets[NAMES_BUCKETS];
	TAILQ_HEAD(names_list, name) all;
	size_t count;
	int64_t keep_ms;
	void (*on_gone)(void *arg);
	void *arg;
} names;

void
names_init(int64_t keep_ms, void (*on_gone)(void *arg), void *arg)
{
	size_t i;

	for (i = 0; i < NAMES_BUCKETS; i++)
		LIST_INIT(&names.buckets[i]);
	TAILQ_INIT(&names.all);
	names.count = 0;
	names.keep_ms = keep_ms;
	names.on_gone = on_gone;
	names.arg = arg;
}

/* The names */

static void
names_remove(struct name *name)
{
	LIST_REMOVE(name, bucket);
	TAILQ_REMOVE(&names.all, name, entry);
	names.count--;
	free(name->addrs);
	free(name->lookup);
	free(name);
}

static int
names_is_used(const struct name *name)
{
	return name->lookup != NULL || !TAILQ_EMPTY(&name->waits);
}

size_t
names_count(void)
{
	const struct name *name;
	size_t count = 0;

	TAILQ_FOREACH (name, &names.all, entry)
		count += name->lookup != NULL && TAILQ_EMPTY(&name->waits);
	return count;
}

void
names_clear(void)
{
	struct name *name;

	while ((name = TAILQ_FIRST(&names.all)) != NULL)
		names_remove(name);
}

/* FNV-1a. */
static size_t
names_bucket(const char *host)
{
	uint32_t hash = 2166136261u;

	for (; *host != '\0'; host++)
		hash = (hash ^ (uint32_t)tolower((unsigned char)*host)) *
		       16777619u;
	return hash % NAMES_BUCKETS;
}

static struct name *
names_known(const char *host)
{
	struct name *name;

	LIST_FOREACH (name, &names.buckets[names_bucket(host)], bucket)
		if (strcasecmp(name->host, host) == 0)
			return name;
	return NULL;
}

/* Makes room for one more. Those that are being looked up are as many as there
   are who wait. */
static void
names_forget_one(void)
{
	struct name *name;

	if (names.count < NAMES_MAX)
		return;
	TAILQ_FOREACH_REVERSE(name, &names.all, names_list, entry)
	if (!names_is_used(name)) {
		names_remove(name);
		return;
	}
}

static struct name *
names_new(const char *host)
{
	size_t size = strlen(host) + 1;
	struct name *name = calloc(1, sizeof(*name) + size);

	if (name == NULL)
		return NULL;
	names_forget_one();
	memcpy(name->host, host, size);
	TAILQ_INIT(&name->waits);
	LIST_INSERT_HEAD(&names.buckets[names_bucket(host)], name, bucket);
	TAILQ_INSERT_HEAD(&names.all, name, entry);
	names.count++;
	return name;
}

/* Looking one up */

static int
names_error(int error)
{
	switch (error) {
	case EAI_SYSTEM:
		/* That one would mean that it goes on. */
		return errno > 0 && errno != EINPROGRESS ? -errno : -EIO;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	default:
		return -ENOENT;
	}
}

static int
names_job(void *arg)
{
	struct names_lookup *lookup = arg;
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG,
	};
	struct addrinfo *list, *ai;
	int error = getaddrinfo(lookup->host, NULL, &hints, &list);

	if (error != 0)
		return names_error(error);
	for (ai = list; ai != NULL && lookup->count < NAMES_ADDRS_MAX;
	     ai = ai->ai_next) {
		struct addr *addr = &lookup->addrs[lookup->count];

		if (ai->ai_addrlen > sizeof(addr->u))
			continue;
		memcpy(&addr->u, ai->ai_addr, ai->ai_addrlen);
		addr->len = ai->ai_addrlen;
		lookup->count++;
	}
	freeaddrinfo(list);
	return lookup->count > 0 ? lookup->count : -ENOENT;
}

/* 0, or -ENOMEM: who waits for this one has it, and the next one asks again. */
static int
names_keep(struct name *name, const struct names_lookup *lookup, int64_t now_ms)
{
	size_t size = (size_t)lookup->count * sizeof(*lookup->addrs);
	struct addr *addrs = malloc(size);

	if (addrs == NULL)
		return -ENOMEM;
	memcpy(addrs, lookup->addrs, size);
	free(name->addrs);
	name->addrs = addrs;
	name->count = lookup->count;
	name->fresh_ms = now_ms + names.keep_ms;
	name->old_ms = name->fresh_ms + NAMES_OLD_MS;
	return 0;
}

/* The old answer stays for as long as it may. */
static void
names_fail(struct name *name, int error, int64_t now_ms)
{
	int64_t fail_ms =
	    names.keep_ms < NAMES_FAIL_MS ? names.keep_ms : NAMES_FAIL_MS;

	name->fresh_ms = now_ms + fail_ms;
	if (name->count > 0 && now_ms < name->old_ms)
		return;
	free(name->addrs);
	name->addrs = NULL;
	name->count = 0;
	name->error = error;
}

static void
names_answer(struct name *name, int status, const struct addr *addrs)
{
	struct names_wait *wait;

	while ((wait = TAILQ_FIRST(&name->waits)) != NULL) {
		TAILQ_REMOVE(&name->waits, wait, entry);
		wait->name = NULL;
		wait->on_found(wait, status, addrs);
	}
}

static void
names_on_looked(struct job *job)
{
	struct name *name = job->owner;
	struct names_lookup *lookup = name->lookup;
	int alone = TAILQ_EMPTY(&name->waits), status = job->result;
	int64_t now_ms = clock_ms();

	name->lookup = NULL;
	name->looked_ms = now_ms;
	name->looked = 1;
	name->doubted = 0;
	if (status > 0 && names_keep(name, lookup, now_ms) < 0) {
		name->fresh_ms = name->old_ms = now_ms;
		names_answer(name, status, lookup->addrs);
	} else {
		if (status < 0)
			names_fail(name, status, now_ms);
		names_answer(name, name->count > 0 ? name->count : name->error,
		    name->addrs);
	}
	free(lookup);
	if (names.keep_ms == 0)
		names_remove(name);
	if (alone)
		names.on_gone(names.arg);
}

/* 0, or a negative errno. */
static int
names_look(struct name *name)
{
	size_t size = strlen(name->host) + 1;
	struct names_lookup *lookup = calloc(1, sizeof(*lookup) + size);
	int status;

	if (lookup == NULL)
		return -ENOMEM;
	memcpy(lookup->host, name->host, size);
	lookup->job = (struct job){
		.fn = names_job,
		.arg = lookup,
		.on_end = names_on_looked,
		.owner = name,
		.call = call_running,
	};
	lookup->job.call.callback = "job";
	/* It may outlive the connection that asks. */
	lookup->job.call.conn = NULL;
	status = job_submit(&lookup->job);
	if (status < 0)
		free(lookup);
	else
		name->lookup = lookup;
	return status;
}

/* Asking */

static int
names_take(const struct name *name, struct addr *addrs)
{
	if (name->count == 0)
		return name->error;
	memcpy(addrs, name->addrs, (size_t)name->count * sizeof(*addrs));
	return name->count;
}

static int
names_ask(struct name *name, struct addr *addrs, struct names_wait *wait)
{
	int64_t now_ms = clock_ms();
	int usable = name->count > 0 && now_ms < name->old_ms, status = 0;

	if (now_ms < name->fresh_ms)
		return names_take(name, addrs);
	if (name->lookup == NULL)
		status = names_look(name);
	if (usable && (!name->doubted || status < 0))
		return names_take(name, addrs);
	if (status < 0)
		return status;
	wait->name = name;
	TAILQ_INSERT_TAIL(&name->waits, wait, entry);
	return -EINPROGRESS;
}

int
names_find(const char *host, struct addr *addrs, struct names_wait *wait)
{
	struct name *name = names_known(host);
	int status;

	wait->name = NULL;
	if (name == NULL)
		name = names_new(host);
	if (name == NULL)
		return -ENOMEM;
	TAILQ_REMOVE(&names.all, name, entry);
	TAILQ_INSERT_HEAD(&names.all, name, entry);
	status = names_ask(name, addrs, wait);
	/* It could not even be asked for. */
	if (!names_is_used(name) && !name->looked)
		names_remove(name);
	return status;
}

void
names_leave(struct names_wait *wait)
{
	struct name *name = wait->name;

	if (name == NULL)
		return;
	wait->name = NULL;
	TAILQ_REMOVE(&name->waits, wait, entry);
	if (!TAILQ_EMPTY(&name->waits) || !job_withdraw(&name->lookup->job))
		return;
	free(name->lookup);
	name->lookup = NULL;
	if (!name->looked)
		names_remove(name);
}

/* Not more often than what fails is asked for again. */
void
names_doubt(const char *host)
{
	struct name *name = names_known(host);
	int64_t now_ms = clock_ms();

	if (name == NULL || name->count == 0 || name->lookup != NULL ||
	    now_ms - name->looked_ms < NAMES_FAIL_MS)
		return;
	name->doubted = 1;
	name->fresh_ms = now_ms;
}
