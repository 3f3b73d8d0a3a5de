/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tie PID COMMAND...: becomes the command, which gets SIGTERM when PID, its
 * parent, has ended, in whichever way. For what bevhost-dev serves.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: tie PID COMMAND...\n", stderr);
		return EX_USAGE;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		fprintf(stderr, "bevhost-dev: PR_SET_PDEATHSIG: %s\n",
		    strerror(errno));
	/* It may have ended before that. */
	if (getppid() != (pid_t)atoi(argv[1]))
		return EX_TEMPFAIL;
	execvp(argv[2], argv + 2);
	fprintf(stderr, "bevhost-dev: %s: %s\n", argv[2], strerror(errno));
	return EX_UNAVAILABLE;
}
