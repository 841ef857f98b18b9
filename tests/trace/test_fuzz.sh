#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_fuzz.sh - a short run of the fuzzer, from a fixed seed
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

plan 1
if command -v clang >/dev/null; then
	O=$tap_tmp check 'nothing breaks the reader in 10 seconds' \
		bash tests/trace/fuzz.sh 10 -seed=1
else
	skip 'nothing breaks the reader in 10 seconds' clang
fi
finish
