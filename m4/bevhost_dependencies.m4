# SPDX-License-Identifier: BSD-2-Clause
#
# BEVHOST_DEPENDENCIES: what the host and its tests are built from. libevent
# is required, all else is a feature. BEVHOST_SUMMARY: what was found.

AC_DEFUN([BEVHOST_DEPENDENCIES], [
PKG_CHECK_EXISTS([libevent_core], [
	PKG_CHECK_MODULES([EVENT], [libevent_core >= 2.1.12], [], [AC_MSG_ERROR(
		[libevent_core is older than 2.1.12: $EVENT_PKG_ERRORS
Install a newer libevent (Debian 12: libevent-dev).])])
], [AC_MSG_ERROR([libevent_core was not found.
Install the package libevent-dev, or set PKG_CONFIG_PATH.])])

saved_LIBS=$LIBS
AC_SEARCH_LIBS([dlopen], [dl], [], [AC_MSG_ERROR([dlopen was not found])])
DL_LIBS=${ac_cv_search_dlopen}
AS_CASE([$DL_LIBS], [-l*], [], [DL_LIBS=])
LIBS=$saved_LIBS
AC_SUBST([DL_LIBS])
AX_CHECK_LINK_FLAG([-Wl,--dynamic-list=$srcdir/src/bevhost.syms], [],
	[AC_MSG_ERROR([this linker has no --dynamic-list: use GNU ld, gold or lld])])

dnl Jobs run on threads, and the C library has them.
AC_SEARCH_LIBS([pthread_create], [pthread], [], [AC_MSG_ERROR(
	[pthread_create was not found])])
BEVHOST_CORO

AC_ARG_WITH([confuse], [AS_HELP_STRING([--without-confuse],
	[do without configuration files, and without libConfuse])])
AS_IF([test "x$with_confuse" != xno], [
	PKG_CHECK_MODULES([CONFUSE], [libconfuse >= 3.3], [have_confuse=yes],
		[have_confuse=no])
	AS_IF([test "x$with_confuse$have_confuse" = xyesno], [AC_MSG_ERROR(
		[libConfuse 3.3 was not found: install the package libconfuse-dev])])
])
AS_IF([test "x$have_confuse" = xyes], [AC_DEFINE([HAVE_CONFUSE], [1],
	[there are configuration files])])
AM_CONDITIONAL([HAVE_CONFUSE], [test "x$have_confuse" = xyes])

AC_ARG_WITH([openssl], [AS_HELP_STRING([--without-openssl],
	[do without TLS, and without OpenSSL])])
AS_IF([test "x$with_openssl" != xno], [
	PKG_CHECK_MODULES([OPENSSL], [openssl >= 3.0], [have_openssl=yes],
		[have_openssl=no])
	AS_IF([test "x$with_openssl$have_openssl" = xyesno], [AC_MSG_ERROR(
		[OpenSSL 3.0 was not found: install the package libssl-dev])])
])
AS_IF([test "x$have_openssl" = xyes], [AC_DEFINE([HAVE_OPENSSL], [1],
	[there is TLS])])
AM_CONDITIONAL([HAVE_OPENSSL], [test "x$have_openssl" = xyes])

AC_ARG_WITH([seccomp], [AS_HELP_STRING([--without-seccomp],
	[do without libseccomp: the sandbox holds files alone])])
AS_IF([test "x$with_seccomp" != xno], [
	PKG_CHECK_MODULES([SECCOMP], [libseccomp >= 2.5], [have_seccomp=yes],
		[have_seccomp=no])
	AS_IF([test "x$with_seccomp$have_seccomp" = xyesno], [AC_MSG_ERROR(
		[libseccomp 2.5 was not found: install the package libseccomp-dev])])
])
AS_IF([test "x$have_seccomp" = xyes], [AC_DEFINE([HAVE_SECCOMP], [1],
	[the sandbox filters system calls])])

AC_ARG_WITH([lua], [AS_HELP_STRING([--without-lua],
	[do without the plugin lua, and without Lua 5.4])])
AS_IF([test "x$with_lua" != xno], [
	PKG_CHECK_MODULES([LUA], [lua5.4 >= 5.4.3], [have_lua=yes], [
		PKG_CHECK_MODULES([LUA], [lua >= 5.4.3 lua < 5.5],
			[have_lua=yes], [have_lua=no])])
	AS_IF([test "x$with_lua$have_lua" = xyesno], [AC_MSG_ERROR(
		[Lua 5.4 was not found: install the package liblua5.4-dev])])
])
AM_CONDITIONAL([HAVE_LUA], [test "x$have_lua" = xyes])

dnl For make html.
AC_CHECK_PROGS([MANDOC], [mandoc])
AC_CHECK_PROGS([CMARK], [cmark-gfm])

AC_ARG_ENABLE([tests], [AS_HELP_STRING([--disable-tests],
	[do without the tests, and without Check and python3 that they need])])
AS_IF([test "x$enable_tests" != xno], [
	PKG_CHECK_MODULES([CHECK], [check >= 0.15], [have_check=yes],
		[have_check=no])
	AS_IF([test "x$enable_tests$have_check" = xyesno],
		[AC_MSG_ERROR([Check was not found: install the package check])])
])
AM_CONDITIONAL([ENABLE_TESTS], [test "x$enable_tests" != xno])
AM_CONDITIONAL([HAVE_CHECK], [test "x$have_check" = xyes])

PKG_CHECK_MODULES([UV], [libuv >= 1.40], [have_libuv=yes], [have_libuv=no])
AM_CONDITIONAL([HAVE_LIBUV], [test "x$have_libuv" = xyes])

AC_CHECK_PROGS([PYTHON], [python3])
AM_CONDITIONAL([HAVE_PYTHON], [test -n "$PYTHON"])
AC_CHECK_PROGS([VALGRIND], [valgrind])
AC_CHECK_PROGS([CLANG_FORMAT], [clang-format])
dnl For the test of the headers alone: libtool need not know of C++.
AC_CHECK_PROGS([CXX], [g++ clang++ c++])
AM_CONDITIONAL([HAVE_CXX], [test -n "$CXX"])
])

