/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file: what is accepted reaches a worker, and is dumped as a
 * file that says the same. It includes nothing but itself: the linker puts our
 * open and glob before libc's.
 */
#include "config_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "fuzz.h"

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_glob(const char *, int, int (*)(const char *, int), glob_t *);

int
__wrap_open(const char *path, int flags, ...)
{
	if (strcmp(path, fuzz_file_path()) == 0)
		return __real_open(path, flags);
	errno = ENOENT;
	return -1;
}

int
__wrap_glob(const char *pattern, int flags, int (*on_error)(const char *, int),
    glob_t *found)
{
	(void)pattern;
	(void)flags;
	(void)on_error;
	(void)found;
	return GLOB_NOMATCH;
}

static char *
fuzz_config_dump(const struct settings *settings, size_t *size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, size);

	assert(file != NULL);
	assert(dump_settings(settings, file) == 0);
	assert(fclose(file) == 0);
	return text;
}

static void
fuzz_config_read_again(const struct settings *settings)
{
	struct settings again;
	size_t size, size_again;
	char *text = fuzz_config_dump(settings, &size), *text_again;

	(void)fuzz_file(text, size);
	settings_init(&again);
	assert(config_file_read(fuzz_file_path(), &again) == 0);
	text_again = fuzz_config_dump(&again, &size_again);
	assert(size == size_again && memcmp(text, text_again, size) == 0);
	settings_clear(&again);
	free(text_again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;

	(void)fuzz_file(data, size);
	settings_init(&settings);
	if (config_file_read(fuzz_file_path(), &settings) == 0) {
		fuzz_check_wire(&settings);
		fuzz_config_read_again(&settings);
	}
	settings_clear(&settings);
	return 0;
}
