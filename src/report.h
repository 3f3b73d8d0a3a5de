/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines about a call into a plugin, from signal handlers. */
#ifndef REPORT_H
#define REPORT_H

#include <ucontext.h>

struct bevhost_conn;
struct call;
struct safe_text;

/* plugin NAME */
void report_put_plugin(struct safe_text *text, const struct call *call);
/* , connection N from ADDRESS; nothing for NULL */
void report_put_conn(struct safe_text *text, const struct bevhost_conn *conn);
/* in plugin NAME, callback NAME, connection N from ADDRESS; or: in the host */
void report_put_call(struct safe_text *text, const struct call *call);

/*
 * Writes a line for each function from where the signal came. scan looks for
 * code that was loaded since, which may wait for a lock.
 */
void report_write_backtrace(const ucontext_t *context, int scan);

#endif
