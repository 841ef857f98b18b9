#!/bin/sh
# SPDX-License-Identifier: ISC
# tests/deps.sh - the Debian packages that building and testing needs
#
# Installs those that are missing if it may, else prints the one command that
# does and fails.  Systems without dpkg look after themselves.
set -eu

command -v dpkg-query >/dev/null || exit 0

native=$(dpkg --print-architecture)
packages="gcc make libc6-dev clang libclang-rt-dev binutils pkg-config
	libcmocka-dev:$native git util-linux mawk clang-format universal-ctags
	xz-utils tcl gdb curl wrk llvm g++ python3 sqlite3 chromium
	groff-base fonts-dejavu-core"

# Not redis-server: installing that starts a service.  Its program is in here.
packages="$packages redis-tools"

case $(uname -m) in
x86_64)
	packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross
		qemu-user libcmocka-dev:arm64 libc6:arm64 gdb-multiarch"
	foreign=arm64
	;;
*)
	foreign=
	;;
esac

# Debian 12 has it in backports, which .ci/run adds.
if test "${CI-}" = true || apt-cache show golang-1.23-go >/dev/null 2>&1; then
	packages="$packages golang-1.23-go"
fi

missing=
for p in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) || :
	test "$status" = installed || missing="$missing $p"
done
test -n "$missing" || exit 0

add=
if test -n "$foreign" && ! dpkg --print-foreign-architectures | grep -qx "$foreign"; then
	add="dpkg --add-architecture $foreign && "
fi
install="${add}apt-get update && apt-get install -y --no-install-recommends$missing"

if test "$(id -u)" -ne 0; then
	echo "Packages are missing.  As root:" >&2
	echo "    $install" >&2
	exit 1
fi
echo "  APT    $missing"
export DEBIAN_FRONTEND=noninteractive
if ! sh -c "$install" >/tmp/gort-apt.$$ 2>&1; then
	cat /tmp/gort-apt.$$ >&2
	rm -f /tmp/gort-apt.$$
	echo "Failed: $install" >&2
	exit 1
fi
rm -f /tmp/gort-apt.$$
