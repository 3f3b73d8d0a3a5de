# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What bevhost-dev says, and how it ends.
# shellcheck disable=SC2034 # the statuses are for the others

EX_USAGE=64
EX_DATAERR=65
EX_NOINPUT=66
EX_UNAVAILABLE=69
EX_SOFTWARE=70
EX_OSERR=71
EX_CANTCREAT=73
EX_IOERR=74
EX_CONFIG=78

quiet=${quiet-}

# What goes on: nothing with -q.
say() {
	[ -n "$quiet" ] || printf 'bevhost-dev: %s\n' "$*" >&2
}

complain() {
	printf 'bevhost-dev: %s\n' "$*" >&2
}

# die STATUS TEXT...
die() {
	die_status=$1
	shift
	complain "$@"
	exit "$die_status"
}

usage() {
	complain "$@"
	complain "(\`bevhost-dev --help${word:+ $word}' says more)"
	exit "$EX_USAGE"
}

# nearest WORD CANDIDATES: the one that was meant, or nothing. Two letters that
# are exchanged count as one mistake.
nearest() {
	printf '%s\n' "$2" | tr ' ' '\n' | awk -v word="$1" '
	function distance(a, b, i, j, cost, best, d) {
		for (i = 0; i <= length(a); i++)
			d[i, 0] = i
		for (j = 0; j <= length(b); j++)
			d[0, j] = j
		for (i = 1; i <= length(a); i++)
			for (j = 1; j <= length(b); j++) {
				cost = substr(a, i, 1) != substr(b, j, 1)
				best = d[i - 1, j - 1] + cost
				if (d[i - 1, j] + 1 < best)
					best = d[i - 1, j] + 1
				if (d[i, j - 1] + 1 < best)
					best = d[i, j - 1] + 1
				if (i > 1 && j > 1 && substr(a, i, 1) == \
				    substr(b, j - 1, 1) && substr(b, j, 1) == \
				    substr(a, i - 1, 1) && d[i - 2, j - 2] + 1 < best)
					best = d[i - 2, j - 2] + 1
				d[i, j] = best
			}
		return d[length(a), length(b)]
	}
	BEGIN { least = length(word) < 4 ? 2 : 3 }
	$0 != "" && (far = distance(word, $0)) < least {
		least = far
		found = $0
	}
	END { print found }'
}

# unknown KIND WORD CANDIDATES
unknown() {
	unknown_near=$(nearest "${2%%=*}" "$3")
	[ -z "$unknown_near" ] ||
		usage "unknown $1 '$2', did you mean '$unknown_near'?"
	usage "unknown $1 '$2': there are $(printf '%s' "$3" | tr -s '\n\t' '  ')"
}

# takes_value OPTION COUNT: is there a word after it?
takes_value() {
	[ "$2" -gt 1 ] || usage "$1 needs a value"
}
