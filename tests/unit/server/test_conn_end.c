/* How connections end: timeouts, a pool without memory, draining, breaking off, clients that go. */
#include "unit/server/conn_env.h"

#define HELLO "GET / HTTP/1.1\r\n" LOCAL "\r\n"
#define IDLE_MS 500u /* several times what a busy machine keeps a process waiting */
#define PUT_10 "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 10\r\n\r\n"

static void test_idle(void **state) {
    served->cs.idle_timeout_ms = IDLE_MS;
    uint64_t begin_ns = lb_io_now_ns(served->e.io);
    int a = client(), b = client();
    put_text(b, HELLO);
    expect(b, 200, "hello");
    expect_end(a);
    expect_end(b);
    uint64_t took_ns = lb_io_now_ns(served->e.io) - begin_ns;
    assert_true(took_ns >= IDLE_MS * 900000ull && took_ns < 5000000000u);
}

/* Who has begun to ask is told. */
static void test_late_head(void **state) {
    char body[1024] = "";
    served->cs.idle_timeout_ms = IDLE_MS;
    for (int i = 0; i < 2; i++) {
        int fd = client();
        if (i > 0) {
            put_text(fd, HELLO);
            expect(fd, 200, "hello");
        }
        put_text(fd, "GET / HTTP/1.1\r\nHo");
        assert_int_equal(get_head(fd), 408);
        assert_true(says_close());
        assert_int_equal(get_bytes(fd, body, length_said()), length_said());
        assert_non_null(strstr(body, "<Code>RequestTimeout</Code>"));
        expect_end(fd);
        wait_n(&served->cs.n, 0);
    }
    assert_int_equal(served->seen.requests, 1);
}

