/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pidfile: who gets it, what the others are told, what is never written
 * over, and that it outlives an exec but not its process.
 */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "heard.h"
#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RACERS	     4
#define RACES	     25

static char folder[64], path[96], other[96];

static void
setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/test_pidfile-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pid", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
}

static void
teardown(void)
{
	unlink(path);
	rmdir(path);
	unlink(other);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int
take(struct pidfile *pidfile)
{
	int status;

	listen_to_stderr();
	status = pidfile_take(pidfile, path);
	restore_stderr();
	return status;
}

static int
adopt(struct pidfile *pidfile, int fd)
{
	int status;

	listen_to_stderr();
	status = pidfile_adopt(pidfile, path, fd);
	restore_stderr();
	return status;
}

static void
write_file(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static size_t
read_file(char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	ck_assert_int_ge(fd, 0);
	len = read(fd, text, size - 1);
	close(fd);
	ck_assert_int_ge(len, 0);
	text[len] = '\0';
	return (size_t)len;
}

static void
assert_ours(const struct pidfile *pidfile)
{
	char text[64], expected[64];

	ck_assert_int_ge(pidfile->fd, 0);
	ck_assert_int_eq(fcntl(pidfile->fd, F_GETFD), FD_CLOEXEC);
	read_file(text, sizeof(text));
	snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());
	ck_assert_str_eq(text, expected);
}

static void
assert_heard(const char *part)
{
	ck_assert_msg(
	    strstr(heard, part) != NULL, "'%s' is not in '%s'", part, heard);
}

static void
assert_refused(const struct pidfile *pidfile, int status, const char *part)
{
	ck_assert_int_lt(status, 0);
	ck_assert_int_eq(pidfile->fd, -1);
	assert_heard(path);
	assert_heard(part);
}

/*
 * A process that takes the file and holds it until its standard input ends. It
 * runs sh meanwhile, with the descriptor left open, as an exec in place does.
 */
static pid_t
start_holder(int *hold)
{
	int in[2], out[2];
	struct pidfile pidfile;
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		if (pidfile_take(&pidfile, path) != 0 ||
		    fcntl(pidfile.fd, F_SETFD, 0) < 0)
			_exit(1);
		execl("/bin/sh", "sh", "-c", "echo; read end", NULL);
		_exit(1);
	}
	ck_assert_int_gt(child, 0);
	close(in[0]);
	close(out[1]);
	ck_assert_int_eq(read(out[0], &byte, 1), 1);
	close(out[0]);
	*hold = in[1];
	return child;
}

static void
end_holder(pid_t child, int hold)
{
	close(hold);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

START_TEST(file_has_the_process_id_and_is_gone_after_release)
{
	struct pidfile pidfile;
	pid_t pid;

	ck_assert_int_eq(take(&pidfile), 0);
	ck_assert_str_eq(heard, "");
	assert_ours(&pidfile);
	ck_assert_int_eq(pidfile_read(path, &pid), 0);
	ck_assert_int_eq(pid, getpid());
	pidfile_release(&pidfile);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(pidfile_read(path, &pid), -ENOENT);
	pidfile_release(&pidfile);
}
END_TEST

struct racer {
	pid_t pid;
	int status;
	char heard[512];
};

/* Takes when go is closed, tells, and holds what it has until it is ended. */
static void
race(int go, int end, int tell)
{
	struct pidfile pidfile;
	struct racer racer = { .pid = getpid() };
	char byte;

	if (read(go, &byte, 1) != 0)
		_exit(1);
	racer.status = take(&pidfile);
	snprintf(racer.heard, sizeof(racer.heard), "%.511s", heard);
	if (write(tell, &racer, sizeof(racer)) != (ssize_t)sizeof(racer) ||
	    read(end, &byte, 1) != 0)
		_exit(1);
	pidfile_release(&pidfile);
	_exit(0);
}

static void
run_race(struct racer *racers)
{
	int go[2], end[2], tell[2], i, status;
	pid_t children[RACERS];

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(end, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(tell, O_CLOEXEC), 0);
	for (i = 0; i < RACERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			close(go[1]);
			close(end[1]);
			race(go[0], end[0], tell[1]);
		}
		ck_assert_int_gt(children[i], 0);
	}
	close(go[0]);
	close(end[0]);
	close(tell[1]);
	close(go[1]);
	for (i = 0; i < RACERS; i++)
		ck_assert_int_eq(read(tell[0], &racers[i], sizeof(racers[i])),
		    (ssize_t)sizeof(racers[i]));
	close(end[1]);
	close(tell[0]);
	for (i = 0; i < RACERS; i++) {
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert_int_eq(status, 0);
	}
}

