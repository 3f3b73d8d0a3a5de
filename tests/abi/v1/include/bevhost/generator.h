/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generators: a handler as one function that runs to its next yield, names
 * what it waits for, and goes on from there when that is possible. No stack:
 * what must live across a yield lives in a frame.
 *
 * The protocol: the host allocates a frame of `frame_size` zeroed bytes, which
 * begins with a struct bevhost_generator, and calls the function. It returns
 * an operation; the host calls again when the operation is possible, with
 * `why` set. After BEVHOST_OP_DONE the connection is flushed and closed and
 * the frame freed. The macros below are this protocol and nothing more.
 *
 *	struct frame {
 *		struct bevhost_generator generator;	(first)
 *		int answered;
 *	};
 *
 *	static enum bevhost_op
 *	answer(struct bevhost_generator *g)
 *	{
 *		struct frame *frame = (struct frame *)g;
 *
 *		BEVHOST_GENERATOR_BEGIN(g);
 *		for (frame->answered = 0; frame->answered < 3;
 *		     frame->answered++) {
 *			BEVHOST_YIELD_READ(g, 1, -1);
 *			if (g->why != BEVHOST_WHY_READY)
 *				break;
 *			...
 *		}
 *		BEVHOST_GENERATOR_END(g);
 *	}
 *
 * Local variables do not survive a yield: declare those that are used on both
 * sides of one in the frame. gcc -O -Wmaybe-uninitialized finds the others,
 * if they are declared before BEVHOST_GENERATOR_BEGIN. Two yields may not
 * stand on one line, and none inside a switch of the function's own.
 */
#ifndef BEVHOST_GENERATOR_H
#define BEVHOST_GENERATOR_H

#include <bevhost/plugin.h>

#if defined(__GNUC__)
#define BEVHOST_FALLTHROUGH __attribute__((fallthrough))
#else
#define BEVHOST_FALLTHROUGH ((void)0)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Why it goes on. */
enum bevhost_why {
	BEVHOST_WHY_READY = 0, /* it is possible */
	BEVHOST_WHY_TIMEOUT,   /* the deadline has passed; after a sleep too */
	BEVHOST_WHY_EOF,       /* the peer has sent its last: no more to read */
	BEVHOST_WHY_CLOSING    /* the connection ends: clean up and return */
};

/* The head of every frame. A generator reads it, and the macros write it. */
struct bevhost_generator {
	struct bevhost_conn *conn;
	struct bufferevent *bev;
	void *self;
	void *host; /* the host's own */
	int64_t deadline_ms;
	size_t bytes;
	int resume_at;	   /* 0, a line, or -1 at the end */
	unsigned char why; /* enum bevhost_why */
	unsigned char op;  /* for the host: what it waits for */
	unsigned char flags;
};

/*
 * Deadlines are absolute, in milliseconds of bevhost_now_ms(): -1 waits for
 * ever, 0 only asks (and resumes with BEVHOST_WHY_TIMEOUT if it is not
 * possible now). bevhost_after_ms(n) is n milliseconds from now.
 *
 * A generator that yields what is possible at once goes on at once, but after
 * 100 steps in a row others have their turn. Once it is closing, every yield
 * returns at once with BEVHOST_WHY_CLOSING, and after 100 the frame is freed.
 * It is told when the connection has ended, not when it begins to. When the
 * host stops, and the plugin has no drain, a generator that waits to read, and
 * has no input, is idle and ends; another goes on until it is, for a while.
 */
#define BEVHOST_GENERATOR_BEGIN(g)      \
	switch ((g)->resume_at) {       \
	default:                        \
		return BEVHOST_OP_DONE; \
	case 0:

#define BEVHOST_GENERATOR_END(g) \
	}                        \
	(g)->resume_at = -1;     \
	return BEVHOST_OP_DONE

#define BEVHOST_YIELD(g, operation, count, deadline) \
	do {                                         \
		(g)->bytes = (count);                \
		(g)->deadline_ms = (deadline);       \
		(g)->resume_at = __LINE__;           \
		return (operation);                  \
	case __LINE__:;                              \
	} while (0)

/* Until `count` bytes can be read: 1, or one more than there are, or ... */
#define BEVHOST_YIELD_READ(g, count, deadline) \
	BEVHOST_YIELD(g, BEVHOST_OP_READ, count, deadline)

/* Until at most `count` bytes are owed to the peer: 0 for all sent. */
#define BEVHOST_YIELD_WRITE(g, count, deadline) \
	BEVHOST_YIELD(g, BEVHOST_OP_WRITE, count, deadline)

#define BEVHOST_YIELD_SLEEP(g, deadline) \
	BEVHOST_YIELD(g, BEVHOST_OP_SLEEP, 0, deadline)

/*
 * Delegates to another generator until that has ended ("yield from"): to
 * `function`, with its frame's head at `child`, which is part of this frame.
 * Only the head is made anew: set the rest of the child's frame before, and
 * find its results there afterwards.
 */
#define BEVHOST_YIELD_FROM(g, child, function)                   \
	do {                                                     \
		bevhost_generator_begin_child(child, g);         \
		(g)->resume_at = __LINE__;                       \
		/* FALLTHROUGH */                                \
	case __LINE__:;                                          \
		(child)->why = (g)->why;                         \
		(g)->op = (unsigned char)(function)(child);      \
		if ((g)->op != BEVHOST_OP_DONE) {                \
			(g)->bytes = (child)->bytes;             \
			(g)->deadline_ms = (child)->deadline_ms; \
			return (enum bevhost_op)(g)->op;         \
		}                                                \
	} while (0)

static inline void
bevhost_generator_begin_child(
    struct bevhost_generator *child, const struct bevhost_generator *parent)
{
	child->conn = parent->conn;
	child->bev = parent->bev;
	child->self = parent->self;
	child->deadline_ms = -1;
	child->bytes = 0;
	child->resume_at = 0;
	child->flags = 0;
}

#ifdef __cplusplus
}
#endif

#endif /* BEVHOST_GENERATOR_H */
