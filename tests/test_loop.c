/* SPDX-License-Identifier: BSD-2-Clause */
/* What libevent has to say comes to the log, and not without bound. */
#include "loop.h"

#include <string.h>

#include <event2/event.h>

#include "heard.h"
#include "log.h"

#define NO_FD 1000000 /* which no process has */

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

START_TEST(warnings_are_logged_and_bounded)
{
	struct event_base *base = loop_new("epoll");
	struct event *event;
	const char *line;
	int i, lines = 0;

	ck_assert_ptr_nonnull(base);
	event = event_new(base, NO_FD, EV_READ, on_event, NULL);
	ck_assert_ptr_nonnull(event);
	log_set_level(BEVHOST_LOG_WARNING);
	listen_to_stderr();
	for (i = 0; i < 50; i++)
		ck_assert_int_eq(event_add(event, NULL), -1);
	restore_stderr();
	for (line = heard; (line = strstr(line, "libevent: ")) != NULL; line++)
		lines++;
	ck_assert_int_ge(lines, 1);
	ck_assert_int_lt(lines, 10);
	event_free(event);
	event_base_free(base);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tcase = tcase_create("loop");

	tcase_add_test(tcase, warnings_are_logged_and_bounded);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
