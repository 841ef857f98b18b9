# SPDX-License-Identifier: ISC
# kernel/gort-gdb.py - goroutines in gdb
#
#	(gdb) source PREFIX/share/gort/gort-gdb.py
#	(gdb) info goroutines
#	(gdb) goroutine 7 bt
#	(gdb) goroutine all bt 5
#	(gdb) goroutine 7 frame function handler
#
# For processes and core files, x86-64 and arm64.  Nothing in the program is
# called or changed.
#
# A goroutine that a thread runs is that thread.  One that is off the CPU has
# its callee-saved registers in a struct switch_frame at g->ctx.sp.  Registers
# of a core file cannot be set, so an unwinder pretends that the frame in
# which the selected thread stands was called from there.  A frame filter
# hides that frame, which is why such backtraces begin with #1.  From there on
# gdb walks as usual, by the unwind tables.
#
# Rejected:
#  - setting $sp and $pc for a while: impossible in a core file, and a command
#    that fails or is interrupted would leave the program broken.
#  - "frame view": sets two registers, and most code needs the frame pointer.
#
# Relied on: struct g, m, segment, stack_class, switch_frame and their fields
# by name; and mm/stack.c, which has all goroutines in the slots of its class
# 0, after the span of the system stacks, each struct g at the end of a slot.
# Sizes, offsets and the numbers of enumerations come from the debug
# information of libgort.a.

import os

import gdb
from gdb.unwinder import Unwinder

NO_DEBUG = ('no goroutines: the program has no debug information of gort '
            '(not linked with it, or stripped)')

# Fields of struct switch_frame that gdb knows by another name.
REGISTERS = {
    'i386:x86-64': {'fp': 'rbp', 'pc': 'rip', 'sp': 'rsp'},
    'aarch64': {'fp': 'x29', 'pc': 'pc', 'sp': 'sp'},
}

# Frames looked at to find one that is the user's.
FRAMES_MAX = 64


def read_field(addr, field):
    """A number; faster than by gdb.Value, there may be a million slots"""
    raw = gdb.selected_inferior().read_memory(addr + field.bitpos // 8,
                                              field.type.sizeof)
    return int.from_bytes(raw, 'little')


def words(name):
    """G_RUNNABLE: runnable, WAIT_CHAN_RECV: chan recv"""
    return name.split('_', 1)[1].replace('_', ' ').lower()


class Runtime:
    """What the debug information says of gort, and where goroutines are."""

    def __init__(self):
        try:
            classes, region = self.find_variables()
            # The user may have types of the same names.
            self.block = classes.symtab.static_block()
            self.g = self.type('struct g')
            self.statuses = self.enumeration('g_status', self.block)
        except gdb.error:
            raise gdb.GdbError(NO_DEBUG)
        # A status may come with flags, which are above all of these.
        plain = [v for v, n in self.statuses.items() if n != 'G_SCAN']
        self.status_mask = (1 << max(plain).bit_length()) - 1
        source = classes.symtab.fullname()
        self.sources = os.path.dirname(os.path.dirname(source))
        self.find_slots(classes.value()[0], region.value())

    @staticmethod
    def find_variables():
        for classes in gdb.lookup_static_symbols('classes'):
            array = classes.type
            if array.code != gdb.TYPE_CODE_ARRAY or \
                    array.target().unqualified().tag != 'stack_class':
                continue
            for region in gdb.lookup_static_symbols('region'):
                if region.symtab.fullname() == classes.symtab.fullname():
                    return classes, region
        raise gdb.GdbError(NO_DEBUG)

    def type(self, name):
        return gdb.lookup_type(name, self.block)

    def pointer(self, addr, name):
        """addr as a struct name *"""
        return gdb.Value(addr).cast(self.type('struct ' + name).pointer())

    @staticmethod
    def enumeration(name, block):
        """{number: name}, as code in this block has it"""
        fields = gdb.lookup_type('enum ' + name, block).fields()
        return {f.enumval: f.name for f in fields}

    def find_slots(self, lowest, region):
        span = 1 << int(region['span'])
        if not int(region['base']):
            raise gdb.GdbError('no goroutines: gort_run() was not called')
        self.nslots = int(lowest['nslots'])
        self.slot_size = span // int(lowest['nmax'])
        self.slots = int(region['base']) + span

    def goroutines(self):
        """All that are neither free nor dead, as struct g *, by number."""
        fields = {f.name: f for f in self.g.fields()}
        found = []
        end = self.slots
        for _ in range(self.nslots):
            end += self.slot_size
            addr = end - self.g.sizeof
            try:
                status = read_field(addr, fields['status'])
                if self.status_name(status) not in ('G_IDLE', 'G_DEAD'):
                    found.append((read_field(addr, fields['id']), addr))
            except gdb.MemoryError:
                pass
        return [self.pointer(addr, 'g') for _, addr in sorted(found)]

    def status_name(self, status):
        return self.statuses.get(status & self.status_mask, 'G_?')

    def is_ours(self, frame):
        symtab = frame.find_sal().symtab
        if not symtab:
            return True
        path = os.path.relpath(symtab.fullname(), self.sources)
        return path.split(os.sep)[0] in ('arch', 'kernel', 'mm')


