/* SPDX-License-Identifier: BSD-2-Clause */
/* From the manifests of plugins to the sandbox of the process they are in. */
#ifndef CONFINE_H
#define CONFINE_H

#include <bevhost/base.h>

struct load;
struct sandbox;
struct settings;

/* What the host itself needs: beside its plugins, or alone. */
struct confine_host {
	const struct settings *settings;
	int alone;     /* no master tidies up and opens the log */
	int has_child; /* --run */
	int quiet;     /* another process says what is missing */
};

/* Once its instances are started. What cannot be had is a warning. */
void confine(const struct load *load, const struct confine_host *host);

/* What the plugins declare, for a sandbox. 0, or -1 with errno. */
int confine_manifests(
    struct sandbox *sandbox, const struct load *load) BEVHOST_MUST_CHECK;

#endif
