/* Lists of versions: order, pages, prefixes and groups, what is gone, many versions of one key. */
#include "versions_env.h"

/* Keys between which the sort order of directories and hidden keys matters. */
static void fill_bucket(struct env *e) {
    put_on(e, LB_S("a"), "a1");
    put_on(e, LB_S("a"), "a2");
    put_on(e, LB_S("a-b"), "ab");
    put_on(e, LB_S("a/b"), "h1"); /* hidden */
    put_on(e, LB_S("a/b"), "h2");
    assert_int_equal(put_version(e, LB_S("d/e/f"), "null", OFF, NULL), 0);
    put_on(e, LB_S("d/e/f"), "f1");
    delete_on(e, LB_S("d/e/f"));
    put_on(e, LB_S("d0"), "d0");
    put_on(e, LB_S("gone/x"), "x1");
    delete_on(e, LB_S("gone/x"));
    delete_on(e, LB_S("gone/y"));
    put_on(e, LB_S("x//y"), "xy1");
    put_on(e, LB_S("x//y"), "xy2");
    make_file(e, "box/z", "foreign");
}

static const char *const everything =
    "a=a2* a=a1 a-b=ab* a/b=h2* a/b=h1 d/e/f=-* d/e/f=f1 d/e/f=null0 d0=d0* gone/x=-* gone/x=x1 "
    "gone/y=-* x//y=xy2* x//y=xy1 ";

static void list_is(struct env *e, const char *prefix, const char *delimiter, bool plain,
                    const char *want) {
    check_list_of(e,
                  (struct listing){.prefix = lb_slice_cstr(prefix),
                                   .delimiter = lb_slice_cstr(delimiter),
                                   .plain = plain},
                  want);
}

static void in_order(void **state) {
    struct env *e = *state;
    fill_bucket(e);
    char want[512], path[512];
    for (int round = 0; round < 2; round++) {
        struct lb_object_info info;
        assert_int_equal(head_version(e, LB_S("z"), NULL, &info), 0);
        snprintf(want, sizeof(want), "%sz=%.*s0* ", everything,
                 LB_SLICE_ARG(lb_etag_slice(&info.etag)));
        check_versions(e, want);
        if (round == 0)
            reopen(e);
    }
    snprintf(path, sizeof(path), "%s/box/z", e->dir);
    assert_int_equal(unlink(path), 0);
    check_versions(e, everything);
    check_keys(e, "a=a2 a-b=ab a/b=h2 d0=d0 x//y=xy2 ");
}

static void prefixes_and_groups(void **state) {
    struct env *e = *state;
    char path[512];
    fill_bucket(e);
    snprintf(path, sizeof(path), "%s/box/z", e->dir);
    assert_int_equal(unlink(path), 0);
    list_is(e, "a", "", false, "a=a2* a=a1 a-b=ab* a/b=h2* a/b=h1 ");
    list_is(e, "d/", "", false, "d/e/f=-* d/e/f=f1 d/e/f=null0 ");
    list_is(e, "gone/x", "", false, "gone/x=-* gone/x=x1 ");
    list_is(e, "none", "", false, "");
    list_is(e, "", "/", false, "a=a2* a=a1 a-b=ab* <a/> <d/> d0=d0* <gone/> <x/> ");
    list_is(e, "d/", "/", false, "<d/e/> ");
    list_is(e, "gone/", "/", false, "gone/x=-* gone/x=x1 gone/y=-* ");
    list_is(e, "", "e", false,
            "a=a2* a=a1 a-b=ab* a/b=h2* a/b=h1 <d/e> d0=d0* <gone> x//y=xy2* x//y=xy1 ");
    /* Not where nothing current lies beneath. */
    list_is(e, "", "/", true, "a=a2 a-b=ab <a/> d0=d0 <x/> ");
    list_is(e, "gone/", "/", true, "");
}

