/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in force: the command line and the configuration file, as one
 * struct, and the only way in to the host.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdint.h>

#include <bevhost/base.h>

#include "addr.h"

#define SETTINGS_GROUP_SIZE 64 /* of the name of a worker group */

/* KEY=VALUE of a plugin, or a bare word (key is NULL). */
struct settings_word {
	char *key;
	char *value;
	char *where; /* "FILE:LINE", or NULL: the command line */
};

struct settings_address {
	char *text; /* as it was written */
	struct addr_spec spec;
};

/*
 * What a listener asks of those who connect to it, and gives them. Times in
 * milliseconds, sizes in bytes; 0 is off, or no limit. The words of
 * settings_guard.h say what the others mean.
 */
struct settings_guard {
	int64_t proxy, proxy_timeout;
	int64_t tls_client, tls_min_version, tls_tickets, handshake_timeout;

	int64_t max_connections; /* of this listener alone */
	int64_t max_connections_per_client, max_buffer;
	int64_t client_prefix_ipv4, client_prefix_ipv6;
	int64_t connection_rate, connection_rate_per_client; /* per hour */
	int64_t bytes_in_rate, bytes_out_rate, min_rate;     /* per second */

	int64_t first_byte_timeout, idle_timeout, write_timeout, lifetime;
	int64_t linger_timeout, keepalive, tcp_user_timeout;

	struct settings_item *items;	 /* in their order; owned */
	struct settings_origin *origins; /* of scalars that were given; owned */
	int item_count, origin_count;
	uint32_t kinds; /* of items that there may be, by settings_lists[] */
	uint64_t given; /* a bit for each number that was given here */
};

/* A plugin with its parameters and its listeners: an instance to be. */
struct settings_handler {
	char *plugin; /* a name or a path */
	struct settings_address *addresses;
	int address_count;
	struct settings_word *words;
	int word_count;
	char *worker_group; /* "": the one without a name */
	int mode;	    /* of the files of unix sockets, or -1: by umask */
	char *where;	    /* "FILE:LINE", or NULL: the command line */
	int paused;	    /* it crashed too often: accept nothing */
	struct settings_guard guard;
};

/* Workers that serve some of the handlers, and no others. */
struct settings_group {
	char *name;
	int64_t workers; /* 0: one per CPU; -1: as the others have */
};

enum settings_pin { SETTINGS_PIN_AUTO, SETTINGS_PIN_ON, SETTINGS_PIN_OFF };

/* Times in milliseconds, sizes in bytes, texts owned or NULL. */
struct settings {
	/* Processes */
	int64_t workers; /* 0: one per CPU */
	int64_t pin;	 /* enum settings_pin; AUTO: when workers is 0 */
	char *user, *group;
	char *pidfile, *log_file, *record;
	int64_t level; /* enum bevhost_level */

	/* Draining and reload */
	int64_t drain_timeout, drain_spread, reload_drain_timeout;
	int64_t reload_drain_max; /* generations that may drain at once */
	int64_t start_timeout;
	int64_t canary_percent; /* 0: no canary */
	int64_t canary_time;
	int64_t canary_errors; /* per cent of the canary's connections */

	/* Hangs */
	int64_t stall_warn, stall_kill; /* 0: off */

	/* Loop and handlers */
	char *plugin_dir, *event_method;
	int64_t stack_size; /* 0: the default */
	int64_t job_threads, name_cache;

	/* What holds the open internet off */
	int64_t max_connections; /* of all listeners together */
	int64_t max_memory;	 /* of a worker's buffers */
	int64_t sandbox;	 /* enum settings_sandbox */
	struct settings_guard guard;

	struct settings_handler *handlers;
	int handler_count;
	struct settings_group *groups; /* those that a file describes */
	int group_count;
};

/* Every member has its default, and there is no handler. */
void settings_init(struct settings *settings);
void settings_clear(struct settings *settings);

/*
 * All that was to be given has been: what a handler has not of its own, it gets
 * from what holds for all. May be called again. Returns 0, or -1 with errno.
 */
int settings_finish(struct settings *settings) BEVHOST_MUST_CHECK;

/*
 * To a worker and back: all of it as bytes in a descriptor (a memfd). Each
 * returns 0, or -1 with errno (EPROTO: not what settings_write wrote, wholly
 * checked: lengths, counts, ends).
 */
int settings_write(const struct settings *settings, int fd) BEVHOST_MUST_CHECK;
int settings_read(struct settings *settings, int fd) BEVHOST_MUST_CHECK;

#endif
