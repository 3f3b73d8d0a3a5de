/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does what it is told, and answers OK or the error's name. A line is one of
 *
 *	read PATH, write PATH, remove PATH, execute, fork, connect PORT, listen,
 *	names, netlink, ptrace, code, kill PID, mount, ioctl, ring, unknown,
 *	thread, library, job PATH (writes it in a job)
 *
 * SANDBOX_FLAGS are those of its manifest; without, it has none.
 */
#define BEVHOST_API_VERSION 1
#include <bevhost/manifest.h>
#include <bevhost/task.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNKNOWN_CALL 590

/* 0, or -1 with errno. */
static int
do_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

static int
do_write(void *path)
{
	return do_open(path, O_WRONLY | O_CREAT) < 0 ? -errno : 0;
}

static int
do_child(int run)
{
	char shell[] = "sh", flag[] = "-c", line[] = "/bin/true && exit 7";
	char *argv[] = { shell, flag, line, NULL };
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid == 0 && run)
		execv("/bin/sh", argv);
	if (pid == 0)
		_exit(run ? 1 : 7);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	errno = ECHILD;
	return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : -1;
}

static int
do_socket(const char *port, int listens)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;

	if (fd < 0)
		return -1;
	in.sin_port = htons((uint16_t)atoi(port));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	status = listens ? bind(fd, (struct sockaddr *)&in, sizeof(in))
			 : connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (status == 0 && listens)
		status = listen(fd, 1);
	close(fd);
	return status;
}

static int
do_names(void)
{
	struct addrinfo *found = NULL;
	int status = getaddrinfo("localhost", "80", NULL, &found);

	if (status == 0)
		freeaddrinfo(found);
	errno = ENOENT;
	return status == 0 ? 0 : -1;
}

static int
do_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? -1 : munmap(page, 4096);
}

static void *
do_nothing(void *arg)
{
	return arg;
}

static int
do_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, do_nothing, NULL);
	return errno == 0 ? pthread_join(thread, NULL) : -1;
}

static int
do_job(char *path)
{
	int result = 0, status = bevhost_run_job(do_write, path, &result);

	errno = -(status < 0 ? status : result);
	return errno == 0 ? 0 : -1;
}

static int
do_more(const char *word, char *rest)
{
	struct winsize size;

	if (strcmp(word, "ptrace") == 0)
		return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	if (strcmp(word, "code") == 0)
		return do_code();
	if (strcmp(word, "kill") == 0)
		return kill((pid_t)atoi(rest), 0);
	if (strcmp(word, "mount") == 0)
		return mount("none", "/mnt", "tmpfs", 0, NULL);
	if (strcmp(word, "ioctl") == 0)
		return ioctl(1, TIOCSTI, &size);
	if (strcmp(word, "ring") == 0)
		return (int)syscall(SYS_io_uring_setup, 1, NULL);
	if (strcmp(word, "unknown") == 0)
		return (int)syscall(UNKNOWN_CALL);
	if (strcmp(word, "thread") == 0)
		return do_thread();
	if (strcmp(word, "job") == 0)
		return do_job(rest);
	errno = EINVAL;
	return -1;
}

static int
do_line(const char *word, char *rest)
{
	if (strcmp(word, "read") == 0)
		return do_open(rest, O_RDONLY);
	if (strcmp(word, "write") == 0)
		return do_open(rest, O_WRONLY | O_CREAT);
	if (strcmp(word, "remove") == 0)
		return unlink(rest);
	if (strcmp(word, "execute") == 0)
		return do_child(1);
	if (strcmp(word, "fork") == 0)
		return do_child(0);
	if (strcmp(word, "connect") == 0)
		return do_socket(rest, 0);
	if (strcmp(word, "listen") == 0)
		return do_socket("0", 1);
	if (strcmp(word, "names") == 0)
		return do_names();
	return do_more(word, rest);
}

static int
sandbox_run(struct bevhost_stream *stream, void *self)
{
	char line[4096], answer[64], *rest;
	ssize_t len;

	(void)self;
	while ((len = bevhost_stream_read_line(
		    stream, line, sizeof(line), -1)) >= 0) {
		rest = strchr(line, ' ');
		if (rest != NULL)
			*rest++ = '\0';
		snprintf(answer, sizeof(answer), "%s\n",
		    do_line(line, rest != NULL ? rest : line + len) == 0
			? "OK"
			: strerrorname_np(errno));
		bevhost_stream_write(stream, answer, strlen(answer), -1);
	}
	return (int)len;
}

static const struct bevhost_param params[] = {
	{
	    .name = "reads",
	    .type = BEVHOST_PARAM_STRING,
	    .flags = BEVHOST_PARAM_REPEAT,
	},
	{ .name = "writes", .type = BEVHOST_PARAM_STRING },
	{ .name = NULL },
};

#ifdef SANDBOX_FLAGS
static const char *const reads[] = { "$reads", NULL };
static const char *const writes[] = { "$writes", NULL };
static const struct bevhost_manifest manifest = {
	.struct_size = sizeof(manifest),
	.flags = SANDBOX_FLAGS,
	.reads = reads,
	.writes = writes,
};
#endif

static struct bevhost_plugin plugin = {
	.name = "sandbox",
	.params = params,
	.run = sandbox_run,
#ifdef SANDBOX_FLAGS
	.manifest = &manifest,
#endif
};
BEVHOST_PLUGIN(plugin)
