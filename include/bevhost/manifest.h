/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a plugin does beside answering connections. Once it is started, a
 * worker may do what the manifests of its plugins say, and nothing else: see
 * bevhost-manifest(3). C99 and later, C++11 and later.
 */
#ifndef BEVHOST_MANIFEST_H
#define BEVHOST_MANIFEST_H

#include <stdint.h>

/* Connects to other hosts and to unix sockets: bevhost_connect, connect(2). */
#define BEVHOST_MANIFEST_CONNECT 0x01u
/* Asks for hosts, users or groups by name, wherever this machine has them. */
#define BEVHOST_MANIFEST_NAMES 0x02u
/* Binds and listens on sockets of its own. */
#define BEVHOST_MANIFEST_LISTEN 0x04u
/* Runs programs, or forks. They are held to the same manifest. */
#define BEVHOST_MANIFEST_EXEC 0x08u
/* Makes code at run time, as a compiler of a language does. */
#define BEVHOST_MANIFEST_CODE 0x10u
/* Its connections have something in common, which each worker has for itself:
   where several serve it, the host warns. */
#define BEVHOST_MANIFEST_ONE_WORKER 0x20u

/*
 * The paths are of files, or of folders with all that is below them; "$NAME"
 * stands for the values of the parameter NAME. A list ends with NULL, and NULL
 * is an empty list. What is written may be read as well. A file is the one
 * that is there at the start: for one that others replace, name its folder.
 *
 * What was opened in create, config, ready, start and self_test stays open and
 * needs no entry.
 */
struct bevhost_manifest {
	uint32_t struct_size; /* sizeof(struct bevhost_manifest) */
	uint32_t flags;
	const char *const *reads;
	const char *const *writes;
};

#endif /* BEVHOST_MANIFEST_H */
