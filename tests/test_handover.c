/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program leaves to the next: read back whole, and refused as a whole
 * when it is not what was written. An exec is made believe: all that stays
 * open keeps its number, all else of the program before is gone.
 */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "endpoint.h"
#include "generations_own.h"
#include "heard.h"
#include "settings_edit.h"
#include "sock_bind.h"
#include "limiter.h"
#include "slot_limits.h"
#include "stats.h"
#include "tickets.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct event_base *base;
static const struct generations_owner owner = { .arg = NULL };
static struct generations *generations;
static pid_t worker; /* stands for all of them */

static void
setup(void)
{
	base = event_base_new();
	generations = generations_new(base, &owner);
	ck_assert_ptr_nonnull(generations);
	worker = fork();
	if (worker == 0) {
		pause();
		_exit(0);
	}
}

/* As if all processes had ended. */
static void
forget_slots(void)
{
	struct generation *generation;
	int i;

	TAILQ_FOREACH (generation, &generations->list, entry)
		for (i = 0; i < generation->slot_count; i++)
			generation->slots[i].state = SLOT_EMPTY;
}

static void
teardown(void)
{
	forget_slots();
	generations_free(generations);
	event_base_free(base);
	kill(worker, SIGKILL);
	ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
}

/* Two handlers, the second of which is shown by its name. */
static struct settings
some_settings(void)
{
	struct settings settings;

	settings_init(&settings);
	ck_assert_ptr_nonnull(settings_add_handler(&settings, "greeting"));
	ck_assert_ptr_nonnull(settings_add_handler(&settings, "echo"));
	settings.drain_timeout = 12345;
	return settings;
}

static struct endpoint *
some_endpoint(const char *text, int workers)
{
	char *copy = strdup(text);
	struct settings_address address = { .text = copy };
	struct endpoint *found;
	const char *why;

	ck_assert_int_eq(addr_parse(text, &address.spec, &why), 0);
	endpoint_begin(generations->host.endpoints);
	ck_assert_int_eq(endpoint_want(generations->host.endpoints, &address, 0,
			     -1, workers, &found, 1),
	    1);
	free(copy);
	ck_assert_int_eq(endpoint_listen(found), 0);
	found->users--; /* it comes with the bindings */
	return found;
}

/* As a worker with that share does. */
static void
hold_a_place(int share)
{
	const struct slot_host *host = &generations->host.slots;
	struct limiter *limiter;
	size_t pages;

	limiter_open(host->limiter, share);
	limiter = limiter_attach(slot_host_limits(host, &pages), share);
	ck_assert_ptr_nonnull(limiter);
	ck_assert_int_eq(limiter_take(limiter, LIMITER_HOST, 0), 0);
	limiter_detach(limiter);
}

/* Returns the worker's end. */
static int
add_slot(struct generation *generation, enum slot_state state)
{
	struct slot slot = {
		.number = generation->slot_count + 1,
		.worker_group = "web two",
		.index = generation->slot_count,
		.of = 3,
		.cpu = -1,
		.state = state,
		.pid = worker,
		.share = stats_take(generations->host.slots.stats),
		.deaths = 2,
	};
	struct stats *stats = generations->host.slots.stats;
	int pair[2];

	ck_assert_int_gt(slot.share, 0);
	stats->shares[slot.share].counters.accepted = 10;
	stats->shares[slot.share].counters.connections = 4;
	stats->taken[slot.share] = 0; /* it is adopted */
	hold_a_place(slot.share);
	ck_assert_int_eq(ipc_pair(pair), 0);
	slot.ipc = pair[0];
	ck_assert_int_eq(generation_adopt_slot(generation, &slot), 0);
	return pair[1];
}

