/* The endpoint of those who watch, with an engine that says what the test wants. */
#include "lib/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "server/monitor.h"

static struct lb_metrics *metrics;
static struct lb_usage *usage;
static struct lb_monitor *monitor;
static struct lb_budget budget;
static struct lb_storage_stats stats;
static int stats_err;
static pthread_mutex_t stall = /* of the two above; held, the storage does not answer */
    PTHREAD_MUTEX_INITIALIZER;

static int fake_stats(struct lb_engine *e, struct lb_storage_stats *ret) {
    pthread_mutex_lock(&stall);
    int err = stats_err;
    if (err == 0)
        *ret = stats;
    pthread_mutex_unlock(&stall);
    return err;
}

static const struct lb_engine_ops ops = {.name = "fake", .stats = fake_stats};
static struct lb_engine engine = {.ops = &ops};

static int setup(void **state) {
    struct lb_monitor_conf conf = {.backend = LB_IO_AUTO};
    static const char *const names[] = {"GetObject"};
    conf.metrics = metrics = lb_metrics_new(1, names, 1, 0);
    conf.usage = usage = lb_usage_new(2000);
    stats = (struct lb_storage_stats){.objects = 7, .object_bytes = LB_STORAGE_UNKNOWN};
    stats_err = 0;
    lb_budget_init(&budget, 4242);
    assert_int_equal(lb_address_parse("127.0.0.1:0", &conf.address), 0);
    assert_int_equal(lb_monitor_start(&conf, &monitor), 0);
    return 0;
}

static int teardown(void **state) {
    lb_monitor_stop(monitor);
    lb_monitor_stop(NULL);
    lb_usage_free(usage);
    lb_metrics_free(metrics);
    return 0;
}

static void serve(void) {
    const struct lb_monitor_served served = {&engine, &budget, "epoll", "scalar"};
    lb_metrics_set_state(metrics, LB_SERVER_SERVING);
    lb_monitor_serve(monitor, &served);
}

/* From now on the storage takes no writes, and asking it fails with err. */
static void trouble(int err) {
    pthread_mutex_lock(&stall);
    stats.read_only = true;
    stats_err = err;
    pthread_mutex_unlock(&stall);
}

static int dial(void) {
    struct lb_address a;
    assert_int_equal(lb_address_parse(lb_monitor_address(monitor), &a), 0);
    int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a.addr, a.len), 0);
    return fd;
}

static void say(int fd, const char *method, const char *path) {
    char text[256];
    int n = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                     method, path);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

static char response[1 << 20];

/* The whole response is in `response`. Returns its status. */
static int hear(int fd) {
    size_t n = 0;
    for (ssize_t got; (got = recv(fd, response + n, sizeof(response) - 1 - n, 0)) > 0;)
        n += (size_t)got;
    response[n] = '\0';
    close(fd);
    return n > 12 ? atoi(response + 9) : 0;
}

static int ask(const char *method, const char *path) {
    int fd = dial();
    say(fd, method, path);
    return hear(fd);
}

static void check_has(const char *text) {
    if (!strstr(response, text))
        fail_msg("no %s in:\n%s", text, response);
}

static void test_starting(void **state) {
    assert_int_equal(ask("GET", "/health/live"), 200);
    assert_int_equal(ask("GET", "/health/ready"), 503);
    check_has("\r\n\r\nstarting\n");
    assert_int_equal(ask("GET", "/metrics"), 200);
    check_has("\nlobos_ready 0\n");
    check_has("\nprocess_open_fds ");
    assert_null(strstr(response, "lobos_storage"));
    assert_null(strstr(response, "lobos_request_memory"));
}

static void test_serving(void **state) {
    serve();
    assert_int_equal(ask("GET", "/health/ready"), 200);
    check_has("\r\n\r\nready\n");
    assert_int_equal(ask("GET", "/metrics"), 200);
    check_has("Content-Type: " LB_PROM_CONTENT_TYPE "\r\n");
    check_has("\nlobos_ready 1\n");
    check_has("engine=\"fake\",io=\"epoll\",hash=\"scalar\"");
    check_has("\nlobos_storage_objects 7\n");
    check_has("\nlobos_request_memory_max_bytes 4242\n");
    assert_int_equal(ask("HEAD", "/metrics"), 200);
    assert_null(strstr(response, "lobos_ready"));
    assert_int_equal(ask("PUT", "/metrics"), 405);
    check_has("Allow: GET, HEAD\r\n");
    assert_int_equal(ask("GET", "/metric"), 404);
    lb_metrics_set_state(metrics, LB_SERVER_DRAINING);
    assert_int_equal(ask("GET", "/health/ready"), 503);
    check_has("draining");
    assert_int_equal(ask("GET", "/health/live"), 200);
}

static void test_storage_in_trouble(void **state) {
    serve();
    trouble(0);
    assert_int_equal(ask("GET", "/health/ready"), 503);
    check_has("read-only");
    assert_int_equal(ask("GET", "/metrics"), 200);
    check_has("\nlobos_ready 0\n");
    check_has("\nlobos_storage_read_only 1\n");
    trouble(-EIO);
    assert_int_equal(ask("GET", "/health/ready"), 503);
    check_has("does not answer");
    assert_int_equal(ask("GET", "/metrics"), 200);
    assert_null(strstr(response, "lobos_storage"));
    check_has("\nlobos_connections 0\n");
    assert_int_equal(ask("GET", "/health/live"), 200);
}

/* Whether the process lives is told even while the storage does not answer; then what was asked of
 * it is. */
static void test_storage_stalls(void **state) {
    serve();
    pthread_mutex_lock(&stall);
    int ready = dial(), scrape = dial();
    say(ready, "GET", "/health/ready");
    say(scrape, "GET", "/metrics");
    assert_int_equal(ask("GET", "/health/live"), 200);
    pthread_mutex_unlock(&stall);
    assert_int_equal(hear(ready), 200);
    assert_int_equal(hear(scrape), 200);
}

/* A client that asks and goes away, one that never reads, one that says nothing: the end does not
 * wait for them. */
static void test_end_among_clients(void **state) {
    serve();
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "bucket-%d", i);
        assert_int_equal(
            lb_usage_set(usage, &(struct lb_bucket_usage){lb_slice_cstr(name), 1, 2, 3}), 0);
    }
    int fds[30];
    for (int i = 0; i < 30; i++) {
        fds[i] = dial();
        if (i % 3 < 2)
            say(fds[i], "GET", "/metrics");
        if (i % 3 == 0)
            close(fds[i]);
    }
    teardown(NULL);
    for (int i = 0; i < 30; i++) {
        if (i % 3)
            close(fds[i]);
    }
    setup(NULL);
}

static void test_port_in_use(void **state) {
    struct lb_monitor_conf conf = {.backend = LB_IO_AUTO, .metrics = metrics, .usage = usage};
    struct lb_monitor *second = NULL;
    assert_int_equal(lb_address_parse(lb_monitor_address(monitor), &conf.address), 0);
    assert_int_equal(lb_monitor_start(&conf, &second), -EADDRINUSE);
    assert_null(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_starting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serving, setup, teardown),
        cmocka_unit_test_setup_teardown(test_storage_in_trouble, setup, teardown),
        cmocka_unit_test_setup_teardown(test_storage_stalls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_among_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_port_in_use, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
