/* SPDX-License-Identifier: BSD-2-Clause */
/* Declared parameters, of plugins and of the host itself, for scripts. */
#include "param_dump.h"

#include <stdio.h>

#include "param.h"

/* What is no enum may have them too: words in place of a number, say. */
static void
param_dump_choices(const char *kind, const struct bevhost_param *param)
{
	static const char *const booleans[] = { "on", "off", NULL };
	const char *const *choice = param->choices;

	if (param->type == BEVHOST_PARAM_BOOL)
		choice = booleans;
	for (; choice != NULL && *choice != NULL; choice++)
		printf("%s_%s_choice=%s\n", kind, param->name, *choice);
}

void
param_dump(const char *kind, const struct bevhost_param *param)
{
	char range[PARAM_TEXT_SIZE];

	param_range_text(param, range, sizeof(range));
	printf("%s_%s_type=%s\n", kind, param->name, param_type_name(param));
	if (range[0] != '\0')
		printf("%s_%s_range=%s\n", kind, param->name, range);
	param_dump_choices(kind, param);
	printf("%s_%s_required=%s\n", kind, param->name,
	    param->flags & BEVHOST_PARAM_REQUIRED ? "yes" : "no");
	printf("%s_%s_repeat=%s\n", kind, param->name,
	    param->flags & BEVHOST_PARAM_REPEAT ? "yes" : "no");
	if (param->value != NULL)
		printf("%s_%s_default=%s\n", kind, param->name, param->value);
	if (param->help != NULL)
		printf("%s_%s_help=%s\n", kind, param->name, param->help);
}