START_TEST(of_many_that_start_at_once_one_runs_and_the_others_say_which)
{
	struct racer racers[RACERS], *winner = NULL;
	char who[64];
	int i;

	/* Every second race is for the file of a dead server. */
	if (_i % 2 != 0)
		write_file("2147483647\n", 11);
	run_race(racers);
	for (i = 0; i < RACERS; i++)
		if (racers[i].status == 0) {
			ck_assert_ptr_null(winner);
			winner = &racers[i];
		}
	ck_assert_ptr_nonnull(winner);
	snprintf(who, sizeof(who), "process %ld has", (long)winner->pid);
	for (i = 0; i < RACERS; i++) {
		if (&racers[i] == winner)
			continue;
		ck_assert_int_eq(racers[i].status, -EX_UNAVAILABLE);
		ck_assert_msg(strstr(racers[i].heard, who) != NULL,
		    "'%s' is not in '%s'", who, racers[i].heard);
	}
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(lock_and_name_outlive_an_exec_and_end_with_the_process)
{
	struct pidfile pidfile;
	char who[64];
	pid_t pid, child;
	int hold;

	child = start_holder(&hold);
	ck_assert_int_eq(pidfile_read(path, &pid), 0);
	ck_assert_int_eq(pid, child);
	snprintf(who, sizeof(who), "process %ld has", (long)child);
	assert_refused(&pidfile, take(&pidfile), who);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	end_holder(child, hold);
	ck_assert_int_eq(pidfile_read(path, &pid), -ESRCH);
	ck_assert_int_eq(take(&pidfile), 0);
	assert_ours(&pidfile);
	pidfile_release(&pidfile);
}
END_TEST

START_TEST(file_of_a_dead_server_is_taken_over)
{
	/* Nothing: it died, or the disk was full, before it could write. The
	   process with the id 1 lives, and is no server of ours. */
	static const char *const texts[] = { "2147483647\n", "1\n", "1", "" };
	struct pidfile pidfile;
	size_t i;
	pid_t pid;

	for (i = 0; i < COUNT(texts); i++) {
		write_file(texts[i], strlen(texts[i]));
		ck_assert_int_eq(pidfile_read(path, &pid), -ESRCH);
		ck_assert_int_eq(take(&pidfile), 0);
		assert_ours(&pidfile);
		pidfile_release(&pidfile);
	}
}
END_TEST

START_TEST(file_with_something_else_in_it_is_kept)
{
	static const struct {
		const char *text;
		size_t len;
	} files[] = { { "listen\n", 7 }, { "12 monkeys\n", 11 },
		{ "12\n\n", 4 }, { "12\nlines\n", 9 }, { "12\0secret", 9 },
		{ "-12\n", 4 }, { "0\n", 2 }, { " 12\n", 4 }, { "+12\n", 4 },
		{ "\0", 1 }, { "99999999999999999999\n", 21 },
		{ "4294967297\n", 11 },
		{ "0000000000000000000000000000012more", 35 } };
	struct pidfile pidfile;
	char text[64];
	size_t i, len;
	int status;

	for (i = 0; i < COUNT(files); i++) {
		write_file(files[i].text, files[i].len);
		status = take(&pidfile);
		ck_assert_int_eq(status, -EX_CANTCREAT);
		assert_refused(&pidfile, status, "is no pidfile");
		len = read_file(text, sizeof(text));
		ck_assert_mem_eq(text, files[i].text, files[i].len);
		ck_assert_uint_eq(len, files[i].len);
	}
}
END_TEST

START_TEST(link_is_not_followed)
{
	struct pidfile pidfile;
	int status;

	ck_assert_int_eq(symlink(other, path), 0);
	status = take(&pidfile);
	ck_assert_int_eq(status, -EX_CANTCREAT);
	assert_refused(&pidfile, status, "a link is not followed");
	ck_assert_int_eq(access(other, F_OK), -1);
}
END_TEST

START_TEST(folder_or_pipe_is_refused)
{
	struct pidfile pidfile;
	struct stat st;

	ck_assert_int_eq(mkdir(path, 0755), 0);
	assert_refused(&pidfile, take(&pidfile), "Is a directory");
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	assert_refused(&pidfile, take(&pidfile), "is no pidfile");
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISFIFO(st.st_mode));
}
END_TEST

START_TEST(missing_folder_is_said)
{
	struct pidfile pidfile;
	int status;

	snprintf(path, sizeof(path), "%s/none/pid", folder);
	status = take(&pidfile);
	ck_assert_int_eq(status, -EX_CANTCREAT);
	assert_refused(&pidfile, status, "its folder must exist");
}
END_TEST

