# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""The programs that the differential test compares: what one is, which are
legal, and how a random one is made.

A program is plain JSON data (dicts, lists, strings, numbers), so that a failing
one can be stored, shrunk and replayed:

    program   {"number": 7, "functions": [function, ...]}; function 0 is called
    function  {"result": TYPE, "params": [TYPE, ...], "body": [statement, ...]}
    statement {"op": "trace", "id": 12, ...}: the operations are listed in
              Checker, one method each
    expression [TYPE, variable or 0, number], ["ptr", number], ["ref", variable],
              ["call", function, [expression, ...]]

Programs with goroutines have "tasks": true, and what tasks.py adds.

Every function has the int locals v0 and v1, its parameters a0, a1, ... and its
named result r.  Loops add i<name>, the statement "local" adds w<id>, and
"recover" adds the recovered value p<id>.

The rules exist because a C block is not a Go function.  A defer block in a
nested C scope is written in Go as a function literal called on the spot.  That
is the same thing as long as nothing inside looks at which function it is in:

  - recover stands in a function's body or in a defer block, never in a scope
    with defers, nor in a block inside a block (there C's is always NULL);
  - defer_call stands outside of scopes with defers and of defer blocks, and
    before the function's first defer block: then blocks run before calls in
    Go's one list as they do in C's two;
  - nothing leaves a defer block but its end, a panic and goexit.
"""

import random
from dataclasses import dataclass, replace

import tasks

VALUE_TYPES = ("int", "i64", "f64", "ptr", "pair")
PANICS = ("text", "lines", "int", "uint", "bool", "float", "complex", "string",
          "named", "error", "pointer", "nil")
NOISE = 16          # size of the table of numbers that differ from run to run
BOXES = 4           # objects that pointers may point to
ERRORS = 3          # error values


class Illegal(Exception):
    """The program breaks a rule: shrinking tries many that do."""


@dataclass(frozen=True)
class Place:
    """Where a statement stands."""
    function: int
    block: int = 0          # defer blocks around it
    scoped: bool = False    # inside a scope with defers, seen from the function
                            # or defer block that it belongs to
    loop: bool = False      # a break would be legal
    depth: int = 0          # nesting, to bound it
    ints: tuple = ()        # readable int variables
    slots: tuple = ()       # recovered values

    @property
    def may_recover(self):
        return not self.scoped and self.block < 2

    @property
    def may_leave(self):
        return self.block == 0


def has_defer(body):
    """True if the C block has defers of its own: Go needs a literal for it."""
    return any(s["op"] == "defer" for s in body)


def first_place(program, index):
    params = program["functions"][index]["params"]
    names = [f"a{i}" for i, t in enumerate(params) if t == "int"]
    return Place(index, ints=("v0", "v1", *names))


def bodies(statement):
    """The statement lists inside a statement."""
    return [statement[key] for key in ("body", "else") if key in statement]


def all_statements(body):
    for statement in body:
        yield statement
        for inner in bodies(statement):
            yield from all_statements(inner)


# --- which programs are legal ------------------------------------------------

class Checker(tasks.TaskRules):
    """Raises Illegal where a program breaks a rule."""

    def __init__(self, program):
        self.program = program
        self.functions = program["functions"]
        self.with_tasks = program.get("tasks", False)

    def check(self):
        if self.functions[0]["params"]:
            raise Illegal("the first function takes parameters")
        for index, function in enumerate(self.functions):
            self.blocks_begun = False
            self.body(function["body"], first_place(self.program, index), True)

    def body(self, body, place, own_frame):
        """own_frame: the body is a function's or a defer block's."""
        if has_defer(body) and not own_frame:
            place = replace(place, scoped=True)
        place = replace(place, depth=place.depth + 1)
        for statement in body:
            place = getattr(self, "on_" + statement["op"])(statement, place) or place
            self.need(self.with_tasks or statement["op"] not in tasks.WEIGHTS, "no tasks")

    def need(self, condition, what):
        if not condition:
            raise Illegal(what)

    def expression(self, expression, place):
        head, *rest = expression
        if head == "call":
            self.call(rest[0], rest[1], place)
        elif head == "ref":
            names = ["v0", "v1"]
            if self.functions[place.function]["result"] == "int":
                names.append("r")
            self.need(rest[0] in names, "reference to what is no int of the frame")
        else:
            for name in rest:
                if isinstance(name, str):
                    self.need(name in place.ints, f"{name} is not in scope")

    def call(self, target, args, place):
        self.need(target < len(self.functions), "no such function")
        self.need(len(args) == len(self.functions[target]["params"]), "arguments")
        for arg in args:
            self.expression(arg, place)

    def condition(self, condition, place):
        self.need(condition[0] in place.ints, "condition on an unknown variable")

    # One method an operation; returns the place of what follows if it differs.

    def on_trace(self, s, place):
        """Prints v0, v1 and the result."""

    def on_set(self, s, place):
        """An int variable gets a new value made of itself and noise."""
        self.need(s["var"] in place.ints and s["var"][0] in "vwa", "target")

    def on_local(self, s, place):
        self.expression(s["value"], place)
        return replace(place, ints=place.ints + (f"w{s['id']}",))

    def on_result(self, s, place):
        self.expression(s["value"], place)

    def on_call(self, s, place):
        """via: direct, pointer, qsort, bsearch (C library callbacks)."""
        self.call(s["function"], s["args"], place)

    def on_if(self, s, place):
        self.condition(s["condition"], place)
        self.body(s["body"], place, False)
        self.body(s["else"], place, False)

    def on_loop(self, s, place):
        name = f"i{s['name']}"
        self.body(s["body"], replace(place, loop=True, ints=place.ints + (name,)), False)

    def on_through(self, s, place):
        """Changes the int that a parameter of type ref points to."""
        params = self.functions[place.function]["params"]
        self.need(s["param"] < len(params) and params[s["param"]] == "ref", "no ref")

    def on_scope(self, s, place):
        self.body(s["body"], place, False)

    def on_defer(self, s, place):
        self.need(place.block < 2, "defer blocks three deep")
        if place.block == 0 and not place.scoped:
            self.blocks_begun = True
        inside = replace(place, block=place.block + 1, scoped=False, loop=False,
                         slots=())
        self.body(s["body"], inside, True)

    def on_defer_call(self, s, place):
        """how: direct, variable (the function is in a variable)."""
        self.may_defer_call(place)
        self.call(s["function"], s["args"], place)

    def on_defer_wide(self, s, place):
        """A deferred call with eleven arguments of all types."""
        self.may_defer_call(place)
        self.need(s["var"] in place.ints, "unknown variable")

    def on_defer_builtin(self, s, place):
        """what: goexit, panic, nil (a null function)."""
        self.may_defer_call(place)

    def may_defer_call(self, place):
        self.need(place.block == 0 and not place.scoped, "call in a scope")
        self.need(not self.blocks_begun, "deferred call after a defer block")

    def on_panic(self, s, place):
        self.need(s["what"] in PANICS, "panic with what")

    def on_fault(self, s, place):
        """what: nil, divide."""

    def on_goexit(self, s, place):
        """Ends the thread."""

    def on_recover(self, s, place):
        self.need(place.may_recover, "recover in a scope")
        return replace(place, slots=place.slots + (s["id"],))

    def on_helper(self, s, place):
        """Recovers in a function called here: always nil."""

    def on_repanic(self, s, place):
        self.need(s["slot"] in place.slots, "unknown slot")

    def on_wrap(self, s, place):
        """Panics with a text made of the recovered value's."""
        self.need(s["slot"] in place.slots, "unknown slot")

    def on_again(self, s, place):
        """Prints a recovered value once more."""
        self.need(s["slot"] in place.slots, "unknown slot")

    def on_recovered(self, s, place):
        """The body runs if the slot holds a value."""
        self.need(s["slot"] in place.slots, "unknown slot")
        self.body(s["body"], place, False)

    def on_leave(self, s, place):
        self.need(place.may_leave, "leave in a defer block")

    def on_leave_with(self, s, place):
        self.need(place.may_leave, "leave in a defer block")
        self.expression(s["value"], place)

    def on_break(self, s, place):
        self.need(place.loop, "break outside a loop")

    def on_continue(self, s, place):
        self.need(place.loop, "continue outside a loop")


def check(program):
    Checker(program).check()


def is_legal(program):
    try:
        check(program)
    except Illegal:
        return False
    return True


# --- random programs ---------------------------------------------------------

ENDS = ("panic", "fault", "goexit", "leave", "leave_with", "break", "continue",
        "repanic", "wrap")

# How often each operation is tried, in a function body and in a defer block (or
# a function made to be deferred).
BODY_WEIGHTS = {
    "trace": 6, "through": 2, "set": 5, "local": 2, "result": 4, "call": 14, "if": 6,
    "loop": 4, "scope": 3, "defer": 14, "defer_call": 14, "defer_wide": 1,
    "defer_builtin": 1, "upset": 12, "recover": 1, "helper": 1,
}
DEFERRED_WEIGHTS = {
    "trace": 6, "through": 8, "set": 4, "local": 1, "result": 7, "call": 6, "if": 4,
    "loop": 2, "scope": 2, "defer": 2, "defer_call": 4, "defer_wide": 1,
    "defer_builtin": 1, "upset": 5, "recover": 12, "helper": 1,
    "again": 3, "recovered": 6,
}


def weights_with_tasks(weights):
    return {**weights, **tasks.WEIGHTS}


class Generator(tasks.TaskMaker):
    """Makes one random program; kinds: blocks, records or both."""

    def __init__(self, seed, number, kinds, with_tasks):
        self.random = random.Random(f"{seed}/{number}/{kinds}{'/tasks' * with_tasks}")
        self.with_tasks = with_tasks
        self.number = number
        self.kinds = kinds
        self.next_id = 0
        self.functions = []
        self.styles = []        # per function: which defers it may use
        self.calm = self.random.random()    # how rarely things go wrong
        if with_tasks:
            self.settle_tasks()

    def program(self):
        count = self.random.randint(3, 8)
        self.functions = [self.signature(i) for i in range(count)]
        program = {"number": self.number, "functions": self.functions}
        if self.with_tasks:
            program["tasks"] = True
        for index in range(count):
            self.fill(program, index)
        check(program)
        return program

    def signature(self, index):
        params = []
        if index:
            types = (*VALUE_TYPES, "int", "int", "ref", "ref", "ref")
            params = [self.random.choice(types)
                      for _ in range(self.random.choice((0, 0, 1, 1, 2, 3, 8)))]
        styles = {"records": ["calls"], "blocks": ["blocks"],
                  "both": ["calls", "calls", "blocks", "blocks", "mixed"]}
        self.styles.append(self.random.choice(styles[self.kinds]))
        result = self.random.choice((*VALUE_TYPES, "int", "void", "void"))
        return {"result": result, "params": params, "body": []}

    def fill(self, program, index):
        self.blocks_begun = False
        deferred = index > 1 and self.random.random() < 0.5
        weights = DEFERRED_WEIGHTS if deferred else BODY_WEIGHTS
        size = self.random.randint(2, 9)
        if self.with_tasks:
            weights = weights_with_tasks(weights)
            size = self.random.randint(3, 16)
        place = first_place(program, index)
        self.functions[index]["body"] = self.list_of(place, weights, size, True)

    def list_of(self, place, weights, size, own_frame=False):
        """Statements of one C block, which has its own frame in Go if own_frame,
        and else gets one if it is to have defers of its own."""
        may_defer = own_frame
        if not own_frame and self.random.random() < 0.4:
            may_defer = self.styles[place.function] != "calls"
            if may_defer:
                place = replace(place, scoped=True)
        body = []
        place = replace(place, depth=place.depth + 1)
        if (own_frame and weights["recover"] > 1 and place.may_recover
                and self.random.random() < 0.6):
            self.next_id += 1
            body.append({"op": "recover", "id": self.next_id})
            place = replace(place, slots=place.slots + (self.next_id,))
        for _ in range(size):
            statement, place = self.statement(place, weights, may_defer)
            if statement is None:
                continue
            body.append(statement)
            if statement["op"] in ENDS:
                break
        return body

    def statement(self, place, weights, may_defer):
        ops = list(weights)
        op = self.random.choices(ops, [weights[o] for o in ops])[0]
        if op == "defer" and not may_defer:
            return None, place
        statement = getattr(self, "make_" + op)(place, weights)
        if statement is None:
            return None, place
        self.next_id += 1
        statement["id"] = self.next_id
        if op == "local":
            place = replace(place, ints=place.ints + (f"w{self.next_id}",))
        if op == "recover":
            place = replace(place, slots=place.slots + (self.next_id,))
        return statement, place

    # Expressions.

    def value(self, kind, place):
        name = self.random.choice((*place.ints, *place.ints, 0))
        number = self.random.randint(0, 99)
        if kind == "ptr":
            return ["ptr", number % BOXES]
        if kind == "ref":
            return ["ref", self.reference(place)]
        return [kind, name, number] if name else [kind, 0, number]

    def reference(self, place):
        if self.functions[place.function]["result"] == "int":
            return self.random.choice(("r", "r", "v0", "v1"))
        return self.random.choice(("v0", "v1"))

    def args(self, target, place):
        return [self.value(t, place) for t in self.functions[target]["params"]]

    def target(self, place):
        """A later function; at times an earlier one (recursion)."""
        count = len(self.functions)
        if self.random.random() < 0.08 or place.function == count - 1:
            if self.random.random() < 0.5:
                return None
            return self.random.randint(1, count - 1)
        return self.random.randint(place.function + 1, count - 1)

    def result_value(self, place):
        kind = self.functions[place.function]["result"]
        same = [i for i, f in enumerate(self.functions)
                if f["result"] == kind and i > place.function]
        if same and self.random.random() < 0.3:
            target = self.random.choice(same)
            return ["call", target, self.args(target, place)]
        return self.value(kind, place)

    # Statements; None: not here.

    def make_trace(self, place, weights):
        return {"op": "trace"}

    def make_set(self, place, weights):
        names = [n for n in place.ints if n[0] in "vwa"]
        return {"op": "set", "var": self.random.choice(names),
                "noise": self.random.randrange(NOISE), "add": self.random.randint(1, 99)}

    def make_local(self, place, weights):
        return {"op": "local", "value": self.value("int", place)}

    def make_result(self, place, weights):
        if self.functions[place.function]["result"] == "void":
            return None
        return {"op": "result", "value": self.result_value(place)}

    def make_through(self, place, weights):
        params = self.functions[place.function]["params"]
        refs = [i for i, t in enumerate(params) if t == "ref"]
        if not refs:
            return None
        return {"op": "through", "param": self.random.choice(refs),
                "add": self.random.randint(1, 99)}

    def make_call(self, place, weights):
        target = self.target(place)
        if target is None:
            return None
        via = self.random.choice(("direct",) * 7 + ("pointer", "qsort", "bsearch"))
        return {"op": "call", "function": target, "args": self.args(target, place),
                "via": via}

    def condition(self, place):
        mask = self.random.choice((1, 1, 1, 3, 3, 7))
        return [self.random.choice(place.ints), self.random.randrange(NOISE), mask,
                self.random.randint(0, mask)]

    def make_if(self, place, weights):
        if place.depth > 4:
            return None
        other = self.list_of(place, weights, 2) if self.random.random() < 0.3 else []
        return {"op": "if", "condition": self.condition(place), "else": other,
                "body": self.list_of(place, weights, self.random.randint(1, 3))}

    def make_loop(self, place, weights):
        if place.depth > 3:
            return None
        self.next_id += 1
        name = self.next_id
        inside = replace(place, loop=True, ints=place.ints + (f"i{name}",))
        return {"op": "loop", "name": name, "times": self.random.randint(1, 4),
                "body": self.list_of(inside, weights, self.random.randint(1, 4))}

    def make_scope(self, place, weights):
        if place.depth > 4:
            return None
        return {"op": "scope", "body": self.list_of(place, weights, self.random.randint(2, 4))}

    def make_defer(self, place, weights):
        if place.block >= 2 or self.styles[place.function] == "calls":
            return None
        if place.block == 0 and not place.scoped:
            self.blocks_begun = True
        inside = replace(place, block=place.block + 1, scoped=False, loop=False, slots=())
        size = self.random.randint(1, 4)
        weights = weights_with_tasks(DEFERRED_WEIGHTS) if self.with_tasks else DEFERRED_WEIGHTS
        return {"op": "defer", "body": self.list_of(inside, weights, size, True)}

    def may_defer_call(self, place):
        return (place.block == 0 and not place.scoped and not self.blocks_begun
                and self.styles[place.function] != "blocks")

    def make_defer_call(self, place, weights):
        target = self.target(place)
        if target is None or not self.may_defer_call(place):
            return None
        how = self.random.choice(("direct",) * 5 + ("variable",))
        return {"op": "defer_call", "function": target, "how": how,
                "args": self.args(target, place)}

    def make_defer_wide(self, place, weights):
        if not self.may_defer_call(place):
            return None
        return {"op": "defer_wide", "var": self.random.choice(place.ints)}

    def make_defer_builtin(self, place, weights):
        if not self.may_defer_call(place):
            return None
        what = self.random.choice(("goexit", "panic", "nil"))
        return {"op": "defer_builtin", "what": what}

    def make_upset(self, place, weights):
        """Something that ends the normal course, mostly under a condition."""
        if self.random.random() < self.calm * 0.6:
            return None
        op = self.random.choices(
            ("panic", "fault", "goexit", "leave", "leave_with", "break", "continue"),
            (10, 4, 2, 2, 3, 2, 2))[0]
        inner = self.end(op, place)
        if inner is None or self.random.random() < 0.3:
            return inner
        return self.under_condition(inner, place)

    def under_condition(self, inner, place):
        self.next_id += 1
        inner["id"] = self.next_id
        return {"op": "if", "condition": self.condition(place), "body": [inner], "else": []}

    def end(self, op, place):
        if op == "panic":
            return {"op": op, "what": self.random.choice(PANICS),
                    "value": self.random.randint(0, 99)}
        if op == "fault":
            return {"op": op, "what": self.random.choice(("nil", "divide"))}
        if op in ("leave", "leave_with") and not place.may_leave:
            return None
        if op in ("break", "continue") and not place.loop:
            return None
        if op == "leave_with":
            if self.functions[place.function]["result"] == "void":
                return {"op": "leave"}
            return {"op": op, "value": self.result_value(place)}
        return {"op": op}

    def make_recover(self, place, weights):
        return {"op": "recover"} if place.may_recover else None

    def make_helper(self, place, weights):
        return {"op": "helper"}

    def make_again(self, place, weights):
        if not place.slots:
            return None
        return {"op": "again", "slot": self.random.choice(place.slots)}

    def make_recovered(self, place, weights):
        """What deferred code does once it has recovered: often something rash."""
        if not place.slots or place.depth > 4:
            return None
        slot = self.random.choice(place.slots)
        if self.random.random() < 0.5:
            op = self.random.choice(("repanic", "repanic", "wrap"))
            self.next_id += 1
            body = [{"op": op, "slot": slot, "id": self.next_id}]
        else:
            body = self.list_of(place, weights, 2)
        return {"op": "recovered", "slot": slot, "body": body}


def random_program(seed, number, kinds, with_tasks=False):
    return Generator(seed, number, kinds, with_tasks).program()
