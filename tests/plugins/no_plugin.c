/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A shared object that is no plugin.
 */
int no_plugin_answer(void);

int
no_plugin_answer(void)
{
	return 42;
}
