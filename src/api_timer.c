/* SPDX-License-Identifier: BSD-2-Clause */
/* What plugins may call of timers. */
#include <bevhost/plugin.h>

#include "conn_timer.h"

struct bevhost_timer *
bevhost_timer_new(struct bevhost_conn *conn, bevhost_timer_cb cb)
{
	return conn_timer_new(conn, cb);
}

int
bevhost_timer_start(struct bevhost_timer *timer, int64_t timeout_ms)
{
	return conn_timer_start(timer, timeout_ms);
}

void
bevhost_timer_stop(struct bevhost_timer *timer)
{
	conn_timer_stop(timer);
}

void
bevhost_timer_free(struct bevhost_timer *timer)
{
	if (timer != NULL)
		conn_timer_free(timer);
}
