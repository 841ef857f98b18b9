# SPDX-License-Identifier: ISC
"""tests/trace/html_trace.py - make a trace of which all numbers are known.

    numbers = write('/tmp/x.trace', steps=2000)

Two Ps, each on a thread of its own, take random steps: goroutines start,
block, wake each other, are preempted, call the system, end.  What that comes
to is counted here, by what was done and not by reading the trace.

Names are such as a page must not take for HTML.
"""
import random

SCRIPT = '</script><script>window.pwned=1</script>'
EVIL = [
    SCRIPT,
    '<img src=x onerror="window.pwned=2">',
    '<!--<script>',
    '"\\\x01\n\x7f\u2028&lt;',
    b'\xff\xfe bad \xc3',
    'a' * 1000,
]
MAIN = 'main.main'
LATENCY = 'sched.<wait>'

(BATCH, STACKS, STACK, STRINGS, STRING, CPU_SAMPLES, CPU_SAMPLE, FREQUENCY, _,
 _, _, _, PROC_STATUS, GO_CREATE, _, GO_START, GO_DESTROY, _, GO_STOP,
 GO_BLOCK, GO_UNBLOCK, GO_SYSCALL_BEGIN, GO_SYSCALL_END, _, GO_STATUS,
 STW_BEGIN, STW_END) = range(1, 28)
USER_LOG, GO_STATUS_STACK = 44, 48

RUNNABLE, RUNNING, WAITING, SYSCALL = 'runnable', 'running', 'waiting', 'syscall'


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7f | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def numbers(*values):
    return b''.join(varint(v) for v in values)


class Thread:
    def __init__(self, m, time):
        self.m, self.begin, self.time = m, time, time
        self.data = bytearray()

    def event(self, time, kind, *args):
        self.data += bytes([kind]) + numbers(time - self.time, *args)
        self.time = time


class Goroutine:
    def __init__(self, goid, state, since, why=None):
        self.id, self.state, self.since, self.why = goid, state, since, why
        self.seq = 0
        self.latency = None


