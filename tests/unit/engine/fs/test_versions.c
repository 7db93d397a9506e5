/* Versions of objects: kept, marked, promoted, suspended; hidden keys; other programs. */
#include <pthread.h>

#include "versions_env.h"

static const struct lb_slice keys[] = {{"plain", 5}, {"a/b/c", 5}, {"hidden/", 7}, {"x//y", 4}};

static void kept_when_replaced(void **state) {
    struct env *e = *state;
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        struct lb_version_id one = put_on(e, keys[i], "one"), two = put_on(e, keys[i], "two");
        struct lb_version_id three = put_on(e, keys[i], "three");
        assert_true(lb_slice_cmp(lb_version_slice(&one), lb_version_slice(&two)) < 0);
        assert_true(lb_slice_cmp(lb_version_slice(&two), lb_version_slice(&three)) < 0);
        for (int round = 0; round < 2; round++) {
            check_version(e, keys[i], &one, "one");
            check_version(e, keys[i], &two, "two");
            check_version(e, keys[i], &three, "three");
            check_version(e, keys[i], NULL, "three");
            assert_int_equal(head_version(e, keys[i], &null_id, NULL), LB_ERR_NO_SUCH_VERSION);
            if (round == 0)
                reopen(e);
        }
    }
    check_tmp_empty(e);
}

static void wrong_ids(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    struct lb_version_id id = put_on(e, key, "one");
    struct lb_version_id bad[] = {id, id, {"x", 1}, {"0123456789abcdef01234567", 24}};
    bad[0].text[23] = bad[0].text[23] == '0' ? '1' : '0';
    bad[1].len--;
    for (size_t i = 0; i < CHECK_COUNT(bad); i++) {
        assert_int_equal(head_version(e, key, &bad[i], NULL), LB_ERR_NO_SUCH_VERSION);
        assert_int_equal(remove_how(e, key, &bad[i], ON, NULL), 0);
        assert_int_equal(head_version(e, LB_S("none"), &bad[i], NULL), LB_ERR_NO_SUCH_VERSION);
    }
    check_version(e, key, NULL, "one");
    struct call c = call_for(e, key);
    c.op.bucket = LB_S("nobody");
    c.op.version = lb_version_slice(&id);
    e->port->ops->head(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_BUCKET);
}

static void markers(void **state) {
    struct env *e = *state;
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        struct lb_object_info info;
        struct lb_version_id one = put_on(e, keys[i], "one"), marker = delete_on(e, keys[i]);
        assert_int_equal(head_version(e, keys[i], NULL, &info), LB_ERR_NO_SUCH_KEY);
        assert_true(info.marker && same_id(&info.version, &marker) && info.mtime_ns > 0);
        assert_int_equal(head_version(e, keys[i], &marker, &info), LB_ERR_METHOD_NOT_ALLOWED);
        assert_true(info.marker && same_id(&info.version, &marker));
        check_version(e, keys[i], &one, "one");
        struct lb_version_id again = delete_on(e, keys[i]);
        assert_false(same_id(&marker, &again));
        struct lb_version_id two = put_on(e, keys[i], "two");
        check_version(e, keys[i], NULL, "two");
        delete_version(e, keys[i], two);
        assert_int_equal(head_version(e, keys[i], NULL, &info), LB_ERR_NO_SUCH_KEY);
        assert_true(same_id(&info.version, &again));
        delete_version(e, keys[i], again);
        assert_int_equal(head_version(e, keys[i], NULL, &info), LB_ERR_NO_SUCH_KEY);
        assert_true(same_id(&info.version, &marker));
        delete_version(e, keys[i], marker);
        check_version(e, keys[i], NULL, "one");
        assert_int_equal(remove_how(e, keys[i], &one, ON, &info), 0);
        assert_false(info.marker);
        assert_true(same_id(&info.version, &one));
        check_missing(e, keys[i]);
    }
    check_versions(e, "");
    for (int hh = 0; hh < 256; hh++) {
        char path[64];
        snprintf(path, sizeof(path), "box/.lobos/versions/%02x", hh);
        assert_int_equal(entries_in(e, path), 0);
    }
}

