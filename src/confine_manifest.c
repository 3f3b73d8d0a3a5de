/* SPDX-License-Identifier: BSD-2-Clause */
/* What the plugins of a process declare, all together. */
#include <unistd.h>

#include <bevhost/manifest.h>

#include "confine.h"
#include "instance_value.h"
#include "load.h"
#include "sandbox.h"

_Static_assert(SANDBOX_CONNECT == BEVHOST_MANIFEST_CONNECT &&
		   SANDBOX_NAMES == BEVHOST_MANIFEST_NAMES &&
		   SANDBOX_LISTEN == BEVHOST_MANIFEST_LISTEN &&
		   SANDBOX_EXEC == BEVHOST_MANIFEST_EXEC &&
		   SANDBOX_CODE == BEVHOST_MANIFEST_CODE,
    "flags of manifests are those of sandboxes");

static int
confine_add_path(struct sandbox *sandbox, unsigned may, const char *path)
{
	/* What is not there yet is made in its folder. */
	if ((may & SANDBOX_WRITE) && access(path, F_OK) < 0)
		return sandbox_add_folder(sandbox, may, path);
	return sandbox_add(sandbox, may, path);
}

static int
confine_add_paths(struct sandbox *sandbox,
    const struct bevhost_instance *instance, unsigned may,
    const char *const *paths)
{
	const char *value;
	int i, status = 0;

	for (; paths != NULL && *paths != NULL && status == 0; paths++) {
		if ((*paths)[0] != '$') {
			status = confine_add_path(sandbox, may, *paths);
			continue;
		}
		for (i = 0; status == 0 && (value = instance_value(instance,
						*paths + 1, i)) != NULL;
		     i++)
			status = confine_add_path(sandbox, may, value);
	}
	return status;
}

static int
confine_add_instance(
    struct sandbox *sandbox, const struct bevhost_instance *instance)
{
	const struct bevhost_manifest *manifest =
	    instance->plugin->def.manifest;
	unsigned reads = SANDBOX_READ;

	if (manifest == NULL)
		return 0;
	sandbox->may |=
	    manifest->flags & ~(unsigned)BEVHOST_MANIFEST_ONE_WORKER;
	if (manifest->flags & BEVHOST_MANIFEST_EXEC)
		reads |= SANDBOX_RUN;
	if (manifest->writes != NULL && manifest->writes[0] != NULL)
		sandbox->may |= SANDBOX_FILES;
	if (confine_add_paths(sandbox, instance, reads, manifest->reads) < 0)
		return -1;
	return confine_add_paths(
	    sandbox, instance, SANDBOX_WRITE, manifest->writes);
}

int
confine_manifests(struct sandbox *sandbox, const struct load *load)
{
	int i;

	for (i = 0; i < load->count; i++)
		if (confine_add_instance(sandbox, &load->instances[i]) < 0)
			return -1;
	return 0;
}
