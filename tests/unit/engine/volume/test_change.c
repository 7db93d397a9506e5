/* Versions, conditions, meta blobs, uploads. */
#include "volume_env.h"

#define PART (200u * 1024 + 77)

static char data[4 * PART];

static int put_version(struct env *e, const char *text, enum lb_versioning versioning,
                       struct lb_version_id *ret) {
    struct call c = put_for(e, LB_S("key"));
    c.op.versioning = versioning;
    int err = put_call(e, &c, text, strlen(text), 65536);
    *ret = c.op.info.version;
    return err;
}

static void check_version(struct env *e, const struct lb_version_id *id, const char *text) {
    char buf[100];
    struct call c = call_for(e, LB_S("key"));
    c.op.version = lb_version_slice(id);
    assert_int_equal(get(e, &c, buf, sizeof(buf)), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
    assert_true(lb_slice_eq(lb_version_slice(&c.op.info.version), lb_version_slice(id)));
}

static int remove_version(struct env *e, const struct lb_version_id *id) {
    struct call c = call_for(e, LB_S("key"));
    c.op.version = lb_version_slice(id);
    return run(e, vol_remove, &c);
}

static void test_versions(void **state) {
    struct env *e = *state;
    struct lb_version_id null, one, two, again;
    assert_int_equal(put_version(e, "null", LB_VERSIONING_OFF, &null), 0);
    assert_int_equal(put_version(e, "one", LB_VERSIONING_ON, &one), 0);
    assert_int_equal(put_version(e, "two", LB_VERSIONING_ON, &two), 0);
    assert_true(lb_slice_cmp(lb_version_slice(&one), lb_version_slice(&two)) < 0);
    check_version(e, &null, "null");
    check_version(e, &one, "one");
    check_text(e, "key", "two");
    struct call c = call_for(e, LB_S("key"));
    c.op.versioning = LB_VERSIONING_ON;
    assert_int_equal(run(e, vol_remove, &c), 0);
    assert_true(c.op.info.marker);
    struct lb_version_id marker = c.op.info.version;
    c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), LB_ERR_NO_SUCH_KEY);
    assert_true(c.op.info.marker);
    c.op.version = lb_version_slice(&marker);
    assert_int_equal(run(e, vol_head, &c), LB_ERR_METHOD_NOT_ALLOWED);
    struct call b = call_for(e, LB_S(""));
    assert_int_equal(run(e, vol_bucket_delete, &b), LB_ERR_BUCKET_NOT_EMPTY);
    engine_again(e);
    assert_int_equal(remove_version(e, &marker), 0);
    check_text(e, "key", "two");
    assert_int_equal(remove_version(e, &two), 0);
    check_text(e, "key", "one");
    assert_int_equal(put_version(e, "null again", LB_VERSIONING_SUSPENDED, &again), 0);
    check_version(e, &null, "null again");
    check_version(e, &one, "one");
    assert_int_equal(remove_version(e, &again), 0);
    check_text(e, "key", "one");
    engine_again(e);
    check_text(e, "key", "one");
    assert_int_equal(remove_version(e, &one), 0);
    assert_int_equal(run(e, vol_bucket_delete, &b), 0);
}

static void test_conditions(void **state) {
    struct env *e = *state;
    struct call c = put_for(e, LB_S("key"));
    c.op.precond.if_none_match = LB_S("*");
    assert_int_equal(put_call(e, &c, "one", 3, 65536), 0);
    c = put_for(e, LB_S("key"));
    c.op.precond.if_none_match = LB_S("*");
    assert_int_equal(put_call(e, &c, "two", 3, 65536), LB_ERR_PRECONDITION_FAILED);
    c = call_for(e, LB_S("key"));
    c.op.precond.if_match = LB_S("other");
    assert_int_equal(run(e, vol_remove, &c), LB_ERR_PRECONDITION_FAILED);
    check_text(e, "key", "one");
    c.op.precond.if_match = LB_S(ETAG);
    assert_int_equal(run(e, vol_remove, &c), 0);
    assert_int_equal(run(e, vol_remove, &c), LB_ERR_NO_SUCH_KEY);
}

static int set_meta(struct env *e, const char *key, struct lb_slice meta, const char *was) {
    struct call c = call_for(e, lb_slice_cstr(key));
    c.op.meta = meta;
    c.op.if_same = was != NULL;
    c.op.was = lb_slice_cstr(was);
    return run(e, vol_set_meta, &c);
}

static void check_meta(struct env *e, const char *key, struct lb_slice meta) {
    struct call c = call_for(e, lb_slice_cstr(key));
    assert_int_equal(run(e, vol_head, &c), 0);
    assert_true(lb_slice_eq(c.op.info.meta, meta));
}

