/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether OpenSSL has had the memory that it asked for. It makes do without a
 * digest or a cipher that there was no memory for, tells nobody, and refuses
 * every client later.
 */
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

/* From now on it is known. Before anything uses OpenSSL; again does nothing. */
void tls_memory_watch(void);

/* Once it has happened it stays so: OpenSSL goes on without what it lacks. */
int tls_memory_has_failed(void);

#endif
