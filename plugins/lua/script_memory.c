/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator of a script's state. Each block begins with its owner: who ran
 * when it was made, or made larger, has paid for it, and gets that back when it
 * is freed, whoever runs then. So one connection's garbage is never another's.
 */
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

/* A thread costs the time of so many instructions. */
#define SCRIPT_THREAD_COST 1000

union script_head {
	struct script_owner *owner;
	int64_t align;
};

void
script_owner_release(struct script_owner *owner)
{
	if (--owner->refs == 0 && owner->bytes == 0)
		free(owner);
}

void
script_owner_give(
    struct script *script, struct script_owner *owner, size_t bytes)
{
	owner->bytes -= bytes;
	script->bytes -= bytes;
	if (owner->refs == 0 && owner->bytes == 0)
		free(owner);
}

/* Lua says only that there is not enough, and unwinds: here it is known who
   wanted it. What it would take to look for garbage again is charged, but not
   so much that others' memory stops who has done it once. */
static void
script_refuse(struct script *script)
{
	struct script_task *task = script->running;
	lua_Debug at;
	int64_t cost;
	int level;

	if (task == NULL)
		return;
	cost = (int64_t)(script->bytes / 32);
	task->left -= cost < task->full / 4 ? cost : task->full / 4;
	/* Lua goes through all at once now: a cycle that had begun is over. */
	script->cycles++;
	script->pressed = 1;
	script->where[0] = '\0';
	for (level = 0; lua_getstack(task->L, level, &at); level++)
		if (lua_getinfo(task->L, "Sl", &at) && at.currentline > 0) {
			snprintf(script->where, sizeof(script->where),
			    "%s:%d: ", at.short_src, at.currentline);
			return;
		}
}

int
script_owner_take(
    struct script *script, struct script_owner *owner, size_t bytes)
{
	if (owner->limit != 0 &&
	    (bytes > owner->limit || owner->bytes > owner->limit - bytes)) {
		script_refuse(script);
		return -ENOMEM;
	}
	owner->bytes += bytes;
	script->bytes += bytes;
	if (owner->bytes > owner->due || owner->cycle != script->cycles)
		script_collect_due(script, owner);
	return 0;
}

static union script_head *
script_head_of(void *block)
{
	return (union script_head *)block - 1;
}

static void *
script_alloc_new(struct script *script, size_t kind, size_t size)
{
	struct script_owner *owner = script->owner;
	union script_head *head;

	if (script->running != NULL)
		script->running->left -=
		    (int64_t)(size / 64) +
		    (kind == LUA_TTHREAD ? SCRIPT_THREAD_COST : 0);
	if (size > SIZE_MAX - sizeof(*head) ||
	    script_owner_take(script, owner, sizeof(*head) + size) < 0)
		return NULL;
	head = malloc(sizeof(*head) + size);
	if (head == NULL) {
		script_owner_give(script, owner, sizeof(*head) + size);
		return NULL;
	}
	head->owner = owner;
	return head + 1;
}

/* Lua counts on it that nothing is ever too large to be made smaller. */
static void *
script_alloc_less(
    struct script *script, void *block, size_t old_size, size_t size)
{
	union script_head *head = script_head_of(block);
	union script_head *new = realloc(head, sizeof(*head) + size);

	if (new == NULL)
		new = head;
	script_owner_give(script, new->owner, old_size - size);
	return new + 1;
}

/* What is shared by all stays so; else who makes it larger pays for it all. */
static void *
script_alloc_more(
    struct script *script, void *block, size_t old_size, size_t size)
{
	union script_head *head = script_head_of(block), *new;
	struct script_owner *old = head->owner, *owner = script->owner;
	size_t more = sizeof(*head) + size;

	if (old == &script->core)
		owner = old;
	if (owner == old)
		more = size - old_size;
	if (script->running != NULL)
		script->running->left -= (int64_t)(size / 64);
	if (size > SIZE_MAX - sizeof(*head) ||
	    script_owner_take(script, owner, more) < 0)
		return NULL;
	new = realloc(head, sizeof(*head) + size);
	if (new == NULL) {
		script_owner_give(script, owner, more);
		return NULL;
	}
	new->owner = owner;
	if (owner != old)
		script_owner_give(script, old, sizeof(*head) + old_size);
	return new + 1;
}

void *
script_alloc(void *arg, void *block, size_t old_size, size_t size)
{
	struct script *script = arg;
	union script_head *head;

	/* For a new block old_size says what kind of object it is. */
	if (block == NULL)
		return size == 0 ? NULL
				 : script_alloc_new(script, old_size, size);
	if (size == 0) {
		head = script_head_of(block);
		script_owner_give(
		    script, head->owner, sizeof(*head) + old_size);
		free(head);
		return NULL;
	}
	if (size <= old_size)
		return script_alloc_less(script, block, old_size, size);
	return script_alloc_more(script, block, old_size, size);
}
