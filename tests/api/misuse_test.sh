#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# Misuse that the compiler has to refuse, or to warn of, in words that help: what
# is wrong, and where in the user's file.  And next to each the right use, which
# has to pass without a warning.
set -u
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM
export LC_ALL=C
failed=0 ran=0

gcc_flags="-fexceptions -fnon-call-exceptions"
clang_flags=-fblocks

# compile LANGUAGE COMPILER [FLAG...]: the program in $tmp/it.c.  Sets $status; the
# diagnostics are in $tmp/err.
compile() {
    language=$1
    shift
    "$@" -x "$language" -O2 -Wall -Wextra -I"$SOURCE/include" -c "$tmp/it.c" \
        -o "$tmp/it.o" 2>"$tmp/err"
    status=$?
}

# program: reads the user's part of the program; the line that is wrong bears the
# word HERE.
program() {
    {
        echo '#include <belay/belay.h>'
        echo '#include <stdio.h>'
        echo '#include <string.h>'
        cat
    } >"$tmp/it.c"
}

fail() {
    echo "FAIL $1"
    sed 's/^/  /' "$tmp/it.c" "$tmp/err"
    failed=$((failed + 1))
}

# diagnosed KIND NAME PATTERN: $tmp/err has a diagnostic of that kind (error or
# warning) with that text, and points at the line marked HERE.
diagnosed() {
    grep -q "$1: .*$3" "$tmp/err" || fail "$2: no $1 saying: $3"
    line=$(grep -n HERE "$tmp/it.c" | cut -d: -f1)
    grep -q "it\.c:$line:" "$tmp/err" || fail "$2: does not point at line $line"
}

# refuses NAME PATTERN COMPILER [FLAG...] <<program
refuses() {
    name=$1 pattern=$2
    shift 2
    program
    ran=$((ran + 1))
    compile c "$@"
    [ $status -ne 0 ] || fail "$name: compiles"
    diagnosed error "$name" "$pattern"
}

warns() {
    name=$1 pattern=$2
    shift 2
    program
    ran=$((ran + 1))
    compile c "$@"
    [ $status -eq 0 ] || fail "$name: is refused"
    diagnosed warning "$name" "$pattern"
}

accepts() {
    name=$1
    shift
    program
    ran=$((ran + 1))
    compile c "$@"
    if [ $status -ne 0 ] || [ -s "$tmp/err" ]; then
        fail "$name: is not accepted in silence"
    fi
}

# --- both compilers -----------------------------------------------------------

