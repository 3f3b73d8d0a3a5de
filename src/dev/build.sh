# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# From sources to a plugin: the compiler, its flags, and whether the result
# fits the host. For `build', and for all that compiles first.
# shellcheck disable=SC2154 # what bevhost-dev and say.sh have set

newline='
'
# What is found once.
cc=
cflags=
sanitizer=
link_flags=
# The files of the plugin, one in a line.
asan_more=
sources=
headers=
work=

help_build() {
	cat <<'END'
Usage: bevhost-dev build [OPTION]... FILE.c...
Compile a plugin, with warnings, and see whether bevhost takes it.

  -o, --output=FILE.so     what to write (FILE.so in this folder, after the
                           first FILE.c)
  -s, --sanitizers         with AddressSanitizer and UBSan
  -v, --verbose            show the commands

A folder stands for all of its C files whose names do not begin with test.
END
}

#
# What is needed
#

need_bevhost() {
	[ -n "$bevhost" ] || bevhost=$installed_bevhost
	[ -x "$bevhost" ] || [ -n "${BEVHOST:-}" ] || bevhost=bevhost
	command -v "$bevhost" >/dev/null || die "$EX_UNAVAILABLE" \
		"$bevhost is no program: install the package bevhost, or set" \
		"BEVHOST to its path"
}

# The first word of CC and its like is the program.
is_program() {
	command -v "${1%% *}" >/dev/null
}

need_compiler() {
	[ -z "$cc" ] || return 0
	cc=${CC:-cc}
	[ -n "${CC:-}" ] || is_program cc || cc=gcc
	[ -n "${CC:-}" ] || is_program "$cc" || cc=clang
	is_program "$cc" || die "$EX_UNAVAILABLE" "there is no C compiler" \
		"${CC:+($CC) }here: install the package gcc, or set CC"
	need_cxx
}

