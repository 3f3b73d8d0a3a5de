/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plugins that are served by more workers than they are made for. It works, but
 * which connections have to do with each other is then left to chance.
 */
#include "load_workers.h"

#include <bevhost/manifest.h>

#include "load.h"
#include "log.h"

static int
load_wants_one_worker(const struct bevhost_instance *instance)
{
	const struct bevhost_manifest *manifest =
	    instance->plugin->def.manifest;

	return manifest != NULL &&
	       (manifest->flags & BEVHOST_MANIFEST_ONE_WORKER);
}

void
load_say_workers(const struct load *load, int workers)
{
	int i;

	for (i = 0; workers > 1 && i < load->count; i++)
		if (load_wants_one_worker(&load->instances[i]))
			log_write(BEVHOST_LOG_WARNING,
			    instance_name(&load->instances[i]),
			    "%d workers serve it, and connections of one have "
			    "nothing to do with those of another: give it "
			    "--workers=1, or a worker-group with workers = 1",
			    workers);
}
