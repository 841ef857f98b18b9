# SPDX-License-Identifier: ISC
# tests/corpus/corpus.sh - for the scripts here; source it after tap.sh
#
# Fetches the sources of other programs once, builds them plain and for
# goroutines, and compares what both print.
#
# Sources are kept in build/corpus/src, or in $O if that is elsewhere;
# "make distclean" removes them.  Objects are kept in $O/corpus.
#
# Environment: the configuration of the build

# This CPU, and on x86-64 arm64 beside it, under an emulator.
arches=("$ARCH")
if [[ $ARCH = x86_64 && ! $EMULATOR ]]; then
	arches+=(arm64)
fi

if [[ $SANITIZE ]]; then
	echo "1..0 # SKIP the corpus is built without sanitizers"
	exit 0
fi

case $O in
build/*)	src=$PWD/build/corpus/src ;;
/*)		src=$O/corpus/src ;;
*)		src=$PWD/$O/corpus/src ;;
esac
objects=$O/corpus
declare -A outs
mkdir -p "$objects" "$src" || exit 1

case $CC in
*clang*)	is_clang=1 ;;
*)		is_clang= ;;
esac

# A make or configure of its own, for the machine we are on
clean_env=(env -u O -u ARCH -u CC -u CROSS_COMPILE -u EMULATOR -u AR -u LD
	-u NM -u OBJCOPY -u EXTRA_CFLAGS -u CC_CMD)

# ---- the sources ----

need()
{
	command -v "$1" >/dev/null && return
	((EUID == 0)) && tests/deps.sh && command -v "$1" >/dev/null && return
	echo "$1 is not installed.  As root: apt-get update && apt-get install -y $2"
	return 1
}

# own_sources dir: a list of source packages like the system's, for the release
# it runs, whichever of apt's two formats it is in
own_sources()
{
	local dir=$1 release f n=0 want
	local list= parts=

	release=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
	for want in "$release" any; do
		for f in "$list" "$parts"/*.list "$parts"/*.sources; do
			[[ -f $f ]] || continue
			n=$((n + 1))
			awk -v want="$want" -v new="${f##*.}" '
			BEGIN { if (new == "sources") RS = "" }
			new == "sources" {
				types = suites = rest = field = ""
				off = 0
				lines = split($0, line, "\n")
				for (i = 1; i <= lines; i++) {
					if (line[i] ~ /^#/)
						continue
					if (line[i] !~ /^[ \t]/) {
						field = tolower(line[i])
						sub(/:.*/, "", field)
					}
					value = line[i]
					sub(/^[^ \t]*:/, "", value)
					if (field == "types")
						types = types " " value " "
					else if (field == "suites")
						suites = suites " " value
					else if (field == "enabled")
						off = value ~ /no|false|0/
					else if (field != "architectures")
						rest = rest line[i] "\n"
				}
				if (off || types !~ /[ \t]deb(-src)?[ \t]/)
					next
				lines = split(suites, line, " ")
				suites = ""
				for (i = 1; i <= lines; i++)
					if (want == "any" || line[i] == want)
						suites = suites " " line[i]
				if (suites)
					print "Types: deb-src\nSuites:" suites "\n" rest
				next
			}
			$1 == "deb" || $1 == "deb-src" {
				options = ""
				sub(/^[ \t]*deb(-src)?[ \t]+/, "")
				if (match($0, /^\[[^]]*\][ \t]*/)) {
					options = substr($0, 1, RLENGTH)
					$0 = substr($0, RLENGTH + 1)
				}
				sub(/#.*/, "")
				if (want == "any" || $2 == want)
					print "deb-src " options $0
			}' "$f" >"$dir/$n.${f##*.}"
			[[ -s $dir/$n.${f##*.} ]] || rm "$dir/$n.${f##*.}"
		done
		[[ ! $(ls "$dir") ]] || return 0
	done
	echo "apt has no sources: neither $list nor $parts lists any"
	return 1
}

# download dir package...: Debian's source packages, into dir.  Lists and caches
# are our own, nothing in /etc or /var changes.
download()
{
	local dir=$1 log
	shift
	local -a apt=(apt-get -q
		-o "Dir::Etc::sourcelist=/dev/null"
		-o "Dir::Etc::sourceparts=$dir/sources"
		-o "Dir::State::lists=$dir/lists"
		-o "Dir::Cache=$dir/cache"
		-o APT::Sandbox::User=root
		-o APT::Get::List-Cleanup=false
		-o Acquire::Languages=none
		-o Acquire::Retries=3)

	if ! command -v apt-get >/dev/null; then
		echo "apt-get is not installed, so $* cannot be fetched."
		return 1
	fi
	mkdir -p "$dir"/{sources,lists/partial,cache/archives/partial} &&
		own_sources "$dir/sources" || return
	if ! log=$(cd "$dir" && LC_ALL=C "${apt[@]}" update 2>&1 &&
			"${apt[@]}" source --download-only "$@" 2>&1); then
		echo "$log" | grep -v '^\(Get\|Hit\|Ign\):'
		echo "apt-get could not fetch the sources of $*: is the network there?"
		return 1
	fi
}

unpack_lua()
{
	need xz xz-utils && mkdir -p "$2" &&
		tar xf "$1"/lua5.4_*.orig.tar.* -C "$2" --strip-components=1 &&
		test -f "$2/src/lua.h"
}

# The one file that contains all of SQLite is made by its own build.
unpack_sqlite()
{
	need xz xz-utils && need tclsh tcl && mkdir -p "$2/tree" || return
	tar xf "$1"/sqlite3_*.orig.tar.* -C "$2/tree" --strip-components=1 &&
		(cd "$2/tree" && export CC=$HOSTCC &&
			./configure --disable-readline && make sqlite3.c) >"$2/log" 2>&1 ||
		{ tail -20 "$2/log"; return 1; }
	mv "$2/tree/sqlite3.c" "$2/tree/sqlite3.h" "$2" && rm -rf "$2/tree" "$2/log"
}

# sources name: $src/name is there.  Both packages come in one go.
sources()
{
	local dir=$src/.fetch

	exec 9>"$src/.lock"
	flock 9
	if [[ ! -d $src/$1 ]]; then
		if [[ ! -f $dir/complete ]]; then
			rm -rf "$dir"
			download "$dir" lua5.4 sqlite3 && touch "$dir/complete"
		fi
		if [[ -f $dir/complete ]]; then
			rm -rf "$src/$1.tmp"
			"${clean_env[@]}" bash -c "$(declare -f need "unpack_$1")
				unpack_$1 \"\$@\"" - "$dir" "$src/$1.tmp" &&
				mv "$src/$1.tmp" "$src/$1"
		fi
		[[ ! -d $src/lua || ! -d $src/sqlite ]] || rm -rf "$dir"
	fi
	exec 9>&-
	[[ -d $src/$1 ]] || {
		echo "Without network: copy $src from elsewhere."
		return 1
	}
}

# ---- compilers and the library ----

# cc_for arch: print the command
cc_for()
{
	if [[ $1 = "$ARCH" ]]; then
		echo "$CC_CMD"
	elif [[ $is_clang ]]; then
		echo "$CC --target=aarch64-linux-gnu"
	else
		echo "aarch64-linux-gnu-${CC##*/}"
	fi
}

emulator_for()
{
	if [[ $1 = "$ARCH" ]]; then
		echo "$EMULATOR"
	else
		# As in the Makefile: never the cross libc's loader with the
		# libraries of an installed arm64 libc.
		echo "qemu-aarch64$([[ -e /lib/ld-linux-aarch64.so.1 ]] ||
			echo ' -L /usr/aarch64-linux-gnu')"
	fi
}

# missing_for arch: what is not installed; fails if nothing
missing_for()
{
	local tool

	for tool in $(cc_for "$1" | cut -d' ' -f1) $(emulator_for "$1" | cut -d' ' -f1); do
		command -v "$tool" >/dev/null || { echo "$tool"; return; }
	done
	return 1
}

# library arch: install as a user does, into $objects/arch/dest
library()
{
	local dest=$objects/$1/dest status

	exec 9>"$objects/.lock"
	flock 9
	if [[ $1 = "$ARCH" ]]; then
		make install "DESTDIR=$dest" PREFIX=/usr
	else
		env -u O -u CROSS_COMPILE -u EMULATOR -u AR -u LD -u NM -u OBJCOPY \
			-u CC_CMD make -j2 install "ARCH=$1" "O=$objects/$1/lib" \
			"DESTDIR=$dest" PREFIX=/usr
	fi
	status=$?
	exec 9>&-
	return $status
}

# gort what arch: the flags for users
gort()
{
	env -u PKG_CONFIG_SYSROOT_DIR -u PKG_CONFIG_LIBDIR \
		PKG_CONFIG_PATH="$objects/$2/dest/usr/lib/pkgconfig" \
		pkg-config "--$1" gort
}

assembler()
{
	echo "$objects/$1/dest/usr/lib/gort/as"
}

# ---- compiling ----

# object variant name source flag...: compile source for that variant ("plain"
# or a CPU) to name.o of the program, unless it is there from the same command,
# source, compiler and assembler.  compile does the work.
object()
{
	local variant=$1 out=$objects/$1/$program/$2.o source=$3 tool= cc=$HOSTCC
	shift 3
	set -- "$@" ${EXTRA_CFLAGS-}

	if [[ $variant = plain ]]; then
		set -- "$@" -DPLAIN
	else
		cc=$(cc_for "$variant")
		tool=$(assembler "$variant")
		set -- "$@" $(gort cflags "$variant") -fstack-usage -save-temps=obj
	fi
	set -- $cc "$@" -c "$source" -o "$out"
	outs[$variant]+=" $out"

	mkdir -p "${out%/*}"
	{
		printf '%s\n' "$*"
		$cc --version | head -1
		cat "$source" tests/corpus/*.h $tool | cksum
	} >"$out.want"
	if [[ -e $out ]] && cmp -s "$out.want" "$out.made"; then
		return
	fi
	rm -f "$out" "$out.made"
	printf '%s >%q 2>&1 && mv %q %q\n' "$(printf '%q ' "$@")" "$out.log" \
		"$out.want" "$out.made" >>"$tap_tmp/.queue"
}

# Two at a time
compile()
{
	touch "$tap_tmp/.queue"
	xargs -d '\n' -n 1 -P 2 sh -c <"$tap_tmp/.queue"
	rm "$tap_tmp/.queue"
}

# link variant name object...
link()
{
	local variant=$1 out=$objects/$1/$program/$2 o status=0
	shift 2

	for o; do
		if [[ ! -e $o.made ]]; then
			cat "$o.log"
			status=1
		fi
	done
	if ((status)); then
		return 1
	elif [[ $variant = plain ]]; then
		$HOSTCC "$@" -pthread -lm -o "$out"
	else
		$(cc_for "$variant") "$@" $(gort libs "$variant") -lm -o "$out"
	fi
}

# frames arch: what the tool thinks of the stack, against the compiler
frames()
{
	local out base=0 said n=0 status=0

	[[ $1 != x86_64 || $is_clang ]] || base=8
	for out in ${outs[$1]}; do
		out=${out%.o}
		# clang writes none for a file without functions.
		touch "$out.su"
		if said=$("$(assembler "$1")" --gort-frames "$out.s" >"$out.frames" &&
				awk -f tests/corpus/frames.awk -v base=$base \
				"$out.su" "$out.frames" 2>&1); then
			n=$((n + said))
		else
			printf 'in %s:\n%s\n' "$out.s" "$said"
			status=1
		fi
	done
	echo "$n frames compared"
	((n)) && return $status
}

# ---- running ----

# same arch mode binary argument...: it prints what the plain build prints.
# mode: native, or a value of GORTDEBUG's maymorestack, or of both with at
# least that many KiB of stack, "native,1024".
same()
{
	local arch=$1 mode=${2%,*} least= binary=$3 log=$tap_tmp/run status peak
	local plain=$tap_tmp/plain
	[[ $2 != *,* ]] || least=${2#*,}
	shift 3

	plain+=$(printf '%s' "-$*" | tr -c '0-9A-Za-z' -)
	if [[ ! -e $plain ]]; then
		timeout -k 5 300 "$objects/plain/$program/$program" "$@" \
			>"$plain.part" || { echo "plain: exit status $?"; return 1; }
		mv "$plain.part" "$plain"
	fi
	(
		export GORTDEBUG=${GORTDEBUG-}
		[[ $mode = native ]] ||
			GORTDEBUG=${GORTDEBUG:+$GORTDEBUG,}maymorestack=$mode
		echo "GORTDEBUG=$GORTDEBUG $binary $*"
		exec timeout -k 5 300 $(emulator_for "$arch") \
			"$objects/$arch/$program/$binary" "$@" >"$log.out" 2>"$log.err"
	)
	status=$?
	tail -40 "$log.err"
	if ((status)); then
		echo "exit status $status"
		return 1
	fi
	diff "$plain" "$log.out" >"$log.diff" || { head -20 "$log.diff"; return 1; }
	if [[ $least ]]; then
		peak=$(sed -n 's/^stack_peak_kib=\([0-9]*\) .*/\1/p' "$log.err")
		((${peak:-0} >= least)) || { echo "only $peak KiB of stack"; return 1; }
	fi
}

# ---- all together ----

# must description command...: check, and fail if it failed
must()
{
	local before=$tap_failed ok

	tap_failed=0
	check "$@"
	ok=$((!tap_failed))
	tap_failed=$((before | tap_failed))
	((ok))
}

# corpus name: test that program.  The script has the functions
#
#	build variant		call object for each source
#	link_all variant	call link
#	runs speed		print "mode binary argument..." lines; speed is
#				native or emulated
#
# A plain build prints the same on every CPU, so there is only that of the
# machine.
corpus()
{
	local arch tool ready=() speed run
	program=$1

	if ! must "sources of $program" sources "$program"; then
		plan $tap_n
		finish
	fi
	build plain
	for arch in "${arches[@]}"; do
		if tool=$(missing_for "$arch"); then
			skip "$arch" "$tool"
		elif must "$arch: make install" library "$arch"; then
			build "$arch"
			ready+=("$arch")
		fi
	done
	compile
	check 'plain: builds' link_all plain
	for arch in "${ready[@]}"; do
		must "$arch: builds" link_all "$arch" || continue
		check "$arch: frames" frames "$arch"
		speed=native
		[[ ! $(emulator_for "$arch") ]] || speed=emulated
		while read -ra run; do
			check "$arch: ${run[*]//*\//}" same "$arch" "${run[@]}"
		done < <(runs $speed)
	done
	plan $tap_n
	finish
}
