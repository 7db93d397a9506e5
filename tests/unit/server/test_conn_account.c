/* What is counted and logged of requests, however they end. */
#include "unit/server/conn_env.h"

#include <sys/socket.h>

#include "base/log.h"

#define NONE LB_METRICS_NO_OP

static struct lb_metrics *metrics;
static int log_ends[2];

/* Counts into a set of its own, and logs into a socket. */
static void begin(void) {
    metrics = lb_metrics_new(1, NULL, 0, 0);
    assert_non_null(metrics);
    served->cs.metrics = metrics->loops;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, log_ends), 0);
    lb_log_setup(log_ends[1], LB_LOG_TEXT, LB_LOG_INFO);
}

static void end(void) {
    assert_int_equal(served->cs.in_flight, 0);
    served->cs.metrics = NULL;
    lb_log_setup(STDERR_FILENO, LB_LOG_TEXT, LB_LOG_INFO);
    close(log_ends[0]);
    close(log_ends[1]);
    lb_metrics_free(metrics);
}

static struct lb_op_sum sum(void) {
    struct lb_op_sum s;
    assert_true(lb_metrics_op(metrics, NONE, &s));
    return s;
}

static uint64_t with_status(int status) {
    struct lb_op_sum s = sum();
    size_t i = 0;
    while (lb_metrics_status(i) != status)
        i++;
    return s.status[i];
}

static void wait_requests(uint64_t n) {
    uint64_t begin_ns = lb_io_now_ns(served->e.io);
    while (sum().requests < n) {
        assert_int_equal(lb_io_turn(served->e.io, 10000000), 0);
        assert_true(lb_io_now_ns(served->e.io) - begin_ns < PATIENCE_NS);
    }
    assert_int_equal(sum().requests, n);
}

/* The next line of the log, or "" when there is none. */
static const char *log_line(void) {
    static char line[8192];
    ssize_t n = recv(log_ends[0], line, sizeof(line) - 1, MSG_DONTWAIT);
    line[n > 0 ? n : 0] = '\0';
    return line;
}

static long field(const char *line, const char *name) {
    const char *at = strstr(line, name);
    if (!at)
        fail_msg("no %s in %s", name, line);
    return atol(at + strlen(name));
}

