# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Writes programs (see model.py) as one C file.

The file's main takes `trace FIRST COUNT INPUTS` or `crash INDEX INPUTS`; run
number INDEX is program INDEX / INPUTS with input INDEX % INPUTS.  Each run has
a thread of its own.  emit_go.py writes the same main and the same trace.

With goroutines (tasks_c.py) every function has a `struct task *t`, and the macros
below take what belongs to the program from there.
"""

import tasks_c
from model import BOXES, NOISE, all_statements

TYPES = {"int": "int", "i64": "int64_t", "f64": "double", "ptr": "struct box *",
         "pair": "struct pair", "ref": "int *", "void": "void"}

PRELUDE = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <belay/belay.h>
#include <belay/keywords.h>

#define APART __attribute__((noinline, unused))

struct box { int number; };
struct pair { int64_t a, b; };

static struct box boxes[@BOXES@];
static volatile int noise[@NOISE@];
static int *volatile nowhere;
static volatile int nought, sink;

static size_t
error_text(const bl_error *e, char *buf, size_t size);

static const bl_error_kind error_kind = {"*errors.errorString", error_text};
static bl_error errors[] = {{&error_kind}, {&error_kind}, {&error_kind}};

static size_t
error_text(const bl_error *e, char *buf, size_t size)
{
    return (size_t)snprintf(buf, size, "error %d", (int)(e - errors));
}

@OWN@
#define tr(...) tr_(ME __VA_ARGS__)
#define tr_int(...) tr_int_(ME __VA_ARGS__)
#define tr_i64(...) tr_i64_(ME __VA_ARGS__)
#define tr_f64(...) tr_f64_(ME __VA_ARGS__)
#define tr_pair(...) tr_pair_(ME __VA_ARGS__)
#define tr_ptr(...) tr_ptr_(ME __VA_ARGS__)
#define tr_panic(...) tr_panic_(ME __VA_ARGS__)
#define fresh_string(value) fresh_string_(ME value)
#define fault_nil() fault_nil_(ME_ONLY)
#define fault_divide() fault_divide_(ME_ONLY)
#define through_qsort(f) through_qsort_(ME f)
#define through_bsearch(f) through_bsearch_(ME f)

/* Faults behind a call, for compilers that do not know that code may trap. */
static APART void
fault_nil_(TASK_ONLY)
{
    sink = *nowhere;
}

static APART void
fault_divide_(TASK_ONLY)
{
    sink = SERIAL / nought;
}

static APART struct pair
mk_pair(int a, int b)
{
    return (struct pair){a, b};
}

/* --- the trace --- */

static void tr_int_(TASK int id, int v) { tr("%d: int %d", id, v); }
static void tr_i64_(TASK int id, int64_t v) { tr("%d: i64 %lld", id, (long long)v); }
static void tr_f64_(TASK int id, double v) { tr("%d: f64 %.2f", id, v); }
static void tr_pair_(TASK int id, struct pair v)
{
    tr("%d: pair %lld %lld", id, (long long)v.a, (long long)v.b);
}
static void tr_ptr_(TASK int id, struct box *v)
{
    tr("%d: ptr %d", id, v ? (int)(v - boxes) : -1);
}
static APART void
tr_wide(TASK int a, double b, struct pair c, int64_t d, float e, struct box *f,
        const char *g, unsigned char h, struct pair i, double j, int k)
{
    tr("wide %d %.2f %lld %lld %lld %.2f", a, b, (long long)c.a,
       (long long)c.b, (long long)d, (double)e);
    tr("wide %d %s %d %lld %lld %.2f %d", (int)(f - boxes), g, (int)h,
       (long long)i.a, (long long)i.b, j, k);
}

/* What was panicked with: its class, its identity or its text. */
static const char *
describe(const bl_panic_info *p, char *buf, size_t size)
{
    char text[4096];

    bl_panic_text(p, text, sizeof text);
    if (p->kind == BL_PANIC_ERROR)
        snprintf(buf, size, "error#%d %s", (int)(p->error - errors), text);
    else if (p->kind == BL_PANIC_RUNTIME || p->kind == BL_PANIC_FAULT)
        snprintf(buf, size, "runtime %s", text);
    else if (p->kind == BL_PANIC_VALUE && p->value.kind == BL_VALUE_POINTER)
        snprintf(buf, size, "box#%d",
                 (int)((const struct box *)p->value.as.pointer - boxes));
    else if (p->kind == BL_PANIC_VALUE && p->value.kind == BL_VALUE_FLOAT)
        snprintf(buf, size, "%s %.2f",
                 p->value.type_name ? p->value.type_name : "float",
                 p->value.as.real);
    else if (p->kind == BL_PANIC_VALUE && p->value.kind == BL_VALUE_COMPLEX)
        snprintf(buf, size, "complex %.2f %.2f", p->value.as.real,
                 p->value.imaginary);
    else
        snprintf(buf, size, "%s", text);
    return buf;
}

static APART void
tr_panic_(TASK int id, const bl_panic_info *p)
{
    char buf[5000];

    tr("%d: recover %s", id, p ? describe(p, buf, sizeof buf) : "nil");
}

static APART void
wrap(const bl_panic_info *p)
{
    char buf[5000];

    panic("wrapped: %s", describe(p, buf, sizeof buf));
}

static APART const bl_panic_info *
helper(void)
{
    returns (const bl_panic_info *, h) {
        h = recover();
    }
}

/* --- callbacks out of the C library --- */

struct element { callback *f; int *calls; OWNER };

static int
compare(const void *a, const void *b)
{
    const struct element *e = a;

    (void)b;
    if ((*e->calls)++ == 0)
        e->f(OWNER_OF(e));
    return 0;
}

static APART void
through_qsort_(TASK callback *f)
{
    int calls = 0;
    struct element two[2] = {{f, &calls, ME_TOO}, {f, &calls, ME_TOO}};

    qsort(two, 2, sizeof two[0], compare);
}

static APART void
through_bsearch_(TASK callback *f)
{
    int calls = 0;
    struct element one = {f, &calls, ME_TOO};

    sink = bsearch(&one, &one, 1, sizeof one, compare) != 0;
}
"""

