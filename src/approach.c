/* SPDX-License-Identifier: BSD-2-Clause */
/* The approach to a handler: made at the start, the same for its listeners. */
#include "approach.h"

#include <string.h>
#include <sysexits.h>

#include "gate.h"
#include "log.h"
#include "netset.h"
#include "proxy_from.h"
#include "settings_guard.h"
#include "tls.h"

int
approach_init(struct approach *approach, const char *name, const char *scope,
    const struct settings_guard *guard)
{
	int status;

	memset(approach, 0, sizeof(*approach));
	approach->proxy_required = guard->proxy == SETTINGS_PROXY_REQUIRED;
	approach->proxy_timeout_ms = guard->proxy_timeout;
	approach->handshake_timeout_ms = guard->handshake_timeout;
	approach->gate = gate_new(name, scope, guard);
	if (approach->gate == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "no limits: %m");
		return -EX_OSERR;
	}
	status = proxy_from_new(guard, &approach->proxy_from);
	return status == 0 ? tls_new(&approach->tls, guard) : status;
}

void
approach_clear(struct approach *approach)
{
	netset_free(approach->proxy_from);
	gate_free(approach->gate);
	tls_free(approach->tls);
	memset(approach, 0, sizeof(*approach));
}

struct gate *
approach_gate(const struct approach *approach)
{
	return approach != NULL ? approach->gate : NULL;
}
