/* Multipart uploads: parts, lists, Complete that can be repeated, Abort. */
#include "write_env.h"

static struct lb_slice upload_new(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    c.op.meta = LB_S("upload meta");
    e->port->ops->upload_create(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    assert_int_equal(c.op.n, 1);
    assert_int_equal(c.op.uploads[0].id.len, 32);
    return c.op.uploads[0].id;
}

/* A part of n bytes made from its number and version; its ETag names both. */
static struct lb_etag part_tag(uint32_t part, unsigned version) {
    char text[33];
    snprintf(text, sizeof(text), "%016u%016u", part, version);
    return etag_of(text);
}

static int put_part(struct env *e, struct lb_slice key, struct lb_slice id, uint32_t part,
                    unsigned version, size_t n) {
    char *data = malloc(n + 1);
    fill(data, n, part * 31 + version);
    struct call c = call_for(e, key);
    c.op.upload_id = id;
    c.op.part = part;
    c.op.etag = part_tag(part, version);
    c.op.meta = LB_S("part meta");
    c.op.size_hint = n;
    int err = put_call(e, &c, data, n, 65536);
    free(data);
    if (!err)
        assert_int_equal(c.op.info.size, n);
    return err;
}

static int complete(struct env *e, struct call *c, struct lb_slice id,
                    const struct lb_part_info *parts, size_t n) {
    c->op.upload_id = id;
    c->op.parts = parts;
    c->op.parts_n = n;
    c->op.meta = LB_S("object meta");
    c->op.etag = etag_of("00000000000000000000000000000000-9");
    e->port->ops->upload_complete(e->port, &c->op);
    return finish(e, c);
}

static void check_parts(struct env *e, struct lb_slice key, const struct lb_part_info *parts,
                        const unsigned *versions, size_t n) {
    size_t cap = 64u << 20, at = 0;
    char *back = malloc(cap), *want = malloc(cap);
    struct call c = call_for(e, key);
    int64_t size = get(e, &c, back, cap);
    for (size_t i = 0; i < n; i++) {
        fill(want + at, parts[i].size, parts[i].number * 31 + versions[i]);
        at += parts[i].size;
    }
    assert_int_equal(size, at);
    assert_memory_equal(back, want, at);
    CHECK_SLICE(c.op.info.meta, "object meta");
    CHECK_SLICE(lb_etag_slice(&c.op.info.etag), "00000000000000000000000000000000-9");
    free(back);
    free(want);
}

static void upload_becomes_object(void **state) {
    struct env *e = *state;
    struct lb_slice keys[] = {LB_S("up/load"), LB_S("up/hidden/")};
    unsigned versions[] = {0, 1, 0};
    struct lb_part_info parts[] = {
        {.number = 1, .size = 40u << 20}, {.number = 2, .size = 70001}, {.number = 9, .size = 1}};
    for (size_t k = 0; k < 4; k++) {
        struct lb_slice key = keys[k % 2];
        env_fs(e)->journaled = k / 2;
        struct lb_slice id = upload_new(e, key);
        assert_int_equal(put_part(e, key, id, 2, 0, 5), 0);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(put_part(e, key, id, parts[i].number, versions[i], parts[i].size), 0);
            parts[i].etag = part_tag(parts[i].number, versions[i]);
        }
        assert_int_equal(put_part(e, key, id, 5, 0, 5000), 0); /* not named: dropped */
        struct call c = call_for(e, key);
        assert_int_equal(complete(e, &c, id, parts, 3), 0);
        assert_int_equal(c.op.info.size, (40u << 20) + 70002);
        check_parts(e, key, parts, versions, 3);
        assert_int_equal(entries_in(e, "box/.lobos/uploads"), 0);
        check_tmp_empty(e);
        c = call_for(e, key);
        assert_int_equal(complete(e, &c, id, parts, 3), LB_ERR_NO_SUCH_UPLOAD);
    }
}

static void failed_complete_can_be_repeated(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("again");
    unsigned versions[] = {0, 0};
    struct lb_slice id = upload_new(e, key);
    struct lb_part_info parts[] = {{.number = 1, .size = 100000}, {.number = 2, .size = 10}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(put_part(e, key, id, parts[i].number, 0, parts[i].size), 0);
        parts[i].etag = part_tag(parts[i].number, 0);
    }
    struct call c = call_for(e, key);
    c.op.precond.if_match = LB_S("*");
    assert_int_equal(complete(e, &c, id, parts, 2), LB_ERR_NO_SUCH_KEY);
    struct lb_part_info wrong[] = {parts[0], {.number = 3}};
    c = call_for(e, key);
    assert_int_equal(complete(e, &c, id, wrong, 2), LB_ERR_INVALID_PART);
    wrong[1] = parts[1];
    wrong[1].etag = part_tag(2, 7);
    c = call_for(e, key);
    assert_int_equal(complete(e, &c, id, wrong, 2), LB_ERR_INVALID_PART);
    wrong[1] = parts[0];
    c = call_for(e, key);
    assert_int_equal(complete(e, &c, id, wrong, 2), LB_ERR_INVALID_PART_ORDER);
    c = call_for(e, LB_S("another"));
    assert_int_equal(complete(e, &c, id, parts, 2), LB_ERR_NO_SUCH_UPLOAD);
    check_missing(e, key);
    check_tmp_empty(e);
    engine_close(e);
    engine_open(e, 0);
    c = call_for(e, key);
    assert_int_equal(complete(e, &c, id, parts, 2), 0);
    check_parts(e, key, parts, versions, 2);
}

