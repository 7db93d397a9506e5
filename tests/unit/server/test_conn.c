/* Requests in turn on a connection: framing, keeping alive, refusing, limits. */
#include "unit/server/conn_env.h"

#define HELLO "GET / HTTP/1.1\r\n" LOCAL "\r\n"

static void test_head_split_at_each_byte(void **state) {
    static const char text[] = "GET /a?b HTTP/1.1\r\n" LOCAL "X: y\r\n\r\n";
    int fd = client();
    for (size_t i = 1; i < sizeof(text) - 1; i++) {
        assert_int_equal(put_bytes(fd, text, i), 0);
        assert_int_equal(lb_io_turn(served->e.io, 1000000), 0);
        put_text(fd, text + i);
        expect(fd, 200, "hello");
        assert_false(says_close());
    }
    assert_int_equal(served->seen.requests, sizeof(text) - 2);
    close(fd);
    wait_n(&served->cs.n, 0);
}

static void test_pipelined(void **state) {
    int fd = client();
    put_text(fd, HELLO "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 3\r\n\r\nabc"
                       "HEAD / HTTP/1.1\r\n" LOCAL "\r\n" HELLO);
    expect(fd, 200, "hello");
    expect(fd, 200, "len=3 sum=96354");
    assert_int_equal(get_head(fd), 200);
    assert_int_equal(length_said(), 5);
    expect(fd, 200, "hello");
    close(fd);
}

static void test_chunked_with_follower(void **state) {
    static const char text[] = "PUT /echo HTTP/1.1\r\n" LOCAL "Transfer-Encoding: chunked\r\n\r\n"
                               "2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: t\r\n\r\n" HELLO;
    int fd = client();
    for (size_t i = 50; i < sizeof(text) - 1; i++) {
        assert_int_equal(put_bytes(fd, text, i), 0);
        assert_int_equal(lb_io_turn(served->e.io, 1000000), 0);
        put_text(fd, text + i);
        expect(fd, 200, "len=3 sum=96354");
        expect(fd, 200, "hello");
    }
    close(fd);
}

/* Chunks of all sizes, cut anywhere: the handler gets every byte, and what follows is untouched. */
static void test_large_chunked(void **state) {
    struct lb_buf b;
    int fd = client();
    char want[64];
    size_t total = 1u << 20;
    lb_buf_init(&b, 4u << 20);
    lb_buf_printf(&b, "PUT /echo HTTP/1.1\r\n" LOCAL "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0, n = 1; at < total; at += n, n = (n * 7 + 3) % 30011) {
        n = n == 0 ? 1 : n;
        n = n < total - at ? n : total - at;
        lb_buf_printf(&b, "%zx\r\n", n);
        lb_buf_append(&b, lb_slice(served->bytes + at, n));
        lb_buf_append(&b, LB_S("\r\n"));
    }
    lb_buf_append(&b, LB_S("0\r\n\r\n" HELLO HELLO));
    assert_int_equal(b.err, 0);
    snprintf(want, sizeof(want), "len=%zu sum=%u", total, sum_of(0, served->bytes, total));
    assert_int_equal(put_bytes(fd, b.ptr, b.len), 0);
    expect(fd, 200, want);
    expect(fd, 200, "hello");
    expect(fd, 200, "hello");
    lb_buf_fini(&b);
    close(fd);
}

