/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dump.h"
#include "settings.h"

static int fuzz_fd = -1;

int
fuzz_file(const void *data, size_t size)
{
	if (fuzz_fd < 0)
		fuzz_fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fuzz_fd >= 0);
	assert(ftruncate(fuzz_fd, 0) == 0);
	assert(pwrite(fuzz_fd, data, size, 0) == (ssize_t)size);
	assert(lseek(fuzz_fd, 0, SEEK_SET) == 0);
	return fuzz_fd;
}

const char *
fuzz_file_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fuzz_fd);
	return path;
}

char *
fuzz_string(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int
fuzz_next_fd(void)
{
	int fd = dup(STDIN_FILENO);

	assert(fd >= 0);
	close(fd);
	return fd;
}

static char *
fuzz_dump(const struct settings *settings, size_t *size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, size);

	assert(file != NULL);
	assert(dump_settings(settings, file) == 0);
	assert(fclose(file) == 0);
	return text;
}

void
fuzz_check_wire(const struct settings *settings)
{
	size_t size, size_again;
	char *text = fuzz_dump(settings, &size), *again;
	int fd = fuzz_file("", 0);
	struct settings copy;

	assert(settings_write(settings, fd) == 0);
	assert(settings_read(&copy, fd) == 0);
	again = fuzz_dump(&copy, &size_again);
	assert(size == size_again && memcmp(text, again, size) == 0);
	settings_clear(&copy);
	free(again);
	free(text);
}
