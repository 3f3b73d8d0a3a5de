# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A plugin gets what nobody expects: from libFuzzer, which sees what code an
# input reaches, or else by chance. fuzz.c says what an input is.
# What bevhost-dev, say.sh and build.sh have set, or look at:
# shellcheck disable=SC2154,SC2034

help_fuzz() {
	cat <<'END'
Usage: bevhost-dev fuzz [OPTION]... PLUGIN [KEY=VALUE]... [FOLDER|FILE]
Send a plugin what nobody expects, without a network, for a while. It begins
with the conversations beside the source, and with what is in FOLDER, where it
keeps each input that reaches something new. An input that fails is kept in a
file of this folder, and shown as a conversation. FILE is run alone.

  -t, --seconds=N          for how long (60)
      --timeout=N          seconds that one input may take (20)
      --random             by chance, also where clang has libFuzzer
  -v, --verbose            show the commands

libFuzzer comes with clang (FUZZ_CC, or clang); it sees what code a plugin runs
that is compiled here. Without it inputs are cut and changed by chance.
END
}

#
# What it begins with
#

# The sending side of a conversation, as octal escapes for printf.
seed_of() {
	LC_ALL=C awk '
	function octal(code) { out = out sprintf("\\%03o", code) }
	# As a byte of an input: fe and ff have a meaning there.
	function byte(code) {
		if (code >= 254)
			octal(255)
		octal(code)
	}
	function deed(letter) { octal(255); octal(code_of[letter]) }
	function hex(text) {
		return (index("0123456789abcdef", tolower(substr(text, 1, 1))) \
		    - 1) * 16 + index("0123456789abcdef", \
		    tolower(substr(text, 2, 1))) - 1
	}
	function text(s, i, c) {
		for (i = 1; i <= length(s); i++) {
			c = substr(s, i, 1)
			if (c != "\\") {
				byte(code_of[c])
				continue
			}
			c = substr(s, ++i, 1)
			if (c == "x") {
				byte(hex(substr(s, i + 1, 2)))
				i += 2
			} else if (c == "n" || c == "r" || c == "t")
				byte(c == "n" ? 10 : c == "r" ? 13 : 9)
			else
				byte(c == "0" ? 0 : code_of[c])
		}
	}
	BEGIN {
		for (i = 1; i < 256; i++)
			code_of[sprintf("%c", i)] = i
		crlf = 0
	}
	/^eol / { crlf = $2 == "crlf" }
	/^>- / { text(substr($0, 4)); octal(254) }
	/^>x/ {
		for (i = 2; i <= NF; i++)
			for (j = 1; j < length($i); j += 2)
				byte(hex(substr($i, j, 2)))
		octal(254)
	}
	/^>( |$)/ {
		text(substr($0, 3))
		if (crlf)
			byte(13)
		byte(10)
		octal(254)
	}
	/^end$/ { deed("e") }
	/^reset$/ { deed("r") }
	/^wait / { deed($2 ~ /^[0-9]s$|ms$/ ? "w" : "W") }
	/^drain$/ { deed("d") }
	/^accept / { deed("a") }
	END { printf "%s", out }' "$1"
}

make_seeds() {
	mkdir "$work/seeds" || die "$EX_CANTCREAT" 'see above'
	printf '\n' >"$work/seeds/line"
	fuzz_number=0
	IFS=$newline
	for file in $(find_conversations); do
		fuzz_number=$((fuzz_number + 1))
		# shellcheck disable=SC2059 # its escapes
		printf "$(seed_of "$file")" >"$work/seeds/$fuzz_number"
	done
	unset IFS
	for word in e r w W d n a 0; do
		printf '"\\xFF%s"\n' "$word"
	done >"$work/dictionary"
	printf '"%s"\n' '\xFE' >>"$work/dictionary"
}

#
# Building
#

# Sets fuzz_by to random or libfuzzer, and the compiler to one that has it.
choose_engine() {
	need_compiler
	fuzz_by=random
	[ -z "$fuzz_random" ] || return 0
	fuzz_cc=${FUZZ_CC:-clang}
	case $($cc --version 2>/dev/null) in
	*clang*) fuzz_cc=${FUZZ_CC:-$cc} ;;
	esac
	need_work
	cat >"$work/try.c" <<'END'
int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size);
int
LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size)
{
	return data == 0 && size != 0;
}
END
	if is_program "$fuzz_cc" && $fuzz_cc -fsanitize=fuzzer,address \
		-o "$work/try" "$work/try.c" >"$work/try.log" 2>&1; then
		fuzz_by=libfuzzer
		cc=$fuzz_cc
		case $($cxx --version 2>/dev/null) in
		*clang*) ;;
		*) CXX= ;;
		esac
		need_cxx
		return
	fi
	complain "there is no libFuzzer here (the packages clang and" \
		"libclang-rt-dev have it): going on by chance, which finds less"
}