# What a program without goroutines has: all is the one thread's.
GLOBALS = r"""
#define TASK
#define TASK_ONLY void
#define ME
#define ME_ONLY
#define ME_TOO
#define OWNER
#define OWNER_OF(e)
#define SERIAL serial
#define CALLED_BACK called_back
#define spent() spent_()
#define next_serial() next_serial_()

typedef void callback(void);
static callback *volatile called_back;
static int fuel, serial;

static APART int
spent_(void)
{
    return fuel-- <= 0;
}

static APART int
next_serial_(void)
{
    return ++serial;
}

/* A text at an address of its own that lasts as long as its run. */
static APART const char *
fresh_string_(int value)
{
    static char texts[1024][32];
    char *text = texts[next_serial_() & 1023];

    snprintf(text, sizeof texts[0], "s%d.%d", value, serial);
    return text;
}

static APART void
tr_(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}
"""

OWN_TASK = r"""
struct task;
#define TASK struct task *t,
#define TASK_ONLY struct task *t
#define ME t,
#define ME_ONLY t
#define ME_TOO t
#define OWNER struct task *t;
#define OWNER_OF(e) e->t
#define SERIAL t->serial
#define CALLED_BACK t->called_back
#define spent() spent_(t)
#define next_serial() next_serial_(t)
"""

