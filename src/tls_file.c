/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenSSL would take a folder for an empty file and wait for a pipe: what is no
 * file is found out here.
 */
#include "tls_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "settings_guard.h"
#include "tls_say.h"

#define TLS_FILE_MAX (16 * 1024 * 1024) /* all CAs of the world are less */

static int
tls_file_fail(const struct settings_item *item)
{
	if (errno == ENOENT)
		tls_say(BEVHOST_LOG_ERROR, item,
		    "there is no such file: check the path");
	else if (errno == EACCES)
		tls_say(BEVHOST_LOG_ERROR, item, "%s: let user %lu read it",
		    strerror(errno), (unsigned long)geteuid());
	else
		tls_say(BEVHOST_LOG_ERROR, item, "%s", strerror(errno));
	return -EX_NOINPUT;
}

static int
tls_file_empty(const struct settings_item *item)
{
	tls_say(BEVHOST_LOG_ERROR, item, "it is empty");
	return -EX_NOINPUT;
}

static int
tls_file_check(const struct settings_item *item, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		tls_say(BEVHOST_LOG_ERROR, item,
		    "it is a folder: name the file in it");
	else if (!S_ISREG(st->st_mode))
		tls_say(BEVHOST_LOG_ERROR, item, "it is not a regular file");
	else if (st->st_size == 0)
		return tls_file_empty(item);
	else if (st->st_size > TLS_FILE_MAX)
		tls_say(BEVHOST_LOG_ERROR, item, "it is larger than %d bytes",
		    TLS_FILE_MAX);
	else
		return 0;
	return -EX_NOINPUT;
}

/* What is there of the size that it had. */
static int
tls_file_fill(struct tls_file *file, int fd, size_t size)
{
	ssize_t count = 1;

	file->bytes = malloc(size);
	if (file->bytes == NULL)
		return -1;
	while (file->len < size && count > 0) {
		count = read(fd, file->bytes + file->len, size - file->len);
		if (count > 0)
			file->len += (size_t)count;
		else if (count < 0 && errno != EINTR)
			return -1;
		else if (count < 0)
			count = 1;
	}
	return 0;
}

int
tls_file_read(struct tls_file *file, const struct settings_item *item)
{
	int fd = open(item->value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int status;

	memset(file, 0, sizeof(*file));
	if (fd < 0)
		return tls_file_fail(item);
	if (fstat(fd, &st) < 0)
		status = tls_file_fail(item);
	else
		status = tls_file_check(item, &st);
	if (status == 0) {
		file->mode = st.st_mode;
		if (tls_file_fill(file, fd, (size_t)st.st_size) < 0)
			status = tls_file_fail(item);
		else if (file->len == 0)
			status = tls_file_empty(item);
	}
	close(fd);
	if (status < 0)
		tls_file_clear(file);
	return status;
}

void
tls_file_clear(struct tls_file *file)
{
	if (file->bytes != NULL)
		explicit_bzero(file->bytes, file->len);
	free(file->bytes);
	memset(file, 0, sizeof(*file));
}
