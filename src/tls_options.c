/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenSSL passes over the name of a cipher that it does not know as long as it
 * knows another, so each name is tried by itself.
 */
#include "tls_options.h"

#ifdef HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "settings_guard.h"
#include "tls_say.h"
#include "tls_ticket.h"

#define TLS_OPTIONS_NAME_MAX 128

/* What TLS 1.2 still has that nobody has found fault with. */
#define TLS_OPTIONS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* The first that this OpenSSL knows: a newer one has the hybrid. FFDHE costs
   much for what it gives. */
static const char *const tls_options_groups[] = {
	"X25519MLKEM768:X25519:P-256:P-384",
	"X25519:P-256:P-384",
	NULL,
};

static int
tls_options_try_cipher(SSL_CTX *ctx, const char *name)
{
	/* What takes away from a list, or orders it. */
	if (name[0] == '@')
		return 1;
	return SSL_CTX_set_cipher_list(ctx, name + strspn(name, "!+-"));
}

static int
tls_options_try_suite(SSL_CTX *ctx, const char *name)
{
	STACK_OF(SSL_CIPHER) * ciphers;
	int i;

	if (SSL_CTX_set_ciphersuites(ctx, name) != 1)
		return 0;
	ciphers = SSL_CTX_get_ciphers(ctx);
	for (i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
		if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)),
			name) == 0)
			return 1;
	return 0;
}

static int
tls_options_try_group(SSL_CTX *ctx, const char *name)
{
	return (int)SSL_CTX_set1_groups_list(ctx, name);
}

/* Each name of the list by itself. 0, or -1 having logged. */
static int
tls_options_check_names(const struct settings_item *item, const char *between,
    int (*try)(SSL_CTX *ctx, const char *name), const char *kind,
    const char *help)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	const char *at = item->value + strspn(item->value, between);
	char name[TLS_OPTIONS_NAME_MAX];
	int status = 0;

	if (*at == '\0')
		status =
		    tls_say(BEVHOST_LOG_ERROR, item, "there is no %s", kind);
	while (*at != '\0' && status == 0) {
		snprintf(
		    name, sizeof(name), "%.*s", (int)strcspn(at, between), at);
		if (ctx == NULL || try(ctx, name) != 1)
			status = tls_say(BEVHOST_LOG_ERROR, item,
			    "OpenSSL knows no %s '%s': %s", kind, name, help);
		at += strcspn(at, between);
		at += strspn(at, between);
	}
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return status;
}

static const struct settings_item *
tls_options_item(const struct settings_guard *guard, const char *name)
{
	int at = settings_item_next(guard, name, 0);

	return at >= 0 ? &guard->items[at] : NULL;
}

static int
tls_options_set_ciphers(SSL_CTX *ctx, const struct settings_guard *guard)
{
	const struct settings_item *item =
	    tls_options_item(guard, "tls-ciphers");
	int status = 0;

	if (item != NULL)
		status =
		    tls_options_check_names(item, ":, ", tls_options_try_cipher,
			"cipher", "openssl ciphers lists them");
	if (status < 0)
		return status;
	if (SSL_CTX_set_cipher_list(
		ctx, item != NULL ? item->value : TLS_OPTIONS_CIPHERS) == 1)
		return 0;
	if (item != NULL)
		return tls_say(BEVHOST_LOG_ERROR, item, "no cipher is left: %s",
		    tls_say_openssl());
	return tls_say_failed();
}

static int
tls_options_set_suites(SSL_CTX *ctx, const struct settings_guard *guard)
{
	const struct settings_item *item =
	    tls_options_item(guard, "tls-ciphersuites");
	int status;

	if (item == NULL)
		return 0;
	status = tls_options_check_names(item, ":", tls_options_try_suite,
	    "ciphersuite", "openssl ciphers -s -tls1_3 lists them");
	if (status < 0)
		return status;
	return SSL_CTX_set_ciphersuites(ctx, item->value) == 1
		   ? 0
		   : tls_say(BEVHOST_LOG_ERROR, item, "%s", tls_say_openssl());
}

/* OpenSSL has no word for what is wrong with a list of names that it knows. */
static const char *
tls_options_why_groups(const char *value)
{
	size_t len = strlen(value);

	if (value[0] == ':' || value[len - 1] == ':' ||
	    strstr(value, "::") != NULL)
		return "a name in it is empty: it is as in X25519:P-256";
	if (ERR_peek_last_error() == 0)
		return "a group is in it twice: leave one out";
	return tls_say_openssl();
}

static int
tls_options_set_groups(SSL_CTX *ctx, const struct settings_guard *guard)
{
	const struct settings_item *item =
	    tls_options_item(guard, "tls-groups");
	int i, status;

	for (i = 0; item == NULL && tls_options_groups[i] != NULL; i++)
		if (SSL_CTX_set1_groups_list(ctx, tls_options_groups[i]) == 1)
			break;
	ERR_clear_error();
	if (item == NULL) /* or OpenSSL's own, which are good too */
		return 0;
	status = tls_options_check_names(item, ":", tls_options_try_group,
	    "group", "X25519, P-256 and P-384 are some that it knows");
	if (status < 0)
		return status;
	return SSL_CTX_set1_groups_list(ctx, item->value) == 1
		   ? 0
		   : tls_say(BEVHOST_LOG_ERROR, item, "%s",
			 tls_options_why_groups(item->value));
}

/* Sessions are in tickets alone: workers share nothing else. */
static int
tls_options_set_tickets(SSL_CTX *ctx, int wanted)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (!wanted) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ctx, 0) == 1 ? 0 : -1;
	}
	/* OpenSSL makes two: each costs a handshake some of its time. */
	return SSL_CTX_set_num_tickets(ctx, 1) == 1 ? tls_ticket_set(ctx) : -1;
}

int
tls_options_set(SSL_CTX *ctx, const struct settings_guard *guard)
{
	int version = guard->tls_min_version == SETTINGS_TLS_1_3
			  ? TLS1_3_VERSION
			  : TLS1_2_VERSION;
	int status;

	/* A chain is what its file says: looking for more of it costs each
	   handshake a verification. */
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_options(
	    ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
		     SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	if (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
	    tls_options_set_tickets(ctx, guard->tls_tickets != 0) < 0)
		return tls_say_failed();
	status = tls_options_set_ciphers(ctx, guard);
	if (status == 0)
		status = tls_options_set_suites(ctx, guard);
	return status == 0 ? tls_options_set_groups(ctx, guard) : status;
}

#endif
