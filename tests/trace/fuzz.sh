#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/fuzz.sh - fuzz the reader of traces
#
#	fuzz.sh seconds [option of libFuzzer...]
#
# Half of the time as it is, half with more than two threads being many (see
# frontier.c).  What was found to lead somewhere new stays in $O/fuzz/corpus,
# what breaks something in $O/fuzz.
#
# Environment: O
set -eu
cd "$(dirname "$0")/../.."

seconds=$1
shift
command -v clang >/dev/null ||
	{ echo 'fuzz.sh: clang is not installed' >&2; exit 1; }
mkdir -p "$O/fuzz/corpus"
for tried in 12 2; do
	clang -std=gnu11 -g -O1 -I. -DMAX_TRIED=${tried}u \
		-fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -o "$O/fuzz/reader$tried" \
		tests/trace/fuzz_reader.c trace/reader/*.c
done
for tried in 12 2; do
	"$O/fuzz/reader$tried" -max_total_time=$((seconds / 2)) -timeout=10 \
		-max_len=20000 -print_final_stats=1 "$@" \
		-artifact_prefix="$O/fuzz/" \
		"$O/fuzz/corpus" tests/trace/corpus
done
