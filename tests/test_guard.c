/* SPDX-License-Identifier: BSD-2-Clause */
/* guard on a clock of our own: what strikes when, and what never does. */
#include "guard.h"

#include <stdlib.h>

#include "settings_guard.h"
#include "tap.h"

#define S 1000 /* a second */

/* A connection that is looked at when the guard wants it. */
struct play {
	struct settings_guard settings;
	struct guard guard;
	struct guard_look look;
	int64_t now, due;
	int asleep, looks;
	enum bevhost_reason reason;
};

static void
begin(struct play *play)
{
	*play = (struct play){
		.settings = { .first_byte_timeout = 60 * S,
		    .idle_timeout = 600 * S,
		    .write_timeout = 60 * S,
		    .min_rate = 64 },
		.now = 12345,
		.look.waits = 1,
	};
	play->due = play->now;
}

static void
look(struct play *play)
{
	int64_t next;

	if (play->guard.settings == NULL)
		guard_init(&play->guard, &play->settings, play->now);
	next = guard_check(
	    &play->guard, &play->look, play->now, &play->reason, &play->asleep);
	play->looks++;
	ck_assert((next < 0) == (play->reason != BEVHOST_REASON_NONE));
	ck_assert(next != 0);
	play->due = play->now + next;
}

/* Something moved now. */
static void
stir(struct play *play)
{
	if (play->asleep) {
		play->asleep = 0;
		play->due = play->now + guard_wake(&play->guard);
	}
}

/* Looks for so long, or until a deadline strikes. Returns when it was. */
static int64_t
pass(struct play *play, int64_t ms)
{
	int64_t end = play->now + ms;

	if (play->guard.settings == NULL)
		look(play);
	while (play->reason == BEVHOST_REASON_NONE && play->due <= end) {
		play->now = play->due;
		look(play);
	}
	if (play->reason == BEVHOST_REASON_NONE)
		play->now = end;
	return play->now;
}

static void
receive(struct play *play, size_t bytes)
{
	play->look.received += bytes;
	play->look.arrived += bytes;
	play->look.unread += bytes;
	stir(play);
}

/* To a socket that takes all of it. */
static void
answer(struct play *play, size_t bytes)
{
	play->look.unread = 0;
	play->look.sent += bytes;
	stir(play);
}

static void
expect(struct play *play, enum bevhost_reason reason, int64_t begin_ms,
    int64_t timeout_ms)
{
	int64_t struck = pass(play, 10 * timeout_ms) - begin_ms;

	ck_assert_int_eq(play->reason, reason);
	ck_assert_int_ge(struck, timeout_ms);
	ck_assert_int_le(struck, timeout_ms + timeout_ms / 10);
}

START_TEST(a_short_lifetime_is_looked_for_early)
{
	struct play play;

	begin(&play);
	play.settings.lifetime = S;
	guard_init(&play.guard, &play.settings, play.now);
	ck_assert_int_le(guard_wake(&play.guard), S / 16 + 1);
}
END_TEST

START_TEST(a_peer_that_never_says_a_word_is_idle_at_the_first_byte_timeout)
{
	struct play play;

	begin(&play);
	expect(&play, BEVHOST_REASON_IDLE, play.now, 60 * S);
	/* Asleep, it costs nothing. */
	ck_assert_int_le(play.looks, 2);
}
END_TEST

START_TEST(a_handler_that_speaks_first_gives_its_peer_the_time_from_then)
{
	struct play play;

	begin(&play);
	pass(&play, 30 * S);
	answer(&play, 100);
	expect(&play, BEVHOST_REASON_IDLE, play.now, 60 * S);
}
END_TEST

START_TEST(a_handler_that_waits_for_something_else_has_no_first_byte)
{
	struct play play;

	begin(&play);
	play.look.waits = 0;
	pass(&play, 599 * S);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
}
END_TEST

START_TEST(a_connection_is_idle_when_no_byte_has_moved)
{
	struct play play;
	int i;

	begin(&play);
	for (i = 0; i < 20; i++) {
		receive(&play, 5);
		answer(&play, 5);
		pass(&play, 500 * S);
	}
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
	receive(&play, 5);
	answer(&play, 5);
	play.looks = 0;
	expect(&play, BEVHOST_REASON_IDLE, play.now, 600 * S);
	ck_assert_int_le(play.looks, 4);
}
END_TEST

/* Whenever its bytes come: asleep, just awake, or between two looks. */
START_TEST(whenever_the_last_byte_moves_it_is_idle_in_time)
{
	struct play play;
	int i;

	srand(1);
	for (i = 0; i < 1000; i++) {
		begin(&play);
		play.settings.idle_timeout = 30 * S;
		do {
			pass(&play, rand() % (29 * S));
			receive(&play, 5);
			answer(&play, 5);
			pass(&play, rand() % (3 * S));
			receive(&play, 5);
			answer(&play, 5);
		} while (rand() % 3 > 0);
		expect(&play, BEVHOST_REASON_IDLE, play.now, 30 * S);
	}
}
END_TEST

