/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hub of plugins/chat, beside a model of it that knows neither logs nor
 * turns: whatever is done in whatever order, each hears all that it should,
 * once and in order.
 */
#include "../plugins/chat/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define TEST_LISTENERS 12
#define TEST_TOPICS    3
#define TEST_KEPT      4
#define TEST_LINE_MAX  700

struct test_listener {
	struct hub_subscriber sub;
	struct evbuffer *heard, *due;
	int topic;  /* or -1 */
	int behind; /* the hub waits for it */
	int lost, deaf;
	int left_alone; /* but for what is published */
};

/* What is to be told to those who join a topic. */
struct test_kept {
	char lines[TEST_KEPT][TEST_LINE_MAX + 1];
	int count;
};

static struct event_base *test_base;
static struct hub *test_hub;
static struct test_listener test_listeners[TEST_LISTENERS];
static struct test_kept test_kept[TEST_TOPICS];
static int test_lost_some, test_nexts;
static size_t test_backlog;
static const char *const test_names[TEST_TOPICS] = { "a", "b", "c" };

static struct test_listener *
test_listener_of(struct hub_subscriber *sub)
{
	return (struct test_listener *)(void *)sub;
}

static void
test_on_behind(struct hub_subscriber *sub, int behind)
{
	ck_assert_int_ne(test_listener_of(sub)->behind, behind);
	test_listener_of(sub)->behind = behind;
}

/* A topic that all have left is none. */
static void
test_forget(int topic)
{
	int i;

	for (i = 0; i < TEST_LISTENERS; i++)
		if (test_listeners[i].topic == topic)
			return;
	if (topic >= 0)
		test_kept[topic].count = 0;
}

static void
test_on_lost(struct hub_subscriber *sub, size_t behind)
{
	struct test_listener *listener = test_listener_of(sub);

	int topic = listener->topic;

	ck_assert(listener->deaf);
	ck_assert_uint_gt(behind, test_backlog);
	listener->lost = 1;
	listener->topic = -1;
	hub_unsubscribe(test_hub, sub);
	test_forget(topic);
}

/* The others hear of it, and those who have it still to come too. */
static void
test_on_lost_some(struct hub *hub, const char *name)
{
	int i;

	test_lost_some++;
	ck_assert_int_eq(hub_publish(hub, name, "lost\n", 5, NULL, 0), 0);
	for (i = 0; i < TEST_LISTENERS; i++)
		if (test_listeners[i].topic >= 0 &&
		    strcmp(test_names[test_listeners[i].topic], name) == 0)
			evbuffer_add(test_listeners[i].due, "lost\n", 5);
}

static void
test_on_next(struct hub *hub)
{
	(void)hub;
	test_nexts++;
}

static void
test_start_with(size_t backlog_bytes, const char *always)
{
	static const struct hub_ops ops = {
		.behind = test_on_behind,
		.lost = test_on_lost,
		.lost_some = test_on_lost_some,
		.next = test_on_next,
	};
	const struct hub_options options = {
		.topics_max = TEST_TOPICS,
		.backlog_bytes = backlog_bytes,
		.kept_max = TEST_KEPT,
		.ops = &ops,
		.always = always,
	};
	int i;

	memset(test_listeners, 0, sizeof(test_listeners));
	memset(test_kept, 0, sizeof(test_kept));
	test_lost_some = test_nexts = 0;
	test_backlog = backlog_bytes;
	test_base = event_base_new();
	test_hub = hub_new(test_base, &options);
	ck_assert_ptr_nonnull(test_hub);
	for (i = 0; i < TEST_LISTENERS; i++) {
		test_listeners[i].sub.output = evbuffer_new();
		test_listeners[i].heard = evbuffer_new();
		test_listeners[i].due = evbuffer_new();
		test_listeners[i].topic = -1;
	}
}

static void
test_start(size_t backlog_bytes)
{
	test_start_with(backlog_bytes, NULL);
}

