/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a target over inputs that were saved, without libFuzzer: the files that
 * its arguments name, or those of its corpus, as TAP.
 */
#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_count;

static void
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	const char *slash = strrchr(path, '/');
	uint8_t *data;
	struct stat st;
	size_t size;

	if (file == NULL || fstat(fileno(file), &st) < 0)
		err(1, "%s", path);
	size = (size_t)st.st_size;
	/* Its own memory, of just its size: reading past it is seen. */
	data = malloc(size ? size : 1);
	if (data == NULL || fread(data, 1, size, file) != size)
		err(1, "%s", path);
	fclose(file);
	/* Said before: what crashes has a name. */
	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	printf(
	    "ok %d - %s\n", ++replay_count, slash != NULL ? slash + 1 : path);
}

static int
replay_is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
replay_folder(const char *folder)
{
	struct dirent **entries;
	char *path;
	int count = scandir(folder, &entries, replay_is_input, alphasort), i;

	if (count < 0)
		err(1, "%s", folder);
	for (i = 0; i < count; i++) {
		if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
			err(1, "%s", folder);
		replay_file(path);
		free(path);
		free(entries[i]);
	}
	free(entries);
}

int
main(int argc, char **argv)
{
	const char *source = getenv("BEVHOST_SRCDIR");
	const char *name = strrchr(argv[0], '/');
	char *folder;
	int i;

	if (argc == 1) {
		/* fuzz_NAME, or lt-fuzz_NAME */
		name = strstr(name != NULL ? name : argv[0], "fuzz_");
		if (asprintf(&folder, "%s/tests/fuzz/corpus/%s",
			source != NULL ? source : "../..",
			name != NULL ? name + strlen("fuzz_") : "") < 0)
			err(1, "%s", argv[0]);
		replay_folder(folder);
		free(folder);
	}
	for (i = 1; i < argc; i++)
		replay_file(argv[i]);
	printf("1..%d\n", replay_count);
	return replay_count > 0 ? 0 : 1;
}
