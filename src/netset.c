/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A binary tree of prefixes, without nodes that do not branch. A lookup walks
 * from the widest network to the narrowest that has the address and takes the
 * smallest number that it meets, so that the order of the text decides although
 * the tree is ordered by prefixes. IPv4 and IPv6 have a tree each: ::/0 is all
 * of IPv6 and nothing of IPv4.
 */
#include "netset.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NETSET_NONE UINT32_MAX
#define NETSET_RULE INT_MAX /* no network ends here */

/* The first bits of an address, left aligned. */
struct netset_key {
	uint64_t word[2];
};

struct netset_node {
	struct netset_key key;
	unsigned bits;
	int rule;
	uint32_t child[2];
};

enum { NETSET_IPV4, NETSET_IPV6, NETSET_TREES };

struct netset {
	struct netset_node *nodes;
	uint32_t node_count, node_room;
	uint32_t roots[NETSET_TREES];
	int unix_rule;
	int count;
};

/* A network, taken apart. */
struct netset_net {
	enum { NETSET_IS_NET, NETSET_IS_UNIX, NETSET_IS_ALL } kind;
	int tree;
	struct netset_key key;
	unsigned bits;
};

/* Keys */

static uint64_t
netset_mask(unsigned bits)
{
	if (bits >= 64)
		return UINT64_MAX;
	return bits == 0 ? 0 : UINT64_MAX << (64 - bits);
}

static struct netset_key
netset_cut(const struct netset_key *key, unsigned bits)
{
	struct netset_key cut = { { key->word[0] & netset_mask(bits),
	    bits > 64 ? key->word[1] & netset_mask(bits - 64) : 0 } };

	return cut;
}

static int
netset_has_prefix(const struct netset_key *key, const struct netset_node *node)
{
	if (((key->word[0] ^ node->key.word[0]) & netset_mask(node->bits)) != 0)
		return 0;
	return node->bits <= 64 || ((key->word[1] ^ node->key.word[1]) &
				       netset_mask(node->bits - 64)) == 0;
}

static unsigned
netset_bit(const struct netset_key *key, unsigned number)
{
	return key->word[number / 64] >> (63 - number % 64) & 1;
}

static unsigned
netset_common(
    const struct netset_key *one, const struct netset_key *two, unsigned max)
{
	uint64_t differ = one->word[0] ^ two->word[0];
	unsigned bits = 64;

	if (differ != 0) {
		bits = (unsigned)__builtin_clzll(differ);
	} else {
		differ = one->word[1] ^ two->word[1];
		bits += differ != 0 ? (unsigned)__builtin_clzll(differ) : 64;
	}
	return bits < max ? bits : max;
}

static struct netset_key
netset_key_of(const unsigned char *bytes, int count)
{
	struct netset_key key = { { 0, 0 } };
	int i;

	for (i = 0; i < count; i++)
		key.word[i / 8] |= (uint64_t)bytes[i] << (56 - i % 8 * 8);
	return key;
}

/* Text */

static int
netset_parse_bits(const char *text, unsigned max, unsigned *bits)
{
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 3)
		return -1;
	number = strtoul(text, &end, 10);
	if (*end != '\0' || number > max)
		return -1;
	*bits = (unsigned)number;
	return 0;
}

static void
netset_say_meant(const struct netset_net *net, char *why, size_t size)
{
	struct netset_key key = netset_cut(&net->key, net->bits);
	unsigned char bytes[16];
	char text[INET6_ADDRSTRLEN];
	int i;

	for (i = 0; i < 16; i++)
		bytes[i] =
		    (unsigned char)(key.word[i / 8] >> (56 - i % 8 * 8) & 0xff);
	inet_ntop(net->tree == NETSET_IPV4 ? AF_INET : AF_INET6, bytes, text,
	    sizeof(text));
	snprintf(why, size,
	    "it has bits that are not of the network: write %s/%u, or the "
	    "address alone",
	    text, net->bits);
}

/* ::ffff:A.B.C.D/96+N is A.B.C.D/N. */
static void
netset_unmap(struct netset_net *net)
{
	if (net->tree != NETSET_IPV6 || net->bits < 96 ||
	    net->key.word[0] != 0 || net->key.word[1] >> 32 != 0xffff)
		return;
	net->tree = NETSET_IPV4;
	net->bits -= 96;
	net->key.word[0] = net->key.word[1] << 32;
	net->key.word[1] = 0;
}

static int
netset_parse_address(
    const char *text, struct netset_net *net, char *why, size_t size)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1) {
		net->tree = NETSET_IPV4;
		net->bits = 32;
		net->key = netset_key_of(bytes, 4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, bytes) == 1) {
		net->tree = NETSET_IPV6;
		net->bits = 128;
		net->key = netset_key_of(bytes, 16);
		return 0;
	}
	snprintf(why, size,
	    "a network is ADDRESS/BITS (10.0.0.0/8, 2001:db8::/32), an "
	    "ADDRESS, unix or all");
	return -EINVAL;
}

static int
netset_parse(const char *text, struct netset_net *net, char *why, size_t size)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	struct netset_key cut;
	int len = slash != NULL ? (int)(slash - text) : (int)strlen(text);

	memset(net, 0, sizeof(*net));
	net->kind = strcmp(text, "unix") == 0  ? NETSET_IS_UNIX
		    : strcmp(text, "all") == 0 ? NETSET_IS_ALL
					       : NETSET_IS_NET;
	if (net->kind != NETSET_IS_NET)
		return 0;
	if (len >= (int)sizeof(address))
		len = 0; /* no address is so long */
	snprintf(address, sizeof(address), "%.*s", len, text);
	if (netset_parse_address(address, net, why, size) < 0)
		return -EINVAL;
	if (slash != NULL &&
	    netset_parse_bits(slash + 1, net->bits, &net->bits) < 0) {
		snprintf(why, size,
		    "after the / stands how many bits the network has, from 0 "
		    "to %u",
		    net->bits);
		return -EINVAL;
	}
	cut = netset_cut(&net->key, net->bits);
	if (memcmp(&cut, &net->key, sizeof(cut)) != 0) {
		netset_say_meant(net, why, size);
		return -EINVAL;
	}
	netset_unmap(net);
	return 0;
}