# Sets cxx to CXX, or to what belongs to the C compiler: clang++-14 to clang-14;
# and link_by to the one of them that the sources are to be linked by.
need_cxx() {
	cxx=${CXX:-$(printf '%s\n' "$cc" | sed '
		s/clang\(-[0-9.]*\)\{0,1\}\( .*\)\{0,1\}$/clang++\1\2/
		s/gcc\(-[0-9.]*\)\{0,1\}\( .*\)\{0,1\}$/g++\1\2/')}
	[ "$cxx" != "$cc" ] || cxx=c++
	link_by=$cc
	printf '%s' "$sources" | grep -qv '\.c$' || return 0
	link_by=$cxx
	is_program "$cxx" || die "$EX_UNAVAILABLE" "there is no C++ compiler" \
		"($cxx) here: install the package g++, or set CXX"
}

need_flags() {
	[ -z "$cflags" ] || return 0
	flags_tool=${PKG_CONFIG:-pkg-config}
	is_program "$flags_tool" || die "$EX_UNAVAILABLE" "there is no" \
		"$flags_tool here: install the package pkg-config, or set" \
		"PKG_CONFIG"
	PKG_CONFIG_PATH=${PKG_CONFIG_PATH:+$PKG_CONFIG_PATH:}$pkgconfig
	export PKG_CONFIG_PATH
	# shellcheck disable=SC2086 # words
	cflags=$($flags_tool --print-errors --cflags bevhost) ||
		die "$EX_UNAVAILABLE" "pkg-config does not find what plugins" \
		"are compiled with: install the packages bevhost-dev and" \
		"libevent-dev, or set PKG_CONFIG_PATH to the folder of" \
		"bevhost.pc"
	cflags="$cflags -fPIC -fvisibility=hidden -Wall -Wextra -Wshadow"
	cflags="$cflags -Wformat=2"
	! knows -fstack-clash-protection ||
		cflags="$cflags -fstack-clash-protection"
}

# knows FLAG...: does the compiler, and its linker? Its output is $work/knows.
knows() {
	need_work
	echo 'int knows;' >"$work/knows.c"
	# shellcheck disable=SC2086 # words
	$link_by -Werror -shared -fPIC "$@" -o "$work/knows" -x c \
		"$work/knows.c" >/dev/null 2>&1
}

# The runtime of AddressSanitizer must be there before the program that has
# none: what the plugin wants of it is looked up here, for LD_PRELOAD. Sets
# sanitizer to the flags.
need_sanitizers() {
	[ -z "$sanitizer" ] || return 0
	sanitizer='-fsanitize=address,undefined'
	# clang links the runtime statically, to programs alone.
	case $($link_by --version 2>/dev/null) in
	*clang*) link_flags=-shared-libasan ;;
	esac
	# shellcheck disable=SC2086 # words
	if knows $sanitizer $link_flags && find_runtime "$work/knows"; then
		preload_cxx
		sanitizer="$sanitizer -fno-sanitize-recover=undefined"
		sanitizer="$sanitizer -fno-omit-frame-pointer"
		[ -n "${CFLAGS+set}" ] || sanitizer="-O1 $sanitizer"
	else
		has_room "$work" || die $? "$no_room"
		link_flags=
		complain "$link_by has no sanitizers that a plugin can be built" \
			"with: going on without (for clang they are in the" \
			"package libclang-rt-dev)"
		sanitizer=' '
	fi
}

# find_runtime FILE: sets preload to the library that it wants.
find_runtime() {
	preload=$(ldd "$1" 2>/dev/null | sed -n '
		/^[[:space:]]*lib[^ ]*asan[^ ]* => / {
			s/^[[:space:]]*//
			s/ (0x[0-9a-f]*)$//
			p
			q
		}')
	case $preload in
	*' => not found') preload=$($link_by -print-file-name="${preload%% *}") ;;
	*' => '*) preload=${preload##* => } ;;
	esac
	[ -f "$preload" ]
}

# gcc's runtime knows how to throw only what is thrown by a library that is there
# when it starts; the plugin alone would bring it too late.
preload_cxx() {
	[ "$link_by" = "$cxx" ] || return 0
	preload_more=$($link_by -print-file-name=libstdc++.so.6)
	[ ! -f "$preload_more" ] || preload=$preload:$preload_more
}

# with_runtime COMMAND...: runs it so that it can load what was built with
# sanitizers. It takes the place of this shell: call it in one of its own.
with_runtime() {
	[ -n "${preload-}" ] || exec "$@"
	# Unwinding by frame pointers ends at the stack of a task. Symbolizers
	# are programs, which hang when they have the runtime too.
	asan=fast_unwind_on_malloc=0:print_legend=0${asan_more:+:$asan_more}
	symbolizer=$($cc -print-prog-name=llvm-symbolizer)
	if command -v "$symbolizer" >/dev/null; then
		printf '#!/bin/sh\nunset LD_PRELOAD\nexec "%s" "$@"\n' \
			"$symbolizer" >"$work/llvm-symbolizer" &&
			chmod +x "$work/llvm-symbolizer" || exit "$EX_OSERR"
		asan="$asan:external_symbolizer_path='$work/llvm-symbolizer'"
	fi
	exec env LD_PRELOAD="$preload${LD_PRELOAD:+:$LD_PRELOAD}" \
		ASAN_OPTIONS="$asan${ASAN_OPTIONS:+:$ASAN_OPTIONS}" \
		UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}" \
		TMPDIR="$work" "$@"
}

# A folder of our own, until the end.
need_work() {
	[ -z "$work" ] || return 0
	work=$(mktemp -d "${TMPDIR:-/tmp}/bevhost-dev.XXXXXX") ||
		die "$EX_CANTCREAT" "cannot make a folder in" \
		"${TMPDIR:-/tmp}: set TMPDIR to one that can be written to"
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 141' PIPE
}

# A signal would end it in the middle.
clean_up() {
	trap '' HUP INT TERM PIPE
	rm -rf "$work"
}

# has_room FOLDER: asked when something has failed. Else no_room says that this
# is why.
has_room() {
	dd if=/dev/zero "of=$1/bevhost-dev.$$" bs=4096 count=64 2>/dev/null
	room_status=$?
	rm -f "$1/bevhost-dev.$$"
	[ "$room_status" -ne 0 ] || return 0
	no_room="$1 is full, or may not be written to"
	[ "$1" != "$work" ] ||
		no_room="$no_room: set TMPDIR to a folder with room"
	return "$EX_CANTCREAT"
}

#
# Which files
#

is_source() {
	case $1 in
	*=*) false ;;
	*.c | *.cc | *.cpp | *.cxx) true ;;
	*) false ;;
	esac
}

# What make would not build: `-' alone hides a file from this.
add_source() {
	[ -f "$1" ] || die "$EX_NOINPUT" "$1: there is no such file" \
		"(\`bevhost-dev new NAME' makes a project to begin with)"
	sources=$sources$1$newline
}