# common COMPILER [FLAG...]
common() {
    echo "$*"

    refuses "result of 24 bytes" "a named result has to fit into two registers" "$@" <<'END'
struct large { long a, b, c; };
struct large f(void)
{
    bl_returns (struct large, r) { /* HERE */
        r.a = 1;
    }
}
END
    accepts "result of 16 bytes" "$@" <<'END'
struct pair { long a, b; };
struct pair f(void);
struct pair f(void)
{
    bl_returns (struct pair, r) {
        r.a = 1;
    }
}
END

    refuses "bl_defer_call in a plain function" \
        "bl_defer_call stands outside bl_returns" "$@" <<'END'
void f(void)
{
    bl_defer_call(puts, "late"); /* HERE */
}
END
    refuses "bl_leave in a plain function" "bl_leave stands outside bl_returns" "$@" <<'END'
void f(void)
{
    bl_leave; /* HERE */
}
END
    refuses "bl_leave_with in a plain function" \
        "bl_leave_with stands outside bl_returns" "$@" <<'END'
int f(void)
{
    bl_leave_with(1); /* HERE */
}
END
    refuses "bl_leave_with where there is no result" \
        "bl_leave_with needs bl_returns: this body has no result" "$@" <<'END'
void f(void)
{
    bl_returns_nothing {
        bl_leave_with(1); /* HERE */
    }
}
END

    # E5: `%w` with what is no error is the compiler's to find
    warns "no error for %pw" "format" "$@" <<'END'
bl_error *f(int n);
bl_error *f(int n)
{
    return bl_errorf("failed: %pw", n); /* HERE */
}
END
    warns "no string for %s in an error" "format" "$@" <<'END'
bl_error *f(bl_error *err);
bl_error *f(bl_error *err)
{
    return bl_error_wrap(err, "open %s", 7); /* HERE */
}
END
    accepts "errors for %pw and %pv" "$@" <<'END'
bl_error_static(err_one, "one");
bl_error *f(const char *path, bl_error *err);
bl_error *f(const char *path, bl_error *err)
{
    return bl_error_join(bl_errorf("%s: %pw (%pv)", path, err, err_one), bl_errorf("x"),
                         bl_errorf("%2$pw, %1$pw", err_one, err));
}
END

    refuses "a large value to close" "bl_with_closer: the value has more than 16 bytes" \
        "$@" <<'END'
struct large { long a, b, c; };
void end(struct large l);
bl_closer f(struct large l);
bl_closer f(struct large l)
{
    return bl_with_closer(l, end); /* HERE */
}
END
    refuses "a closing function of two arguments" "too few arguments to function" \
        "$@" <<'END'
int end(int a, int b);
bl_closer f(void);
bl_closer f(void)
{
    return bl_with_closer(1, end); /* HERE */
}
END
    refuses "a closing function for something else" "incompatible type" "$@" <<'END'
struct s { int a; };
void end(struct s s);
bl_closer f(void);
bl_closer f(void)
{
    return bl_with_closer(1, end); /* HERE */
}
END
    accepts "closers" "$@" <<'END'
struct s { int a; };
void end(const struct s *s);
bl_closer f(struct s *s);
bl_closer f(struct s *s)
{
    bl_closers all = {0};
    bl_error *err = bl_closers_add(&all, bl_with_closer(s, end));

    bl_closers_close_into(&err, &all);
    bl_error_release(err);
    return bl_with_closer(stdout, fclose);
}
END

    refuses "too few arguments" "too few arguments to function" "$@" <<'END'
void two(int a, int b);
void f(void)
{
    bl_returns_nothing {
        bl_defer_call(two, 1); /* HERE */
    }
}
END
    refuses "too many arguments" "too many arguments to function" "$@" <<'END'
void one(int a);
void f(void)
{
    bl_returns_nothing {
        bl_defer_call(one, 1, 2); /* HERE */
    }
}
END
    refuses "a struct for an int" "incompatible type" "$@" <<'END'
struct s { int a; };
void one(int a);
void f(struct s s)
{
    bl_returns_nothing {
        bl_defer_call(one, s); /* HERE */
    }
}
END
    refuses "not a function" "called object" "$@" <<'END'
void f(int x)
{
    bl_returns_nothing {
        bl_defer_call(x, 1); /* HERE */
    }
}
END
    refuses "a function nobody declared" "nosuch" "$@" <<'END'
void f(void)
{
    bl_returns_nothing {
        bl_defer_call(nosuch, 1); /* HERE */
    }
}
END
    refuses "the struct kept by address" "incompatible type" "$@" <<'END'
struct s { int a; };
void one(struct s s);
void f(struct s *s)
{
    bl_returns_nothing {
        bl_defer_call(one, s); /* HERE */
    }
}
END
    refuses "two bodies one after the other" "label" "$@" <<'END'
int g(void);
void f(void)
{
    bl_returns_nothing {
        g();
    }
    bl_returns_nothing { /* HERE */
        g();
    }
}
END
    refuses "a body for each case" "label" "$@" <<'END'
int f(int x)
{
    if (x)
        bl_returns (int, r) { r = 1; }
    else
        bl_returns (int, r) { r = 2; } /* HERE */
}
END

    warns "a format for printf" "format" "$@" <<'END'
void f(void)
{
    bl_returns_nothing {
        bl_defer_call(printf, "%s\n", 1); /* HERE */
    }
}
END
    warns "a format for bl_panic" "format" "$@" <<'END'
void f(int);
void f(int n)
{
    bl_panic("%s", n); /* HERE */
}
END
    warns "a format for bl_fatal" "format" "$@" <<'END'
void f(int);
void f(int n)
{
    bl_fatal("%s", n); /* HERE */
}
END
    warns "const is lost" "discard" "$@" <<'END'
void change(char *p);
void f(const char *p);
void f(const char *p)
{
    bl_returns_nothing {
        bl_defer_call(change, p); /* HERE */
    }
}
END

    accepts "the right use of it all" "$@" <<'END'
struct s { int a; };
void two(int a, int b);
void none(void);
void keep(struct s s);
int f(const char *p, struct s s, int *q, void (*g)(int *));
int f(const char *p, struct s s, int *q, void (*g)(int *))
{
    bl_returns (int, r) {
        bl_defer_call(two, 1, 2);
        bl_defer_call(none);
        bl_defer_call(keep, s);
        bl_defer_call(printf, "%s %d\n", p, 3);
        bl_defer_call(g, q);
        bl_defer_call(g, NULL);
        if (*q)
            bl_leave;
        if (*p)
            bl_leave_with(3);
        r = 1;
    }
}
END
}

