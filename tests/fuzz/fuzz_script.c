/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conversations. One that is refused is so with its place; the bytes of one
 * that is taken, written as recordings are, are the same bytes when they are
 * read.
 */
#include "script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "script_text.h"

#define FUZZ_SCRIPT_NAME "fuzz.conv"

static char *fuzz_script_text;
static size_t fuzz_script_len;

static void
fuzz_script_put(const char *line, void *arg)
{
	size_t len = strlen(line);

	(void)arg;
	assert(strchr(line, '\n') == NULL);
	fuzz_script_text = realloc(fuzz_script_text, fuzz_script_len + len + 3);
	assert(fuzz_script_text != NULL);
	fuzz_script_len +=
	    (size_t)sprintf(fuzz_script_text + fuzz_script_len, ">%s\n", line);
}

static void
fuzz_script_write(const struct script_step *step)
{
	struct script again;
	char why[512];

	if (step->len == 0)
		return;
	script_text_lines(step->bytes, step->len, "\n", fuzz_script_put, NULL);
	assert(script_parse(&again, FUZZ_SCRIPT_NAME, fuzz_script_text, why,
		   sizeof(why)) == 0);
	assert(again.step_count == 2 && again.sent == step->len);
	assert(memcmp(again.steps[1].bytes, step->bytes, step->len) == 0);
	script_clear(&again);
	free(fuzz_script_text);
	fuzz_script_text = NULL;
	fuzz_script_len = 0;
}

static void
fuzz_script_check(const struct script *script)
{
	size_t sent = 0;
	int i;

	assert(script->step_count > 0);
	for (i = 0; i < script->step_count; i++) {
		const struct script_step *step = &script->steps[i];

		assert(step->who >= -1 && step->who < script->name_count);
		assert(step->line > 0);
		if (step->kind == SCRIPT_SEND) {
			assert(step->at == sent);
			sent += step->len;
		}
		if (step->kind == SCRIPT_SEND || step->kind == SCRIPT_EXPECT)
			fuzz_script_write(step);
	}
	assert(sent == script->sent);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), *at;
	struct script script;
	char why[512] = "";

	/* Patterns are libc's affair, which may take hours. */
	while ((at = strchr(text, '~')) != NULL)
		*at = '-';
	if (script_parse(&script, FUZZ_SCRIPT_NAME, text, why, sizeof(why)) ==
	    0)
		fuzz_script_check(&script);
	else
		assert(strncmp(why, FUZZ_SCRIPT_NAME ":",
			   sizeof(FUZZ_SCRIPT_NAME)) == 0);
	script_clear(&script);
	free(text);
	return 0;
}
