/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whom the launcher becomes, before it runs anything: it keeps nothing that
 * the programs are not to have. As that user it looks whether they can run.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec.h"

#define EXEC_FIRST_LINE 256

static int
exec_wrong(char *why, const char *what, const char *name, const char *remedy)
{
	snprintf(why, EXEC_TEXT_SIZE, "%s '%s': %s%s%s", what, name,
	    strerror(errno), remedy[0] != '\0' ? ": " : "", remedy);
	return -1;
}

/*
 * Ambient ones go with those that are permitted. What root executes would get
 * all of them again: no_new_privs sees to that, unless it is not wanted.
 */
static int
exec_drop_capabilities(const struct exec *exec)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	if (geteuid() == 0 && exec->gains &&
	    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0,
		0) < 0)
		return -1;
	return (int)syscall(SYS_capset, &header, none);
}

static int
exec_change_user(
    const struct exec *exec, const struct exec_user *user, char *why)
{
	int is_other = user->uid != geteuid() || user->gid != getegid();
	char number[32];

	snprintf(number, sizeof(number), "%u", (unsigned)user->uid);
	if ((geteuid() == 0 || is_other) &&
	    (setgroups((size_t)user->group_count, user->groups) < 0 ||
		setresgid(user->gid, user->gid, user->gid) < 0 ||
		setresuid(user->uid, user->uid, user->uid) < 0))
		return exec_wrong(why, "cannot become user", number,
		    "start bevhost as root, or without user= and group=");
	/* As a worker has none; root's are asked for. */
	if ((user->uid != 0 || !user->is_asked) &&
	    exec_drop_capabilities(exec) < 0)
		return exec_wrong(
		    why, "cannot drop capabilities of user", number, "");
	return 0;
}

/* What a script's first line names. */
static int
exec_check_interpreter(const struct exec *exec, char *why)
{
	char line[EXEC_FIRST_LINE], *word;
	int fd = open(exec->path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;

	if (fd >= 0)
		close(fd);
	/* It may be run by those who cannot read it. */
	if (len < 2 || line[0] != '#' || line[1] != '!')
		return 0;
	line[len] = '\0';
	word = line + 2 + strspn(line + 2, " \t");
	word[strcspn(word, " \t\r\n")] = '\0';
	if (access(word, X_OK) == 0)
		return 0;
	snprintf(why, EXEC_TEXT_SIZE,
	    "program '%s' wants to be run by '%s', which its first line names: "
	    "%s",
	    exec->program, word, strerror(errno));
	return -1;
}

static int
exec_check_program(const struct exec *exec, char *why)
{
	char remedy[128];

	snprintf(remedy, sizeof(remedy),
	    "let user %u run it, and search each folder above it",
	    (unsigned)geteuid());
	if (exec->folder != NULL && chdir(exec->folder) < 0)
		return exec_wrong(why, "cannot work in chdir", exec->folder,
		    "name a folder that the program's user may enter");
	if (faccessat(AT_FDCWD, exec->path, X_OK, AT_EACCESS) < 0)
		return exec_wrong(
		    why, "cannot run program", exec->path, remedy);
	return exec_check_interpreter(exec, why);
}

int
exec_become(const struct exec *exec, const struct exec_user *user, char *why)
{
	if (exec_change_user(exec, user, why) < 0)
		return -1;
	if (!exec->gains && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return exec_wrong(why, "cannot set", "no_new_privs", "");
	if (exec->umask >= 0)
		umask((mode_t)exec->umask);
	/* Programs of the same user are not to look into it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return exec_check_program(exec, why);
}
