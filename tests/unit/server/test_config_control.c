/* The keys of the control plane: where it may listen, and with what. */
#include "lib/check.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "server/config.h"

static struct lb_config c;
static struct lb_buf why;

static int setup(void **state) {
    lb_buf_init(&why, 4096);
    if (lb_config_init(&c) < 0)
        return -1;
    return lb_config_set(&c, NULL, "directory", ".", &why);
}

static int teardown(void **state) {
    lb_config_fini(&c);
    lb_buf_fini(&why);
    return 0;
}

static void set(const char *key, const char *value) {
    assert_int_equal(lb_config_set(&c, NULL, key, value, &why), 0);
}

static void accepted(const char *address) {
    set("grpc_server", address);
    lb_buf_clear(&why);
    assert_int_equal(lb_config_check(&c, &why), 0);
}

static void refused(const char *address, const char *text) {
    set("grpc_server", address);
    lb_buf_clear(&why);
    assert_int_equal(lb_config_check(&c, &why), -EINVAL);
    if (lb_slice_find_slice(lb_buf_slice(&why), lb_slice_cstr(text)) < 0)
        fail_msg("%.*s", (int)why.len, why.ptr);
}

static void test_addresses(void **state) {
    static const char *const bad[] = {"127.0.0.1",    "50051",         ":50051",
                                      "here:50051",   "127.0.0.1:",    "127.0.0.1:65536",
                                      "::1:50051",    "[127.0.0.1]:1", "127.0.0.1:-1",
                                      "[::1]",        "[]:1",          "on",
                                      "127.0.0.1:1 ", "1.2.3.4.5:1",   "[::1]:1x"};
    accepted("127.0.0.1:50051");
    accepted("127.9.9.9:0");
    accepted("[::1]:50051");
    accepted("localhost:50051");
    accepted("off");
    accepted("");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(bad[i], "must be an IP address and a port");
}

static void test_off_is_no_address(void **state) {
    struct lb_control_listen l;
    set("grpc_server", "off");
    lb_config_control(&c, &l);
    assert_string_equal(l.address, "");
}

/* What is not loopback needs TLS, and one of a token and clients' certificates. */
static void test_other_addresses(void **state) {
    const char *const needs = "on an address other than loopback the control plane needs TLS";
    refused("0.0.0.0:50051", needs);
    refused("[::]:50051", needs);
    set("grpc_token", "0123456789abcdef");
    refused("192.0.2.1:50051", needs);
    set("grpc_tls_certificate", "cert.pem");
    refused("192.0.2.1:50051", "grpc_tls_certificate and grpc_tls_key go together");
    set("grpc_tls_key", "key.pem");
    accepted("192.0.2.1:50051");
    set("grpc_token", "");
    refused("192.0.2.1:50051", needs);
    set("grpc_client_ca", "ca.pem");
    accepted("192.0.2.1:50051");
    set("grpc_tls_certificate", "");
    set("grpc_tls_key", "");
    refused("127.0.0.1:50051", "grpc_client_ca needs grpc_tls_certificate");
}

static void test_token(void **state) {
    set("grpc_token", "short");
    refused("127.0.0.1:0", "16 to 1024 characters");
    set("grpc_token", "with space in the middle");
    refused("127.0.0.1:0", "printable characters without spaces");
    set("grpc_token", "0123456789abcdef");
    accepted("127.0.0.1:0");
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_token_file(void **state) {
    char path[] = "/tmp/lobos-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    set("grpc_token_file", path);
    refused("127.0.0.1:0", "is empty");
    write_file(path, "a-token-of-some-length\n");
    accepted("127.0.0.1:0");
    assert_string_equal(c.grpc_token, "a-token-of-some-length");
    accepted("127.0.0.1:0"); /* checked again: the same token is no other one */
    set("grpc_token", "another-token-of-some-length");
    refused("127.0.0.1:0", "one of them will do");
    unlink(path);
    refused("127.0.0.1:0", "No such file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_off_is_no_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
