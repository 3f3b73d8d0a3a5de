/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings that a worker gets as bytes. */
#include "settings.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;

	if (settings_read(&settings, fuzz_file(data, size)) == 0)
		fuzz_check_wire(&settings);
	settings_clear(&settings);
	return 0;
}
