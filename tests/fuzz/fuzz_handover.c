/* SPDX-License-Identifier: BSD-2-Clause */
/* The text by which one program takes another's place, as a probe reads it:
   what it names is another process's, and is not touched. */
#include "handover.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handover handover = { .generations = NULL };

	(void)!handover_read(&handover, fuzz_file(data, size));
	handover_forget(&handover);
	return 0;
}