static void
test_stop(void)
{
	int i;

	for (i = 0; i < TEST_LISTENERS; i++) {
		hub_unsubscribe(test_hub, &test_listeners[i].sub);
		evbuffer_free(test_listeners[i].sub.output);
		evbuffer_free(test_listeners[i].heard);
		evbuffer_free(test_listeners[i].due);
	}
	hub_free(test_hub);
	event_base_free(test_base);
}

static void
test_turn(void)
{
	event_base_loop(test_base, EVLOOP_NONBLOCK);
}

/* As a socket that takes at most so much. */
static void
test_take(struct test_listener *listener, size_t max)
{
	struct evbuffer *output = listener->sub.output;

	evbuffer_remove_buffer(output, listener->heard, max);
	if (evbuffer_get_length(output) == 0 && listener->behind)
		hub_taken(test_hub, &listener->sub);
}

static size_t
test_line(char *line)
{
	static unsigned number;
	int len = snprintf(line, TEST_LINE_MAX, "%u", number++);
	int more = rand() % 4 == 0 ? rand() % (TEST_LINE_MAX - 20) : 0;

	memset(line + len, 'x', (size_t)more);
	memcpy(line + len + more, "\n", 2);
	return (size_t)(len + more + 1);
}

static void
test_keep(int topic, const char *line)
{
	struct test_kept *kept = &test_kept[topic];

	if (kept->count == TEST_KEPT)
		memmove(kept->lines[0], kept->lines[1],
		    sizeof(kept->lines) - sizeof(kept->lines[0]));
	else
		kept->count++;
	strcpy(kept->lines[kept->count - 1], line);
}

/* It is due before those are lost to whom it is too much. Of who is deaf it
   comes to itself, too: else it might be lost instead. */
static void
test_publish(struct test_listener *from)
{
	int topic = from->topic, keep = rand() % 2, i;
	int silent = !from->deaf && rand() % 2;
	char line[TEST_LINE_MAX + 1];
	size_t len = test_line(line);

	if (topic < 0)
		return;
	for (i = 0; i < TEST_LISTENERS; i++)
		if (test_listeners[i].topic == topic &&
		    !(silent && &test_listeners[i] == from))
			evbuffer_add(test_listeners[i].due, line, len);
	if (keep)
		test_keep(topic, line);
	ck_assert_int_eq(hub_publish(test_hub, test_names[topic], line, len,
			     silent ? &from->sub : NULL, keep),
	    0);
}

static void
test_tell(struct test_listener *listener)
{
	char line[TEST_LINE_MAX + 1];
	size_t len = test_line(line);

	if (listener->lost || listener->left_alone)
		return;
	if (hub_tell(test_hub, &listener->sub, line, len) == 0)
		evbuffer_add(listener->due, line, len);
	else
		ck_assert(listener->lost);
}

/* Of what is kept, as much as fills half of what it may still be behind. */
static int
test_first_shown(const struct test_listener *listener, int topic)
{
	size_t owed = evbuffer_get_length(listener->due) -
		      evbuffer_get_length(listener->heard);
	size_t may = owed < test_backlog ? (test_backlog - owed) / 2 : 0;
	int i = test_kept[topic].count;

	while (i > 0 && strlen(test_kept[topic].lines[i - 1]) <= may)
		may -= strlen(test_kept[topic].lines[--i]);
	return i;
}

static void
test_join(struct test_listener *listener)
{
	int topic = rand() % TEST_TOPICS, before = listener->topic, i;

	if (listener->lost || topic == before ||
	    (listener->left_alone && before >= 0))
		return;
	if (hub_subscribe(test_hub, &listener->sub, test_names[topic]) < 0) {
		ck_assert(listener->lost);
		return;
	}
	for (i = test_first_shown(listener, topic); i < test_kept[topic].count;
	     i++)
		evbuffer_add(listener->due, test_kept[topic].lines[i],
		    strlen(test_kept[topic].lines[i]));
	listener->topic = topic;
	test_forget(before);
}

/* With a last word, before which it hears all that is due. */
static void
test_leave(struct test_listener *listener)
{
	int before;

	if (listener->left_alone)
		return;
	test_tell(listener);
	before = listener->topic;
	hub_unsubscribe(test_hub, &listener->sub);
	listener->topic = -1;
	test_forget(before);
}

