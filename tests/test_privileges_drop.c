/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Privileges given away: what is left, that it does not come back, and that a
 * master can still do its work. Each is tried in a child, and needs root.
 */
#include "privileges.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* In a child, where Check's own do not count. */
#define MUST(condition)                                                       \
	do {                                                                  \
		if (!(condition)) {                                           \
			fprintf(                                              \
			    stderr, "# line %d: %s\n", __LINE__, #condition); \
			_exit(1);                                             \
		}                                                             \
	} while (0)

/* Of CAP_NET_BIND_SERVICE, KILL, SETUID, SETGID and DAC_OVERRIDE. */
#define MASTER_CAPS "00000000000004e2"
#define NO_CAPS	    "0000000000000000"

static struct privileges nobody;

static void
setup(void)
{
	const struct passwd *entry = getpwnam("nobody");

	ck_assert_ptr_nonnull(entry);
	nobody.uid = entry->pw_uid;
	nobody.gid = entry->pw_gid;
	nobody.groups[0] = entry->pw_gid;
	nobody.groups[1] = 4711;
	nobody.group_count = 2;
}

static void
run(void (*body)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		body();
		_exit(0);
	}
	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(status == 0, "the child ended with %#x", status);
}

/* The value of a line of /proc/self/status, or of what it was saved as. */
static int
has_status(const char *path, const char *key, const char *value)
{
	char text[4096], line[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	close(fd);
	if (len < 0)
		return 0;
	text[len] = '\0';
	snprintf(line, sizeof(line), "\n%s:\t%s\n", key, value);
	return strstr(text, line) != NULL;
}

static int
has_caps(const char *path, const char *value, const char *bounding)
{
	return has_status(path, "CapInh", NO_CAPS) &&
	       has_status(path, "CapPrm", value) &&
	       has_status(path, "CapEff", value) &&
	       has_status(path, "CapBnd", bounding) &&
	       has_status(path, "CapAmb", NO_CAPS);
}

/* What a program has that is exec'd now: its status, in memory. */
static void
exec_status(char *path, size_t size)
{
	int fd = memfd_create("status", MFD_CLOEXEC), status;
	pid_t child;

	MUST(fd >= 0);
	child = fork();
	if (child == 0) {
		dup2(fd, STDOUT_FILENO);
		execl("/bin/cat", "cat", "/proc/self/status", NULL);
		_exit(1);
	}
	MUST(child > 0);
	MUST(waitpid(child, &status, 0) == child && status == 0);
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

/* A log line is expected: what is said goes nowhere else. */
static int
drop_loudly(const struct privileges *privileges, const char *part)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int memory = memfd_create("stderr", MFD_CLOEXEC), status;
	char heard[512];
	ssize_t len;

	dup2(memory, STDERR_FILENO);
	status = privileges_drop(privileges);
	dup2(saved, STDERR_FILENO);
	len = pread(memory, heard, sizeof(heard) - 1, 0);
	MUST(len > 0);
	heard[len] = '\0';
	MUST(strstr(heard, part) != NULL);
	return status;
}

static void
drop(void)
{
	uid_t uid[3];
	gid_t gid[3], groups[8];
	int i;

	MUST(privileges_drop(&nobody) == 0);
	MUST(getresuid(&uid[0], &uid[1], &uid[2]) == 0);
	MUST(getresgid(&gid[0], &gid[1], &gid[2]) == 0);
	for (i = 0; i < 3; i++)
		MUST(uid[i] == nobody.uid && gid[i] == nobody.gid);
	MUST(getgroups(8, groups) == 2);
	MUST(groups[0] + groups[1] == nobody.gid + 4711);
	MUST(has_caps("/proc/self/status", NO_CAPS, NO_CAPS));
	MUST(has_status("/proc/self/status", "NoNewPrivs", "1"));
}

START_TEST(worker_is_its_user_with_its_groups_and_no_capability)
{
	run(drop);
}
END_TEST

static void
come_back(void)
{
	gid_t group = 0;

	drop();
	MUST(setuid(0) < 0);
	MUST(seteuid(0) < 0);
	MUST(setgid(0) < 0);
	MUST(setgroups(1, &group) < 0);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) < 0);
	MUST(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
}

