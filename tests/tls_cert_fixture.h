/* SPDX-License-Identifier: BSD-2-Clause */
/* A CA, a certificate of it that is loaded, and what is said of it. */
#ifndef TLS_CERT_FIXTURE_H
#define TLS_CERT_FIXTURE_H

#include <sysexits.h>

#include "heard.h"
#include "tls.h"
#include "tls_made.h"

static struct made authority, one;

static inline void
setup(void)
{
	static const struct wish wish = { .cn = "authority" };

	folder_make();
	authority = make(&wish);
	memset(&one, 0, sizeof(one));
}

static inline void
teardown(void)
{
	made_clear(&authority);
	made_clear(&one);
	folder_remove();
}

static inline void
make_one(void)
{
	const struct wish wish = { .cn = "one.example", .issuer = &authority };

	one = make_pair("one", &wish);
}

/* Loads, and says what was heard without the folder's name. */
static inline const char *
said(int *status)
{
	static char text[sizeof(heard)];
	struct tls *tls = NULL;
	size_t len = strlen(folder);
	char *at;

	listen_to_stderr();
	*status = tls_new(&tls, &guard);
	restore_stderr();
	tls_free(tls);
	snprintf(text, sizeof(text), "%s", heard);
	while ((at = strstr(text, folder)) != NULL)
		memmove(at, at + len + 1, strlen(at + len + 1) + 1);
	return text;
}

static inline void
expect(int wanted, const char *text)
{
	int status;
	const char *found = said(&status);

	ck_assert_str_eq(found, text);
	ck_assert_int_eq(status, wanted);
}

static inline void
refused(const char *text)
{
	expect(-EX_USAGE, text);
}

static inline void
unreadable(const char *text)
{
	expect(-EX_NOINPUT, text);
}

static inline void
warned(const char *text)
{
	expect(0, text);
}

#endif