static void
test_step(void)
{
	struct test_listener *listener =
	    &test_listeners[rand() % TEST_LISTENERS];

	switch (rand() % 16) {
	case 0:
		test_join(listener);
		break;
	case 1:
		if (rand() % 8 == 0)
			test_leave(listener);
		break;
	case 2:
	case 3:
		test_tell(listener);
		break;
	case 4:
	case 5:
	case 6:
		test_turn();
		break;
	case 7:
	case 8:
	case 9:
		if (!listener->deaf)
			test_take(listener, (size_t)(rand() % 4000));
		break;
	default:
		test_publish(listener);
	}
}

/* What it has heard is what was due to it; of one that was lost the first
   part. */
static void
test_check(struct test_listener *listener)
{
	size_t heard = evbuffer_get_length(listener->heard);
	size_t due = evbuffer_get_length(listener->due);

	if (listener->lost)
		ck_assert_uint_le(heard, due);
	else
		ck_assert_uint_eq(heard, due);
	if (heard > 0)
		ck_assert_int_eq(memcmp(evbuffer_pullup(listener->heard, -1),
				     evbuffer_pullup(listener->due, -1), heard),
		    0);
}

static void
test_finish(void)
{
	int i, round;

	for (round = 0; round < 1000; round++) {
		test_turn();
		for (i = 0; i < TEST_LISTENERS; i++)
			test_take(&test_listeners[i], SIZE_MAX);
	}
	for (i = 0; i < TEST_LISTENERS; i++) {
		ck_assert(test_listeners[i].lost || !test_listeners[i].behind);
		test_check(&test_listeners[i]);
	}
}

START_TEST(each_hears_all_once_and_in_order)
{
	int i;

	srand((unsigned)_i);
	test_start(64 * 1024 * 1024);
	for (i = 0; i < 3000; i++)
		test_step();
	test_finish();
	ck_assert_int_eq(test_lost_some, 0);
	test_stop();
}
END_TEST

/* A third of them take nothing, and the others all, every few steps. By the log
   alone, or by what is told to each, too. */
START_TEST(who_does_not_read_is_lost_and_the_others_hear_all)
{
	int i, j, lost = 0;

	srand((unsigned)_i);
	test_start(64 * 1024);
	for (i = 0; i < TEST_LISTENERS; i++) {
		test_listeners[i].deaf = i % 3 == 0;
		test_listeners[i].left_alone = i % 3 == 0 && _i % 2 == 0;
	}
	for (i = 0; i < 20000; i++) {
		test_step();
		if (i % 16 != 0)
			continue;
		for (j = 0; j < TEST_LISTENERS; j++)
			if (!test_listeners[j].deaf)
				test_take(&test_listeners[j], SIZE_MAX);
	}
	for (i = 0; i < TEST_LISTENERS; i++)
		lost += test_listeners[i].lost;
	test_finish();
	ck_assert_int_gt(lost, 0);
	ck_assert_int_gt(test_lost_some, 0);
	test_stop();
}
END_TEST

START_TEST(there_are_no_more_topics_than_allowed)
{
	test_start(1024 * 1024);
	ck_assert_int_eq(
	    hub_subscribe(test_hub, &test_listeners[0].sub, "a"), 0);
	ck_assert_int_eq(
	    hub_subscribe(test_hub, &test_listeners[1].sub, "b"), 0);
	ck_assert_int_eq(
	    hub_subscribe(test_hub, &test_listeners[2].sub, "c"), 0);
	ck_assert_int_eq(
	    hub_subscribe(test_hub, &test_listeners[0].sub, "d"), -ENOSPC);
	ck_assert_str_eq(hub_name(&test_listeners[0].sub), "a");
	/* One that all have left is none. */
	hub_unsubscribe(test_hub, &test_listeners[2].sub);
	ck_assert_int_eq(
	    hub_subscribe(test_hub, &test_listeners[0].sub, "D"), 0);
	ck_assert_int_eq(
	    hub_subscribe(test_hub, &test_listeners[2].sub, "d"), 0);
	ck_assert_uint_eq(hub_count(&test_listeners[0].sub), 2);
	ck_assert_ptr_eq(
	    hub_first(&test_listeners[2].sub), &test_listeners[0].sub);
	ck_assert_ptr_eq(
	    hub_next(&test_listeners[0].sub), &test_listeners[2].sub);
	test_stop();
}
END_TEST