# The program, with the plugin's own sanitizers; the plugin finds them there.
build_fuzzer() {
	fuzz_flags=$($flags_tool --print-errors --cflags --libs bevhost-test) ||
		die "$EX_UNAVAILABLE" "pkg-config does not find bevhost-test:" \
		"install the package bevhost-dev"
	say "building the fuzzer"
	if [ "$fuzz_by" = libfuzzer ]; then
		set -- -fsanitize=fuzzer,address,undefined "$share/fuzz.c"
	else
		# shellcheck disable=SC2086 # words
		set -- $fuzz_plain "$share/fuzz_random.c" "$share/fuzz.c"
	fi
	# shellcheck disable=SC2086 # words
	do_command $cc -g -O1 "$@" $fuzz_flags -o "$work/fuzzer" || {
		has_room "$work" || die $? "$no_room"
		die "$EX_UNAVAILABLE" "the fuzzer cannot be linked: see above" \
			"(what bevhost-test wants is in the package bevhost-dev)"
	}
}

compile_for_fuzzer() {
	if [ "$fuzz_by" = libfuzzer ]; then
		set -- -fsanitize=fuzzer-no-link,address,undefined
	else
		fuzz_plain=-fsanitize=address,undefined
		# shellcheck disable=SC2086 # words
		knows $fuzz_plain || fuzz_plain=
		# shellcheck disable=SC2086 # words
		set -- $fuzz_plain
	fi
	[ -z "$sources" ] || compile_or_die "$plugin" "$@" \
		-fno-omit-frame-pointer ${1:+-fno-sanitize-recover=undefined}
}

#
# Running
#

# run_fuzzer WORD...: in the environment that it wants. A signal to this shell,
# of which it is a child and no grandchild, ends it at once.
run_fuzzer() {
	# What is left of memory is counted by fuzz.c.
	ASAN_OPTIONS=detect_leaks=0:print_legend=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} \
	UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS} \
	BEVHOST_FUZZ_PLUGIN=$plugin BEVHOST_FUZZ_WORDS=$fuzz_words \
	BEVHOST_FUZZ_TIMEOUT=$fuzz_timeout TMPDIR=$work \
		"$libexec/dev-tie" "$$" "$work/fuzzer" "$@" &
	fuzzer=$!
	wait "$fuzzer"
	run_status=$?
	fuzzer=
	return "$run_status"
}

# It may hang.
fuzz_clean_up() {
	trap '' PIPE
	[ -z "$fuzzer" ] || { kill -KILL "$fuzzer"; wait "$fuzzer"; } 2>/dev/null
	clean_up
}

# What failed, so that it can be put into a file of conversations.
show_input() {
	complain "$1 fails; as a conversation it is"
	BEVHOST_FUZZ_SHOW=yes
	export BEVHOST_FUZZ_SHOW
	run_fuzzer "$1" >"$work/shown" 2>/dev/null
	unset BEVHOST_FUZZ_SHOW
	sed 's/^/    /' "$work/shown" >&2
}

# Without an input, or with any.
fails_alone() {
	case $1 in
	"$EX_USAGE" | "$EX_CONFIG") die "$1" "$name does not start: see above" ;;
	esac
}

# Plays one input: its conversation, and what becomes of it.
run_one() {
	BEVHOST_FUZZ_SHOW=yes
	export BEVHOST_FUZZ_SHOW
	run_fuzzer "$1" || {
		fails_alone "$run_status"
		complain "$1 fails: see above"
		return 1
	}
	say "$1 does no harm"
}

