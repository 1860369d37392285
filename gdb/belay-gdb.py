# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# belay-gdb.py - goroutines in GDB, in a live process and in a core file.
#
#     (gdb) source belay-gdb.py       # GDB finds the installed one by itself
#     (gdb) info goroutines           # * runs; id, state, name, where, creator
#     (gdb) goroutine 7 bt            # any command, as if goroutine 7 were running
#     (gdb) goroutine all bt 5
#
# A goroutine that does not run has its registers at g->sp, in the order that
# src/arch/*/switch.S describes.  GDB is shown them by an unwinder: the selected
# thread's newest frame gets the goroutine's newest one as its caller.  So no
# register is written, which a core file would not allow and a process might take
# amiss, and a goroutine's frames begin with number 1.  The library needs its debug
# information (it is built with -g).
import itertools
import os

import gdb
from gdb.unwinder import Unwinder, register_unwinder

NEW, RUNNABLE, RUNNING = 0, 1, 2  # enum bl__status
COLOURS, COLOUR_BYTES = 16, 64    # g_of in sched/stack.c

# How a CPU's registers lie at g->sp, and where the stack goes on.
LAYOUTS = {
    "x86-64": ("rip", "rsp", 64, {
        "r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56}),
    "aarch64": ("pc", "sp", 160, dict(
        [("x%d" % n, 8 * (n - 19)) for n in range(19, 31)] + [("pc", 88)])),
}


def layout(architecture):
    return LAYOUTS["aarch64" if "aarch64" in architecture.name() else "x86-64"]


# --- reading the library's variables ----------------------------------------------


def static(name, path):
    """A static variable of one of the library's files."""
    for symbol in gdb.lookup_static_symbols(name):
        if symbol.symtab.filename.endswith(path):
            return symbol.value()
    raise gdb.GdbError("no goroutines here: the library is not loaded, or its debug "
                       "information is missing")


def sources():
    """The folder of the library's source files, as its debug information has it."""
    for symbol in gdb.lookup_static_symbols("central"):
        path = symbol.symtab.fullname()
        if path.endswith("sched/stack.c"):
            return path[:-len("sched/stack.c")]
    return None


def words(address, count):
    data = bytes(gdb.selected_inferior().read_memory(address, 8 * count))
    return [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data), 8)]


def every_g():
    """Pointers to all that are alive, main's first."""
    main = static("main_g", "sched/dump.c")
    if int(main) and int(main["status"]) != NEW:
        yield main
    central = static("central", "sched/stack.c")
    for cls in range(central.type.range()[1] + 1):
        slab = central[cls]["slabs"]
        while int(slab):
            yield from of_slab(slab, main.type)
            slab = slab["next"]