# --- arguments that only some compilers refuse -----------------------------------

# judged_alike NAME PATTERN COMPILER [FLAG...] <<program: what CALL(f, x) is, is a
# warning or an error as it is in a direct call.
judged_alike() {
    name=$1 pattern=$2
    shift 2
    program
    ran=$((ran + 1))
    compile c "$@" '-DCALL(f,x)=f(x)'
    kind=warning direct=$status
    [ $direct -eq 0 ] || kind=error
    diagnosed $kind "$name, called directly" "$pattern"
    compile c "$@" '-DCALL(f,x)=bl_defer_call(f,x)'
    [ $status -eq $direct ] || fail "$name: status $status, called directly $direct"
    diagnosed $kind "$name" "$pattern"
}

pointers() {
    judged_alike "a pointer of another type" "incompatible.*pointer type" "$@" <<'END'
void one(int *p);
void f(char *p);
void f(char *p)
{
    bl_returns_nothing {
        CALL(one, p); /* HERE */
    }
}
END
    judged_alike "a pointer for an int" \
        "\(integer from pointer\|pointer to integer\)" "$@" <<'END'
void one(int n);
void f(char *p);
void f(char *p)
{
    bl_returns_nothing {
        CALL(one, p); /* HERE */
    }
}
END
    judged_alike "an int for a pointer" \
        "\(pointer from integer\|integer to pointer\)" "$@" <<'END'
void one(char *p);
void f(int n);
void f(int n)
{
    bl_returns_nothing {
        CALL(one, n); /* HERE */
    }
}
END
}

# --- GCC -------------------------------------------------------------------------

for_gcc() {
    # shellcheck disable=SC2086  # lists of options
    set -- "$1" -std=gnu11 $gcc_flags
    common "$@"
    pointers "$@"

    refuses "a block in a program without -fexceptions" \
        "needs -fexceptions -fnon-call-exceptions: add the output of .pkg-config" \
        "$1" -std=gnu11 <<'END'
void g(void);
void f(void)
{
    bl_defer { /* HERE */
        g();
    };
    g();
}
END
    accepts "calls in a program without -fexceptions" "$1" -std=gnu11 <<'END'
void g(void);
void f(void);
void f(void)
{
    bl_returns_nothing {
        bl_defer_call(g);
        g();
    }
}
END
    accepts "blocks and recover" "$@" <<'END'
int g(void);
int f(void);
int f(void)
{
    bl_returns (int, r) {
        bl_defer {
            if (bl_recover())
                r = -1;
        };
        r = g();
    }
}
END
}

# --- clang -----------------------------------------------------------------------

for_clang() {
    common "$1" -std=gnu11 $clang_flags
    pointers "$1" -std=gnu11 $clang_flags
    refuses "a block" "clang compiles clean-up blocks wrongly for unwinding; use bl_defer_call, or GCC" \
        "$1" -std=gnu11 $clang_flags <<'END'
void g(void);
void f(void)
{
    bl_defer { /* HERE */
        g();
    };
    g();
}
END
    program <<'END'
int unused;
END
    ran=$((ran + 1))
    compile c "$1" -std=gnu11
    grep -q "error: .*clang needs -fblocks" "$tmp/err" || fail "clang without -fblocks"
}

# --- C++ -------------------------------------------------------------------------

for_cxx() {
    program <<'END'
#include <belay/keywords.h>
END
    ran=$((ran + 1))
    compile c++ "$1"
    grep -q 'error: .*keywords.h is for C; in C++ use the bl_ names and destructors' \
        "$tmp/err" || fail "keywords.h in C++"
    [ $status -ne 0 ] || fail "keywords.h in C++: compiles"

    program <<'END'
void f(void);
void f(void)
{
    bl_defer_call(puts, "late");
}
END
    ran=$((ran + 1))
    compile c++ "$1"
    [ $status -ne 0 ] || fail "bl_defer_call in C++: compiles"
}

for compiler in gcc clang clang-14 clang-22; do
    command -v $compiler >/dev/null || continue
    case $compiler in
    gcc) for_gcc $compiler ;;
    *) for_clang $compiler ;;
    esac
done
for_cxx "$CXX"

echo "$ran programs, $failed failures"
[ $failed -eq 0 ]