/* S3 makes a marker whether anything is there or not. */
static void marker_of_nothing(void **state) {
    struct env *e = *state;
    struct lb_version_id id = delete_on(e, LB_S("never"));
    check_versions(e, "never=-* ");
    check_keys(e, "");
    struct call c = call_for(e, LB_S(""));
    e->port->ops->bucket_delete(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_BUCKET_NOT_EMPTY);
    reopen(e);
    c = call_for(e, LB_S(""));
    e->port->ops->bucket_delete(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_BUCKET_NOT_EMPTY);
    delete_version(e, LB_S("never"), id);
    c = call_for(e, LB_S(""));
    e->port->ops->bucket_delete(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
}

static void promoted_when_latest_goes(void **state) {
    struct env *e = *state;
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        struct lb_version_id one = put_on(e, keys[i], "one"), two = put_on(e, keys[i], "two");
        struct lb_version_id three = put_on(e, keys[i], "three");
        delete_version(e, keys[i], two);
        assert_int_equal(head_version(e, keys[i], &two, NULL), LB_ERR_NO_SUCH_VERSION);
        check_version(e, keys[i], NULL, "three");
        delete_version(e, keys[i], three);
        check_version(e, keys[i], NULL, "one");
        check_version(e, keys[i], &one, "one");
        struct lb_version_id marker = delete_on(e, keys[i]);
        check_missing(e, keys[i]);
        delete_version(e, keys[i], marker);
        check_version(e, keys[i], NULL, "one");
        delete_version(e, keys[i], one);
        check_missing(e, keys[i]);
    }
    check_keys(e, "");
    check_versions(e, "");
    assert_false(exists(e, "box/a"));
}

/* What was there before versioning is the null version. */
static void null_version_kept(void **state) {
    struct env *e = *state;
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        struct lb_object_info before, after;
        assert_int_equal(put_version(e, keys[i], "old", OFF, NULL), 0);
        assert_int_equal(head_version(e, keys[i], &null_id, &before), 0);
        struct lb_version_id one = put_on(e, keys[i], "one");
        check_version(e, keys[i], &null_id, "old");
        assert_int_equal(head_version(e, keys[i], &null_id, &after), 0);
        assert_int_equal(before.mtime_ns, after.mtime_ns);
        assert_true(lb_slice_eq(before.meta, after.meta));
        assert_true(lb_slice_eq(lb_etag_slice(&before.etag), lb_etag_slice(&after.etag)));
        delete_version(e, keys[i], one);
        check_version(e, keys[i], NULL, "old");
        check_version(e, keys[i], &null_id, "old");
        delete_on(e, keys[i]);
        check_missing(e, keys[i]);
        check_version(e, keys[i], &null_id, "old");
    }
}

static void suspended(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    assert_int_equal(put_version(e, key, "null1", OFF, NULL), 0);
    put_on(e, key, "one");
    check_versions(e, "key=one* key=null10 ");
    assert_int_equal(put_version(e, key, "null2", SUSPENDED, NULL), 0);
    check_versions(e, "key=null20* key=one ");
    assert_int_equal(put_version(e, key, "null3", SUSPENDED, NULL), 0);
    check_versions(e, "key=null30* key=one ");
    put_on(e, key, "two");
    check_versions(e, "key=two* key=null30 key=one ");
    struct lb_object_info info;
    assert_int_equal(remove_how(e, key, NULL, SUSPENDED, &info), 0);
    assert_true(info.marker && same_id(&info.version, &null_id));
    check_versions(e, "key=-0* key=two key=one ");
    assert_int_equal(remove_how(e, key, NULL, SUSPENDED, NULL), 0);
    check_versions(e, "key=-0* key=two key=one ");
    reopen(e);
    check_versions(e, "key=-0* key=two key=one ");
    assert_int_equal(head_version(e, key, &null_id, NULL), LB_ERR_METHOD_NOT_ALLOWED);
    put_on(e, key, "three");
    check_versions(e, "key=three* key=-0 key=two key=one ");
    assert_int_equal(put_version(e, key, "null4", SUSPENDED, NULL), 0);
    check_versions(e, "key=null40* key=three key=two key=one ");
    assert_int_equal(remove_how(e, key, NULL, SUSPENDED, NULL), 0);
    check_versions(e, "key=-0* key=three key=two key=one ");
    delete_version(e, key, null_id);
    check_versions(e, "key=three* key=two key=one ");
    check_tmp_empty(e);
}