class Threads:
    """Which goroutine each thread runs, told by its stack pointer."""

    def __init__(self):
        selected = gdb.selected_thread()
        if not selected:
            raise gdb.GdbError('no goroutines: the program does not run')
        level = gdb.selected_frame().level()
        self.stacks = []
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            sp = gdb.newest_frame().read_register('sp')
            self.stacks.append((thread, int(sp)))
        selected.switch()
        select_level(level)

    def of(self, g):
        """The thread that runs g, or None."""
        for thread, sp in self.stacks:
            if on_segment(g, sp) or on_system_stack(g, sp):
                return thread
        return None


def on_segment(g, sp):
    seg = g['seg0'].address
    while seg:
        if seg['lo'] < sp <= seg['top']:
            return True
        seg = seg['next']
    return False


def on_system_stack(g, sp):
    """Does the thread that runs g stand on g0, or handle a signal?"""
    m = g['m']
    if not m or m['curg'] != g:
        return False
    g0 = m['g0']['seg0']
    gsignal = int(m['gsignal'])
    return g0['lo'] < sp <= g0['top'] or \
        gsignal < sp <= gsignal + int(m['gsignal_size'])


def select_level(level):
    frame = gdb.newest_frame()
    while frame.level() < level and frame.older():
        frame = frame.older()
    frame.select()


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class SwitchUnwinder(Unwinder):
    """While it is on, the frame of a thread was called from a goroutine."""

    def __init__(self):
        super().__init__('gort')
        self.place = None

    def switch_on(self, goroutine):
        self.context = goroutine.context()
        self.place = place(gdb.newest_frame())
        gdb.frame_filters[self.name] = HideBorrowed(self.place)
        gdb.invalidate_cached_frames()

    def switch_off(self):
        self.place = None
        gdb.frame_filters.pop(self.name, None)
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if not self.place or place(pending) != self.place:
            return None
        names = REGISTERS[pending.architecture().name()]
        info = pending.create_unwind_info(
            FrameId(self.context, pending.read_register('pc')))
        for field in self.context.type.target().fields():
            self.save(info, pending, names.get(field.name, field.name),
                      self.context[field.name])
        self.save(info, pending, names['sp'], self.context + 1)
        return info

    @staticmethod
    def save(info, pending, name, value):
        """Of a vector register only the lower half is preserved."""
        if name[0] == 'd' and name[1:].isdigit():
            name = 'v' + name[1:]
        try:
            old = pending.read_register(name)
        except ValueError:
            return              # control words and padding
        size = old.type.sizeof
        raw = int(value).to_bytes(size, 'little')
        info.add_saved_register(name, gdb.Value(raw, old.type))


def place(frame):
    return (int(frame.read_register('pc')), int(frame.read_register('sp')))


class HideBorrowed:
    """Leaves out the frame of the thread, and what is inlined there."""

    def __init__(self, borrowed):
        self.name = 'gort'
        self.priority = 100
        self.enabled = True
        self.borrowed = borrowed

    def filter(self, frames):
        return (f for f in frames
                if place(f.inferior_frame()) != self.borrowed)


UNWINDER = SwitchUnwinder()


