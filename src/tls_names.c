/* SPDX-License-Identifier: BSD-2-Clause */
/* One sorted list: a host is looked up once as it is and once as a wildcard. */
#include "tls_names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLS_NAMES_HOST_MAX 255 /* RFC 1035, 2.3.4 */

int
tls_names_add(struct tls_names *names, const char *text, size_t len, int cert)
{
	struct tls_name *list;
	char *copy;
	size_t i;

	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0 || memchr(text, '\0', len) != NULL)
		return 0;
	list =
	    reallocarray(names->list, (size_t)names->count + 1, sizeof(*list));
	if (list == NULL)
		return -1;
	names->list = list;
	copy = strndup(text, len);
	if (copy == NULL)
		return -1;
	for (i = 0; i < len; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	list[names->count].text = copy;
	list[names->count++].cert = cert;
	return 0;
}

static int
tls_names_compare(const void *one, const void *two)
{
	const struct tls_name *a = one, *b = two;
	int order = strcmp(a->text, b->text);

	return order != 0 ? order : a->cert - b->cert;
}

void
tls_names_sort(struct tls_names *names)
{
	if (names->count > 0)
		qsort(names->list, (size_t)names->count, sizeof(*names->list),
		    tls_names_compare);
}

/* The first that is not before text. */
static int
tls_names_place(const struct tls_names *names, const char *text)
{
	int low = 0, high = names->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(names->list[middle].text, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct tls_name *
tls_names_equal(const struct tls_names *names, const char *text, int *count)
{
	int first = tls_names_place(names, text), end = first;

	while (end < names->count && strcmp(names->list[end].text, text) == 0)
		end++;
	*count = end - first;
	return end > first ? &names->list[first] : NULL;
}

const struct tls_name *
tls_names_find(const struct tls_names *names, const char *host, int *count)
{
	char text[TLS_NAMES_HOST_MAX + 2];
	const struct tls_name *found;
	size_t len = strlen(host), i;
	char *rest;

	*count = 0;
	if (len > 0 && host[len - 1] == '.')
		len--;
	/* A client's own star is no name. */
	if (len == 0 || len > TLS_NAMES_HOST_MAX || host[0] == '*')
		return NULL;
	for (i = 0; i < len; i++)
		text[i] = (char)tolower((unsigned char)host[i]);
	text[len] = '\0';
	found = tls_names_equal(names, text, count);
	rest = strchr(text, '.');
	if (found != NULL || rest == NULL || rest == text)
		return found;
	rest[-1] = '*';
	return tls_names_equal(names, rest - 1, count);
}

void
tls_names_clear(struct tls_names *names)
{
	int i;

	for (i = 0; i < names->count; i++)
		free(names->list[i].text);
	free(names->list);
	names->list = NULL;
	names->count = 0;
}