/* A clock that has stepped back makes no version older than those before. */
static void order_holds(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    char path[FS_PATH_MAX], from[FS_PATH_MAX * 2], to[FS_PATH_MAX * 2];
    struct lb_version_id one = put_on(e, key, "one"), last = {.len = 0};
    delete_on(e, key);
    version_dir(e, key, path);
    /* A marker of the far future. */
    snprintf(from, sizeof(from), "%s/%s", e->dir, path);
    DIR *d = opendir(from);
    assert_non_null(d);
    for (struct dirent *de; (de = readdir(d));) {
        if (!lb_slice_ends_with(lb_slice_cstr(de->d_name), LB_S(".m")))
            continue;
        snprintf(from, sizeof(from), "%s/%s/%s", e->dir, path, de->d_name);
        snprintf(to, sizeof(to), "%s/%s/7000000000000000%s", e->dir, path, de->d_name + 16);
        assert_int_equal(rename(from, to), 0);
    }
    closedir(d);
    for (int i = 0; i < 4; i++) {
        struct lb_version_id id = put_on(e, key, "later");
        assert_true(lb_slice_cmp(lb_version_slice(&id), lb_version_slice(&last)) > 0);
        assert_true(lb_slice_starts_with(lb_version_slice(&id), LB_S("700000000000000")));
        last = id;
        if (i == 1)
            reopen(e);
    }
    check_version(e, key, &one, "one");
    check_versions(e, "key=later* key=later key=later key=later key=- key=one ");
}

static void conditions(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    struct lb_version_id one = put_on(e, key, "one");
    put_on(e, key, "two");
    struct call c = call_for(e, key);
    c.op.versioning = ON;
    c.op.precond.if_match = LB_S("one");
    assert_int_equal(put_call(e, &c, "no", 2, 4096), LB_ERR_PRECONDITION_FAILED);
    e->port->ops->remove(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_PRECONDITION_FAILED);
    c.op.version = lb_version_slice(&one);
    c.op.precond.if_match = LB_S("two");
    e->port->ops->remove(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_PRECONDITION_FAILED);
    check_versions(e, "key=two* key=one ");
    c.op.precond.if_match = LB_S("one");
    e->port->ops->remove(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    delete_on(e, key);
    c = call_for(e, key);
    c.op.versioning = ON;
    c.op.etag = etag_of("three");
    c.op.precond.if_match = LB_S("*");
    assert_int_equal(put_call(e, &c, "no", 2, 4096), LB_ERR_NO_SUCH_KEY);
    c.op.precond = (struct lb_precond){.if_none_match = LB_S("*")};
    assert_int_equal(put_call(e, &c, "three", 5, 4096), 0);
    check_versions(e, "key=three* key=- key=two ");
    check_tmp_empty(e);
}

static void meta_of_versions(void **state) {
    struct env *e = *state;
    static char big[100000];
    fill(big, sizeof(big), 3);
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        struct lb_version_id one = put_on(e, keys[i], "one"), two = put_on(e, keys[i], "two");
        struct lb_slice metas[] = {LB_S("new"), lb_slice(big, sizeof(big)), LB_S("newer")};
        for (size_t m = 0; m < CHECK_COUNT(metas); m++) {
            struct lb_object_info before, after;
            assert_int_equal(head_version(e, keys[i], &one, &before), 0);
            struct call c = call_for(e, keys[i]);
            c.op.version = lb_version_slice(&one);
            c.op.meta = metas[m];
            c.op.if_same = true;
            c.op.was = LB_S("other");
            e->port->ops->set_meta(e->port, &c.op);
            assert_int_equal(finish(e, &c), LB_ERR_PRECONDITION_FAILED);
            c.op.was = before.meta;
            e->port->ops->set_meta(e->port, &c.op);
            assert_int_equal(finish(e, &c), 0);
            assert_int_equal(head_version(e, keys[i], &one, &after), 0);
            assert_true(lb_slice_eq(after.meta, metas[m]));
            assert_int_equal(before.mtime_ns, after.mtime_ns);
            assert_true(same_id(&after.version, &one));
        }
        struct lb_object_info info;
        assert_int_equal(head_version(e, keys[i], &two, &info), 0);
        assert_true(lb_slice_eq(info.meta, LB_S("meta")));
        delete_version(e, keys[i], two);
        check_version(e, keys[i], NULL, "one");
        struct lb_version_id marker = delete_on(e, keys[i]);
        struct call c = call_for(e, keys[i]);
        e->port->ops->set_meta(e->port, &c.op);
        assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_KEY);
        c.op.version = lb_version_slice(&marker);
        e->port->ops->set_meta(e->port, &c.op);
        assert_int_equal(finish(e, &c), LB_ERR_METHOD_NOT_ALLOWED);
    }
}

