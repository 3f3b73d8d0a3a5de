# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A project to begin with: the files of template/, with the name put in.
# shellcheck disable=SC2154 # what bevhost-dev and say.sh have set

models='callbacks generator async'

help_new() {
	cat <<'END'
Usage: bevhost-dev new [OPTION]... NAME
Make a folder NAME with a plugin of that name: its source, a test, a
conversation, and what configure and make need.

  -m, --model=MODEL        how the handler is written: callbacks (libevent's),
                           generator (one function that yields), or async (one
                           function that waits; the default)

NAME is a lower case letter, then letters, digits and single dashes. It does not
begin with test, as the sources of tests do.
END
}

# A name that would do in its place, for the message.
better_name() {
	printf '%s\n' "$1" | tr 'A-Z_. ' 'a-z---' | tr -cd 'a-z0-9-\n' |
		sed 's/--*/-/g; s/^[0-9-]*//; s/-$//'
}

check_name() {
	case $1 in
	*"$newline"*) usage "the name has a line break in it: it is a lower" \
		"case letter, then letters, digits and single dashes" ;;
	esac
	if printf '%s\n' "$1" | LC_ALL=C grep -qxE '[a-z][a-z0-9]*(-[a-z0-9]+)*'
	then
		[ "${#1}" -le 40 ] || usage "'$1' is too long for the name of" \
			"a plugin: 40 letters will do"
		case $1 in
		bevhost | bufferevent | evbuffer | event) usage "functions" \
			"of $1's own begin with $1_: take another name, such" \
			"as my-$1" ;;
		# add_folder leaves them out.
		test*) usage "sources whose names begin with test are tests:" \
			"take another name, such as my-$1" ;;
		esac
		return
	fi
	better=$(better_name "$1")
	[ -z "$better" ] || better=", such as '$better'"
	usage "'$1' cannot be the name of a plugin, and begin the names of C" \
		"functions: it is a lower case letter, then letters, digits" \
		"and single dashes$better"
}

# fill TEMPLATE FILE: functions have _ for what is - in the name.
fill() {
	mkdir -p "$(dirname "$2")" &&
		sed -e '/SPDX-License-Identifier/d' \
			-e "s/skeleton_/${prefix}_/g" \
			-e "s/SKELETON/$(printf '%s\n' "$prefix" |
				tr '[:lower:]' '[:upper:]')/g" \
			-e "s/skeleton/$name/g" "$share/template/$1" >"$2"
}

new_files() {
	fill "$model.c" "$name.c" &&
		fill skeleton.conv "$name.conv" &&
		fill test_skeleton.c "tests/test_$name.c" &&
		fill configure.ac configure.ac &&
		fill Makefile.am Makefile.am &&
		fill README.md README.md &&
		fill gitignore .gitignore &&
		mkdir m4 && cp "$macros/bevhost.m4" m4/
}

# What comes next, so that it can be copied.
new_hint() {
	[ -z "$quiet" ] || return 0
	hint_path=
	hint_tool=${PKG_CONFIG:-pkg-config}
	if is_program "$hint_tool" && ! $hint_tool --exists bevhost &&
		[ -f "$pkgconfig/bevhost.pc" ]; then
		hint_path="    export PKG_CONFIG_PATH=$pkgconfig$newline"
	fi
	cat <<END
$name is a plugin of the model $model. To serve it, and compile it at each save:

${hint_path}    cd $name
    bevhost-dev run .

To test and install it:

    autoreconf -fi && ./configure && make check
    make install
END
}

word_new() {
	model=async
	wants=
	for new_word; do
		shift
		if [ -n "$wants" ]; then
			model=$new_word
			wants=
			continue
		fi
		case $new_word in
		-m | --model) wants=$new_word ;;
		-q | --quiet) quiet=yes ;;
		--model=*) model=${new_word#*=} ;;
		-*) unknown option "$new_word" '-m --model -q --quiet --help' ;;
		*) set -- "$@" "$new_word" ;;
		esac
	done
	[ -z "$wants" ] || takes_value "$wants" 0
	case " $models " in
	*" $model "*) ;;
	*) unknown model "$model" "$models" ;;
	esac
	[ $# -gt 0 ] || usage 'the new plugin wants a name'
	[ $# -eq 1 ] || usage "one name is enough: what is '$2'?"
	name=$1
	check_name "$name"
	prefix=$(printf '%s\n' "$name" | tr - _)
	[ ! -e "$name" ] || die "$EX_CANTCREAT" "$name is there already: take" \
		"another name, or move it away"
	{ mkdir "$name" 2>/dev/null && cd "$name"; } || die "$EX_CANTCREAT" \
		"the folder $name cannot be made here: is this folder yours?"
	trap 'cd .. && rm -rf "$name"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	new_files || die "$EX_CANTCREAT" "$name cannot be filled: see above"
	trap - EXIT HUP INT TERM
	new_hint
}
