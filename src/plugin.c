/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a word to a loaded plugin. The file is copied first, so that whoever
 * overwrites or truncates it cannot reach into a running process, and is
 * never unloaded: a callback may still be on its way. What does not fit this
 * host is refused with the difference.
 */
#include "plugin_load.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "call.h"
#include "copy.h"
#include "image.h"
#include "log.h"
#include "near.h"
#include "plugin_check.h"
#include "symbol.h"
#include "trust.h"

static struct plugin *plugin_loaded;

int
plugin_dirs_init(struct plugin_dirs *dirs, const char *dir)
{
	const char *path = getenv("BEVHOST_PLUGIN_PATH");
	const int max = (int)(sizeof(dirs->dirs) / sizeof(dirs->dirs[0]));
	char *word, *rest;
	struct stat st;

	memset(dirs, 0, sizeof(*dirs));
	if (dir != NULL) {
		if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
			errno = ENOTDIR;
		else if (access(dir, R_OK | X_OK) == 0)
			errno = 0;
		if (errno != 0) {
			log_write(BEVHOST_LOG_ERROR, NULL,
			    "cannot look for plugins in '%s': %m", dir);
			return -EX_NOINPUT;
		}
		dirs->dirs[dirs->count++] = dir;
	}
	if (path != NULL) {
		dirs->split = strdup(path);
		if (dirs->split == NULL) {
			log_write(BEVHOST_LOG_ERROR, NULL, "%m");
			return -EX_OSERR;
		}
		for (word = strtok_r(dirs->split, ":", &rest);
		     word != NULL && dirs->count < max - 1;
		     word = strtok_r(NULL, ":", &rest))
			dirs->dirs[dirs->count++] = word;
	}
	dirs->dirs[dirs->count++] = PLUGINDIR;
	return 0;
}

void
plugin_dirs_clear(struct plugin_dirs *dirs)
{
	free(dirs->split);
	memset(dirs, 0, sizeof(*dirs));
}

static int
plugin_is_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 3 && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + len - 3, ".so") == 0;
}

void
plugin_each(const struct plugin_dirs *dirs,
    void (*on_name)(const char *name, const char *path, void *arg), void *arg)
{
	char name[NAME_MAX + 1], path[PATH_MAX];
	struct dirent **entries;
	int i, j, count;

	for (i = 0; i < dirs->count; i++) {
		count =
		    scandir(dirs->dirs[i], &entries, plugin_is_file, alphasort);
		for (j = 0; j < count; j++) {
			snprintf(name, sizeof(name), "%.*s",
			    (int)strlen(entries[j]->d_name) - 3,
			    entries[j]->d_name);
			snprintf(path, sizeof(path), "%s/%s", dirs->dirs[i],
			    entries[j]->d_name);
			on_name(name, path, arg);
			free(entries[j]);
		}
		if (count >= 0)
			free(entries);
	}
}

static void
plugin_on_near(const char *name, const char *path, void *arg)
{
	(void)path;
	near_offer(arg, name);
}

static void
plugin_say_missing(const struct plugin_dirs *dirs, const char *word)
{
	struct near near = { .word = word };
	char hint[PATH_MAX + 96], where[1024] = "";
	size_t used = 0;
	int i;

	plugin_each(dirs, plugin_on_near, &near);
	near_text(&near, hint, sizeof(hint));
	if (hint[0] == '\0' && access(word, F_OK) == 0)
		snprintf(hint, sizeof(hint), ", did you mean the file './%s'?",
		    word);
	for (i = 0; i < dirs->count && used < sizeof(where) - 1; i++)
		used += (size_t)snprintf(where + used, sizeof(where) - used,
		    "%s%s", i ? ", " : "", dirs->dirs[i]);
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "there is no plugin '%s'%s (looked in %s; --list-plugins says "
	    "which there are)",
	    word, hint, where);
}