/* While versions come and go, a reader always finds one, whole, and the key is never gone. */
#define RACES 150

struct race {
    struct env own; /* its loop and port on the same engine */
    struct env *env;
    atomic_bool stop;
    unsigned reads;
    const char *wrong; /* what a reader has seen */
};

static void *read_all_along(void *arg) {
    struct race *r = arg;
    struct env *e = &r->own;
    struct lb_io_conf conf = {
        .backend = LB_IO_POSIX, .workers = r->env->workers, .vfs = lb_vfs_posix()};
    *e = *r->env;
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
    e->pool = lb_pool_new(16u << 20);
    lb_arena_init(&e->arena, 64u << 20);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
    for (; !atomic_load(&r->stop) && !r->wrong; r->reads++) {
        char buf[64];
        struct call c = call_for(e, LB_S("a/b/c"));
        int64_t n = get(e, &c, buf, sizeof(buf));
        struct lb_version_id id = c.op.info.version;
        if (n < 0 || !lb_slice_eq(lb_slice(buf, (size_t)n), lb_etag_slice(&c.op.info.etag)))
            r->wrong = lb_err_name((int)n);
        int err = head_version(e, LB_S("a/b/c"), &id, NULL);
        if (err && err != LB_ERR_NO_SUCH_VERSION)
            r->wrong = lb_err_name(err);
        const char *text = list_text(e, (struct listing){.plain = false}, 1000);
        if (!strstr(text, "*") || !strstr(text, "a/b/c=first"))
            r->wrong = "a list";
        lb_arena_reset(&e->arena);
    }
    e->port->ops->detach(e->port);
    lb_arena_fini(&e->arena);
    lb_pool_free(e->pool);
    lb_io_free(e->io);
    return NULL;
}

static void readers_always_find_one(void **state) {
    struct env *e = *state;
    static struct race r;
    pthread_t thread;
    struct lb_slice key = LB_S("a/b/c");
    put_on(e, key, "first");
    r = (struct race){.env = e};
    assert_int_equal(pthread_create(&thread, NULL, read_all_along, &r), 0);
    for (int i = 0; i < RACES; i++) {
        struct lb_version_id two = put_on(e, key, "second");
        if (i % 2)
            put_on(e, key, "and the third");
        struct lb_object_info info;
        for (int k = i % 2; k > 0; k--) {
            assert_int_equal(head_version(e, key, NULL, &info), 0);
            delete_version(e, key, info.version);
        }
        delete_version(e, key, two);
    }
    atomic_store(&r.stop, true);
    pthread_join(thread, NULL);
    if (r.wrong)
        fail_msg("a reader has seen: %s", r.wrong);
    assert_true(r.reads > 0);
    check_versions(e, "a/b/c=first* ");
}

