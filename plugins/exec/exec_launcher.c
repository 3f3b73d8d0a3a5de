/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A launcher: runs programs as it is told, ends them when it is told or when
 * their time is over, and reports each end. When the worker is gone, it ends
 * them all.
 *
 * Why not the worker itself: it has dropped the privileges to become another
 * user, its sandbox would hold all programs, it would stand still for as long
 * as execve takes, and who has broken into it could run anything.
 *
 * Why several: vfork stands still until execve is done, and fork, which does
 * not, costs this copy of a worker four times as much. Measured with /bin/echo
 * on two busy processors, one launcher serves a third of the connections that
 * four do, and eight no more than those.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec.h"

#define EXEC_BUCKETS	  1024
#define EXEC_ORDERS	  32   /* between two looks at what has ended */
#define EXEC_LAST_WAIT_MS 2000 /* for what was killed */

/* From here up the launcher has descriptors of its own. */
#define EXEC_LINK_FD   3
#define EXEC_SIGNAL_FD 4

TAILQ_HEAD(exec_programs, exec_program);
LIST_HEAD(exec_bucket, exec_program);

struct exec_program {
	struct exec_programs *list; /* that it is on */
	LIST_ENTRY(exec_program) by_id, by_pid;
	TAILQ_ENTRY(exec_program) entry;
	uint64_t id;
	pid_t pid; /* and its group */
	int64_t end_ms;
	int is_late;   /* max-time was over */
	int is_reaped; /* the rest of its group is not */
};

/* Each list is in the order of its deadlines; those that are killed have none.
 */
struct exec_launcher {
	struct exec *exec;
	int has_become;
	struct exec_programs running, dying, killed;
	int reaped; /* that are on a list still */
	struct exec_bucket by_id[EXEC_BUCKETS], by_pid[EXEC_BUCKETS];
};