class Maker:
    def __init__(self, seed, names):
        self.random = random.Random(seed)
        self.now = 1000
        self.strings = {}
        self.stacks = []
        self.threads = [Thread(1, self.now), Thread(2, self.now)]
        self.running = [None, None]
        self.in_syscall = [False, False]
        self.pseq = [0, 0]
        self.queue, self.waiting, self.all = [], [], []
        self.events = 1             # the one that begins the generation
        self.spans = {}
        self.time = dict.fromkeys((RUNNABLE, RUNNING, WAITING, SYSCALL), 0)
        self.p_spans, self.p_time = [0, 0], [0, 0]
        self.latencies, self.stw, self.sections, self.waits = [], [], [], {}
        self.samples, self.wakes = 0, []
        self.funcs = [self.string(n) for n in names]
        self.names = names

    def string(self, s):
        data = s if isinstance(s, bytes) else s.encode()
        return self.strings.setdefault(data, len(self.strings) + 1)

    def stack(self, *funcs):
        self.stacks.append([(i * 16 + f, f, self.string('src/%d.c' % f), 10 + i)
                            for i, f in enumerate(funcs)])
        return len(self.stacks)

    def emit(self, p, kind, *args):
        self.threads[p].event(self.now, kind, *args)
        self.events += 1

    def change(self, g, state, p=None, why=None):
        """What g did until now ends."""
        took = self.now - g.since
        self.time[g.state] += took
        self.spans[g.id] = self.spans.get(g.id, 0) + 1
        if g.state in (RUNNING, SYSCALL):
            self.p_spans[p] += 1
            self.p_time[p] += took
        elif g.state == WAITING:
            n, total = self.waits.get(g.why, (0, 0))
            self.waits[g.why] = (n + 1, total + took)
        if g.state == RUNNABLE and state == RUNNING:
            self.latencies.append(took)
        g.state, g.since, g.why = state, self.now, why

    def begin(self):
        first = Goroutine(1, RUNNING, self.now)
        for p in (0, 1):
            self.emit(p, PROC_STATUS, p, 1)
        self.emit(0, GO_STATUS, 1, 1, 2)
        self.running[0] = first
        # One that waited before the trace and does so all the time.
        old = Goroutine(2, WAITING, self.now, '')
        self.emit(1, GO_STATUS_STACK, old.id, (1 << 64) - 1, 4, self.stack(*self.funcs[:2]))
        self.all += [first, old]

    def create(self, p):
        g = Goroutine(len(self.all) + 1, RUNNABLE, self.now)
        func = self.random.choice(self.funcs)
        self.emit(p, GO_CREATE, g.id, self.stack(func), self.stack(*self.funcs[:2]))
        self.wakes.append([self.running[p].id, g.id, self.now - 1000])
        self.all.append(g)
        self.queue.append(g)

    def start(self, p):
        if not self.queue:
            return
        g = self.queue.pop(self.random.randrange(len(self.queue)))
        g.seq += 1
        self.emit(p, GO_START, g.id, g.seq)
        self.change(g, RUNNING)
        self.running[p] = g

    def block(self, p):
        g, why = self.running[p], self.random.choice(['chan', 'sleep', SCRIPT])
        self.emit(p, GO_BLOCK, self.string(why), self.stack(*self.funcs[:3]))
        self.change(g, WAITING, p, why)
        self.running[p] = None
        self.waiting.append(g)

    def preempt(self, p):
        g = self.running[p]
        self.emit(p, GO_STOP, self.string('preempted'), self.stack(self.funcs[0]))
        self.change(g, RUNNABLE, p)
        self.running[p] = None
        self.queue.append(g)

    def wake(self, p):
        if not self.waiting:
            return
        g = self.waiting.pop(self.random.randrange(len(self.waiting)))
        g.seq += 1
        self.emit(p, GO_UNBLOCK, g.id, g.seq, self.stack(*self.funcs[1:3]))
        self.change(g, RUNNABLE)
        self.wakes.append([self.running[p].id, g.id, self.now - 1000])
        self.queue.append(g)

    def syscall(self, p):
        self.pseq[p] += 1
        self.emit(p, GO_SYSCALL_BEGIN, self.pseq[p], self.stack(self.funcs[0]))
        self.change(self.running[p], SYSCALL, p)
        self.in_syscall[p] = True

    def syscall_end(self, p):
        self.emit(p, GO_SYSCALL_END)
        self.change(self.running[p], RUNNING, p)
        self.in_syscall[p] = False

    def destroy(self, p):
        if self.running[p].id == 1:
            return
        self.emit(p, GO_DESTROY)
        self.change(self.running[p], None, p)
        self.running[p] = None

    def section(self, p):
        us = self.random.randrange(1, 900)
        text = 'systemstack %s %d.5us' % (self.random.choice(['heap grow', SCRIPT]), us)
        self.emit(p, USER_LOG, 0, self.string('nonpreempt'), self.string(text),
                  self.stack(self.funcs[0]))
        self.sections.append(us * 1000 + 500)

    def stop_world(self, p):
        self.emit(p, STW_BEGIN, self.string('read <stats>'), self.stack(self.funcs[0]))
        begin = self.now
        self.now += self.random.randrange(100, 100000)
        self.emit(p, STW_END)
        self.stw.append(self.now - begin)

    def step(self):
        p = self.random.randrange(2)
        self.now += self.random.randrange(50, 3000)
        if self.in_syscall[p]:
            self.syscall_end(p)
        elif not self.running[p]:
            self.start(p)
        else:
            acts = [self.create] * 2 + [self.block] * 4 + [self.wake] * 5 + \
                [self.preempt] * 2 + [self.syscall, self.destroy]
            if self.random.randrange(50) == 0:
                acts = [self.section, self.stop_world]
            self.random.choice(acts)(p)

    def batch(self, thread, time, data):
        return numbers(BATCH, 1, thread, time, len(data)) + data

    def tables(self):
        none = (1 << 64) - 1
        out = self.batch(none, 1000, numbers(FREQUENCY, 10 ** 9))
        data = bytes([STACKS])
        for i, frames in enumerate(self.stacks):
            data += numbers(STACK, i + 1, len(frames))
            data += b''.join(numbers(*f) for f in frames)
            if len(data) > 50000:
                out += self.batch(none, 1000, data)
                data = bytes([STACKS])
        out += self.batch(none, 1000, data)
        data = bytes([STRINGS])
        for s, i in self.strings.items():
            data += numbers(STRING, i, len(s)) + s
        out += self.batch(none, 1000, data)
        data = bytes([CPU_SAMPLES])
        for i in range(7):
            data += numbers(CPU_SAMPLE, 1000 + i * 10, 1, 0, 1, 1)
            self.samples += 1
            self.events += 1
        return out + self.batch(none, 1000, data)

    def write(self, path):
        out = b'go 1.23 trace\0\0\0'
        for t in self.threads:
            # Batches have a limit; a new one where it is exceeded would do,
            # but traces here are small.
            assert len(t.data) < 1 << 16
            out += self.batch(t.m, t.begin, bytes(t.data))
        out += self.tables()
        with open(path, 'wb') as f:
            f.write(out)
        # The event that ends the trace.
        self.events += 1

    def result(self):
        for g in self.all:
            if g.state:
                p = self.running.index(g) if g in self.running else None
                self.change(g, g.state, p)
        return {
            'goroutines': len(self.all), 'events': self.events,
            'spans': sum(self.spans.values()), 'time': self.time,
            'p_spans': self.p_spans, 'p_time': self.p_time,
            'latencies': sorted(self.latencies), 'stw': sorted(self.stw),
            'sections': sorted(self.sections), 'waits': self.waits,
            'samples': self.samples, 'span_counts': self.spans,
            'wakes': sorted(self.wakes), 'duration': self.now - 1000,
        }


def write(path, steps=2000, seed=1):
    maker = Maker(seed, [MAIN, LATENCY] + EVIL)
    maker.begin()
    for _ in range(20):
        maker.now += 100
        maker.create(0)
    for _ in range(steps):
        maker.step()
    maker.write(path)
    return maker.result()