add_folder() {
	for file in "$1"/*; do
		case ${file##*/} in
		test*) continue ;;
		esac
		! is_source "$file" || add_source "${file#./}"
	done
	[ -n "$sources" ] || die "$EX_NOINPUT" "$1: there is no C file in" \
		"this folder that could be a plugin"
	IFS=$newline
	# shellcheck disable=SC2046,SC2086 # words
	set -- $(grep -lE '^BEVHOST_(PLUGIN|COROUTINE)\(' $sources)
	unset IFS
	[ $# -le 1 ] || usage "there are several plugins in this folder: name" \
		"the files of one, such as $1"
}

# no_conversation WORD: is for the plugin, which comes first.
no_conversation() {
	case $word.$1 in
	test.*.conv | bench.*.conv) ;;
	*) return 0 ;;
	esac
	no_plugin=${1%.conv}.c
	[ -f "$no_plugin" ] || no_plugin=PLUGIN
	usage "which plugin? $1 is a conversation, and the plugin comes before" \
		"it: bevhost-dev $word $no_plugin $1"
}

# take_plugin WORD...: the plugin that begins the words. Sets `plugin' to the
# path or name that bevhost takes, `name' to what it is called, and `taken' to
# the number of words; `sources' is empty when there is nothing to compile.
take_plugin() {
	sources=
	whole_folder=
	taken=0
	[ $# -gt 0 ] || usage 'which plugin? A FILE.c, a folder, a FILE.so, or' \
		'the name of one that is installed'
	while [ $# -gt 0 ] && is_source "$1"; do
		add_source "$1"
		taken=$((taken + 1))
		shift
	done
	if [ "$taken" -eq 0 ]; then
		taken=1
		if [ -d "$1" ]; then
			whole_folder=${1%/}
			add_folder "$whole_folder"
		fi
	fi
	if [ -n "$sources" ]; then
		name=${sources%%"$newline"*}
		name=${name##*/}
		name=${name%.*}
		need_work
		plugin=$work/$name.so
		return
	fi
	no_conversation "$1"
	plugin=$1
	name=${1##*/}
	name=${name%.so}
	case $1 in
	*/*.so | *.so)
		[ -f "$1" ] || die "$EX_NOINPUT" "$1: there is no such file"
		case $1 in
		*/*) ;;
		*) plugin=./$1 ;;
		esac
		;;
	*/*)
		[ ! -e "$1" ] || usage "$1 is no plugin: that is a FILE.c, a" \
			"folder, a FILE.so, or the name of one that is installed"
		die "$EX_NOINPUT" "$1: there is no such file or folder"
		;;
	*)
		[ ! -f "$1.c" ] || usage "'$1' would be an installed plugin," \
			"did you mean '$1.c'?"
		;;
	esac
}

# The conversations beside the sources, one in a line: of hello.c hello.conv, and
# of a folder all.
find_conversations() {
	find_folder=${sources%%"$newline"*}
	case $find_folder in
	*/*) find_folder=${find_folder%/*}/ ;;
	*) find_folder= ;;
	esac
	if [ -n "$whole_folder" ]; then
		set -- "$find_folder"*.conv
	else
		set -- "$find_folder$name.conv"
	fi
	[ -z "$sources" ] || [ ! -f "$1" ] || printf '%s\n' "$@"
}

#
# Compiling
#

# With -v what is done, before it is.
do_command() {
	[ -z "${verbose-}" ] || printf '+ %s\n' "$*" >&2
	"$@"
}

# compile OUTPUT FLAG...: the sources to a plugin; what is there stays when they
# have an error. Sets headers to what else was read.
compile() {
	compile_output=$1
	shift
	need_compiler
	need_flags
	need_work
	compile_number=0
	rm -f "$work"/*.d
	IFS=$newline
	set -f
	for file in $sources; do
		unset IFS
		set +f
		compile_number=$((compile_number + 1))
		say "compiling $file"
		case $file in
		*.c) compile_by=$cc compile_more= ;;
		*)
			# For g++ a designated initializer is one that forgets.
			compile_by=$cxx
			compile_more=-Wno-missing-field-initializers
			;;
		esac
		# shellcheck disable=SC2086 # words
		do_command $compile_by ${CPPFLAGS-} $cflags $compile_more \
			${CFLAGS--O2 -g} "$@" -MMD -MF "$work/$compile_number.d" -MT o -c \
			-o "$work/$compile_number.o" "$file" || {
			compile_failed=$file
			find_missing
			compile_why "$work"
			return
		}
	done
	unset IFS
	set +f
	find_headers
	compile_count=$compile_number
	compile_number=0
	while [ "$compile_number" -lt "$compile_count" ]; do
		compile_number=$((compile_number + 1))
		set -- "$@" "$work/$compile_number.o"
	done
	# shellcheck disable=SC2086 # words
	do_command $link_by -shared $link_flags ${CFLAGS--O2 -g} ${LDFLAGS-} \
		-o "$compile_output.new" "$@" ${LIBS-} &&
		mv -f "$compile_output.new" "$compile_output" && return
	compile_failed=$name
	rm -f "$compile_output.new"
	compile_why "${compile_output%/*}"
}

# compile_why FOLDER: an error of the source, or no room for what it becomes?
compile_why() {
	has_room "$1" && return "$EX_DATAERR"
	complain "$no_room"
	return "$EX_CANTCREAT"
}

# Rules for make, of the target o, to names, one in a line.
read_names() {
	sed 's/^o://; s/\\$//; s/\\ /\t/g' | tr ' ' '\n' | tr '\t' ' ' |
		sed 's/\\#/#/g; s/\$\$/$/g' | grep . | sort -u
}

# Those that are not the system's.
find_headers() {
	headers=$(cat "$work"/*.d 2>/dev/null | read_names)
	headers=$headers${headers:+$newline}
}

# After an error in $file: what it has read by now too, and each place where
# what it lacks could be.
find_missing() {
	# shellcheck disable=SC2086 # words
	missing_names=$($compile_by ${CPPFLAGS-} $cflags ${CFLAGS-} -MM -MG \
		-MT o "$file" 2>/dev/null | read_names)
	missing_folders=$({
		printf '%s\n' "$missing_names" | sed '/\//!s/.*/.\//; s/[^/]*$//'
		for missing_word in ${CPPFLAGS-} ${CFLAGS-}; do
			case $missing_word in
			-I?*) printf '%s/\n' "${missing_word#-I}" ;;
			esac
		done
	} | sort -u)
	headers=$headers$(printf '%s\n' "$missing_names" |
		while IFS= read -r missing_name; do
			case $missing_name in
			/*) ;;
			*) [ -e "$missing_name" ] || {
				printf '%s\n' "$missing_folders" |
					sed "s|\$|$(printf '%s\n' \
					"$missing_name" | sed 's/[|&\]/\\&/g')|"
				continue
			} ;;
			esac
			printf '%s\n' "$missing_name"
		done)$newline
	headers=$(printf '%s' "$headers" | grep . | sort -u)$newline
}

# For those who cannot go on without the plugin.
compile_or_die() {
	compile "$@" || die $? "$compile_failed cannot be compiled: see above"
}

# try_plugin: does the host take it? Says what it is.
try_plugin() {
	try_dump=$(with_runtime "$bevhost" --dump-plugin="$1") || return
	try_model=$(printf '%s\n' "$try_dump" | sed -n 's/^model=//p')
	try_name=$(printf '%s\n' "$try_dump" | sed -n 's/^name=//p')
}

word_build() {
	output='' build_sanitizers='' wants=''
	for build_word; do
		shift
		if [ -n "$wants" ]; then
			output=$build_word
			wants=
			continue
		fi
		# shellcheck disable=SC2034 # quiet is say.sh's
		case $build_word in
		-o | --output) wants=$build_word ;;
		--output=*) output=${build_word#*=} ;;
		-s | --sanitizers) build_sanitizers=yes ;;
		-q | --quiet) quiet=yes ;;
		-v | --verbose) verbose=yes ;;
		-*) unknown option "$build_word" \
			'-o --output -s --sanitizers -q --quiet -v --verbose --help' ;;
		*) set -- "$@" "$build_word" ;;
		esac
	done
	[ -z "$wants" ] || takes_value "$wants" 0
	take_plugin "$@"
	shift "$taken"
	[ $# -eq 0 ] || usage "'$1' is no C file"
	[ -n "$sources" ] || usage "'$plugin' is compiled already, or is no C" \
		"file"
	output=${output:-$name.so}
	case $output in
	*/*) ;;
	*) output=./$output ;;
	esac
	[ -d "${output%/*}" ] || die "$EX_CANTCREAT" "${output%/*}: there is" \
		"no such folder to write into"
	[ -w "${output%/*}" ] || die "$EX_CANTCREAT" "${output%/*}: nothing" \
		"may be written into this folder: is it yours?"
	[ ! -d "$output" ] || die "$EX_CANTCREAT" "$output is a folder: name" \
		"a file in it"
	need_bevhost
	need_compiler
	[ -z "$build_sanitizers" ] || need_sanitizers
	# shellcheck disable=SC2086 # words
	compile_or_die "$output" $sanitizer
	try_plugin "$output" || die "$EX_CONFIG" "$output is there, but" \
		"bevhost does not take it: see above"
	say "$output is the plugin $try_name ($try_model)"
}
