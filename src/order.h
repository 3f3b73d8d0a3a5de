/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the master tells a worker at its birth, beside the settings: who it is
 * and which descriptors it got. Their numbers are the same in every worker.
 */
#ifndef ORDER_H
#define ORDER_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>

#include "settings.h"

enum {
	ORDER_FD_IPC = 3,
	ORDER_FD_ORDER,
	ORDER_FD_SETTINGS,
	ORDER_FD_STATS,
	ORDER_FD_LIMITS,
	ORDER_FD_TICKETS,
	ORDER_FD_SOCKETS /* and those after it */
};

#define ORDER_SOCKETS 4096
#define ORDER_GROUPS  64 /* supplementary ones */

struct order {
	int32_t slot;	    /* 1 for the first worker */
	int32_t generation; /* 1 for the first */
	int32_t first;	    /* of its group: says what all would say */
	int32_t workers;    /* of its group */
	int32_t share;	    /* of the stats */
	int32_t cpu;	    /* to run on, or -1 */
	int32_t test;	    /* says whether it could serve, and ends */
	int32_t told;	    /* its first error is said by the master */
	int32_t drop;	    /* privileges: to uid, gid and groups */
	uid_t uid;
	gid_t gid;
	gid_t groups[ORDER_GROUPS];
	int32_t group_count;
	char worker_group[SETTINGS_GROUP_SIZE]; /* whose handlers it has */
	int32_t code_count; /* messages IPC_CODE that wait for it */
	int32_t socket_count;
	int32_t handlers[ORDER_SOCKETS]; /* of each socket: its handler */
};

/* Into fd, and back from it. 0, or -1 with errno (EPROTO: no order). */
int order_write(const struct order *order, int fd) BEVHOST_MUST_CHECK;
int order_read(struct order *order, int fd) BEVHOST_MUST_CHECK;

/* "worker 1 (generation 7)", with its group when that has a name. buf. */
char *order_name(const struct order *order, char *buf, size_t size);

#endif
