/* SPDX-License-Identifier: BSD-2-Clause */
/* Plugin files: found, copied, loaded, and checked against this host. */
#ifndef PLUGIN_LOAD_H
#define PLUGIN_LOAD_H

#include "plugin.h"

/* The folders in which names are looked up, in order. */
struct plugin_dirs {
	const char *dirs[64];
	int count;
	char *split; /* owned */
};

/*
 * dir (or NULL), then the folders of $BEVHOST_PLUGIN_PATH, then the
 * installed one. Returns 0, or minus an exit status having logged.
 */
int
plugin_dirs_init(struct plugin_dirs *dirs, const char *dir) BEVHOST_MUST_CHECK;
void plugin_dirs_clear(struct plugin_dirs *dirs);

/*
 * Loads by name, or by path when word has a '/'. Once per file: later calls
 * get the same. Never unloaded. NULL when it has logged why not.
 */
struct plugin *plugin_load(
    const struct plugin_dirs *dirs, const char *word) BEVHOST_MUST_CHECK;

/*
 * For `word` the file in fd is to be loaded, which was found at path and
 * checked, whatever is there now. Takes fd. Without memory, which is logged, it
 * is looked for there.
 */
void plugin_provide(const char *word, const char *path, int fd);
void plugin_forget_provided(void);

/* Calls on_name for each plugin file, nearest folder first, sorted. */
void plugin_each(const struct plugin_dirs *dirs,
    void (*on_name)(const char *name, const char *path, void *arg), void *arg);

/* Removes the private copies; what is loaded stays. Before exit. */
void plugin_remove_copies(void);

#endif
