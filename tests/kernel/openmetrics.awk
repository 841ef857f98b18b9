# SPDX-License-Identifier: ISC
# tests/kernel/openmetrics.awk - is this OpenMetrics text 1.0?
#
#	awk -f openmetrics.awk FILE
#
# What the specification demands of counters, gauges and histograms, and what
# "promtool check metrics" looks at besides.  Prints "line N: what is wrong"
# for the first mistake; the exit status is 1 then, else 0.
#
# Numbers are compared as awk has them, as doubles.

function wrong(what)
{
	if (!failed)
		printf "line %d: %s\n", NR, what
	failed = 1
	exit 1
}

# s without the suffix, or "" if it does not end in it
function before(s, suffix,	n)
{
	n = length(s) - length(suffix)
	return n > 0 && substr(s, n + 1) == suffix ? substr(s, 1, n) : ""
}

function is_number(s)
{
	return s ~ /^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$/ ||
	       s ~ /^[-+]?([Ii]nf|[Ii]nfinity)$/ || s == "NaN"
}

function number(s)
{
	if (s ~ /^\+?[Ii]nf/)
		return 1e308 * 10
	if (s ~ /^-[Ii]nf/)
		return -1e308 * 10
	return s + 0
}

# The family that is being read is complete.
function end_family()
{
	if (family == "")
		return
	if (type == "")
		wrong("no TYPE of " family)
	if (help == "")
		wrong("no HELP of " family)
	if (!samples)
		wrong("no sample of " family)
	if (type == "histogram")
		end_histogram()
}

function end_histogram()
{
	if (last_le != "+Inf")
		wrong("no bucket +Inf of " family)
	if (count == "")
		wrong("no count of " family)
	if (sum == "")
		wrong("no sum of " family)
	if (number(count) != below)
		wrong("count " count " of " family ", but " below " in +Inf")
}

function begin_family(name)
{
	end_family()
	if (name !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*$/)
		wrong("bad name " name)
	if (name in seen)
		wrong("family " name " is there already")
	if (name ~ /_(total|created|bucket|count|sum|info)$/)
		wrong("family " name " ends in a word that is reserved")
	seen[name] = 1
	family = name
	type = help = unit = last_le = count = sum = ""
	samples = 0
	below = 0
}

# # TYPE name text, and the like
function metadata(	name, text)
{
	if ($0 !~ /^# (TYPE|HELP|UNIT) [^ ]+ [^ ].*$/)
		wrong("bad metadata")
	name = $3
	text = $0
	sub(/^# [A-Z]+ [^ ]+ /, "", text)
	if (name != family)
		begin_family(name)
	if (samples)
		wrong($2 " after a sample of " family)
	if ($2 == "TYPE")
		set_type(text)
	else if ($2 == "UNIT")
		set_unit(text)
	else
		set_help(text)
}

function set_type(text)
{
	if (type != "")
		wrong("a second TYPE of " family)
	if (text !~ /^(counter|gauge|histogram)$/)
		wrong("type " text)
	type = text
}

function set_unit(text)
{
	if (unit != "")
		wrong("a second UNIT of " family)
	if (text !~ /^[a-zA-Z0-9_:]+$/ || before(family, "_" text) == "")
		wrong("unit " text " does not end " family)
	unit = text
}

function set_help(text,	rest)
{
	if (help != "")
		wrong("a second HELP of " family)
	rest = text
	gsub(/\\[\\n"]/, "", rest)
	if (rest ~ /[\\"]/)
		wrong("something not escaped in the HELP of " family)
	help = text
}

# name{labels} value
function sample(	name, labels, value, brace)
{
	if ($0 !~ /^[^ {]+(\{[^}]*\})? [^ ]+$/)
		wrong("bad sample")
	value = $NF
	name = substr($0, 1, length($0) - length(value) - 1)
	labels = ""
	brace = index(name, "{")
	if (brace) {
		labels = substr(name, brace)
		name = substr(name, 1, brace - 1)
	}
	if (family == "" || index(name, family) != 1)
		wrong(name " is not of the family " family)
	if (type == "")
		wrong("no TYPE before " name)
	if (!is_number(value))
		wrong("bad value " value)
	if ((name, labels) in values)
		wrong(name labels " is there already")
	values[name, labels] = 1
	samples++
	if (type == "counter")
		counter(name, labels, value)
	else if (type == "gauge")
		gauge(name, labels)
	else
		histogram(name, labels, value)
}

function counter(name, labels, value)
{
	if (name != family "_total")
		wrong("counter " name " does not end in _total")
	if (labels != "")
		wrong("labels of " name)
	if (value == "NaN" || number(value) < 0)
		wrong("counter " name " is " value)
}

function gauge(name, labels)
{
	if (name != family)
		wrong(name " is not of the family " family)
	if (labels != "")
		wrong("labels of " name)
}

function whole(name, value)
{
	if (value !~ /^[0-9]+$/)
		wrong(name " is " value ", which counts nothing")
}

function histogram(name, labels, value)
{
	if (name == family "_bucket") {
		whole(name, value)
		bucket(labels, value)
	} else if (labels != "") {
		wrong("labels of " name)
	} else if (name == family "_count") {
		whole(name, value)
		count = value
	} else if (name == family "_sum") {
		if (value == "NaN" || number(value) < 0)
			wrong("sum " name " is " value)
		sum = value
	} else {
		wrong(name " is not of the family " family)
	}
}

function bucket(labels, value,	le)
{
	if (labels !~ /^\{le="[^"]*"\}$/)
		wrong("labels " labels " of a bucket of " family)
	le = substr(labels, 6, length(labels) - 7)
	if (!is_number(le) || le == "NaN")
		wrong("border " le)
	if (count != "" || sum != "")
		wrong("a bucket after the count or the sum of " family)
	if (last_le != "" && number(le) <= number(last_le))
		wrong("border " le " after " last_le)
	if (number(value) < below)
		wrong("bucket " le " has " value ", the one before " below)
	last_le = le
	below = number(value)
}

ended {
	wrong("something after EOF")
}

/^# EOF$/ {
	end_family()
	ended = 1
	next
}

/^#/ {
	metadata()
	next
}

/^$/ {
	wrong("an empty line")
}

{
	sample()
}

END {
	if (!failed && !ended)
		wrong("no EOF")
	exit failed
}
