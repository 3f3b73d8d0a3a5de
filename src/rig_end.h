/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of rig: what one far end does by itself. */
#ifndef RIG_END_H
#define RIG_END_H

#include <stddef.h>

struct rig_end;

/* Of an outbound one: what the handler has is fd, and near the same socket. */
void rig_end_set_near(struct rig_end *end, int fd, int near);
/* At most so many bytes. Returns whether there was something to read. */
int rig_end_read(struct rig_end *end, size_t most);

#endif