/* Opens the file of word, its path in *path (to be freed), or logs. */
static int
plugin_find(const struct plugin_dirs *dirs, const char *word, char **path)
{
	int fd, i;

	if (strchr(word, '/') != NULL) {
		*path = strdup(word);
		fd = *path ? open(word, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
		if (fd < 0)
			log_write(
			    BEVHOST_LOG_ERROR, NULL, "plugin '%s': %m", word);
		return fd;
	}
	for (i = 0; i < dirs->count; i++) {
		if (asprintf(path, "%s/%s.so", dirs->dirs[i], word) < 0)
			break;
		fd = open(*path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT && errno != ENOTDIR) {
			log_write(
			    BEVHOST_LOG_ERROR, NULL, "plugin '%s': %m", *path);
			return -1;
		}
		free(*path);
	}
	*path = NULL;
	plugin_say_missing(dirs, word);
	return -1;
}

/* What dlopen says, without the name of the copy, and clearer. */
static void
plugin_say_load(const char *path, const char *copy, const char *error)
{
	static const char undefined[] = "undefined symbol: ";
	const char *symbol = strstr(error, undefined);
	size_t copy_len = strlen(copy);

	if (symbol != NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "plugin '%s' needs the function '%s', which neither this "
		    "host nor a library of the plugin has",
		    path, symbol + sizeof(undefined) - 1);
		return;
	}
	if (strncmp(error, copy, copy_len) == 0 && error[copy_len] == ':')
		error += copy_len + 2;
	log_write(BEVHOST_LOG_ERROR, NULL, "plugin '%s' cannot be loaded: %s",
	    path, error);
}

/* The copy is what is checked: the file may change between two looks. */
static int
plugin_check_copy(const char *copy, const char *path)
{
	int fd = open(copy, O_RDONLY | O_CLOEXEC), status;
	char why[512];

	if (fd < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "plugin '%s': its private copy '%s': %m", path, copy);
		return -1;
	}
	status = image_check(fd, why, sizeof(why));
	if (status < 0)
		log_write(BEVHOST_LOG_ERROR, NULL, "plugin '%s' %s", path, why);
	close(fd);
	return status;
}

/* Code of the plugin runs here: its constructors, and its init. */
static struct bevhost_plugin *
plugin_run_init(const char *copy, const char *path)
{
	struct bevhost_plugin *(*init)(void);
	void *object = dlopen(copy, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	struct bevhost_plugin *theirs;
	void *symbol;

	if (object == NULL) {
		plugin_say_load(path, copy, dlerror());
		return NULL;
	}
	symbol_scan();
	symbol = dlsym(object, "bevhost_plugin_init");
	if (symbol == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "'%s' is no plugin: it has no bevhost_plugin_init (does "
		    "its source end with BEVHOST_PLUGIN(...)?)",
		    path);
		return NULL;
	}
	memcpy(&init, &symbol, sizeof(init));
	theirs = init();
	if (theirs == NULL)
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "plugin '%s': bevhost_plugin_init returned no plugin",
		    path);
	return theirs;
}

static struct bevhost_plugin *
plugin_open(struct plugin *plugin, int fd)
{
	const char *path = plugin->path;
	const struct call loading = { .callback = "load", .file = path };
	char copy[PATH_MAX];
	const char *base = strrchr(path, '/');
	struct bevhost_plugin *theirs;
	struct call before;

	if (copy_make(fd, base ? base + 1 : path, copy, sizeof(copy)) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "plugin '%s': no private copy of it can be made: %m", path);
		return NULL;
	}
	if (plugin_check_copy(copy, path) < 0)
		return NULL;
	plugin->copy = strdup(copy);
	symbol_alias(copy, path);
	before = call_swap(loading);
	theirs = plugin_run_init(copy, path);
	call_leave(before);
	return theirs;
}

