#include "lib/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* A pair of datagram sockets: one receive is one write. */
static int ends[2];
static char line[20000];

static int set_up(void **state) {
    return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
}

static int tear_down(void **state) {
    lb_log_setup(STDERR_FILENO, LB_LOG_TEXT, LB_LOG_INFO);
    return close(ends[0]) | close(ends[1]);
}

/* The next line without its time, or "" when nothing was written. Checks the form of the time. */
static const char *next_line(size_t prefix_len, const char *after_time) {
    ssize_t n = recv(ends[0], line, sizeof(line) - 1, MSG_DONTWAIT);
    if (n < 0)
        return "";
    line[n] = '\0';
    const char *form = "0000-00-00T00:00:00.000Z";
    const char *time = line + prefix_len;
    for (size_t i = 0; form[i]; i++) {
        if (form[i] == '0')
            assert_in_range(time[i], '0', '9');
        else
            assert_int_equal(time[i], form[i]);
    }
    time += strlen(form);
    assert_memory_equal(time, after_time, strlen(after_time));
    return time + strlen(after_time);
}

#define TEXT() next_line(0, " ")
#define JSON() next_line(7, "\",\"level\":\"")

static void test_text(void **state) {
    lb_log_setup(ends[1], LB_LOG_TEXT, LB_LOG_INFO);
    errno = 77;
    lb_info("started up", LB_LOG_C("mode", "fs"), LB_LOG_S("empty", LB_S("")), LB_LOG_I("n", -12));
    assert_int_equal(errno, 77);
    assert_string_equal(TEXT(), "INFO started up mode=fs empty=\"\" n=-12\n");
    lb_error("x", LB_LOG_I("min", INT64_MIN), LB_LOG_I("max", INT64_MAX));
    assert_string_equal(TEXT(), "ERROR x min=-9223372036854775808 max=9223372036854775807\n");
    lb_warn("w", LB_LOG_C("key", "a b"), LB_LOG_C("q", "say \"hi\\\""), LB_LOG_C("eq", "a=b"));
    assert_string_equal(TEXT(), "WARN w key=\"a b\" q=\"say \\\"hi\\\\\\\"\" eq=\"a=b\"\n");
    lb_info("c", LB_LOG_S("k", lb_slice("a\r\n\t\0\x1b\x7f", 7)), LB_LOG_C("u", "\xc3\xa4"),
            LB_LOG_C("c1", "\xc2\x85"), LB_LOG_C("bad", "\xff"));
    assert_string_equal(TEXT(), "INFO c k=\"a\\r\\n\\t\\x00\\x1b\\x7f\" u=\"\xc3\xa4\" "
                                "c1=\"\\xc2\\x85\" bad=\"\\xff\"\n");
    lb_info("a\nb");
    assert_string_equal(TEXT(), "INFO a\\nb\n");
}

static void test_json(void **state) {
    lb_log_setup(ends[1], LB_LOG_JSON, LB_LOG_DEBUG);
    lb_debug("no \"fields\"");
    assert_string_equal(JSON(), "DEBUG\",\"msg\":\"no \\\"fields\\\"\"}\n");
    lb_info("m", LB_LOG_C("k", "a\"\\\n\x01\x7f/"), LB_LOG_I("n", 0), LB_LOG_C("u", "\xe2\x82\xac"),
            LB_LOG_C("bad", "\xe2\x82|\xc2\x85"));
    assert_string_equal(JSON(),
                        "INFO\",\"msg\":\"m\",\"k\":\"a\\\"\\\\\\n\\u0001\\u007f/\",\"n\":0,"
                        "\"u\":\"\xe2\x82\xac\",\"bad\":\"\\ufffd\\ufffd|\\ufffd\\ufffd\"}"
                        "\n");
}

static void test_level(void **state) {
    lb_log_setup(ends[1], LB_LOG_TEXT, LB_LOG_WARN);
    lb_info("no");
    assert_string_equal(TEXT(), "");
    lb_log_set_level(LB_LOG_INFO);
    lb_info("yes");
    assert_string_equal(TEXT(), "INFO yes\n");
    assert_false(lb_log_on(LB_LOG_DEBUG));
}

/* Lines of every length around the bound: never over it, always closed, in one write. */
static void test_cut(void **state) {
    static char value[9000];
    for (int form = LB_LOG_TEXT; form <= LB_LOG_JSON; form++) {
        lb_log_setup(ends[1], (enum lb_log_format)form, LB_LOG_INFO);
        for (size_t n = 8000; n < 8300; n++) {
            memset(value, n % 2 ? 'a' : '\n', n);
            lb_info("m", LB_LOG_S("k", lb_slice(value, n % 2 ? n : n / 2)), LB_LOG_I("n", 123456),
                    LB_LOG_C("z", "end"));
            ssize_t got = recv(ends[0], line, sizeof(line), MSG_DONTWAIT);
            assert_in_range(got, 1000, 8192);
            assert_int_equal(line[got - 1], '\n');
            assert_null(memchr(line, '\n', (size_t)got - 1));
            if (form == LB_LOG_JSON)
                assert_memory_equal(line + got - 2, "}", 1);
            if (form == LB_LOG_JSON && got > 8190)
                assert_memory_equal(line + got - 3, "\"", 1);
        }
    }
}

static void *log_many(void *arg) {
    for (int i = 0; i < 1000; i++)
        lb_info("thread", LB_LOG_C("who", (const char *)arg), LB_LOG_I("i", i));
    return NULL;
}

static void test_threads(void **state) {
    pthread_t threads[2];
    int next[2] = {0};
    lb_log_setup(ends[1], LB_LOG_TEXT, LB_LOG_INFO);
    pthread_create(&threads[0], NULL, log_many, "0");
    pthread_create(&threads[1], NULL, log_many, "1");
    for (int n = 0; n < 2000; n++) {
        int who, i, len = 0;
        ssize_t got = recv(ends[0], line, sizeof(line) - 1, 0);
        line[got] = '\0';
        assert_int_equal(sscanf(line + 24, " INFO thread who=%d i=%d\n%n", &who, &i, &len), 2);
        assert_int_equal(len + 24, got);
        assert_int_equal(i, next[who]++);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

static void test_dropped(void **state) {
    uint64_t before = lb_log_dropped();
    lb_info("kept");
    assert_string_equal(TEXT(), "INFO kept\n");
    assert_int_equal(lb_log_dropped(), before);
    lb_log_setup(-1, LB_LOG_TEXT, LB_LOG_INFO);
    lb_info("lost");
    lb_info("lost");
    lb_debug("not wanted");
    assert_int_equal(lb_log_dropped(), before + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text), cmocka_unit_test(test_json),    cmocka_unit_test(test_level),
        cmocka_unit_test(test_cut),  cmocka_unit_test(test_threads), cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