START_TEST(there_is_always_room_for_one_topic)
{
	struct hub_subscriber *subs[] = { &test_listeners[0].sub,
		&test_listeners[1].sub, &test_listeners[2].sub };

	test_start_with(1024 * 1024, "a");
	ck_assert_int_eq(hub_subscribe(test_hub, subs[0], "b"), 0);
	ck_assert_int_eq(hub_subscribe(test_hub, subs[1], "c"), 0);
	ck_assert_int_eq(hub_subscribe(test_hub, subs[2], "d"), -ENOSPC);
	ck_assert_int_eq(hub_subscribe(test_hub, subs[2], "A"), 0);
	ck_assert_int_eq(hub_subscribe(test_hub, subs[2], "d"), -ENOSPC);
	test_stop();
}
END_TEST

/* Of long lines, the last of those that half of the backlog holds. */
START_TEST(nobody_is_lost_by_what_was_kept)
{
	struct hub_subscriber *speaker = &test_listeners[0].sub,
			      *late = &test_listeners[1].sub;
	char line[10000];
	size_t i;

	test_start(48 * 1024);
	ck_assert_int_eq(hub_subscribe(test_hub, speaker, "a"), 0);
	for (i = 0; i < TEST_KEPT; i++) {
		memset(line, 'a' + (int)i, sizeof(line));
		ck_assert_int_eq(
		    hub_publish(test_hub, "a", line, sizeof(line), speaker, 1),
		    0);
	}
	ck_assert_int_eq(hub_subscribe(test_hub, late, "a"), 0);
	ck_assert_int_eq(hub_tell(test_hub, late, "welcome", 7), 0);
	ck_assert_uint_eq(
	    evbuffer_get_length(late->output), 2 * sizeof(line) + 7);
	ck_assert_int_eq(
	    *evbuffer_pullup(late->output, 1), 'a' + TEST_KEPT - 2);
	test_stop();
}
END_TEST

START_TEST(what_is_said_in_a_turn_has_an_end)
{
	struct hub_subscriber *speaker = &test_listeners[0].sub;
	static const char line[1000];
	int i, turn;

	test_start(1024 * 1024);
	ck_assert_int_eq(hub_subscribe(test_hub, speaker, "a"), 0);
	for (turn = 0; turn < 3; turn++) {
		for (i = 0; !hub_is_full(test_hub); i++)
			ck_assert_int_eq(hub_publish(test_hub, "a", line,
					     sizeof(line), speaker, 0),
			    0);
		ck_assert_int_eq(i, 17);
		ck_assert(hub_is_full(test_hub));
		while (test_nexts == turn)
			test_turn();
	}
	/* Turns in which less is said need no other. */
	for (turn = 0; turn < 100; turn++) {
		ck_assert(!hub_is_full(test_hub));
		ck_assert_int_eq(
		    hub_publish(test_hub, "a", line, sizeof(line), speaker, 0),
		    0);
		test_turn();
	}
	ck_assert_int_eq(test_nexts, 3);
	test_stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("chat_hub");
	TCase *tcase = tcase_create("chat_hub");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, each_hears_all_once_and_in_order, 0, 40);
	tcase_add_loop_test(
	    tcase, who_does_not_read_is_lost_and_the_others_hear_all, 0, 40);
	tcase_add_test(tcase, there_are_no_more_topics_than_allowed);
	tcase_add_test(tcase, there_is_always_room_for_one_topic);
	tcase_add_test(tcase, nobody_is_lost_by_what_was_kept);
	tcase_add_test(tcase, what_is_said_in_a_turn_has_an_end);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