static void test_bodies(void **state) {
    begin();
    int fd = client();
    put_text(fd, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 5\r\n\r\nabcde");
    expect(fd, 200, NULL);
    wait_requests(1);
    assert_int_equal(sum().bytes_in, 5);
    uint64_t out = length_said();
    assert_int_equal(sum().bytes_out, out);
    put_text(fd, "PUT /echo HTTP/1.1\r\n" LOCAL "Transfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
    expect(fd, 200, NULL);
    out += length_said();
    put_text(fd, "HEAD / HTTP/1.1\r\n" LOCAL "\r\n");
    assert_int_equal(get_head(fd), 200);
    wait_requests(3);
    assert_int_equal(sum().bytes_in, 12);
    assert_int_equal(sum().bytes_out, out);
    assert_int_equal(with_status(200), 3);
    assert_int_equal(lb_counter_get(&metrics->loops->accepted), 1);
    assert_string_equal(log_line(), "");
    close(fd);
    end();
}

/* What ends without a response that was wished for is counted, too, and in progress no more. */
static void test_ends(void **state) {
    begin();
    int bad = client();
    put_text(bad, "nonsense\r\n\r\n");
    assert_int_equal(get_head(bad), 400);
    close(bad);
    int none = client();
    put_text(none, "GET /nothing HTTP/1.1\r\n" LOCAL "\r\n");
    expect_gone(none);
    int half = client();
    put_text(half, "GET /short HTTP/1.1\r\n" LOCAL "\r\n");
    assert_int_equal(get_head(half), 200);
    close(half);
    int gone = client();
    put_text(gone, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 10\r\n\r\nab");
    turn_ms(20);
    assert_int_equal(served->cs.in_flight, 1);
    reset(gone);
    wait_requests(4);
    assert_int_equal(sum().bytes_in, 2);
    wait_n(&served->cs.n, 0);
    int idle = client(); /* no request: nothing to count */
    turn_ms(20);
    close(idle);
    wait_n(&served->cs.n, 0);
    wait_requests(4);
    assert_int_equal(lb_counter_get(&metrics->loops->accepted), 5);
    end();
}

static void test_too_many(void **state) {
    begin();
    served->cs.n_max = 1;
    int a = client(), b = client();
    put_text(b, "GET / HTTP/1.1\r\n" LOCAL "\r\n");
    assert_int_equal(get_head(b), 503);
    close(a);
    close(b);
    wait_requests(1);
    assert_int_equal(with_status(503), 1);
    assert_int_equal(lb_counter_get(&metrics->loops->accepted), 2);
    assert_int_equal(lb_counter_get(&metrics->loops->refused), 1);
    end();
}

static void test_times(void **state) {
    begin();
    served->cs.slow_ms = 50;
    int fd = client();
    put_text(fd, "GET / HTTP/1.1\r\n" LOCAL "\r\n");
    expect(fd, 200, "hello");
    wait_requests(1);
    assert_string_equal(log_line(), "");
    put_text(fd, "GET /hold HTTP/1.1\r\n" LOCAL "\r\n");
    turn_ms(120);
    reply(served->seen.held, 200, "at last");
    expect(fd, 200, "at last");
    wait_requests(2);
    const char *line = log_line();
    assert_non_null(strstr(line, " WARN slow request "));
    assert_non_null(strstr(line, " status=200 received=0 sent=7 "));
    assert_in_range(field(line, " us="), 100000, 10000000);
    assert_in_range(field(line, " send_us="), 100000, 10000000); /* nobody else said it was his */
    put_text(fd, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 2\r\n\r\na");
    turn_ms(120);
    put_text(fd, "b");
    expect(fd, 200, NULL);
    wait_requests(3);
    line = log_line();
    assert_in_range(field(line, " receive_us="), 100000, 10000000);
    assert_in_range(field(line, " send_us="), 0, 99999);
    put_text(fd, "GET / HTTP/1.1\r\nHo");
    turn_ms(120);
    put_text(fd, "st: x\r\n\r\n");
    expect(fd, 200, "hello");
    wait_requests(4);
    line = log_line();
    assert_in_range(field(line, " parse_us="), 100000, 10000000);
    assert_string_equal(log_line(), "");
    assert_int_equal(lb_counter_get(&metrics->loops->slow), 3);
    struct lb_op_sum s = sum();
    uint64_t n = 0;
    for (unsigned i = 0; i < 11; i++) /* up to 50 ms */
        n += s.whole.n[i];
    assert_int_equal(n, 1);
    assert_true(s.whole.sum_ns > 300000000 && s.first_byte.sum_ns <= s.whole.sum_ns);
    close(fd);
    end();
}

/* A request that waited in the buffer behind another began when its turn came; one that waits for
 * its client began with its first byte. */
static void test_start(void **state) {
    begin();
    served->cs.access_log = true;
    int fd = client();
    turn_ms(120);
    put_text(fd, "GET / HTTP/1.1\r\n" LOCAL "\r\n"
                 "GET / HTTP/1.1\r\n" LOCAL "\r\n");
    expect(fd, 200, "hello");
    expect(fd, 200, "hello");
    wait_requests(2);
    turn_ms(120);
    put_text(fd, "GET / HTTP/1.1\r\n" LOCAL "\r\n");
    expect(fd, 200, "hello");
    wait_requests(3);
    for (int i = 0; i < 3; i++) {
        const char *line = log_line();
        assert_non_null(strstr(line, " INFO request "));
        assert_in_range(field(line, " us="), 0, 90000);
    }
    close(fd);
    end();
}

int main(void) {
    static const struct named_test tests[] = {
        {"bodies", test_bodies}, {"ends", test_ends},   {"too many", test_too_many},
        {"times", test_times},   {"start", test_start},
    };
    return run_served("conn_account", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