START_TEST(a_peer_that_takes_nothing_is_slow_at_the_write_timeout)
{
	struct play play;

	begin(&play);
	play.settings.min_rate = 0;
	receive(&play, 5);
	pass(&play, 10 * S);
	answer(&play, 100000);
	play.look.queued = 60000;
	play.look.unsent = 5000000;
	expect(&play, BEVHOST_REASON_SLOW, play.now, 60 * S);
}
END_TEST

START_TEST(what_the_kernel_has_swallowed_is_not_taken)
{
	struct play play;

	begin(&play);
	pass(&play, 10 * S);
	answer(&play, 100000);
	play.look.queued = 100000;
	expect(&play, BEVHOST_REASON_SLOW, play.now, 60 * S);
}
END_TEST

START_TEST(what_the_peer_takes_of_the_kernel_is_progress)
{
	struct play play;
	int i;

	begin(&play);
	answer(&play, 1000000);
	play.look.queued = 1000000;
	for (i = 0; i < 100; i++) {
		pass(&play, 50 * S);
		ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
		play.look.queued -= 6000;
	}
}
END_TEST

/* One byte a second, as the peer or as the reader, helps nobody. */
static void
drip_out(struct play *play, size_t rate, int64_t seconds)
{
	while (seconds-- > 0 && play->reason == BEVHOST_REASON_NONE) {
		pass(play, 1 * S);
		play->look.sent += rate;
		play->look.unsent -= rate;
	}
}

START_TEST(a_reader_of_one_byte_a_second_is_slow_after_a_window)
{
	struct play play;
	int64_t begun;

	begin(&play);
	receive(&play, 5);
	answer(&play, 0);
	play.look.unsent = 8000000;
	begun = play.now;
	drip_out(&play, 1, 1000);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_SLOW);
	ck_assert_int_ge(play.now - begun, 60 * S);
	ck_assert_int_le(play.now - begun, 66 * S);
}
END_TEST

START_TEST(a_reader_above_the_least_rate_is_well)
{
	struct play play;

	begin(&play);
	play.look.unsent = 8000000;
	drip_out(&play, 80, 3000);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
}
END_TEST

START_TEST(a_peer_that_takes_all_there_is_is_well_however_little)
{
	struct play play;
	int i;

	/* Each time somebody looks, the latest ten bytes are on their way. */
	begin(&play);
	for (i = 0; i < 1000; i++) {
		answer(&play, 10);
		play.look.queued = 10;
		pass(&play, 1 * S);
	}
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
}
END_TEST

static void
drip_in(struct play *play, size_t rate, int64_t seconds)
{
	while (seconds-- > 0 && play->reason == BEVHOST_REASON_NONE) {
		receive(play, rate);
		pass(play, 1 * S);
	}
}

START_TEST(a_message_of_one_byte_a_second_is_slow_after_a_window)
{
	struct play play;
	int64_t begun;

	begin(&play);
	pass(&play, 20 * S);
	begun = play.now;
	drip_in(&play, 1, 1000);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_SLOW);
	ck_assert_int_ge(play.now - begun, 60 * S);
	ck_assert_int_le(play.now - begun, 66 * S);
}
END_TEST

/* Nothing of it reaches the handler. */
START_TEST(a_record_that_comes_byte_by_byte_is_slow)
{
	struct play play;
	int64_t begun;

	begin(&play);
	receive(&play, 5);
	answer(&play, 5);
	pass(&play, 20 * S);
	begun = play.now;
	while (play.reason == BEVHOST_REASON_NONE) {
		play.look.arrived++;
		play.look.partial = 1;
		stir(&play);
		pass(&play, 1 * S);
	}
	ck_assert_int_eq(play.reason, BEVHOST_REASON_SLOW);
	ck_assert_int_ge(play.now - begun, 60 * S);
	ck_assert_int_le(play.now - begun, 66 * S);
}
END_TEST

START_TEST(half_a_message_and_then_nothing_is_slow_too)
{
	struct play play;

	begin(&play);
	pass(&play, 20 * S);
	receive(&play, 1000);
	expect(&play, BEVHOST_REASON_SLOW, play.now, 60 * S);
}
END_TEST

START_TEST(a_long_message_above_the_least_rate_is_well)
{
	struct play play;

	begin(&play);
	drip_in(&play, 80, 1000);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
}
END_TEST

START_TEST(short_messages_now_and_then_are_well)
{
	struct play play;
	int i;

	/* Each comes in two parts, and looks fall between the two. */
	begin(&play);
	for (i = 0; i < 1000; i++) {
		receive(&play, 3);
		pass(&play, 4 * S);
		receive(&play, 3);
		answer(&play, 3);
		pass(&play, 100);
	}
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
}
END_TEST

START_TEST(input_that_the_handler_leaves_while_it_works_is_not_the_peers_fault)
{
	struct play play;

	begin(&play);
	receive(&play, 1000);
	play.look.waits = 0;
	pass(&play, 590 * S);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
}
END_TEST

