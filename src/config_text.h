/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a configuration file, made plain for libConfuse: one form for
 * each thing, its syntax checked, and its lines written where libConfuse does
 * not keep them.
 */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include <stddef.h>

#include <bevhost/base.h>

struct config_text {
	char *bytes;
	size_t len, size;
	unsigned serial; /* of the next mark: kept from file to file */
};

/*
 * Appends what the len bytes at in become, line by line: none of them is '\0',
 * but the one after them. Returns 0, or -1
 * having logged what is wrong, at which line of path.
 */
int config_text_add(struct config_text *text, const char *path, const char *in,
    size_t len) BEVHOST_MUST_CHECK;
void config_text_clear(struct config_text *text);

/* What the beginning of a `tls` section becomes: an option whose name, without
   the quotes, is no name in a file. */
#define CONFIG_TEXT_TLS	     "\"tls{\""
#define CONFIG_TEXT_TLS_NAME "tls{"

/*
 * Titles, and names in a `with`, begin with a mark that makes them unique.
 * Returns what follows it, and its line.
 */
const char *config_text_unmark(const char *marked, int *line);

#endif