static struct generation *
add_generation(int number, enum generation_state state, int slots)
{
	struct settings settings = some_settings();
	struct generation *generation =
	    generation_adopt(&generations->host, number, &settings, slots, 2);

	ck_assert_ptr_nonnull(generation);
	generation->state = state;
	TAILQ_INSERT_TAIL(&generations->list, generation, entry);
	if (state == GENERATION_SERVING)
		generations->serving = generation;
	generations->last = number;
	return generation;
}

/* The next program: takes the place of `generations`, and of the descriptors'
   numbers. Returns the number of the text. */
static int
exec_anew(struct handover *handover)
{
	int state = handover_write(handover), high[64], numbers[64], i, count;

	ck_assert_int_ge(state, 0);
	count = handover->fd_count;
	ck_assert_int_lt(count, 64);
	for (i = 0; i < count; i++) {
		numbers[i] = handover->fds[i].fd;
		high[i] = fcntl(numbers[i], F_DUPFD_CLOEXEC, 500);
		ck_assert_int_ge(high[i], 0);
	}
	handover_clear(handover);
	forget_slots();
	generations->host.slots.tickets->mine = 0; /* an exec wipes nothing */
	generations_free(generations);
	close(state);
	for (i = 0; i < count; i++) {
		dup3(high[i], numbers[i], O_CLOEXEC);
		close(high[i]);
	}
	generations = generations_new(base, &owner);
	ck_assert_ptr_nonnull(generations);
	return state;
}

