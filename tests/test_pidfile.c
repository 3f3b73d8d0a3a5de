/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pidfiles: who has one, what is not taken for one, and that none is lost or
 * stolen. Locks belong to open files, so one process can be two servers; where
 * its id matters, the other one is a child.
 */
#include "pidfile.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "heard.h"

static char dir[64], path[80], other[80];

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bevhost-test-pidfile-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pid", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
}

static void
teardown(void)
{
	unlink(path);
	unlink(other);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
take(struct pidfile *pidfile, const char *at)
{
	int status;

	listen_to_stderr();
	status = pidfile_take(pidfile, at);
	restore_stderr();
	return status;
}

static struct pidfile
taken(void)
{
	struct pidfile pidfile;

	ck_assert_msg(take(&pidfile, path) == 0, "%s", heard);
	ck_assert_str_eq(heard, "");
	return pidfile;
}

static void
put(const char *at, const char *text)
{
	FILE *file = fopen(at, "we");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static const char *
content(void)
{
	static char text[64];
	FILE *file = fopen(path, "re");
	size_t len;

	if (file == NULL)
		return NULL;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	return text;
}

static const char *
own_text(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	return text;
}

static int
hears(const char *text)
{
	return strstr(heard, text) != NULL;
}

static void
be_quiet(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	close(null);
}

START_TEST(it_has_the_process_id_and_goes_with_the_server)
{
	struct pidfile pidfile;
	struct stat st;
	mode_t before = umask(022);
	pid_t pid;

	pidfile = taken();
	umask(before);
	ck_assert_str_eq(content(), own_text());
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq((int)(st.st_mode & 07777), 0644);
	ck_assert_int_eq(fcntl(pidfile.fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(pidfile_read(path, &pid), 0);
	ck_assert_int_eq(pid, getpid());
	pidfile_release(&pidfile);
	pidfile_release(&pidfile);
	ck_assert_ptr_null(content());
	ck_assert_int_eq(pidfile_read(path, &pid), -ENOENT);
}
END_TEST

START_TEST(the_second_is_told_who_has_it)
{
	struct pidfile pidfile = taken(), second;
	char text[64];

	ck_assert_int_eq(take(&second, path), -EX_UNAVAILABLE);
	ck_assert_int_eq(second.fd, -1);
	snprintf(text, sizeof(text), "process %ld has the pidfile '",
	    (long)getpid());
	ck_assert_msg(hears(text) && hears(path), "%s", heard);
	ck_assert_str_eq(content(), own_text());
	pidfile_release(&second);
	ck_assert_str_eq(content(), own_text());
	pidfile_release(&pidfile);
}
END_TEST

/* Many at once, each in a process of its own that then says so. */
START_TEST(of_many_one_gets_it)
{
	struct pidfile pidfile;
	int i, status, got = 0, go[2], report[2];
	pid_t pids[16];
	char byte;

	ck_assert_int_eq(pipe(go), 0);
	ck_assert_int_eq(pipe(report), 0);
	for (i = 0; i < 16; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		close(go[1]);
		be_quiet();
		/* Together, and none ends before each has tried. */
		(void)!read(go[0], &byte, 1);
		status = pidfile_take(&pidfile, path);
		byte = status == 0 ? 'y' : 'n';
		(void)!write(report[1], &byte, 1);
		if (status == 0)
			pause();
		_exit(status == -EX_UNAVAILABLE ? 0 : 1);
	}
	close(go[0]);
	close(go[1]);
	for (i = 0; i < 16; i++) {
		ck_assert_int_eq(read(report[0], &byte, 1), 1);
		got += byte == 'y';
	}
	ck_assert_int_eq(got, 1);
	for (i = 0; i < 16; i++) {
		pid_t has = 0;

		if (pidfile_read(path, &has) == 0 && has == pids[i])
			kill(pids[i], SIGKILL);
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert(has == pids[i] ? WIFSIGNALED(status) : status == 0);
	}
	close(report[0]);
	close(report[1]);
}
END_TEST

START_TEST(the_file_of_a_dead_server_is_taken_over)
{
	static const char *const texts[] = { "99999\n", "1\n", "1",
		"2147483647\n", "" };
	struct pidfile pidfile;
	pid_t pid;

	put(path, texts[_i]);
	ck_assert_int_eq(pidfile_read(path, &pid), -ESRCH);
	pidfile = taken();
	ck_assert_str_eq(content(), own_text());
	pidfile_release(&pidfile);
	ck_assert_ptr_null(content());
}
END_TEST

START_TEST(what_is_no_pidfile_stays_as_it_is)
{
	static const char *const texts[] = { "text\n", "0\n", "-5\n", "\n",
		"12 monkeys\n", "99999999999999999999\n", "4294967297\n",
		"root:x:0:0:root:/root:/bin/bash\n" };
	struct pidfile pidfile;

	put(path, texts[_i]);
	ck_assert_int_eq(take(&pidfile, path), -EX_CANTCREAT);
	ck_assert_msg(hears("is no pidfile") && hears(path), "%s", heard);
	ck_assert_int_eq(pidfile.fd == -1 || fcntl(pidfile.fd, F_GETFD) < 0, 1);
	ck_assert_str_eq(content(), texts[_i]);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
	struct pidfile pidfile;

	put(other, "");
	if (_i > 0)
		unlink(other);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_eq(take(&pidfile, path), -EX_CANTCREAT);
	ck_assert_msg(hears("a link is not followed"), "%s", heard);
	ck_assert_int_eq(access(other, F_OK), _i > 0 ? -1 : 0);
}
END_TEST

START_TEST(a_folder_a_pipe_and_a_missing_folder_are_refused)
{
	struct pidfile pidfile;
	char missing[96];

	ck_assert_int_eq(take(&pidfile, dir), -EX_CANTCREAT);
	ck_assert_msg(hears(dir), "%s", heard);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(take(&pidfile, path), -EX_CANTCREAT);
	ck_assert_msg(hears("is no pidfile"), "%s", heard);
	snprintf(missing, sizeof(missing), "%s/no/pid", dir);
	ck_assert_int_eq(take(&pidfile, missing), -EX_CANTCREAT);
	ck_assert_msg(hears("its folder must exist"), "%s", heard);
}
END_TEST

START_TEST(only_its_own_file_is_removed)
{
	struct pidfile pidfile = taken();

	ck_assert_int_eq(unlink(path), 0);
	put(path, "77\n");
	pidfile_release(&pidfile);
	ck_assert_str_eq(content(), "77\n");
}
END_TEST

START_TEST(a_file_that_was_replaced_is_anothers_to_take)
{
	struct pidfile old = taken(), pidfile;

	ck_assert_int_eq(rename(path, other), 0);
	pidfile = taken();
	pidfile_release(&old);
	ck_assert_str_eq(content(), own_text());
	pidfile_release(&pidfile);
}
END_TEST

static int
adopt(struct pidfile *pidfile, int fd)
{
	int status;

	listen_to_stderr();
	status = pidfile_adopt(pidfile, path, fd);
	restore_stderr();
	return status;
}

/* What exec leaves: the same open file under the number it had. */
static int
as_after_exec(struct pidfile *before)
{
	int fd = dup(before->fd);

	ck_assert_int_ge(fd, 0);
	close(before->fd);
	before->fd = -1;
	return fd;
}

START_TEST(the_next_program_of_a_process_goes_on_with_it)
{
	struct pidfile before = taken(), pidfile, second;
	struct stat old, new;

	ck_assert_int_eq(stat(path, &old), 0);
	ck_assert_int_eq(adopt(&pidfile, as_after_exec(&before)), 0);
	ck_assert_str_eq(heard, "");
	ck_assert_int_eq(stat(path, &new), 0);
	ck_assert(old.st_ino == new.st_ino);
	ck_assert_str_eq(content(), own_text());
	ck_assert_int_eq(fcntl(pidfile.fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(take(&second, path), -EX_UNAVAILABLE);
	pidfile_release(&pidfile);
	ck_assert_ptr_null(content());
}
END_TEST

START_TEST(a_file_that_is_gone_at_adoption_is_written_anew)
{
	struct pidfile before = taken(), pidfile;
	int fd = as_after_exec(&before);

	ck_assert_int_eq(unlink(path), 0);
	if (_i > 0)
		put(path, "99999\n");
	ck_assert_int_eq(adopt(&pidfile, fd), 0);
	ck_assert_msg(hears("was removed or replaced"), "%s", heard);
	ck_assert_str_eq(content(), own_text());
	pidfile_release(&pidfile);
	ck_assert_ptr_null(content());
}
END_TEST

START_TEST(one_that_another_took_meanwhile_is_not_adopted)
{
	struct pidfile before = taken(), winner, pidfile;
	int fd = as_after_exec(&before);

	ck_assert_int_eq(unlink(path), 0);
	winner = taken();
	ck_assert_int_eq(adopt(&pidfile, fd), -EX_UNAVAILABLE);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_str_eq(content(), own_text());
	pidfile_release(&winner);
}
END_TEST

START_TEST(a_descriptor_that_is_no_pidfile_is_not_adopted)
{
	struct pidfile winner = taken(), pidfile;
	int fd = open(path, O_RDWR | O_CLOEXEC); /* without the lock */

	ck_assert_int_ne(adopt(&pidfile, fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_msg(hears(path), "%s", heard);
	ck_assert_int_ne(adopt(&pidfile, 9999), 0);
	ck_assert_int_eq(pidfile.fd, -1);
	pidfile_release(&winner);
}
END_TEST

START_TEST(another_user_may_not_take_it)
{
	struct pidfile pidfile;
	int status;
	pid_t pid;

	put(path, "1\n");
	pid = fork();
	if (pid == 0) {
		be_quiet();
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(77);
		_exit(-pidfile_take(&pidfile, path));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EX_NOPERM);
	ck_assert_str_eq(content(), "1\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pidfile");
	TCase *tcase = tcase_create("pidfile");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, it_has_the_process_id_and_goes_with_the_server);
	tcase_add_test(tcase, the_second_is_told_who_has_it);
	tcase_add_test(tcase, of_many_one_gets_it);
	tcase_add_loop_test(
	    tcase, the_file_of_a_dead_server_is_taken_over, 0, 5);
	tcase_add_loop_test(tcase, what_is_no_pidfile_stays_as_it_is, 0, 8);
	tcase_add_loop_test(tcase, a_link_is_not_followed, 0, 2);
	tcase_add_test(tcase, a_folder_a_pipe_and_a_missing_folder_are_refused);
	tcase_add_test(tcase, only_its_own_file_is_removed);
	tcase_add_test(tcase, a_file_that_was_replaced_is_anothers_to_take);
	tcase_add_test(tcase, the_next_program_of_a_process_goes_on_with_it);
	tcase_add_loop_test(
	    tcase, a_file_that_is_gone_at_adoption_is_written_anew, 0, 2);
	tcase_add_test(tcase, one_that_another_took_meanwhile_is_not_adopted);
	tcase_add_test(tcase, a_descriptor_that_is_no_pidfile_is_not_adopted);
	if (geteuid() == 0)
		tcase_add_test(tcase, another_user_may_not_take_it);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
