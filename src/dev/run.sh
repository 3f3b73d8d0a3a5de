# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Serves a plugin, and the next version of it after each save, by the host's
# own reload: who is connected stays with the old code, and what does not
# compile or load changes nothing.
# What bevhost-dev, say.sh and build.sh have set, or look at:
# shellcheck disable=SC2154,SC2034

help_run() {
	cat <<'END'
Usage: bevhost-dev run [OPTION]... PLUGIN [KEY=VALUE]... [-- BEVHOST-OPTION...]
Serve a plugin, with sanitizers when there is a source, and compile and reload
it at each save. Connections that are open stay with the code that they began
with. Ctrl-C ends it.

  -p, --port=PORT          of 127.0.0.1 (a free one)
  -l, --listen=ADDRESS     HOST:PORT, [V6]:PORT or unix:/PATH
      --once               serve, and watch nothing
      --no-sanitizers      compile without AddressSanitizer and UBSan
  -v, --verbose            show the commands

PLUGIN is FILE.c..., a folder with such files, FILE.so, or the NAME of a plugin
that is installed. KEY=VALUE are its parameters. What follows -- are options of
bevhost(8).
END
}

# How to talk to what listens there, with what there is.
talk_to() {
	case $1 in
	unix:*)
		talk_unix=${1#unix:}
		if is_program nc; then
			echo "nc -U $talk_unix"
		else
			echo "socat - UNIX-CONNECT:$talk_unix"
		fi
		return
		;;
	esac
	talk_host=${1%:*}
	talk_host=${talk_host#[}
	talk_host=${talk_host%]}
	talk_port=${1##*:}
	case $talk_host in
	127.0.0.1 | 0.0.0.0 | ::) talk_host=localhost ;;
	esac
	if [ -n "$run_tls" ]; then
		echo "openssl s_client -quiet -connect $talk_host:$talk_port"
	elif is_program nc; then
		echo "nc $talk_host $talk_port"
	elif is_program socat; then
		echo "socat - TCP:$talk_host:$talk_port"
	else
		echo "telnet $talk_host $talk_port"
	fi
}

# Starts the host, and waits until it serves. Its options are the words.
run_start() {
	rm -f "$work/ready"
	mkfifo "$work/ready" || die "$EX_CANTCREAT" "$work/ready: see above"
	with_runtime "$libexec/dev-tie" "$$" "$bevhost" --sandbox=off \
		--ready-fd=3 --reload-drain-timeout=24h "$@" \
		3>"$work/ready" &
	server=$!
	address=
	IFS= read -r address <"$work/ready" || :
	[ -n "$address" ] && return
	wait "$server"
	run_status=$?
	server=
	return "$run_status"
}

# An end, by whatever: the host too, at once, and nothing is left.
run_clean_up() {
	trap '' PIPE
	[ -z "$watcher" ] || kill "$watcher" 2>/dev/null
	if [ -n "$server" ]; then
		# Of one signal it may get but one, when they come at once.
		kill -s TERM "$server" 2>/dev/null
		kill -s INT "$server" 2>/dev/null
		wait "$server"
	fi
	clean_up
}

# Folders of the sources: a file that is not there yet may be what they lack.
run_folders() {
	printf '%s' "$sources" | sed '/\//!s/.*/.\//; s/[^/]*$//' | sort -u
}

# Waits for a change. Sets changed to the file.
run_watch() {
	IFS=$newline
	set -f
	# shellcheck disable=SC2046,SC2086 # words
	set -- $sources$headers $(run_folders)
	unset IFS
	set +f
	[ -n "$sources" ] || set -- "$plugin"
	"$libexec/dev-tie" "$$" "$libexec/dev-watch" "$work/stamp" "$server" \
		"$@" >"$work/changed" &
	watcher=$!
	wait "$watcher"
	run_status=$?
	watcher=
	changed=$(cat "$work/changed")
	return "$run_status"
}

# A folder may have more files now, or less.
run_look_again() {
	[ -n "$whole_folder" ] || return 0
	run_sources=$(
		trap - EXIT
		sources=
		add_folder "$whole_folder"
		printf '%s' "$sources"
	) && sources=$run_sources$newline
}

run_reload() {
	if ! run_look_again; then
		complain 'what was there before serves on'
		return
	fi
	if [ -n "$sources" ]; then
		# shellcheck disable=SC2086 # words
		compile "$plugin" $sanitizer || {
			complain "$compile_failed cannot be compiled: what" \
				"was there before serves on"
			return
		}
	fi
	if "$bevhost" --reload="$server" >"$work/answer" 2>&1; then
		say "$changed is in force: $(talk_to "$address")"
	else
		complain "it cannot take over ($(head -n 1 "$work/answer")):" \
			"what was there before serves on"
	fi
}

run_loop() {
	while run_watch; do
		: >"$work/stamp"
		run_reload
	done
	[ "$run_status" -eq 3 ] || exit "$run_status"
	wait "$server"
	run_status=$?
	server=
	return "$run_status"
}

run_serve() {
	# Before anything is read, so that what is saved meanwhile counts.
	: >"$work/stamp"
	if [ -n "$sources" ]; then
		need_compiler
		[ -n "$run_plain" ] || need_sanitizers
		# shellcheck disable=SC2086 # words
		compile_or_die "$plugin" $sanitizer
	fi
	run_start "$@" || die "$run_status" "$name cannot be served: see above"
	say "$name serves on $address; talk to it: $(talk_to "$address")"
	if [ -n "$run_once" ] || [ ! -f "$plugin" ]; then
		wait "$server"
		run_status=$?
		server=
		return "$run_status"
	fi
	run_loop
}

set_listen() {
	listen=$2
	case $1 in
	-p | --port)
		case $listen in
		*[!0-9]* | '') usage "the port '$listen' is no number" ;;
		esac
		listen=127.0.0.1:$listen
		;;
	esac
}

# One word before the plugin's parameters, among or after them; those that are
# no options stay.
run_option() {
	case $1 in
	-p | --port | -l | --listen) wants=$1 ;;
	--port=* | --listen=*) set_listen "${1%%=*}" "${1#*=}" ;;
	--once) run_once=yes ;;
	--no-sanitizers) run_plain=yes ;;
	-q | --quiet) quiet=yes ;;
	-v | --verbose) verbose=yes ;;
	-*) unknown option "$1" '-p --port -l --listen --once
		--no-sanitizers -q --quiet -v --verbose --help' ;;
	*) return 1 ;;
	esac
}

word_run() {
	listen=127.0.0.1:0
	run_once='' run_plain='' run_tls='' server='' watcher=''
	wants='' run_host='' run_words=0
	for run_word; do
		shift
		if [ -n "$wants" ]; then
			set_listen "$wants" "$run_word"
			wants=
			continue
		fi
		case $run_host$run_word in
		--)
			run_host=yes
			continue
			;;
		yes--tls-cert*) run_tls=yes ;;
		yes*) ;;
		*)
			! run_option "$run_word" || continue
			run_words=$((run_words + 1))
			;;
		esac
		set -- "$@" "$run_word"
	done
	[ -z "$wants" ] || takes_value "$wants" 0
	[ "$run_words" -gt 0 ] || set --
	take_plugin "$@"
	shift "$taken"
	need_bevhost
	need_work
	trap run_clean_up EXIT
	run_serve -l "$listen" "$plugin" "$@"
}
