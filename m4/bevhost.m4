# SPDX-License-Identifier: BSD-2-Clause
# serial 1
#
# BEVHOST_PLUGIN([API]): for the configure.ac of a package that is a plugin of
# bevhost, or has one. API is the version of the plugin interface that it is
# written for, 1 unless given. Stops configure when there is no C compiler,
# bevhost is not found or does not offer that API, or libevent's headers are
# not there.
#
#	AC_INIT([hello], [1.0])
#	AM_INIT_AUTOMAKE([foreign])
#	LT_INIT([disable-static])
#	BEVHOST_PLUGIN([1])
#
# It substitutes
#
#	BEVHOST_CFLAGS	what a plugin is compiled with
#	BEVHOST_LDFLAGS	what libtool links it with, beside -module, without
#			which automake wants it to be called libhello.la
#	BEVHOST		the program, for tests
#	plugindir	where the plugin is installed
#
# so that a Makefile.am need not say more than
#
#	plugin_LTLIBRARIES = hello.la
#	hello_la_SOURCES = hello.c
#	hello_la_CFLAGS = $(BEVHOST_CFLAGS)
#	hello_la_LDFLAGS = -module $(BEVHOST_LDFLAGS)
#
# plugindir is the folder in which bevhost looks. Where --prefix is given, and
# is not that of bevhost, it is below that prefix instead: who installs into a
# folder of their own, as `make distcheck' does, does not want to write into
# the system's. --with-bevhost-plugindir=DIR says otherwise.

AC_DEFUN([BEVHOST_PLUGIN], [
m4_ifndef([PKG_CHECK_VAR],
	[m4_fatal([pkg.m4 is missing: install the package pkg-config])])
AC_REQUIRE([AC_PROG_CC])
AC_REQUIRE([PKG_PROG_PKG_CONFIG])
AS_IF([test -z "$PKG_CONFIG"], [AC_MSG_ERROR(
	[pkg-config was not found: install the package pkg-config])])
PKG_CHECK_MODULES([BEVHOST], [bevhost], [], [AC_MSG_ERROR([$BEVHOST_PKG_ERRORS

bevhost was not found. Install its package for authors (bevhost-dev), or where
bevhost.pc is elsewhere, set PKG_CONFIG_PATH to its folder.])])
PKG_CHECK_VAR([bevhost_api], [bevhost], [bevhost_api])
PKG_CHECK_VAR([bevhost_bindir], [bevhost], [bindir])
PKG_CHECK_VAR([bevhost_plugindir], [bevhost], [plugindir])
PKG_CHECK_VAR([bevhost_prefix], [bevhost], [prefix])
_BEVHOST_CFLAGS([-fvisibility=hidden])
dnl A large frame must not step over the guard below the stack of a task.
_BEVHOST_CFLAGS([-fstack-clash-protection])
_BEVHOST_API(m4_default([$1], [1]))
AC_SUBST([BEVHOST_LDFLAGS], ['-avoid-version -shared'])
AC_PATH_PROG([BEVHOST], [bevhost], [bevhost],
	[$bevhost_bindir$PATH_SEPARATOR$PATH])
_BEVHOST_PLUGINDIR
])

# _BEVHOST_CFLAGS(FLAG): adds it where the compiler knows it.
AC_DEFUN([_BEVHOST_CFLAGS], [
AS_VAR_PUSHDEF([known], [bevhost_cv_cflag_$1])
AC_CACHE_CHECK([whether $CC knows $1], [known], [
	bevhost_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $1"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM], [AS_VAR_SET([known], [yes])],
		[AS_VAR_SET([known], [no])])
	CFLAGS=$bevhost_saved_CFLAGS
])
AS_VAR_IF([known], [yes], [BEVHOST_CFLAGS="$BEVHOST_CFLAGS $1"])
AS_VAR_POPDEF([known])
])

# _BEVHOST_API(API): the headers themselves know best.
AC_DEFUN([_BEVHOST_API], [
AC_CACHE_CHECK([whether bevhost has plugin API $1], [bevhost_cv_api_$1], [
	bevhost_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS $BEVHOST_CFLAGS"
	AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#define BEVHOST_API_VERSION $1
#include <bevhost/plugin.h>
static struct bevhost_plugin plugin = { .name = "conftest" };
BEVHOST_PLUGIN(plugin)
	]])], [bevhost_cv_api_$1=yes], [bevhost_cv_api_$1=no])
	CFLAGS=$bevhost_saved_CFLAGS
])
AS_IF([test "$bevhost_cv_api_$1" = yes], [],
	[test "$bevhost_api" != $1], [AC_MSG_ERROR(
	[this package is written for API $1 of bevhost, and bevhost $($PKG_CONFIG --modversion bevhost) has API $bevhost_api])],
	[AC_MSG_ERROR([a plugin that does nothing cannot be compiled: are the headers of
libevent there (the package libevent-dev)? config.log has what $CC said.])])
])

AC_DEFUN([_BEVHOST_PLUGINDIR], [
AC_ARG_WITH([bevhost-plugindir],
	[AS_HELP_STRING([--with-bevhost-plugindir=DIR],
	[where the plugin is installed (where bevhost looks, or LIBDIR/bevhost
	when the prefix is not that of bevhost)])],
	[], [with_bevhost_plugindir=yes])
AC_MSG_CHECKING([where the plugin is installed])
AS_CASE([$with_bevhost_plugindir],
	[yes], [AS_CASE([$prefix], [NONE|"$bevhost_prefix"],
		[plugindir=$bevhost_plugindir],
		[plugindir='${libdir}/bevhost'])],
	[/*|'${'*], [plugindir=$with_bevhost_plugindir],
	[AC_MSG_ERROR([--with-bevhost-plugindir=$with_bevhost_plugindir: it is the whole path of a folder])])
AC_MSG_RESULT([$plugindir])
AC_SUBST([plugindir])
])
