/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands before libc, and makes calls on TCP sockets and pipes fail or do less
 * than they were asked for: BEVHOST_FAULTS is a list of CALL=WHAT/N, where
 * every N-th call does WHAT, an error's name or "short". At the end it says how
 * often.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum faults_call {
	ACCEPT4,
	READ,
	READV,
	RECV,
	WRITE,
	WRITEV,
	SEND,
	SENDFILE,
	CALLS
};

static struct {
	const char *name;
	int every, error; /* 0: short */
	long calls, faults;
	void *next; /* libc's own */
} faults[CALLS] = {
	[ACCEPT4] = { .name = "accept4" },
	[READ] = { .name = "read" },
	[READV] = { .name = "readv" },
	[RECV] = { .name = "recv" },
	[WRITE] = { .name = "write" },
	[WRITEV] = { .name = "writev" },
	[SEND] = { .name = "send" },
	[SENDFILE] = { .name = "sendfile" },
};

static int
faults_error(const char *name)
{
	int error;

	for (error = 1; error < 134; error++)
		if (strerrorname_np(error) != NULL &&
		    strcmp(strerrorname_np(error), name) == 0)
			return error;
	return 0;
}

static void __attribute__((constructor)) faults_start(void)
{
	const char *list = getenv("BEVHOST_FAULTS");
	char call[16], what[16];
	int i, every, used;

	for (i = 0; i < CALLS; i++)
		faults[i].next = dlsym(RTLD_NEXT, faults[i].name);
	while (list != NULL && sscanf(list, "%15[a-z0-9]=%15[A-Za-z]/%d%n",
				   call, what, &every, &used) == 3) {
		for (i = 0; i < CALLS; i++)
			if (strcmp(faults[i].name, call) == 0) {
				faults[i].every = every;
				faults[i].error = faults_error(what);
			}
		list += used;
		list += *list == ',';
	}
}

static void __attribute__((destructor)) faults_stop(void)
{
	int i;

	for (i = 0; i < CALLS; i++)
		if (faults[i].every != 0)
			dprintf(STDERR_FILENO, "faults: %s=%ld\n",
			    faults[i].name, faults[i].faults);
}

/* Sockets of TCP, and pipes that are not for the log. */
static int
faults_concern(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct stat st;

	if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
		return name.ss_family == AF_INET;
	return fd > STDERR_FILENO && fstat(fd, &st) == 0 &&
	       S_ISFIFO(st.st_mode);
}

/* 1 when this call is to fail or to be short. */
static int
faults_due(enum faults_call call, int fd)
{
	int error = errno, concerned;

	if (faults[call].every == 0)
		return 0;
	concerned = faults_concern(fd);
	errno = error;
	if (!concerned || ++faults[call].calls % faults[call].every != 0)
		return 0;
	faults[call].faults++;
	errno = faults[call].error;
	return 1;
}

/* How much a short call does. */
static size_t
faults_less(enum faults_call call, size_t len)
{
	size_t less = 1 + (size_t)faults[call].faults % 7;

	return len < less ? len : less;
}

int
accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
	int (*next)(int, struct sockaddr *, socklen_t *, int);

	*(void **)&next = faults[ACCEPT4].next;
	return faults_due(ACCEPT4, fd) ? -1 : next(fd, peer, len, flags);
}

ssize_t
read(int fd, void *buf, size_t len)
{
	ssize_t (*next)(int, void *, size_t);

	*(void **)&next = faults[READ].next;
	if (faults_due(READ, fd)) {
		if (faults[READ].error != 0)
			return -1;
		len = faults_less(READ, len);
	}
	return next(fd, buf, len);
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	ssize_t (*next)(int, const void *, size_t);

	*(void **)&next = faults[WRITE].next;
	if (faults_due(WRITE, fd)) {
		if (faults[WRITE].error != 0)
			return -1;
		len = faults_less(WRITE, len);
	}
	return next(fd, buf, len);
}

ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t (*next)(int, void *, size_t, int);

	*(void **)&next = faults[RECV].next;
	if (faults_due(RECV, fd)) {
		if (faults[RECV].error != 0)
			return -1;
		len = faults_less(RECV, len);
	}
	return next(fd, buf, len, flags);
}

ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
	ssize_t (*next)(int, const void *, size_t, int);

	*(void **)&next = faults[SEND].next;
	if (faults_due(SEND, fd)) {
		if (faults[SEND].error != 0)
			return -1;
		len = faults_less(SEND, len);
	}
	return next(fd, buf, len, flags);
}

/* Of several vectors a short call takes a part of the first. */
static ssize_t
faults_vectors(
    enum faults_call call, int fd, const struct iovec *vectors, int count)
{
	ssize_t (*next)(int, const struct iovec *, int);
	struct iovec first;

	*(void **)&next = faults[call].next;
	if (!faults_due(call, fd))
		return next(fd, vectors, count);
	if (faults[call].error != 0)
		return -1;
	first = vectors[0];
	first.iov_len = faults_less(call, first.iov_len);
	return next(fd, &first, 1);
}

ssize_t
readv(int fd, const struct iovec *vectors, int count)
{
	return faults_vectors(READV, fd, vectors, count);
}

ssize_t
writev(int fd, const struct iovec *vectors, int count)
{
	return faults_vectors(WRITEV, fd, vectors, count);
}

ssize_t
sendfile(int to, int from, off_t *offset, size_t len)
{
	ssize_t (*next)(int, int, off_t *, size_t);

	*(void **)&next = faults[SENDFILE].next;
	if (faults_due(SENDFILE, to)) {
		if (faults[SENDFILE].error != 0)
			return -1;
		len = faults_less(SENDFILE, len);
	}
	return next(to, from, offset, len);
}

#ifdef __LP64__
ssize_t
sendfile64(int to, int from, off_t *offset, size_t len)
{
	return sendfile(to, from, offset, len);
}
#endif
