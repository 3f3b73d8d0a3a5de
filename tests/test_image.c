/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that dlopen would refuse in its own words or die of: no ELF files,
 * files cut short at any length, files for other machines, tables that lead
 * out of the file, and files that bring a libevent of their own.
 */
#include "image.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char why[512];

/* What image_check says of a file with these bytes. */
static int
checked(const void *bytes, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC), status;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	why[0] = '\0';
	status = image_check(fd, why, sizeof(why));
	close(fd);
	return status;
}

static void
check_refused(const void *bytes, size_t len, const char *expected)
{
	ck_assert_int_eq(checked(bytes, len), -1);
	ck_assert_msg(strstr(why, expected) != NULL, "no \"%s\" in \"%s\"",
	    expected, why);
}

/*
 * The smallest shared object: two segments, a dynamic section with the name
 * of one needed library, and no code.
 */
struct object {
	ElfW(Ehdr) header;
	ElfW(Phdr) load, dynamic;
	ElfW(Dyn) entries[3];
	char strings[64];
};

static struct object
object_needing(const char *library)
{
	const ElfW(Addr) names = offsetof(struct object, strings);
	struct object object = {
		.load = { .p_type = PT_LOAD,
		    .p_flags = PF_R,
		    .p_filesz = sizeof(object),
		    .p_memsz = sizeof(object),
		    .p_align = 4096 },
		.dynamic = { .p_type = PT_DYNAMIC,
		    .p_offset = offsetof(struct object, entries),
		    .p_vaddr = offsetof(struct object, entries),
		    .p_filesz = sizeof(object.entries),
		    .p_memsz = sizeof(object.entries) },
		.entries = { { .d_tag = DT_NEEDED, .d_un.d_val = 1 },
		    { .d_tag = DT_STRTAB, .d_un.d_ptr = names } },
	};
	Dl_info info;

	/* What this very program is for, so that all machines can test. */
	ck_assert_int_ne(dladdr((void *)(uintptr_t)object_needing, &info), 0);
	memcpy(&object.header, info.dli_fbase, sizeof(object.header));
	object.header.e_type = ET_DYN;
	object.header.e_phoff = offsetof(struct object, load);
	object.header.e_phentsize = sizeof(ElfW(Phdr));
	object.header.e_phnum = 2;
	object.header.e_shoff = 0;
	object.header.e_shnum = 0;
	snprintf(object.strings + 1, sizeof(object.strings) - 1, "%s", library);
	return object;
}

/* A real library, in memory that munmap gives back. */
static unsigned char *
library_map(size_t *len)
{
	void *symbol = dlsym(RTLD_DEFAULT, "event_get_version"), *bytes;
	Dl_info info;
	struct stat st;
	int fd;

	/* Linked because of this call. */
	ck_assert_ptr_nonnull(event_get_version());
	ck_assert_ptr_nonnull(symbol);
	ck_assert_int_ne(dladdr(symbol, &info), 0);
	fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	bytes = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(bytes, MAP_FAILED);
	close(fd);
	return bytes;
}

/* Where what is needed of a library ends: all of it, as linkers write it. */
static size_t
library_end(const unsigned char *bytes, size_t len)
{
	const ElfW(Ehdr) *header = (const void *)bytes;
	size_t end =
	    header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

	ck_assert_uint_gt(end, sizeof(*header));
	ck_assert_uint_le(end, len);
	return end;
}

START_TEST(empty_file_is_refused)
{
	check_refused("", 0, "is no ELF file");
}
END_TEST

