/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether what a plugin file says of itself fits this host. */
#ifndef PLUGIN_CHECK_H
#define PLUGIN_CHECK_H

#include "plugin.h"

/*
 * What BEVHOST_PLUGIN filled in; the fields;
 * the parameters, copied to an array of ours. Each 0, or -1 with why.
 */
int plugin_check_abi(const struct bevhost_plugin *theirs, char *why,
    size_t size) BEVHOST_MUST_CHECK;
int plugin_check_def(const struct bevhost_plugin *def, char *why,
    size_t size) BEVHOST_MUST_CHECK;
int
plugin_take_params(struct plugin *plugin, const struct bevhost_plugin *theirs,
    char *why, size_t size) BEVHOST_MUST_CHECK;
/* Copies the manifest, after the parameters that it names. Likewise. */
int plugin_take_manifest(struct plugin *plugin,
    const struct bevhost_manifest *theirs, char *why,
    size_t size) BEVHOST_MUST_CHECK;

#endif