run_random() {
	[ ! -d "$fuzz_corpus" ] || cp "$fuzz_corpus"/* "$work/seeds/" \
		2>/dev/null
	run_fuzzer "$fuzz_seconds" "$work/seeds" "$work/current" && return
	[ -f "$work/current" ] || return "$run_status"
	fuzz_failed=./$name-crash-$(cksum <"$work/current" | cut -d ' ' -f 1)
	cp "$work/current" "$fuzz_failed"
}

# Of what libFuzzer says, what is wrong, and now and then how far it is.
show_progress() {
	if [ -n "$verbose" ]; then
		cat
		return
	fi
	awk -v quiet="$quiet" '
	/^(INFO|Dictionary|stat::|Done )/ { next }
	/^####.*Recommended/ { skip = 1 }
	/^####.*End of/ { skip = 0; next }
	skip { next }
	/^#[0-9]+\t/ {
		if ($2 ~ /^(INITED|pulse|DONE)$/ && !quiet) {
			sub(/^#/, "")
			print "bevhost-dev: " $1 " inputs so far, which reach " \
			    $4 " places"
			fflush()
		}
		next
	}
	{ print; fflush() }'
}

# Its own alarm, and what it does at signals, are no use here: see fuzz.c.
run_libfuzzer() {
	mkdir -p "$work/failed"
	mkfifo "$work/said" || die "$EX_CANTCREAT" "$work/said: see above"
	show_progress <"$work/said" >&2 &
	fuzz_progress=$!
	run_fuzzer -max_total_time="$fuzz_seconds" -timeout=0 -handle_int=0 \
		-handle_term=0 -print_final_stats=1 -use_value_profile=1 \
		-dict="$work/dictionary" -artifact_prefix="$work/failed/" \
		"${fuzz_corpus:-$work/corpus}" "$work/seeds" >"$work/said" 2>&1
	wait "$fuzz_progress"
	for file in "$work"/failed/*; do
		[ -f "$file" ] || break
		fuzz_failed=./$name-${file##*/}
		cp "$file" "$fuzz_failed"
	done
	return "$run_status"
}

fuzz_option() {
	case $1 in
	-t | --seconds | --timeout) wants=$1 ;;
	--seconds=* | --timeout=*) set_seconds "${1%%=*}" "${1#*=}" ;;
	--random) fuzz_random=yes ;;
	-q | --quiet) quiet=yes ;;
	-v | --verbose) verbose=yes ;;
	-*) unknown option "$1" \
		'-t --seconds --timeout --random -q --quiet -v --verbose --help' ;;
	*) return 1 ;;
	esac
}

set_seconds() {
	case $2 in
	*[!0-9]* | '' | 0* | ?????????*)
		usage "$1=$2: it is a number of seconds, above 0"
		;;
	esac
	case $1 in
	--timeout) fuzz_timeout=$2 ;;
	*) fuzz_seconds=$2 ;;
	esac
}

# A name that is not there: of an input that failed, or a folder to come.
make_corpus() {
	case ${fuzz_corpus##*/} in
	*-crash-* | *-leak-* | *-oom-* | *-timeout-*)
		die "$EX_NOINPUT" "$fuzz_corpus: there is no such input"
		;;
	esac
	mkdir "$fuzz_corpus" || die "$EX_CANTCREAT" "$fuzz_corpus" \
		"cannot be made: inputs are kept in a folder"
	say "$fuzz_corpus is a new folder, for inputs"
}

word_fuzz() {
	wants='' fuzz_seconds=60 fuzz_timeout=20 fuzz_random='' verbose=''
	fuzzer=
	for fuzz_word; do
		shift
		if [ -n "$wants" ]; then
			set_seconds "$wants" "$fuzz_word"
			wants=
			continue
		fi
		fuzz_option "$fuzz_word" || set -- "$@" "$fuzz_word"
	done
	[ -z "$wants" ] || takes_value "$wants" 0
	take_plugin "$@"
	shift "$taken"
	fuzz_words='' fuzz_file='' fuzz_corpus=''
	for fuzz_word; do
		case $fuzz_word in
		*=*) fuzz_words=$fuzz_words$fuzz_word$newline ;;
		*) fuzz_corpus=$fuzz_word ;;
		esac
	done
	[ ! -f "$fuzz_corpus" ] || fuzz_file=$fuzz_corpus
	[ -z "$fuzz_corpus" ] || [ -e "$fuzz_corpus" ] || make_corpus
	fuzz
}

fuzz() {
	need_bevhost
	need_work
	trap fuzz_clean_up EXIT
	choose_engine
	need_flags
	compile_for_fuzzer
	build_fuzzer
	[ -z "$fuzz_file" ] || { run_one "$fuzz_file"; return; }
	make_seeds
	mkdir -p "$work/corpus"
	[ -n "$sources" ] || say "$plugin is compiled already: which code an" \
		"input reaches cannot be seen"
	say "fuzzing for $fuzz_seconds s"
	fuzz_failed=
	"run_$fuzz_by"
	fuzz_status=$?
	if [ -n "$fuzz_failed" ]; then
		show_input "$fuzz_failed"
		complain "to see it again: bevhost-dev fuzz" \
			"$(printf '%s' "${sources:-$plugin$newline}" |
				tr '\n' ' ')$fuzz_failed"
		return 1
	fi
	[ "$fuzz_status" -ne 0 ] || return 0
	fails_alone "$fuzz_status"
	die "$EX_CONFIG" "$name fails before it gets an input: see above"
}