class Goroutine:
    def __init__(self, runtime, threads, g):
        self.runtime = runtime
        self.g = g
        self.id = int(g['id'])
        self.thread = threads.of(g)

    def context(self):
        """What arch_mcall() left on the stack."""
        return self.runtime.pointer(self.g['ctx']['sp'], 'switch_frame')

    def never_ran(self):
        if self.thread:
            return False
        start = gdb.parse_and_eval('(unsigned long)&goroutine_start')
        return int(self.context()['pc']) == int(start)

    def state(self):
        status = self.runtime.status_name(int(self.g['status']))
        text = words(status)
        if status == 'G_WAITING':
            text += ', ' + self.wait_reason()
        if self.thread:
            text += ', thread %d' % self.thread.num
        return '[%s]' % text

    def wait_reason(self):
        # The code that parked it knows the names.
        block = gdb.block_for_pc(int(self.context()['pc']) - 1)
        block = block.static_block if block else self.runtime.block
        names = self.runtime.enumeration('wait_reason', block)
        return words(names.get(int(self.g['wait_reason']), 'WAIT_?'))

    def where(self):
        if self.never_ran():
            return 'before ' + at(int(self.g['fn']))
        with Selected(self):
            frame = gdb.selected_frame()
            return describe(self.users_frame(frame) or frame)

    def users_frame(self, frame):
        for _ in range(FRAMES_MAX):
            if not frame or not self.runtime.is_ours(frame):
                return frame
            frame = frame.older()
        return None

    def creator(self):
        if not int(self.g['parent']):
            return ''
        return ', created by %s in goroutine %d' % (
            at(int(self.g['created_pc']) - 1), int(self.g['parent']))

    def summary(self):
        here = self.thread and \
            self.thread.ptid == gdb.selected_thread().ptid
        try:
            text = self.state() + ' ' + self.where() + self.creator()
        except (gdb.error, gdb.GdbError) as error:
            text = '(%s)' % error
        return '%s %-4d %s' % ('*' if here else ' ', self.id, text)

    def execute(self, command, from_tty):
        if self.never_ran():
            raise gdb.GdbError('goroutine %d has not run yet: it is %s' %
                               (self.id, self.where()))
        with Selected(self):
            gdb.execute(command, from_tty)


class Selected:
    """Inside, gdb's commands work on a goroutine."""

    def __init__(self, goroutine):
        self.goroutine = goroutine
        self.old_thread = gdb.selected_thread()
        self.old_level = gdb.selected_frame().level()

    def __enter__(self):
        if self.goroutine.thread:
            self.goroutine.thread.switch()
            return
        UNWINDER.switch_on(self.goroutine)
        frame = gdb.newest_frame()
        while frame and place(frame) == UNWINDER.place:
            frame = frame.older()
        if not frame:
            self.__exit__()
            raise gdb.GdbError('goroutine %d: cannot unwind its stack' %
                               self.goroutine.id)
        frame.select()

    def __exit__(self, *unused):
        UNWINDER.switch_off()
        # Its command may have let the program end.
        if self.old_thread.is_valid():
            self.old_thread.switch()
            select_level(self.old_level)


def describe(frame):
    sal = frame.find_sal()
    text = frame.name() or '%#x' % frame.pc()
    if sal.symtab:
        text += ' at %s:%d' % (sal.symtab.filename, sal.line)
    return text


def at(pc):
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    sal = gdb.find_pc_line(pc)
    text = block.function.name if block else '%#x' % pc
    if sal.symtab:
        text += ' at %s:%d' % (sal.symtab.filename, sal.line)
    return text


def goroutines():
    """All of them; says so if there are none."""
    runtime = Runtime()
    threads = Threads()
    all_g = runtime.goroutines()
    for g in all_g:
        yield Goroutine(runtime, threads, g)
    if not all_g:
        # gcore leaves out what is in the same mapping behind a guard.
        raise gdb.GdbError('no goroutines (nor are there any in a core file '
                           'by gcore without GORTDEBUG=guardregions=0)')


class InfoGoroutines(gdb.Command):
    """List all goroutines: number, state, function, who created it.
The one that the selected thread runs is marked with a star.  The function
is the innermost that does not belong to gort or libc."""

    def __init__(self):
        super().__init__('info goroutines', gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        for g in goroutines():
            print(g.summary())


class GoroutineCommand(gdb.Command):
    """Execute a gdb command on the stack of a goroutine.
Usage: goroutine NUMBER COMMAND...
       goroutine all COMMAND...
The command must only look: one that lets the program run, or sets a register,
works on the thread that happens to be selected."""

    def __init__(self):
        super().__init__('goroutine', gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        which, _, command = arg.strip().partition(' ')
        if not command or not (which == 'all' or which.isdigit()):
            raise gdb.GdbError('usage: goroutine NUMBER|all COMMAND...')
        if which == 'all':
            self.execute_on_all(command, from_tty)
            return
        for g in goroutines():
            if g.id == int(which):
                g.execute(command, from_tty)
                return
        raise gdb.GdbError('no goroutine %s' % which)

    @staticmethod
    def execute_on_all(command, from_tty):
        for g in goroutines():
            print('\ngoroutine %d %s:' % (g.id, g.state()))
            try:
                g.execute(command, from_tty)
            except (gdb.error, gdb.GdbError) as error:
                print(error)


gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)
InfoGoroutines()
GoroutineCommand()
