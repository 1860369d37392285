# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Writes programs (see model.py) as one Go file: the oracle.

The one thing that is not a matter of spelling: a nested C scope with defer
blocks becomes a function literal, called on the spot.  Its result says how the
scope was left (see LEFT and friends), and what the literal stands in does the
same.  A block of that scope that recovers makes it LEFT: in C the whole function
returns then, not just the scope.

Every function has a *task, which holds what belongs to a goroutine (tasks_go.py).
"""

import tasks_go
from model import BOXES, NOISE, has_defer

TYPES = {"int": "int32", "i64": "int64", "f64": "float64", "ptr": "*box",
         "pair": "pair", "ref": "*int32"}

# How a scope's literal was left.
END, LEFT, BROKEN, CONTINUED = range(4)

PRELUDE = r"""
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
@IMPORTS@)

type box struct{ number int32 }
type pair struct{ a, b int64 }
type celsius float64

var boxes [@BOXES@]box
var noise [@NOISE@]int32
var nowhere *int32
var nought, one, sink int32 = 0, 1, 0
var errs = [3]error{errors.New("error 0"), errors.New("error 1"), errors.New("error 2")}
var out *bufio.Writer

func (t *task) spent() bool {
	t.fuel--
	return t.fuel < 0
}

func (t *task) next() int {
	t.serial++
	return t.serial
}

func mkPair(a, b int32) pair { return pair{int64(a), int64(b)} }

func trInt(t *task, id int, v int32)   { t.tr("%d: int %d", id, v) }
func trI64(t *task, id int, v int64)   { t.tr("%d: i64 %d", id, v) }
func trF64(t *task, id int, v float64) { t.tr("%d: f64 %.2f", id, v) }
func trPair(t *task, id int, v pair)   { t.tr("%d: pair %d %d", id, v.a, v.b) }
func trPtr(t *task, id int, v *box)    { t.tr("%d: ptr %d", id, boxNumber(v)) }

func boxNumber(v *box) int {
	for i := range boxes {
		if v == &boxes[i] {
			return i
		}
	}
	return -1
}

func trWide(t *task, a int32, b float64, c pair, d int64, e float32, f *box, g string,
	h uint8, i pair, j float64, k int32) {
	t.tr("wide %d %.2f %d %d %d %.2f", a, b, c.a, c.b, d, e)
	t.tr("wide %d %s %d %d %d %.2f %d", boxNumber(f), g, h, i.a, i.b, j, k)
}

// describe tells a panic's class, its identity or its text.
func describe(p any) string {
	switch v := p.(type) {
	case runtime.Error:
		return "runtime " + v.Error()
	case error:
		for i := range errs {
			if v == errs[i] {
				return fmt.Sprintf("error#%d %s", i, v.Error())
			}
		}
	case *box:
		return fmt.Sprintf("box#%d", boxNumber(v))
	case float64:
		return fmt.Sprintf("float %.2f", v)
	case celsius:
		return fmt.Sprintf("main.celsius %.2f", v)
	case complex128:
		return fmt.Sprintf("complex %.2f %.2f", real(v), imag(v))
	}
	return fmt.Sprint(p)
}

func trPanic(t *task, id int, p any) {
	if p == nil {
		t.tr("%d: recover nil", id)
		return
	}
	t.tr("%d: recover %s", id, describe(p))
}

func wrap(p any) { panic("wrapped: " + describe(p)) }

//go:noinline
func helper() any { return recover() }

//go:noinline
func callBack(t *task, f func(*task)) { f(t) }
"""

TASK = r"""
type task struct{ fuel, serial int }

var lineByLine bool

func (t *task) tr(format string, args ...any) {
	fmt.Fprintf(out, format+"\n", args...)
	if lineByLine {
		out.Flush()
	}
}
"""

MAIN = r"""
var inputs int
var ended string

func outermost() {
	if p := recover(); p != nil {
		ended = "panic " + describe(p)
	}
}

func guarded(entry func(*task), t *task) {
	defer outermost()
	entry(t)
	ended = "normal"
}

func setUp(index int) *task {
	number, input := entries[index/inputs].number, index%inputs
	state := uint32(number)*2654435761 + uint32(input)*40503
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = int32(state >> 16 & 0xff)
	}
	ended = "goexit"
	t := &task{fuel: 40}
	t.tr("== %d.%d", number, input)
	return t
}

