/* SPDX-License-Identifier: BSD-2-Clause */
/* The deadlines, the rates and the buffers of a flow that has a handler. */
#ifndef FLOW_GUARD_H
#define FLOW_GUARD_H

#include <bevhost/base.h>

struct flow;
struct settings_guard;

/*
 * From now on; the settings outlive it, NULL are none. The loop's on_strike is
 * called at each deadline. Returns 0, or -1 without memory.
 */
int flow_guard_start(struct flow *flow, int is_tcp,
    const struct settings_guard *settings) BEVHOST_MUST_CHECK;
void flow_guard_stop(struct flow *flow);

/* Is there an idle-timeout? */
int flow_guard_counts_idle(const struct flow *flow);

/* It closes: what is owed has a deadline from now on. */
void flow_guard_closing(struct flow *flow);

#endif