START_TEST(text_is_refused)
{
	static const char *const texts[] = { "x", "\177", "\177EL",
		"#!/bin/sh\nexit 0\n", "INPUT(libx.so)\n", "\177ELf....",
		"!<arch>\n" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		check_refused(texts[i], strlen(texts[i]), "is no ELF file");
}
END_TEST

START_TEST(zeroes_are_refused)
{
	static const char zeroes[65536];

	check_refused(zeroes, sizeof(zeroes), "is no ELF file");
}
END_TEST

START_TEST(magic_alone_is_truncated)
{
	check_refused(ELFMAG, SELFMAG, "is truncated: 4 bytes");
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
	int fd;

	ck_assert_int_eq(image_check(-1, why, sizeof(why)), -1);
	ck_assert_ptr_nonnull(strstr(why, "cannot be read"));
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(image_check(fd, why, sizeof(why)), -1);
	close(fd);
}
END_TEST

START_TEST(whole_library_is_accepted)
{
	size_t len;
	unsigned char *bytes = library_map(&len);

	ck_assert_msg(checked(bytes, len) == 0, "%s", why);
	ck_assert_str_eq(why, "");
	munmap(bytes, len);
}
END_TEST

START_TEST(library_with_bytes_behind_its_end_is_accepted)
{
	size_t len;
	unsigned char *bytes = library_map(&len), *longer = malloc(len + 100);

	ck_assert_ptr_nonnull(longer);
	memcpy(longer, bytes, len);
	memset(longer + len, 'x', 100);
	ck_assert_msg(checked(longer, len + 100) == 0, "%s", why);
	free(longer);
	munmap(bytes, len);
}
END_TEST

/* Each length of the headers, then steps, then each of the last ones. */
START_TEST(library_cut_short_anywhere_is_refused)
{
	size_t len, end, cut;
	unsigned char *bytes = library_map(&len);
	int fd = memfd_create("image", MFD_CLOEXEC);

	end = library_end(bytes, len);
	ck_assert_int_eq(write(fd, bytes, end), (ssize_t)end);
	for (cut = end; cut > 0;) {
		cut -= cut > end - 200 || cut <= 2000 ? 1 : 997;
		ck_assert_int_eq(ftruncate(fd, (off_t)cut), 0);
		ck_assert_msg(image_check(fd, why, sizeof(why)) == -1,
		    "%zu bytes of %zu were accepted", cut, end);
		ck_assert_ptr_nonnull(strstr(
		    why, cut < SELFMAG ? "is no ELF file" : "is truncated"));
	}
	close(fd);
	munmap(bytes, len);
}
END_TEST

START_TEST(truncation_says_how_much_is_there)
{
	size_t len;
	unsigned char *bytes = library_map(&len);
	char expected[128];

	snprintf(expected, sizeof(expected),
	    "is truncated: 20000 bytes of %zu are there",
	    library_end(bytes, len));
	check_refused(bytes, 20000, expected);
	munmap(bytes, len);
}
END_TEST

START_TEST(smallest_object_is_accepted_and_every_part_of_it_refused)
{
	struct object object = object_needing("libc.so.6");
	size_t cut;

	ck_assert_msg(checked(&object, sizeof(object)) == 0, "%s", why);
	for (cut = 0; cut < sizeof(object); cut++)
		check_refused(&object, cut,
		    cut < SELFMAG ? "is no ELF file" : "is truncated");
}
END_TEST

START_TEST(other_machine_is_refused_by_its_name)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} machines[] = {
		{ EM_386, "i386" },
		{ EM_X86_64, "x86-64" },
		{ EM_ARM, "ARM" },
		{ EM_AARCH64, "AArch64" },
		{ EM_RISCV, "RISC-V" },
		{ EM_PPC64, "PowerPC64" },
		{ EM_S390, "S/390" },
		{ EM_MIPS, "MIPS" },
		{ 9999, "ELF machine 9999" },
	};
	struct object object = object_needing("libc.so.6");
	const unsigned ours = object.header.e_machine;
	char expected[96];
	size_t i;

	for (i = 0; i < COUNT(machines); i++) {
		if (machines[i].machine == ours)
			continue;
		object.header.e_machine = machines[i].machine;
		snprintf(expected, sizeof(expected),
		    "is for another machine: %s, and this host is ",
		    machines[i].name);
		check_refused(&object, sizeof(object), expected);
	}
}
END_TEST

START_TEST(other_class_is_refused)
{
	struct object object = object_needing("libc.so.6");
	int wide = object.header.e_ident[EI_CLASS] == ELFCLASS64;

	object.header.e_ident[EI_CLASS] = wide ? ELFCLASS32 : ELFCLASS64;
	check_refused(&object, sizeof(object),
	    wide ? "is for another machine: 32-bit"
		 : "is for another machine: 64-bit");
}
END_TEST

START_TEST(other_byte_order_is_refused)
{
	struct object object = object_needing("libc.so.6");
	int little = object.header.e_ident[EI_DATA] == ELFDATA2LSB;

	object.header.e_ident[EI_DATA] = little ? ELFDATA2MSB : ELFDATA2LSB;
	check_refused(
	    &object, sizeof(object), little ? "big endian" : "little endian");
}
END_TEST

START_TEST(what_is_no_shared_object_is_refused_with_the_remedy)
{
	static const uint16_t types[] = { ET_NONE, ET_REL, ET_EXEC, ET_CORE,
		ET_LOPROC };
	struct object object = object_needing("libc.so.6");
	size_t i;

	for (i = 0; i < COUNT(types); i++) {
		object.header.e_type = types[i];
		check_refused(&object, sizeof(object), "cc -shared -fPIC");
	}
}
END_TEST

