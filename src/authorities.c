/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of authorities is read once, before the sandbox: nothing is looked
 * for when a certificate comes.
 */
#include "authorities.h"

#include <errno.h>
#include <stdlib.h>

#include <bevhost/connect.h>

#ifdef HAVE_OPENSSL
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls_memory.h"
#include "tls_verify.h"

struct bevhost_authorities {
	SSL_CTX *ctx;
};

SSL_CTX *
authorities_ctx(const struct bevhost_authorities *authorities)
{
	return authorities->ctx;
}

/* OpenSSL says of a file only that it is none. */
static int
authorities_check_file(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;

	if (fd < 0) {
		bevhost_error("%s: %m", file);
		return -1;
	}
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
		close(fd);
		bevhost_error("%s: it is to be a file with certificates", file);
		return -1;
	}
	close(fd);
	return 0;
}

static int
authorities_say_memory(void)
{
	bevhost_error("there was too little memory to set TLS up");
	return -1;
}

static int
authorities_load(SSL_CTX *ctx, const char *file)
{
	if (authorities_check_file(file) < 0)
		return -1;
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(ctx, file) == 1)
		return tls_memory_has_failed() ? authorities_say_memory() : 0;
	ERR_clear_error();
	if (tls_memory_has_failed())
		return authorities_say_memory();
	bevhost_error("%s: there is no certificate in it that can be read: it "
		      "is to be in PEM form, with lines BEGIN CERTIFICATE",
	    file);
	return -1;
}

static SSL_CTX *
authorities_new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		ERR_clear_error();
		bevhost_error("no memory for TLS");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	tls_verify_ask(ctx, SSL_VERIFY_PEER);
	return ctx;
}

struct bevhost_authorities *
bevhost_authorities_new(const char *file)
{
	struct bevhost_authorities *authorities =
	    calloc(1, sizeof(*authorities));

	if (authorities == NULL) {
		bevhost_error("%m");
		return NULL;
	}
	authorities->ctx = authorities_new_ctx();
	if (authorities->ctx != NULL &&
	    authorities_load(authorities->ctx, file) == 0)
		return authorities;
	bevhost_authorities_free(authorities);
	return NULL;
}

void
bevhost_authorities_free(struct bevhost_authorities *authorities)
{
	if (authorities == NULL)
		return;
	SSL_CTX_free(authorities->ctx);
	free(authorities);
}
#else

struct ssl_ctx_st *
authorities_ctx(const struct bevhost_authorities *authorities)
{
	(void)authorities;
	return NULL;
}

struct bevhost_authorities *
bevhost_authorities_new(const char *file)
{
	(void)file;
	bevhost_error("TLS needs a bevhost that is built with OpenSSL");
	errno = ENOSYS;
	return NULL;
}

void
bevhost_authorities_free(struct bevhost_authorities *authorities)
{
	(void)authorities;
}
#endif
