/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How functions are declared, and the levels of the log. <bevhost/types.h>
 * includes it.
 */
#ifndef BEVHOST_BASE_H
#define BEVHOST_BASE_H

#if defined(__GNUC__)
#define BEVHOST_EXPORT	     __attribute__((visibility("default")))
#define BEVHOST_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define BEVHOST_MUST_CHECK   __attribute__((warn_unused_result))
#else
#define BEVHOST_EXPORT
#define BEVHOST_PRINTF(f, a)
#define BEVHOST_MUST_CHECK
#endif

enum bevhost_level {
	BEVHOST_LOG_ERROR,
	BEVHOST_LOG_WARNING,
	BEVHOST_LOG_NOTICE, /* shown unless -q */
	BEVHOST_LOG_INFO,   /* shown with -v */
	BEVHOST_LOG_DEBUG   /* shown with -v -v */
};

#endif /* BEVHOST_BASE_H */