static int
plugin_take(struct plugin *plugin, int fd, char *why, size_t size)
{
	struct bevhost_plugin *theirs = plugin_open(plugin, fd);
	const struct bevhost_manifest *manifest;

	why[0] = '\0';
	if (theirs == NULL || plugin_check_abi(theirs, why, size) < 0)
		return -1;
	plugin->struct_size = theirs->struct_size;
	memcpy(&plugin->def, theirs,
	    plugin->struct_size < sizeof(plugin->def) ? plugin->struct_size
						      : sizeof(plugin->def));
	manifest = plugin->def.manifest;
	plugin->def.manifest = NULL;
	if (plugin_check_def(&plugin->def, why, size) < 0)
		return -1;
	if (plugin_take_params(plugin, theirs, why, size) < 0)
		return -1;
	return plugin_take_manifest(plugin, manifest, why, size);
}

static void
plugin_free(struct plugin *plugin)
{
	free((void *)(uintptr_t)plugin->def.manifest);
	free(plugin->params);
	free(plugin->copy);
	free(plugin->path);
	free(plugin);
}

/* Files that were found before, by another process of this generation. */
struct plugin_file {
	struct plugin_file *next;
	char *word, *path;
	int fd;
};

static struct plugin_file *plugin_provided;

void
plugin_provide(const char *word, const char *path, int fd)
{
	struct plugin_file *file = calloc(1, sizeof(*file));

	if (file != NULL) {
		file->word = strdup(word);
		file->path = strdup(path);
		file->fd = fd;
		file->next = plugin_provided;
		if (file->word != NULL && file->path != NULL) {
			plugin_provided = file;
			return;
		}
		free(file->word);
		free(file->path);
		free(file);
	}
	log_write(BEVHOST_LOG_WARNING, NULL, "plugin '%s': %m", path);
	close(fd);
}

void
plugin_forget_provided(void)
{
	struct plugin_file *file;

	while ((file = plugin_provided) != NULL) {
		plugin_provided = file->next;
		close(file->fd);
		free(file->word);
		free(file->path);
		free(file);
	}
}

/* As plugin_find(), of one that was provided; *provided is 0 if none was. */
static int
plugin_find_provided(const char *word, char **path, int *provided)
{
	const struct plugin_file *file = plugin_provided;
	int fd;

	while (file != NULL && strcmp(file->word, word) != 0)
		file = file->next;
	*provided = file != NULL;
	if (file == NULL)
		return -1;
	*path = strdup(file->path);
	fd = *path != NULL ? fcntl(file->fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd < 0)
		log_write(BEVHOST_LOG_ERROR, NULL, "plugin '%s': %m", word);
	return fd;
}

static struct plugin *
plugin_known(const char *path)
{
	struct plugin *plugin;

	for (plugin = plugin_loaded; plugin != NULL; plugin = plugin->next)
		if (strcmp(plugin->path, path) == 0)
			return plugin;
	return NULL;
}

struct plugin *
plugin_load(const struct plugin_dirs *dirs, const char *word)
{
	struct plugin *plugin;
	char why[512] = "", *path = NULL;
	int provided, fd = plugin_find_provided(word, &path, &provided);

	if (!provided)
		fd = plugin_find(dirs, word, &path);
	if (fd < 0) {
		free(path);
		return NULL;
	}
	plugin = plugin_known(path);
	if (plugin != NULL) {
		free(path);
		close(fd);
		return plugin;
	}
	plugin = calloc(1, sizeof(*plugin));
	if (plugin == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "plugin '%s': %m", path);
		free(path);
		close(fd);
		return NULL;
	}
	plugin->path = path;
	if ((!provided && trust_check(fd, path, why, sizeof(why)) < 0) ||
	    plugin_take(plugin, fd, why, sizeof(why)) < 0) {
		if (why[0] != '\0')
			log_write(BEVHOST_LOG_ERROR, NULL, "plugin '%s' %s",
			    path, why);
		plugin_free(plugin);
		plugin = NULL;
	} else {
		plugin->next = plugin_loaded;
		plugin_loaded = plugin;
	}
	close(fd);
	return plugin;
}

void
plugin_remove_copies(void)
{
	copy_remove_all();
}
