/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What --dump-options prints: each option of the command line, from the tables
 * that it is read by. The completion of shells is made of it.
 */
#include "options_dump.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "param_dump.h"
#include "settings_edit.h"

#define OPTIONS_WORDS_MAX 16

static const struct bevhost_param *
options_find_param(const char *name)
{
	const struct bevhost_param *param = settings_params;

	while (param->name != NULL && strcmp(param->name, name) != 0)
		param++;
	return param->name != NULL ? param : NULL;
}

/* One with several values looks like a parameter that may be repeated. */
static void
options_dump_list(const struct settings_list *list)
{
	const char *words[OPTIONS_WORDS_MAX + 1] = { NULL };
	struct bevhost_param param = {
		.name = list->name,
		.type = BEVHOST_PARAM_STRING,
		.flags = list->once ? 0 : BEVHOST_PARAM_REPEAT,
		.help = list->help,
	};
	int i;

	for (i = 0; list->word != NULL && i < OPTIONS_WORDS_MAX; i++) {
		words[i] = list->word(i);
		if (words[i] == NULL)
			break;
	}
	param.choices = words;
	param_dump("option", &param);
}

static void
options_dump_one(const struct option *option)
{
	static const char *const arguments[] = {
		[no_argument] = "none",
		[required_argument] = "required",
		[optional_argument] = "optional",
	};
	const struct bevhost_param *param = options_find_param(option->name);
	const struct settings_list *list = settings_list_find(option->name);
	char letter = options_letter(option);

	if (letter != '\0')
		printf("option_%s_short=%c\n", option->name, letter);
	printf("option_%s_argument=%s\n", option->name,
	    arguments[option->has_arg]);
	if (param != NULL)
		param_dump("option", param);
	else if (list != NULL)
		options_dump_list(list);
}

void
options_dump(void)
{
	const struct option *option;

	for (option = options_table(); option->name != NULL; option++)
		options_dump_one(option);
}
