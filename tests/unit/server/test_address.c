#include "lib/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "server/address.h"

static void test_good(void **state) {
    static const struct {
        const char *text, *ip;
        int family;
        unsigned port;
    } cases[] = {
        {"127.0.0.1:9091", "127.0.0.1", AF_INET, 9091},
        {"0.0.0.0:0", "0.0.0.0", AF_INET, 0},
        {"255.255.255.255:65535", "255.255.255.255", AF_INET, 65535},
        {"[::1]:80", "::1", AF_INET6, 80},
        {"[::]:1", "::", AF_INET6, 1},
        {"[2001:db8::ffff:255.255.255.255]:1", "2001:db8::ffff:ffff:ffff", AF_INET6, 1},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        struct lb_address a;
        char ip[INET6_ADDRSTRLEN];
        assert_int_equal(lb_address_parse(cases[i].text, &a), 0);
        assert_int_equal(a.addr.ss_family, cases[i].family);
        const struct sockaddr_in *v4 = (const void *)&a.addr;
        const struct sockaddr_in6 *v6 = (const void *)&a.addr;
        bool is_v4 = cases[i].family == AF_INET;
        assert_int_equal(a.len, is_v4 ? sizeof(*v4) : sizeof(*v6));
        assert_int_equal(ntohs(is_v4 ? v4->sin_port : v6->sin6_port), cases[i].port);
        assert_non_null(inet_ntop(
            cases[i].family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, ip, sizeof(ip)));
        assert_string_equal(ip, cases[i].ip);
    }
}

static void test_bad(void **state) {
    static const char *const cases[] = {
        "",
        "off",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.1:80",
        "127.0.0.1:x",
        "1.2.3.4:-",
        "1.2.3.4: 80",
        "1.2.3.4:80 ",
        "1.2.3.4:65536",
        "::1:80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[1.2.3.4]:80",
        "[::1]80",
        "[::1]:",
        "[]",
        "[",
        "localhost:1",
        " 1.2.3.4:80",
        "[::1%lo]:80",
        "[2001:db8:aaaa:bbbb:cccc:dddd:255.255.255.255:and:more]:1",
        "1.2.3.4:99999999999999999999999",
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        struct lb_address a = {.len = 77};
        if (lb_address_parse(cases[i], &a) != -EINVAL)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(a.len, 77);
    }
}

static void test_bound(void **state) {
    static const char *const texts[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < 2; i++) {
        struct lb_address a, again;
        char text[LB_ADDRESS_TEXT];
        assert_int_equal(lb_address_parse(texts[i], &a), 0);
        int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&a.addr, a.len) < 0) {
            assert_int_equal(i, 1); /* no IPv6 here */
            close(fd);
            continue;
        }
        lb_address_of_socket(fd, text);
        assert_memory_equal(text, texts[i], strlen(texts[i]) - 1);
        assert_int_equal(lb_address_parse(text, &again), 0);
        assert_string_not_equal(text, texts[i]);
        close(fd);
    }
    char text[LB_ADDRESS_TEXT] = "x";
    lb_address_of_socket(-1, text);
    assert_string_equal(text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
