/* SPDX-License-Identifier: BSD-2-Clause */
/* What there is to say of stacks before the first is used. */
#include "runtime.h"

#include "coro.h"
#include "log.h"

void
runtime_prepare_stacks(void)
{
	if (log_enabled(BEVHOST_LOG_DEBUG))
		coro_paint();
	if (coro_limit() != 0)
		log_write(BEVHOST_LOG_NOTICE, NULL,
		    "at most %zu tasks: this kernel has no guards without "
		    "mappings (raise vm.max_map_count for more)",
		    coro_limit());
	log_write(BEVHOST_LOG_INFO, NULL, "stacks by %s", coro_method());
}
