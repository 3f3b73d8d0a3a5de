# SPDX-License-Identifier: BSD-2-Clause
#
# BEVHOST_FLAGS: warnings, hardening and sanitizers, as WARN_CFLAGS,
# HARDEN_CFLAGS and HARDEN_LDFLAGS. They stand before the user's own CFLAGS.

AC_DEFUN([BEVHOST_FLAGS], [
AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror],
	[make every warning an error])])
AC_ARG_ENABLE([hardening], [AS_HELP_STRING([--disable-hardening],
	[leave out the hardening flags])])
AC_ARG_ENABLE([sanitizers], [AS_HELP_STRING([--enable-sanitizers],
	[build with AddressSanitizer, LeakSanitizer and UBSan])])

AX_APPEND_COMPILE_FLAGS([-Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wconversion -Wsign-conversion -Wundef \
	-Wpointer-arith -Wwrite-strings -Wformat=2 -Wvla],
	[WARN_CFLAGS], [-Werror])
AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])

AS_IF([test "x$enable_sanitizers" = xyes], [
	enable_hardening=no
	sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
	AX_CHECK_LINK_FLAG([$sanitize], [
		HARDEN_CFLAGS="$sanitize -fno-omit-frame-pointer"
		HARDEN_LDFLAGS="$sanitize"
		AC_DEFINE([SANITIZERS], [1], [built with sanitizers])
	], [AC_MSG_ERROR([this compiler has no sanitizers (for clang, install libclang-rt-dev)])])
])
AS_IF([test "x$enable_hardening" != xno], [
	dnl Fortify works by optimising, and warns without.
	AS_CASE([" $CFLAGS "], [*" -O0 "*], [],
		[*" -O"*], [AX_APPEND_COMPILE_FLAGS(
			[-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2],
			[HARDEN_CFLAGS], [-Werror])])
	AX_APPEND_COMPILE_FLAGS([-fstack-protector-strong \
		-fstack-clash-protection -fcf-protection],
		[HARDEN_CFLAGS], [-Werror])
	AX_APPEND_LINK_FLAGS([-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack],
		[HARDEN_LDFLAGS])
	AX_CHECK_LINK_FLAG([-fPIE -pie], [
		PIE_CFLAGS="-fPIE"
		PIE_LDFLAGS="-pie"
	])
])
AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" = xyes])
AC_SUBST([WARN_CFLAGS])
AC_SUBST([HARDEN_CFLAGS])
AC_SUBST([HARDEN_LDFLAGS])
AC_SUBST([PIE_CFLAGS])
AC_SUBST([PIE_LDFLAGS])
])