func run(index int, body func(func(*task), *task)) {
	t := setUp(index)
	done := make(chan bool)
	go func() {
		defer func() { done <- true }()
		body(entries[index/inputs].entry, t)
	}()
	<-done
	t.tr("-- %s", ended)
}

// crash lets a panic through: nothing of its own stands above the program, which
// is known to end with a panic.
func crash(index int) {
	t := setUp(index)
	done := make(chan bool)
	go func() {
		entries[index/inputs].entry(t)
		done <- true
	}()
	<-done
	t.tr("-- normal")
}

func main() {
	out = bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	first, _ := strconv.Atoi(os.Args[2])
	if os.Args[1] == "crash" {
		lineByLine = true
		inputs, _ = strconv.Atoi(os.Args[3])
		crash(first)
		return
	}
	count, _ := strconv.Atoi(os.Args[3])
	inputs, _ = strconv.Atoi(os.Args[4])
	for i := first; i < first+count; i++ {
		run(i, guarded)
	}
}
"""

PANIC = {
    "text": 'panic(fmt.Sprintf("t{value}.%d", t.next()))',
    "lines": 'panic(fmt.Sprintf("one {value}.%d\\ntwo", t.next()))',
    "int": "panic(1000 + t.next())",
    "uint": "panic(18446744073709550000 + uint64(t.next()))",
    "bool": "panic({value} > 50)",
    "float": "panic({value} + 0.25 + float64(t.next()))",
    "complex": "panic(complex({value}, -0.5-float64(t.next())))",
    "string": 'panic(fmt.Sprintf("s{value}.%d", t.next()))',
    "named": "panic(celsius({value} + 0.5 + float64(t.next())))",
    "error": "panic(errs[{value}%3])",
    "pointer": "panic(&boxes[{value}%4])",
    "nil": "panic(nil)",
}

FAULTS = {"nil": "sink = *nowhere", "divide": "sink = one / nought"}


class Writer(tasks_go.TaskWriter):
    """Writes one program.  place: in the file; makes the names."""

    def __init__(self, program, place):
        self.place = place
        self.functions = program["functions"]
        self.tasks = program.get("tasks", False)
        self.lines = []
        self.indent = 0
        self.scopes = 0         # literals around, within the frame at hand
        self.in_loop = False    # a break leaves a loop of the literal at hand
        self.in_block = False
        self.loops = 0          # loops around, within the frame at hand
        self.owner = 0          # the scope whose defer block is at hand

    def put(self, line):
        self.lines.append("\t" * self.indent + line)

    def name(self, index):
        return f"p{self.place}_{index}"

    def text(self):
        for index, function in enumerate(self.functions):
            self.function(index, function)
        return "\n".join(self.lines) + "\n"

    def function(self, index, function):
        self.current = function
        params = "".join(f", a{i} {TYPES[t]}" for i, t in enumerate(function["params"]))
        result = function["result"]
        results = f" (r {TYPES[result]})" if result != "void" else ""
        self.callback(index, function)
        if self.tasks:
            self.task_functions(index)
        self.put(f"func {self.name(index)}(t *task{params}){results} {{")
        self.indent += 1
        self.put("v0, v1 := int32(1), noise[1]")
        self.put("_, _ = v0, v1")
        self.entry(index, function["params"])
        self.statements(function["body"])
        self.put("return")
        self.indent -= 1
        self.put("}")

    def callback(self, index, function):
        zero = {"int": "7", "i64": "8", "f64": "0.75", "ptr": "&boxes[1]",
                "pair": "mkPair(1, 2)", "ref": "&v"}
        args = "".join(", " + zero[t] for t in function["params"])
        self.put(f"func {self.name(index)}_cb(t *task) {{")
        self.put(f"\tv := int32(9); _ = v; {self.name(index)}(t{args})")
        self.put("}")

    def type_of(self, kind):
        return TYPES[kind]

    def entry(self, index, params):
        self.put(f't.tr("enter {index} %d", v1)')
        for i, kind in enumerate(params):
            if kind == "ref":
                self.put(f"trInt(t, {i}, *a{i})")
            else:
                self.put(f"tr{kind.capitalize()}(t, {i}, a{i})")
        self.put("if t.spent() {")
        self.put("\treturn")
        self.put("}")

    def statements(self, body):
        for statement in body:
            getattr(self, "put_" + statement["op"])(statement)

    # Scopes.

    def braced(self, opening, body, closing="}"):
        """A C block: braces, or a literal inside them."""
        self.put(opening + " {")
        self.indent += 1
        self.inner(body)
        self.indent -= 1
        self.put(closing)

    def inner(self, body):
        if has_defer(body):
            self.literal(body)
        else:
            self.statements(body)

    def literal(self, body):
        self.scopes += 1
        self.put(f"if code := func() (code{self.scopes} int) {{")
        in_loop, self.in_loop = self.in_loop, False
        self.indent += 1
        self.statements(body)
        self.put(f"return {END}")
        self.indent -= 1
        self.in_loop = in_loop
        self.scopes -= 1
        self.after_literal()

    def after_literal(self):
        """Leaves what the literal stands in as the literal was left."""
        ways = []
        if not self.in_block:
            ways.append((LEFT, self.leaving(LEFT, "return")))
        if self.loops:
            ways.append((BROKEN, self.leaving(BROKEN, "break")))
            ways.append((CONTINUED, self.leaving(CONTINUED, "continue")))
        opening = "}(); "
        for code, how in ways:
            self.put(f"{opening}code == {code} {{")
            self.put("\t" + how)
            opening = "} else if "
        self.put("}" if ways else "}(); code != 0 {\n}")

    def leaving(self, code, how):
        """The statement that leaves the function or a loop from here."""
        inside = self.in_loop if how != "return" else not self.scopes
        return how if inside else f"return {code}"

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
        return f"((int32({name}) + {number}) & 0xffff)"

    def value_i64(self, name, number):
        return f"(int64({name})*1000003 + {number}000000007)"

    def value_f64(self, name, number):
        return f"(float64({name}) + {number}.25)"

    def value_pair(self, name, number):
        return f"mkPair({name}, {number})"

    def call(self, index, args):
        args = "".join(", " + self.expression(a) for a in args)
        return f"{self.name(index)}(t{args})"

    def condition(self, condition):
        name, place, mask, equal = condition
        return f"({name}+noise[{place}])&{mask} == {equal}"

    # Statements.

    def put_trace(self, s):
        self.put(f't.tr("{s["id"]}: v %d %d", v0, v1)')
        if self.current["result"] != "void":
            self.put(f"tr{self.current['result'].capitalize()}(t, {s['id']}, r)")

    def put_set(self, s):
        self.put(f"{s['var']} = ({s['var']}*3 + noise[{s['noise']}] + {s['add']}) & 0xffff")

    def put_local(self, s):
        self.put(f"w{s['id']} := {self.expression(s['value'])}")
        self.put(f"_ = w{s['id']}")

    def put_result(self, s):
        self.put(f"r = {self.expression(s['value'])}")

    def put_through(self, s):
        self.put(f"*a{s['param']} = (*a{s['param']}*5 + {s['add']}) & 0xffff")

    def put_call(self, s):
        target = s["function"]
        kind = self.functions[target]["result"]
        if s["via"] != "direct":
            self.put(f"callBack(t, {self.name(target)}_cb)")
        elif kind == "void":
            self.put(self.call(target, s["args"]))
        else:
            self.put(f"tr{kind.capitalize()}(t, {s['id']}, {self.call(target, s['args'])})")

    def put_if(self, s):
        self.braced(f"if {self.condition(s['condition'])}", s["body"],
                    "} else {" if s["else"] else "}")
        if not s["else"]:
            return
        self.indent += 1
        self.inner(s["else"])
        self.indent -= 1
        self.put("}")

    def put_loop(self, s):
        name = f"i{s['name']}"
        in_loop, self.in_loop = self.in_loop, True
        self.loops += 1
        self.braced(f"for {name} := int32(0); {name} < {s['times']}; {name}++", s["body"])
        self.loops -= 1
        self.in_loop = in_loop

    def put_scope(self, s):
        self.braced("", s["body"])

    def put_defer(self, s):
        outer = (self.scopes, self.in_loop, self.in_block, self.loops, self.owner)
        self.put("defer func() {")
        self.indent += 1
        self.scopes, self.in_loop, self.in_block, self.loops, self.owner = (
            0, False, True, 0, self.scopes)
        self.statements(s["body"])
        self.scopes, self.in_loop, self.in_block, self.loops, self.owner = outer
        self.indent -= 1
        self.put("}()")

    def put_defer_call(self, s):
        args = "t" + "".join(", " + self.expression(a) for a in s["args"])
        name = self.name(s["function"])
        if s["how"] == "direct":
            self.put(f"defer {name}({args})")
            return
        self.put("{")
        self.put(f"\tf := {name}")
        self.put(f"\tdefer f({args})")
        self.put("\tf = nil")
        self.put("\t_ = f")
        self.put("}")

    def put_defer_wide(self, s):
        v = s["var"]
        self.put(f"defer trWide(t, {v}, float64({v})+0.25, mkPair({v}, {s['id']}), "
                 f"int64({v})<<33, float32({v})+0.5, &boxes[2], \"text\", "
                 f"uint8({v}), mkPair(-1, {v}), -1.5, {s['id']})")

    def put_defer_builtin(self, s):
        if s["what"] == "goexit":
            self.put("defer runtime.Goexit()")
        elif s["what"] == "panic":
            self.put(f'defer panic(fmt.Sprintf("d{s["id"]}.%d", t.next()))')
        else:
            self.put("{")
            self.put("\tvar f func()")
            self.put("\tdefer f()")
            self.put("}")

    def put_panic(self, s):
        self.put(PANIC[s["what"]].format(value=s["value"]))

    def put_fault(self, s):
        self.put(FAULTS[s["what"]])

    def put_goexit(self, s):
        self.put("runtime.Goexit()")

    def put_recover(self, s):
        slot = f"p{s['id']}"
        self.put(f"{slot} := recover()")
        self.put(f"trPanic(t, {s['id']}, {slot})")
        if self.in_block and self.owner:
            self.put(f"if {slot} != nil {{")
            self.put(f"\tcode{self.owner} = {LEFT}")
            self.put("}")

    def put_helper(self, s):
        self.put(f"trPanic(t, {s['id']}, helper())")

    def put_repanic(self, s):
        self.put(f"if p{s['slot']} != nil {{")
        self.put(f"\tpanic(p{s['slot']})")
        self.put("}")

    def put_wrap(self, s):
        self.put(f"if p{s['slot']} != nil {{")
        self.put(f"\twrap(p{s['slot']})")
        self.put("}")

    def put_again(self, s):
        self.put(f"trPanic(t, {s['id']}, p{s['slot']})")

    def put_recovered(self, s):
        self.braced(f"if p{s['slot']} != nil", s["body"])

    def put_leave(self, s):
        self.put("if true {")
        self.put("\t" + self.leaving(LEFT, "return"))
        self.put("}")

    def put_leave_with(self, s):
        value = self.expression(s["value"])
        if self.scopes:
            self.put(f"r = {value}")
            self.put_leave(s)
        else:
            self.put(f"if true {{\n\treturn {value}\n}}")

    def put_break(self, s):
        self.put("if true {\n\t" + self.leaving(BROKEN, "break") + "\n}")

    def put_continue(self, s):
        self.put("if true {\n\t" + self.leaving(CONTINUED, "continue") + "\n}")


def filled(text):
    return text.replace("@NOISE@", str(NOISE)).replace("@BOXES@", str(BOXES))


def entries(programs):
    """The table of what main calls; a result of function 0 is traced."""
    lines = ["var entries = []struct {", "\tentry  func(*task)", "\tnumber int", "}{"]
    for place, program in enumerate(programs):
        entry, kind = f"p{place}_0", program["functions"][0]["result"]
        if kind != "void":
            entry = f"func(t *task) {{ tr{kind.capitalize()}(t, 0, {entry}(t)) }}"
        lines.append(f"\t{{{entry}, {program['number']}}},")
    return "\n".join(lines) + "\n}\n"


def go_file(programs):
    """programs: all with goroutines, or all without."""
    texts = [Writer(p, i).text() for i, p in enumerate(programs)]
    imports, own, main = (), TASK, MAIN
    if programs[0].get("tasks"):
        imports, own, main = tasks_go.IMPORTS, tasks_go.filled(tasks_go.TASKS), tasks_go.MAIN
    head = PRELUDE.replace("@IMPORTS@", "".join(f'\t"{name}"\n' for name in imports))
    return "".join((filled(head), own, *texts, entries(programs), filled(main)))
