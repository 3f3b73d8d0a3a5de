/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of the loaded objects, each with its file mapped, in which the
 * symbols of static functions are too. Nothing is opened or locked when a
 * crash asks: by then the files may be out of reach, and a lock held.
 */
#include "symbol.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "safe.h"

#define SYMBOL_OBJECTS_MAX 256
#define SYMBOL_PATH_MAX	   256 /* the end of longer ones */

struct symbol_object {
	uintptr_t low, high, base;
	const char *image; /* its file, or NULL */
	size_t size;
	char path[SYMBOL_PATH_MAX];
};

struct symbol_alias {
	struct symbol_alias *next;
	const char *path;
	char copy[];
};

static struct symbol_object symbol_objects[SYMBOL_OBJECTS_MAX];
static int symbol_count;
static struct symbol_alias *symbol_aliases;

void
symbol_alias(const char *copy, const char *path)
{
	size_t len = strlen(copy) + 1;
	struct symbol_alias *alias = malloc(sizeof(*alias) + len);

	if (alias == NULL)
		return;
	memcpy(alias->copy, copy, len);
	alias->path = strdup(path);
	alias->next = symbol_aliases;
	symbol_aliases = alias;
}

static const char *
symbol_shown(const char *name)
{
	const struct symbol_alias *alias = symbol_aliases;

	for (; alias != NULL; alias = alias->next)
		if (alias->path != NULL && strcmp(alias->copy, name) == 0)
			return alias->path;
	return name;
}

static void
symbol_map(struct symbol_object *object, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size >= (off_t)sizeof(ElfW(Ehdr))) {
		object->size = (size_t)st.st_size;
		object->image =
		    mmap(NULL, object->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (object->image == MAP_FAILED)
			object->image = NULL;
	}
	close(fd);
}

static void
symbol_set_path(struct symbol_object *object, const char *path)
{
	size_t len = strlen(path);

	if (len >= sizeof(object->path))
		path += len - sizeof(object->path) + 1;
	memcpy(object->path, path, strlen(path) + 1);
}

/* Of its mapped code and data; 0 when it has none. */
static int
symbol_set_range(struct symbol_object *object, const struct dl_phdr_info *info)
{
	uintptr_t low, high;
	int i;

	object->base = info->dlpi_addr;
	object->low = UINTPTR_MAX;
	object->high = 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		low = object->base + info->dlpi_phdr[i].p_vaddr;
		high = low + info->dlpi_phdr[i].p_memsz;
		if (low < object->low)
			object->low = low;
		if (high > object->high)
			object->high = high;
	}
	return object->low < object->high;
}

static int
symbol_is_listed(const struct symbol_object *object)
{
	int i;

	for (i = 0; i < symbol_count; i++)
		if (symbol_objects[i].low == object->low &&
		    symbol_objects[i].high == object->high)
			return 1;
	return 0;
}

static int
symbol_on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct symbol_object *object = &symbol_objects[symbol_count];
	char program[PATH_MAX];
	const char *name = info->dlpi_name;
	ssize_t len;

	(void)size;
	(void)arg;
	if (symbol_count == SYMBOL_OBJECTS_MAX)
		return 1;
	if (!symbol_set_range(object, info) || symbol_is_listed(object))
		return 0;
	if (name == NULL || name[0] == '\0') {
		len = readlink("/proc/self/exe", program, sizeof(program) - 1);
		program[len > 0 ? len : 0] = '\0';
		name = program;
	}
	symbol_set_path(object, symbol_shown(name));
	symbol_map(object, name);
	symbol_count++;
	return 0;
}

void
symbol_scan(void)
{
	dl_iterate_phdr(symbol_on_object, NULL);
}

/* count entries of entry_size bytes from offset, or NULL when the file does
   not have them. */
static const void *
symbol_at(const struct symbol_object *object, uint64_t offset, uint64_t count,
    uint64_t entry_size)
{
	if (offset > object->size || offset % sizeof(uint32_t) != 0 ||
	    count > (object->size - offset) / entry_size)
		return NULL;
	return object->image + offset;
}

/* The function of a table of symbols that offset is in. */
static const ElfW(Sym) * symbol_search(const struct symbol_object *object,
			     const ElfW(Shdr) * table, uintptr_t offset)
{
	uint64_t count = table->sh_size / sizeof(ElfW(Sym)), i;
	const ElfW(Sym) *symbols =
	    symbol_at(object, table->sh_offset, count, sizeof(*symbols));

	for (i = 0; symbols != NULL && i < count; i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC &&
		    symbols[i].st_shndx != SHN_UNDEF &&
		    offset >= symbols[i].st_value &&
		    offset - symbols[i].st_value < symbols[i].st_size)
			return &symbols[i];
	return NULL;
}

/* A name that ends within its table of strings, or NULL. */
static const char *
symbol_name(const struct symbol_object *object, const ElfW(Shdr) * strings,
    uint64_t name)
{
	if (strings->sh_offset > object->size ||
	    strings->sh_size > object->size - strings->sh_offset ||
	    name >= strings->sh_size ||
	    memchr(object->image + strings->sh_offset + name, '\0',
		strings->sh_size - name) == NULL)
		return NULL;
	return object->image + strings->sh_offset + name;
}

/* In the table of this type: SHT_SYMTAB or SHT_DYNSYM. */
static const char *
symbol_find(const struct symbol_object *object, uint32_t type, uintptr_t offset,
    uintptr_t *start)
{
	const ElfW(Ehdr) *header = (const void *)object->image;
	const ElfW(Shdr) *sections = symbol_at(
	    object, header->e_shoff, header->e_shnum, sizeof(*sections));
	const ElfW(Sym) * symbol;
	int i;

	for (i = 0; sections != NULL && i < header->e_shnum; i++) {
		if (sections[i].sh_type != type ||
		    sections[i].sh_link >= header->e_shnum)
			continue;
		symbol = symbol_search(object, &sections[i], offset);
		if (symbol == NULL)
			continue;
		*start = symbol->st_value;
		return symbol_name(
		    object, &sections[sections[i].sh_link], symbol->st_name);
	}
	return NULL;
}

static const struct symbol_object *
symbol_object_of(uintptr_t address)
{
	int i;

	for (i = 0; i < symbol_count; i++)
		if (address >= symbol_objects[i].low &&
		    address < symbol_objects[i].high)
			return &symbol_objects[i];
	return NULL;
}

int
symbol_is_known(uintptr_t address)
{
	return symbol_object_of(address) != NULL;
}

void
symbol_put(struct safe_text *text, uintptr_t address)
{
	const struct symbol_object *object = symbol_object_of(address);
	uintptr_t offset = object ? address - object->base : address, start = 0;
	const char *name = NULL;

	if (object == NULL) {
		safe_put(text, "? [");
	} else {
		if (object->image != NULL)
			name = symbol_find(object, SHT_SYMTAB, offset, &start);
		if (object->image != NULL && name == NULL)
			name = symbol_find(object, SHT_DYNSYM, offset, &start);
		safe_put(text, object->path);
		safe_put(text, "(");
		safe_put(text, name != NULL ? name : "");
		safe_put(text, "+");
		safe_put_hex(text, name != NULL ? offset - start : offset);
		safe_put(text, ") [");
	}
	safe_put_hex(text, offset);
	safe_put(text, "]");
}
