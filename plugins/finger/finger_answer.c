/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a user, or who is logged in, as text that is safe on the
 * peer's terminal. Runs as a job: the databases may be files or the network.
 */
#include "finger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

#define FINGER_PLAN_MAX	  ((size_t)64 * 1024)
#define FINGER_PASSWD_MIN ((size_t)1024)
#define FINGER_PASSWD_MAX ((size_t)1024 * 1024)

/* getutxent() has one cursor for all threads. */
static pthread_mutex_t finger_utmpx_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * Printable ASCII and tabs as they are, line ends as CRLF, all else escaped
 * (RFC 1288, 3.3). Returns the columns of it, if it is one line.
 */
static int
finger_put(FILE *out, const char *text, size_t len)
{
	int columns = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if ((byte >= ' ' && byte < 0x7f) || byte == '\t') {
			putc(byte, out);
			columns++;
		} else if (byte == '\n') {
			fputs("\r\n", out);
		} else if (byte != '\r' || i + 1 == len ||
			   text[i + 1] != '\n') {
			fprintf(out, "\\x%02x", byte);
			columns += 4;
		}
	}
	return columns;
}

static void
finger_put_field(FILE *out, const char *label, const char *text, size_t len)
{
	fprintf(out, "%s: ", label);
	finger_put(out, text, len);
	fputs("\r\n", out);
}

static void
finger_put_column(FILE *out, const char *text, size_t len, int width)
{
	int columns = finger_put(out, text, len);

	fprintf(out, "%*s", columns < width ? width - columns : 1, "");
}

/* Plans */

/* Only a file that its user has made for everyone to read. */
static int
finger_open_plan(const struct passwd *passwd)
{
	char path[4096];
	struct stat stat;
	int len, fd;

	len = snprintf(path, sizeof(path), "%s/.plan", passwd->pw_dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -1;
	/* Not to wait for a FIFO's other end. */
	fd = open(
	    path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
	    stat.st_uid == passwd->pw_uid && (stat.st_mode & S_IROTH))
		return fd;
	close(fd);
	return -1;
}

static size_t
finger_read_plan(int fd, char *plan, size_t size)
{
	size_t len = 0;
	ssize_t count;

	while (len < size) {
		count = read(fd, plan + len, size - len);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		len += (size_t)count;
	}
	return len;
}

static int
finger_put_plan(FILE *out, const struct passwd *passwd)
{
	int fd = finger_open_plan(passwd);
	char *plan;
	size_t len;

	if (fd < 0) {
		fputs("No plan.\r\n", out);
		return 0;
	}
	plan = malloc(FINGER_PLAN_MAX);
	if (plan == NULL) {
		close(fd);
		return -ENOMEM;
	}
	len = finger_read_plan(fd, plan, FINGER_PLAN_MAX);
	close(fd);
	fputs("Plan:\r\n", out);
	finger_put(out, plan, len);
	if (len > 0 && plan[len - 1] != '\n')
		fputs("\r\n", out);
	free(plan);
	return 0;
}

/* Users */

static int
finger_put_user(
    FILE *out, const struct finger_query *query, const struct passwd *passwd)
{
	const char *name = passwd->pw_gecos != NULL ? passwd->pw_gecos : "";

	finger_put_field(
	    out, "Login", passwd->pw_name, strlen(passwd->pw_name));
	/* Behind the first comma stand offices and telephone numbers. */
	finger_put_field(out, "Name", name,
	    query->verbose ? strlen(name) : strcspn(name, ","));
	if (query->verbose) {
		finger_put_field(
		    out, "Directory", passwd->pw_dir, strlen(passwd->pw_dir));
		finger_put_field(
		    out, "Shell", passwd->pw_shell, strlen(passwd->pw_shell));
	}
	return query->with_plan ? finger_put_plan(out, passwd) : 0;
}

/* Returns an errno, or 0 with *found NULL when there is no such user. */
static int
finger_look_up(const char *user, struct passwd *passwd, char **buffer,
    struct passwd **found)
{
	size_t size = FINGER_PASSWD_MIN;
	char *larger;
	int error;

	do {
		larger = realloc(*buffer, size);
		if (larger == NULL)
			return ENOMEM;
		*buffer = larger;
		error = getpwnam_r(user, passwd, *buffer, size, found);
		size *= 2;
	} while (
	    error == EINTR || (error == ERANGE && size <= FINGER_PASSWD_MAX));
	/* Some systems say it in this way. */
	return error == ENOENT || error == ESRCH ? 0 : error;
}

static int
finger_answer_user(FILE *out, const struct finger_query *query)
{
	struct passwd passwd, *found = NULL;
	char *buffer = NULL;
	int status = -finger_look_up(query->user, &passwd, &buffer, &found);

	if (status == 0 && found == NULL)
		fprintf(out, "%s: no such user.\r\n", query->user);
	else if (status == 0)
		status = finger_put_user(out, query, found);
	free(buffer);
	return status;
}

/* Who is logged in */

static void
finger_put_login(FILE *out, const struct utmpx *entry)
{
	time_t since = (time_t)entry->ut_tv.tv_sec;
	char text[32] = "";
	struct tm tm;

	if (localtime_r(&since, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	finger_put_column(out, entry->ut_user,
	    strnlen(entry->ut_user, sizeof(entry->ut_user)), 16);
	finger_put_column(out, entry->ut_line,
	    strnlen(entry->ut_line, sizeof(entry->ut_line)), 12);
	fprintf(out, "%s\r\n", text);
}

static int
finger_answer_list(FILE *out)
{
	const struct utmpx *entry;
	int count = 0;

	pthread_mutex_lock(&finger_utmpx_lock);
	setutxent();
	while ((entry = getutxent()) != NULL) {
		if (entry->ut_type != USER_PROCESS)
			continue;
		if (count++ == 0)
			fprintf(out, "%-16s%-12sSince\r\n", "Login", "Line");
		finger_put_login(out, entry);
	}
	endutxent();
	pthread_mutex_unlock(&finger_utmpx_lock);
	if (count == 0)
		fputs("No one is logged in.\r\n", out);
	return 0;
}

int
finger_answer(void *arg)
{
	struct finger_query *query = arg;
	FILE *out = open_memstream(&query->answer, &query->answer_len);
	int status;

	if (out == NULL)
		return -errno;
	status = query->user[0] != '\0' ? finger_answer_user(out, query)
					: finger_answer_list(out);
	if (ferror(out) && status == 0)
		status = -ENOMEM;
	if (fclose(out) != 0 && status == 0)
		status = -ENOMEM;
	return status;
}