START_TEST(object_without_a_dynamic_section_is_refused)
{
	struct object object = object_needing("libc.so.6");

	object.dynamic.p_type = PT_NULL;
	check_refused(&object, sizeof(object), "is no shared object");
}
END_TEST

START_TEST(segment_table_that_makes_no_sense_is_refused)
{
	struct object object = object_needing("libc.so.6");

	object.header.e_phnum = 0;
	check_refused(&object, sizeof(object), "segment table makes no sense");
	object = object_needing("libc.so.6");
	object.header.e_phentsize++;
	check_refused(&object, sizeof(object), "segment table makes no sense");
	object = object_needing("libc.so.6");
	object.header.e_phnum = 65535;
	check_refused(&object, sizeof(object), "segment table lies beyond");
	object = object_needing("libc.so.6");
	object.header.e_phoff = sizeof(object);
	check_refused(&object, sizeof(object), "segment table lies beyond");
	object.header.e_phoff = UINTPTR_MAX;
	check_refused(&object, sizeof(object), "segment table lies beyond");
}
END_TEST

/* Sums that overflow must not look small. */
START_TEST(segment_outside_the_file_is_refused)
{
	const ElfW(Off) end = sizeof(struct object);
	const ElfW(Off) far = UINTPTR_MAX - 4095;
	const struct {
		ElfW(Off) offset, size;
	} cases[] = {
		{ 0, end + 1 },
		{ 1, end },
		{ end, 1 },
		{ 0, far },
		{ far, 1 },
		{ far, 8192 },
		{ 4096, far },
		{ far, far },
	};
	struct object object = object_needing("libc.so.6");
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		object.load.p_offset = cases[i].offset;
		object.load.p_filesz = cases[i].size;
		ck_assert_msg(checked(&object, sizeof(object)) == -1,
		    "row %zu was accepted", i);
	}
}
END_TEST

START_TEST(section_table_outside_the_file_is_refused)
{
	struct object object = object_needing("libc.so.6");

	object.header.e_shentsize = sizeof(ElfW(Shdr));
	object.header.e_shnum = 1;
	object.header.e_shoff = sizeof(object);
	check_refused(&object, sizeof(object), "is truncated");
	object.header.e_shoff = UINTPTR_MAX - 8;
	ck_assert_int_eq(checked(&object, sizeof(object)), -1);
}
END_TEST

START_TEST(dynamic_section_outside_the_file_is_refused)
{
	struct object object = object_needing("libc.so.6");

	object.dynamic.p_offset = sizeof(object);
	ck_assert_int_eq(checked(&object, sizeof(object)), -1);
	object.dynamic.p_offset = UINTPTR_MAX - 4095;
	ck_assert_int_eq(checked(&object, sizeof(object)), -1);
	object = object_needing("libc.so.6");
	object.dynamic.p_filesz = sizeof(object);
	ck_assert_int_eq(checked(&object, sizeof(object)), -1);
	object.dynamic.p_filesz = UINTPTR_MAX;
	ck_assert_int_eq(checked(&object, sizeof(object)), -1);
}
END_TEST

/* That is where the dynamic linker reads it, whatever the offset says. */
START_TEST(dynamic_section_outside_the_segments_is_refused)
{
	struct object object = object_needing("libc.so.6");
	const uintptr_t places[] = { sizeof(object), 1 << 30,
		UINTPTR_MAX - 4095 };
	size_t i;

	for (i = 0; i < COUNT(places); i++) {
		object.dynamic.p_vaddr = places[i];
		ck_assert_msg(checked(&object, sizeof(object)) == -1,
		    "row %zu was accepted", i);
	}
}
END_TEST

START_TEST(second_libevent_is_refused_by_its_name)
{
	static const char *const libraries[] = { "libevent-2.1.so.7",
		"libevent-2.0.so.5", "libevent.so", "libevent.so.1" };
	struct object object;
	size_t i;

	for (i = 0; i < COUNT(libraries); i++) {
		object = object_needing(libraries[i]);
		check_refused(&object, sizeof(object), libraries[i]);
		ck_assert_ptr_nonnull(strstr(why, "brings a second libevent"));
	}
}
END_TEST