/* The meta blob changes; bytes and version stay, staged, packed, and in another life. */
static void test_meta(void **state) {
    struct env *e = *state;
    static char blob[3000];
    memset(blob, 'b', sizeof(blob));
    fill(data, sizeof(data), 1);
    assert_int_equal(put_text(e, "small", "text"), 0);
    assert_int_equal(put(e, LB_S("large"), data, sizeof(data)), 0);
    uint64_t units = 0;
    for (int i = 0; i < 3; i++) {
        static const char *const keys[] = {"small", "large"};
        for (int k = 0; k < 2; k++) {
            assert_int_equal(set_meta(e, keys[k], LB_S("new"), "other"),
                             LB_ERR_PRECONDITION_FAILED);
            assert_int_equal(set_meta(e, keys[k], lb_slice(blob, sizeof(blob)), "meta"), 0);
            check_meta(e, keys[k], lb_slice(blob, sizeof(blob)));
            assert_int_equal(set_meta(e, keys[k], LB_S("meta"), NULL), 0);
            check_meta(e, keys[k], LB_S("meta"));
        }
        check_text(e, "small", "text");
        check_bytes(e, LB_S("large"), data, sizeof(data));
        assert_int_equal(vol_checkpoint(env_volume(e), false), 0);
        assert_true(i == 0 || units_left(e) >= units);
        units = units_left(e);
        check_text(e, "small", "text");
        check_bytes(e, LB_S("large"), data, sizeof(data));
        check_meta(e, "small", LB_S("meta"));
        if (i == 1)
            engine_again(e);
    }
    assert_int_equal(set_meta(e, "none", LB_S("x"), NULL), LB_ERR_NO_SUCH_KEY);
}

/* ---- uploads ---- */

static struct lb_slice upload_create(struct env *e) {
    struct call c = call_for(e, LB_S("key"));
    c.op.meta = LB_S("upload's meta");
    assert_int_equal(run(e, vol_upload_create, &c), 0);
    assert_int_equal(c.op.n, 1);
    return c.op.uploads[0].id;
}

static int part_put(struct env *e, struct lb_slice id, uint32_t number, const char *bytes,
                    size_t len, const char *etag) {
    struct call c = call_for(e, LB_S("key"));
    c.op.upload_id = id;
    c.op.part = number;
    c.op.etag = etag_of(etag);
    c.op.meta = LB_S("part's meta");
    return put_call(e, &c, bytes, len, 65536);
}

static int complete(struct env *e, struct lb_slice id, const struct lb_part_info *parts, size_t n) {
    struct call c = call_for(e, LB_S("key"));
    c.op.upload_id = id;
    c.op.parts = parts;
    c.op.parts_n = n;
    c.op.etag = etag_of(ETAG "-3");
    c.op.meta = LB_S("meta");
    return run(e, vol_upload_complete, &c);
}

static void check_ranges(struct env *e, size_t size) {
    char *buf = malloc(size);
    struct call c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), 0);
    assert_int_equal(c.op.info.size, size);
    for (size_t off = 0; off < size; off += 30011) {
        size_t len = size - off < 150000 ? size - off : 150000;
        assert_int_equal(read_range(e, c.op.reader, buf, off, len), 0);
        assert_memory_equal(buf, data + off, len);
    }
    vol_reader_close(c.op.reader);
    free(buf);
}

static void test_upload(void **state) {
    struct env *e = *state;
    fill(data, sizeof(data), 2);
    uint64_t before = units_left(e);
    struct lb_slice id = upload_create(e);
    assert_int_equal(part_put(e, id, 2, data + 7, PART, "wrong"), 0);
    assert_int_equal(part_put(e, id, 1, data, PART, "one"), 0);
    assert_int_equal(part_put(e, id, 2, data + PART, PART, "two"), 0);
    assert_int_equal(part_put(e, id, 3, data, 70000, "unwanted"), 0);
    assert_int_equal(part_put(e, id, 10000, data + 2 * (size_t)PART, 100, "small"), 0);
    assert_int_equal(part_put(e, LB_S("0000000000000000"), 1, data, 1, "x"), LB_ERR_NO_SUCH_UPLOAD);
    engine_again(e);
    struct call c = call_for(e, LB_S("key"));
    c.op.upload_id = id;
    c.op.part = 1;
    c.op.max = 2;
    assert_int_equal(run(e, vol_upload_parts, &c), 0);
    assert_true(c.op.n == 2 && c.op.truncated && c.op.ret_parts[1].number == 3);
    assert_true(lb_slice_eq(c.op.ret_parts[0].meta, LB_S("part's meta")));
    assert_int_equal(c.op.ret_parts[0].size, PART);
    struct lb_part_info parts[] = {{.number = 1, .etag = etag_of("one")},
                                   {.number = 2, .etag = etag_of("wrong")},
                                   {.number = 10000, .etag = etag_of("small")}};
    assert_int_equal(complete(e, id, parts, 3), LB_ERR_INVALID_PART);
    parts[1].etag = etag_of("two");
    assert_int_equal(complete(e, id, parts, 3), 0);
    assert_int_equal(complete(e, id, parts, 3), LB_ERR_NO_SUCH_UPLOAD);
    size_t size = 2 * (size_t)PART + 100;
    check_ranges(e, size);
    assert_int_equal(vol_checkpoint(env_volume(e), false), 0);
    check_ranges(e, size);
    assert_int_equal(set_meta(e, "key", LB_S("other"), "meta"), 0);
    engine_again(e);
    check_ranges(e, size);
    check_meta(e, "key", LB_S("other"));
    c = call_for(e, LB_S(""));
    assert_int_equal(run(e, vol_list, &c), 0);
    assert_int_equal(c.op.list.n, 1);
    /* A reader keeps the parts of what is removed. */
    c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), 0);
    uint64_t full = units_left(e);
    assert_int_equal(remove_key(e, LB_S("key")), 0);
    char *buf = malloc(size);
    assert_int_equal(read_range(e, c.op.reader, buf, 0, size), 0);
    assert_memory_equal(buf, data, size);
    free(buf);
    vol_reader_close(c.op.reader);
    assert_true(units_left(e) >= full + 2 * vol_units_of(PART));
    assert_true(units_left(e) <= before);
    assert_int_equal(vol_index_len(env_volume(e)->index), 0);
}

