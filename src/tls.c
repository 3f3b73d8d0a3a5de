/* SPDX-License-Identifier: BSD-2-Clause */
/* Do the settings make sense together? Then a context is made of them. */
#include "tls.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#ifdef HAVE_OPENSSL
#include <openssl/ssl.h>

#include "tls_client.h"
#include "tls_memory.h"
#include "tls_options.h"
#include "tls_site.h"
#endif

#include "log.h"
#include "settings_guard.h"
#include "settings_origin.h"
#include "settings_say.h"
#include "tls_say.h"

struct tls {
	struct ssl_ctx_st *ctx;
};

int
tls_is_file(const char *name)
{
	return strcmp(name, "tls-cert") == 0 || strcmp(name, "tls-key") == 0 ||
	       strcmp(name, "tls-ocsp") == 0 ||
	       strcmp(name, "tls-client-ca") == 0;
}

/* Each key and each answer of a CA belongs to the certificate before it. */
static int
tls_check_order(const struct settings_guard *guard)
{
	const struct settings_item *item = guard->items, *cert = NULL,
				   *key = NULL, *ocsp = NULL, **last;
	int i;

	for (i = 0; i < guard->item_count; i++, item++) {
		if (strcmp(item->name, "tls-cert") == 0) {
			cert = item;
			key = ocsp = NULL;
			continue;
		}
		if (strcmp(item->name, "tls-key") == 0)
			last = &key;
		else if (strcmp(item->name, "tls-ocsp") == 0)
			last = &ocsp;
		else
			continue;
		if (cert == NULL)
			return tls_say(BEVHOST_LOG_ERROR, item,
			    "there is no certificate that it is for: name that "
			    "with %s, before it",
			    SETTINGS_SPELL(item->where, "tls-cert"));
		if (*last != NULL)
			return tls_say(BEVHOST_LOG_ERROR, item,
			    "'%s' has one already, '%s': name another "
			    "certificate before it",
			    cert->value, (*last)->value);
		*last = item;
	}
	return 0;
}

static int
tls_say_plain(const struct settings_item *item)
{
	return tls_say(BEVHOST_LOG_ERROR, item,
	    "there is no certificate, so there is no TLS: name one with %s, or "
	    "do without this",
	    SETTINGS_SPELL(item->where, "tls-cert"));
}

/* What was to be for TLS, of a listener that would serve in the clear. */
static int
tls_check_unused(const struct settings_guard *guard)
{
	struct settings_item own;
	char text[32];
	int i;

	for (i = 0; i < guard->item_count; i++) {
		const struct settings_item *item = &guard->items[i];

		/* The command line's is everybody's own. */
		if (strncmp(item->name, "tls-", 4) == 0 &&
		    (!item->inherited || item->where == NULL))
			return tls_say_plain(item);
	}
	if (!settings_is_own(guard, "tls-min-version"))
		return 0;
	own = settings_scalar(guard, "tls-min-version", text, sizeof(text));
	return tls_say_plain(&own);
}

/* A listener without TLS can verify nobody, and must not seem to. */
static int
tls_check_plain(const struct settings_guard *guard)
{
	struct settings_item own;
	char text[32];
	int status = tls_check_order(guard);

	if (status < 0)
		return status;
	if (guard->tls_client == SETTINGS_CLIENT_OFF)
		return tls_check_unused(guard);
	own = settings_scalar(guard, "tls-client", text, sizeof(text));
	return tls_say_plain(&own);
}

#ifdef HAVE_OPENSSL

/* OpenSSL has gone on without what there was no memory for. */
static int
tls_say_lame(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "TLS: there was too little memory to set it up, so that clients "
	    "might be refused: give the host more, and start it anew");
	return -EX_OSERR;
}

static int
tls_make(struct tls *tls, const struct settings_guard *guard)
{
	int status;

	tls->ctx = SSL_CTX_new(TLS_server_method());
	if (tls->ctx == NULL)
		return tls_say_failed();
	status = tls_options_set(tls->ctx, guard);
	if (status == 0)
		status = tls_site_load(tls->ctx, guard);
	/* A client is looked at once it is known what is shown to it. */
	if (status == 0)
		status = tls_client_set(tls->ctx, guard);
	return status == 0 && tls_memory_has_failed() ? tls_say_lame() : status;
}

int
tls_new(struct tls **tls, const struct settings_guard *guard)
{
	int status;

	*tls = NULL;
	if (settings_item_next(guard, "tls-cert", 0) < 0)
		return tls_check_plain(guard);
	status = tls_check_order(guard);
	if (status < 0)
		return status;
	*tls = calloc(1, sizeof(**tls));
	if (*tls == NULL) {
		log_write(BEVHOST_LOG_ERROR, NULL, "%m");
		return -EX_OSERR;
	}
	status = tls_make(*tls, guard);
	if (status < 0) {
		tls_free(*tls);
		*tls = NULL;
	}
	return status;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

#else

int
tls_new(struct tls **tls, const struct settings_guard *guard)
{
	int at = settings_item_next(guard, "tls-cert", 0);

	*tls = NULL;
	if (at < 0)
		return tls_check_plain(guard);
	return tls_say(BEVHOST_LOG_ERROR, &guard->items[at],
	    "this bevhost was built without TLS: build it with OpenSSL");
}

void
tls_free(struct tls *tls)
{
	free(tls);
}

#endif

struct ssl_ctx_st *
tls_ctx(const struct tls *tls)
{
	return tls->ctx;
}
