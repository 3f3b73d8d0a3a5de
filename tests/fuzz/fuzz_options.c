/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line, a word in each line of the input. No file is read: the
 * linker puts our open before libc's.
 */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define FUZZ_OPTIONS_WORDS 64

int __wrap_open(const char *path, int flags, ...);

int
__wrap_open(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	errno = ENOENT;
	return -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char program[] = "bevhost";
	char *text = fuzz_string(data, size), *rest = text;
	char *argv[FUZZ_OPTIONS_WORDS + 1] = { program };
	struct options options;
	int argc = 1;

	while (argc < FUZZ_OPTIONS_WORDS && rest != NULL)
		argv[argc++] = strsep(&rest, "\n");
	if (options_parse(&options, argc, argv) == 0 &&
	    options.action == OPTIONS_SERVE)
		fuzz_check_wire(&options.settings);
	options_clear(&options);
	free(text);
	return 0;
}
