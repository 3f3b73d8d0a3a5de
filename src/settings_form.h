/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings with a form of their own, from text and back. */
#ifndef SETTINGS_FORM_H
#define SETTINGS_FORM_H

#include "settings.h"

/* One whose field is a number. */
struct settings_form {
	const char *name;
	/* 0, or -1 with why. */
	int (*parse)(const char *text, int64_t *number, char *why, size_t size);
	void (*text)(int64_t number, char *buf, size_t size);
	int zero; /* is a value: else it is unset */
};

/* NULL: it has none. */
const struct settings_form *settings_form_find(const char *name);

/* Of reload-canary, which fills several fields. */
int settings_set_canary(struct settings *settings, const char *text, char *why,
    size_t size) BEVHOST_MUST_CHECK;
void
settings_canary_text(const struct settings *settings, char *buf, size_t size);

#endif