START_TEST(worker_cannot_come_back)
{
	run(come_back);
}
END_TEST

static void
stay_root(void)
{
	struct privileges root;
	char path[64];

	MUST(privileges_find(&root, NULL, NULL) == 0);
	MUST(privileges_drop(&root) == 0);
	MUST(geteuid() == 0);
	MUST(has_caps("/proc/self/status", NO_CAPS, NO_CAPS));
	exec_status(path, sizeof(path));
	MUST(has_caps(path, NO_CAPS, NO_CAPS));
	MUST(setuid(nobody.uid) < 0);
}

START_TEST(worker_that_stays_root_has_no_capability_not_even_by_exec)
{
	run(stay_root);
}
END_TEST

static void
dump(void)
{
	MUST(prctl(PR_SET_DUMPABLE, 1) == 0);
	drop();
	MUST(prctl(PR_GET_DUMPABLE) == 1);
}

static void
dump_not(void)
{
	MUST(prctl(PR_SET_DUMPABLE, 0) == 0);
	drop();
	MUST(prctl(PR_GET_DUMPABLE) != 1);
}

START_TEST(worker_leaves_a_core_if_it_would_have_left_one)
{
	run(dump);
	run(dump_not);
}
END_TEST

/* As a service manager starts one: a user with a capability. */
static void
become_ambient(int cap)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	data[0].effective = data[0].permitted = data[0].inheritable = 1u << cap;
	MUST(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	MUST(setgroups(1, &nobody.gid) == 0);
	MUST(setgid(nobody.gid) == 0);
	MUST(setuid(nobody.uid) == 0);
	MUST(syscall(SYS_capset, &header, data) == 0);
	MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0);
	MUST(has_status("/proc/self/status", "CapAmb", "0000000000000400"));
}

static void
drop_ambient(void)
{
	struct privileges self;
	char path[64];

	become_ambient(CAP_NET_BIND_SERVICE);
	MUST(privileges_find(&self, "nobody", NULL) == 0);
	MUST(privileges_drop(&self) == 0);
	MUST(has_status("/proc/self/status", "CapPrm", NO_CAPS));
	MUST(has_status("/proc/self/status", "CapInh", NO_CAPS));
	MUST(has_status("/proc/self/status", "CapAmb", NO_CAPS));
	MUST(has_status("/proc/self/status", "NoNewPrivs", "1"));
	exec_status(path, sizeof(path));
	MUST(has_status(path, "CapEff", NO_CAPS));
}

START_TEST(worker_of_a_user_with_capabilities_has_none)
{
	run(drop_ambient);
}
END_TEST

static void
keep_ambient(void)
{
	become_ambient(CAP_NET_BIND_SERVICE);
	MUST(privileges_keep_master() == 0);
	MUST(has_status("/proc/self/status", "CapEff", "0000000000000400"));
	MUST(has_status("/proc/self/status", "CapAmb", "0000000000000400"));
}

START_TEST(master_of_a_user_keeps_what_it_was_given_to_bind)
{
	run(keep_ambient);
}
END_TEST

static void
drop_to_another(void)
{
	struct privileges root = { .uid = 0, .group_count = 1 };

	drop();
	MUST(drop_loudly(&root, "cannot become user 0 and group 0") ==
	     -EX_NOPERM);
}

START_TEST(who_is_not_root_cannot_become_another)
{
	run(drop_to_another);
}
END_TEST

static void
keep(void)
{
	char path[64];

	MUST(privileges_keep_master() == 0);
	MUST(geteuid() == 0);
	MUST(has_caps("/proc/self/status", MASTER_CAPS, MASTER_CAPS));
	MUST(has_status("/proc/self/status", "NoNewPrivs", "0"));
	exec_status(path, sizeof(path));
	MUST(has_caps(path, MASTER_CAPS, MASTER_CAPS));
	/* As after an exec in place. */
	MUST(privileges_keep_master() == 0);
	MUST(has_caps("/proc/self/status", MASTER_CAPS, MASTER_CAPS));
}

