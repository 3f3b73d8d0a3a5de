/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the parameters to what is run: the program's file, its words, its
 * environment, its user. What is wrong is said before anybody connects.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bevhost/plugin.h>

#include "exec.h"

#define EXEC_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define EXEC_SHELL "/bin/sh"

/* Lists */

int
exec_words_add(struct exec_words *words, const char *text)
{
	char **grown =
	    realloc(words->words, (words->count + 2) * sizeof(*words->words));

	if (grown == NULL)
		return -1;
	words->words = grown;
	grown[words->count] = strdup(text);
	if (grown[words->count] == NULL)
		return -1;
	grown[++words->count] = NULL;
	return 0;
}

void
exec_words_clear(struct exec_words *words)
{
	while (words->count > 0)
		free(words->words[--words->count]);
	free(words->words);
	words->words = NULL;
}

static int
exec_no_memory(void)
{
	bevhost_error("no memory");
	return -1;
}

/* The program */

static const char *
exec_search_path(void)
{
	const char *path = getenv("PATH");

	return path != NULL && path[0] != '\0' ? path : EXEC_PATH;
}

/* In the folders of PATH. NULL when there is none, or no memory. */
static char *
exec_search(const char *name)
{
	const char *folder = exec_search_path(), *end;
	struct stat st;
	char *path;

	for (; *folder != '\0'; folder = *end == ':' ? end + 1 : end) {
		end = folder + strcspn(folder, ":");
		if (folder[0] == '/' &&
		    asprintf(&path, "%.*s/%s", (int)(end - folder), folder,
			name) >= 0) {
			if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
			    access(path, X_OK) == 0)
				return path;
			free(path);
		}
	}
	return NULL;
}

/* With chdir= it would be another file. */
static char *
exec_absolute(const char *name)
{
	char *folder, *path = NULL;

	if (name[0] == '/')
		return strdup(name);
	folder = getcwd(NULL, 0);
	if (folder != NULL && asprintf(&path, "%s/%s", folder, name) < 0)
		path = NULL;
	free(folder);
	return path;
}

