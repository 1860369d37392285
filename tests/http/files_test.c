/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* tests/http/files_test.c - files, beside what tests/differential/files.py compares with
 * Go: what must not be served, and what happens to files meanwhile.  All of it runs again
 * where the kernel has no openat2(2), and where a filter forbids it. */
#define _GNU_SOURCE
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[256], outside[256];

static const char *
at(const char *name)
{
    static char path[2][600];
    static int which;

    which ^= 1;
    snprintf(path[which], sizeof path[which], "%s/%s", root, name);
    return path[which];
}

static void
write_file(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, n), n);
    close(fd);
}

static void
put(const char *name, const char *text)
{
    write_file(at(name), text, strlen(text));
}

static void
make_root(void)
{
    char base[200];

    snprintf(base, sizeof base, "/tmp/http-filesXXXXXX");
    CHECK(mkdtemp(base));
    snprintf(root, sizeof root, "%s/root", base);
    snprintf(outside, sizeof outside, "%s/secret", base);
    mkdir(root, 0755);
    write_file(outside, "SECRET", 6);
    mkdir(at("sub"), 0755);
    mkdir(at("sub/deep"), 0755);
    mkdir(at("empty"), 0755);
    mkdir(at(".hidden"), 0755);
    put("a.txt", "hello\n");
    put("sub/b.txt", "below\n");
    put("sub/deep/c.txt", "deep\n");
    put("sub/index.html", "<p>index");
    put(".dot", "SECRET");
    put(".hidden/x", "SECRET");
}

static void
remove_root(void)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%.*s'", (int)(strlen(root) - 5), root);
    CHECK_EQ(system(command), 0);
}

static bl_http_files files = {.root = root};

static const char *
get(const struct serving *s, const char *target, const char *headers)
{
    char text[1024];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n",
             target, headers);
    return ask(s, text);
}

static int
status(const struct serving *s, const char *target)
{
    const char *answer = get(s, target, "");

    CHECK(!strstr(answer, "SECRET"));
    return status_of(answer);
}

/* --- what is below the root ----------------------------------------------------------------- */

static void
nothing_outside_is_served(void)
{
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);
    char up[600];

    CHECK_EQ(status(s, "/a.txt"), 200);
    CHECK_EQ(status(s, "/../secret"), 404);
    CHECK_EQ(status(s, "/%2e%2e/secret"), 404);
    CHECK_EQ(status(s, "/..%2fsecret"), 404);
    CHECK_EQ(status(s, "/sub/..%2f..%2fsecret"), 404);
    CHECK_EQ(status(s, "/sub/%2e%2e/%2e%2e/secret"), 404);
    snprintf(up, sizeof up, "/sub/..%%5c..%%5csecret");
    CHECK_EQ(status(s, up), 404);
    CHECK_EQ(status(s, "//../secret"), 404);
    CHECK_EQ(status(s, outside), 404);
    stop(s);
}

static void
links_stay_inside(void)
{
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);

    CHECK_EQ(symlink("../secret", at("out")), 0);
    CHECK_EQ(symlink(outside, at("absolute")), 0);
    CHECK_EQ(symlink("..", at("sub/up")), 0);
    CHECK_EQ(symlink("../..", at("sub/upper")), 0);
    CHECK_EQ(symlink("sub/deep/../b.txt", at("inside")), 0);
    CHECK_EQ(symlink("loop", at("loop")), 0);
    CHECK_EQ(symlink("nowhere", at("dangling")), 0);
    CHECK_EQ(symlink("deep", at("sub/folder")), 0);
    CHECK_EQ(status(s, "/out"), 403);
    CHECK_EQ(status(s, "/absolute"), 403);
    CHECK_EQ(status(s, "/sub/upper/secret"), 403);
    CHECK_EQ(status(s, "/loop"), 403);
    CHECK_EQ(status(s, "/dangling"), 404);
    CHECK(strstr(get(s, "/inside", ""), "\r\n\r\nbelow\n"));
    CHECK(strstr(get(s, "/sub/up/a.txt", ""), "\r\n\r\nhello\n"));
    CHECK(strstr(get(s, "/sub/folder/c.txt", ""), "\r\n\r\ndeep\n"));
    CHECK_EQ(status(s, "/a.txt/more"), 404);
    stop(s);
}

