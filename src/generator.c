/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver of a generator: whether its operation is possible, why it goes
 * on, and what bounds its steps.
 */
#include "generator.h"

#include <stdlib.h>

#include <event2/buffer.h>

#include "flow.h"

#define GENERATOR_STEPS 100

/* Bits of bevhost_generator.flags. */
#define GENERATOR_EOF	    1u
#define GENERATOR_TIMED_OUT 2u
#define GENERATOR_TIMER	    4u /* its timer runs */
#define GENERATOR_AGAIN	    8u /* for its next steps, not for a deadline */

struct bevhost_generator *
generator_new(size_t frame_size, struct bevhost_conn *conn,
    struct bufferevent *bev, void *self, void *host)
{
	struct bevhost_generator *generator = calloc(1, frame_size);

	if (generator == NULL)
		return NULL;
	generator->conn = conn;
	generator->bev = bev;
	generator->self = self;
	generator->host = host;
	generator->deadline_ms = -1;
	/* Its first step is due. */
	generator->op = BEVHOST_OP_WRITE;
	generator->bytes = SIZE_MAX;
	return generator;
}

void
generator_on_timer(
    struct bevhost_generator *generator, struct bevhost_timer *timer)
{
	int64_t left_ms = generator->deadline_ms - bevhost_now_ms();

	/* libevent's clock is coarser than ours, and may be early. */
	if (!(generator->flags & GENERATOR_AGAIN) && left_ms > 0 &&
	    bevhost_timer_start(timer, left_ms) == 0)
		return;
	if (!(generator->flags & GENERATOR_AGAIN))
		generator->flags |= GENERATOR_TIMED_OUT;
	generator->flags &= (unsigned char)~(GENERATOR_TIMER | GENERATOR_AGAIN);
}

void
generator_eof(struct bevhost_generator *generator)
{
	generator->flags |= GENERATOR_EOF;
}

int
generator_is_reading(const struct bevhost_generator *generator)
{
	return generator->op == BEVHOST_OP_READ &&
	       !(generator->flags & GENERATOR_AGAIN);
}

/* Why it can go on, or -1 when it cannot. */
static int
generator_why(const struct bevhost_generator *generator)
{
	struct bufferevent *bev = generator->bev;

	switch (generator->op) {
	case BEVHOST_OP_READ:
		if (evbuffer_get_length(bufferevent_get_input(bev)) >=
		    generator->bytes)
			return BEVHOST_WHY_READY;
		if (generator->flags & GENERATOR_EOF)
			return BEVHOST_WHY_EOF;
		break;
	case BEVHOST_OP_WRITE:
		if (evbuffer_get_length(bufferevent_get_output(bev)) <=
		    generator->bytes)
			return BEVHOST_WHY_READY;
		break;
	}
	if (generator->flags & GENERATOR_TIMED_OUT)
		return BEVHOST_WHY_TIMEOUT;
	return -1;
}

/* Without a deadline nothing is set, and nothing allocated. */
static int
generator_set_timer(struct bevhost_generator *generator,
    struct bevhost_timer **timer, bevhost_timer_cb on_timer, int64_t wait_ms)
{
	if (*timer == NULL)
		*timer = bevhost_timer_new(generator->conn, on_timer);
	if (*timer == NULL || bevhost_timer_start(*timer, wait_ms) < 0)
		return -1;
	generator->flags |= GENERATOR_TIMER;
	return 0;
}

static int
generator_set_deadline(struct bevhost_generator *generator,
    struct bevhost_timer **timer, bevhost_timer_cb on_timer)
{
	int64_t wait_ms = generator->deadline_ms - bevhost_now_ms();

	if (wait_ms > 0)
		return generator_set_timer(generator, timer, on_timer, wait_ms);
	generator->flags |= GENERATOR_TIMED_OUT;
	return 0;
}

static void
generator_stop_timer(
    struct bevhost_generator *generator, struct bevhost_timer *timer)
{
	if (generator->flags & GENERATOR_TIMER)
		bevhost_timer_stop(timer);
	generator->flags &= (unsigned char)~(
	    GENERATOR_TIMER | GENERATOR_TIMED_OUT | GENERATOR_AGAIN);
}

int
generator_step(struct bevhost_generator *generator,
    enum bevhost_op (*function)(struct bevhost_generator *),
    struct bevhost_timer **timer, bevhost_timer_cb on_timer)
{
	int steps = 0, why;
	unsigned op;

	while ((why = generator_why(generator)) >= 0) {
		if (steps++ == GENERATOR_STEPS) {
			generator->flags |= GENERATOR_AGAIN;
			return generator_set_timer(
				   generator, timer, on_timer, 0) < 0
				   ? -1
				   : 1;
		}
		generator_stop_timer(generator, *timer);
		generator->why = (unsigned char)why;
		op = (unsigned)function(generator);
		if (op > BEVHOST_OP_SLEEP) {
			bevhost_conn_log(generator->conn, BEVHOST_LOG_ERROR,
			    "the generator yielded %u, which is no operation",
			    op);
			op = BEVHOST_OP_DONE;
		}
		generator->op = (unsigned char)op;
		if (generator->op == BEVHOST_OP_DONE ||
		    bevhost_conn_is_closing(generator->conn))
			return 0;
		if (generator->op == BEVHOST_OP_WRITE)
			bufferevent_setwatermark(
			    generator->bev, EV_WRITE, generator->bytes, 0);
		if (generator->deadline_ms >= 0 &&
		    generator_set_deadline(generator, timer, on_timer) < 0)
			return -1;
	}
	flow_set_heard(
	    flow_of(generator->bev), generator->op == BEVHOST_OP_WRITE);
	return 1;
}

void
generator_finish(struct bevhost_generator *generator,
    enum bevhost_op (*function)(struct bevhost_generator *))
{
	int steps;

	for (steps = 0;
	     steps < GENERATOR_STEPS && generator->op != BEVHOST_OP_DONE;
	     steps++) {
		generator->why = BEVHOST_WHY_CLOSING;
		generator->op = (unsigned char)function(generator);
	}
}
