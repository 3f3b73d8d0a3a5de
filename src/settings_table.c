/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the scalar settings: first those of the host, then those that
 * each listener may have of its own.
 */
#include "settings_edit.h"

#define SETTINGS_HOUR	       (60 * 60 * INT64_C(1000))
#define SETTINGS_DAY	       (24 * SETTINGS_HOUR)
#define SETTINGS_BYTES_MAX     (INT64_C(1) << 40)
#define SETTINGS_RATE_MAX      (1000000 * INT64_C(3600))
#define SETTINGS_FIELD(member) BEVHOST_FIELD(struct settings, member)

static const char *const settings_pins[] = { "auto", "on", "off", NULL };

/* Beside what their types say. */
static const char *const settings_auto[] = { "auto", NULL };

static const char *const settings_off[] = { "off", NULL };

static const char *const settings_methods[] = { "epoll", "poll", "select",
	NULL };

static const char *const settings_levels[] = { "error", "warning", "notice",
	"info", "debug", NULL };

static const char *const settings_sandboxes[] = { "off", "report", "on", NULL };

static const char *const settings_proxies[] = { "off", "optional", "required",
	NULL };

static const char *const settings_clients[] = { "off", "optional", "required",
	NULL };

static const char *const settings_versions[] = { "1.2", "1.3", NULL };

