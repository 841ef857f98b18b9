#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/stacksplit/test_stacksplit.sh - the matrix of run.sh on the tool built
#
# Where everything must be there (CI=true) a compiler or emulator that is
# missing is a failure.
#
# Environment: O, CI
set -u -o pipefail

missing='s/$//'
if test "${CI:-}" = true; then
	missing='s/^ok \(.*\) # SKIP/not ok \1 # missing:/'
fi
STACKSPLIT=$O/tools/stacksplit BUILD=$O/tests/stacksplit/matrix \
	tests/stacksplit/run.sh | sed "$missing"
