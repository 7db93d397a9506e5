/* Lists against what a plain walk over the same keys gives. */
#include "volume_env.h"

#include "base/prng.h"
#include "lib/mem_engine.h"

static struct call list_for(struct env *e, const char *prefix, const char *delimiter) {
    struct call c = call_for(e, LB_S(""));
    c.op.prefix = lb_slice_cstr(prefix);
    c.op.delimiter = lb_slice_cstr(delimiter);
    return c;
}

static void check_list(struct env *e, struct call *c, const char *expect) {
    struct lb_buf text;
    lb_buf_init(&text, 100000);
    assert_int_equal(run(e, vol_list, c), 0);
    for (size_t i = 0; i < c->op.list.n; i++) {
        const struct lb_list_entry *entry = &c->op.list.entries[i];
        lb_buf_printf(&text, "%s%.*s%s", i ? " " : "", LB_SLICE_ARG(entry->key),
                      entry->is_prefix ? "*" : "");
    }
    if (c->op.list.truncated)
        lb_buf_printf(&text, " ...");
    assert_true(lb_slice_eq(lb_buf_slice(&text), lb_slice_cstr(expect)) ||
                (print_error("%.*s\n", (int)text.len, text.ptr), false));
    lb_buf_fini(&text);
}

static void test_pages(void **state) {
    struct env *e = *state;
    static const char *const keys[] = {"a",   "a/1",   "a/2",     "a/b/3", "b",
                                       "b/x", "c\xff", "c\xff/1", "d"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(put_text(e, keys[i], "text"), 0);
    struct call c = list_for(e, "", "");
    check_list(e, &c, "a a/1 a/2 a/b/3 b b/x c\xff c\xff/1 d");
    c = list_for(e, "", "/");
    check_list(e, &c, "a a/* b b/* c\xff c\xff/* d");
    c = list_for(e, "a/", "/");
    check_list(e, &c, "a/1 a/2 a/b/*");
    c = list_for(e, "", "/");
    c.op.max = 2;
    check_list(e, &c, "a a/* ...");
    c.op.after = LB_S("a/");
    check_list(e, &c, "b b/* ...");
    c.op.after = LB_S("a/1");
    check_list(e, &c, "a/* b ...");
    c.op.after = LB_S("d");
    check_list(e, &c, "");
    c = list_for(e, "zzz", "");
    check_list(e, &c, "");
    c = list_for(e, "", "\xff");
    check_list(e, &c, "a a/1 a/2 a/b/3 b b/x c\xff* d");
    c.op.bucket = LB_S("none");
    assert_int_equal(run(e, vol_list, &c), LB_ERR_NO_SUCH_BUCKET);
}

/* A long meta blob comes from memory, and from a pack. */
static void test_meta(void **state) {
    struct env *e = *state;
    static char blob[5000];
    memset(blob, 'm', sizeof(blob));
    struct call c = put_for(e, LB_S("long"));
    c.op.meta = lb_slice(blob, sizeof(blob));
    assert_int_equal(put_call(e, &c, "x", 1, 65536), 0);
    assert_int_equal(put_text(e, "short", "x"), 0);
    for (int i = 0; i < 2; i++) {
        c = list_for(e, "", "");
        c.op.want_meta = true;
        assert_int_equal(run(e, vol_list, &c), 0);
        assert_int_equal(c.op.list.n, 2);
        assert_true(lb_slice_eq(c.op.list.entries[0].info.meta, lb_slice(blob, sizeof(blob))));
        assert_true(lb_slice_eq(c.op.list.entries[1].info.meta, LB_S("meta")));
        c = call_for(e, LB_S("long"));
        assert_int_equal(run(e, vol_head, &c), 0);
        assert_true(lb_slice_eq(c.op.info.meta, lb_slice(blob, sizeof(blob))));
        check_text(e, "long", "x");
        check_text(e, "short", "x");
        assert_int_equal(vol_checkpoint(env_volume(e), false), 0);
        assert_int_equal(env_volume(e)->staged_bytes, 0);
    }
}

/* ---- against the engine in memory ---- */

struct twin {
    struct env *e;
    struct lb_engine *mem;
    struct lb_engine_port *port;
};

static void both_put(struct twin *t, struct lb_slice key, enum lb_versioning versioning) {
    struct call c = put_for(t->e, key);
    c.op.versioning = versioning;
    assert_int_equal(put_call(t->e, &c, "x", 1, 65536), 0);
    c = put_for(t->e, key);
    c.op.versioning = versioning;
    t->port->ops->create(t->port, &c.op);
    assert_int_equal(finish(t->e, &c), 0);
    t->port->ops->commit(c.op.writer, &c.op);
    assert_int_equal(finish(t->e, &c), 0);
}

static void both_remove(struct twin *t, struct lb_slice key, enum lb_versioning versioning) {
    struct call c = call_for(t->e, key);
    c.op.versioning = versioning;
    assert_int_equal(run(t->e, vol_remove, &c), 0);
    c = call_for(t->e, key);
    c.op.versioning = versioning;
    t->port->ops->remove(t->port, &c.op);
    assert_int_equal(finish(t->e, &c), 0);
}

/* The same list of both, page by page. */
static void both_list(struct twin *t, struct lb_slice prefix, struct lb_slice delimiter, size_t max,
                      bool versions) {
    struct call a = call_for(t->e, LB_S("")), b;
    a.op.prefix = prefix;
    a.op.delimiter = delimiter;
    a.op.max = max;
    a.op.versions = versions;
    b = a;
    do {
        assert_int_equal(run(t->e, vol_list, &a), 0);
        b.op.list = (struct lb_list_result){0};
        t->port->ops->list(t->port, &b.op);
        assert_int_equal(finish(t->e, &b), 0);
        assert_int_equal(a.op.list.n, b.op.list.n);
        assert_int_equal(a.op.list.truncated, b.op.list.truncated);
        for (size_t i = 0; i < a.op.list.n; i++) {
            const struct lb_list_entry *x = &a.op.list.entries[i], *y = &b.op.list.entries[i];
            assert_true(lb_slice_eq(x->key, y->key));
            assert_int_equal(x->is_prefix, y->is_prefix);
            assert_int_equal(x->info.marker, y->info.marker);
            assert_int_equal(x->info.latest, y->info.latest);
            assert_int_equal(x->info.size, x->info.marker || x->is_prefix ? 0 : 1);
            assert_int_equal(lb_slice_eq(lb_version_slice(&x->info.version), LB_S("null")),
                             lb_slice_eq(lb_version_slice(&y->info.version), LB_S("null")));
        }
        if (a.op.list.n == 0)
            break;
        const struct lb_list_entry *last = &a.op.list.entries[a.op.list.n - 1];
        a.op.after = b.op.after = last->key;
        a.op.after_id = last->is_prefix ? LB_S("") : lb_version_slice(&last->info.version);
        last = &b.op.list.entries[b.op.list.n - 1];
        b.op.after_id = last->is_prefix ? LB_S("") : lb_version_slice(&last->info.version);
    } while (a.op.list.truncated);
}

static void test_random(void **state) {
    struct twin t = {.e = *state, .mem = mem_engine_new()};
    static const char letters[] = "ab/\xff";
    struct lb_prng prng;
    lb_prng_seed(&prng, 7);
    assert_int_equal(t.mem->ops->attach(t.mem, t.e->io, t.e->pool, &t.port), 0);
    struct call c = call_for(t.e, LB_S(""));
    t.port->ops->bucket_create(t.port, &c.op);
    assert_int_equal(finish(t.e, &c), 0);
    for (int i = 0; i < 600; i++) {
        char key[6];
        size_t n = 1 + lb_prng_below(&prng, 5);
        for (size_t k = 0; k < n; k++)
            key[k] = letters[lb_prng_below(&prng, 4)];
        enum lb_versioning versioning = (enum lb_versioning)lb_prng_below(&prng, 3);
        if (i < 200)
            versioning = LB_VERSIONING_OFF;
        if (lb_prng_below(&prng, 3))
            both_put(&t, lb_slice(key, n), versioning);
        else
            both_remove(&t, lb_slice(key, n), versioning);
        if (i % 10 == 0) {
            size_t max = 1 + lb_prng_below(&prng, 9), from = lb_prng_below(&prng, 4);
            both_list(&t, LB_S(""), LB_S("/"), max, i % 20 == 0);
            both_list(&t, lb_slice(letters + from, i % 3 == 0), LB_S(""), max, i % 20 == 0);
            both_list(&t, lb_slice(letters + from, 1), LB_S("\xff"), max, i % 20 != 0);
        }
        if (i % 100 == 0)
            lb_arena_reset(&t.e->arena);
    }
    t.mem->ops->detach(t.port);
    t.mem->ops->free(t.mem);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_pages), TEST(test_meta), TEST(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