static void
dots_are_hidden(void)
{
    bl_http_files open = {.root = root, .dot_files = true, .list = true};
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);

    CHECK_EQ(status(s, "/.dot"), 404);
    CHECK_EQ(status(s, "/%2edot"), 404);
    CHECK_EQ(status(s, "/.hidden/x"), 404);
    CHECK_EQ(status(s, "/.hidden/"), 404);
    stop(s);
    s = serve_with(NULL, bl_http_serve_files, &open);
    CHECK(strstr(get(s, "/.dot", ""), "\r\n\r\nSECRET"));
    CHECK(strstr(get(s, "/", ""), "<a href=\".dot\">.dot</a>\n"));
    stop(s);
}

static void
lists_only_where_wanted(void)
{
    bl_http_files listed = {.root = root, .list = true};
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);
    const char *answer;

    CHECK_EQ(status(s, "/"), 404);
    CHECK_EQ(status(s, "/empty/"), 404);
    CHECK(strstr(get(s, "/sub/", ""), "\r\n\r\n<p>index"));
    stop(s);
    put("<b>&\"", "x");
    s = serve_with(NULL, bl_http_serve_files, &listed);
    answer = get(s, "/", "");
    CHECK(strstr(answer, "<a href=\"%3Cb%3E&%22\">&lt;b&gt;&amp;&#34;</a>\n"
                         "<a href=\"a.txt\">a.txt</a>\n"));
    CHECK(strstr(answer, "<a href=\"empty/\">empty/</a>\n"));
    CHECK(!strstr(answer, ".dot"));
    stop(s);
}

static void
prefixes(void)
{
    bl_http_files below = {.root = root, .strip_prefix = "/static"};
    struct serving *s = serve_with(NULL, bl_http_serve_files, &below);

    CHECK(strstr(get(s, "/static/a.txt", ""), "\r\n\r\nhello\n"));
    CHECK_EQ(status(s, "/a.txt"), 404);
    CHECK_EQ(status(s, "/static/../../secret"), 404);
    CHECK(strstr(get(s, "/static/sub?q", ""), "Location: sub/?q\r\n"));
    CHECK(strstr(get(s, "/static/sub/index.html", ""), "Location: ./\r\n"));
    CHECK(strstr(get(s, "/static/a.txt/", ""), "Location: ../a.txt\r\n"));
    stop(s);
}

/* None of them may hold the server up. */
static void
only_files_and_folders(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);

    CHECK_EQ(mkfifo(at("pipe"), 0644), 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s", at("socket"));
    CHECK_EQ(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    CHECK_EQ(status(s, "/pipe"), 403);
    CHECK_EQ(status(s, "/socket"), 403);
    put("closed", "SECRET");
    chmod(at("closed"), 0);
    if (geteuid() != 0)
        CHECK_EQ(status(s, "/closed"), 403);
    close(fd);
    stop(s);
}

/* --- contents ----------------------------------------------------------------------------------- */

enum { LARGE = 8 << 20 };

static char *
large_file(const char *name)
{
    char *data = malloc(LARGE);
    uint32_t state = 1;

    for (int i = 0; i < LARGE; i++)
        data[i] = (char)((state = state * 1664525 + 1013904223) >> 24);
    write_file(at(name), data, LARGE);
    return data;
}

/* What comes behind the headers, up to the end, goes to `to`; sleeps now and then. */
static size_t
read_body(bl_conn *c, char *to, size_t most, int64_t nap)
{
    bl_reader *r = bl_reader_of_conn(c, 65536);
    size_t n = 0, more, line_size, naps = 0;
    const char *line;
    bl_error *err;

    do
        ok(bl_reader_line(r, &line, &line_size));
    while (line_size > 0);
    while (n < most && !(err = bl_reader_read(r, to + n, most - n, &more))) {
        n += more;
        if (nap && n / (1 << 20) > naps) {
            naps++;
            bl_sleep(nap);
        }
    }
    bl_reader_free(r);
    return n;
}

static const char request[] = "GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void
large_files_are_whole(void)
{
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);
    char *data = large_file("large"), *got = malloc(LARGE + 1);
    bl_conn *c = dial(s);

    say(c, request);
    CHECK_EQ(read_body(c, got, LARGE + 1, 0), LARGE);
    CHECK(memcmp(data, got, LARGE) == 0);
    bl_conn_release(c);
    c = dial(s);
    say(c, "GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
           "Range: bytes=1000000-5999999\r\n\r\n");
    CHECK_EQ(read_body(c, got, LARGE + 1, 0), 5000000);
    CHECK(memcmp(data + 1000000, got, 5000000) == 0);
    bl_conn_release(c);
    free(data);
    free(got);
    stop(s);
}

