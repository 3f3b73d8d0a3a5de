/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plugins that are to be refused, one for each REFUSED_* that is defined, and
 * those beside them that are to be taken.
 */
#include <bevhost/manifest.h>
#include <bevhost/plugin.h>

/* Each variant breaks one thing. */
#if defined(REFUSED_API)
#define REFUSED_CHANGE plugin->api_version = 99
#endif
#if defined(REFUSED_LIBEVENT)
#define REFUSED_CHANGE plugin->libevent_version = 0x02020000
#endif
#if defined(REFUSED_LONGER)
#define REFUSED_CHANGE \
	plugin->struct_size = sizeof(refused), refused.later = plugin
#endif
#if defined(REFUSED_SHORT)
#define REFUSED_CHANGE plugin->struct_size = 16
#endif
#if defined(REFUSED_NAME)
#define REFUSED_CHANGE plugin->name = "Bad Name"
#endif
#if defined(REFUSED_MODEL)
#define REFUSED_CHANGE plugin->read = NULL
#endif
#if defined(REFUSED_RESERVED)
#define REFUSED_CHANGE plugin->reserved[1] = (void (*)(void))refused_read
#endif
#if defined(REFUSED_MANIFEST)
static const char *const refused_reads[] = { "/etc", "here", NULL };
static const struct bevhost_manifest refused_manifest = {
	.struct_size = sizeof(refused_manifest),
	.reads = refused_reads,
};
#define REFUSED_CHANGE plugin->manifest = &refused_manifest
#endif
#if defined(REFUSED_NULL)
#define REFUSED_CHANGE plugin = NULL
#endif
#if defined(REFUSED_BARE)
#define REFUSED_PARAM .type = BEVHOST_PARAM_INT
#endif
#if defined(REFUSED_PARAM_TYPE)
#define REFUSED_PARAM .type = 77
#endif
#if defined(REFUSED_PARAM_DEFAULT)
#define REFUSED_PARAM \
	.type = BEVHOST_PARAM_INT, .value = "7", .min = 1, .max = 5
#endif
#if defined(REFUSED_PARAM_FIELD)
#define REFUSED_PARAM .type = BEVHOST_PARAM_INT, .field = { 0, 4 }
#endif
#if defined(REFUSED_PARAM_CHOICES)
#define REFUSED_PARAM .type = BEVHOST_PARAM_ENUM, .choices = refused_none
#endif
#if defined(REFUSED_PARAM_SIZE)
#define REFUSED_PARAM  .type = BEVHOST_PARAM_INT
#define REFUSED_CHANGE plugin->param_size = 12
#endif
#if defined(REFUSED_TWO_MODELS)
#define REFUSED_CHANGE plugin->run = refused_run
#endif
#if defined(REFUSED_OPEN)
#define REFUSED_CHANGE \
	plugin->run = refused_run, plugin->read = NULL, plugin->state_size = 8
#endif
#if defined(REFUSED_FRAME)
#define REFUSED_CHANGE plugin->generate = refused_generate, plugin->read = NULL
#endif
#if defined(LONGER_ZERO)
#define REFUSED_CHANGE plugin->struct_size = sizeof(refused)
#endif
/* What it is too short for is not read, whatever stands there. */
#if defined(SHORTER)
#define REFUSED_CHANGE                                              \
	plugin->struct_size = offsetof(struct bevhost_plugin, run), \
	plugin->run = refused_run
#endif
/* Structs of a later interface, with something in what is new, or nothing. */
#if defined(REFUSED_LONGER_PARAM)
#define REFUSED_LATER  &refused
#define REFUSED_CHANGE refused_use_longer_param(plugin)
#endif
#if defined(LONGER_PARAM_ZERO)
#define REFUSED_LATER  NULL
#define REFUSED_CHANGE refused_use_longer_param(plugin)
#endif
#if defined(REFUSED_LONGER_MANIFEST)
#define REFUSED_LATER  &refused
#define REFUSED_CHANGE refused_use_longer_manifest(plugin)
#endif
#if defined(LONGER_MANIFEST_ZERO)
#define REFUSED_LATER  NULL
#define REFUSED_CHANGE refused_use_longer_manifest(plugin)
#endif

static void
refused_read(struct bufferevent *bev, void *state)
{
	(void)bev;
	(void)state;
}

#if defined(REFUSED_TWO_MODELS) || defined(REFUSED_OPEN) || defined(SHORTER)
static int
refused_run(struct bevhost_stream *stream, void *self)
{
	(void)stream;
	(void)self;
	return 0;
}
#endif

#if defined(REFUSED_FRAME)
static enum bevhost_op
refused_generate(struct bevhost_generator *generator)
{
	(void)generator;
	return BEVHOST_OP_DONE;
}
#endif

#if defined(REFUSED_PARAM)
static const char *const refused_none[] = { NULL };
static const struct bevhost_param refused_params[] = {
	{ .name = "x", REFUSED_PARAM },
	{ .name = NULL },
};
#endif

struct refused_longer {
	struct bevhost_plugin plugin;
	void *later;
};

static struct refused_longer refused = {
	.plugin = {
		.struct_size = sizeof(struct bevhost_plugin),
		.api_version = BEVHOST_API_VERSION,
		.libevent_version = EVENT__NUMERIC_VERSION,
		.param_size = sizeof(struct bevhost_param),
		.name = "refused",
		.read = refused_read,
#if defined(REFUSED_PARAM)
		.params = refused_params,
#endif
#if defined(REFUSED_BARE)
		.bare_param = "nothing",
#endif
	},
};

#if defined(REFUSED_LONGER_PARAM) || defined(LONGER_PARAM_ZERO)
static void
refused_use_longer_param(struct bevhost_plugin *plugin)
{
	static struct {
		struct bevhost_param param;
		const void *later;
	} params[3] = {
		{ .param = { .name = "one", .type = BEVHOST_PARAM_INT } },
		{ .param = { .name = "two",
		      .type = BEVHOST_PARAM_STRING,
		      .value = "2" } },
	};

	params[1].later = REFUSED_LATER;
	plugin->params = &params[0].param;
	plugin->param_size = sizeof(params[0]);
}
#endif

#if defined(REFUSED_LONGER_MANIFEST) || defined(LONGER_MANIFEST_ZERO)
static void
refused_use_longer_manifest(struct bevhost_plugin *plugin)
{
	static struct {
		struct bevhost_manifest manifest;
		const void *later;
	} longer;

	longer.manifest.struct_size = sizeof(longer);
	longer.later = REFUSED_LATER;
	plugin->manifest = &longer.manifest;
}
#endif

BEVHOST_EXPORT struct bevhost_plugin *bevhost_plugin_init(void);

struct bevhost_plugin *
bevhost_plugin_init(void)
{
	struct bevhost_plugin *plugin = &refused.plugin;

#if defined(REFUSED_PARAM)
	(void)refused_none;
#endif
#if defined(REFUSED_CHANGE)
	REFUSED_CHANGE;
#endif
	return plugin;
}