/* Copies from an older version, and an object made of parts. */
static void other_ways_in(void **state) {
    struct env *e = *state;
    const struct lb_engine_ops *ops = e->port->ops;
    struct lb_slice key = LB_S("key");
    struct lb_version_id one = put_on(e, key, "one");
    put_on(e, key, "two");
    struct call from = call_for(e, key), to = call_for(e, LB_S("copy"));
    from.op.version = lb_version_slice(&one);
    ops->open(e->port, &from.op);
    assert_int_equal(finish(e, &from), 0);
    ops->create(e->port, &to.op);
    assert_int_equal(finish(e, &to), 0);
    delete_version(e, key, one);
    struct lb_writer *w = to.op.writer;
    ops->append(w, &to.op, from.op.reader, 0, 3);
    int err = finish(e, &to);
    ops->reader_close(from.op.reader);
    if (err == LB_ERR_NOT_IMPLEMENTED) {
        ops->abort(w);
    } else {
        assert_int_equal(err, 0);
        to.op.etag = etag_of("one");
        to.op.versioning = ON;
        ops->commit(w, &to.op);
        assert_int_equal(finish(e, &to), 0);
        check_version(e, LB_S("copy"), &to.op.info.version, "one");
    }
    struct call u = call_for(e, key);
    ops->upload_create(e->port, &u.op);
    assert_int_equal(finish(e, &u), 0);
    u.op.upload_id = u.op.uploads[0].id;
    u.op.part = 1;
    u.op.etag = etag_of("p");
    assert_int_equal(put_call(e, &u, "parts", 5, 4096), 0);
    struct lb_part_info part = {.number = 1, .etag = etag_of("p")};
    u.op.part = 0;
    u.op.parts = &part;
    u.op.parts_n = 1;
    u.op.etag = etag_of("parts");
    u.op.versioning = ON;
    ops->upload_complete(e->port, &u.op);
    assert_int_equal(finish(e, &u), 0);
    check_version(e, key, &u.op.info.version, "parts");
    check_list_of(e, (struct listing){.prefix = key}, "key=parts* key=two ");
}

/* ---- other programs ---- */

static void foreign_files(void **state) {
    struct env *e = *state;
    char path[512];
    put_on(e, LB_S("key"), "one");
    struct lb_version_id two = put_on(e, LB_S("key"), "two");
    make_file(e, "box/key", "theirs");
    struct lb_object_info info;
    assert_int_equal(head_version(e, LB_S("key"), NULL, &info), 0);
    assert_true(same_id(&info.version, &null_id));
    /* What they have written over is gone; the rest stays. */
    assert_int_equal(head_version(e, LB_S("key"), &two, NULL), LB_ERR_NO_SUCH_VERSION);
    check_version(e, LB_S("key"), &null_id, "theirs");
    struct lb_etag etag = info.etag;
    put_on(e, LB_S("key"), "three");
    check_version(e, LB_S("key"), &null_id, "theirs");
    assert_int_equal(head_version(e, LB_S("key"), &null_id, &info), 0);
    assert_true(lb_slice_eq(lb_etag_slice(&info.etag), lb_etag_slice(&etag)));
    /* A second one takes the place of the first as the null version. */
    make_file(e, "box/key", "theirs, too");
    put_on(e, LB_S("key"), "four");
    check_version(e, LB_S("key"), &null_id, "theirs, too");
    snprintf(path, sizeof(path), "%s/box/key", e->dir);
    assert_int_equal(unlink(path), 0);
    check_missing(e, LB_S("key"));
    const char *text = list_text(e, (struct listing){.plain = false}, 10);
    assert_null(strchr(text, '*'));
    assert_non_null(strstr(text, "key=one "));
    check_version(e, LB_S("key"), &null_id, "theirs, too");
    /* Nothing is promoted: nothing that was removed was the latest. */
    delete_version(e, LB_S("key"), null_id);
    check_missing(e, LB_S("key"));
    put_on(e, LB_S("key"), "five");
    check_versions(e, "key=five* key=one ");
}

