/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words for the reasons, as log and tests say them.
 */
#include "reason.h"

#include <stddef.h>

static const char *const reason_names[] = {
	[BEVHOST_REASON_NONE] = "none",
	[BEVHOST_REASON_PEER] = "peer",
	[BEVHOST_REASON_HANDLER] = "handler",
	[BEVHOST_REASON_RESET] = "reset",
	[BEVHOST_REASON_ERROR] = "error",
	[BEVHOST_REASON_TIMEOUT] = "timeout",
	[BEVHOST_REASON_REFUSED] = "refused",
	[BEVHOST_REASON_OVERLOAD] = "overload",
	[BEVHOST_REASON_DRAIN] = "drain",
	[BEVHOST_REASON_DENIED] = "denied",
	[BEVHOST_REASON_LIMIT] = "limit",
	[BEVHOST_REASON_PROXY] = "proxy",
	[BEVHOST_REASON_TLS] = "tls",
	[BEVHOST_REASON_TRUNCATED] = "truncated",
	[BEVHOST_REASON_IDLE] = "idle",
	[BEVHOST_REASON_SLOW] = "slow",
	[BEVHOST_REASON_LIFETIME] = "lifetime",
};

const char *
reason_name(enum bevhost_reason reason)
{
	size_t index = (size_t)reason;

	if (index >= sizeof(reason_names) / sizeof(reason_names[0]))
		return "unknown";
	return reason_names[index];
}