const struct bevhost_param settings_params[] = {
	{
	    .name = "workers",
	    .type = BEVHOST_PARAM_INT,
	    .value = "1",
	    .min = 1,
	    .max = 256,
	    .choices = settings_auto,
	    .help = "processes that serve, or auto: one per CPU",
	    .field = SETTINGS_FIELD(workers),
	},
	{
	    .name = "pin",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "auto",
	    .choices = settings_pins,
	    .help = "each worker to a CPU of its own; auto: if workers is auto",
	    .field = SETTINGS_FIELD(pin),
	},
	{
	    .name = "user",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "user that workers run as",
	    .field = SETTINGS_FIELD(user),
	},
	{
	    .name = "group",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "group that workers run as",
	    .field = SETTINGS_FIELD(group),
	},
	{
	    .name = "pidfile",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "file for the process id, locked while it runs",
	    .field = SETTINGS_FIELD(pidfile),
	},
	{
	    .name = "log-file",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "file for the log instead of standard error",
	    .field = SETTINGS_FIELD(log_file),
	},
	{
	    .name = "record",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "folder to which connections are written down",
	    .field = SETTINGS_FIELD(record),
	},
	{
	    .name = "log-level",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "notice",
	    .choices = settings_levels,
	    .help = "how much is said",
	    .field = SETTINGS_FIELD(level),
	},
	{
	    .name = "drain-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "30s",
	    .max = SETTINGS_DAY,
	    .help = "how long a stop waits for open connections",
	    .field = SETTINGS_FIELD(drain_timeout),
	},
	{
	    .name = "drain-spread",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .max = SETTINGS_HOUR,
	    .help = "time over which idle connections are closed then",
	    .field = SETTINGS_FIELD(drain_spread),
	},
	{
	    .name = "reload-drain-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "10m",
	    .max = 30 * SETTINGS_DAY,
	    .help = "how long a reload lets old connections go on",
	    .field = SETTINGS_FIELD(reload_drain_timeout),
	},
	{
	    .name = "reload-drain-max",
	    .type = BEVHOST_PARAM_INT,
	    .value = "8",
	    .min = 1,
	    .max = 64,
	    .help = "old generations that may drain at once",
	    .field = SETTINGS_FIELD(reload_drain_max),
	},
	{
	    .name = "start-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "30s",
	    .min = 100,
	    .max = SETTINGS_HOUR,
	    .help = "how long workers may take until they are ready",
	    .field = SETTINGS_FIELD(start_timeout),
	},
	{
	    .name = "reload-canary",
	    .type = BEVHOST_PARAM_STRING,
	    .value = "off",
	    .choices = settings_off,
	    .help = "share and time in which a reload is tried, or off",
	},
	{
	    .name = "stall-warn",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1s",
	    .max = SETTINGS_HOUR,
	    .help = "name a worker whose loop stands still this long; 0s: off",
	    .field = SETTINGS_FIELD(stall_warn),
	},
	{
	    .name = "stall-kill",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .max = SETTINGS_HOUR,
	    .help = "replace a worker after this long; 0s: off",
	    .field = SETTINGS_FIELD(stall_kill),
	},
	{
	    .name = "plugin-dir",
	    .type = BEVHOST_PARAM_STRING,
	    .help = "folder in which plugins are looked for first",
	    .field = SETTINGS_FIELD(plugin_dir),
	},
	{
	    .name = "event-method",
	    .type = BEVHOST_PARAM_STRING,
	    .choices = settings_methods,
	    .help = "epoll, poll or select",
	    .field = SETTINGS_FIELD(event_method),
	},
	{
	    .name = "stack-size",
	    .type = BEVHOST_PARAM_SIZE,
	    .min = 16 * 1024,
	    .max = 64 * 1024 * 1024,
	    .help = "of tasks that their plugin gives none, 64k unless given",
	    .field = SETTINGS_FIELD(stack_size),
	},
	{
	    .name = "job-threads",
	    .type = BEVHOST_PARAM_INT,
	    .value = "4",
	    .min = 1,
	    .max = 256,
	    .help = "threads of a worker for blocking work",
	    .field = SETTINGS_FIELD(job_threads),
	},
	{
	    .name = "name-cache",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "10s",
	    .max = SETTINGS_DAY,
	    .help = "how long the addresses of a target are kept; 0s: off",
	    .field = SETTINGS_FIELD(name_cache),
	},
	{
	    .name = "max-connections",
	    .type = BEVHOST_PARAM_INT,
	    .min = 1,
	    .max = INT32_MAX,
	    .help = "connections at a time, of all listeners together",
	    .field = SETTINGS_FIELD(max_connections),
	},
	{
	    .name = "max-memory",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "1G",
	    .min = 1024 * 1024,
	    .max = INT64_MAX,
	    .help = "of the buffers of a worker's connections",
	    .field = SETTINGS_FIELD(max_memory),
	},
	{
	    .name = "sandbox",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "on",
	    .choices = settings_sandboxes,
	    .help = "workers can only do what their plugins declare",
	    .field = SETTINGS_FIELD(sandbox),
	},
	{
	    .name = "max-connections-per-client",
	    .type = BEVHOST_PARAM_INT,
	    .min = 1,
	    .max = INT32_MAX,
	    .help = "connections at a time, of one client",
	    .field = SETTINGS_FIELD(guard.max_connections_per_client),
	},
	{
	    .name = "client-prefix-ipv4",
	    .type = BEVHOST_PARAM_INT,
	    .value = "32",
	    .min = 1,
	    .max = 32,
	    .help = "bits of an IPv4 address that make one client",
	    .field = SETTINGS_FIELD(guard.client_prefix_ipv4),
	},
	{
	    .name = "client-prefix-ipv6",
	    .type = BEVHOST_PARAM_INT,
	    .value = "64",
	    .min = 1,
	    .max = 128,
	    .help = "bits of an IPv6 address that make one client",
	    .field = SETTINGS_FIELD(guard.client_prefix_ipv6),
	},
	{
	    .name = "connection-rate",
	    .type = BEVHOST_PARAM_INT,
	    .min = 1,
	    .max = SETTINGS_RATE_MAX,
	    .help = "new connections of a listener: 100/s, 30/m or 5/h",
	    .field = SETTINGS_FIELD(guard.connection_rate),
	},
	{
	    .name = "connection-rate-per-client",
	    .type = BEVHOST_PARAM_INT,
	    .min = 1,
	    .max = SETTINGS_RATE_MAX,
	    .help = "new connections of one client: 10/s, 30/m or 5/h",
	    .field = SETTINGS_FIELD(guard.connection_rate_per_client),
	},
	{
	    .name = "bytes-in-rate",
	    .type = BEVHOST_PARAM_SIZE,
	    .min = 1,
	    .max = SETTINGS_BYTES_MAX,
	    .help = "bytes per second that a connection may send us",
	    .field = SETTINGS_FIELD(guard.bytes_in_rate),
	},
	{
	    .name = "bytes-out-rate",
	    .type = BEVHOST_PARAM_SIZE,
	    .min = 1,
	    .max = SETTINGS_BYTES_MAX,
	    .help = "bytes per second that it may be sent",
	    .field = SETTINGS_FIELD(guard.bytes_out_rate),
	},
	{
	    .name = "max-buffer",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "16M",
	    .min = 64 * 1024,
	    .max = SETTINGS_BYTES_MAX,
	    .help = "of the input of a connection, or of its output",
	    .field = SETTINGS_FIELD(guard.max_buffer),
	},
	{
	    .name = "first-byte-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1m",
	    .max = 30 * SETTINGS_DAY,
	    .help = "for the first byte of a client; 0s: off",
	    .field = SETTINGS_FIELD(guard.first_byte_timeout),
	},
	{
	    .name = "idle-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "10m",
	    .max = 30 * SETTINGS_DAY,
	    .help = "close when nothing was sent for this long; 0s: off",
	    .field = SETTINGS_FIELD(guard.idle_timeout),
	},
	{
	    .name = "write-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1m",
	    .max = 30 * SETTINGS_DAY,
	    .help = "for a peer that takes nothing of its answer; 0s: off",
	    .field = SETTINGS_FIELD(guard.write_timeout),
	},
	{
	    .name = "min-rate",
	    .type = BEVHOST_PARAM_SIZE,
	    .value = "64",
	    .min = 0,
	    .max = SETTINGS_BYTES_MAX,
	    .help = "bytes per second that a peer must take or send; 0: off",
	    .field = SETTINGS_FIELD(guard.min_rate),
	},
	{
	    .name = "lifetime",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "0s",
	    .max = 365 * SETTINGS_DAY,
	    .help = "of a connection as a whole; 0s: off",
	    .field = SETTINGS_FIELD(guard.lifetime),
	},
	{
	    .name = "linger-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "5s",
	    .min = 10,
	    .max = SETTINGS_HOUR,
	    .help = "for a peer to close when we have",
	    .field = SETTINGS_FIELD(guard.linger_timeout),
	},
	{
	    .name = "keepalive",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "1m",
	    .max = SETTINGS_DAY / 4,
	    .help = "ask a silent peer whether it is there; 0s: off",
	    .field = SETTINGS_FIELD(guard.keepalive),
	},
	{
	    .name = "tcp-user-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "2m",
	    .max = SETTINGS_DAY,
	    .help = "for a peer to acknowledge what was sent; 0s: off",
	    .field = SETTINGS_FIELD(guard.tcp_user_timeout),
	},
	{
	    .name = "proxy",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "off",
	    .choices = settings_proxies,
	    .help = "a PROXY header comes first: off, optional or required",
	    .field = SETTINGS_FIELD(guard.proxy),
	},
	{
	    .name = "proxy-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "5s",
	    .min = 10,
	    .max = SETTINGS_HOUR,
	    .help = "for the PROXY header",
	    .field = SETTINGS_FIELD(guard.proxy_timeout),
	},
	{
	    .name = "tls-client",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "off",
	    .choices = settings_clients,
	    .help = "certificates of clients: off, optional or required",
	    .field = SETTINGS_FIELD(guard.tls_client),
	},
	{
	    .name = "tls-min-version",
	    .type = BEVHOST_PARAM_ENUM,
	    .value = "1.2",
	    .choices = settings_versions,
	    .help = "the oldest TLS that is spoken: 1.2 or 1.3",
	    .field = SETTINGS_FIELD(guard.tls_min_version),
	},
	{
	    .name = "tls-tickets",
	    .type = BEVHOST_PARAM_BOOL,
	    .value = "on",
	    .help = "clients may resume their TLS session",
	    .field = SETTINGS_FIELD(guard.tls_tickets),
	},
	{
	    .name = "handshake-timeout",
	    .type = BEVHOST_PARAM_DURATION,
	    .value = "10s",
	    .min = 10,
	    .max = SETTINGS_HOUR,
	    .help = "for the TLS handshake",
	    .field = SETTINGS_FIELD(guard.handshake_timeout),
	},
	{ .name = NULL },
};

const struct bevhost_param settings_listener_params[] = {
	{
	    .name = "max-connections",
	    .type = BEVHOST_PARAM_INT,
	    .min = 1,
	    .max = INT32_MAX,
	    .help = "connections at a time, of this listener",
	    .field = SETTINGS_FIELD(guard.max_connections),
	},
	{ .name = NULL },
};
