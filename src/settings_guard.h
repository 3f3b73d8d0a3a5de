/* SPDX-License-Identifier: BSD-2-Clause */
/* For those who act by a listener's settings: its words, and its lists. */
#ifndef SETTINGS_GUARD_H
#define SETTINGS_GUARD_H

#include "settings.h"

enum settings_proxy {
	SETTINGS_PROXY_OFF,
	SETTINGS_PROXY_OPTIONAL,
	SETTINGS_PROXY_REQUIRED
};

enum settings_client {
	SETTINGS_CLIENT_OFF,
	SETTINGS_CLIENT_OPTIONAL,
	SETTINGS_CLIENT_REQUIRED
};

enum settings_sandbox {
	SETTINGS_SANDBOX_OFF,
	SETTINGS_SANDBOX_REPORT,
	SETTINGS_SANDBOX_ON
};

enum settings_tls_version { SETTINGS_TLS_1_2, SETTINGS_TLS_1_3 };

/* One value of a setting that may have several: see settings_lists[]. */
struct settings_item {
	const char *name; /* of the table */
	char *value;
	char *where;   /* "FILE:LINE", or NULL: the command line */
	int inherited; /* by a handler, from what holds for all */
};

/* The first item of that name at or after number `at`, or -1. */
int settings_item_next(
    const struct settings_guard *guard, const char *name, int at);
/* The value of one that is given once at most, or NULL. */
const char *
settings_item_value(const struct settings_guard *guard, const char *name);

#endif