int
netset_check(const char *text, char *why, size_t size)
{
	struct netset_net net;

	return netset_parse(text, &net, why, size);
}

/* The tree */

static int
netset_reserve(struct netset *set, uint32_t more)
{
	struct netset_node *nodes;
	uint32_t room = set->node_room * 2 + 16;

	if (set->node_count + more <= set->node_room)
		return 0;
	nodes = realloc(set->nodes, room * sizeof(*nodes));
	if (nodes == NULL)
		return -ENOMEM;
	set->nodes = nodes;
	set->node_room = room;
	return 0;
}

static uint32_t
netset_node_new(
    struct netset *set, const struct netset_key *key, unsigned bits, int rule)
{
	struct netset_node *node = &set->nodes[set->node_count];

	node->key = netset_cut(key, bits);
	node->bits = bits;
	node->rule = rule;
	node->child[0] = node->child[1] = NETSET_NONE;
	return set->node_count++;
}

/* Above a node that has only the first `common` bits of the network. */
static uint32_t
netset_split(struct netset *set, uint32_t below, unsigned common,
    const struct netset_net *net, int rule)
{
	int ends = common == net->bits;
	uint32_t above =
	    netset_node_new(set, &net->key, common, ends ? rule : NETSET_RULE);
	struct netset_node *node = &set->nodes[above];

	node->child[netset_bit(&set->nodes[below].key, common)] = below;
	if (!ends)
		node->child[netset_bit(&net->key, common)] =
		    netset_node_new(set, &net->key, net->bits, rule);
	return above;
}

/* There is room for two nodes, so that none moves. */
static void
netset_insert(struct netset *set, const struct netset_net *net, int rule)
{
	uint32_t *at = &set->roots[net->tree];
	struct netset_node *node;
	unsigned common;

	while (*at != NETSET_NONE) {
		node = &set->nodes[*at];
		common = netset_common(&node->key, &net->key,
		    node->bits < net->bits ? node->bits : net->bits);
		if (common < node->bits) {
			*at = netset_split(set, *at, common, net, rule);
			return;
		}
		if (node->bits == net->bits) {
			node->rule = rule < node->rule ? rule : node->rule;
			return;
		}
		at = &node->child[netset_bit(&net->key, node->bits)];
	}
	*at = netset_node_new(set, &net->key, net->bits, rule);
}

static void
netset_insert_all(struct netset *set, int rule)
{
	struct netset_net net = { .kind = NETSET_IS_NET };

	for (net.tree = 0; net.tree < NETSET_TREES; net.tree++)
		netset_insert(set, &net, rule);
}

struct netset *
netset_new(void)
{
	struct netset *set = calloc(1, sizeof(*set));
	int i;

	if (set == NULL)
		return NULL;
	for (i = 0; i < NETSET_TREES; i++)
		set->roots[i] = NETSET_NONE;
	set->unix_rule = NETSET_RULE;
	return set;
}

void
netset_free(struct netset *set)
{
	if (set != NULL)
		free(set->nodes);
	free(set);
}

int
netset_add(struct netset *set, const char *text, char *why, size_t size)
{
	struct netset_net net;
	int rule = set->count;

	if (netset_parse(text, &net, why, size) < 0)
		return -EINVAL;
	if (netset_reserve(set, 2 * NETSET_TREES) < 0)
		return -ENOMEM;
	if (net.kind == NETSET_IS_NET)
		netset_insert(set, &net, rule);
	else if (set->unix_rule > rule)
		set->unix_rule = rule;
	if (net.kind == NETSET_IS_ALL)
		netset_insert_all(set, rule);
	set->count++;
	return 0;
}

int
netset_count(const struct netset *set)
{
	return set->count;
}

static int
netset_find(const struct netset *set, int tree, const struct netset_key *key)
{
	static const unsigned max[NETSET_TREES] = { 32, 128 };
	const struct netset_node *node;
	uint32_t at = set->roots[tree];
	int rule = NETSET_RULE;

	while (at != NETSET_NONE) {
		node = &set->nodes[at];
		if (!netset_has_prefix(key, node))
			break;
		rule = node->rule < rule ? node->rule : rule;
		if (node->bits == max[tree])
			break;
		at = node->child[netset_bit(key, node->bits)];
	}
	return rule;
}

int
netset_match(const struct netset *set, const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;
	const unsigned char *bytes;
	struct netset_key key;
	int rule = NETSET_RULE;

	switch (address->sa_family) {
	case AF_INET:
		key = netset_key_of(
		    (const unsigned char *)&in->sin_addr.s_addr, 4);
		rule = netset_find(set, NETSET_IPV4, &key);
		break;
	case AF_INET6:
		bytes = in6->sin6_addr.s6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			key = netset_key_of(bytes + 12, 4);
			rule = netset_find(set, NETSET_IPV4, &key);
		} else {
			key = netset_key_of(bytes, 16);
			rule = netset_find(set, NETSET_IPV6, &key);
		}
		break;
	case AF_UNIX:
		rule = set->unix_rule;
		break;
	default:
		break;
	}
	return rule == NETSET_RULE ? -1 : rule;
}
