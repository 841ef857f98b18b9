#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/kernel/test_openmetrics.sh - what gort_metrics_write() writes is
# OpenMetrics text, by a checker that knows what is not
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

export LC_ALL=C
bin=$O/tests/kernel/openmetrics_prog
written=$tap_tmp/text

valid()
{
	awk -f tests/kernel/openmetrics.awk "$1"
}

# All that there may be.
good='# TYPE a_bytes gauge
# UNIT a_bytes bytes
# HELP a_bytes Some \\\\ \\n \\" text.
a_bytes 1.5
# HELP b B.
# TYPE b counter
b_total 0
# TYPE c_seconds histogram
# UNIT c_seconds seconds
# HELP c_seconds C.
c_seconds_bucket{le="0.1"} 0
c_seconds_bucket{le="2.0"} 3
c_seconds_bucket{le="1e+01"} 3
c_seconds_bucket{le="+Inf"} 4
c_seconds_count 4
c_seconds_sum 12.5
# EOF
'

is_good()
{
	printf "$good" >"$written" && valid "$written"
}

# broken sed-script message: after the script the checker says so
broken()
{
	local said
	printf "$good" | sed -E "$1" >"$written"
	cmp -s "$written" <(printf "$good") && echo "no change: $1" && return 1
	said=$(valid "$written")
	if (($? != 1)) || [[ $said != *"$2"* ]]; then
		echo "sed '$1': got '$said', want '$2'"
		return 1
	fi
}

ends()
{
	broken '$d' 'no EOF' && broken '$a a_bytes 1' 'after EOF' &&
		broken '$a # EOF' 'after EOF' && broken '3a\\' 'empty line'
}

names()
{
	broken 's/a_bytes/1_bytes/' 'bad name' &&
		broken 's/b_total/b/' '_total' &&
		broken 's/\bb\b/b_total/' 'reserved' &&
		broken 's/a_bytes 1.5/a_byte 1.5/' 'not of the family' &&
		broken 's/^a_bytes/a_bytes_total/' 'not of the family' &&
		broken 's/c_seconds_sum/c_seconds_max/' 'not of the family'
}

metadata()
{
	broken '/TYPE a_bytes/d' 'no TYPE' &&
		broken '/HELP b/d' 'no HELP' &&
		broken '/^b_total/d' 'no sample' &&
		broken 's/bytes bytes/bytes byte/' 'unit' &&
		broken 's/c_seconds seconds/c_seconds c_seconds/' 'unit' &&
		broken 's/b counter/b unknown/' 'type' &&
		broken 's/b counter/b/' 'bad metadata' &&
		broken 's/# TYPE b/#TYPE b/' 'bad metadata' &&
		broken 's/# TYPE b/# Type b/' 'bad metadata' &&
		broken '6{p}' 'second TYPE' && broken '2{p}' 'second UNIT' &&
		broken '5{p}' 'second HELP' &&
		broken '4{p;s/.*/# UNIT a_bytes bytes/}' 'after a sample'
}

escaping()
{
	broken 's/HELP b .*/HELP b A "quote"./' 'escaped' &&
		broken 's/HELP b .*/HELP b A \\t./' 'escaped' &&
		broken 's/HELP b .*/HELP b At the end\\/' 'escaped'
}

# A family in two parts, and one sample twice.
order()
{
	broken '7a # HELP a_bytes Again.' 'there already' &&
		broken '7a a_bytes 1' 'not of the family' &&
		broken '4{p}' 'there already' &&
		broken '12{p}' 'there already' &&
		broken '16{p}' 'there already'
}

values()
{
	broken 's/^a_bytes 1.5/a_bytes x/' 'bad value' &&
		broken 's/^a_bytes 1.5/a_bytes/' 'bad sample' &&
		broken 's/^a_bytes 1.5/a_bytes  1/' 'bad sample' &&
		broken 's/^a_bytes 1.5/a_bytes{x="1"} 1/' 'labels' &&
		broken 's/^b_total 0/b_total -1/' 'counter' &&
		broken 's/^b_total 0/b_total NaN/' 'counter' &&
		broken 's/^c_seconds_count 4/c_seconds_count 4.5/' 'counts' &&
		broken 's/^c_seconds_sum .*/c_seconds_sum -1/' 'sum'
}

buckets()
{
	broken '/Inf/d' 'no bucket +Inf' &&
		broken 's/"\+Inf"/"100"/' 'no bucket +Inf' &&
		broken '11{h;d};12G' 'after' &&
		broken 's/"0.1"} 0/"0.1"} 4/' 'the one before' &&
		broken 's/_count 4/_count 5/' 'count' &&
		broken '/_count/d' 'no count' && broken '/_sum/d' 'no sum' &&
		broken 's/le="0.1"/lt="0.1"/' 'labels' &&
		broken 's/\{le="0.1"\}//' 'labels' &&
		broken 's/"0.1"/"x"/' 'border' &&
		broken '11{h;d};15G' 'after the count' &&
		broken 's/"0.1"} 0/"0.1"} 0.5/' 'counts'
}

writes()
{
	timeout 50 $EMULATOR "$bin" >"$written" && valid "$written"
}

# has pattern number: so many lines match
has()
{
	local n
	n=$(grep -cE "$1" "$written")
	echo "$1: $n lines, want $2"
	((n == $2))
}

# Borders are what they are whatever the program did.
borders()
{
	local b=gort_sched_latencies_seconds_bucket
	has "^${b}\{" 41 && has "^$b\{le=\"0\.000000255\"\} " 1 &&
		has "^$b\{le=\"0\.000000511\"\} " 1 &&
		has "^$b\{le=\"140737\.488355327\"\} " 1 &&
		has '^gort_gc_heap_allocs_by_size_bytes_bucket\{le="48.0"\}' 1
}

samples()
{
	has '^gort_sched_gomaxprocs_threads 3$' 1 &&
		has '^gort_sched_goroutines_created_goroutines_total 101$' 1 &&
		has '^gort_sched_pauses_total_gomaxprocs_seconds_count 1$' 1 &&
		has '^gort_timers_fired_timers_total 1$' 1 &&
		has '^gort_memory_classes_total_bytes [1-9]' 1 &&
		has '^gort_sync_mutex_wait_total_seconds_total 0\.0$' 1 &&
		has '^gort_gc_heap_allocs_objects_total (1[1-9]|[2-9].)$' 1
}

# fails status command...: of the program
fails()
{
	local want=$1 got
	shift
	"$@"
	got=$?
	echo "exit status $got, want $want"
	((got == want))
}

to_full()
{
	timeout 50 $EMULATOR "$bin" >/dev/full
}

plan 13
check 'the checker takes what is right' is_good
check 'the end' ends
check 'names' names
check 'metadata' metadata
check 'escaping' escaping
check 'order' order
check 'values' values
check 'buckets' buckets
check 'it is built' make "$bin"
check 'all metrics are OpenMetrics' writes
check 'borders of buckets' borders
check 'values of metrics' samples
check 'no space' fails 28 to_full
finish
