/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where there is no libFuzzer: the inputs of a folder, cut and changed at
 * random, are what fuzz.c gets. It learns nothing from what they do.
 *
 *	random SECONDS FOLDER CURRENT	the input that runs is in CURRENT
 *	random FILE			this one alone
 */
#include <dirent.h>
#include <err.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define RANDOM_MAX    65536 /* bytes of an input */
#define RANDOM_INPUTS 10000
#define RANDOM_LOOK   64 /* inputs between two looks at the clock */
#define RANDOM_SAY_S  10

struct input {
	uint8_t *data;
	size_t size;
};

static struct input random_inputs[RANDOM_INPUTS];
static size_t random_count;
static uint64_t random_state;
static int random_fd; /* where the input that runs is kept */
static uint64_t random_runs;

/* Of a sanitizer, where there is one: with lines of the source. */
#pragma weak __sanitizer_print_stack_trace
void __sanitizer_print_stack_trace(void);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
random_below(size_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return limit > 0 ? (size_t)(random_state % limit) : 0;
}

static void
random_read(const char *path)
{
	struct input *input = &random_inputs[random_count];
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		err(EX_NOINPUT, "%s", path);
	input->data = malloc(RANDOM_MAX);
	if (input->data == NULL)
		err(EX_OSERR, "%s", path);
	input->size = fread(input->data, 1, RANDOM_MAX, file);
	fclose(file);
	random_count++;
}

static void
random_read_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[4096];
	struct stat st;

	if (dir == NULL)
		err(EX_NOINPUT, "%s", folder);
	while ((entry = readdir(dir)) != NULL && random_count < RANDOM_INPUTS) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			random_read(path);
	}
	closedir(dir);
}

/* In memory of just its size, so that reading past it is seen. */
static void
random_run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		err(EX_OSERR, "an input");
	memcpy(copy, data, size);
	/* A crash leaves it there. */
	if (random_fd >= 0 &&
	    (ftruncate(random_fd, 0) < 0 ||
		pwrite(random_fd, copy, size, 0) != (ssize_t)size))
		err(EX_IOERR, "keeping the input");
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	random_runs++;
}

static size_t
random_insert(uint8_t *data, size_t size, const uint8_t *bytes, size_t len)
{
	size_t at = random_below(size + 1);

	if (size + len > RANDOM_MAX)
		return size;
	memmove(data + at + len, data + at, size - at);
	memcpy(data + at, bytes, len);
	return size + len;
}

/* A piece of another input, or of this one again. */
static size_t
random_splice(uint8_t *data, size_t size)
{
	const struct input *other = &random_inputs[random_below(random_count)];
	size_t from = random_below(other->size);

	return random_insert(data, size, other->data + from,
	    random_below(other->size - from + 1));
}

static size_t
random_remove(uint8_t *data, size_t size)
{
	size_t at = random_below(size);
	size_t len = random_below(size - at + 1);

	memmove(data + at, data + at + len, size - at - len);
	return size - len;
}

static size_t
random_change(uint8_t *data, size_t size)
{
	static const char deeds[] = "eerwWdn0a";
	uint8_t cut = 0xfe, deed[2] = { 0xff, 0 }, any;

	switch (random_below(8)) {
	case 0:
	case 1:
	case 2:
		return random_insert(data, size, &cut, 1);
	case 3:
		deed[1] = (uint8_t)deeds[random_below(sizeof(deeds) - 1)];
		return random_insert(data, size, deed, 2);
	case 4:
		return random_splice(data, size);
	case 5:
		return random_remove(data, size);
	case 6:
		any = (uint8_t)random_below(256);
		return random_insert(data, size, &any, 1);
	default:
		if (size > 0)
			data[random_below(size)] ^=
			    (uint8_t)(1u << random_below(8));
		return size;
	}
}

static void
random_try(void)
{
	static uint8_t data[RANDOM_MAX];
	const struct input *from = &random_inputs[random_below(random_count)];
	size_t size = from->size, changes = 1 + random_below(6);

	memcpy(data, from->data, size);
	while (changes-- > 0)
		size = random_change(data, size);
	random_run(data, size);
}

static void
random_loop(time_t seconds)
{
	time_t begin = time(NULL), say = begin + RANDOM_SAY_S, now;
	size_t i;

	for (i = 0; i < random_count; i++)
		random_run(random_inputs[i].data, random_inputs[i].size);
	while ((now = time(NULL)) < begin + seconds) {
		for (i = 0; i < RANDOM_LOOK; i++)
			random_try();
		if (now < say)
			continue;
		say = now + RANDOM_SAY_S;
		fprintf(stderr, "bevhost-dev: %llu inputs so far\n",
		    (unsigned long long)random_runs);
	}
	fprintf(stderr, "bevhost-dev: %llu inputs, and none failed\n",
	    (unsigned long long)random_runs);
}

/* As libFuzzer does. */
static void
random_on_abort(int number)
{
	void *frames[64];
	int count;

	signal(number, SIG_DFL);
	if (__sanitizer_print_stack_trace != NULL) {
		__sanitizer_print_stack_trace();
		return;
	}
	count = backtrace(frames, 64);
	backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

int
main(int argc, char **argv)
{
	if (argc != 2 && argc != 4)
		errx(EX_USAGE, "usage: random SECONDS FOLDER CURRENT | FILE");
	signal(SIGABRT, random_on_abort);
	LLVMFuzzerInitialize(&argc, &argv);
	random_fd = -1;
	if (argc == 2) {
		random_read(argv[1]);
		random_run(random_inputs[0].data, random_inputs[0].size);
		return 0;
	}
	random_fd = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (random_fd < 0)
		err(EX_CANTCREAT, "%s", argv[3]);
	random_state = (uint64_t)time(NULL) * 2654435761u + 1;
	random_read_folder(argv[2]);
	random_loop((time_t)atoi(argv[1]));
	unlink(argv[3]);
	return 0;
}
