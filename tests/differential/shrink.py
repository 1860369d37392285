# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""Makes a failing program smaller while it still fails.

Programs that are one step smaller are built many at a time, as one batch, which
costs one Go build and one C build.  The smallest that still differs is where the
next round begins.
"""

import copy
import json
import time

from model import bodies, is_legal

CANDIDATES = 60         # tried at once
SECONDS = 90            # after which a program is small enough


def size(program):
    return len(json.dumps(program))


def smaller_lists(body):
    """Every statement list that is one step smaller than body."""
    count = len(body)
    step = count // 2
    while step > 1:     # big pieces first
        for start in range(0, count, step):
            yield body[:start] + body[start + step:]
        step //= 2
    for i, statement in enumerate(body):
        yield body[:i] + body[i + 1:]
        for smaller in smaller_statements(statement):
            yield body[:i] + smaller + body[i + 1:]


def smaller_statements(statement):
    """Lists of statements that may stand for this one."""
    if statement["op"] in ("scope", "if", "loop", "recovered", "each", "select"):
        for inner in bodies(statement):
            yield inner
    if statement["op"] == "loop" and statement["times"] > 1:
        yield [dict(statement, times=statement["times"] - 1)]
    for key in ("ends", "dead"):
        for i in range(len(statement.get(key, []))):
            fewer = statement[key][:i] + statement[key][i + 1:]
            yield [dict(statement, **{key: fewer})]
    if statement["op"] == "call" and statement["via"] != "direct":
        yield [dict(statement, via="direct")]
    for key in ("body", "else"):
        for inner in smaller_lists(statement.get(key, [])):
            yield [dict(statement, **{key: inner})]


def is_used(program, index):
    text = json.dumps(program["functions"])
    return f'"function": {index},' in text or f'["call", {index},' in text


def smaller_programs(program):
    for index, function in enumerate(program["functions"]):
        if function["body"] and index and not is_used(program, index):
            yield with_body(program, index, [])
    last = len(program["functions"]) - 1
    if last and not is_used(program, last):
        yield dict(program, functions=program["functions"][:-1])
    for index, function in enumerate(program["functions"]):
        for body in smaller_lists(function["body"]):
            yield with_body(program, index, body)


def with_body(program, index, body):
    functions = list(program["functions"])
    functions[index] = dict(functions[index], body=body)
    return dict(program, functions=functions)


def candidates(program):
    """Legal smaller programs.  All keep the number: the inputs depend on it."""
    seen = set()
    for smaller in smaller_programs(program):
        text = json.dumps(smaller)
        if text not in seen and is_legal(smaller):
            seen.add(text)
            yield copy.deepcopy(smaller)


def shrink(program, failing):
    """failing(programs) tells for each whether it still differs."""
    end = time.monotonic() + SECONDS
    found = program
    while found and time.monotonic() < end:
        program = found
        found = smaller_failing(program, failing, end)
    return found or program


def smaller_failing(program, failing, end):
    """The smallest that fails, of the first handful with one that does."""
    tries = sorted(candidates(program), key=size)
    for start in range(0, len(tries), CANDIDATES):
        some = tries[start:start + CANDIDATES]
        for smaller, differs in zip(some, failing(some)):
            if differs:
                return smaller
        if time.monotonic() > end:
            break
    return None
