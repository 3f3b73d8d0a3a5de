# SPDX-License-Identifier: BSD-2-Clause
#
# What the headers of the interface declare, from headers whose comments are
# taken out: a line for each thing.
#
#	struct NAME			and its members as text after a tab
#	member STRUCT MEMBER
#	value NAME			of an enum, or of a macro that is a number
#	function NAME			and its declaration after a tab
#
# It knows C as it is written there: no bit-fields, no unnamed structs, no
# initializers.

# Without comments and lines of the preprocessor, but for its numbers.
function clean(line,    at, end, out) {
	out = ""
	for (;;) {
		if (in_comment) {
			end = index(line, "*/")
			if (!end)
				return out
			line = substr(line, end + 2)
			in_comment = 0
		}
		at = index(line, "/*")
		if (!at)
			return out line
		out = out substr(line, 1, at - 1) " "
		line = substr(line, at + 2)
		in_comment = 1
	}
}

function squeeze(text) {
	gsub(/[ \t\n]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

# The names of "const char *name, *other", "int (*call)(void *, int)", and so on.
function members(name, body,    count, lines, i, words, n, j, word) {
	count = split(body, lines, ";")
	for (i = 1; i <= count; i++) {
		word = squeeze(lines[i])
		if (word == "")
			continue
		if (match(word, /\(\*[a-z0-9_]+/)) {
			print "member", name, \
				substr(word, RSTART + 2, RLENGTH - 2)
			continue
		}
		n = split(word, words, ",")
		for (j = 1; j <= n; j++) {
			word = words[j]
			sub(/\[.*/, "", word)
			match(word, /[a-z0-9_]+ *$/)
			print "member", name, squeeze(substr(word, RSTART))
		}
	}
}

function values(body,    count, words, i, word) {
	count = split(body, words, ",")
	for (i = 1; i <= count; i++) {
		word = squeeze(words[i])
		sub(/ *=.*/, "", word)
		if (word != "")
			print "value", word
	}
}

# A whole declaration: what is before its braces, and what is in them.
function declare(head, body,    name) {
	head = squeeze(head)
	if (body != "" && head ~ /^struct [a-z0-9_]+$/) {
		name = substr(head, 8)
		print "struct " name "\t" squeeze(body)
		members(name, body)
	} else if (body != "" && head ~ /^enum [a-z0-9_]+$/) {
		values(body)
	} else if (body == "" && head !~ /^typedef / &&
	    match(head, /bevhost_[a-z0-9_]+ *\(/)) {
		name = substr(head, RSTART, RLENGTH - 1)
		print "function " squeeze(name) "\t" head ";"
	}
}

{
	line = clean($0)
	if (continues || line ~ /^[ \t]*#/) {
		if (!continues && line ~ /^#define BEVHOST_[A-Z0-9_]+[ \t]+\(?[0-9]/)
			print "value", $2
		continues = line ~ /\\$/
		next
	}
	if (line ~ /^extern "C" \{/)
		next
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (c == "{" && depth++ == 0) {
			body = " "
		} else if (c == "}" && depth > 0) {
			# A function's has no ';' after it.
			if (--depth == 0 && head ~ /\)[ \t\n]*$/)
				head = body = ""
		} else if (c == "}") {
			# Of extern "C".
		} else if (depth > 0) {
			body = body c
		} else if (c == ";") {
			declare(head, body)
			head = body = ""
		} else {
			head = head c
		}
	}
	if (depth > 0)
		body = body "\n"
	else
		head = head "\n"
}
