/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker says it while it starts, so that it names a line in a file as the
   file's own errors do. */
#include "tls_say.h"

#include <stdarg.h>
#include <sysexits.h>

#ifdef HAVE_OPENSSL
#include <openssl/err.h>
#endif

#include "log.h"
#include "settings_guard.h"
#include "settings_say.h"

static int tls_say_no_warnings;

void
tls_say_warnings(int wanted)
{
	tls_say_no_warnings = !wanted;
}

int
tls_say(enum bevhost_level level, const struct settings_item *item,
    const char *format, ...)
{
	va_list args;
	int status;

	if (level == BEVHOST_LOG_WARNING && tls_say_no_warnings)
		return 0;
	va_start(args, format);
	status = settings_vsay(level, item, format, args);
	va_end(args);
	return status;
}

#ifdef HAVE_OPENSSL
int
tls_say_failed(void)
{
	log_write(BEVHOST_LOG_ERROR, NULL, "TLS: %s", tls_say_openssl());
	return -EX_OSERR;
}

const char *
tls_say_openssl(void)
{
	unsigned long error = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(error);

	if (text == NULL && ERR_SYSTEM_ERROR(error))
		text = "out of memory";
	ERR_clear_error();
	return text != NULL ? text : "unknown error";
}
#endif
