#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/samples/test_httpd.sh - httpd serves what it should, and nothing else
#
# By curl, by raw bytes through bash's /dev/tcp, and under load by wrk, for
# HTTPD_SECONDS (5).
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh

export LC_ALL=C
# A server that ends a connection early is for the tests to judge.
trap '' PIPE
unset GORTMAXPROCS http_proxy
: "${HTTPD_SECONDS:=5}"
bin=$O/tests/samples/httpd
root=$tap_tmp/root
pid=

# ---------------------------------------------------------------------------
# Server and clients

# start option...: a server; $port is where, $out what it prints
start()
{
	local line
	exec {out}< <(exec $EMULATOR "$bin" -d "$root" "$@")
	pid=$!
	read -r -t 50 -u "$out" line
	echo "$line"
	port=${line##*:}
	url=http://127.0.0.1:$port
	[[ $line =~ ^listening\ on\ 127\.0\.0\.1:[1-9][0-9]*$ ]]
}

# stopped: the server ends by itself, well, and says so; $totals
stopped()
{
	local status
	wait "$pid"
	status=$?
	pid=
	read -r -t 10 -u "$out" totals
	exec {out}<&-
	echo "exit status $status, '$totals'"
	((status == 0)) && [[ $totals =~ ^[0-9]+\ requests\ on\ [0-9]+\ con ]]
}

# stop [signal]
stop()
{
	test -n "$pid" && kill -"${1:-TERM}" "$pid" && stopped
}

# restart option...
restart()
{
	test -z "$pid" || stop
	start "$@"
}

trap 'test -z "$pid" || kill -KILL "$pid"; rm -rf "$tap_tmp"' EXIT

get()
{
	curl -sS -m 50 "$@"
}

# status want argument...: that is the status of what curl gets
status()
{
	local want=$1 got
	shift
	got=$(get -o "$tap_tmp/body" -w '%{http_code}' "$@")
	echo "status $got, want $want: $*"
	[[ $got = "$want" ]]
}

expect='Expect: 100-continue\r\n'
hello='GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'

# dial: a connection, $conn
dial()
{
	exec {conn}<>"/dev/tcp/127.0.0.1/$port"
}

hang_up()
{
	exec {conn}>&-
}

# say format...: bytes for $conn
say()
{
	local IFS=
	printf "$*" >&"$conn"
}

# heard: all that comes from $conn until the server closes, in file raw
heard()
{
	timeout 50 cat <&"$conn" >"$tap_tmp/raw"
	local status=$?
	hang_up
	cat -A "$tap_tmp/raw" | head -n 30
	((status == 0))
}

# raw format...: one connection, all at once
raw()
{
	dial && say "$@" && heard
}

# answers status...: of the responses in file raw, in order
answers()
{
	grep -ao 'HTTP/1\.1 [0-9]*' "$tap_tmp/raw" | cut -d ' ' -f 2 |
		diff <(printf '%s\n' "$@") -
}

# refused status format...: that is the only answer, and the connection ends
refused()
{
	local want=$1
	shift
	raw "$@" && answers "$want" &&
		grep -aq '^Connection: close' "$tap_tmp/raw"
}

# ---------------------------------------------------------------------------
# Files

make_files()
{
	mkdir -p "$root/dir" "$root/empty" "$tap_tmp/outside" &&
		echo secret >"$tap_tmp/outside/secret" &&
		echo inside >"$root/dir/inside.txt" &&
		echo hidden >"$root/dir/.hidden" &&
		echo odd >"$root/dir/a <b>&\"c'%20#?.txt" &&
		ln -s ../outside/secret "$root/link-file" &&
		ln -s ../outside "$root/link-dir" &&
		ln -s "$tap_tmp/outside/secret" "$root/link-absolute" &&
		ln -s /proc/self/root "$root/link-magic" &&
		mkfifo "$root/fifo" || return
	for n in 0 1 7999 8192 8193 100000; do
		head -c $n /dev/urandom >"$root/$n" || return
	done
	head -c 20000000 /dev/urandom >"$root/big" &&
		head -c 3000000 /dev/urandom >"$root/post"
}

files_are_exact()
{
	local n
	for n in 0 1 7999 8192 8193 100000 big; do
		get "$url/$n" | cmp - "$root/$n" || return
	done
	get "$url/%64ir/./inside%2Etxt" | cmp - "$root/dir/inside.txt"
}

head_has_no_body()
{
	raw 'HEAD /8193 HTTP/1.1\r\nHost: a\r\n\r\n' \
		'HEAD /dir/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' &&
		answers 200 200 &&
		grep -aq '^Content-Length: 8193' "$tap_tmp/raw" &&
		grep -aq '^Transfer-Encoding: chunked' "$tap_tmp/raw" &&
		(($(wc -c <"$tap_tmp/raw") < 500))
}

fields_are_there()
{
	get -D "$tap_tmp/head" -o "$tap_tmp/body" "$url/dir/inside.txt" &&
		tr -d '\r' <"$tap_tmp/head" >"$tap_tmp/fields"
	cat "$tap_tmp/fields"
	grep -qx 'Content-Type: text/plain; charset=utf-8' "$tap_tmp/fields" &&
		grep -qx 'Content-Length: 7' "$tap_tmp/fields" &&
		grep -qE '^Date: ..., [0-9]{2} ... [0-9]{4} [0-9:]{8} GMT$' \
			"$tap_tmp/fields" &&
		date -d "$(sed -n 's/^Date: //p' "$tap_tmp/fields")"
}

nothing_outside()
{
	local path
	for path in /../outside/secret /..%2foutside/secret \
		/%2e%2e/outside/secret /dir/../../outside/secret \
		/dir/..%2F..%2foutside%2fsecret /.%2e/outside/secret \
		/link-file /link-dir/secret /link-absolute /link-dir/ \
		"/link-magic$tap_tmp/outside/secret" "$tap_tmp/outside/secret" \
		/%2f%2f"$tap_tmp"/outside/secret; do
		get --path-as-is -o "$tap_tmp/body" -w "%{http_code} $path\n" \
			"$url$path" | tee "$tap_tmp/got"
		grep -qE '^40[04] ' "$tap_tmp/got" &&
			! grep -q secret "$tap_tmp/body" || return
	done
}

no_such_file()
{
	status 404 "$url/none" && status 404 "$url/big/" &&
		status 404 "$url/fifo" && status 400 "$url/%00" &&
		status 400 "$url/%zz" && status 404 "$url/$(printf '%0300d' 0)"
}

unreadable_file()
{
	: >"$root/locked" && chmod 0 "$root/locked"
	test -r "$root/locked" || status 403 "$url/locked"
}

listing()
{
	get -i "$url/dir/" >"$tap_tmp/body"
	cat "$tap_tmp/body"
	tr -d '\r' <"$tap_tmp/body" | grep -qx 'Transfer-Encoding: chunked' &&
		grep -qF '<a href="./inside.txt">inside.txt</a>' \
			"$tap_tmp/body" &&
		grep -qF 'a &#60;b&#62;&#38;&#34;c&#39;%20#?.txt</a>' \
			"$tap_tmp/body" &&
		! grep -q hidden "$tap_tmp/body" || return
	local odd
	odd=$(sed -n 's/.*href="\.\/\(a[^"]*\)".*/\1/p' "$tap_tmp/body")
	[[ $(get "$url/dir/$odd") = odd ]] &&
		get "$url/" | grep -qF '<a href="./dir/">dir/</a>'
}

# Not to "//dir/", which would be on another host.
redirected()
{
	local to
	status 301 "$url/dir" &&
		[[ $(get -L "$url/dir") = *inside.txt* ]] || return
	to=$(get -o "$tap_tmp/body" -w '%{redirect_url}' "$url///dir")
	echo "to $to"
	[[ $to = "$url/dir/" ]]
}

# ---------------------------------------------------------------------------
# Connections

curl_reuses()
{
	get -v "$url/hello" "$url/none" "$url/1" "$url/dir/" --output-dir \
		"$tap_tmp" -o 1 -o 2 -o 3 -o 4 2>"$tap_tmp/err"
	cat "$tap_tmp/err"
	(($(grep -c 'Re-using existing' "$tap_tmp/err") == 3))
}

pipeline=$hello'GET /none HTTP/1.1\r\nHost: a\r\n\r\n'
pipeline+='POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345\r\n'
pipeline+='POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
pipeline+='3;x\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\n'
pipeline+='GET /work?n=0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'$hello

pipelined()
{
	raw "$pipeline" && answers 200 404 200 200 200 &&
		tr -d '\r' <"$tap_tmp/raw" | grep -axq '12345HTTP/1.1 200 OK' &&
		tr -d '\r' <"$tap_tmp/raw" | grep -axq abcd
}

# So that the server sees many small pieces, cut anywhere.
dripping()
{
	local bytes i
	printf -v bytes "$pipeline" && dial || return
	for ((i = 0; i < ${#bytes} && i < 330; i++)); do
		printf %s "${bytes:i:1}" >&"$conn"
	done
	printf %s "${bytes:i}" >&"$conn" 2>/dev/null
	heard && answers 200 404 200 200 200
}

# A body that nobody wants does not become a request.
unwanted_body()
{
	raw 'GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n' \
		'GET /none HTTP/1.1\r\nHost: a\r\n\r\n..' \
		'POST /hello HTTP/1.1\r\nHost: a\r\n' \
		'Transfer-Encoding: chunked\r\n\r\n1\r\nG\r\n0\r\n\r\n' \
		'GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' &&
		answers 200 405 200
}

http_1_0()
{
	raw 'GET /hello HTTP/1.0\r\n\r\n' && answers 200 &&
		raw 'GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n' \
			'GET /dir/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n' \
			'GET /1 HTTP/1.0\r\n\r\n' &&
		answers 200 200 &&
		grep -aq '^Connection: keep-alive' "$tap_tmp/raw" &&
		tail -n 1 "$tap_tmp/raw" | grep -axq '</ul>' &&
		! grep -aq '^Transfer-Encoding' "$tap_tmp/raw"
}

echoes()
{
	local n
	for n in 0 1 8193 post; do
		get --data-binary "@$root/$n" "$url/echo" |
			cmp - "$root/$n" || return
		get -H 'Transfer-Encoding: chunked' --data-binary "@$root/$n" \
			-D "$tap_tmp/head" "$url/echo" |
			cmp - "$root/$n" || return
		grep -q '^Transfer-Encoding: chunked' "$tap_tmp/head" || return
	done
}

continues()
{
	get -v -H 'Expect: 100-continue' --data-binary "@$root/8193" \
		"$url/echo" -o "$tap_tmp/body" 2>"$tap_tmp/err"
	cat "$tap_tmp/err"
	grep -q '< HTTP/1.1 100 Continue' "$tap_tmp/err" &&
		cmp "$tap_tmp/body" "$root/8193" &&
		refused 413 'POST /echo HTTP/1.1\r\nHost: a\r\n' "$expect" \
			'Content-Length: 99999999999\r\n\r\n' &&
		refused 405 'POST /hello HTTP/1.1\r\nHost: a\r\n' "$expect" \
			'Content-Length: 5\r\n\r\n'
}

# metric name: its value
metric()
{
	sed -n "s/^$1 //p" "$tap_tmp/metrics"
}

get_metrics()
{
	get -D "$tap_tmp/head" -o "$tap_tmp/metrics" "$url/metrics" &&
		awk -f tests/kernel/openmetrics.awk "$tap_tmp/metrics"
}

# Between two times each of ten connections has a goroutine of its own.
metrics()
{
	local created=gort_sched_goroutines_created_goroutines_total
	local before i
	get_metrics && before=$(metric $created) || return
	for ((i = 0; i < 10; i++)); do
		status 200 "$url/hello" || return
	done
	get_metrics && cat "$tap_tmp/head" || return
	echo "$before goroutines before, $(metric $created) after"
	(($(metric $created) == before + 11)) &&
		(($(metric gort_sched_goroutines_running_goroutines) > 0)) &&
		grep -q '^Content-Type: application/openmetrics-text; version=1' \
			"$tap_tmp/head" &&
		grep -q "^Content-Length: $(wc -c <"$tap_tmp/metrics")" \
			"$tap_tmp/head" &&
		status 200 -I "$url/metrics" && status 405 -d x "$url/metrics"
}

# ---------------------------------------------------------------------------
# Refusals

wrong_methods()
{
	status 405 -d x "$url/hello" && status 405 "$url/echo" &&
		get -i "$url/echo" | grep -q '^Allow: POST' &&
		status 501 -X DELETE "$url/1" && status 501 -X OPTIONS "$url/"
}

bad_requests()
{
	refused 400 'nonsense\r\n' &&
		refused 400 'GET / HTTP/1.1\r\n\r\n' &&
		refused 400 'GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n' &&
		refused 400 'GET / HTTP/1.1\r\nHost : a\r\n\r\n' &&
		refused 400 'GET / HTTP/1.1\nHost: a\n\n' &&
		refused 505 'GET / HTTP/2.0\r\nHost: a\r\n\r\n' &&
		refused 417 'GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n' &&
		status 400 "$url/work?n=x" && status 400 "$url/work?n=-1"
}

# What stands behind must not be answered.
no_smuggling()
{
	local post='POST /echo HTTP/1.1\r\nHost: a\r\n'
	local chunked='Transfer-Encoding: chunked\r\n' end='\r\n0\r\n\r\n'
	refused 400 "$post" 'Content-Length: 5\r\n' "$chunked$end$hello" &&
		refused 400 "$post$chunked" 'Content-Length: 5\r\n' \
			"$end$hello" &&
		refused 400 "$post" 'Content-Length: 5\r\n' \
			'Content-Length: 6\r\n' "$end$hello" &&
		refused 400 "$post" 'Content-Length: +5\r\n' "$end$hello" &&
		refused 400 "$post" 'Transfer-Encoding: chunked, identity\r\n' \
			"$end$hello" &&
		refused 501 "$post" 'Transfer-Encoding: gzip, chunked\r\n' \
			"$end$hello" &&
		refused 400 "$post$chunked" '\r\n5\n12345\n0\n\n' "$hello" &&
		refused 400 "$post$chunked" '\r\n-1\r\n' "$end$hello"
}

# Sent to the end, though the answer comes before.
too_long()
{
	local long
	long=$(printf '%09000d' 0)
	refused 431 "GET / HTTP/1.1\r\nHost: a\r\nX: $long\r\n\r\n" &&
		refused 414 "GET /$long HTTP/1.1\r\nHost: a\r\n\r\n" &&
		status 413 -H Expect: --data-binary "@$root/big" "$url/echo" &&
		status 413 -H Expect: -H 'Transfer-Encoding: chunked' \
			--data-binary "@$root/big" "$url/echo"
}

body_limit()
{
	restart --body=8193 &&
		status 200 --data-binary "@$root/8193" "$url/echo" &&
		status 413 --data-binary "@$root/100000" "$url/echo" &&
		status 200 -H 'Transfer-Encoding: chunked' \
			--data-binary "@$root/8193" "$url/echo" &&
		status 413 -H 'Transfer-Encoding: chunked' \
			--data-binary "@$root/100000" "$url/echo"
}

# ---------------------------------------------------------------------------
# Time

slow_head()
{
	restart --header-timeout=0.3 --idle-timeout=50 &&
		refused 408 'GET / HTTP/1.1\r\nHost:' &&
		refused 408 'POST /echo HTTP/1.1\r\nHost: a\r\n' \
			'Content-Length: 9\r\n\r\nhalf'
}

# A byte now and then does not help.
slow_loris()
{
	restart --header-timeout=0.5 && dial || return
	local i
	say 'GET / HTTP/1.1\r\nHost: a\r\nX: '
	for ((i = 0; i < 500; i++)); do
		say x 2>/dev/null || break
		read -r -t 0.05 -u "$conn" line && break
	done
	hang_up
	echo "$i bytes, then $line"
	[[ $line = 'HTTP/1.1 408'* ]] && ((i < 100))
}

idle_connection()
{
	restart --idle-timeout=0.3 --header-timeout=50 && dial && heard &&
		test ! -s "$tap_tmp/raw" &&
		raw "$hello" && answers 200
}

# It has the only place, and does not read what it asked for.
slow_reader()
{
	restart --write-timeout=0.3 --connections=1 --idle-timeout=50 &&
		dial && say 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n' &&
		status 200 "$url/hello" && hang_up
}

too_many()
{
	restart --connections=2 --idle-timeout=50 && dial || return
	local first=$conn
	dial || return
	local second=$conn
	say "$hello" && read -r -t 50 -u "$second" || return
	conn=$first
	say "$hello" && read -r -t 50 -u "$first" || return
	curl -sS -m 0.5 "$url/hello"
	(($? == 28)) || return
	exec {first}>&-
	status 200 "$url/hello"
	local status=$?
	exec {second}>&-
	return $status
}

# With one P: the loop of /work is interrupted for others.
work_is_preempted()
{
	test -z "$pid" || stop
	GORTMAXPROCS=1 start || return
	local rounds=1000000000 i
	test -z "$EMULATOR" || rounds=200000000
	get "$url/work?n=$rounds" >"$tap_tmp/work" &
	local work=$!
	for ((i = 0; i < 5; i++)); do
		status 200 "$url/hello" || return
	done
	kill -0 $work || return
	echo 'it still runs'
	wait $work && grep -qxE '[0-9a-f]{16}' "$tap_tmp/work"
}

# ---------------------------------------------------------------------------
# The end

# begin_post: a request in progress, half of whose body is there
begin_post()
{
	local line
	dial && say 'POST /echo HTTP/1.1\r\nHost: a\r\n' "$expect" \
		'Content-Length: 10\r\n\r\n' &&
		read -r -t 50 -u "$conn" line && [[ $line = *' 100 '* ]] &&
		read -r -t 50 -u "$conn" && say 12345
}

until_closed()
{
	while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		:
	done
}

graceful()
{
	restart --grace=40 --idle-timeout=100 && begin_post || return
	local posting=$conn
	dial && say "$hello" && read -r -t 50 -u "$conn" || return
	kill -TERM "$pid" && heard && until_closed || return
	conn=$posting
	say 67890 && heard && answers 200 &&
		tail -n 1 "$tap_tmp/raw" | grep -axq 1234567890 &&
		grep -aq '^Connection: close' "$tap_tmp/raw" &&
		stopped && [[ $totals = '2 requests on 2 '*', 0 of them'* ]]
}

grace_ends()
{
	restart --grace=0.3 && begin_post && stop &&
		[[ $totals = '0 requests on 1 '*', 1 of them'* ]]
	local status=$?
	hang_up
	return $status
}

interrupted()
{
	restart && status 200 "$url/hello" && stop INT &&
		[[ $totals = '1 requests on 1 '* ]]
}

# exits status argument...
exits()
{
	local want=$1 status
	shift
	timeout 50 $EMULATOR "$bin" "$@"
	status=$?
	echo "exit status $status, want $want: $*"
	((status == want))
}

wrong_usage()
{
	exits 2 -x && exits 2 -p 65536 && exits 2 -p x && exits 2 more &&
		exits 2 --connections=0 && exits 2 --grace=x &&
		exits 2 --idle-timeout=-1 && exits 0 --help &&
		exits 1 -d "$tap_tmp/none" && exits 1 -d "$root/1"
}

port_in_use()
{
	restart && exits 1 -p "$port"
}

# ---------------------------------------------------------------------------
# Load

# flawless file: what wrk wrote, without an error
flawless()
{
	cat "$1"
	grep -q 'Requests/sec' "$1" && ! grep -qE 'Socket errors|Non-2xx' "$1"
}

# 1000 connections, while /work keeps all Ps busy.
load()
{
	ulimit -n "$(ulimit -H -n)"
	restart || return
	wrk -t 1 -c 4 -d "$HTTPD_SECONDS" --timeout 50 \
		"$url/work?n=3000000" >"$tap_tmp/work" 2>&1 &
	local work=$!
	wrk -t 1 -c 1000 -d "$HTTPD_SECONDS" --timeout 50 --latency \
		"$url/hello" >"$tap_tmp/hello" 2>&1
	wait $work
	flawless "$tap_tmp/work" && flawless "$tap_tmp/hello" && stop &&
		[[ $totals = *', 0 of them cut off' ]]
}

load_of_files()
{
	restart || return
	wrk -t 1 -c 100 -d 1 --timeout 50 "$url/7999" >"$tap_tmp/small" 2>&1
	wrk -t 1 -c 10 -d 1 --timeout 50 "$url/100000" >"$tap_tmp/large" 2>&1
	flawless "$tap_tmp/small" && flawless "$tap_tmp/large" && stop
}

plan 38
check 'it is built' make "$bin"
check 'files to serve' make_files
check 'it says where it listens' start
check 'files byte by byte' files_are_exact
check 'HEAD' head_has_no_body
check 'fields of a response' fields_are_there
check 'nothing outside the root' nothing_outside
check 'what is not there' no_such_file
check 'a file that may not be read' unreadable_file
check 'a directory' listing
check 'a directory without the slash' redirected
check 'curl uses a connection again' curl_reuses
check 'pipelined requests' pipelined
check 'the same byte by byte' dripping
check 'a body that nobody wants' unwanted_body
check 'HTTP/1.0' http_1_0
check '/echo' echoes
check 'Expect: 100-continue' continues
check '/metrics' metrics
check 'wrong methods' wrong_methods
check 'bad requests' bad_requests
check 'no request in a request' no_smuggling
check 'too long' too_long
check 'it ends by SIGTERM' stop
check 'a limit for bodies' body_limit
check 'a request that does not go on' slow_head
check 'a request that comes too slowly' slow_loris
check 'a connection without requests' idle_connection
check 'a client that does not read' slow_reader
check 'more connections than allowed' too_many
check '/work is preempted' work_is_preempted
check 'at the end requests in progress complete' graceful
check 'or are cut off' grace_ends
check 'it ends by SIGINT' interrupted
check 'wrong usage' wrong_usage
check 'a port in use' port_in_use
if [[ -n $EMULATOR ]]; then
	echo "ok 37 # SKIP load: not under $EMULATOR"
	echo "ok 38 # SKIP load of files: not under $EMULATOR"
elif command -v wrk >/dev/null; then
	check '1000 connections beside work' load
	check 'load of files' load_of_files
else
	skip '1000 connections beside work' wrk
	skip 'load of files' wrk
fi
finish