def of_slab(slab, pointer):
    base, made, stride = (int(slab[name]) for name in ("base", "made", "stride"))
    bits = words(int(slab["bits"].address), (made + 63) // 64) if made else []
    for i in range(made):
        if bits[i // 64] >> (i % 64) & 1:
            colour = COLOUR_BYTES * (i % COLOURS)
            at = base + stride * (i + 1) - colour - pointer.target().sizeof
            g = gdb.Value(at).cast(pointer)
            if int(g["status"]) != NEW and not g["is_system"]:
                yield g


def string(pointer):
    try:
        return pointer.string(errors="replace") if int(pointer) else ""
    except gdb.error:
        return "?"


# --- what a goroutine looks like --------------------------------------------------


def state(g):
    if int(g["status"]) == RUNNABLE:
        text = "runnable"
    elif int(g["status"]) == RUNNING:
        text = "running"
    else:
        text = string(static("reasons", "sched/dump.c")[int(g["reason"])])
    if int(g["locked_m"]):
        text += ", locked to thread"
    return text


def thread_of(g):
    """GDB's thread that runs it, or None."""
    tid = int(g["m"]["tid"]) if int(g["m"]) else 0
    for thread in gdb.selected_inferior().threads():
        if tid in thread.ptid[1:]:
            return thread
    return None


def describe(pc):
    """FUNCTION at FILE:LINE, as far as it is known."""
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    if block:
        name = block.function.print_name
    else:
        name = gdb.execute("info symbol 0x%x" % pc, to_string=True).split(" ")[0]
        name = "0x%x" % pc if name == "No" else name
    sal = gdb.find_pc_line(pc)
    if sal.symtab and sal.line:
        return "%s at %s:%d" % (name, os.path.basename(sal.symtab.filename), sal.line)
    return name


def has_not_begun(frame):
    try:
        return frame.pc() == int(gdb.parse_and_eval("(long)&bl__go_entry"))
    except gdb.error:
        return False


def where(g):
    """The user's function that g is in."""
    library = sources()
    with Switch(g) as selected:
        if not selected:
            return "?"
        frame = first = gdb.selected_frame()
        if has_not_begun(first) and int(g["created_at"]):
            return string(g["created_at"]["callee"]) + ", not begun"
        for _ in range(100):
            sal = frame.find_sal()
            if sal.symtab and not sal.symtab.fullname().startswith(library):
                return "%s at %s:%d" % (frame.name(), os.path.basename(
                    sal.symtab.filename), sal.line)
            frame = frame.older()
            if not frame:
                break
        return describe(first.pc())


# --- pretending that it runs ------------------------------------------------------


class Parked(Unwinder):
    """Gives the selected thread's newest frame a goroutine's as its caller."""

    def __init__(self):
        super().__init__("belay")
        self.enabled = True
        self.sp = None        # of the goroutine; None: do nothing
        self.real_sp = None   # of the thread

    def __call__(self, pending):
        if self.sp is None:
            return None
        pc, sp, size, saved = layout(pending.architecture())
        if int(pending.read_register(sp)) != self.real_sp:
            return None
        # As if it lay below the goroutine's frames: GDB checks that they go up.
        info = pending.create_unwind_info(
            FrameId(gdb.Value(self.sp), pending.read_register(pc)))
        values = words(self.sp, size // 8)
        for register, offset in saved.items():
            info.add_saved_register(register, typed(pending, register,
                                                    values[offset // 8]))
        info.add_saved_register(sp, typed(pending, sp, self.sp + size))
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


def typed(pending, register, value):
    return gdb.Value(value).cast(pending.read_register(register).type)


class HideFirst:
    """Backtraces leave out the frame that the unwinder hangs on."""

    def __init__(self):
        self.name = "belay"
        self.priority = 1000
        self.enabled = True

    def filter(self, frames):
        return itertools.islice(frames, 1, None) if parked.sp is not None else frames


parked = Parked()


class Switch:
    """with Switch(g) as selected: g's newest frame is selected, as if it ran."""

    def __init__(self, g):
        self.g = g

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.outer = parked.sp, parked.real_sp
        if int(self.g["status"]) == RUNNING:
            runs = thread_of(self.g)
            if runs:
                runs.switch()
                gdb.newest_frame().select()
            return runs is not None
        self.level = gdb.selected_frame().level()
        newest = gdb.newest_frame()
        parked.real_sp = int(newest.read_register(layout(newest.architecture())[1]))
        parked.sp = int(self.g["sp"]) & ~1
        # or the thread's newest frame, if it is main's, would have no caller
        self.past_main = gdb.parameter("backtrace past-main")
        gdb.execute("set backtrace past-main on", to_string=True)
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame().older()
        if frame:
            frame.select()
        return frame is not None

    def __exit__(self, *error):
        was_parked = parked.sp is not None
        parked.sp, parked.real_sp = self.outer
        if was_parked:
            if not self.past_main:
                gdb.execute("set backtrace past-main off", to_string=True)
            gdb.invalidate_cached_frames()
            gdb.execute("frame %d" % self.level, to_string=True)
        elif self.thread and self.thread.is_valid():
            self.thread.switch()


# --- commands ---------------------------------------------------------------------


class InfoGoroutines(gdb.Command):
    """List goroutines: id, state, name, where they are, who created them.

Those marked with * run on a thread at the moment."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        need_threads()
        for g in sorted(every_g(), key=lambda g: int(g["id"])):
            creator = ""
            if int(g["created_pc"]):
                creator = ", created by %d in %s" % (
                    int(g["created_by"]), describe(int(g["created_pc"]) - 1))
            name = string(g["name"])
            print("%s %-5d [%s]%s  %s%s" % (
                "*" if int(g["status"]) == RUNNING else " ", int(g["id"]), state(g),
                " " + name if name else "", where(g), creator))


class GoroutineCommand(gdb.Command):
    """Run a command as if a goroutine were running: goroutine N|all COMMAND.

Its frames begin with number 1, unless it runs.  Commands that go on with the
program do so from where its threads really are."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted, _, command = argument.strip().partition(" ")
        if not command or not (wanted == "all" or wanted.isdigit()):
            raise gdb.GdbError("usage: goroutine N|all COMMAND")
        need_threads()
        found = False
        for g in sorted(every_g(), key=lambda g: int(g["id"])):
            if wanted == "all" or int(g["id"]) == int(wanted):
                found = True
                self.run(g, command, wanted == "all", from_tty)
        if not found:
            raise gdb.GdbError("there is no goroutine %s" % wanted)

    @staticmethod
    def run(g, command, with_header, from_tty):
        if with_header:
            print("\nGoroutine %d [%s]:" % (int(g["id"]), state(g)))
        with Switch(g) as selected:
            if not selected:
                print("it runs, but on no thread that GDB knows")
                return
            try:
                gdb.execute(command, from_tty)
            except gdb.error as error:
                if not with_header:
                    raise
                print(error)


def need_threads():
    if not gdb.selected_thread():
        raise gdb.GdbError("there is no process and no core file")


register_unwinder(None, parked, replace=True)
gdb.frame_filters["belay"] = HideFirst()
InfoGoroutines()
GoroutineCommand()
