/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of what a flow holds is memory. A file that is to be sent by
 * sendfile counts into an evbuffer's length, and takes none: libevent has no
 * call that tells them apart, so its list of chains is read, after a look at an
 * evbuffer of known content whether it is what we know.
 */
#include <stdint.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>

#include "flow.h"
#include "flow_host.h"
#include "flow_own.h"

/* libevent 2.1's. */
struct flow_chain {
	struct flow_chain *next;
	size_t size;
	int64_t skipped;
	size_t used;
	unsigned flags;
	int references;
	unsigned char *bytes;
};

#define FLOW_PAGE 4096u

#define FLOW_CHAIN_FILE 3u /* a segment of one; one for sendfile */

static const struct flow_chain *
flow_memory_first(const struct evbuffer *buffer)
{
	return *(const struct flow_chain *const *)(const void *)buffer;
}

/* Three bytes, and then five of a file that is never read. */
static int
flow_memory_try(struct evbuffer *buffer)
{
	struct evbuffer_file_segment *segment;
	const struct flow_chain *chain;
	struct evbuffer_iovec vector;
	int added;

	evbuffer_set_flags(buffer, EVBUFFER_FLAG_DRAINS_TO_FD);
	segment = evbuffer_file_segment_new(-1, 0, 5, 0);
	if (segment == NULL || evbuffer_add(buffer, "abc", 3) < 0)
		added = -1;
	else
		added = evbuffer_add_file_segment(buffer, segment, 0, 5);
	if (segment != NULL)
		evbuffer_file_segment_free(segment);
	if (added < 0 || evbuffer_peek(buffer, 3, NULL, &vector, 1) < 1)
		return 0;
	chain = flow_memory_first(buffer);
	return chain->used == 3 && (chain->flags & FLOW_CHAIN_FILE) == 0 &&
	       chain->bytes + chain->skipped == vector.iov_base &&
	       chain->next != NULL && chain->next->used == 5 &&
	       (chain->next->flags & FLOW_CHAIN_FILE) != 0 &&
	       chain->next->next == NULL;
}

/* Is it as we know it? Else all is taken for memory. */
int
flow_memory_is_known(void)
{
	static int known = -1;
	struct evbuffer *buffer;

	if (known >= 0)
		return known;
	known = 0;
	if (sizeof(void *) != 8 || event_get_version_number() >> 16 != 0x0201)
		return 0;
	buffer = evbuffer_new();
	if (buffer == NULL)
		return 0;
	known = flow_memory_try(buffer);
	evbuffer_free(buffer);
	return known;
}

const void *
flow_memory_piece(const struct evbuffer *buffer, size_t len)
{
	const struct flow_chain *chain;

	if (!flow_memory_is_known())
		return NULL;
	chain = flow_memory_first(buffer);
	if (chain == NULL || (chain->flags & FLOW_CHAIN_FILE) != 0 ||
	    chain->used != len)
		return NULL;
	return chain->bytes + chain->skipped;
}

size_t
flow_memory_front(const struct evbuffer *buffer, size_t enough)
{
	const struct flow_chain *chain;
	size_t bytes = 0;

	if (!flow_memory_is_known())
		return evbuffer_get_length(buffer);
	for (chain = flow_memory_first(buffer);
	     chain != NULL && bytes < enough &&
	     (chain->used == 0 || (chain->flags & FLOW_CHAIN_FILE) == 0);
	     chain = chain->next)
		bytes += chain->used;
	return bytes;
}

/* All bytes, but those of files. */
static size_t
flow_memory_bytes(const struct evbuffer *buffer)
{
	const struct flow_chain *chain;
	size_t bytes = 0;

	if (!flow_memory_is_known())
		return evbuffer_get_length(buffer);
	for (chain = flow_memory_first(buffer); chain != NULL;
	     chain = chain->next)
		if ((chain->flags & FLOW_CHAIN_FILE) == 0)
			bytes += chain->used;
	return bytes;
}

/* Of one, with what it has no use for. What nobody has touched of a large one
   is none: the kernel gives pages. */
static size_t
flow_memory_of_chain(const struct flow_chain *chain)
{
	size_t end = chain->used + (size_t)chain->skipped;
	size_t pages = (end + FLOW_PAGE - 1) / FLOW_PAGE * FLOW_PAGE;

	if (chain->flags & FLOW_CHAIN_FILE)
		return 0;
	return sizeof(*chain) + (pages < chain->size ? pages : chain->size);
}

static size_t
flow_memory_of(const struct evbuffer *buffer)
{
	const struct flow_chain *chain;
	size_t bytes = 0;

	if (!flow_memory_is_known())
		return evbuffer_get_length(buffer);
	for (chain = flow_memory_first(buffer); chain != NULL;
	     chain = chain->next)
		bytes += flow_memory_of_chain(chain);
	return bytes;
}

size_t
flow_memory(struct flow *flow)
{
	if (flow->finished)
		return 0;
	flow_count_input(flow);
	return flow_memory_of(flow->bev->input) +
	       flow_memory_of(flow->bev->output) +
	       (flow->transport != NULL ? FLOW_TRANSPORT_BYTES : 0);
}

void
flow_set_scarce(struct flow *flow, int scarce)
{
	if (flow->scarce == scarce || flow->closing)
		return;
	flow->scarce = scarce != 0;
	if (scarce)
		flow_pause(flow, FLOW_PAUSED_MEMORY);
	else
		flow_resume(flow, FLOW_PAUSED_MEMORY);
}

/* The input's part in what the loop holds, as it is now. */
void
flow_count_input(struct flow *flow)
{
	struct flow_loop *loop = flow->loop->counter;
	size_t unread = evbuffer_get_length(flow->bev->input);

	if (unread == flow->unread)
		return;
	loop->held += unread - flow->unread;
	flow->unread = unread;
	if (loop->held > loop->held_max)
		loop->host->full(loop);
}

void
flow_check_output(struct flow *flow, size_t owed)
{
	size_t max = flow_max_output(flow);

	/* Files are not looked at again with each byte. */
	if (owed < flow->output_checked)
		return;
	flow->output_checked = owed + max / 16;
	if (!flow->closing && flow->loop->host != NULL &&
	    flow_memory_bytes(flow->bev->output) > max)
		flow->loop->host->overflow(flow);
}
