/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of an instance's parameters, as text. */
#ifndef INSTANCE_VALUE_H
#define INSTANCE_VALUE_H

struct bevhost_instance;

/* The at-th value that was given, else the default; NULL after the last. */
const char *instance_value(
    const struct bevhost_instance *instance, const char *name, int at);

#endif
