/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket of a connection in other hands. */
#include "conn.h"

#include <errno.h>

#include "flow_lend.h"
#include "record.h"

int
conn_lend(struct bevhost_conn *conn)
{
	if (conn->state != CONN_OPEN)
		return -ESHUTDOWN;
	return record_is_on ? -ENOTSUP : flow_lend(&conn->flow);
}
