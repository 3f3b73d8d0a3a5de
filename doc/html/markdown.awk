# SPDX-License-Identifier: BSD-2-Clause
#
# What cmark-gfm makes of a page of the guide, for `make html`: anchors for the
# headings, links to what is told of by name, tables that scroll.

BEGIN {
	while ((getline line <manuals) > 0) {
		dot = match(line, /\.[1-9]$/)
		word = substr(line, 1, dot - 1) "(" substr(line, dot + 1) ")"
		is_page[word] = line ".html"
	}
	while ((getline line <functions) > 0) {
		split(line, words, " ")
		page_of[words[1]] = words[2]
	}
}

# As GitHub makes it of a heading.
function anchor(text)
{
	gsub(/<[^>]*>/, "", text)
	gsub(/&[a-z]*;/, "", text)
	text = tolower(text)
	gsub(/[^-a-z0-9_ ]/, "", text)
	gsub(/ /, "-", text)
	if (seen[text]++)
		text = text "-" (seen[text] - 1)
	return text
}

# Where a link of the sources leads among the pages.
function target(href)
{
	if (href ~ /^(https?:|#)/)
		return href
	sub(/^\.\.\/src\/([a-z]*\/)?/, "", href)
	sub(/^\.\.\/plugins\/[^\/]*\//, "", href)
	sub(/^\.\.\/include\/bevhost\//, "include-bevhost-", href)
	sub(/^\.\.\//, "", href)
	if (href ~ /^README\.md/)
		sub(/^README\.md/, "index.html", href)
	sub(/\.md$/, ".html", href)
	sub(/\.md#/, ".html#", href)
	if (href ~ /\.([1-9]|h)$/)
		href = href ".html"
	else
		sub(/\.[1-9]#/, ".html#", href)
	return href
}

function retarget(line,    done, href)
{
	done = ""
	while (match(line, /<a href="[^"]*"/)) {
		href = substr(line, RSTART + 9, RLENGTH - 10)
		done = done substr(line, 1, RSTART - 1) "<a href=\"" \
		    target(href) "\""
		line = substr(line, RSTART + RLENGTH)
	}
	return done line
}

# Links what a text names, a piece between two tags.
function name_links(text,    done, word)
{
	done = ""
	while (match(text, /[a-z][-a-z.0-9]*\([1-9]\)/)) {
		word = substr(text, RSTART, RLENGTH)
		done = done substr(text, 1, RSTART - 1)
		if (word in is_page)
			word = "<a href=\"" is_page[word] "\">" word "</a>"
		done = done word
		text = substr(text, RSTART + RLENGTH)
	}
	return done text
}

function code_links(text,    word)
{
	word = text
	sub(/\(.*/, "", word)
	if (text ~ /^[a-zA-Z0-9_]+(\(.*\))?$/ && word in page_of)
		return "<a href=\"" page_of[word] "\">" text "</a>"
	return name_links(text)
}

# Piece by piece between the tags; nothing in a link or a block is touched.
function links(line,    done, tag, text)
{
	done = ""
	while (line != "") {
		if (!match(line, /<[^>]*>/)) {
			text = line
			tag = ""
			line = ""
		} else {
			text = substr(line, 1, RSTART - 1)
			tag = substr(line, RSTART, RLENGTH)
			line = substr(line, RSTART + RLENGTH)
		}
		if (in_link || in_block)
			done = done text tag
		else if (in_code)
			done = done code_links(text) tag
		else
			done = done name_links(text) tag
		if (tag ~ /^<a /)
			in_link = 1
		else if (tag == "</a>")
			in_link = 0
		else if (tag ~ /^<pre/)
			in_block = 1
		else if (tag == "</pre>")
			in_block = 0
		else if (tag ~ /^<code/)
			in_code = 1
		else if (tag == "</code>")
			in_code = 0
	}
	return done
}

!in_block && /^<h[1-6]>.*<\/h[1-6]>$/ {
	level = substr($0, 3, 1)
	text = substr($0, 5, length($0) - 9)
	id = anchor(text)
	printf "<h%s id=\"%s\"><a class=\"permalink\" href=\"#%s\">", level, id, id
	print text "</a></h" level ">"
	next
}
!in_block && /^<table>$/ { printf "<div class=\"scroll\">" }
{ print links(retarget($0)) }
!in_block && /^<\/table>$/ { print "</div>" }
