/* The whole server in this process: start, stop, what stops it from starting. */
#include "lib/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/server.h"

static char dir[] = "/tmp/lobos-server-XXXXXX";
static struct lb_config config;

static int setup(void **state) {
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    struct lb_buf why;
    lb_buf_init(&why, 1024);
    assert_int_equal(lb_config_init(&config), 0);
    assert_int_equal(lb_config_set(&config, NULL, "directory", dir, &why), 0);
    assert_int_equal(lb_config_set(&config, NULL, "port", "0", &why), 0);
    assert_int_equal(lb_config_set(&config, NULL, "metrics_listen", "127.0.0.1:0", &why), 0);
    assert_int_equal(lb_config_set(&config, NULL, "http_threads", "3", &why), 0);
    assert_int_equal(lb_config_set(&config, NULL, "buckets", "one,two", &why), 0);
    assert_int_equal(lb_config_check(&config, &why), 0);
    lb_buf_fini(&why);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    return remove(path);
}

static int teardown(void **state) {
    lb_config_fini(&config);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct sockaddr_in loopback(unsigned port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial(unsigned port) {
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void ask(int fd, const char *request, const char *status) {
    char text[4096];
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_memory_equal(text + 9, status, 3);
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define GET "GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void test_start_and_stop(void **state) {
    struct lb_server *s;
    int fds[32];
    assert_int_equal(lb_server_start(&config, &s), 0);
    for (int i = 0; i < 32; i++) {
        fds[i] = dial(lb_server_port(s));
        ask(fds[i], GET, "200");
    }
    double begin = now_s();
    assert_true(lb_server_stop(s, 20));
    assert_true(now_s() - begin < 5); /* who is idle is not waited for */
    lb_server_free(s);
    for (int i = 0; i < 32; i++) {
        char byte;
        assert_true(recv(fds[i], &byte, 1, 0) <= 0);
        close(fds[i]);
    }
}

/* The time to drain is that of all loops together. */
static void test_stop_with_stalled_clients(void **state) {
    struct lb_server *s;
    int fds[32];
    assert_int_equal(lb_server_start(&config, &s), 0);
    for (int i = 0; i < 32; i++) {
        fds[i] = dial(lb_server_port(s));
        ask(fds[i], GET, "200");
        const char *put =
            "PUT /two/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc";
        assert_true(send(fds[i], put, strlen(put), MSG_NOSIGNAL) > 0);
    }
    usleep(200000);
    double begin = now_s();
    assert_true(lb_server_stop(s, 1));
    double took = now_s() - begin;
    assert_true(took > 0.9 && took < 2.5);
    lb_server_free(s);
    for (int i = 0; i < 32; i++)
        close(fds[i]);
}

static void test_port_in_use(void **state) {
    struct lb_server *s;
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    config.port = ntohs(a.sin_port);
    assert_true(lb_server_start(&config, &s) < 0);
    close(fd);
    config.port = 0;
    assert_int_equal(lb_server_start(&config, &s), 0); /* nothing is left of the first attempt */
    assert_true(lb_server_stop(s, 5));
    lb_server_free(s);
}

/* With a descriptor 3 as a service manager leaves it. */
static int start_with(int fd, struct lb_server **ret) {
    char pid[16];
    int kept = dup(3);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(dup2(fd, 3), 3);
    int err = lb_server_start(&config, ret);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    close(3);
    if (kept >= 0) {
        dup2(kept, 3);
        close(kept);
    }
    return err;
}

static void test_inherited_socket(void **state) {
    struct lb_server *s;
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    assert_true(start_with(fd, &s) < 0); /* does not listen */
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(start_with(fd, &s), 0);
    assert_int_equal(lb_server_port(s), ntohs(a.sin_port));
    int peer = dial(lb_server_port(s));
    ask(peer, GET, "200");
    close(peer);
    assert_true(lb_server_stop(s, 5));
    lb_server_free(s);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_with_stalled_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_port_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inherited_socket, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
