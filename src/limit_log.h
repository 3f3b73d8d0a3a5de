/* SPDX-License-Identifier: BSD-2-Clause */
/* What the log has said of the limits of one listener: see limit_may_say(). */
#ifndef LIMIT_LOG_H
#define LIMIT_LOG_H

#include "seldom.h"

struct limit_log {
	const struct addr *bound; /* the listener's; NULL: it has none */
	struct seldom said[8];	  /* for each limit; zero at first */
};

#endif