MAIN = r"""
static int inputs;
static const char *volatile ended;
static char ended_with[5000];

static void
outermost(void)
{
    returns_nothing {
        const bl_panic_info *p = recover();

        if (p) {
            describe(p, ended_with, sizeof ended_with);
            ended = "panic ";
        }
    }
}

static void
guarded(void (*entry)(void))
{
    returns_nothing {
        defer_call(outermost);
        entry();
        ended = "normal";
    }
}

static void
set_up(int index)
{
    unsigned state = (unsigned)entries[index / inputs].number * 2654435761u +
                     (unsigned)(index % inputs) * 40503u;

    for (int i = 0; i < @NOISE@; i++) {
        state = state * 1664525u + 1013904223u;
        noise[i] = (int)(state >> 16 & 0xff);
    }
    fuel = 40;
    serial = 0;
    ended = "goexit";
    ended_with[0] = 0;
    printf("== %d.%d\n", entries[index / inputs].number, index % inputs);
}

static void *
traced_thread(void *arg)
{
    guarded(entries[*(int *)arg / inputs].entry);
    return 0;
}

/* For a run that is known to end with a panic. */
static void *
crash_thread(void *arg)
{
    entries[*(int *)arg / inputs].entry();
    ended = "normal";
    return 0;
}

static void
run(int index, void *(*body)(void *))
{
    pthread_t thread;

    set_up(index);
    if (pthread_create(&thread, 0, body, &index))
        abort();
    pthread_join(thread, 0);
    printf("-- %s%s\n", ended, ended_with);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    int first = argc > 2 ? atoi(argv[2]) : 0;

    if (argc == 4 && !strcmp(argv[1], "crash")) {
        setvbuf(stdout, 0, _IOLBF, 0);
        inputs = atoi(argv[3]);
        run(first, crash_thread);
        return 0;
    }
    if (argc != 5)
        return 3;
    inputs = atoi(argv[4]);
    for (int i = first; i < first + atoi(argv[3]); i++)
        run(i, traced_thread);
    return 0;
}
"""

PANIC = {
    "text": 'panic("t{value}.%d", next_serial())',
    "lines": 'panic("one {value}.%d\\ntwo", next_serial())',
    "int": "panic_with(bl_int(1000 + next_serial()))",
    "uint": "panic_with(bl_uint(18446744073709550000u + (unsigned)next_serial()))",
    "bool": "panic_with(bl_bool({value} > 50))",
    "float": "panic_with(bl_float({value} + 0.25 + next_serial()))",
    "complex": "panic_with(bl_complex({value}, -0.5 - next_serial()))",
    "string": 'panic_with(bl_string(fresh_string({value})))',
    "named": 'panic_with(bl_named(bl_float({value} + 0.5 + next_serial()), "main.celsius"))',
    "error": "panic_error(&errors[{value} % 3])",
    "pointer": 'panic_value(&boxes[{value} % 4], "*main.box")',
    "nil": "panic_error(0)",
}

FAULTS = {"nil": "sink = *nowhere;", "divide": "sink = SERIAL / nought;"}