START_TEST(the_parts_of_libevent_are_welcome)
{
	static const char *const libraries[] = { "libevent_core-2.1.so.7",
		"libevent_extra-2.1.so.7", "libevent_openssl-2.1.so.7",
		"libeventlog.so.1", "libc.so.6", "" };
	struct object object;
	size_t i;

	for (i = 0; i < COUNT(libraries); i++) {
		object = object_needing(libraries[i]);
		ck_assert_msg(checked(&object, sizeof(object)) == 0, "%s: %s",
		    libraries[i], why);
	}
}
END_TEST

START_TEST(names_outside_the_file_are_not_read)
{
	struct object object = object_needing("libevent.so");
	const uintptr_t places[] = { sizeof(object), UINTPTR_MAX,
		UINTPTR_MAX - 4095, UINTPTR_MAX / 2 };
	size_t i;

	for (i = 0; i < COUNT(places); i++) {
		object = object_needing("libevent.so");
		object.entries[0].d_un.d_val = places[i];
		checked(&object, sizeof(object));
		object = object_needing("libevent.so");
		object.entries[1].d_un.d_ptr = places[i];
		checked(&object, sizeof(object));
		ck_assert_ptr_null(strstr(why, "libevent.so"));
	}
}
END_TEST

/* Whatever the answer: no crash, no report of a sanitizer. */
START_TEST(no_single_byte_of_the_headers_can_do_harm)
{
	static const unsigned char values[] = { 0, 1, 0x7f, 0x80, 0xff };
	struct object object;
	size_t at, i;

	for (at = 0; at < offsetof(struct object, strings); at++)
		for (i = 0; i < COUNT(values); i++) {
			object = object_needing("libc.so.6");
			((unsigned char *)&object)[at] = values[i];
			if (checked(&object, sizeof(object)) < 0)
				ck_assert_uint_gt(strlen(why), 0);
		}
}
END_TEST

START_TEST(reason_never_exceeds_its_buffer)
{
	char buf[96];
	size_t size;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (size = 1; size < 32; size++) {
		memset(buf, '#', sizeof(buf));
		ck_assert_int_eq(image_check(fd, buf, size), -1);
		ck_assert_uint_lt(strlen(buf), size);
		ck_assert_int_eq(buf[size], '#');
	}
	close(fd);
}
END_TEST

static void
add_whole(Suite *suite)
{
	TCase *tcase = tcase_create("whole");

	tcase_add_test(tcase, empty_file_is_refused);
	tcase_add_test(tcase, text_is_refused);
	tcase_add_test(tcase, zeroes_are_refused);
	tcase_add_test(tcase, magic_alone_is_truncated);
	tcase_add_test(tcase, what_cannot_be_read_is_refused);
	tcase_add_test(tcase, whole_library_is_accepted);
	tcase_add_test(tcase, library_with_bytes_behind_its_end_is_accepted);
	tcase_add_test(tcase, library_cut_short_anywhere_is_refused);
	tcase_add_test(tcase, truncation_says_how_much_is_there);
	tcase_add_test(
	    tcase, smallest_object_is_accepted_and_every_part_of_it_refused);
	tcase_add_test(tcase, reason_never_exceeds_its_buffer);
	suite_add_tcase(suite, tcase);
}

static void
add_headers(Suite *suite)
{
	TCase *tcase = tcase_create("headers");

	tcase_add_test(tcase, other_machine_is_refused_by_its_name);
	tcase_add_test(tcase, other_class_is_refused);
	tcase_add_test(tcase, other_byte_order_is_refused);
	tcase_add_test(
	    tcase, what_is_no_shared_object_is_refused_with_the_remedy);
	tcase_add_test(tcase, object_without_a_dynamic_section_is_refused);
	tcase_add_test(tcase, segment_table_that_makes_no_sense_is_refused);
	tcase_add_test(tcase, segment_outside_the_file_is_refused);
	tcase_add_test(tcase, section_table_outside_the_file_is_refused);
	tcase_add_test(tcase, dynamic_section_outside_the_file_is_refused);
	tcase_add_test(tcase, dynamic_section_outside_the_segments_is_refused);
	tcase_add_test(tcase, no_single_byte_of_the_headers_can_do_harm);
	suite_add_tcase(suite, tcase);
}

static void
add_needed(Suite *suite)
{
	TCase *tcase = tcase_create("needed");

	tcase_add_test(tcase, second_libevent_is_refused_by_its_name);
	tcase_add_test(tcase, the_parts_of_libevent_are_welcome);
	tcase_add_test(tcase, names_outside_the_file_are_not_read);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("image");

	add_whole(suite);
	add_headers(suite);
	add_needed(suite);
	return tap_run(suite);
}
