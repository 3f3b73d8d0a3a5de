/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of tickets are the master's, and all its workers have them. */
#include "slot_limits.h"

#include <unistd.h>

#include "tickets.h"

/* Of this process. */
static struct tickets slot_tickets = { .fd = -1 };

int
slot_tickets_init(struct slot_host *host)
{
	host->tickets = &slot_tickets;
	return tickets_init(&slot_tickets);
}

void
slot_tickets_clear(struct slot_host *host)
{
	host->tickets = NULL;
	tickets_clear(&slot_tickets);
}

int
slot_host_tickets(const struct slot_host *host)
{
	return host->tickets->fd;
}

int
slot_host_adopt_tickets(struct slot_host *host, int fd)
{
	if (tickets_adopt(host->tickets, fd) < 0)
		return -1;
	close(fd);
	return 0;
}

void
slot_tickets_rotate(int64_t period_ms)
{
	(void)tickets_rotate_when_due(&slot_tickets, period_ms);
}
