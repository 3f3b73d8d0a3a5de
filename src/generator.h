/* SPDX-License-Identifier: BSD-2-Clause */
/* Drives generators by the callbacks of a bufferevent. */
#ifndef GENERATOR_H
#define GENERATOR_H

#include <bevhost/generator.h>

/* The connection ends: resumes it until it has ended too, or long enough. The
   frame stays the caller's to free. */
void generator_finish(struct bevhost_generator *generator,
    enum bevhost_op (*function)(struct bevhost_generator *));

/* A zeroed frame with its head filled in, or NULL. */
struct bevhost_generator *
generator_new(size_t frame_size, struct bevhost_conn *conn,
    struct bufferevent *bev, void *self, void *host) BEVHOST_MUST_CHECK;

/*
 * Runs it as far as it can go. Returns 0 when it has ended, 1 when it waits
 * for a callback, or -1 when there is no memory for its deadline. timer, made
 * when it is needed, fires when the deadline passes, or when the generator had
 * used its steps: then call generator_on_timer() before the next step.
 */
int generator_step(struct bevhost_generator *generator,
    enum bevhost_op (*function)(struct bevhost_generator *),
    struct bevhost_timer **timer, bevhost_timer_cb on_timer);
void generator_on_timer(
    struct bevhost_generator *generator, struct bevhost_timer *timer);
void generator_eof(struct bevhost_generator *generator);
/* Does it wait for input, with a deadline or without? */
int generator_is_reading(const struct bevhost_generator *generator);

#endif