START_TEST(master_keeps_five_capabilities_and_gets_no_more_by_exec)
{
	run(keep);
}
END_TEST

static void
start_worker(void)
{
	int status, ready[2];
	pid_t child;

	MUST(pipe2(ready, O_CLOEXEC) == 0);
	MUST(privileges_keep_master() == 0);
	child = fork();
	if (child == 0) {
		MUST(privileges_drop(&nobody) == 0);
		MUST(has_status("/proc/self/status", "CapPrm", NO_CAPS));
		MUST(has_status("/proc/self/status", "NoNewPrivs", "1"));
		MUST(setuid(0) < 0);
		MUST(getuid() == nobody.uid);
		MUST(write(ready[1], "", 1) == 1);
		pause();
		_exit(0);
	}
	MUST(child > 0);
	close(ready[1]);
	MUST(read(ready[0], &status, 1) == 1);
	MUST(kill(child, SIGKILL) == 0);
	MUST(waitpid(child, &status, 0) == child);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(master_starts_and_ends_workers_of_another_user)
{
	run(start_worker);
}
END_TEST

static void
bind_inet(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd, port;

	MUST(privileges_keep_master() == 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* One of them is free. */
	for (port = 1; port < 1024; port++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		in.sin_port = htons((uint16_t)port);
		if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
			return;
		close(fd);
	}
	MUST(port < 1024);
}

START_TEST(master_binds_ports_below_1024)
{
	run(bind_inet);
}
END_TEST

static char folder[64];

/* In a folder of another user: a socket, its mode, and its end. */
static void
bind_unix(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(privileges_keep_master() == 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", folder);
	MUST(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	MUST(chmod(un.sun_path, 0660) == 0);
	MUST(unlink(un.sun_path) == 0);
}

START_TEST(master_makes_its_files_in_the_folder_of_another_user)
{
	snprintf(folder, sizeof(folder), "/tmp/test_privileges-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chown(folder, nobody.uid, nobody.gid), 0);
	run(bind_unix);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

static void
add_worker(Suite *suite)
{
	TCase *tcase = tcase_create("worker");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(
	    tcase, worker_is_its_user_with_its_groups_and_no_capability);
	tcase_add_test(tcase, worker_cannot_come_back);
	tcase_add_test(
	    tcase, worker_that_stays_root_has_no_capability_not_even_by_exec);
	tcase_add_test(tcase, worker_leaves_a_core_if_it_would_have_left_one);
	tcase_add_test(tcase, worker_of_a_user_with_capabilities_has_none);
	tcase_add_test(tcase, who_is_not_root_cannot_become_another);
	suite_add_tcase(suite, tcase);
}

static void
add_master(Suite *suite)
{
	TCase *tcase = tcase_create("master");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(
	    tcase, master_keeps_five_capabilities_and_gets_no_more_by_exec);
	tcase_add_test(tcase, master_starts_and_ends_workers_of_another_user);
	tcase_add_test(tcase, master_binds_ports_below_1024);
	tcase_add_test(
	    tcase, master_makes_its_files_in_the_folder_of_another_user);
	tcase_add_test(tcase, master_of_a_user_keeps_what_it_was_given_to_bind);
	suite_add_tcase(suite, tcase);
}

/* Root may have been left with little, as in a container. */
static int
has_all_it_takes(void)
{
	static const int caps[] = { CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_KILL,
		CAP_SETUID, CAP_SETGID, CAP_DAC_OVERRIDE, CAP_CHOWN };
	size_t i;

	if (geteuid() != 0)
		return 0;
	for (i = 0; i < COUNT(caps); i++)
		if (prctl(PR_CAPBSET_READ, caps[i]) != 1)
			return 0;
	return 1;
}

int
main(void)
{
	Suite *suite;

	if (!has_all_it_takes()) {
		puts("1..0 # SKIP it needs root, with root's capabilities");
		return 0;
	}
	suite = suite_create("privileges_drop");
	add_worker(suite);
	add_master(suite);
	return tap_run(suite);
}
