# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A conversation as load, over loopback: what a request costs in this plugin,
# and in an echo that does nothing but epoll. Both serve in turns, so that what
# else the machine does disturbs both.
# What bevhost-dev, say.sh and build.sh have set, or look at:
# shellcheck disable=SC2154,SC2034

help_bench() {
	cat <<'END'
Usage: bevhost-dev bench [OPTION]... PLUGIN [KEY=VALUE]... [CONVERSATION]
                         [-- BEVHOST-OPTION...]
Hold a conversation over many connections, as fast as it is answered, and tell
the requests per second and the CPU time of the server for each. Beside it
stands an echo of what is sent, written for epoll by hand.

  -n, --connections=N      how many at a time (64)
  -t, --seconds=N          how long, for each of the two (6)
  -v, --verbose            show the commands, and each round

A request is what is sent up to what must come back. A conversation that ends
with a close is held on a new connection each time, another on the same ones.
The best of three rounds counts. CONVERSATION is NAME.conv; unless it is named,
the one beside FILE.c, or of the folder.
END
}

bench_rounds=3
bench_server='' bench_echo='' bench_load=''

bench_clean_up() {
	trap '' PIPE
	for bench_pid in $bench_server $bench_echo $bench_load; do
		kill "$bench_pid" 2>/dev/null
	done
	wait
	clean_up
}

# The host is one process, as the echo is.
bench_start() {
	mkfifo "$work/ready" "$work/echo" || die "$EX_CANTCREAT" 'see above'
	"$libexec/dev-tie" "$$" "$bevhost" --no-master --sandbox=off \
		--log-level=warning --ready-fd=3 -l 127.0.0.1:0 "$plugin" \
		"$@" 3>"$work/ready" &
	bench_server=$!
	address=
	IFS= read -r address <"$work/ready" || :
	[ -n "$address" ] || {
		wait "$bench_server"
		bench_status=$?
		bench_server=
		die "$bench_status" "$name cannot be served: see above"
	}
	"$libexec/dev-tie" "$$" "$bench_epoll" echo 0 >"$work/echo" &
	bench_echo=$!
	bench_echo_port=
	IFS= read -r bench_echo_port <"$work/echo" || :
	[ -n "$bench_echo_port" ] || die "$EX_OSERR" \
		'the echo cannot be served: see above'
}

# bench_round FILE PORT PID [--echo]: adds a line to the file.
bench_round() {
	"$libexec/dev-load" ${4+"$4"} "$2" "$3" "$bench_connections" \
		"$bench_part" "$bench_conversation" >"$work/round" &
	bench_load=$!
	wait "$bench_load"
	bench_status=$?
	bench_load=
	[ "$bench_status" -eq 0 ] || die 1 "the load broke off: see above"
	cat "$work/round" >>"$1"
	[ -z "${verbose-}" ] || printf '+ %s: %s\n' "${1##*/}" \
		"$(cat "$work/round") (requests, ns, ns of CPU)" >&2
}

bench_print() {
	awk -v name="$name" -v connections="$bench_connections" '
	function best(file, rate, cpu, line, f) {
		rate_of[file] = 0
		cpu_of[file] = 1e9
		while ((getline line <file) > 0) {
			split(line, f, " ")
			rate = f[1] / f[2] * 1e9
			cpu = f[3] / f[1] / 1e3
			if (rate > rate_of[file])
				rate_of[file] = rate
			if (cpu < cpu_of[file])
				cpu_of[file] = cpu
		}
	}
	function row(name, file) {
		printf "%-24s %12.0f %15.2f us\n", name, rate_of[file],
		    cpu_of[file]
	}
	BEGIN {
		best(ARGV[1])
		best(ARGV[2])
		printf "%-24s %12s %18s\n", connections " connections",
		    "requests/s", "CPU per request"
		row(name, ARGV[1])
		row("an echo by epoll", ARGV[2])
		if (cpu_of[ARGV[2]] > 0)
			printf "%-24s %12.2f %15.2f\n", "ratio",
			    rate_of[ARGV[1]] / rate_of[ARGV[2]],
			    cpu_of[ARGV[1]] / cpu_of[ARGV[2]]
	}' "$work/plugin" "$work/other"
}

bench_option() {
	case $1 in
	-n | --connections | -t | --seconds) wants=$1 ;;
	--connections=* | --seconds=*) bench_set "${1%%=*}" "${1#*=}" ;;
	-q | --quiet) quiet=yes ;;
	-v | --verbose) verbose=yes ;;
	-*) unknown option "$1" \
		'-n --connections -t --seconds -q --quiet -v --verbose --help' ;;
	*) return 1 ;;
	esac
}

bench_set() {
	case $2 in
	*[!0-9]* | '' | 0*) usage "$1=$2: it is a number above 0" ;;
	esac
	if [ "${#2}" -gt 5 ] || [ "$2" -gt 10000 ]; then
		usage "$1=$2: that is too much, 10000 is the most"
	fi
	case $1 in
	-n | --connections) bench_connections=$2 ;;
	*) bench_seconds=$2 ;;
	esac
}

word_bench() {
	bench_connections=64 bench_seconds=6
	wants='' bench_host='' bench_conversation='' bench_words=0
	for bench_word; do
		shift
		if [ -n "$wants" ]; then
			bench_set "$wants" "$bench_word"
			wants=
			continue
		fi
		case $bench_host$bench_word in
		--)
			bench_host=yes
			continue
			;;
		yes*) ;;
		*.conv)
			[ "$bench_words" -eq 0 ] || {
				bench_conversation=$bench_word
				continue
			}
			;;
		*) ! bench_option "$bench_word" || continue ;;
		esac
		bench_words=$((bench_words + 1))
		set -- "$@" "$bench_word"
	done
	[ -z "$wants" ] || takes_value "$wants" 0
	take_plugin "$@"
	shift "$taken"
	for bench_word; do
		case $bench_word in
		*=* | -*) ;;
		*) usage "what is '$bench_word'? A conversation's name ends" \
			"in .conv" ;;
		esac
	done
	[ -n "$bench_conversation" ] ||
		bench_conversation=$(find_conversations | head -n 1)
	[ -n "$bench_conversation" ] || usage "which conversation? There is no" \
		"$name.conv beside the source"
	[ -f "$bench_conversation" ] || die "$EX_NOINPUT" \
		"$bench_conversation: there is no such conversation"
	bench "$@"
}

bench() {
	need_bevhost
	need_work
	trap bench_clean_up EXIT
	# What stands in the conversation is for the host too.
	"$libexec/dev-load" --words "$bench_conversation" >"$work/words" ||
		exit
	IFS=$newline
	set -f
	# shellcheck disable=SC2046 # words
	set -- $(cat "$work/words") "$@"
	unset IFS
	set +f
	[ -z "$sources" ] || compile_or_die "$plugin"
	bench_start "$@"
	bench_part=$(awk -v s="$bench_seconds" -v n="$bench_rounds" \
		'BEGIN { print s / n }')
	bench_number=0
	: >"$work/plugin"
	: >"$work/other"
	while [ "$bench_number" -lt "$bench_rounds" ]; do
		bench_number=$((bench_number + 1))
		say "round $bench_number of $bench_rounds," \
			"2 times $bench_part s"
		bench_round "$work/plugin" "${address##*:}" "$bench_server"
		bench_round "$work/other" "$bench_echo_port" "$bench_echo" \
			--echo
	done
	bench_print || die "$EX_IOERR" "standard output cannot be written to"
}
