/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A program that is run for one connection: it reads the load's request from
 * its standard input, answers, and ends.
 */

#include <unistd.h>

int
main(void)
{
	static const char reply[] = "Hello World!";
	char request[64];

	if (read(STDIN_FILENO, request, sizeof(request)) <= 0)
		return 1;
	return write(STDOUT_FILENO, reply, sizeof(reply) - 1) < 0;
}