/* A slow client has as long as it takes; one that takes nothing has not. */
static void
who_takes_something_is_not_cut(void)
{
    bl_http_server_options o = {.write_timeout_ns = 400 * BL_MILLISECOND};
    struct serving *s = serve_with(&o, bl_http_serve_files, &files);
    char *got = malloc(LARGE + 1);
    bl_conn *c = dial(s);
    size_t n;

    ok(bl_conn_set_read_buffer(c, 65536));
    say(c, request);
    CHECK_EQ(read_body(c, got, LARGE + 1, 120 * BL_MILLISECOND), LARGE);
    bl_conn_release(c);
    c = dial(s);
    ok(bl_conn_set_read_buffer(c, 65536));
    say(c, request);
    bl_sleep(1500 * BL_MILLISECOND);
    n = read_body(c, got, LARGE + 1, 0);
    CHECK(n < LARGE);
    bl_conn_release(c);
    free(got);
    stop(s);
}

/* While they are being sent: what was said to come can't come any more. */
static void
files_that_shrink_cut_the_connection(void)
{
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);
    char *data = large_file("large"), *got = malloc(LARGE + 1);
    bl_conn *c = dial(s);
    size_t n;

    ok(bl_conn_set_read_buffer(c, 16384));
    say(c, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    bl_sleep(100 * BL_MILLISECOND);
    CHECK_EQ(truncate(at("large"), 10), 0);
    n = read_body(c, got, LARGE + 1, 0); /* ends: the connection is closed */
    CHECK(n < LARGE);
    bl_conn_release(c);
    c = dial(s);
    say(c, "GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK(strstr(hear(c), "hello"));
    bl_conn_release(c);
    free(data);
    free(got);
    stop(s);
}

static void
grows_first(bl_http_response *w, bl_http_request *r, void *data)
{
    int fd = open(at("log"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
    char byte;

    (void)data;
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
    bl_http_serve_fd(w, r, fd, NULL, "text/x-log");
    CHECK_EQ(write(fd, "more", 4), 4);
    CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
    bl_http_serve_fd(w, r, fd, NULL, "text/x-log"); /* after the answer: does nothing */
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, '3'); /* the position is the caller's */
    close(fd);
}

static void
descriptors(void)
{
    struct serving *s = serve(grows_first);
    const char *answer = get(s, "/", "");

    CHECK(strstr(answer, "Content-Type: text/x-log\r\n"));
    CHECK(strstr(answer, "Content-Length: 10\r\n"));
    CHECK(strstr(answer, "\r\n\r\n0123456789") && !strstr(answer, "0123456789m"));
    answer = get(s, "/", "Range: bytes=2-3,8-\r\n");
    CHECK(strstr(answer, "Content-Range: bytes 2-3/10\r\nContent-Type: text/x-log\r\n"
                         "\r\n23\r\n--"));
    stop(s);
}

static void
encoded(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    bl_http_header_set(bl_http_response_header(w), "Content-Encoding", "x-none");
    bl_http_header_set(bl_http_response_header(w), "ETag", "\"mine\"");
    bl_http_serve_file(w, r, at("large"));
}

/* Whose length only the handler knows. */
static void
headers_of_the_handler_stay(void)
{
    struct serving *s = serve(encoded);
    char *data = large_file("large");
    const char *answer;

    answer = get(s, "/", "If-None-Match: \"mine\"\r\n");
    CHECK_EQ(status_of(answer), 304);
    CHECK(strstr(answer, "ETag: \"mine\"") && !strstr(answer, "Last-Modified"));
    answer = get(s, "/", "Range: bytes=0-1\r\n");
    CHECK(status_of(answer) == 206 && strstr(answer, "Content-Length: 2\r\n"));
    answer = get(s, "/", "");
    CHECK(strstr(answer, "Transfer-Encoding: chunked\r\n"));
    CHECK(!strstr(answer, "Content-Length"));
    CHECK_EQ(truncate(at("large"), 5), 0);
    free(data);
    stop(s);
}

static void
many_ranges(void)
{
    struct serving *s = serve_with(NULL, bl_http_serve_files, &files);
    char headers[8192] = "Range: bytes=0-0";
    const char *answer;

    for (int i = 0; i < 1000; i++)
        strcat(headers, ",0-5");
    strcat(headers, "\r\n");
    bl_conn *c = dial(s);
    say(c, "GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    say(c, headers);
    say(c, "\r\n");
    answer = hear(c);
    CHECK_EQ(status_of(answer), 200); /* more than the file: not worth it */
    CHECK(strstr(answer, "\r\n\r\nhello\n"));
    bl_conn_release(c);
    stop(s);
}

static void
file_by_url(bl_http_response *w, bl_http_request *r, void *data)
{
    (void)data;
    bl_http_serve_file(w, r, at(r->path + 1));
}

static void
a_program_s_own_paths(void)
{
    struct serving *s = serve(file_by_url);

    CHECK(strstr(get(s, "/a.txt", ""), "\r\n\r\nhello\n"));
    CHECK_EQ(status(s, "/../secret"), 400);
    CHECK_EQ(status(s, "/%2e%2e/secret"), 400);
    CHECK_EQ(status(s, "/..\\secret"), 400);
    CHECK_EQ(status(s, "/nothing"), 404);
    CHECK(strstr(get(s, "/sub", ""), "Location: sub/\r\n"));
    CHECK(strstr(get(s, "/sub/", ""), "<p>index"));
    CHECK_EQ(status(s, "/empty/"), 404);
    stop(s);
}

/* --- kernels without openat2 ----------------------------------------------------------------------- */

/* From now on it fails in this process. */
static void
forbid_openat2(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _Exit(77);
    CHECK(syscall(SYS_openat2, 0, "", NULL, 0) == -1 && errno == error);
}

static void
run_all(void)
{
    make_root();
    RUN(nothing_outside_is_served);
    RUN(links_stay_inside);
    RUN(dots_are_hidden);
    RUN(lists_only_where_wanted);
    RUN(prefixes);
    RUN(only_files_and_folders);
    RUN(large_files_are_whole);
    RUN(who_takes_something_is_not_cut);
    RUN(files_that_shrink_cut_the_connection);
    RUN(descriptors);
    RUN(headers_of_the_handler_stay);
    RUN(many_ranges);
    RUN(a_program_s_own_paths);
    remove_root();
}

/* The filter is for a process whose threads come later. */
static void
run_without(const char *self, int error)
{
    char number[16];
    int status;
    pid_t child;

    snprintf(number, sizeof number, "%d", error);
    child = fork();
    if (child == 0) {
        execl("/proc/self/exe", self, number, (char *)NULL);
        _Exit(127);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        forbid_openat2(atoi(argv[1]));
    run_all();
    if (argc == 1) {
        run_without(argv[0], ENOSYS);
        run_without(argv[0], EPERM);
    }
    return 0;
}