static int copy(struct env *e, const char *to, struct lb_reader *from, uint64_t off, uint64_t len) {
    struct call c = put_for(e, lb_slice_cstr(to));
    c.op.size_hint = len;
    assert_int_equal(run(e, vol_create, &c), 0);
    struct lb_writer *w = c.op.writer;
    vol_append(w, &c.op, from, off, len);
    assert_int_equal(c.calls, 0);
    int err = finish(e, &c);
    if (err) {
        vol_abort(w);
        return err;
    }
    vol_commit(w, &c.op);
    return finish(e, &c);
}

/* Of an object of odd parts, one small, any range becomes an object of its own. */
static void test_copy(void **state) {
    struct env *e = *state;
    static const size_t sizes[] = {PART, 100, 3 * 65536, PART};
    struct lb_part_info parts[4];
    struct lb_slice id = upload_create(e);
    size_t size = 0;
    fill(data, sizeof(data), 3);
    for (uint32_t i = 0; i < 4; i++) {
        parts[i] = (struct lb_part_info){.number = i + 1, .etag = etag_of("part")};
        assert_int_equal(part_put(e, id, i + 1, data + size, sizes[i], "part"), 0);
        size += sizes[i];
    }
    assert_int_equal(complete(e, id, parts, 4), 0);
    struct call c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), 0);
    struct lb_reader *r = c.op.reader;
    static const size_t ranges[][2] = {{0, 0},      {0, 1},      {5, 3072},      {PART - 50, 3073},
                                       {PART, 100}, {1, 262144}, {4096, 262145}, {77, 500000}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        assert_int_equal(copy(e, "copy", r, ranges[i][0], ranges[i][1]), 0);
        check_bytes(e, LB_S("copy"), data + ranges[i][0], ranges[i][1]);
    }
    assert_int_equal(copy(e, "copy", r, 0, size), 0);
    check_bytes(e, LB_S("copy"), data, size);
    vol_reader_close(r);
}

static void test_abort(void **state) {
    struct env *e = *state;
    uint64_t before = units_left(e);
    struct lb_slice id = upload_create(e), other = upload_create(e);
    assert_int_equal(part_put(e, id, 1, data, PART, "one"), 0);
    struct call c = call_for(e, LB_S("key"));
    c.op.max = 1;
    assert_int_equal(run(e, vol_upload_list, &c), 0);
    assert_true(c.op.n == 1 && c.op.truncated && lb_slice_eq(c.op.uploads[0].id, id));
    c.op.after = LB_S("key");
    c.op.after_id = id;
    assert_int_equal(run(e, vol_upload_list, &c), 0);
    assert_true(c.op.n == 1 && !c.op.truncated && lb_slice_eq(c.op.uploads[0].id, other));
    c = call_for(e, LB_S("key"));
    c.op.upload_id = id;
    assert_int_equal(run(e, vol_upload_head, &c), 0);
    assert_true(lb_slice_eq(c.op.uploads[0].meta, LB_S("upload's meta")));
    /* A part that is being written when the upload goes. */
    struct call p = call_for(e, LB_S("key"));
    p.op.upload_id = id;
    p.op.part = 2;
    assert_int_equal(run(e, vol_create, &p), 0);
    assert_int_equal(write_data(e, p.op.writer, data, PART, 65536), 0);
    assert_int_equal(run(e, vol_upload_abort, &c), 0);
    vol_commit(p.op.writer, &p.op);
    assert_int_equal(finish(e, &p), LB_ERR_NO_SUCH_UPLOAD);
    assert_int_equal(run(e, vol_upload_abort, &c), LB_ERR_NO_SUCH_UPLOAD);
    assert_int_equal(units_left(e), before);
    c = call_for(e, LB_S(""));
    assert_int_equal(run(e, vol_bucket_delete, &c), 0);
    assert_int_equal(env_volume(e)->uploads.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_versions), TEST(test_conditions),
                                       TEST(test_meta),     TEST(test_upload),
                                       TEST(test_copy),     TEST(test_abort)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
