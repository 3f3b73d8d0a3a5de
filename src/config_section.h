/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is being read of a configuration, and the callbacks of libConfuse for
 * its sections.
 */
#ifndef CONFIG_SECTION_H
#define CONFIG_SECTION_H

#ifdef HAVE_CONFUSE

#include <confuse.h>

#include "config_include.h"
#include "settings.h"

#define CONFIG_WHERE_MAX 600

/* What was given where, so that a second one can be told of the first. */
struct config_given {
	char *name;
	char *where;
};

struct config_reader {
	struct settings *settings;
	const struct config_source *source; /* the file that is being read */
	cfg_t *root;
	cfg_t *section; /* whose handler or group is the last one */
	struct config_given *given;
	int given_count;
	int given_root;	 /* how many are of the root */
	unsigned serial; /* of the marks */
	int files;
	int status; /* 0, or minus an exit status: it was logged */
};

/* The one that reads now: libConfuse's callbacks carry nothing of ours. */
extern struct config_reader *config;

/* Each returns -1 having logged, for libConfuse. */
int config_fail_at(int line, const char *format, ...) BEVHOST_PRINTF(2, 3);
int config_no_memory(const cfg_t *cfg);
int config_say_value(
    const cfg_t *cfg, const char *name, const char *value, const char *why);

/* "FILE:LINE" into buf, of CONFIG_WHERE_MAX bytes. Returns buf. */
char *config_where(int line, char *buf);

/*
 * That name was given. Returns 0, or -1 having logged that it had been, among
 * what was given from the number first on.
 */
int config_give(const cfg_t *cfg, const char *name, int first);
void config_forget(int first);

/* The value of an option, which may be a path beside the file. A copy, or
   NULL. */
char *config_value(const char *name, const char *value);

/* The end of a callback that has taken value. Returns 0. */
int config_kept(const char *value, void *result);

/* Values of a section, and sections that have been closed. */
int config_on_listen_value(
    cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int config_on_also(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int
config_on_guard(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int config_on_item(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int config_on_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int config_on_word(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int config_on_with(cfg_t *cfg, cfg_opt_t *opt);
int config_on_listen(cfg_t *cfg, cfg_opt_t *opt);
int config_on_group_workers(
    cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
int config_on_group(cfg_t *cfg, cfg_opt_t *opt);

#endif

#endif