static int64_t
exec_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* It blocks while the worker does not read, and fails when it is gone. */
static void
exec_report(const struct exec_report *report, const char *text)
{
	struct iovec parts[2] = {
		{ (void *)(uintptr_t)report, sizeof(*report) },
		{ (void *)(uintptr_t)text, text != NULL ? strlen(text) : 0 },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	while (
	    sendmsg(EXEC_LINK_FD, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void
exec_free_program(struct exec_launcher *launcher, struct exec_program *program)
{
	launcher->reaped -= program->is_reaped;
	LIST_REMOVE(program, by_pid);
	LIST_REMOVE(program, by_id);
	TAILQ_REMOVE(program->list, program, entry);
	free(program);
}

static void
exec_move(struct exec_program *program, struct exec_programs *list)
{
	if (program->list != NULL)
		TAILQ_REMOVE(program->list, program, entry);
	program->list = list;
	TAILQ_INSERT_TAIL(list, program, entry);
}

/*
 * TERM for the group, and CONT, since what is stopped hears nothing. Returns
 * -1 when there is nobody in it.
 */
static int
exec_end_program(struct exec_launcher *launcher, struct exec_program *program)
{
	if (program->list != &launcher->running)
		return 0;
	if (kill(-program->pid, SIGTERM) < 0 && errno == ESRCH)
		return -1;
	kill(-program->pid, SIGCONT);
	program->end_ms = exec_now_ms() + launcher->exec->kill_ms;
	exec_move(program, &launcher->dying);
	return 0;
}

/*
 * 0, or -1 when there is nobody in it. The number of a program that was reaped
 * is nobody else's while anyone is in its group. Somebody has it: then the last
 * one has left that unseen, reaped by a parent outside.
 */
static int
exec_kill_group(const struct exec_program *program)
{
	if (program->is_reaped &&
	    (kill(program->pid, 0) == 0 || errno != ESRCH))
		return -1;
	return kill(-program->pid, SIGKILL);
}

/* One that has not been reaped, or NULL. */
static struct exec_program *
exec_find_program(const struct exec_launcher *launcher, pid_t pid)
{
	struct exec_program *program;

	LIST_FOREACH (program, &launcher->by_pid[pid % EXEC_BUCKETS], by_pid)
		if (program->pid == pid && !program->is_reaped)
			break;
	return program;
}

/* A program has ended: whoever is left in its group is to end too. */
static void
exec_reaped(struct exec_launcher *launcher, pid_t pid, int status)
{
	struct exec_program *program = exec_find_program(launcher, pid);
	struct exec_report report = { .status = status, .pid = pid };

	if (program == NULL)
		return;
	report.what = program->is_late ? EXEC_LATE : EXEC_ENDED;
	report.id = program->id;
	exec_report(&report, NULL);
	program->is_reaped = 1;
	launcher->reaped++;
	if (program->list == &launcher->killed || kill(-pid, 0) < 0 ||
	    exec_end_program(launcher, program) < 0)
		exec_free_program(launcher, program);
}

/*
 * One of a group has been reaped. Was it the last, then the number of the
 * group is anybody's from now on: nothing is sent to it later.
 */
static void
exec_left_group(struct exec_launcher *launcher, pid_t group)
{
	struct exec_program *program;

	LIST_FOREACH (program, &launcher->by_pid[group % EXEC_BUCKETS], by_pid)
		if (program->pid == group && program->is_reaped)
			break;
	if (program != NULL && kill(-group, 0) < 0 && errno == ESRCH)
		exec_free_program(launcher, program);
}

/* As waitpid(). Of which group it was is asked only when it matters. */
static pid_t
exec_reap_one(const struct exec_launcher *launcher, int *status, pid_t *group)
{
	siginfo_t info = { .si_pid = 0 };

	*group = 0;
	if (launcher->reaped == 0)
		return waitpid(-1, status, WNOHANG);
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    info.si_pid == 0)
		return 0;
	*group = getpgid(info.si_pid);
	return waitpid(info.si_pid, status, WNOHANG);
}

/* Those too that programs have left behind. */
static void
exec_reap(struct exec_launcher *launcher)
{
	pid_t pid, group;
	int status;

	while ((pid = exec_reap_one(launcher, &status, &group)) > 0) {
		exec_reaped(launcher, pid, status);
		if (group > 0 && group != pid)
			exec_left_group(launcher, group);
	}
}

static void
exec_expire(struct exec_launcher *launcher)
{
	int64_t now_ms = exec_now_ms();
	struct exec_program *program;

	while ((program = TAILQ_FIRST(&launcher->dying)) != NULL &&
	       program->end_ms <= now_ms) {
		exec_kill_group(program);
		if (program->is_reaped)
			exec_free_program(launcher, program);
		else
			exec_move(program, &launcher->killed);
	}
	while (launcher->exec->max_time_ms > 0 &&
	       (program = TAILQ_FIRST(&launcher->running)) != NULL &&
	       program->end_ms <= now_ms) {
		program->is_late = 1;
		if (exec_end_program(launcher, program) < 0)
			break;
	}
}

/* In milliseconds, -1: whenever. */
static int
exec_next_ms(const struct exec_launcher *launcher)
{
	const struct exec_program *dying = TAILQ_FIRST(&launcher->dying);
	const struct exec_program *running = TAILQ_FIRST(&launcher->running);
	int64_t next_ms = INT64_MAX, left_ms;

	if (dying != NULL)
		next_ms = dying->end_ms;
	if (launcher->exec->max_time_ms > 0 && running != NULL &&
	    running->end_ms < next_ms)
		next_ms = running->end_ms;
	if (next_ms == INT64_MAX)
		return -1;
	left_ms = next_ms - exec_now_ms();
	return left_ms < 0 ? 0 : left_ms > 60000 ? 60000 : (int)left_ms;
}

/* Who has broken into a worker is not to choose more of the environment. */
static size_t
exec_split_vars(char *text, size_t size, char **vars)
{
	char *end = text + size;
	size_t count = 0;

	for (; text < end && count < EXEC_VARS_MAX; text += strlen(text) + 1)
		if (exec_vars_has(text))
			vars[count++] = text;
	return count;
}

static void
exec_run_order(struct exec_launcher *launcher, uint64_t id, char *text,
    size_t size, const int *fds)
{
	struct exec_program *program = calloc(1, sizeof(*program));
	struct exec_report report = { .what = EXEC_FAILED, .id = id };
	char *vars[EXEC_VARS_MAX];
	size_t count = exec_split_vars(text, size, vars);
	pid_t pid = -ENOMEM;

	if (program != NULL)
		pid = exec_start(launcher->exec, fds[0], fds[1], vars, count);
	if (pid < 0) {
		report.status = -pid;
		exec_report(&report, NULL);
		free(program);
		return;
	}
	program->id = id;
	program->pid = pid;
	program->end_ms = exec_now_ms() + launcher->exec->max_time_ms;
	exec_move(program, &launcher->running);
	LIST_INSERT_HEAD(
	    &launcher->by_id[program->id % EXEC_BUCKETS], program, by_id);
	LIST_INSERT_HEAD(
	    &launcher->by_pid[pid % EXEC_BUCKETS], program, by_pid);
}

static void
exec_kill_order(struct exec_launcher *launcher, uint64_t id)
{
	struct exec_program *program;

	LIST_FOREACH (program, &launcher->by_id[id % EXEC_BUCKETS], by_id)
		if (program->id == id) {
			exec_end_program(launcher, program);
			return;
		}
}

/* Once: the worker is not to choose another one later. */
static void
exec_become_order(struct exec_launcher *launcher, const char *text, size_t size)
{
	struct exec_report report = { .what = EXEC_BECOME };
	struct exec_user user;
	char why[EXEC_TEXT_SIZE] = "";

	if (launcher->has_become || size != sizeof(user))
		return;
	launcher->has_become = 1;
	memcpy(&user, text, sizeof(user));
	report.status = exec_become(launcher->exec, &user, why);
	exec_report(&report, why);
}

/* One order. 0 when there is none, -1 when the worker is gone. */
static int
exec_take_order(struct exec_launcher *launcher)
{
	static struct {
		struct exec_order order;
		char text[EXEC_VARS_SIZE + 1];
	} packet;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec part = { &packet, sizeof(packet.order) + EXEC_VARS_SIZE };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *header;
	int fds[2] = { -1, -1 };
	size_t size;
	ssize_t len =
	    recvmsg(EXEC_LINK_FD, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len < (ssize_t)sizeof(packet.order))
		return len < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	size = (size_t)len - sizeof(packet.order);
	packet.text[size] = '\0';
	header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	if (packet.order.what == EXEC_RUN && launcher->has_become)
		exec_run_order(
		    launcher, packet.order.id, packet.text, size, fds);
	else if (packet.order.what == EXEC_KILL)
		exec_kill_order(launcher, packet.order.id);
	else if (packet.order.what == EXEC_BECOME)
		exec_become_order(launcher, packet.text, size);
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return 1;
}

static int
exec_take_orders(struct exec_launcher *launcher)
{
	int i, status = 1;

	for (i = 0; i < EXEC_ORDERS && status > 0; i++)
		status = exec_take_order(launcher);
	return status;
}

static int
exec_kill_list(const struct exec_programs *programs)
{
	const struct exec_program *program;
	int left = 0;

	TAILQ_FOREACH (program, programs, entry)
		left += exec_kill_group(program) == 0;
	return left;
}

/* Who has left the groups of programs goes on, and is not waited for. */
static void
exec_kill_all(const struct exec_launcher *launcher)
{
	const struct timespec moment = { .tv_nsec = 1000 * 1000 };
	struct exec_program *program;
	int64_t end_ms = exec_now_ms() + EXEC_LAST_WAIT_MS;
	pid_t pid;
	int left;

	do {
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			if ((program = exec_find_program(launcher, pid)) !=
			    NULL)
				program->is_reaped = 1;
		left = exec_kill_list(&launcher->running) +
		       exec_kill_list(&launcher->dying) +
		       exec_kill_list(&launcher->killed);
	} while (left > 0 && exec_now_ms() < end_ms &&
		 nanosleep(&moment, NULL) == 0);
}

/* 0 to 4 are what they are to be, and there is nothing else. */
static int
exec_arrange_fds(int fd, const sigset_t *signals)
{
	int signal_fd, null = open("/dev/null", O_RDWR);

	fd = fcntl(fd, F_DUPFD, EXEC_SIGNAL_FD + 1);
	signal_fd = signalfd(-1, signals, SFD_NONBLOCK);
	if (null < 0 || fd < 0 || signal_fd < 0)
		return -1;
	signal_fd = fcntl(signal_fd, F_DUPFD, EXEC_SIGNAL_FD + 1);
	if (signal_fd < 0 || dup3(fd, EXEC_LINK_FD, O_CLOEXEC) < 0 ||
	    dup3(signal_fd, EXEC_SIGNAL_FD, O_CLOEXEC) < 0 ||
	    dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return -1;
	/* What the worker listens on is nobody else's. */
	close_range(EXEC_SIGNAL_FD + 1, ~0u, 0);
	return 0;
}

/*
 * All are blocked: it ends with its worker and not before, whoever sends one
 * to all processes of a service.
 */
static int
exec_set_up(struct exec_launcher *launcher, int fd)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t signals;
	int number, i;

	sigfillset(&signals);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	for (number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	setsid();
	prctl(PR_SET_NAME, "bevhost-exec", 0, 0, 0);
	/* What outlives its parent is waited for here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	TAILQ_INIT(&launcher->running);
	TAILQ_INIT(&launcher->dying);
	TAILQ_INIT(&launcher->killed);
	for (i = 0; i < EXEC_BUCKETS; i++) {
		LIST_INIT(&launcher->by_id[i]);
		LIST_INIT(&launcher->by_pid[i]);
	}
	return exec_arrange_fds(fd, &signals);
}

void
exec_launch(struct exec *exec, int fd)
{
	static struct exec_launcher launcher;
	struct pollfd poll_fds[2] = {
		{ .fd = EXEC_LINK_FD, .events = POLLIN },
		{ .fd = EXEC_SIGNAL_FD, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	launcher.exec = exec;
	if (exec_set_up(&launcher, fd) < 0)
		_exit(1);
	for (;;) {
		if (poll(poll_fds, 2, exec_next_ms(&launcher)) < 0)
			continue;
		if (poll_fds[1].revents != 0) {
			while (read(EXEC_SIGNAL_FD, &info, sizeof(info)) > 0)
				;
			exec_reap(&launcher);
		}
		if (poll_fds[0].revents != 0 && exec_take_orders(&launcher) < 0)
			break;
		exec_expire(&launcher);
	}
	exec_kill_all(&launcher);
	_exit(0);
}
