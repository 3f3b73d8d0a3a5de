/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a call into the handler has slept: it neither ran nor waited for a
 * processor, so what else the machine does is not counted.
 */
#ifndef RIG_BLOCK_H
#define RIG_BLOCK_H

#include <stdint.h>

struct rig_block {
	int fd; /* what the kernel knows of this thread; -1: nothing */
	int64_t before_ns, switches;
	int64_t longest_ms; /* of the calls since the start */
};

/* Of this thread. */
void rig_block_init(struct rig_block *block);
void rig_block_clear(struct rig_block *block);
/* Around each call. */
void rig_block_begin(struct rig_block *block);
void rig_block_end(struct rig_block *block);

#endif