static int
exec_check_file(const struct exec *exec)
{
	struct stat st;

	if (stat(exec->path, &st) < 0)
		bevhost_error("program '%s': %m: name a program that is there",
		    exec->program);
	else if (S_ISDIR(st.st_mode))
		bevhost_error("program '%s' is a folder: name a file in it",
		    exec->program);
	else if (!S_ISREG(st.st_mode))
		bevhost_error(
		    "program '%s' is no file: name one", exec->program);
	else if ((st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		bevhost_error("program '%s' may not be run by anybody: "
			      "chmod +x %s",
		    exec->program, exec->path);
	else
		return 0;
	return -1;
}

static int
exec_find_program(struct exec *exec)
{
	const char *slash = strrchr(exec->program, '/');

	exec->name =
	    slash != NULL && slash[1] != '\0' ? slash + 1 : exec->program;
	if (exec->shell) {
		exec->name = "sh";
		exec->path = strdup(EXEC_SHELL);
	} else if (slash != NULL) {
		exec->path = exec_absolute(exec->program);
	} else {
		exec->path = exec_search(exec->program);
		if (exec->path == NULL) {
			bevhost_error("program '%s' is in no folder of PATH "
				      "(%s): give its path",
			    exec->program, exec_search_path());
			return -1;
		}
	}
	return exec->path != NULL ? exec_check_file(exec) : exec_no_memory();
}

static int
exec_make_argv(struct exec *exec)
{
	size_t i;
	int status = 0;

	if (exec->shell)
		status = exec_words_add(&exec->argv, "sh") < 0 ||
			 exec_words_add(&exec->argv, "-c") < 0 ||
			 exec_words_add(&exec->argv, exec->program) < 0 ||
			 exec_words_add(&exec->argv, "sh") < 0;
	else
		status = exec_words_add(&exec->argv, exec->program) < 0;
	for (i = 0; status == 0 && i < exec->args.count; i++)
		status = exec_words_add(&exec->argv, exec->args.words[i]) < 0;
	return status == 0 ? 0 : exec_no_memory();
}

/* The user */

/* A number stands for itself. */
static int
exec_parse_id(const char *text, unsigned *id)
{
	char *end;
	unsigned long number;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || number >= UINT32_MAX)
		return -1;
	*id = (unsigned)number;
	return 0;
}

static int
exec_find_group(struct exec *exec)
{
	const struct group *group = getgrnam(exec->group_name);

	if (group != NULL) {
		exec->user.gid = group->gr_gid;
	} else if (exec_parse_id(exec->group_name, &exec->user.gid) < 0) {
		bevhost_error("group '%s' does not exist: name one of "
			      "/etc/group, or its number",
		    exec->group_name);
		return -1;
	}
	return 0;
}

/* With all groups that it is a member of. *found is NULL for a bare number. */
static int
exec_find_user(struct exec *exec, const struct passwd **found)
{
	const struct passwd *entry = getpwnam(exec->user_name);
	struct exec_user *user = &exec->user;

	if (entry == NULL && exec_parse_id(exec->user_name, &user->uid) == 0) {
		entry = getpwuid(user->uid);
		user->gid = user->uid;
	} else if (entry == NULL) {
		bevhost_error("user '%s' does not exist: name one of "
			      "/etc/passwd, or its number",
		    exec->user_name);
		return -1;
	}
	*found = entry;
	if (entry == NULL)
		return 0;
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	user->group_count = EXEC_GROUPS_MAX;
	if (getgrouplist(entry->pw_name, entry->pw_gid, user->groups,
		&user->group_count) >= 0)
		return 0;
	bevhost_error("user '%s' is in more than %d groups: take another",
	    exec->user_name, EXEC_GROUPS_MAX);
	return -1;
}

static int
exec_find_whom(struct exec *exec, const struct passwd **entry)
{
	struct exec_user *user = &exec->user;

	*entry = NULL;
	user->is_asked = exec->user_name != NULL;
	user->uid = geteuid();
	user->gid = getegid();
	if (exec->user_name != NULL && exec_find_user(exec, entry) < 0)
		return -1;
	if (exec->group_name != NULL && exec_find_group(exec) < 0)
		return -1;
	if (geteuid() == 0 ||
	    (user->uid == geteuid() && user->gid == getegid()))
		return 0;
	bevhost_error("only root runs programs as another user: start bevhost "
		      "as root, or leave user= and group= away");
	return -1;
}

/* The environment */

/* Of a name that comes twice some programs take the first, others the last. */
static int
exec_has_env(const struct exec *exec, const char *name)
{
	size_t len = strcspn(name, "="), i;

	for (i = 0; i < exec->environment.count; i++)
		if (strncmp(exec->environment.words[i], name, len) == 0 &&
		    exec->environment.words[i][len] == '=')
			return 1;
	return 0;
}

/* Unless it is there. */
static int
exec_add_pair(struct exec *exec, const char *name, const char *value)
{
	char *text;
	int status;

	if (value == NULL || exec_has_env(exec, name))
		return 0;
	if (asprintf(&text, "%s=%s", name, value) < 0)
		return -1;
	status = exec_words_add(&exec->environment, text);
	free(text);
	return status;
}

/* Also of one that the host has not. */
static int
exec_gives_before(const struct exec *exec, size_t index)
{
	const char *text = exec->env.words[index];
	size_t len = strcspn(text, "="), i;

	for (i = 0; i < index; i++)
		if (strcspn(exec->env.words[i], "=") == len &&
		    strncmp(exec->env.words[i], text, len) == 0)
			return 1;
	return 0;
}

/* NAME=VALUE, or NAME alone, which is as the host has it. */
static int
exec_add_env(struct exec *exec, size_t index)
{
	const char *text = exec->env.words[index];

	if (exec_vars_has(text)) {
		bevhost_error("env '%s' is what a program is told of its "
			      "connection: leave it away",
		    text);
		return -EINVAL;
	}
	if (exec_gives_before(exec, index)) {
		bevhost_error("env '%s': its name is given twice", text);
		return -EINVAL;
	}
	if (strchr(text, '=') != NULL)
		return exec_words_add(&exec->environment, text);
	return exec_add_pair(exec, text, getenv(text));
}

static int
exec_make_environment(struct exec *exec, const struct passwd *entry)
{
	static const char *const kept[] = { "TZ", "LANG", "LC_ALL", "LC_CTYPE",
		"LC_MESSAGES", NULL };
	size_t i;
	int status = 0;

	for (i = 0; status == 0 && i < exec->env.count; i++)
		status = exec_add_env(exec, i);
	if (status == 0)
		status = exec_add_pair(exec, "PATH", exec_search_path());
	for (i = 0; status == 0 && kept[i] != NULL; i++)
		status = exec_add_pair(exec, kept[i], getenv(kept[i]));
	if (status == 0 && entry != NULL)
		status =
		    exec_add_pair(exec, "HOME", entry->pw_dir) < 0 ||
			    exec_add_pair(exec, "USER", entry->pw_name) < 0 ||
			    exec_add_pair(exec, "LOGNAME", entry->pw_name) <
				0 ||
			    exec_add_pair(exec, "SHELL", entry->pw_shell) < 0
			? -1
			: 0;
	return status == 0 || status == -EINVAL ? status : exec_no_memory();
}

int
exec_config(struct exec *exec)
{
	const struct passwd *entry;

	if (exec_find_program(exec) < 0 || exec_make_argv(exec) < 0 ||
	    exec_find_whom(exec, &entry) < 0)
		return -1;
	return exec_make_environment(exec, entry);
}

void
exec_config_clear(struct exec *exec)
{
	exec_words_clear(&exec->args);
	exec_words_clear(&exec->env);
	exec_words_clear(&exec->argv);
	exec_words_clear(&exec->environment);
	free(exec->path);
	exec->path = NULL;
}