START_TEST(our_own_rates_are_never_the_peers_fault)
{
	struct play play;

	begin(&play);
	receive(&play, 1000);
	play.look.unsent = 8000000;
	play.look.slow_in = play.look.slow_out = 1;
	pass(&play, 5000 * S);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
	play.look.slow_in = play.look.slow_out = 0;
	expect(&play, BEVHOST_REASON_SLOW, play.now, 60 * S);
}
END_TEST

START_TEST(a_peer_held_by_one_rate_is_still_to_keep_the_other_way)
{
	struct play play;

	begin(&play);
	play.look.slow_in = 1;
	play.look.unsent = 8000000;
	expect(&play, BEVHOST_REASON_SLOW, play.now, 60 * S);
}
END_TEST

START_TEST(a_lifetime_ends_whatever_moves)
{
	struct play play;
	int64_t begun;

	begin(&play);
	play.settings.lifetime = 100 * S;
	begun = play.now;
	while (play.reason == BEVHOST_REASON_NONE) {
		receive(&play, 5);
		answer(&play, 5);
		pass(&play, 1 * S);
	}
	ck_assert_int_eq(play.reason, BEVHOST_REASON_LIFETIME);
	ck_assert_int_eq(play.now - begun, 100 * S);
}
END_TEST

START_TEST(a_closing_connection_owes_within_a_window)
{
	struct play play;

	begin(&play);
	play.settings.write_timeout = 0;
	play.settings.min_rate = 0;
	play.look.closing = 1;
	pass(&play, 2000 * S);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
	play.look.unsent = 1000;
	stir(&play);
	expect(&play, BEVHOST_REASON_SLOW, play.now, GUARD_WINDOW_MS);
}
END_TEST

START_TEST(a_byte_each_thirty_seconds_keeps_no_closing_connection)
{
	struct play play;
	int64_t begun;

	begin(&play);
	play.look.closing = 1;
	play.look.unsent = 1000;
	begun = play.now;
	while (play.reason == BEVHOST_REASON_NONE) {
		pass(&play, 30 * S);
		play.look.sent++;
		play.look.unsent--;
	}
	ck_assert_int_le(play.now - begun, 66 * S);
}
END_TEST

START_TEST(all_off_is_off)
{
	struct play play;

	begin(&play);
	play.settings = (struct settings_guard){ 0 };
	receive(&play, 7);
	play.look.unsent = 1000000;
	pass(&play, INT64_C(100000) * S);
	ck_assert_int_eq(play.reason, BEVHOST_REASON_NONE);
}
END_TEST

START_TEST(short_deadlines_are_as_exact)
{
	struct play play;

	begin(&play);
	play.settings.write_timeout = 1 * S;
	receive(&play, 5);
	answer(&play, 100);
	play.look.queued = 100;
	expect(&play, BEVHOST_REASON_SLOW, play.now, 1 * S);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("guard");

	tcase_add_test(tcase, a_short_lifetime_is_looked_for_early);
	tcase_add_test(tcase,
	    a_peer_that_never_says_a_word_is_idle_at_the_first_byte_timeout);
	tcase_add_test(tcase,
	    a_handler_that_speaks_first_gives_its_peer_the_time_from_then);
	tcase_add_test(
	    tcase, a_handler_that_waits_for_something_else_has_no_first_byte);
	tcase_add_test(tcase, a_connection_is_idle_when_no_byte_has_moved);
	tcase_add_test(tcase, whenever_the_last_byte_moves_it_is_idle_in_time);
	tcase_add_test(
	    tcase, a_peer_that_takes_nothing_is_slow_at_the_write_timeout);
	tcase_add_test(tcase, what_the_kernel_has_swallowed_is_not_taken);
	tcase_add_test(tcase, what_the_peer_takes_of_the_kernel_is_progress);
	tcase_add_test(
	    tcase, a_reader_of_one_byte_a_second_is_slow_after_a_window);
	tcase_add_test(tcase, a_reader_above_the_least_rate_is_well);
	tcase_add_test(
	    tcase, a_peer_that_takes_all_there_is_is_well_however_little);
	tcase_add_test(
	    tcase, a_message_of_one_byte_a_second_is_slow_after_a_window);
	tcase_add_test(tcase, a_record_that_comes_byte_by_byte_is_slow);
	tcase_add_test(tcase, half_a_message_and_then_nothing_is_slow_too);
	tcase_add_test(tcase, a_long_message_above_the_least_rate_is_well);
	tcase_add_test(tcase, short_messages_now_and_then_are_well);
	tcase_add_test(tcase,
	    input_that_the_handler_leaves_while_it_works_is_not_the_peers_fault);
	tcase_add_test(tcase, our_own_rates_are_never_the_peers_fault);
	tcase_add_test(
	    tcase, a_peer_held_by_one_rate_is_still_to_keep_the_other_way);
	tcase_add_test(tcase, a_lifetime_ends_whatever_moves);
	tcase_add_test(tcase, a_closing_connection_owes_within_a_window);
	tcase_add_test(
	    tcase, a_byte_each_thirty_seconds_keeps_no_closing_connection);
	tcase_add_test(tcase, all_off_is_off);
	tcase_add_test(tcase, short_deadlines_are_as_exact);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
