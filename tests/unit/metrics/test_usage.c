#include "lib/check.h"

#include <errno.h>
#include <stdio.h>

#include "base/prng.h"
#include "metrics/usage.h"

static int set(struct lb_usage *u, const char *bucket, uint64_t objects, int64_t counted_s) {
    return lb_usage_set(
        u, &(struct lb_bucket_usage){lb_slice_cstr(bucket), objects, 10 * objects, counted_s});
}

struct seen {
    char names[256];
    size_t n;
};

static void see(void *ctx, const struct lb_bucket_usage *b) {
    struct seen *s = ctx;
    int n = snprintf(s->names + s->n, sizeof(s->names) - s->n, "%.*s:%d ", LB_SLICE_ARG(b->bucket),
                     (int)b->objects);
    s->n += (size_t)n;
}

static void check_all(struct lb_usage *u, const char *expected) {
    struct seen s = {{0}, 0};
    lb_usage_each(u, see, &s);
    assert_string_equal(s.names, expected);
}

static void test_table(void **state) {
    struct lb_usage *u = lb_usage_new(3);
    struct lb_bucket_usage b;
    check_all(u, "");
    assert_int_equal(set(u, "bb", 2, 100), 0);
    assert_int_equal(set(u, "c", 3, 101), 0);
    assert_int_equal(set(u, "a", 1, 102), 0);
    check_all(u, "a:1 bb:2 c:3 ");
    assert_int_equal(set(u, "b", 9, 103), -ENOSPC);
    assert_int_equal(set(u, "bb", 22, 104), 0);
    check_all(u, "a:1 bb:22 c:3 ");
    assert_true(lb_usage_get(u, LB_S("bb"), &b));
    assert_int_equal(b.objects, 22);
    assert_int_equal(b.bytes, 220);
    assert_int_equal(b.counted_s, 104);
    assert_false(lb_usage_get(u, LB_S("b"), &b));
    assert_int_equal(b.objects, 22);
    lb_usage_remove(u, LB_S("zz"));
    lb_usage_remove(u, LB_S("a"));
    check_all(u, "bb:22 c:3 ");
    assert_int_equal(set(u, "b", 9, 105), 0);
    lb_usage_prune(u, 104);
    check_all(u, "b:9 bb:22 ");
    lb_usage_prune(u, 1000);
    check_all(u, "");
    lb_usage_free(u);
    lb_usage_free(NULL);
}

static void test_names(void **state) {
    struct lb_usage *u = lb_usage_new(3);
    char name[257];
    memset(name, 'x', 256);
    name[256] = 0;
    assert_int_equal(set(u, "", 1, 1), -EINVAL);
    assert_int_equal(set(u, name, 1, 1), -EINVAL);
    assert_int_equal(set(u, name + 1, 1, 1), 0);
    strcpy(name, "gone"); /* the table has a copy */
    struct lb_bucket_usage b;
    assert_false(lb_usage_get(u, LB_S("gone"), &b));
    lb_usage_free(u);
}

/* Against an array of flags. */
static void test_model(void **state) {
    struct lb_usage *u = lb_usage_new(100);
    uint64_t model[100] = {0};
    struct lb_prng prng;
    lb_prng_seed(&prng, 1);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        size_t at = lb_prng_next(&prng) % 100;
        snprintf(name, sizeof(name), "b%zu", at);
        struct lb_bucket_usage b;
        assert_int_equal(lb_usage_get(u, lb_slice_cstr(name), &b), model[at] != 0);
        if (model[at])
            assert_int_equal(b.objects, model[at]);
        model[at] = lb_prng_next(&prng) % 3 ? (uint64_t)i + 1 : 0;
        if (model[at])
            assert_int_equal(set(u, name, model[at], 1), 0);
        else
            lb_usage_remove(u, lb_slice_cstr(name));
    }
    lb_usage_free(u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
