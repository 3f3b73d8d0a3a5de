# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Conversations with a plugin, which the program `conversation' holds: compiles,
# and sees to it that the program can load what has sanitizers.
# What bevhost-dev, say.sh and build.sh have set, or look at:
# shellcheck disable=SC2154,SC2034

help_test() {
	cat <<'END'
Usage: bevhost-dev test [OPTION]... PLUGIN [KEY=VALUE]... [CONVERSATION]...
Hold conversations with a plugin, without a network and without waiting, in
each way in which a network may cut them. A source is compiled with sanitizers.

  -c, --cut=CUT            in this way alone, with a transcript
      --gdb                the same under gdb
  -a, --all                in every way, however many there are
  -k, --keep-going         go on with other kinds of ways after a failure
  -t, --seconds=N          that one way may take (20)
      --no-sanitizers      compile without AddressSanitizer and UBSan
  -v, --verbose            show the commands, and more of the log

CONVERSATION is a file of bevhost-conversation(5), NAME.conv; unless one is
named, it is the one beside FILE.c, or all those of the folder. KEY=VALUE are
parameters of the plugin. The output is that of the Test Anything Protocol.
END
}

test_option() {
	case $1 in
	-c | --cut | -t | --seconds) wants=$1 ;;
	--cut=* | --seconds=* | -a | --all | -k | --keep-going)
		test_options="$test_options $1"
		;;
	--gdb) test_gdb=yes ;;
	--no-sanitizers) test_plain=yes ;;
	-q | --quiet) quiet=yes ;;
	-v | --verbose)
		verbose=yes
		test_options="$test_options -v"
		;;
	-*) unknown option "$1" '-c --cut --gdb -a --all -k --keep-going -t
		--seconds --no-sanitizers -q --quiet -v --verbose --help' ;;
	*) return 1 ;;
	esac
}

# Takes the place of this shell.
test_in_gdb() {
	is_program "${GDB:-gdb}" || die "$EX_UNAVAILABLE" "there is no" \
		"${GDB:-gdb} here: install the package gdb, or set GDB"
	say "set a breakpoint, as in \`break $name.c:20', then \`run'; it stops" \
		"by itself where something is not as the conversation says"
	# The runtime is for the program alone. It cannot look for leaks there,
	# and what it reports is to be looked at before the process is gone.
	gdb_asan=detect_leaks=0:abort_on_error=1
	gdb_asan=$gdb_asan${ASAN_OPTIONS:+:$ASAN_OPTIONS}
	gdb_ubsan=print_stacktrace=1:abort_on_error=1
	gdb_ubsan=$gdb_ubsan${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
	# Without a shell gdb takes paths apart at their spaces.
	SHELL=/bin/sh exec "${GDB:-gdb}" -q -ex 'set breakpoint pending on' \
		-ex 'break bevhost_test_failed' \
		-ex "set exec-wrapper env LD_PRELOAD='${preload-}'" \
		-ex "set environment TMPDIR $work" \
		-ex "set environment ASAN_OPTIONS $gdb_asan" \
		-ex "set environment UBSAN_OPTIONS $gdb_ubsan" --args "$@"
}

test_check_conversation() {
	! is_source "$1" || usage "$1 is a source, and no conversation: the" \
		"sources of the plugin come first"
	[ ! -d "$1" ] || usage "$1 is a folder: name a conversation in it," \
		"as in ${1%/}/NAME.conv"
	[ -f "$1" ] || die "$EX_NOINPUT" "$1: there is no such conversation"
}

word_test() {
	wants='' test_options='' test_gdb='' test_plain=''
	for test_word; do
		shift
		if [ -n "$wants" ]; then
			test_options="$test_options $wants $test_word"
			wants=
			continue
		fi
		! test_option "$test_word" || continue
		set -- "$@" "$test_word"
	done
	[ -z "$wants" ] || takes_value "$wants" 0
	take_plugin "$@"
	shift "$taken"
	test_files=
	for test_word; do
		case $test_word in
		*=*) ;;
		*)
			test_check_conversation "$test_word"
			test_files=yes
			;;
		esac
	done
	if [ -z "$test_files" ]; then
		test_files=$(find_conversations)
		[ -n "$test_files" ] || usage "which conversation? There is no" \
			"$name.conv beside the source"
		IFS=$newline
		# shellcheck disable=SC2086 # words
		set -- "$@" $test_files
		unset IFS
	fi
	test_hold "$@"
}

test_hold() {
	need_bevhost
	need_work
	if [ -n "$sources" ]; then
		need_compiler
		[ -n "$test_plain" ] || need_sanitizers
		# shellcheck disable=SC2086 # words
		compile_or_die "$plugin" $sanitizer ${test_gdb:+-O0}
	fi
	case "$test_gdb$test_options" in
	yes*cut* | yes*'-c '*) ;;
	yes*) test_options="$test_options --cut=whole" ;;
	esac
	# It is looked for when the count says that some is left.
	asan_more=leak_check_at_exit=0
	test_called=$(printf '%s' "${sources:-$plugin }" | tr '\n' ' ')
	if [ -n "$test_gdb" ]; then
		# shellcheck disable=SC2086 # words
		(test_in_gdb "$libexec/conversation" $test_options \
			--name="${test_called% }" "$plugin" "$@")
	else
		# shellcheck disable=SC2086 # words
		(with_runtime "$libexec/conversation" $test_options \
			--name="${test_called% }" "$plugin" "$@")
	fi
}