/* Names that other programs have made of a file do not get entangled with its versions. */
static void links_are_copied(void **state) {
    struct env *e = *state;
    char from[512], to[512];
    put_on(e, LB_S("one"), "text");
    snprintf(from, sizeof(from), "%s/box/one", e->dir);
    snprintf(to, sizeof(to), "%s/box/hard", e->dir);
    assert_int_equal(link(from, to), 0);
    snprintf(to, sizeof(to), "%s/box/soft", e->dir);
    assert_int_equal(symlink("one", to), 0);
    const struct lb_slice names[] = {{"hard", 4}, {"soft", 4}, {"one", 3}};
    for (size_t i = 0; i < CHECK_COUNT(names); i++) {
        struct lb_object_info before, after;
        assert_int_equal(head_version(e, names[i], NULL, &before), 0);
        struct lb_version_id id = put_on(e, names[i], "new");
        check_version(e, names[i], NULL, "new");
        check_version(e, names[i], &before.version, "text");
        assert_int_equal(head_version(e, names[i], &before.version, &after), 0);
        assert_int_equal(before.mtime_ns, after.mtime_ns);
        assert_true(lb_slice_eq(lb_etag_slice(&before.etag), lb_etag_slice(&after.etag)));
        delete_version(e, names[i], id);
        check_version(e, names[i], NULL, "text");
        assert_int_equal(head_version(e, names[i], NULL, &after), 0);
        assert_int_equal(before.mtime_ns, after.mtime_ns);
        reopen(e);
        check_version(e, names[i], &before.version, "text");
        delete_on(e, names[i]);
        check_missing(e, names[i]);
        check_version(e, names[i], &before.version, "text");
    }
}

/* A file with attributes of ours, under another's name. */
static void moved_files(void **state) {
    struct env *e = *state;
    char from[512], to[512];
    put_on(e, LB_S("one"), "1");
    struct lb_version_id two = put_on(e, LB_S("one"), "2");
    snprintf(from, sizeof(from), "%s/box/one", e->dir);
    snprintf(to, sizeof(to), "%s/box/moved", e->dir);
    assert_int_equal(rename(from, to), 0);
    struct lb_object_info info;
    assert_int_equal(head_version(e, LB_S("moved"), NULL, &info), 0);
    assert_true(same_id(&info.version, &null_id));
    assert_true(lb_slice_eq(lb_etag_slice(&info.etag), LB_S("2")));
    assert_int_equal(head_version(e, LB_S("moved"), &two, NULL), LB_ERR_NO_SUCH_VERSION);
    put_on(e, LB_S("moved"), "3");
    check_version(e, LB_S("moved"), &null_id, "2");
    check_versions(e, "moved=3* moved=20 one=1 ");
}

/* An object that was a hidden one and becomes plain, or the other way round, keeps its versions. */
static void obstacles(void **state) {
    struct env *e = *state;
    struct lb_version_id a = put_on(e, LB_S("a"), "file"), one = put_on(e, LB_S("a/b"), "one");
    struct lb_version_id two = put_on(e, LB_S("a/b"), "two");
    check_version(e, LB_S("a/b"), &one, "one");
    delete_version(e, LB_S("a"), a);
    struct lb_version_id three = put_on(e, LB_S("a/b"), "three");
    assert_true(exists(e, "box/a/b"));
    check_version(e, LB_S("a/b"), &two, "two");
    put_on(e, LB_S("a"), "hidden file");
    delete_on(e, LB_S("a/b"));
    put_on(e, LB_S("a"), "plain file");
    assert_true(exists(e, "box/a"));
    check_version(e, LB_S("a/b"), &three, "three");
    check_versions(e, "a=plain file* a=hidden file a/b=-* a/b=three a/b=two a/b=one ");
    struct lb_object_info info;
    assert_int_equal(head_version(e, LB_S("a/b"), NULL, &info), LB_ERR_NO_SUCH_KEY);
    delete_version(e, LB_S("a/b"), info.version);
    check_version(e, LB_S("a/b"), NULL, "three");
    delete_version(e, LB_S("a/b"), three);
    check_version(e, LB_S("a/b"), NULL, "two");
    check_tmp_empty(e);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(kept_when_replaced),
        TEST(wrong_ids),
        TEST(markers),
        TEST(marker_of_nothing),
        TEST(promoted_when_latest_goes),
        TEST(null_version_kept),
        TEST(suspended),
        TEST(order_holds),
        TEST(conditions),
        TEST(meta_of_versions),
        TEST(readers_always_find_one),
        TEST(other_ways_in),
        TEST(foreign_files),
        TEST(links_are_copied),
        TEST(moved_files),
        TEST(obstacles),
    };
    return run_on_both(tests, CHECK_COUNT(tests));
}