START_TEST(folder_without_permission_is_refused_as_such)
{
	struct pidfile pidfile;
	pid_t child;
	int status;

	ck_assert_int_eq(chmod(folder, 0555), 0);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && setuid(65534) < 0)
			_exit(1);
		status = take(&pidfile);
		_exit(status == -EX_NOPERM && pidfile.fd == -1 &&
			      strstr(heard, "Permission denied") != NULL
			  ? 0
			  : 1);
	}
	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(chmod(folder, 0755), 0);
}
END_TEST

/* As a server that is about to write, or another program. */
START_TEST(who_has_it_and_does_not_say_so_is_not_named)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct pidfile pidfile;
	pid_t pid;
	int fd, status;

	write_file("1\n", 2);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	lock.l_len = 1;
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	status = take(&pidfile);
	ck_assert_int_eq(status, -EX_UNAVAILABLE);
	assert_refused(&pidfile, status, "does not say which");
	lock.l_len = 0;
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(pidfile_read(path, &pid), -ENOMSG);
	close(fd);
}
END_TEST

/* What is left of the first after exec. */
static int
take_and_forget(void)
{
	struct pidfile pidfile;
	int fd;

	ck_assert_int_eq(take(&pidfile), 0);
	fd = dup(pidfile.fd);
	ck_assert_int_ge(fd, 0);
	close(pidfile.fd);
	return fd;
}

START_TEST(server_that_has_execd_itself_goes_on)
{
	struct pidfile pidfile, more;
	int fd = take_and_forget();

	ck_assert_int_eq(adopt(&pidfile, fd), 0);
	ck_assert_str_eq(heard, "");
	ck_assert_int_eq(pidfile.fd, fd);
	assert_ours(&pidfile);
	ck_assert_int_eq(take(&more), -EX_UNAVAILABLE);
	pidfile_release(&pidfile);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(file_that_was_removed_meanwhile_is_written_anew)
{
	struct pidfile pidfile;
	int fd = take_and_forget();

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(adopt(&pidfile, fd), 0);
	assert_heard("was removed or replaced");
	assert_ours(&pidfile);
	pidfile_release(&pidfile);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(file_that_another_has_meanwhile_is_not_adopted)
{
	struct pidfile pidfile;
	int fd = take_and_forget(), hold;
	char who[64];
	pid_t child;

	ck_assert_int_eq(unlink(path), 0);
	child = start_holder(&hold);
	snprintf(who, sizeof(who), "process %ld has", (long)child);
	assert_refused(&pidfile, adopt(&pidfile, fd), who);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	end_holder(child, hold);
}
END_TEST

START_TEST(descriptor_that_has_no_lock_is_not_adopted)
{
	struct pidfile first, pidfile;
	int fd;

	ck_assert_int_eq(take(&first), 0);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	assert_refused(&pidfile, adopt(&pidfile, fd), "cannot go on with");
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	assert_refused(&pidfile, adopt(&pidfile, 999), "Bad file descriptor");
	assert_ours(&first);
	pidfile_release(&first);
}
END_TEST

START_TEST(file_that_is_no_longer_ours_is_not_removed)
{
	struct pidfile pidfile;
	char text[64];

	ck_assert_int_eq(take(&pidfile), 0);
	ck_assert_int_eq(unlink(path), 0);
	write_file("1\n", 2);
	pidfile_release(&pidfile);
	ck_assert_uint_eq(read_file(text, sizeof(text)), 2);
	ck_assert_str_eq(text, "1\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pidfile");
	TCase *tcase = tcase_create("take");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(
	    tcase, file_has_the_process_id_and_is_gone_after_release);
	tcase_add_loop_test(tcase,
	    of_many_that_start_at_once_one_runs_and_the_others_say_which, 0,
	    RACES);
	tcase_add_test(
	    tcase, lock_and_name_outlive_an_exec_and_end_with_the_process);
	tcase_add_test(tcase, file_of_a_dead_server_is_taken_over);
	tcase_add_test(tcase, file_that_is_no_longer_ours_is_not_removed);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("refuse");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, file_with_something_else_in_it_is_kept);
	tcase_add_test(tcase, link_is_not_followed);
	tcase_add_test(tcase, folder_or_pipe_is_refused);
	tcase_add_test(tcase, missing_folder_is_said);
	tcase_add_test(tcase, folder_without_permission_is_refused_as_such);
	tcase_add_test(tcase, who_has_it_and_does_not_say_so_is_not_named);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("adopt");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, server_that_has_execd_itself_goes_on);
	tcase_add_test(tcase, file_that_was_removed_meanwhile_is_written_anew);
	tcase_add_test(tcase, file_that_another_has_meanwhile_is_not_adopted);
	tcase_add_test(tcase, descriptor_that_has_no_lock_is_not_adopted);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