/* A head that comes byte by byte gets no more time for that, nor for the goodbye; a body does. */
static void test_trickling(void **state) {
    served->cs.idle_timeout_ms = IDLE_MS;
    int head = client(), body = client(), n = 0;
    put_text(body, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 40\r\n\r\n");
    put_text(head, "GET / HTTP/1.1\r\n" LOCAL "X: ");
    for (; n < 40; n++) {
        turn_ms(IDLE_MS / 10);
        (void)!send(head, "x", 1, MSG_NOSIGNAL);
        put_text(body, "y");
        if (n == 15)
            assert_int_equal(get_head(head), 408);
        if (n == 35)
            assert_int_equal(served->cs.n, 1);
    }
    expect(body, 200, NULL);
    close(head);
    close(body);
}

static void test_stalled_body(void **state) {
    served->cs.idle_timeout_ms = IDLE_MS;
    int fd = client();
    put_text(fd, PUT_10 "abc");
    expect(fd, lb_err_info(LB_ERR_REQUEST_TIMEOUT)->status, "the body failed");
    assert_int_equal(served->seen.read_err, LB_ERR_REQUEST_TIMEOUT);
    assert_true(says_close());
    expect_end(fd);
    fd = client(); /* the rest of a body that nobody wants has one timeout in all */
    put_text(fd, "PUT /refuse HTTP/1.1\r\n" LOCAL "Content-Length: 100\r\n\r\n");
    expect(fd, 403, "no");
    for (unsigned i = 0; i < IDLE_MS / 50 && served->cs.n; i++) {
        turn_ms(100);
        (void)!send(fd, "y", 1, MSG_NOSIGNAL);
    }
    assert_int_equal(served->cs.n, 0);
    close(fd);
}

/* One send of a large file takes longer than the timeout: it goes on while something moves. */
static void test_slow_download(void **state) {
    static const char *const requests[] = {"GET /file HTTP/1.1\r\n" LOCAL "\r\n",
                                           "GET /big HTTP/1.1\r\n" LOCAL "\r\n"};
    char *got = malloc(BIG);
    served->cs.idle_timeout_ms = IDLE_MS;
    for (size_t i = 0; i < 2; i++) {
        int fd = client(), small = 65536;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        put_text(fd, requests[i]);
        assert_int_equal(get_head(fd), 200);
        for (size_t at = 0; at < BIG; at += BIG / 16) {
            turn_ms(IDLE_MS / 5);
            assert_int_equal(get_bytes(fd, got + at, BIG / 16), BIG / 16);
        }
        assert_memory_equal(got, served->bytes, BIG);
        close(fd);
        wait_n(&served->cs.n, 0);
        fd = client();
        put_text(fd, requests[i]); /* and this one stops reading */
        wait_n(&served->cs.n, 0);
        assert_true(served->seen.sent_err < 0);
        close(fd);
    }
    free(got);
}

/* The handler's own time is not the client's. */
static void test_slow_handler(void **state) {
    served->cs.idle_timeout_ms = IDLE_MS;
    int fd = client();
    put_text(fd, "GET /hold HTTP/1.1\r\n" LOCAL "\r\n");
    turn_ms(IDLE_MS * 5 / 2);
    assert_non_null(served->seen.held);
    reply(served->seen.held, 200, "at last");
    expect(fd, 200, "at last");
    put_text(fd, HELLO);
    expect(fd, 200, "hello");
    close(fd);
}

/* ---- memory ---- */

static struct lb_pool_buf *hog[64];
static size_t hog_n;

static void hog_all(void) {
    struct lb_pool_buf *b;
    hog_n = 0;
    while (hog_n < 64 && (b = lb_pool_get(served->pool, 65536)))
        hog[hog_n++] = b;
    assert_null(lb_pool_get(served->pool, 4096));
}

static void unhog(void) {
    while (hog_n)
        lb_pool_put(hog[--hog_n]);
}

static void test_waiting_for_memory(void **state) {
    int fds[8];
    hog_all();
    for (int i = 0; i < 8; i++) {
        fds[i] = client();
        put_text(fds[i], PUT_10 "abcdefghij" HELLO);
    }
    turn_ms(30);
    assert_int_equal(served->seen.requests, 8);
    unhog();
    for (int i = 0; i < 8; i++) {
        expect(fds[i], 200, NULL);
        expect(fds[i], 200, "hello");
        close(fds[i]);
    }
}

static void test_no_memory_comes(void **state) {
    served->cs.idle_timeout_ms = IDLE_MS;
    hog_all();
    int fd = client();
    put_text(fd, PUT_10 "abcdefghij");
    expect(fd, 503, "the body failed");
    assert_int_equal(served->seen.read_err, LB_ERR_SLOW_DOWN);
    expect_end(fd);
    /* Dropping a body needs none. */
    fd = client();
    put_text(fd, "PUT /refuse HTTP/1.1\r\n" LOCAL "Content-Length: 10\r\n\r\nabcdefghij" HELLO);
    expect(fd, 403, "no");
    expect(fd, 200, "hello");
    close(fd);
    unhog();
}

static void test_client_goes_while_waiting_for_memory(void **state) {
    hog_all();
    int a = client(), b = client();
    put_text(a, PUT_10);
    put_text(b, PUT_10);
    turn_ms(20);
    reset(a);
    close(b);
    turn_ms(20);
    unhog();
    wait_n(&served->cs.n, 0);
    assert_true(served->seen.read_err < 0);
}

/* ---- every state ---- */

enum place {
    FRESH,
    KEPT,
    PART_OF_HEAD,
    BODY,
    MEMORY,
    HELD,
    SENDING,
    DISCARDING,
    LINGERING,
    PLACES
};

/* A client whose connection is in that state. */
static int client_at(enum place place) {
    static const char *const texts[PLACES] = {
        [FRESH] = "",
        [KEPT] = HELLO,
        [PART_OF_HEAD] = "GET / HTTP/1.1\r\nHo",
        [BODY] = PUT_10 "abc",
        [MEMORY] = PUT_10 "abc",
        [HELD] = "GET /hold HTTP/1.1\r\n" LOCAL "\r\n",
        [SENDING] = "GET /file HTTP/1.1\r\n" LOCAL "\r\n",
        [DISCARDING] = "PUT /refuse HTTP/1.1\r\n" LOCAL "Content-Length: 10\r\n\r\nab",
        [LINGERING] = "PUT /refuse HTTP/1.1\r\n" LOCAL "Content-Length: 10000000\r\n\r\nab",
    };
    if (place == MEMORY)
        hog_all();
    int fd = client();
    put_text(fd, texts[place]);
    turn_ms(10);
    if (place == KEPT)
        expect(fd, 200, "hello");
    if (place == DISCARDING || place == LINGERING)
        expect(fd, 403, "no");
    return fd;
}

/* What ends the engine's part. */
static void let_go(enum place place) {
    if (place == HELD)
        reply(served->seen.held, 200, "held");
    if (place == MEMORY)
        unhog();
}

static void test_reset_anywhere(void **state) {
    for (enum place p = 0; p < PLACES; p++) {
        reset(client_at(p));
        turn_ms(5);
        let_go(p);
        wait_n(&served->cs.n, 0);
    }
}

static void test_close_anywhere(void **state) {
    for (enum place p = 0; p < PLACES; p++) {
        close(client_at(p));
        turn_ms(5);
        let_go(p);
        wait_n(&served->cs.n, 0);
    }
}

static void test_abort_anywhere(void **state) {
    for (enum place p = 0; p < PLACES; p++) {
        int fd = client_at(p);
        lb_conns_abort(&served->cs);
        if (p == HELD) {
            turn_ms(20);
            assert_int_equal(served->cs.n, 1);
            let_go(p);
        }
        wait_n(&served->cs.n, 0);
        if (p == MEMORY)
            unhog();
        close(fd);
    }
}

/* Right after bytes came: the loop has not told anyone yet. */
static void test_abort_meets_bytes(void **state) {
    static const char *const more[PLACES] = {
        [FRESH] = HELLO,   [KEPT] = HELLO,      [PART_OF_HEAD] = "st: x\r\n\r\n",
        [BODY] = "defg",   [MEMORY] = "defg",   [HELD] = HELLO,
        [SENDING] = HELLO, [DISCARDING] = "cd", [LINGERING] = "cd",
    };
    for (enum place p = 0; p < PLACES; p++) {
        int fd = client_at(p);
        (void)!send(fd, more[p], strlen(more[p]), MSG_NOSIGNAL);
        lb_conns_abort(&served->cs);
        let_go(p);
        wait_n(&served->cs.n, 0);
        close(fd);
    }
}

static void test_drain_anywhere(void **state) {
    static const char *const rest[PLACES] = {[PART_OF_HEAD] = "st: x\r\n\r\n",
                                             [BODY] = "defghij",
                                             [MEMORY] = "defghij",
                                             [DISCARDING] = "cdefghij"};
    static const char *const bodies[PLACES] = {
        [PART_OF_HEAD] = "hello", [BODY] = "", [MEMORY] = "", [HELD] = "held"};
    for (enum place p = 0; p < PLACES; p++) {
        int fd = client_at(p);
        uint64_t begin_ns = lb_io_now_ns(served->e.io);
        lb_conns_drain(&served->cs);
        turn_ms(20);
        /* What is idle is gone; what is under way ends first, and says that it is the last. */
        assert_int_equal(served->cs.n, p == FRESH || p == KEPT ? 0 : 1);
        let_go(p);
        if (rest[p])
            put_text(fd, rest[p]);
        if (p == SENDING) {
            char *got = malloc(BIG);
            assert_int_equal(get_head(fd), 200);
            assert_int_equal(get_bytes(fd, got, BIG), BIG);
            free(got);
        } else if (bodies[p]) {
            expect(fd, 200, bodies[p][0] ? bodies[p] : NULL);
            assert_true(says_close());
        }
        wait_n(&served->cs.n, 0);
        assert_true(lb_io_now_ns(served->e.io) - begin_ns < 4000000000u);
        served->cs.draining = false;
        close(fd);
    }
}

/* A request that has reached the loop when draining begins is answered. */
static void test_drain_meets_a_request(void **state) {
    int fd = client();
    turn_ms(5);
    assert_int_equal(send(fd, HELLO, sizeof(HELLO) - 1, 0), sizeof(HELLO) - 1);
    usleep(20000);
    lb_conns_drain(&served->cs);
    char text[1024] = "";
    ssize_t n = get_bytes(fd, text, sizeof(text) - 1);
    /* Either it was closed before the request was seen, or the whole answer has come. */
    assert_true(n <= 0 || strstr(text, "\r\n\r\nhello"));
    wait_n(&served->cs.n, 0);
    close(fd);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(test_idle),
        TEST(test_late_head),
        TEST(test_trickling),
        TEST(test_stalled_body),
        TEST(test_slow_download),
        TEST(test_slow_handler),
        TEST(test_waiting_for_memory),
        TEST(test_no_memory_comes),
        TEST(test_client_goes_while_waiting_for_memory),
        TEST(test_reset_anywhere),
        TEST(test_close_anywhere),
        TEST(test_abort_anywhere),
        TEST(test_abort_meets_bytes),
        TEST(test_drain_anywhere),
        TEST(test_drain_meets_a_request),
    };
    return run_served("conn_end", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
