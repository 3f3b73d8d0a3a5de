/* SPDX-License-Identifier: BSD-2-Clause */
/* reload-canary: a new generation is tried with a few connections first. */
#ifndef CANARY_H
#define CANARY_H

#include <bevhost/base.h>

struct canary;
struct generations;

/*
 * Gives generations->next its share of what generations->serving accepts.
 * Calls generations_promote() when its time has passed, and
 * generations_take_back() when too much of it fails. Returns 0, or -1 having
 * logged: then there is none.
 */
int canary_start(
    struct canary **canary, struct generations *generations) BEVHOST_MUST_CHECK;

/* Frees it, and sets it to NULL. NULL is nothing. */
void canary_stop(struct canary **canary);

#endif
