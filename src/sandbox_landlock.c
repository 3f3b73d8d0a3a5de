/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files, ports, signals and abstract sockets, by Landlock. It has no library:
 * the three system calls are made here, with what <linux/landlock.h> says of
 * them, newer than the header may be. An older kernel does with less.
 *
 * A thread has its own domain and hands it to those that it makes; threads
 * that were there before take the same rules by sandbox_enter_thread().
 */
#include "sandbox_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same on all machines that have it. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

#define LANDLOCK_VERSION   (1u << 0) /* the flag that asks for the ABI */
#define LANDLOCK_RULE_PATH 1
#define LANDLOCK_RULE_PORT 2

#define LANDLOCK_EXECUTE     (UINT64_C(1) << 0)
#define LANDLOCK_WRITE_FILE  (UINT64_C(1) << 1)
#define LANDLOCK_READ_FILE   (UINT64_C(1) << 2)
#define LANDLOCK_READ_DIR    (UINT64_C(1) << 3)
#define LANDLOCK_REMOVE_DIR  (UINT64_C(1) << 4)
#define LANDLOCK_REMOVE_FILE (UINT64_C(1) << 5)
#define LANDLOCK_MAKE_CHAR   (UINT64_C(1) << 6)
#define LANDLOCK_MAKE_REG    (UINT64_C(1) << 8)
#define LANDLOCK_MAKE_BLOCK  (UINT64_C(1) << 11)
#define LANDLOCK_FS_1	     ((UINT64_C(1) << 13) - 1) /* all of ABI 1 */
#define LANDLOCK_REFER	     (UINT64_C(1) << 13)       /* ABI 2 */
#define LANDLOCK_TRUNCATE    (UINT64_C(1) << 14)       /* ABI 3 */
#define LANDLOCK_IOCTL_DEV   (UINT64_C(1) << 15)       /* ABI 5 */
/* What can be allowed for what is no folder. */
#define LANDLOCK_OF_FILES                                              \
	(LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | \
	    LANDLOCK_TRUNCATE | LANDLOCK_IOCTL_DEV)

#define LANDLOCK_BIND_TCP    (UINT64_C(1) << 0) /* ABI 4 */
#define LANDLOCK_CONNECT_TCP (UINT64_C(1) << 1)

#define LANDLOCK_SCOPE_ABSTRACT (UINT64_C(1) << 0) /* ABI 6 */
#define LANDLOCK_SCOPE_SIGNAL	(UINT64_C(1) << 1)

#define LANDLOCK_PORT_OF_NAMES 53

struct landlock_ruleset {
	uint64_t fs, net, scoped;
};

struct landlock_path {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

struct landlock_port {
	uint64_t allowed, port;
};

static int landlock_kept = -1; /* for threads that were there before */

static uint64_t
landlock_fs(int abi)
{
	return LANDLOCK_FS_1 | (abi >= 2 ? LANDLOCK_REFER : 0) |
	       (abi >= 3 ? LANDLOCK_TRUNCATE : 0) |
	       (abi >= 5 ? LANDLOCK_IOCTL_DEV : 0);
}

static uint64_t
landlock_net(unsigned may)
{
	return (may & SANDBOX_LISTEN ? 0 : LANDLOCK_BIND_TCP) |
	       (may & SANDBOX_CONNECT ? 0 : LANDLOCK_CONNECT_TCP);
}

static uint64_t
landlock_scoped(unsigned may)
{
	return (may & SANDBOX_CONNECT ? 0 : LANDLOCK_SCOPE_ABSTRACT) |
	       (may & SANDBOX_CHILD ? 0 : LANDLOCK_SCOPE_SIGNAL);
}

/* An older kernel takes a shorter struct, if the rest of it is zero. */
static int
landlock_make(unsigned may, int abi, uint64_t *fs)
{
	struct landlock_ruleset ruleset = { .fs = landlock_fs(abi) };
	size_t size = sizeof(ruleset.fs);

	*fs = ruleset.fs;
	if (abi >= 4) {
		ruleset.net = landlock_net(may);
		size += sizeof(ruleset.net);
	}
	if (abi >= 6) {
		ruleset.scoped = landlock_scoped(may);
		size += sizeof(ruleset.scoped);
	}
	return (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
}

static uint64_t
landlock_rights(unsigned may)
{
	uint64_t rights = 0;

	if (may & (SANDBOX_READ | SANDBOX_WRITE | SANDBOX_RUN))
		rights |= LANDLOCK_READ_FILE | LANDLOCK_READ_DIR;
	if (may & SANDBOX_WRITE)
		rights |=
		    (LANDLOCK_FS_1 & ~(LANDLOCK_EXECUTE | LANDLOCK_MAKE_CHAR |
					 LANDLOCK_MAKE_BLOCK)) |
		    LANDLOCK_REFER | LANDLOCK_TRUNCATE;
	if (may & SANDBOX_ADD)
		rights |=
		    LANDLOCK_MAKE_REG | LANDLOCK_WRITE_FILE | LANDLOCK_TRUNCATE;
	if (may & SANDBOX_REMOVE)
		rights |= LANDLOCK_REMOVE_FILE;
	if (may & SANDBOX_REMOVE_DIR)
		rights |= LANDLOCK_REMOVE_DIR;
	if (may & SANDBOX_RUN)
		rights |= LANDLOCK_EXECUTE;
	return rights;
}

/* What is not there needs no rule. */
static int
landlock_add(int ruleset, uint64_t fs, const struct sandbox_path *path)
{
	struct landlock_path rule = {
		.allowed = landlock_rights(path->may) & fs,
		.fd = open(path->path, O_PATH | O_CLOEXEC),
	};
	struct stat st;
	int status = 0;

	if (rule.fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= LANDLOCK_OF_FILES;
	/* The kernel's own descriptors (pipes, sockets) take no rule. */
	if (rule.allowed != 0 &&
	    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH, &rule,
		0) < 0 &&
	    errno != EBADFD)
		status = -errno;
	close(rule.fd);
	return status;
}

static int
landlock_add_names(int ruleset, unsigned may, int abi)
{
	struct landlock_port rule = {
		.allowed = LANDLOCK_CONNECT_TCP,
		.port = LANDLOCK_PORT_OF_NAMES,
	};

	if (abi < 4 || (may & SANDBOX_CONNECT) || !(may & SANDBOX_NAMES))
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PORT,
		   &rule, 0) < 0
		   ? -errno
		   : 0;
}

static int
landlock_fill(int ruleset, const struct sandbox *sandbox, uint64_t fs, int abi)
{
	const struct sandbox_path *path = sandbox->paths;
	int status = landlock_add_names(ruleset, sandbox->may, abi);

	for (; path != NULL && status == 0; path = path->next)
		status = landlock_add(ruleset, fs, path);
	return status;
}

static int
landlock_restrict(int ruleset)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return -errno;
	return 0;
}

int
sandbox_landlock_enter(const struct sandbox *sandbox, int *abi)
{
	int ruleset, status;
	uint64_t fs;

	*abi = (int)syscall(
	    SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	if (*abi < 0)
		return -errno;
	ruleset = landlock_make(sandbox->may, *abi, &fs);
	if (ruleset < 0)
		return -errno;
	status = landlock_fill(ruleset, sandbox, fs, *abi);
	if (status == 0)
		status = landlock_restrict(ruleset);
	if (status == 0)
		landlock_kept = ruleset;
	else
		close(ruleset);
	return status;
}

void
sandbox_landlock_enter_thread(void)
{
	if (landlock_kept >= 0)
		(void)!landlock_restrict(landlock_kept);
}
