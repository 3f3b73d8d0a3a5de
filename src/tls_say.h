/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a setting of TLS, in the words of all other settings. */
#ifndef TLS_SAY_H
#define TLS_SAY_H

#include <stddef.h>

#include <bevhost/base.h>

struct settings_item;

/*
 * As settings_say(), and warnings only where they are wanted. Returns minus an
 * exit status, for the caller to return.
 */
int tls_say(enum bevhost_level level, const struct settings_item *item,
    const char *format, ...) BEVHOST_PRINTF(3, 4);

/* Whether warnings are said, as they are at first. */
void tls_say_warnings(int wanted);

/* It is nobody's fault who wrote the settings. Returns -EX_OSERR. */
int tls_say_failed(void);

/* The last error of OpenSSL in its own words, or "unknown error"; it forgets
   them all. */
const char *tls_say_openssl(void);

#endif
