# SPDX-License-Identifier: ISC
"""What test_cmd.sh needs besides a shell.

	cmd_help.py hand FILE		write a small trace, made by hand
	cmd_help.py big FILE N		write one of N events
	cmd_help.py json FILE EVENTS	check what gort trace json made
	cmd_help.py states EVENTS	sum up what gort trace stats should say
	cmd_help.py pty COMMAND...	run it with stderr a terminal, show that
"""
import collections
import json
import os
import re
import sys

from html_trace import numbers, varint

# Types of events, as in trace/format.h
(STACKS, STACK, STRINGS, STRING, FREQUENCY) = (2, 3, 4, 5, 8)
(PROC_STATUS, GO_CREATE, GO_START, GO_DESTROY) = (13, 14, 16, 17)
(GO_BLOCK, GO_UNBLOCK, SYSCALL_BEGIN, SYSCALL_END) = (20, 21, 22, 23)
(GO_STATUS, STW_BEGIN, STW_END, HEAP_ALLOC) = (25, 26, 27, 37)
(TASK_BEGIN, TASK_END, REGION_BEGIN, LOG) = (40, 41, 42, 44)

ODD = b'</script>"\\\n\x01\xff\xc3\xa9'


def batch(thread, time, data):
    return b"\x01" + numbers(1, thread, time, len(data)) + data


def tables(strings, stacks):
    """strings: {id: bytes}; stacks: {id: [(pc, func, file, line)]}"""
    data = bytes([STRINGS])
    for i, s in strings.items():
        data += bytes([STRING]) + numbers(i, len(s)) + s
    out = batch(2**64 - 1, 1000, data)
    data = bytes([STACKS])
    for i, frames in stacks.items():
        data += bytes([STACK]) + numbers(i, len(frames))
        data += b"".join(numbers(*f) for f in frames)
    out += batch(2**64 - 1, 1000, data)
    return out + batch(2**64 - 1, 1000, bytes([FREQUENCY]) + varint(10**9))


def hand():
    now = 1000
    data = b""

    def event(at, kind, *args):
        nonlocal now, data
        data += bytes([kind]) + numbers(at - now, *args)
        now = at

    event(1010, PROC_STATUS, 0, 1)
    event(1020, GO_STATUS, 1, 100, 2)
    event(1030, GO_CREATE, 2, 1, 2)
    event(1035, TASK_END, 7, 2)
    event(1036, TASK_BEGIN, 8, 0, 1, 2)
    event(1037, TASK_END, 8, 2)
    event(1038, TASK_BEGIN, 9, 0, 1, 2)
    event(1040, REGION_BEGIN, 9, 1, 2)
    event(1050, LOG, 0, 2, 3, 2)
    event(1060, STW_BEGIN, 4, 2)
    event(1160, STW_END)
    event(1200, GO_BLOCK, 5, 3)
    event(1300, GO_START, 2, 1)
    event(1400, GO_UNBLOCK, 1, 1, 2)
    event(1500, GO_DESTROY)
    event(1600, GO_START, 1, 2)
    event(1700, SYSCALL_BEGIN, 1, 3)
    event(1850, SYSCALL_END)
    event(1900, HEAP_ALLOC, 12345)
    strings = {1: ODD, 2: b"category", 3: b"message " + ODD,
               4: b"to see", 5: b"a door", 6: b"worker", 7: b"x.c",
               8: b"main" + ODD, 9: b"wait"}
    stacks = {1: [(10, 6, 7, 1)], 2: [(20, 8, 7, 22)],
              3: [(30, 9, 7, 33), (20, 8, 7, 22)]}
    return (b"go 1.23 trace\0\0\0" + batch(100, 1000, data) +
            tables(strings, stacks))


def big(n):
    out = [b"go 1.23 trace\0\0\0",
           batch(100, 1000, bytes([PROC_STATUS, 1, 0, 1]))]
    full = 20000
    time = 1001
    while n > 0:
        k = min(n, full)
        out.append(batch(100, time, bytes([HEAP_ALLOC, 1, 7]) * k))
        time += k
        n -= k
    return b"".join(out) + tables({}, {})


def check_json(path, events):
    doc = json.load(open(path, encoding="utf-8"))
    last = 0.0
    slices = collections.Counter()
    running = 0
    stacks = collections.defaultdict(list)
    asynchronous = set()
    for e in doc["traceEvents"]:
        ph = e["ph"]
        if ph == "M":
            continue
        assert e["ts"] >= last, e
        last = e["ts"]
        track = e["pid"], e["tid"]
        if ph == "B":
            assert e["name"] and e["cat"], e
            stacks[track].append(e)
            slices[e["cat"]] += 1
            if e["pid"] == 1:
                assert len(stacks[track]) == 1, e
        elif ph == "E":
            stacks[track].pop()
        elif ph in "be":
            key = e["cat"], e["id"], e["name"]
            assert (key in asynchronous) == (ph == "e"), e
            asynchronous ^= {key}
        else:
            assert ph in "iC", e
    assert not any(stacks.values()), "slices are open"
    assert not asynchronous, asynchronous

    # The same from the events
    want = collections.Counter()
    seen = set()
    for g, old, new in transitions(events):
        if old == new and g in seen:
            continue
        seen.add(g)
        if new != "NotExist":
            want[new] += 1
        else:
            seen.discard(g)
    for state in want:
        assert slices[state] == want[state], (state, slices, want)
    print(dict(slices))
    assert slices["proc"] == want["Running"]


LINE = re.compile(r"^M=.* StateTransition Time=(\d+) GoID=(\d+) "
                  r"(\w+)->(\w+)", re.M)


def transitions(path, times=False):
    text = open(path, encoding="utf-8", errors="replace").read()
    for m in LINE.finditer(text):
        yield (m[2], m[3], m[4]) + ((int(m[1]),) if times else ())


def states(path):
    """GoStart... and the time by state, in ns"""
    text = open(path, encoding="utf-8", errors="replace").read()
    end = max(int(t) for t in re.findall(r"^M=.* Time=(\d+)", text, re.M))
    since = {}
    ns = collections.Counter()
    count = 0
    for g, old, new, time in transitions(path, True):
        if g in since:
            state, t = since[g]
            if old == new:
                continue
            ns[state] += time - t
        count += old == "Runnable" and new == "Running"
        since[g] = new, time
        if new == "NotExist":
            del since[g]
    for state, t in since.values():
        ns[state] += end - t
    print("latencies", count)
    for state in "Runnable", "Running", "Waiting", "Syscall":
        print(state, ns[state])


def pty(command):
    """0 if the command's status is"""
    import pty as terminal
    ours, theirs = terminal.openpty()
    pid = os.fork()
    if pid == 0:
        os.dup2(theirs, 2)
        os.close(ours)
        os.close(theirs)
        os.execvp(command[0], command)
    os.close(theirs)
    out = b""
    try:
        while piece := os.read(ours, 4096):
            out += piece
    except OSError:
        pass
    print(out.decode().replace("\r", "~"))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "hand":
        open(args[0], "wb").write(hand())
    elif what == "big":
        open(args[0], "wb").write(big(int(args[1])))
    elif what == "json":
        check_json(*args)
    elif what == "states":
        states(*args)
    elif what == "pty":
        sys.exit(pty(args))


main()
