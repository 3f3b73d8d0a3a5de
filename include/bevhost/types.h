/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plain types of the plugin interface. <bevhost/plugin.h> includes it.
 */
#ifndef BEVHOST_TYPES_H
#define BEVHOST_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include <bevhost/base.h>
#include <bevhost/reason.h>

enum bevhost_param_type {
	BEVHOST_PARAM_STRING = 1, /* any text; min and max bound its length */
	BEVHOST_PARAM_INT,	  /* decimal */
	BEVHOST_PARAM_BOOL,	  /* on off, yes no, true false, 1 0 */
	BEVHOST_PARAM_SIZE,	  /* bytes: 4096, 64k, 1M, 2G, 1T (of 1024) */
	BEVHOST_PARAM_DURATION,	  /* 250ms, 30s, 5m, 2h, 1d; a unit is needed */
	BEVHOST_PARAM_ENUM	  /* one of the words in choices */
};

/* What a generator waits for. */
enum bevhost_op {
	BEVHOST_OP_DONE = 0, /* nothing: it has ended */
	BEVHOST_OP_READ,     /* `bytes` bytes of input, or its end */
	BEVHOST_OP_WRITE,    /* at most `bytes` bytes of output are owed */
	BEVHOST_OP_SLEEP     /* the deadline */
};

struct bevhost_field {
	size_t offset, size;
};

#define BEVHOST_PARAM_REQUIRED 1u /* no start without it; has no default */
#define BEVHOST_PARAM_REPEAT   2u /* may be given again: config sees each */

/*
 * One KEY=VALUE that a plugin takes. The host parses the text, checks it
 * against the range, and stores it in the instance when there is a field for
 * it: a string as `const char *` (the host's, as long as the instance), every
 * other type as `int64_t` (a duration in milliseconds, a size in bytes, a
 * boolean as 0 or 1, an enum as its index in choices). The default is stored
 * before config is called. An array ends with an entry without a name.
 */
struct bevhost_param {
	const char *name;	    /* lower case, digits and - */
	uint32_t type;		    /* enum bevhost_param_type */
	uint32_t flags;		    /* BEVHOST_PARAM_* */
	const char *value;	    /* the default as text, or NULL */
	int64_t min, max;	    /* both 0: no range */
	const char *const *choices; /* for an enum, ended by NULL */
	const char *help;	    /* one line, lower case, no full stop */
	struct bevhost_field field; /* BEVHOST_FIELD(), or zeroes */
};

/* Where the instance keeps a parameter: BEVHOST_FIELD(struct echo, limit). */
#define BEVHOST_FIELD(type, member)                                 \
	{                                                           \
		offsetof(type, member), sizeof(((type *)0)->member) \
	}

#endif /* BEVHOST_TYPES_H */
