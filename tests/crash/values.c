/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* values.c - panics with values of every kind: O6, O7, O8, O9, O10.  The cases are those
 * of oracle/main.go; `address`, `long` and `unnamed` have no counterpart there. */
#include "case.h"

#include <math.h>
#include <stdint.h>

static size_t
message_text(const bl_error *err, char *buf, size_t size);

struct message {
    bl_error base;
    const char *text;
};

static const bl_error_kind message_kind = {.name = "message", .text = message_text};

static size_t
message_text(const bl_error *err, char *buf, size_t size)
{
    return (size_t)snprintf(buf, size, "%s", ((const struct message *)err)->text);
}

static void
raise_message(const char *text)
{
    struct message *m = malloc(sizeof *m);

    *m = (struct message){{&message_kind}, text};
    bl_panic_error(&m->base);
}

#define ERROR(name, text) static void name(void) { raise_message(text); }
#define TEXT(name, text) static void name(void) { bl_panic("%s", text); }
#define VALUE(name, v) static void name(void) { bl_panic_with(v); }
#define NAMED(name, v, type) VALUE(name, bl_named(v, type))

static const double zero = 0;

ERROR(error, "bad sector")
ERROR(error_lines, "one\ntwo\n\ngoroutine 1 [running]:")
ERROR(error_empty, "")
TEXT(lines, "one\ntwo\n")
TEXT(empty, "")
VALUE(boolean, bl_bool(true))
VALUE(boolean_false, bl_bool(false))
VALUE(integer, bl_int(-42))
VALUE(integer_least, bl_int(INT64_MIN))
VALUE(uinteger, bl_uint(UINT64_MAX))
VALUE(real, bl_float(1.5))
VALUE(real_small, bl_float(-2.5e-7))
VALUE(real_zero, bl_float(0))
VALUE(real_minus_zero, bl_float(-zero))
VALUE(real_nan, bl_float(nan("")))
VALUE(real_inf, bl_float(-INFINITY))
VALUE(real_greatest, bl_float(1.7976931348623157e308))
VALUE(real_least, bl_float(5e-324))
VALUE(real_digits, bl_float(9.9999999))
VALUE(real_third, bl_float(1.0 / 3))
VALUE(real_whole, bl_float(999999))
VALUE(real_million, bl_float(1e6))
VALUE(real_cents, bl_float(0.0001))
VALUE(real_tiny, bl_float(0.00001))
VALUE(complex_, bl_complex(1.5, -2))
VALUE(string, bl_string("plain"))
VALUE(string_lines, bl_string("one\ntwo"))
NAMED(named_real, bl_float(36.5), "celsius")
NAMED(named_boolean, bl_bool(true), "flag")
NAMED(named_integer, bl_int(-3), "count")
NAMED(named_uinteger, bl_uint(3), "size")
NAMED(named_complex, bl_complex(0, 1), "phase")
NAMED(named_string, bl_string("ada"), "name")
NAMED(named_string_lines, bl_string("one\ntwo"), "name")

static void
pointer(void)
{
    static struct {
        int x, y;
    } point = {1, 2};

    bl_panic_value(&point, "*point");
}

static void
pointer_nil(void)
{
    bl_panic_value(NULL, "*point");
}

/* Exactly the address that was given. */
static void
address(void)
{
    char line[64];
    int here;

    snprintf(line, sizeof line, "want (*int) 0x%llx", (unsigned long long)(uintptr_t)&here);
    say(line);
    bl_panic_with(bl_pointer(&here, "*int"));
}

static void
unnamed(void)
{
    bl_panic_value(NULL, NULL);
}

static void
null_string(void)
{
    bl_panic_with(bl_string(NULL));
}

/* A message longer than an activation holds arrives whole. */
static void
long_text(void)
{
    char text[3001];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    bl_panic("%s|", text);
}

/* So does the text of an error. */
static void
long_error(void)
{
    static char text[3001];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 2] = '|';
    raise_message(text);
}

CASES(
    {"error", error},
    {"error-lines", error_lines},
    {"error-empty", error_empty},
    {"lines", lines},
    {"empty", empty},
    {"bool", boolean},
    {"bool-false", boolean_false},
    {"int", integer},
    {"int-least", integer_least},
    {"uint", uinteger},
    {"float", real},
    {"float-small", real_small},
    {"float-zero", real_zero},
    {"float-minus-zero", real_minus_zero},
    {"float-nan", real_nan},
    {"float-inf", real_inf},
    {"float-greatest", real_greatest},
    {"float-least", real_least},
    {"float-digits", real_digits},
    {"float-third", real_third},
    {"float-whole", real_whole},
    {"float-million", real_million},
    {"float-cents", real_cents},
    {"float-tiny", real_tiny},
    {"complex", complex_},
    {"string", string},
    {"string-lines", string_lines},
    {"named-float", named_real},
    {"named-bool", named_boolean},
    {"named-int", named_integer},
    {"named-uint", named_uinteger},
    {"named-complex", named_complex},
    {"named-string", named_string},
    {"named-string-lines", named_string_lines},
    {"pointer", pointer},
    {"pointer-nil", pointer_nil},
    {"address", address},
    {"unnamed", unnamed},
    {"null-string", null_string},
    {"long", long_text},
    {"long-error", long_error})