class Writer(tasks_c.TaskWriter):
    """Writes one program.  place: in the file; makes the names.  blocks: the
    compiler has defer blocks, which also means that it knows that code may
    trap."""

    def __init__(self, program, place, blocks):
        self.place = place
        self.functions = program["functions"]
        self.tasks = program.get("tasks", False)
        self.blocks = blocks
        self.lines = []
        self.indent = 0

    def put(self, line):
        self.lines.append("    " * self.indent + line)

    def name(self, index):
        return f"p{self.place}_{index}"

    def text(self):
        for index in range(len(self.functions)):
            self.put(self.head(index) + ";")
        for index in range(1, len(self.functions)):
            self.callback(index)
            if self.tasks:
                self.task_functions(index)
        for index in range(len(self.functions)):
            self.function(index)
        return "\n".join(self.lines) + "\n"

    def head(self, index):
        function = self.functions[index]
        params = ["struct task *t"] * self.tasks
        params += [f"{TYPES[t]} a{i}" for i, t in enumerate(function["params"])]
        return (f"static {TYPES[function['result']]} {self.name(index)}"
                f"({', '.join(params) or 'void'})")

    def callback(self, index):
        """The function without parameters that callbacks call."""
        zero = {"int": "7", "i64": "8", "f64": "0.75", "ptr": "&boxes[1]",
                "pair": "mk_pair(1, 2)", "ref": "&v"}
        args = ["t"] * self.tasks + [zero[t] for t in self.functions[index]["params"]]
        self.put(f"static APART void {self.name(index)}_cb(TASK_ONLY)")
        self.put(f"{{ int v = 9; (void)v; {self.name(index)}({', '.join(args)}); }}")

    def type_of(self, kind):
        return TYPES[kind]

    def function(self, index):
        function = self.functions[index]
        self.current = function
        locals_ = "int v0 = 1, v1 = noise[1];"
        # Deferred calls are made when the body's own variables are gone: what
        # they get pointers to has to be outside.
        outside = any(s["op"] == "defer_call" for s in all_statements(function["body"]))
        self.put(self.head(index))
        self.put("{")
        self.indent += 1
        if outside:
            self.put(locals_)
        if function["result"] == "void":
            self.put("returns_nothing {")
        else:
            self.put(f"returns ({TYPES[function['result']]}, r) {{")
        self.indent += 1
        if not outside:
            self.put(locals_)
        self.entry(index, function["params"])
        self.statements(function["body"])
        self.indent -= 1
        self.put("}")
        self.indent -= 1
        self.put("}")

    def entry(self, index, params):
        self.put(f'tr("enter {index} %d", v1);')
        for i, kind in enumerate(params):
            if kind == "ref":
                self.put(f"tr_int({i}, *a{i});")
            else:
                self.put(f"tr_{kind}({i}, a{i});")
        self.put("if (spent())")
        self.put("    leave;")

    def statements(self, body):
        for statement in body:
            getattr(self, "put_" + statement["op"])(statement)

    def braced(self, opening, body, closing="}"):
        self.put(opening + " {")
        self.indent += 1
        self.statements(body)
        self.indent -= 1
        self.put(closing)

    # Expressions.

    def expression(self, expression):
        head, *rest = expression
        if head == "call":
            return self.call(rest[0], rest[1])
        if head == "ptr":
            return f"&boxes[{rest[0]}]"
        if head == "ref":
            return "&" + rest[0]
        return getattr(self, "value_" + head)(*rest)

    def value_int(self, name, number):
        return f"(({name} + {number}) & 0xffff)"

    def value_i64(self, name, number):
        return f"((int64_t){name} * 1000003 + {number}000000007)"

    def value_f64(self, name, number):
        return f"((double){name} + {number}.25)"

    def value_pair(self, name, number):
        return f"mk_pair({name}, {number})"

    def call(self, index, args):
        args = ["t"] * self.tasks + [self.expression(a) for a in args]
        return f"{self.name(index)}({', '.join(args)})"

    def condition(self, condition):
        name, place, mask, equal = condition
        return f"(({name} + noise[{place}]) & {mask}) == {equal}"

    # Statements.

    def put_trace(self, s):
        self.put(f'tr("{s["id"]}: v %d %d", v0, v1);')
        if self.current["result"] != "void":
            self.put(f"tr_{self.current['result']}({s['id']}, r);")

    def put_set(self, s):
        self.put(f"{s['var']} = ({s['var']} * 3 + noise[{s['noise']}] + {s['add']}) & 0xffff;")

    def put_local(self, s):
        self.put(f"int w{s['id']} = {self.expression(s['value'])};")

    def put_result(self, s):
        self.put(f"r = {self.expression(s['value'])};")

    def put_through(self, s):
        name = f"*a{s['param']}"
        self.put(f"{name} = ({name} * 5 + {s['add']}) & 0xffff;")

    def put_call(self, s):
        target = s["function"]
        call = self.call(target, s["args"])
        kind = self.functions[target]["result"]
        if s["via"] in ("qsort", "bsearch"):
            self.put(f"through_{s['via']}({self.name(target)}_cb);")
        elif s["via"] == "pointer":
            self.put(f"CALLED_BACK = {self.name(target)}_cb;")
            self.put("CALLED_BACK(ME_ONLY);")
        elif kind == "void":
            self.put(call + ";")
        else:
            self.put(f"tr_{kind}({s['id']}, {call});")

    def put_if(self, s):
        self.braced(f"if ({self.condition(s['condition'])})", s["body"],
                    "} else {" if s["else"] else "}")
        if s["else"]:
            self.indent += 1
            self.statements(s["else"])
            self.indent -= 1
            self.put("}")

    def put_loop(self, s):
        name = f"i{s['name']}"
        self.braced(f"for (int {name} = 0; {name} < {s['times']}; {name}++)", s["body"])

    def put_scope(self, s):
        self.braced("", s["body"])

    def put_defer(self, s):
        self.braced("defer", s["body"], "};")

    def put_defer_call(self, s):
        function = self.functions[s["function"]]
        args = ", t" * self.tasks + "".join(", " + self.expression(a) for a in s["args"])
        name = self.name(s["function"])
        if s["how"] == "direct":
            self.put(f"defer_call({name}{args});")
            return
        params = ["struct task *"] * self.tasks + [TYPES[t] for t in function["params"]]
        params = ", ".join(params) or "void"
        self.put("{")
        self.put(f"    {TYPES[function['result']]} (*f)({params}) = {name};")
        self.put(f"    defer_call(f{args});")
        self.put("    f = 0;")
        self.put("}")

    def put_defer_wide(self, s):
        v = s["var"]
        self.put(f"defer_call(tr_wide, ME {v}, {v} + 0.25, mk_pair({v}, {s['id']}), "
                 f"(int64_t){v} << 33, (float){v} + 0.5f, &boxes[2], \"text\", "
                 f"(unsigned char){v}, mk_pair(-1, {v}), -1.5, {s['id']});")

    def put_defer_builtin(self, s):
        if s["what"] == "goexit":
            self.put("defer_call(goexit);")
        elif s["what"] == "panic":
            self.put(f'defer_call(panic, "d{s["id"]}.%d", next_serial());')
        else:
            self.put("{ callback *volatile f = 0; defer_call(f%s); }" % (", t" * self.tasks))

    def put_panic(self, s):
        self.put(PANIC[s["what"]].format(value=s["value"]) + ";")

    def put_fault(self, s):
        self.put(FAULTS[s["what"]] if self.blocks else f"fault_{s['what']}();")

    def put_goexit(self, s):
        self.put("goexit();")

    def put_recover(self, s):
        self.put(f"const bl_panic_info *p{s['id']} = recover();")
        self.put(f"tr_panic({s['id']}, p{s['id']});")

    def put_helper(self, s):
        self.put(f"tr_panic({s['id']}, helper());")

    def put_repanic(self, s):
        self.put(f"if (p{s['slot']})")
        self.put(f"    repanic(p{s['slot']});")

    def put_wrap(self, s):
        self.put(f"if (p{s['slot']})")
        self.put(f"    wrap(p{s['slot']});")

    def put_again(self, s):
        self.put(f"tr_panic({s['id']}, p{s['slot']});")

    def put_recovered(self, s):
        self.braced(f"if (p{s['slot']})", s["body"])

    def put_leave(self, s):
        self.put("leave;")

    def put_leave_with(self, s):
        self.put(f"leave_with({self.expression(s['value'])});")

    def put_break(self, s):
        self.put("break;")

    def put_continue(self, s):
        self.put("continue;")


