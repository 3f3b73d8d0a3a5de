/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What dlopen does not say clearly, or dies of: a file that is no ELF file,
 * is for another machine, is cut short, or brings a libevent of its own.
 */
#include "image.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX_TABLE (1u << 20)

struct image {
	int fd;
	uint64_t size;
	ElfW(Ehdr) header;
	ElfW(Phdr) * segments;
	char *why;
	size_t why_size;
};

static int
image_say(struct image *image, const char *format, ...) BEVHOST_PRINTF(2, 3);

static int
image_say(struct image *image, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(image->why, image->why_size, format, args);
	va_end(args);
	return -1;
}

static int
image_has(const struct image *image, uint64_t offset, uint64_t len)
{
	return offset <= image->size && len <= image->size - offset;
}

/* Exactly len bytes of the file, or -1. */
static int
image_read(const struct image *image, void *buf, uint64_t len, uint64_t offset)
{
	char *at = buf;
	ssize_t n;

	if (!image_has(image, offset, len))
		return -1;
	while (len > 0) {
		n = pread(image->fd, at, (size_t)len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		len -= (uint64_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* The header of the running program, which has the right kind. */
static const ElfW(Ehdr) * image_own(void)
{
	Dl_info info;

	if (dladdr((void *)(uintptr_t)image_own, &info) == 0)
		return NULL;
	return info.dli_fbase;
}

static const char *
image_machine(unsigned machine, char *buf, size_t size)
{
	static const struct {
		unsigned machine;
		const char *name;
	} names[] = {
		{ EM_386, "i386" },
		{ EM_X86_64, "x86-64" },
		{ EM_ARM, "ARM" },
		{ EM_AARCH64, "AArch64" },
		{ EM_RISCV, "RISC-V" },
		{ EM_PPC64, "PowerPC64" },
		{ EM_S390, "S/390" },
		{ EM_MIPS, "MIPS" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == machine)
			return names[i].name;
	snprintf(buf, size, "ELF machine %u", machine);
	return buf;
}

static int
image_check_kind(struct image *image)
{
	const ElfW(Ehdr) *own = image_own();
	const ElfW(Ehdr) *header = &image->header;
	char theirs[32], ours[32];

	if (own == NULL)
		return 0;
	/* e_machine stands at the same place in both classes. */
	if (header->e_ident[EI_DATA] == own->e_ident[EI_DATA] &&
	    header->e_machine != own->e_machine)
		return image_say(image,
		    "is for another machine: %s, and this "
		    "host is %s",
		    image_machine(header->e_machine, theirs, sizeof(theirs)),
		    image_machine(own->e_machine, ours, sizeof(ours)));
	if (header->e_ident[EI_CLASS] != own->e_ident[EI_CLASS] ||
	    header->e_ident[EI_DATA] != own->e_ident[EI_DATA])
		return image_say(image,
		    "is for another machine: %s-bit, %s "
		    "endian",
		    header->e_ident[EI_CLASS] == ELFCLASS64 ? "64" : "32",
		    header->e_ident[EI_DATA] == ELFDATA2LSB ? "little" : "big");
	if (header->e_type != ET_DYN)
		return image_say(image, "is no shared object (compile it with "
					"cc -shared -fPIC)");
	return 0;
}

/* Loads the segment table, and finds every segment inside the file. */
static int
image_check_size(struct image *image)
{
	const ElfW(Ehdr) *header = &image->header;
	uint64_t table = (uint64_t)header->e_phnum * sizeof(ElfW(Phdr)), end;
	size_t i;

	if (header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phnum == 0)
		return image_say(image, "is a damaged ELF file: its segment "
					"table makes no sense");
	image->segments = malloc((size_t)table);
	if (image->segments == NULL)
		return image_say(image, "cannot be checked: out of memory");
	if (image_read(image, image->segments, table, header->e_phoff) < 0)
		return image_say(image,
		    "is truncated: its segment table lies "
		    "beyond its end at %ju bytes",
		    (uintmax_t)image->size);
	if (__builtin_add_overflow(header->e_shoff,
		(uint64_t)header->e_shnum * header->e_shentsize, &end))
		end = UINT64_MAX;
	for (i = 0; i < header->e_phnum; i++) {
		const ElfW(Phdr) *segment = &image->segments[i];
		uint64_t segment_end;

		if (segment->p_type != PT_LOAD)
			continue;
		if (__builtin_add_overflow(
			segment->p_offset, segment->p_filesz, &segment_end))
			segment_end = UINT64_MAX;
		if (segment_end > end)
			end = segment_end;
	}
	if (end > image->size)
		return image_say(image,
		    "is truncated: %ju bytes of %ju are there",
		    (uintmax_t)image->size, (uintmax_t)end);
	return 0;
}

/* Where an address of the loaded image stands in the file. */
static uint64_t
image_offset(const struct image *image, uint64_t address)
{
	size_t i;

	for (i = 0; i < image->header.e_phnum; i++) {
		const ElfW(Phdr) *segment = &image->segments[i];

		if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
		    address - segment->p_vaddr < segment->p_filesz)
			return address - segment->p_vaddr + segment->p_offset;
	}
	return UINT64_MAX;
}

/* A string of the dynamic string table, "" if it is out of bounds. */
static void
image_string(const struct image *image, uint64_t offset, char *buf, size_t size)
{
	uint64_t left = offset < image->size ? image->size - offset : 0;

	memset(buf, 0, size);
	if (left > size - 1)
		left = size - 1;
	if (image_read(image, buf, left, offset) < 0)
		buf[0] = '\0';
}

/* Names the libevent that the object brings beside the host's core. */
static int
image_check_needed(struct image *image, const ElfW(Phdr) * dynamic)
{
	size_t count = dynamic->p_filesz / sizeof(ElfW(Dyn)), i;
	uint64_t strings = UINT64_MAX;
	ElfW(Dyn) * entries;
	char name[64];
	int status = 0;

	/* The dynamic linker reads it at its address, mapped from a segment. */
	if (dynamic->p_filesz > IMAGE_MAX_TABLE ||
	    image_offset(image, dynamic->p_vaddr) != dynamic->p_offset ||
	    !image_has(image, dynamic->p_offset, dynamic->p_filesz))
		return image_say(image, "is a damaged ELF file: its dynamic "
					"section makes no sense");
	entries = malloc(dynamic->p_filesz + 1);
	if (entries == NULL)
		return image_say(image, "cannot be checked: out of memory");
	if (image_read(image, entries, dynamic->p_filesz, dynamic->p_offset) <
	    0) {
		free(entries);
		return image_say(image, "cannot be read: %s", strerror(errno));
	}
	for (i = 0; i < count && entries[i].d_tag != DT_NULL; i++)
		if (entries[i].d_tag == DT_STRTAB)
			strings = image_offset(image, entries[i].d_un.d_ptr);
	for (i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
		if (entries[i].d_tag != DT_NEEDED || strings == UINT64_MAX)
			continue;
		image_string(
		    image, strings + entries[i].d_un.d_val, name, sizeof(name));
		if (strncmp(name, "libevent-", 9) == 0 ||
		    strncmp(name, "libevent.so", 11) == 0)
			status = image_say(image,
			    "brings a second libevent (%s): link it without "
			    "-levent, the host has libevent_core",
			    name);
	}
	free(entries);
	return status;
}

static int
image_check_all(struct image *image)
{
	ElfW(Ehdr) *header = &image->header;
	size_t i;

	if (image->size < SELFMAG ||
	    image_read(image, header->e_ident, SELFMAG, 0) < 0 ||
	    memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return image_say(image, "is no ELF file");
	if (image_read(image, header, sizeof(*header), 0) < 0)
		return image_say(
		    image, "is truncated: %ju bytes", (uintmax_t)image->size);
	if (image_check_kind(image) < 0 || image_check_size(image) < 0)
		return -1;
	for (i = 0; i < header->e_phnum; i++)
		if (image->segments[i].p_type == PT_DYNAMIC)
			return image_check_needed(image, &image->segments[i]);
	return image_say(image, "is no shared object (compile it with "
				"cc -shared -fPIC)");
}

int
image_check(int fd, char *why, size_t size)
{
	struct image image = { .fd = fd, .why = why, .why_size = size };
	struct stat st;
	int status;

	if (fstat(fd, &st) < 0)
		return image_say(&image, "cannot be read: %s", strerror(errno));
	image.size = (uint64_t)st.st_size;
	status = image_check_all(&image);
	free(image.segments);
	return status;
}