dnl Two functions of Boost.Context, linked statically: no C++ comes along.
AC_DEFUN([BEVHOST_CORO], [
AC_ARG_WITH([coro], [AS_HELP_STRING([--with-coro=boost|ucontext],
	[how tasks switch stacks (boost, where it is found)])], [],
	[with_coro=auto])
AS_CASE([$with_coro], [auto|boost|ucontext], [], [AC_MSG_ERROR(
	[--with-coro=$with_coro: it is boost or ucontext])])
AS_IF([test "x$with_coro" != xucontext], [
	dnl By its path: libtool moves -Wl,-Bstatic away from its library.
	boost_context=$($CC -print-file-name=libboost_context.a)
	saved_LIBS=$LIBS
	LIBS="$boost_context $LIBS"
	AC_CACHE_CHECK([for make_fcontext in a static libboost_context],
		[bevhost_cv_boost_context], [AC_LINK_IFELSE([AC_LANG_PROGRAM(
		[[void *make_fcontext(void *, unsigned long, void *);
		void *jump_fcontext(void *, void *);]],
		[[return make_fcontext(0, 0, 0) == jump_fcontext;]])],
		[bevhost_cv_boost_context=yes],
		[bevhost_cv_boost_context=no])])
	LIBS=$saved_LIBS
	AS_IF([test $bevhost_cv_boost_context = yes], [with_coro=boost
		CORO_LIBS=$boost_context],
		[test "x$with_coro" = xboost], [AC_MSG_ERROR(
		[libboost_context.a was not found: install the package libboost-context-dev])])
])
AS_IF([test "x$with_coro" != xboost], [with_coro=ucontext
	AC_DEFINE([CORO_UCONTEXT], [1], [tasks switch stacks by ucontext])])
AC_SUBST([CORO_LIBS])
AC_CHECK_HEADERS([valgrind/valgrind.h])
])

AC_DEFUN([BEVHOST_SUMMARY], [
AS_IF([test "x$have_check" = xyes], [tests_say=yes],
	[tests_say="only those in python (for the rest: package check)"])
AS_IF([test "x$enable_tests" = xno], [tests_say=no])
AS_IF([test -z "$PYTHON"], [tests_say="no end-to-end tests (package python3)"])
AS_IF([test "x$have_libuv" = xyes], [uv_say=yes],
	[uv_say="no (package libuv1-dev)"])
AS_CASE([$with_confuse,$have_confuse], [*,yes], [confuse_say=yes],
	[no,*], [confuse_say=no],
	[confuse_say="no (package libconfuse-dev)"])
AS_CASE([$with_openssl,$have_openssl], [*,yes],
	[openssl_say="OpenSSL $($PKG_CONFIG --modversion openssl)"],
	[no,*], [openssl_say=no],
	[openssl_say="no (package libssl-dev)"])
AS_CASE([$with_seccomp,$have_seccomp], [*,yes], [seccomp_say=yes],
	[no,*], [seccomp_say="files only"],
	[seccomp_say="files only (for system calls: package libseccomp-dev)"])
AS_CASE([$with_lua,$have_lua], [*,yes], [lua_say=yes],
	[no,*], [lua_say=no],
	[lua_say="no (package liblua5.4-dev)"])
coro_say=$with_coro
AS_IF([test $with_coro = ucontext],
	[coro_say="ucontext, slower than boost (package libboost-context-dev)"])
AC_MSG_NOTICE([
  bevhost $PACKAGE_VERSION
    libevent            $($PKG_CONFIG --modversion libevent_core)
    plugins             $plugindir
    stacks of tasks     $coro_say
    configuration file  $confuse_say
    sandbox             $seccomp_say
    TLS                 $openssl_say
    plugin lua          $lua_say
    units of systemd    ${systemdsystemunitdir:-no}
    tests               $tests_say
    libuv in the bench  $uv_say
    sanitizers          ${enable_sanitizers:-no}
    hardening           ${enable_hardening:-yes}
])])