static void
must_accept(const struct endpoint *endpoint)
{
	int i, fd = -1;

	for (i = 0; i < endpoint->count && fd < 0; i++)
		fd = accept4(endpoint->socks[i].fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static const struct endpoint *
must_have_endpoints(const int *fds, const struct addr *bound)
{
	const struct endpoint *endpoint =
	    TAILQ_FIRST(generations->host.endpoints);

	ck_assert_str_eq(endpoint->text, "127.0.0.1:0");
	ck_assert_int_eq(endpoint->count, 2);
	ck_assert_int_eq(endpoint->listening, 2);
	ck_assert_int_eq(endpoint->users, 1);
	ck_assert_int_eq(endpoint->announced, 1);
	ck_assert_int_eq(endpoint->shared, 0);
	ck_assert_int_eq(endpoint->socks[0].fd, fds[0]);
	ck_assert_int_eq(endpoint->socks[1].fd, fds[1]);
	ck_assert_mem_eq(
	    &endpoint->socks[1].bound.u.in, &bound->u.in, sizeof(bound->u.in));
	ck_assert_str_eq(TAILQ_NEXT(endpoint, entry)->text, "127.0.0.2:0");
	return endpoint;
}

static void
must_have_slot(const struct slot *slot)
{
	ck_assert_int_eq(slot->number, 2);
	ck_assert_int_eq(slot->pid, worker);
	ck_assert_int_eq(slot->state, SLOT_READY);
	ck_assert_int_eq(slot->index, 1);
	ck_assert_int_eq(slot->of, 3);
	ck_assert_int_eq(slot->cpu, -1);
	ck_assert_int_eq(slot->deaths, 2);
	ck_assert_str_eq(slot->worker_group, "web two");
	ck_assert_str_eq(slot->name, "worker 2 (web two, generation 7)");
}

/* The third drains, the seventh serves. */
static struct generation *
must_have_generations(const struct endpoint *endpoint)
{
	struct generation *old = TAILQ_FIRST(&generations->list), *serving;

	serving = TAILQ_NEXT(old, entry);
	ck_assert_int_eq(old->number, 3);
	ck_assert_int_eq(old->state, GENERATION_DRAINING);
	ck_assert_int_eq(old->binding_count, 0);
	ck_assert_int_eq(old->slot_count, 1);
	ck_assert_int_eq(old->slots[0].state, SLOT_ENDING);
	ck_assert_ptr_eq(generations->serving, serving);
	ck_assert_ptr_null(TAILQ_NEXT(serving, entry));
	ck_assert_int_eq(serving->number, 7);
	ck_assert_int_eq(serving->state, GENERATION_SERVING);
	ck_assert_int_eq(serving->orphan, 0);
	ck_assert(serving->settings.drain_timeout == 12345);
	ck_assert_int_eq(serving->settings.handler_count, 2);
	ck_assert_str_eq(serving->settings.handlers[1].plugin, "echo");
	ck_assert_int_eq(serving->binding_count, 2);
	ck_assert_ptr_eq(serving->bindings[0].endpoint, endpoint);
	ck_assert_int_eq(serving->bindings[1].handler, 1);
	ck_assert_int_eq(serving->slot_count, 2);
	must_have_slot(&serving->slots[1]);
	return serving;
}

/* Two generations with three workers, whose ends are returned. */
static void
fill(struct endpoint *one, struct endpoint *two, int *ends)
{
	struct generation *old = add_generation(3, GENERATION_DRAINING, 1);
	struct generation *serving = add_generation(7, GENERATION_SERVING, 3);

	ck_assert_int_eq(generation_adopt_binding(serving, one, 0), 0);
	ck_assert_int_eq(generation_adopt_binding(serving, two, 1), 0);
	ends[0] = add_slot(old, SLOT_ENDING);
	ends[1] = add_slot(serving, SLOT_SERVING);
	ends[2] = add_slot(serving, SLOT_READY);
}

START_TEST(all_is_read_as_it_was_written)
{
	char log_file[] = "/var/log/with a space.log";
	struct handover handover = {
		.generations = generations,
		.own = { .pidfile = -1, .control = -1, .log_file = log_file },
	};
	struct endpoint *one = some_endpoint("127.0.0.1:0", 2);
	int fds[2] = { one->socks[0].fd, one->socks[1].fd };
	struct addr bound = one->socks[0].bound;
	const struct endpoint *endpoint;
	struct ipc_message message;
	struct generation *serving;
	int ends[3], state, client;
	struct ticket_key before, after;
	struct counters sum;

	fill(one, some_endpoint("127.0.0.2:0", 1), ends);
	ck_assert_int_eq(
	    tickets_current(generations->host.slots.tickets, &before), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(client, &bound.u.sa, bound.len), 0);

	state = exec_anew(&handover);
	memset(&handover, 0, sizeof(handover));
	handover.generations = generations;
	ck_assert_int_eq(handover_read(&handover, state), 0);
	ck_assert_int_eq(generations->last, 7);
	ck_assert_int_eq(handover.own.pidfile, -1);
	ck_assert_int_eq(handover.own.control, -1);
	ck_assert_str_eq(handover.own.log_file, "/var/log/with a space.log");
	free((char *)(uintptr_t)handover.own.log_file);
	endpoint = must_have_endpoints(fds, &bound);
	serving = must_have_generations(endpoint);

	ck_assert_int_eq(
	    tickets_current(generations->host.slots.tickets, &after), 0);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	/* Counters, messages and who waits in a queue are there. */
	stats_sum(generations->host.slots.stats, &sum);
	ck_assert(sum.accepted == 30 && sum.connections == 12);
	ck_assert_int_eq(
	    limiter_used(generations->host.slots.limiter, LIMITER_HOST), 3);
	ck_assert_int_eq(slot_send(&serving->slots[0], IPC_DRAIN, 1, 2, -1), 0);
	ck_assert_int_eq(ipc_receive(ends[1], &message), 1);
	ck_assert_int_eq(message.type, IPC_DRAIN);
	ck_assert_int_eq(ipc_receive(ends[2], &message), -EAGAIN);
	must_accept(endpoint);
	close(client);
	close(ends[0]);
	close(ends[1]);
	close(ends[2]);
	close(state);
}
END_TEST

START_TEST(what_is_the_masters_own_is_left_too)
{
	char pidfile[] = "/run/a b.pid";
	struct handover handover = {
		.generations = generations,
		.own = { .pidfile = open("/dev/null", O_RDONLY),
		    .control = open("/dev/zero", O_RDONLY),
		    .pidfile_path = pidfile },
	};
	const struct handover_own own = handover.own;
	int end = add_slot(
		add_generation(1, GENERATION_SERVING, 1), SLOT_SERVING),
	    state, i, named = 0;

	state = handover_write(&handover);
	ck_assert_int_ge(state, 0);
	for (i = 0; i < handover.fd_count; i++)
		named += handover.fds[i].fd == own.pidfile ||
			 handover.fds[i].fd == own.control ||
			 handover.fds[i].fd == state;
	ck_assert_int_eq(named, 3);
	handover_clear(&handover);
	ck_assert_int_ge(fcntl(own.pidfile, F_GETFD), 0);
	memset(&handover, 0, sizeof(handover));
	ck_assert_int_eq(handover_read(&handover, state), 0);
	ck_assert_int_eq(handover.own.pidfile, own.pidfile);
	ck_assert_int_eq(handover.own.control, own.control);
	ck_assert_str_eq(handover.own.pidfile_path, "/run/a b.pid");
	ck_assert_ptr_null(handover.own.log_file);
	free((char *)(uintptr_t)handover.own.pidfile_path);
	close(own.pidfile);
	close(own.control);
	close(state);
	close(end);
}
END_TEST

START_TEST(a_generation_on_its_way_and_dead_workers_are_not_left)
{
	struct handover handover = {
		.generations = generations,
		.own = { .pidfile = -1, .control = -1 },
	};
	struct generation *serving, *next;
	struct settings settings = some_settings();
	int end, state;

	serving = add_generation(1, GENERATION_SERVING, 2);
	end = add_slot(serving, SLOT_SERVING);
	close(add_slot(serving, SLOT_SERVING));
	serving->slots[1].state = SLOT_EMPTY;
	next = generation_adopt(&generations->host, 2, &settings, 1, 0);
	ck_assert_ptr_nonnull(next);
	TAILQ_INSERT_TAIL(&generations->list, next, entry);
	generations->last = 2;
	state = exec_anew(&handover);
	memset(&handover, 0, sizeof(handover));
	handover.generations = generations;
	ck_assert_int_eq(handover_read(&handover, state), 0);
	/* Its number is not given again. */
	ck_assert_int_eq(generations->last, 2);
	serving = TAILQ_FIRST(&generations->list);
	ck_assert_int_eq(serving->number, 1);
	ck_assert_ptr_null(TAILQ_NEXT(serving, entry));
	ck_assert_int_eq(serving->slot_count, 1);
	ck_assert_ptr_null(handover.own.log_file);
	close(end);
	close(state);
}
END_TEST

/* Texts */

static int
text_fd(const char *text, size_t len)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	return fd;
}

/* %S is a listening socket, %F an open file, %P the worker, %Z the size of the
   counters. */
static void
expand(char *buf, size_t size, const char *text, const int *fds)
{
	size_t used = 0, stats;

	(void)slot_host_stats(&generations->host.slots, &stats);
	for (; *text != '\0' && used < size - 16; text++) {
		const int value = text[0] != '%'   ? -1
				  : text[1] == 'S' ? fds[0]
				  : text[1] == 'F' ? fds[1]
				  : text[1] == 'P' ? (int)worker
						   : (int)stats;

		if (*text != '%') {
			buf[used++] = *text;
			continue;
		}
		text++;
		used += (size_t)snprintf(buf + used, size - used, "%d", value);
	}
	buf[used] = '\0';
}

static int
listening_socket(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

static void
free_own(struct handover *handover)
{
	free((char *)(uintptr_t)handover->own.log_file);
	free((char *)(uintptr_t)handover->own.pidfile_path);
}

/* The same as the probe reads it, and as who takes over. Returns the latter's
   status; both have said so when they refuse. */
static int
read_text(const char *text, int *probed)
{
	struct handover handover = { .generations = NULL };
	int fds[2] = { listening_socket(), open("/dev/null", O_RDWR) };
	char buf[65536];
	int fd, status;

	expand(buf, sizeof(buf), text, fds);
	fd = text_fd(buf, strlen(buf));
	listen_to_stderr();
	*probed = handover_read(&handover, fd);
	restore_stderr();
	ck_assert_int_eq(*probed < 0, heard[0] != '\0');
	free_own(&handover);
	memset(&handover, 0, sizeof(handover));
	handover.generations = generations;
	listen_to_stderr();
	status = handover_read(&handover, fd);
	restore_stderr();
	ck_assert_int_eq(status < 0, heard[0] != '\0');
	if (status < 0)
		ck_assert_ptr_nonnull(strstr(heard, "cannot read"));
	free_own(&handover);
	close(fd);
	/* A text that is read has taken what it names, another may have. */
	if (status < 0 || strstr(text, "%S") == NULL)
		close(fds[0]);
	if (status < 0)
		close(fds[1]);
	return status;
}

#define FIRST	 "bevhost-handover 1\n"
#define ENDPOINT "endpoint 0 0 0 1 0 0 0 1 %S 127.0.0.1:7\n"
#define SERVING	 "generation 1 1 %F 1 1\n"
#define BINDING	 "binding 0 0\n"
#define SLOT	 "slot 1 %P -1 -1 3 0 1 -1 0 \n"

static const char *const sound[] = {
	FIRST "last 1\n" ENDPOINT SERVING BINDING SLOT,
	/* What a later build adds. */
	FIRST "weather 1 2 3 fine\n" ENDPOINT SERVING BINDING "\n"
	      "colour\n" SLOT "last 1\nend of it\n",
	/* Counters that are of another build, or none. */
	FIRST ENDPOINT "stats 3 7\n" SERVING BINDING SLOT,
	FIRST ENDPOINT "stats 9999 %Z\n" SERVING BINDING
		       "slot 1 %P -1 5 3 0 1 -1 0 \n",
	FIRST ENDPOINT "stats\n" SERVING BINDING
		       "slot 1 %P -1 99999 3 0 1 -1 0 \n",
	/* Of a worker that nobody replaces. */
	FIRST "generation 1 1 %F 1 0\n" SLOT,
};

START_TEST(a_sound_text_is_read)
{
	int probed;

	ck_assert_msg(read_text(sound[_i], &probed) == 0, "%s", heard);
	ck_assert_int_eq(probed, 0);
	ck_assert_ptr_nonnull(generations->serving);
	ck_assert_int_eq(generations->serving->slot_count, 1);
	/* The settings are not what settings_write() wrote. */
	ck_assert_int_eq(generations->serving->orphan, 1);
	ck_assert_int_eq(generations->serving->slots[0].share, -1);
}
END_TEST

/* Refused by both, the probe before it is too late. */
static const char *const hostile[] = {
	"",
	"\n",
	"bevhost-handover 1",
	"bevhost-handover 2\n" ENDPOINT SERVING BINDING SLOT,
	"bevhost-handover 11\n" ENDPOINT SERVING BINDING SLOT,
	ENDPOINT SERVING BINDING SLOT,
	FIRST,
	FIRST ENDPOINT,
	/* Nobody serves, or two do. */
	FIRST ENDPOINT "generation 1 0 %F 1 1\n" BINDING SLOT,
	FIRST ENDPOINT SERVING SERVING,
	FIRST "generation 1 -1 %F 1 1\n",
	/* Cut off. */
	FIRST ENDPOINT SERVING BINDING "slot 1 %P -1 -1 3 0 1 -1 0",
	FIRST ENDPOINT SERVING "binding 0\n",
	FIRST ENDPOINT SERVING "binding\n",
	FIRST ENDPOINT SERVING BINDING "slot\n",
	FIRST ENDPOINT SERVING BINDING "slot 1 %P\n",
	FIRST ENDPOINT SERVING BINDING "slot 1 %P -1 -1\n",
	FIRST ENDPOINT "generation\n",
	FIRST ENDPOINT "generation 1 1\n",
	FIRST ENDPOINT "generation 1 1 %F\n",
	FIRST "endpoint\n" SERVING SLOT,
	FIRST "endpoint 0 0 0\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 1 0 0 0\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 1 0 0 0 1\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 1 0 0 0 2 %S\n" SERVING SLOT,
	FIRST "last\n" ENDPOINT SERVING BINDING SLOT,
	/* Absurd numbers. */
	FIRST "last 0\n" ENDPOINT SERVING BINDING SLOT,
	FIRST "last -3\n" ENDPOINT SERVING BINDING SLOT,
	FIRST "last 2147483648\n" ENDPOINT SERVING BINDING SLOT,
	FIRST "endpoint -1 0 0 1 0 0 0 1 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 -1 0 1 0 0 0 1 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 -1 1 0 0 0 1 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 -1 0 0 0 1 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 2 0 0 0 1 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 1 -1 0 0 1 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 0 0 0 0 0 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 0 0 0 0 -1 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 0 0 0 0 2147483647 %S x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 0 0 0 0 1 -1 x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 0 0 0 0 1 99999999999999999999 x\n" SERVING SLOT,
	FIRST "generation 0 1 %F 1 0\n" SLOT,
	FIRST "generation -1 1 %F 1 0\n" SLOT,
	FIRST "generation 1 1 -1 1 0\n" SLOT,
	FIRST "generation 1 1 %F 0 0\n" SLOT,
	FIRST "generation 1 1 %F 2147483647 0\n" SLOT,
	FIRST "generation 1 1 %F 1 -1\n" SLOT,
	FIRST "generation 1 1 %F 1 2147483647\n" SLOT,
	FIRST ENDPOINT SERVING "binding -1 0\n" SLOT,
	FIRST ENDPOINT SERVING "binding 0 -1\n" SLOT,
	FIRST ENDPOINT SERVING BINDING BINDING SLOT,
	FIRST ENDPOINT SERVING BINDING SLOT SLOT,
	FIRST ENDPOINT BINDING SERVING SLOT,
	FIRST ENDPOINT SLOT SERVING,
	FIRST ENDPOINT SERVING "slot 0 %P -1 -1 3 0 1 -1 0 \n",
	FIRST ENDPOINT SERVING "slot 1 0 -1 -1 3 0 1 -1 0 \n",
	FIRST ENDPOINT SERVING "slot 1 -1 -1 -1 3 0 1 -1 0 \n",
	FIRST ENDPOINT SERVING "slot 1 %P -1 -1 0 0 1 -1 0 \n",
	FIRST ENDPOINT SERVING "slot 1 %P -1 -1 5 0 1 -1 0 \n",
	FIRST ENDPOINT SERVING "slot 1 %P -1 -1 -1 0 1 -1 0 \n",
	FIRST ENDPOINT SERVING "slot 1 %P -1 -1 3 0 0 -1 0 \n",
};

START_TEST(a_hostile_text_is_refused_as_a_whole)
{
	int probed;

	ck_assert_msg(read_text(hostile[_i], &probed) < 0, "%s", hostile[_i]);
	ck_assert_msg(probed < 0, "%s", hostile[_i]);
	forget_slots();
	ck_assert(TAILQ_EMPTY(&generations->list) ||
		  generation_alive(TAILQ_FIRST(&generations->list)) == 0);
}
END_TEST

START_TEST(a_refusal_shows_the_line)
{
	int probed;

	ck_assert_int_lt(
	    read_text(FIRST "last 1\nendpoint 0 0 -1 none\n", &probed), 0);
	ck_assert_msg(
	    strstr(heard, "'endpoint 0 0 -1 none'") != NULL, "%s", heard);
}
END_TEST

/* Only who takes over has the descriptors to see it. */
static const char *const late[] = {
	FIRST "endpoint 0 0 0 0 0 0 0 1 9999 x\n" SERVING SLOT,
	FIRST "endpoint 0 0 0 0 0 0 0 1 %F x\n" SERVING SLOT,
	FIRST ENDPOINT SERVING "binding 1 0\n" SLOT,
	FIRST ENDPOINT SERVING "binding 2147483647 0\n" SLOT,
};

START_TEST(what_does_not_fit_together_is_refused)
{
	int probed;

	ck_assert_msg(read_text(late[_i], &probed) < 0, "%s", late[_i]);
	ck_assert_int_eq(probed, 0);
}
END_TEST

/* A share of the counters is one worker's, and there are so many. */
START_TEST(a_share_that_is_none_is_refused)
{
	static const char *const shares[] = { "0", "1024", "2147483647", "5" };
	char text[512], stats[64];
	struct handover handover = { .generations = generations };
	int fd, settings = open("/dev/null", O_RDWR), copy;
	size_t size;

	copy = fcntl(slot_host_stats(&generations->host.slots, &size),
	    F_DUPFD_CLOEXEC, 3);
	snprintf(stats, sizeof(stats), "stats %d %zu\n", copy, size);
	snprintf(text, sizeof(text),
	    FIRST "%sgeneration 1 1 %d 2 0\n"
		  "slot 1 %d -1 5 3 0 2 -1 0 \nslot 2 %d -1 %s 3 1 2 -1 0 \n",
	    stats, settings, (int)worker, (int)worker, shares[_i]);
	fd = text_fd(text, strlen(text));
	listen_to_stderr();
	ck_assert_int_eq(handover_read(&handover, fd), -1);
	restore_stderr();
	close(fd);
}
END_TEST

START_TEST(bytes_of_any_kind_are_refused)
{
	static char bytes[20000];
	struct handover handover = { .generations = generations };
	unsigned seed = (unsigned)_i + 1;
	size_t i, first = strlen(FIRST);
	int fd;

	for (i = 0; i < sizeof(bytes); i++) {
		seed = seed * 1103515245u + 12345u;
		bytes[i] = (char)(seed >> 16);
	}
	if (_i % 2 == 0)
		memcpy(bytes, FIRST, first);
	fd = text_fd(bytes, sizeof(bytes));
	listen_to_stderr();
	ck_assert_int_eq(handover_read(&handover, fd), -1);
	restore_stderr();
	ck_assert_str_ne(heard, "");
	close(fd);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	struct handover handover = { .generations = generations };
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	listen_to_stderr();
	ck_assert_int_eq(handover_read(&handover, fds[0]), -1);
	ck_assert_int_eq(handover_read(&handover, 9999), -1);
	restore_stderr();
	ck_assert_ptr_nonnull(strstr(heard, "handover"));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("handover");
	TCase *tcase = tcase_create("handover");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, all_is_read_as_it_was_written);
	tcase_add_test(tcase, what_is_the_masters_own_is_left_too);
	tcase_add_test(
	    tcase, a_generation_on_its_way_and_dead_workers_are_not_left);
	tcase_add_loop_test(tcase, a_sound_text_is_read, 0, (int)COUNT(sound));
	tcase_add_loop_test(tcase, a_hostile_text_is_refused_as_a_whole, 0,
	    (int)COUNT(hostile));
	tcase_add_test(tcase, a_refusal_shows_the_line);
	tcase_add_loop_test(
	    tcase, what_does_not_fit_together_is_refused, 0, (int)COUNT(late));
	tcase_add_loop_test(tcase, a_share_that_is_none_is_refused, 0, 4);
	tcase_add_loop_test(tcase, bytes_of_any_kind_are_refused, 0, 20);
	tcase_add_test(tcase, what_is_no_file_is_refused);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
