/* SPDX-License-Identifier: BSD-2-Clause */
/* The main function of a Check program, with results as TAP. */
#ifndef TAP_H
#define TAP_H

#include <check.h>
#include <stdlib.h>

static int
tap_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