static void ids_are_checked(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    struct lb_slice id = upload_new(e, key);
    struct lb_slice ids[] = {LB_S(""), LB_S("../tmp"), LB_S("0123456789abcdef0123456789abcdeF"),
                             LB_S("0123456789abcdef0123456789abcdef"),
                             LB_S("../../../../../../../../etc/xxxx")};
    for (size_t i = 0; i < CHECK_COUNT(ids); i++) {
        struct call c = call_for(e, key);
        c.op.upload_id = ids[i];
        e->port->ops->upload_head(e->port, &c.op);
        assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_UPLOAD);
        e->port->ops->upload_abort(e->port, &c.op);
        assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_UPLOAD);
        c.op.max = 10;
        e->port->ops->upload_parts(e->port, &c.op);
        assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_UPLOAD);
        if (ids[i].len)
            assert_int_equal(put_part(e, key, ids[i], 1, 0, 1), LB_ERR_NO_SUCH_UPLOAD);
    }
    assert_int_equal(put_part(e, LB_S("other"), id, 1, 0, 1), LB_ERR_NO_SUCH_UPLOAD);
    struct call c = call_for(e, key);
    c.op.upload_id = id;
    e->port->ops->upload_head(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    CHECK_SLICE(c.op.uploads[0].meta, "upload meta");
    CHECK_SLICE(c.op.uploads[0].key, "key");
    assert_true(c.op.uploads[0].created_ns > 0);
    c = call_for(e, key);
    c.op.bucket = LB_S("nobody");
    e->port->ops->upload_create(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_BUCKET);
}

static void parts_are_listed(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    struct lb_slice id = upload_new(e, key);
    static const uint32_t numbers[] = {10000, 3, 1, 77};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(put_part(e, key, id, numbers[i], 0, numbers[i]), 0);
    static const uint32_t expected[] = {1, 3, 77, 10000};
    size_t seen = 0;
    struct call c = call_for(e, key);
    c.op.upload_id = id;
    c.op.max = 3;
    do {
        e->port->ops->upload_parts(e->port, &c.op);
        assert_int_equal(finish(e, &c), 0);
        for (size_t i = 0; i < c.op.n; i++, seen++) {
            struct lb_part_info *p = &c.op.ret_parts[i];
            assert_int_equal(p->number, expected[seen]);
            assert_int_equal(p->size, expected[seen]);
            CHECK_SLICE(p->meta, "part meta");
            c.op.part = p->number;
        }
    } while (c.op.truncated);
    assert_int_equal(seen, 4);
    c.op.max = 4;
    c.op.part = 0;
    e->port->ops->upload_parts(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    assert_int_equal(c.op.n, 4);
    assert_false(c.op.truncated);
}

static void uploads_are_listed(void **state) {
    struct env *e = *state;
    static const char *const keys[] = {"b", "a/2", "a/1", "a/1", "c"};
    for (size_t i = 0; i < CHECK_COUNT(keys); i++)
        upload_new(e, lb_slice_cstr(keys[i]));
    static const char *const expected[] = {"a/1", "a/1", "a/2", "b", "c"};
    for (size_t max = 1; max <= 6; max++) {
        struct call c = call_for(e, LB_S(""));
        size_t seen = 0;
        c.op.max = max;
        do {
            e->port->ops->upload_list(e->port, &c.op);
            assert_int_equal(finish(e, &c), 0);
            assert_true(c.op.n <= max);
            for (size_t i = 0; i < c.op.n; i++, seen++) {
                struct lb_upload_info *u = &c.op.uploads[i];
                assert_true(seen < 5);
                assert_true(lb_slice_eq(u->key, lb_slice_cstr(expected[seen])));
                CHECK_SLICE(u->meta, "upload meta");
                assert_true(!lb_slice_eq(c.op.after, u->key) ||
                            lb_slice_cmp(c.op.after_id, u->id) < 0);
                c.op.after = u->key;
                c.op.after_id = u->id;
            }
        } while (c.op.truncated);
        assert_int_equal(seen, 5);
    }
    struct call c = call_for(e, LB_S(""));
    c.op.max = 10;
    c.op.prefix = LB_S("a/");
    c.op.after = LB_S("a/1"); /* no id: all of that key are behind us */
    e->port->ops->upload_list(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    assert_int_equal(c.op.n, 1);
    CHECK_SLICE(c.op.uploads[0].key, "a/2");
}

static void abort_removes_all(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    struct lb_slice id = upload_new(e, key);
    for (uint32_t i = 1; i <= 300; i++)
        assert_int_equal(put_part(e, key, id, i, 0, 1), 0);
    struct call late = call_for(e, key);
    late.op.upload_id = id;
    late.op.part = 7;
    e->port->ops->create(e->port, &late.op);
    assert_int_equal(finish(e, &late), 0);
    struct lb_writer *w = late.op.writer;
    assert_int_equal(write_data(e, w, "late", 4, 4096), 0);
    struct call c = call_for(e, LB_S("other"));
    c.op.upload_id = id;
    e->port->ops->upload_abort(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_UPLOAD);
    c = call_for(e, key);
    c.op.upload_id = id;
    e->port->ops->upload_abort(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    e->port->ops->commit(w, &late.op);
    assert_int_equal(finish(e, &late), LB_ERR_NO_SUCH_UPLOAD);
    assert_int_equal(entries_in(e, "box/.lobos/uploads"), 0);
    check_tmp_empty(e);
    e->port->ops->upload_abort(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_UPLOAD);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(upload_becomes_object), TEST(failed_complete_can_be_repeated),
        TEST(ids_are_checked),       TEST(parts_are_listed),
        TEST(uploads_are_listed),    TEST(abort_removes_all),
    };
    return run_on_both(tests, CHECK_COUNT(tests));
}
