/* SPDX-License-Identifier: BSD-2-Clause */
/* When the kernel gives up a TCP peer that does not answer. */
#ifndef SOCK_KEEPALIVE_H
#define SOCK_KEEPALIVE_H

#include <stdint.h>

/*
 * On a listening socket: those that are accepted have it from there, so that it
 * costs no connection anything. 0 turns either off. Returns 0 or a negative
 * errno; a socket that is not TCP's is left alone.
 *
 * A peer that is silent for keepalive_ms is asked for a sign of life, and given
 * up after twice that time, though not before user_timeout_ms; one that does
 * not acknowledge what it was sent, after user_timeout_ms.
 */
int sock_keepalive_set(int fd, int64_t keepalive_ms, int64_t user_timeout_ms);

#endif
