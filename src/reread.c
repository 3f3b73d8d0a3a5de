/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A master that serves must outlive what it reads. The child parses and checks,
 * and leaves the settings as bytes, as a worker gets them.
 */
#include "reread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "settings_check.h"
#include "spawn.h"

/* In the child: where the first one goes, and how much is taken of it. */
static int reread_errors = -1;
static size_t reread_max;

static int
reread_on_error(const char *text)
{
	size_t len = strlen(text);
	ssize_t sent;

	if (reread_errors < 0)
		return 0;
	sent = write(reread_errors, text, len);
	close(reread_errors);
	reread_errors = -1;
	return sent == (ssize_t)len && len < reread_max;
}

static _Noreturn void
reread_run(int argc, char **argv, int bytes, int errors)
{
	struct options options;
	int status;

	spawn_reset_signals();
	reread_errors = errors;
	log_set_listener(reread_on_error);
	status = -options_parse_again(&options, argc, argv);
	if (status == 0)
		settings_warn(&options.settings);
	if (status == 0 && settings_write(&options.settings, bytes) < 0) {
		log_write(BEVHOST_LOG_ERROR, NULL,
		    "the settings cannot be handed on: %m");
		status = EX_OSERR;
	}
	_exit(status);
}

/* All that comes until the child ends. */
static void
reread_hear(int errors, char *why, size_t size)
{
	size_t len = 0;
	ssize_t count = 0;

	do {
		len += (size_t)count;
		count = read(errors, why + len, size - 1 - len);
		if (count < 0 && errno == EINTR)
			count = 0;
		else if (count <= 0)
			break;
	} while (len < size - 1);
	why[len] = '\0';
}

/* Returns an exit status. */
static int
reread_wait(pid_t pid, char *why, size_t size)
{
	int status;
	pid_t ended;

	do {
		ended = waitpid(pid, &status, 0);
	} while (ended < 0 && errno == EINTR);
	if (ended == pid && WIFEXITED(status) &&
	    (WEXITSTATUS(status) == 0 || why[0] != '\0'))
		return WEXITSTATUS(status);
	if (why[0] == '\0')
		snprintf(why, size,
		    "what reads the settings has ended before it was done");
	return EX_OSERR;
}

static int
reread_fail(const char *what, char *why, size_t size)
{
	snprintf(why, size, "the settings cannot be read anew: %s: %s", what,
	    strerror(errno));
	return -EX_OSERR;
}

static int
reread_by_child(
    struct settings *settings, int bytes, pid_t pid, char *why, size_t size)
{
	int status = reread_wait(pid, why, size);

	if (status != 0)
		return -status;
	if (settings_read(settings, bytes) == 0)
		return 0;
	status = reread_fail("memory", why, size);
	settings_clear(settings);
	return status;
}

int
reread_settings(
    struct settings *settings, int argc, char **argv, char *why, size_t size)
{
	int bytes = memfd_create("bevhost-settings", MFD_CLOEXEC);
	int errors[2], status;
	pid_t pid;

	why[0] = '\0';
	if (bytes < 0)
		return reread_fail("memfd_create", why, size);
	if (pipe2(errors, O_CLOEXEC) < 0) {
		status = reread_fail("pipe", why, size);
		close(bytes);
		return status;
	}
	pid = fork();
	reread_max = size;
	if (pid == 0)
		reread_run(argc, argv, bytes, errors[1]);
	close(errors[1]);
	if (pid < 0) {
		status = reread_fail("fork", why, size);
	} else {
		reread_hear(errors[0], why, size);
		status = reread_by_child(settings, bytes, pid, why, size);
	}
	close(errors[0]);
	close(bytes);
	return status;
}
