/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel, the linker, and a sanitizer, if there is one, know of it. */
#include "rig_where.h"

#include <dirent.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "safe.h"
#include "symbol.h"

#define RIG_WHERE_FRAMES 64
#define RIG_WHERE_SHOWN	 5 /* descriptors */

/* Of a sanitizer: with lines of the source. */
#pragma weak __sanitizer_print_stack_trace
void __sanitizer_print_stack_trace(void);

void
rig_where(const void *context)
{
	void *frames[RIG_WHERE_FRAMES];
	int i, count;

	if (__sanitizer_print_stack_trace != NULL) {
		__sanitizer_print_stack_trace();
		return;
	}
	symbol_scan();
	if (context != NULL) {
		report_write_backtrace(context, 1);
		return;
	}
	count = backtrace(frames, RIG_WHERE_FRAMES);
	for (i = 1; i < count; i++) {
		struct safe_text text = { .len = 0 };

		safe_put(&text, "  #");
		safe_put_number(&text, i - 1);
		safe_put(&text, " ");
		symbol_put(&text, (uintptr_t)frames[i] - 1);
		safe_write(&text);
	}
}

void
rig_where_note_open(struct rig_where_open *open)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd;

	memset(open, 0, sizeof(*open));
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		open->count++;
		fd = *entry->d_name != '.' ? atoi(entry->d_name) : -1;
		if (fd >= 0 && fd < RIG_WHERE_FDS && fd != dirfd(dir))
			open->is_open[fd] = 1;
	}
	if (dir != NULL)
		closedir(dir);
}

/* In the words of who has opened it. */
static const char *
rig_where_say(int fd, char *buf, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, buf, size - 1);
	buf[len > 0 ? len : 0] = '\0';
	if (strncmp(buf, "socket:", 7) == 0)
		return "a socket";
	if (strncmp(buf, "pipe:", 5) == 0)
		return "an end of a pipe";
	if (strncmp(buf, "anon_inode:", 11) == 0)
		return buf + 11;
	return len > 0 ? buf : "?";
}

int
rig_where_opened(const struct rig_where_open *open, char *text, size_t size)
{
	struct rig_where_open now;
	char what[256];
	size_t len = 0;
	int fd, more, shown = 0;

	rig_where_note_open(&now);
	more = now.count - open->count;
	if (size > 0)
		*text = '\0';
	for (fd = 0; more > 0 && fd < RIG_WHERE_FDS; fd++) {
		if (!now.is_open[fd] || open->is_open[fd])
			continue;
		if (shown++ == RIG_WHERE_SHOWN)
			break;
		len += (size_t)snprintf(text + len, size - len, "%s%s",
		    shown == 1 ? " (" : ", ",
		    rig_where_say(fd, what, sizeof(what)));
		if (len >= size)
			len = size - 1;
	}
	if (shown > 0)
		snprintf(text + len, size - len,
		    shown > RIG_WHERE_SHOWN ? ", ...)" : ")");
	return more > 0 ? more : 0;
}