static void test_large_body(void **state) {
    char want[64];
    int fd = client();
    snprintf(want, sizeof(want), "len=%u sum=%u", BIG, sum_of(0, served->bytes, BIG));
    for (int i = 0; i < 2; i++) {
        put_text(fd, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 8388608\r\n\r\n");
        assert_int_equal(put_bytes(fd, served->bytes, BIG), 0);
        expect(fd, 200, want);
    }
    close(fd);
}

static void test_large_responses(void **state) {
    char *got = malloc(BIG);
    int fd = client();
    for (int i = 0; i < 4; i++) {
        put_text(fd, i % 2 ? "GET /big HTTP/1.1\r\n" LOCAL "\r\n"
                           : "GET /file HTTP/1.1\r\n" LOCAL "\r\n");
        assert_int_equal(get_head(fd), 200);
        assert_int_equal(length_said(), BIG);
        memset(got, 0, BIG);
        assert_int_equal(get_bytes(fd, got, BIG), BIG);
        assert_memory_equal(got, served->bytes, BIG);
    }
    free(got);
    close(fd);
}

#define REFUSED "PUT /refuse HTTP/1.1\r\n" LOCAL "Transfer-Encoding: chunked\r\n\r\n"

/* A refused body that is chunked: it is dropped, wherever it is cut, and what follows is heard. */
static void test_chunked_dropped(void **state) {
    static const char text[] = REFUSED "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n" HELLO;
    int fd = client();
    for (size_t i = sizeof(REFUSED) - 1; i < sizeof(text); i++) {
        assert_int_equal(put_bytes(fd, text, i), 0);
        expect(fd, 403, "no");
        assert_false(says_close());
        put_text(fd, text + i);
        expect(fd, 200, "hello");
    }
    put_text(fd, "PUT /once HTTP/1.1\r\n" LOCAL "Transfer-Encoding: chunked\r\n\r\n1000\r\n");
    assert_int_equal(put_bytes(fd, served->bytes, 4096), 0);
    expect(fd, 200, "enough");
    put_text(fd, "\r\n3\r\nabc\r\n0\r\n\r\n" HELLO HELLO);
    expect(fd, 200, "hello");
    expect(fd, 200, "hello");
    close(fd);
}

/* Too much of it, or no framing: the connection ends, and nothing of it is taken for a request. */
static void test_chunked_not_dropped(void **state) {
    static const char *const bad[] = {"5\r\nhelloXX", "x\r\n", "1\nx\r\n0\r\n\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = client();
        put_text(fd, REFUSED);
        expect(fd, 403, "no");
        put_text(fd, bad[i]);
        put_text(fd, HELLO);
        expect_end(fd);
    }
    int fd = client();
    put_text(fd, REFUSED "100000\r\n");
    expect(fd, 403, "no");
    assert_int_equal(put_bytes(fd, served->bytes, 1u << 20), 0);
    expect_end(fd);
    wait_n(&served->cs.n, 0);
    assert_int_equal(served->seen.requests, sizeof(bad) / sizeof(bad[0]) + 1);
}

static void test_malformed(void **state) {
    static const char *const heads[] = {"GET\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                                        "GET / HTTP/1.1\n\n", "GET / HTTP/3.0\r\n" LOCAL "\r\n",
                                        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        int fd = client();
        put_text(fd, heads[i]);
        int status = get_head(fd);
        assert_true(status == 400 || status == 505);
        assert_true(says_close());
        char body[1024] = "";
        assert_int_equal(get_bytes(fd, body, sizeof(body) - 1), length_said());
        assert_non_null(strstr(body, "<Error><Code>"));
        expect_end(fd);
        wait_n(&served->cs.n, 0);
    }
    assert_int_equal(served->seen.requests, 0);
}

static void test_head_too_large(void **state) {
    int fd = client();
    char line[1024];
    memset(line, 'x', sizeof(line));
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    put_text(fd, "GET / HTTP/1.1\r\n" LOCAL);
    for (int i = 0; i < 64; i++)
        assert_int_equal(put_bytes(fd, line, sizeof(line)), 0);
    expect(fd, lb_err_info(LB_ERR_HEADERS_TOO_LARGE)->status, NULL);
    assert_true(says_close());
    expect_end(fd);
}

static void test_versions_and_close(void **state) {
    int fd = client();
    put_text(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(fd, 200, "hello");
    assert_non_null(strstr(response, "Connection: keep-alive\r\n"));
    put_text(fd, "GET / HTTP/1.0\r\n\r\n");
    expect(fd, 200, "hello");
    assert_true(says_close());
    expect_end(fd);
    fd = client();
    put_text(fd, "GET /same HTTP/1.1\r\n" LOCAL "\r\n");
    assert_int_equal(get_head(fd), 304);
    assert_null(strstr(response, "Content-Length"));
    put_text(fd, "GET / HTTP/1.1\r\n" LOCAL "Connection: close\r\n\r\n" HELLO);
    expect(fd, 200, "hello");
    assert_true(says_close());
    expect_end(fd); /* the request behind it is not answered */
    assert_int_equal(served->seen.requests, 4);
}

/* A body that nobody reads: a small one is dropped and the connection stays. */
static void test_unread_body(void **state) {
    int fd = client();
    put_text(fd, "PUT /refuse HTTP/1.1\r\n" LOCAL "Content-Length: 5\r\n\r\nab");
    expect(fd, 403, "no");
    assert_false(says_close());
    turn_ms(5);
    put_text(fd, "cde" HELLO);
    expect(fd, 200, "hello");
    put_text(fd, "PUT /once HTTP/1.1\r\n" LOCAL "Content-Length: 100000\r\n\r\n");
    assert_int_equal(put_bytes(fd, served->bytes, 100000), 0);
    put_text(fd, HELLO);
    expect(fd, 200, "enough");
    expect(fd, 200, "hello");
    close(fd);
}

/* The client uploads much more before it looks at the answer, and still gets it. */
static void test_early_answer_to_a_large_body(void **state) {
    int fd = client();
    put_text(fd, "PUT /refuse HTTP/1.1\r\n" LOCAL "Content-Length: 1000000000000\r\n\r\n");
    for (int i = 0; i < 32; i++)
        assert_int_equal(put_bytes(fd, served->bytes, BIG), 0);
    expect(fd, 403, "no");
    assert_true(says_close());
    expect_end(fd);
    wait_n(&served->cs.n, 0);
}

static void test_expect_continue(void **state) {
    int fd = client();
    put_text(fd,
             "PUT /echo HTTP/1.1\r\n" LOCAL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_int_equal(get_head(fd), 100);
    put_text(fd, "abc");
    expect(fd, 200, "len=3 sum=96354");
    /* The body is there already: no interim response. */
    put_text(fd,
             "PUT /echo HTTP/1.1\r\n" LOCAL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    expect(fd, 200, "len=3 sum=96354");
    put_text(fd,
             "PUT /refuse HTTP/1.1\r\n" LOCAL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    expect(fd, 403, "no");
    assert_true(says_close()); /* will the client send the body? Nobody knows */
    expect_end(fd);
    fd = client();
    put_text(fd, "PUT /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    turn_ms(20);
    put_text(fd, "abc");
    expect(fd, 200, "len=3 sum=96354");
    expect_end(fd);
}

static void test_bad_framing(void **state) {
    int fd = client();
    put_text(fd, "PUT /echo HTTP/1.1\r\n" LOCAL "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n");
    expect(fd, 400, NULL);
    assert_int_equal(served->seen.read_err, LB_ERR_BAD_REQUEST);
    assert_true(says_close());
    expect_end(fd);
    fd = client();
    put_text(fd, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 4\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    expect(fd, 400, NULL);
    assert_int_equal(served->seen.read_err, LB_ERR_INCOMPLETE_BODY);
    expect_end(fd);
}

/* The client has said all it will; it still gets its answer. */
static void test_half_closed(void **state) {
    int fd = client();
    put_text(fd, HELLO);
    shutdown(fd, SHUT_WR);
    expect(fd, 200, "hello");
    expect_end(fd);
    wait_n(&served->cs.n, 0);
}

static void test_broken_answers(void **state) {
    char text[16] = "";
    int fd = client();
    put_text(fd, "GET /nothing HTTP/1.1\r\n" LOCAL "\r\n");
    expect_gone(fd);
    fd = client();
    put_text(fd, "GET /short HTTP/1.1\r\n" LOCAL "\r\n");
    assert_int_equal(get_head(fd), 200);
    assert_int_equal(length_said(), 10);
    assert_int_equal(get_bytes(fd, text, 10), 5);
    expect_end(fd);
    fd = client();
    for (int i = 0; i < 2; i++) {
        put_text(fd, "GET /noheaders HTTP/1.1\r\n" LOCAL "\r\n" HELLO);
        expect(fd, lb_err_info(-ENOMEM)->status, "");
        expect(fd, 200, "hello");
    }
    close(fd);
}

static void test_file_that_shrank(void **state) {
    int fd = client();
    assert_int_equal(ftruncate(served->file_fd, BIG / 2), 0);
    put_text(fd, "GET /file HTTP/1.1\r\n" LOCAL "\r\n");
    assert_int_equal(get_head(fd), 200);
    char *got = malloc(BIG);
    assert_int_equal(get_bytes(fd, got, BIG), BIG / 2);
    assert_int_equal(served->seen.sent_err, LB_ERR_OBJECT_CHANGED);
    free(got);
    close(fd);
}

static void test_too_many(void **state) {
    served->cs.n_max = 2;
    int a = client(), b = client(), c = client();
    put_text(c, HELLO);
    expect(c, 503, NULL);
    assert_true(says_close());
    expect_end(c);
    put_text(a, HELLO); /* those who came in time are served */
    expect(a, 200, "hello");
    put_text(b, HELLO);
    expect(b, 200, "hello");
    close(a);
    wait_n(&served->cs.n, 1);
    c = client();
    put_text(c, HELLO);
    expect(c, 200, "hello");
    close(b);
    close(c);
    wait_n(&served->cs.n, 0);
    served->cs.n_max = 0;
    int fds[300], gone = 0;
    for (int i = 0; i < 300; i++)
        fds[i] = client();
    for (int i = 0; i < 300; i++) {
        char byte;
        gone += recv(fds[i], &byte, 1, 0) == 0;
        close(fds[i]);
    }
    assert_int_equal(gone, 300 - 256);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(test_head_split_at_each_byte),
        TEST(test_pipelined),
        TEST(test_chunked_with_follower),
        TEST(test_large_chunked),
        TEST(test_large_body),
        TEST(test_large_responses),
        TEST(test_chunked_dropped),
        TEST(test_chunked_not_dropped),
        TEST(test_malformed),
        TEST(test_head_too_large),
        TEST(test_versions_and_close),
        TEST(test_unread_body),
        TEST(test_early_answer_to_a_large_body),
        TEST(test_expect_continue),
        TEST(test_bad_framing),
        TEST(test_half_closed),
        TEST(test_broken_answers),
        TEST(test_file_that_shrank),
        TEST(test_too_many),
    };
    return run_served("conn", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
