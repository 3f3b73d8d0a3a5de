/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lists, by name: what this machine's kernel or libseccomp does not have
 * is left out. Those with conditions on arguments are in sandbox_seccomp.c;
 * the others cost next to nothing, as the kernel remembers the answer.
 */
#include "sandbox_calls.h"

#include <stddef.h>
#include <string.h>

const char *const sandbox_calls_always[] = {
	/* Bytes */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv",
	"pwritev", "preadv2", "pwritev2", "recvfrom", "recvmsg", "recvmmsg",
	"sendto", "sendmsg", "sendmmsg", "sendfile", "splice", "tee",
	"vmsplice", "copy_file_range", "lseek",
	/* Sockets that are there */
	"accept", "accept4", "listen", "shutdown", "getsockname", "getpeername",
	"getsockopt", "setsockopt", "socketpair",
	/* Descriptors */
	"close", "close_range", "dup", "dup2", "dup3", "pipe", "pipe2", "fcntl",
	"flock", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
	"epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6",
	"eventfd", "eventfd2", "signalfd", "signalfd4", "timerfd_create",
	"timerfd_settime", "timerfd_gettime", "inotify_init", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch", "memfd_create",
	/* Files, to look at and as they are open */
	"stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat",
	"faccessat2", "readlink", "readlinkat", "getcwd", "getdents",
	"getdents64", "statfs", "fstatfs", "ftruncate", "fallocate", "fsync",
	"fdatasync", "sync_file_range", "fadvise64", "readahead", "umask",
	"getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr",
	"flistxattr", "cachestat",
	/* Memory; mmap and mprotect have conditions */
	"brk", "munmap", "mremap", "madvise", "mincore", "mlock", "mlock2",
	"munlock", "membarrier", "msync", "mseal",
	/* Threads; clone has conditions */
	"futex", "futex_waitv", "futex_wake", "futex_wait", "futex_requeue",
	"set_robust_list", "get_robust_list", "rseq", "set_tid_address",
	"arch_prctl", "sched_yield", "sched_getaffinity", "sched_setaffinity",
	"sched_getparam", "sched_getscheduler", "sched_get_priority_max",
	"sched_get_priority_min", "getcpu", "getpriority", "gettid",
	"landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self",
	/* Time */
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep",
	"gettimeofday", "time", "times", "alarm", "setitimer", "getitimer",
	"timer_create", "timer_settime", "timer_gettime", "timer_delete",
	"timer_getoverrun",
	/* Signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending",
	"rt_sigsuspend", "rt_sigtimedwait", "sigaltstack", "pause",
	"restart_syscall",
	/* The process and its machine */
	"getpid", "getppid", "getuid", "geteuid", "getgid", "getegid",
	"getresuid", "getresgid", "getgroups", "getpgrp", "getpgid", "getsid",
	"capget", "getrlimit", "getrusage", "sysinfo", "uname", "getrandom",
	"wait4", "waitid", "exit", "exit_group", NULL
};

const char *const sandbox_calls_files[] = { "creat", "truncate", "mkdir",
	"mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat",
	"renameat2", "link", "linkat", "symlink", "symlinkat", "chmod",
	"fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat",
	"utimensat", "mknod", "mknodat", "setxattr", "lsetxattr", "fsetxattr",
	"removexattr", "lremovexattr", "fremovexattr", NULL };

const char *const sandbox_calls_clean[] = { "unlink", "unlinkat", "rmdir",
	NULL };

const char *const sandbox_calls_report[] = { "ioctl", "prctl",
	"process_vm_readv", NULL };

const char *const sandbox_calls_net[] = { "connect", "bind", NULL };

const char *const sandbox_calls_exec[] = { "execve", "execveat", "fork",
	"vfork", "clone", "kill", "tkill", "tgkill", "rt_sigqueueinfo",
	"rt_tgsigqueueinfo", "chdir", "fchdir", "setpgid", "setsid", "setuid",
	"setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups",
	"setfsuid", "setfsgid", "setpriority", "setrlimit", "prlimit64",
	"personality", "sync", "syncfs", "chown", "fchown", "lchown",
	"fchownat", "pidfd_open", "pidfd_send_signal", "sched_setparam",
	"sched_setscheduler", "sched_setattr", "sched_getattr", "ioprio_get",
	"ioprio_set", "getpgrp", "ioctl", "prctl", NULL };

const char *const sandbox_calls_probes[] = { "clone3", "openat2",
	"io_uring_setup", "io_uring_enter", "io_uring_register", "seccomp",
	"pidfd_open", "pidfd_getfd", "pkey_alloc", "pkey_free", "pkey_mprotect",
	"map_shadow_stack", "memfd_secret", "userfaultfd", "perf_event_open",
	"bpf", "add_key", "keyctl", "request_key", "get_mempolicy",
	"set_mempolicy", "mbind", "process_madvise", "process_mrelease",
	"statmount", "listmount", "name_to_handle_at", "fanotify_init", "kcmp",
	"sched_getattr", NULL };

static int
sandbox_calls_has(const char *const *list, const char *name)
{
	while (*list != NULL && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

const char *
sandbox_calls_remedy(const char *name)
{
	if (strcmp(name, "socket") == 0 || strcmp(name, "connect") == 0 ||
	    strcmp(name, "bind") == 0)
		return "no plugin here has BEVHOST_MANIFEST_CONNECT, _NAMES or "
		       "_LISTEN for it in its manifest";
	if (strcmp(name, "mmap") == 0 || strcmp(name, "mprotect") == 0)
		return "no plugin here has BEVHOST_MANIFEST_CODE in its "
		       "manifest, which memory that is code needs";
	if (strncmp(name, "open", 4) == 0 ||
	    sandbox_calls_has(sandbox_calls_files, name))
		return "no plugin here has files to write in its manifest";
	if (sandbox_calls_has(sandbox_calls_exec, name))
		return "no plugin here has BEVHOST_MANIFEST_EXEC in its "
		       "manifest";
	return "no manifest allows it";
}
