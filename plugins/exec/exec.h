/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the plugin have in common. A worker has a launcher for
 * each instance: a process of its own, forked while there still are the
 * privileges to become another user, which runs the programs and waits for
 * them. The worker tells it by a socket, with the descriptors of a connection.
 *
 *	exec.c          parameters, and a connection's way
 *	exec_config.c   is there such a program, and such a user?
 *	exec_vars.c     what a program is told of its connection
 *	exec_link.c     the worker's end of the socket
 *	exec_child.c    a program as the worker sees it
 *	exec_lines.c    what it says on its standard error
 *	exec_relay.c    bytes between a client and a program
 *	exec_launcher.c the launcher
 *	exec_user.c     whom it becomes, and can they run it?
 *	exec_start.c    fork and exec
 */
#ifndef EXEC_H
#define EXEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <bevhost/task.h>

#define EXEC_GROUPS_MAX	  64
#define EXEC_VARS_MAX	  64	      /* variables of one connection */
#define EXEC_VARS_SIZE	  (8u * 1024) /* their bytes */
#define EXEC_TEXT_SIZE	  512	      /* what is wrong */
#define EXEC_LINKS_MAX	  8
#define EXEC_LINK_BUCKETS 64

/* A list that ends with NULL, for exec. */
struct exec_words {
	char **words;
	size_t count;
};
/* Copies the text. 0, or -1 without memory. */
int exec_words_add(struct exec_words *words, const char *text);
void exec_words_clear(struct exec_words *words);

/* Whom programs run as. */
struct exec_user {
	uid_t uid;
	gid_t gid, groups[EXEC_GROUPS_MAX];
	int group_count;
	int is_asked; /* by user= */
};

enum exec_errors { EXEC_ERRORS_LOG, EXEC_ERRORS_CLIENT, EXEC_ERRORS_NONE };

/* The worker's end of the socket to a launcher. */
struct exec_link {
	struct exec *exec;
	int fd; /* or -1 */
	pid_t launcher;
	struct event *readable, *writable;
	TAILQ_HEAD(exec_queue, exec_child) queue; /* with something to say */
	LIST_HEAD(exec_list, exec_child) children[EXEC_LINK_BUCKETS];
};

/* The instance. */
struct exec {
	const char *program, *user_name, *group_name, *folder;
	int64_t shell, errors, gains, nice;
	int64_t max_processes, max_memory;	  /* 0: no limit */
	int64_t max_cpu_ms, max_time_ms, kill_ms; /* likewise */
	const char *name;			  /* of the program, short */
	char *path;				  /* of what is run */
	struct exec_words args, env;		  /* as they are given */
	struct exec_words argv, environment;	  /* as they are run */
	struct exec_user user;
	struct event_base *base;
	struct exec_link links[EXEC_LINKS_MAX];
	int link_count;
	int umask;	  /* or -1, as the host has it */
	uint64_t last_id; /* of its children */
};

/* From the parameters to path, argv, environment and user. 0, or -1 after
   bevhost_error(). */
int exec_config(struct exec *exec);
void exec_config_clear(struct exec *exec);

/* Which numbers of processes, CPU, memory the kernel is to hold programs to
   is said in exec_start.c. */

/*
 * What is said over the socket, in packets. An order may have the variables of
 * a connection behind it, each ended by 0, and the descriptors of its socket
 * and of the program's standard error with it. A report may have text behind
 * it.
 */
enum exec_word {
	EXEC_BECOME = 1, /* a struct exec_user is behind it; a report says 0,
			    or -1 and what is wrong */
	EXEC_RUN,
	EXEC_KILL,
	EXEC_FAILED, /* status: errno */
	EXEC_ENDED,  /* status: as wait(2) has it */
	EXEC_LATE,   /* likewise, when max-time was over */
	EXEC_LOST,   /* with the launcher, which says nothing more */
};

struct exec_order {
	uint32_t what;
	uint32_t size; /* of what is behind it, in bytes */
	uint64_t id;
};

struct exec_report {
	uint32_t what;
	int32_t status;
	uint64_t id;
	int64_t pid;
};

/* The launcher. Returns never; fd is its end. */
void exec_launch(struct exec *exec, int fd) __attribute__((noreturn));
/* For good. 0, or -1 and what is wrong in why. */
int
exec_become(const struct exec *exec, const struct exec_user *user, char *why);
/*
 * Runs the program on the descriptors fd and errors (-1: no pipe is there for
 * its standard error), with `vars` before the environment.
 * Returns the process, which leads a group of its own, or a negative errno.
 */
pid_t exec_start(const struct exec *exec, int fd, int errors, char *const *vars,
    size_t var_count);

/* The worker's end. */

/* Forks the launchers: 0, or -1 after bevhost_error(). */
int exec_links_fork(struct exec *exec);
/* Who they are to be: waits for their answers. Likewise. */
int exec_links_become(struct exec *exec, const struct exec_user *user);
/* From now on they are heard. Likewise. */
int exec_links_start(struct exec *exec);
/* Ends all programs and the launchers, and waits for those. */
void exec_links_stop(struct exec *exec);
/* A new child gets its number, and who runs it. 0, or -ECONNREFUSED when there
   is none. */
int exec_link_join(struct exec *exec, struct exec_child *child);
/* The child has something to say: run, or kill. */
void exec_link_tell(struct exec_child *child);

/* A program of one connection. */

struct exec_lines;

struct exec_child {
	LIST_ENTRY(exec_child) entry;
	TAILQ_ENTRY(exec_child) waiting; /* on the queue */
	struct exec *exec;
	struct exec_link *link;
	struct bevhost_conn *conn; /* held until the program has ended */
	struct bevhost_event *ended;
	struct exec_lines *lines; /* its standard error, or NULL */
	uint64_t id;
	int64_t began_ms;
	char *vars; /* until they are sent */
	size_t vars_size;
	int fds[2];		/* likewise; -1: none */
	unsigned is_queued : 1; /* on the queue */
	unsigned is_sent : 1;	/* the order to run */
	unsigned is_doomed : 1; /* to be killed */
	unsigned is_over : 1;	/* the program, or it never ran */
	unsigned is_left : 1;	/* by its task */
};

/*
 * Runs the program on fd, which is taken, closing it on failure too. Returns 0
 * and the child, to be left by its task; or a negative errno.
 */
int exec_child_new(struct exec *exec, struct bevhost_conn *conn, int fd,
    struct exec_child **made);
/* Of a task: until it has ended. 0 or -ECANCELED. */
int exec_child_wait(struct exec_child *child);
/* Of this error no program runs for the connection: it closes so. */
void exec_child_set_reason(struct bevhost_conn *conn, int error);
/* The task needs it no more: what still runs is killed. */
void exec_child_leave(struct exec_child *child);
/* The launcher says so: may free it. */
void
exec_child_report(struct exec_child *child, const struct exec_report *report);
/* What it has to say has been said. */
void exec_child_sent(struct exec_child *child);

/* Logs each line from a pipe's end, which is taken. NULL without memory. */
struct exec_lines *
exec_lines_new(struct exec *exec, struct bevhost_conn *conn, int fd);
/* The rest of it, and no more. */
void exec_lines_end(struct exec_lines *lines);

/* The variables of a connection, each ended by 0, to be freed. NULL without
   memory. *size gets their bytes. */
char *exec_vars(const struct bevhost_conn *conn, size_t *size);

/* Could that variable, NAME or NAME=VALUE, be one of them? */
int exec_vars_has(const char *text);

/* Runs the program behind a relay: returns as `run` does. */
int exec_relay(struct exec *exec, struct bevhost_stream *client);

#endif