static void one_page(struct env *e, struct lb_slice key, struct lb_slice after,
                     struct lb_slice after_id, size_t max, struct call *c) {
    *c = call_for(e, LB_S(""));
    c->op.versions = true;
    c->op.prefix = key;
    c->op.after = after;
    c->op.after_id = after_id;
    c->op.max = max;
    e->port->ops->list(e->port, &c->op);
    assert_int_equal(finish(e, c), 0);
}

/* As a client empties a bucket: what it names as seen last is gone by then. */
static void emptied_by_pages(void **state) {
    struct env *e = *state;
    fill_bucket(e);
    char after[LB_KEY_MAX];
    struct lb_version_id id = {.len = 0};
    size_t after_len = 0;
    for (bool more = true; more;) {
        struct call c;
        one_page(e, LB_S(""), lb_slice(after, after_len), lb_version_slice(&id), 2, &c);
        for (size_t i = 0; i < c.op.list.n; i++) {
            const struct lb_list_entry *le = &c.op.list.entries[i];
            delete_version(e, le->key, le->info.version);
            memcpy(after, le->key.ptr, le->key.len);
            after_len = le->key.len;
            id = le->info.version;
        }
        more = c.op.list.truncated;
    }
    check_versions(e, "");
    struct call c = call_for(e, LB_S(""));
    e->port->ops->bucket_delete(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
}

static void after_and_id(void **state) {
    struct env *e = *state;
    struct call c;
    struct lb_slice key = LB_S("key");
    assert_int_equal(put_version(e, key, "null", OFF, NULL), 0);
    struct lb_version_id one = put_on(e, key, "one"), two = put_on(e, key, "two");
    put_on(e, LB_S("later"), "later");
    one_page(e, key, key, LB_S(""), 10, &c);
    assert_int_equal(c.op.list.n, 0);
    one_page(e, key, key, lb_version_slice(&two), 10, &c);
    assert_int_equal(c.op.list.n, 2);
    one_page(e, key, key, lb_version_slice(&two), 1, &c);
    assert_int_equal(c.op.list.n, 1);
    assert_true(c.op.list.truncated);
    assert_true(same_id(&c.op.list.entries[0].info.version, &one));
    one_page(e, key, key, lb_version_slice(&one), 10, &c);
    assert_int_equal(c.op.list.n, 1);
    assert_false(c.op.list.truncated);
    one_page(e, LB_S(""), key, LB_S("null"), 10, &c);
    assert_int_equal(c.op.list.n, 1);
    CHECK_SLICE(c.op.list.entries[0].key, "later");
    delete_version(e, key, null_id);
    one_page(e, key, key, LB_S("null"), 10, &c);
    assert_int_equal(c.op.list.n, 2);
}

#define MANY 1200

static void many_versions_of_a_key(void **state) {
    struct env *e = *state;
    struct call c;
    char last[LB_VERSION_ID_MAX];
    size_t n = 0;
    for (int i = 0; i < MANY; i++) {
        c = call_for(e, LB_S("key"));
        c.op.relaxed = true;
        c.op.versioning = ON;
        c.op.etag = etag_of("e");
        assert_int_equal(put_call(e, &c, "x", 1, 4096), 0);
    }
    struct lb_version_id id = {.len = 0};
    for (bool more = true; more;) {
        one_page(e, LB_S(""), n ? LB_S("key") : LB_S(""), lb_version_slice(&id), 500, &c);
        for (size_t i = 0; i < c.op.list.n; i++, n++) {
            id = c.op.list.entries[i].info.version;
            assert_true(n == 0 || memcmp(id.text, last, id.len) < 0);
            assert_int_equal(c.op.list.entries[i].info.latest, n == 0);
            memcpy(last, id.text, id.len);
        }
        more = c.op.list.truncated;
    }
    assert_int_equal(n, MANY);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(in_order),     TEST(prefixes_and_groups),    TEST(emptied_by_pages),
        TEST(after_and_id), TEST(many_versions_of_a_key),
    };
    return run_on_both(tests, CHECK_COUNT(tests));
}