def filled(text):
    return text.replace("@NOISE@", str(NOISE)).replace("@BOXES@", str(BOXES))


def entries(programs):
    """The table of what main calls; a result of function 0 is traced."""
    wrappers, rows = [], []
    for place, program in enumerate(programs):
        entry, kind = f"p{place}_0", program["functions"][0]["result"]
        if kind != "void":
            wrappers.append(f"static void p{place}_go(TASK_ONLY) "
                            f"{{ tr_{kind}(0, {entry}(ME_ONLY)); }}\n")
            entry = f"p{place}_go"
        rows.append(f"    {{{entry}, {program['number']}}},\n")
    head = "static const struct { callback *entry; int number; } entries[] = {\n"
    return "".join((*wrappers, head, *rows, "};\n"))


def c_file(programs, blocks):
    """programs: all with goroutines, or all without."""
    texts = [Writer(p, i, blocks).text() for i, p in enumerate(programs)]
    if programs[0].get("tasks"):
        own, more, main = OWN_TASK + tasks_c.TASK, tasks_c.TASKS, tasks_c.MAIN
    else:
        own, more, main = GLOBALS, "", MAIN
    own, more = tasks_c.filled(own), tasks_c.filled(more)
    return "".join((filled(PRELUDE.replace("@OWN@", own)), more, *texts,
                    entries(programs), filled(main)))
