/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file: not there yet. */
#include "config_file.h"

#include <sysexits.h>

#include "log.h"

int
config_file_read(const char *path, struct settings *settings)
{
	(void)settings;
	log_write(BEVHOST_LOG_ERROR, NULL,
	    "%s: this bevhost was built without configuration files", path);
	return -EX_CONFIG;
}
