/* Listing, against a sorted array of keys that says what must come out. */
#include "fs_env.h"

#include "base/prng.h"

#define KEYS_MAX 400

struct oracle {
    struct lb_slice keys[KEYS_MAX]; /* ascending; each owned */
    size_t n;
};

static int slice_cmp(const void *a, const void *b) {
    return lb_slice_cmp(*(const struct lb_slice *)a, *(const struct lb_slice *)b);
}

static bool oracle_has(const struct oracle *o, struct lb_slice key) {
    for (size_t i = 0; i < o->n; i++) {
        if (lb_slice_eq(o->keys[i], key))
            return true;
    }
    return false;
}

static void oracle_add(struct oracle *o, struct lb_slice key) {
    assert_true(o->n < KEYS_MAX);
    o->keys[o->n++] = lb_slice(check_dup(key), key.len);
    qsort(o->keys, o->n, sizeof(o->keys[0]), slice_cmp);
}

static void oracle_remove(struct oracle *o, struct lb_slice key) {
    for (size_t i = 0; i < o->n; i++) {
        if (!lb_slice_eq(o->keys[i], key))
            continue;
        free((char *)o->keys[i].ptr);
        memmove(o->keys + i, o->keys + i + 1, (--o->n - i) * sizeof(o->keys[0]));
        return;
    }
    fail();
}

static void oracle_fini(struct oracle *o) {
    for (size_t i = 0; i < o->n; i++)
        free((char *)o->keys[i].ptr);
}

struct expected {
    struct lb_slice entries[KEYS_MAX];
    bool prefix[KEYS_MAX];
    size_t n;
    bool truncated;
};

static void expect(const struct oracle *o, const struct lb_engine_op *op, struct expected *ret) {
    ret->n = 0;
    ret->truncated = false;
    for (size_t i = 0; i < o->n; i++) {
        struct lb_slice e = o->keys[i];
        if (!lb_slice_starts_with(e, op->prefix))
            continue;
        ptrdiff_t at = -1;
        if (op->delimiter.len)
            at = lb_slice_find_slice(lb_slice_from(e, op->prefix.len), op->delimiter);
        if (at >= 0)
            e = lb_slice_first(e, op->prefix.len + (size_t)at + op->delimiter.len);
        if (op->after.len && lb_slice_cmp(o->keys[i], op->after) <= 0)
            continue;
        if (at >= 0 && lb_slice_ends_with(op->after, op->delimiter) &&
            lb_slice_starts_with(op->after, e))
            continue;
        if (at >= 0 && ret->n && ret->prefix[ret->n - 1] &&
            lb_slice_eq(ret->entries[ret->n - 1], e))
            continue;
        if (ret->n == op->max) {
            ret->truncated = true;
            return;
        }
        ret->entries[ret->n] = e;
        ret->prefix[ret->n++] = at >= 0;
    }
}

static void fail_list(const struct lb_engine_op *op, const struct expected *x) {
    print_error("prefix \"%.*s\" delimiter \"%.*s\" after \"%.*s\" max %zu\n",
                LB_SLICE_ARG(op->prefix), LB_SLICE_ARG(op->delimiter), LB_SLICE_ARG(op->after),
                op->max);
    for (size_t i = 0; i < x->n; i++)
        print_error("  expected \"%.*s\"\n", LB_SLICE_ARG(x->entries[i]));
    for (size_t i = 0; i < op->list.n; i++)
        print_error("  listed   \"%.*s\"\n", LB_SLICE_ARG(op->list.entries[i].key));
    fail();
}

/* Lists and compares. The result is in op until the next call. */
static void check_list(struct fs_env *e, const struct oracle *o, struct lb_engine_op *op) {
    struct expected x;
    lb_arena_reset(&e->arena);
    assert_int_equal(fs_run(e, fs_list, op), 0);
    expect(o, op, &x);
    bool same = op->list.n == x.n && op->list.truncated == x.truncated;
    for (size_t i = 0; same && i < x.n; i++)
        same = lb_slice_eq(op->list.entries[i].key, x.entries[i]) &&
               op->list.entries[i].is_prefix == x.prefix[i];
    if (!same)
        fail_list(op, &x);
}

static void check_all(struct fs_env *e, const struct oracle *o) {
    struct lb_engine_op op = fs_op(e, "b", NULL);
    check_list(e, o, &op);
}

/* From the first page to the last, each continued after the last entry of the one before. */
static void check_pages(struct fs_env *e, const struct oracle *o, struct lb_slice prefix,
                        struct lb_slice delimiter, size_t max) {
    struct lb_engine_op op = fs_op(e, "b", NULL);
    char after[LB_KEY_MAX];
    op.prefix = prefix;
    op.delimiter = delimiter;
    op.max = max;
    for (int page = 0; page == 0 || op.list.truncated; page++) {
        assert_true(page <= KEYS_MAX);
        check_list(e, o, &op);
        if (!op.list.n)
            break;
        struct lb_slice last = op.list.entries[op.list.n - 1].key;
        memcpy(after, last.ptr, last.len);
        op.after = lb_slice(after, last.len);
    }
}

static const char *const delimiters[] = {"", "/", "-", "a", "//", "\xc3\xa4", "a/", ".", "zz"};

static void add_object(struct fs_env *e, struct oracle *o, const char *key) {
    struct lb_slice k = lb_slice_cstr(key);
    if (oracle_has(o, k))
        return;
    assert_int_equal(object_put(e, "b", k, "x", lb_slice(NULL, 0)), 0);
    oracle_add(o, k);
}

static void random_key(struct lb_prng *r, char *ret) {
    static const char *const parts[] = {"a",
                                        "b",
                                        "-",
                                        "0",
                                        "a-",
                                        "a.b",
                                        "\xc3\xa4",
                                        "A",
                                        "a0",
                                        "..",
                                        "",
                                        "long name",
                                        "\xf4\x8f\xbf\xbf"};
    size_t n = 1 + lb_prng_below(r, 4);
    ret[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        /* Mostly what a path can carry. */
        size_t choice = lb_prng_below(r, lb_prng_below(r, 8) ? 9 : CHECK_COUNT(parts));
        strcat(ret, i ? "/" : "");
        strcat(ret, parts[choice]);
    }
    if (ret[0] == '\0')
        strcpy(ret, "/");
}

static void random_tree(struct fs_env *e, struct oracle *o, uint64_t seed, size_t n) {
    struct lb_prng r;
    lb_prng_seed(&r, seed);
    for (size_t i = 0; i < n; i++) {
        char key[64], path[96];
        random_key(&r, key);
        add_object(e, o, key);
        if (lb_prng_below(&r, 8) == 0) {
            snprintf(path, sizeof(path), "b/empty%d", (int)lb_prng_below(&r, 5));
            foreign_mkdir(e, path);
            strcat(path, "/inner");
            foreign_mkdir(e, path);
        }
    }
}

static void test_random_trees(void **state) {
    struct fs_env *e = *state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct oracle o = {0};
        char command[192];
        foreign_mkdir(e, "b");
        random_tree(e, &o, seed, seed * 10);
        fs_settle(e);
        for (size_t d = 0; d < CHECK_COUNT(delimiters); d++) {
            struct lb_slice delimiter = lb_slice_cstr(delimiters[d]);
            for (size_t max = 1; max <= 5; max++)
                check_pages(e, &o, lb_slice(NULL, 0), delimiter, max);
            for (size_t i = 0; i < o.n; i += 3) {
                for (size_t len = 1; len <= o.keys[i].len; len++)
                    check_pages(e, &o, lb_slice_first(o.keys[i], len), delimiter, 3);
            }
        }
        oracle_fini(&o);
        fs_keys_drop_bucket(fs_env_fs(e), LB_S("b"));
        snprintf(command, sizeof(command), "rm -rf '%s/b'", e->dir);
        assert_int_equal(system(command), 0);
    }
}

/* after at, before and behind every key, with every delimiter. */
static void test_after_everywhere(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    foreign_mkdir(e, "b");
    random_tree(e, &o, 77, 40);
    fs_settle(e);
    for (size_t d = 0; d < CHECK_COUNT(delimiters); d++) {
        for (size_t i = 0; i < o.n; i++) {
            char after[LB_KEY_MAX + 2];
            struct lb_engine_op op = fs_op(e, "b", NULL);
            size_t len = o.keys[i].len;
            op.delimiter = lb_slice_cstr(delimiters[d]);
            op.max = 4;
            memcpy(after, o.keys[i].ptr, len);
            for (size_t n = 1; n <= len; n++) {
                op.after = lb_slice(after, n);
                check_list(e, &o, &op);
            }
            after[len] = '\0';
            op.after = lb_slice(after, len + 1);
            check_list(e, &o, &op);
            after[len] = '/';
            check_list(e, &o, &op);
            after[len - 1]--;
            op.after = lb_slice(after, len);
            check_list(e, &o, &op);
            op.prefix = lb_slice_first(o.keys[i], len / 2);
            check_list(e, &o, &op);
        }
    }
    oracle_fini(&o);
}

/* A client may continue from what is longer than any key. */
static void test_after_longer_than_a_key(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    static char after[3 * LB_KEY_MAX];
    foreign_mkdir(e, "b");
    random_tree(e, &o, 3, 30);
    memset(after, 'a', sizeof(after));
    for (size_t every = 1; every <= 300; every += 59) {
        struct lb_engine_op op = fs_op(e, "b", NULL);
        for (size_t i = every; i < sizeof(after); i += every + 1)
            after[i] = '/';
        after[sizeof(after) - 1] = '/';
        op.after = lb_slice(after, sizeof(after));
        check_list(e, &o, &op);
        op.delimiter = LB_S("/");
        check_list(e, &o, &op);
        op.delimiter = lb_slice(after + 1, sizeof(after) - 1);
        check_list(e, &o, &op);
        memset(after, 'a', sizeof(after));
    }
    oracle_fini(&o);
}

static void test_order_of_a_directory(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    static const char *const keys[] = {"a-b", "a/x", "a0", "a.b", "a/-", "A", "b/c/d", "b-/c"};
    foreign_mkdir(e, "b");
    for (size_t i = 0; i < CHECK_COUNT(keys); i++)
        add_object(e, &o, keys[i]);
    check_all(e, &o);
    struct lb_engine_op op = fs_op(e, "b", NULL);
    op.delimiter = LB_S("/");
    check_list(e, &o, &op);
    CHECK_SLICE(op.list.entries[3].key, "a/");
    assert_true(op.list.entries[3].is_prefix);
    oracle_fini(&o);
}

static void test_foreign_changes_show_at_once(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    foreign_mkdir(e, "b");
    random_tree(e, &o, 5, 20);
    for (int settled = 0; settled < 2; settled++) {
        char path[64];
        for (int i = 0; i < 20; i++) {
            snprintf(path, sizeof(path), "b/dir%d/new%d-%d", i % 3, settled, i);
            foreign_write(e, path, "x");
            oracle_add(&o, lb_slice_from(lb_slice_cstr(path), 2));
            check_all(e, &o);
            if (i % 4 == 3) {
                foreign_unlink(e, path);
                oracle_remove(&o, lb_slice_from(lb_slice_cstr(path), 2));
                check_all(e, &o);
            }
        }
        fs_settle(e);
    }
    oracle_fini(&o);
}

static void test_changes_between_pages(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    foreign_mkdir(e, "b");
    for (int i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof(key), "d%d/k%02d", i / 10, i);
        add_object(e, &o, key);
    }
    fs_settle(e);
    struct lb_engine_op op = fs_op(e, "b", NULL);
    op.max = 5;
    check_list(e, &o, &op);
    op.after = LB_S("d0/k04");
    foreign_unlink(e, "b/d0/k04"); /* the very key the page ended with */
    foreign_unlink(e, "b/d0/k05");
    foreign_write(e, "b/d0/k06a", "x");
    foreign_write(e, "b/d0/k00a", "x"); /* behind us */
    oracle_remove(&o, LB_S("d0/k04"));
    oracle_remove(&o, LB_S("d0/k05"));
    oracle_add(&o, LB_S("d0/k06a"));
    oracle_add(&o, LB_S("d0/k00a"));
    check_list(e, &o, &op);
    CHECK_SLICE(op.list.entries[0].key, "d0/k06");
    CHECK_SLICE(op.list.entries[1].key, "d0/k06a");
    oracle_fini(&o);
}

static void test_what_is_no_object(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    char full[FS_PATH_MAX];
    foreign_write(e, "b/seen", "x");
    oracle_add(&o, LB_S("seen"));
    foreign_write(e, "b/sub/.lobos/seen", "x"); /* reserved at the top alone */
    oracle_add(&o, LB_S("sub/.lobos/seen"));
    foreign_write(e, "b/.lobos/x", "x");
    foreign_write(e, "b/latin-\xe4", "x");
    foreign_write(e, "b/\xff/x", "x");
    foreign_mkdir(e, "b/empty");
    foreign_mkdir(e, "b/nest");
    foreign_mkdir(e, "b/nest/of");
    foreign_mkdir(e, "b/nest/of/empty");
    foreign_path(e, "b/fifo", full);
    assert_int_equal(mkfifo(full, 0644), 0);
    foreign_mkdir(e, "b/fifos");
    foreign_path(e, "b/fifos/fifo", full);
    assert_int_equal(mkfifo(full, 0644), 0);
    check_all(e, &o);
    struct lb_engine_op op = fs_op(e, "b", NULL);
    op.delimiter = LB_S("/");
    check_list(e, &o, &op);
    static const char *const prefixes[] = {".lobos", ".lobos/", "..",    "../",      "b/../",
                                           "/",      "empty/",  "seen/", "nothing/", "sub//"};
    for (size_t i = 0; i < CHECK_COUNT(prefixes); i++) {
        op.prefix = lb_slice_cstr(prefixes[i]);
        check_list(e, &o, &op);
    }
    oracle_fini(&o);
}

/* Directories down to the longest key there can be, and one byte further. */
static void test_longest_keys(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    char path[2 + LB_KEY_MAX + 2] = "b/";
    for (size_t i = 2; i < sizeof(path); i++)
        path[i] = (i - 1) % 200 == 0 ? '/' : 'k';
    path[2 + LB_KEY_MAX + 1] = '\0';
    foreign_write(e, path, "x"); /* 1025 bytes of key */
    check_all(e, &o);
    path[2 + LB_KEY_MAX] = '\0';
    foreign_write(e, path, "x");
    oracle_add(&o, lb_slice(path + 2, LB_KEY_MAX));
    check_all(e, &o);
    struct lb_engine_op op = fs_op(e, "b", NULL);
    op.delimiter = LB_S("/");
    check_list(e, &o, &op);
    op.prefix = lb_slice(path + 2, LB_KEY_MAX - 3);
    check_list(e, &o, &op);
    foreign_unlink(e, path);
    oracle_remove(&o, lb_slice(path + 2, LB_KEY_MAX));
    op.prefix = lb_slice(NULL, 0);
    check_list(e, &o, &op);
    oracle_fini(&o);
}

static void test_symlinks(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    static const char *const keys[] = {"a/file",      "a/in",      "link-dir/file",
                                       "link-dir/in", "file-link", "a2/across"};
    foreign_write(e, "b/a/file", "x");
    foreign_symlink(e, "file", "b/a/in");
    foreign_symlink(e, "a", "b/link-dir");
    foreign_symlink(e, "a/file", "b/file-link");
    foreign_mkdir(e, "b/a2");
    foreign_symlink(e, "../a/file", "b/a2/across");
    foreign_symlink(e, "/etc/passwd", "b/absolute");
    foreign_symlink(e, "../../..", "b/outside");
    foreign_symlink(e, "nowhere", "b/dangling");
    foreign_symlink(e, ".", "b/self");
    foreign_symlink(e, "loop2", "b/loop1");
    foreign_symlink(e, "loop1", "b/loop2");
    for (size_t i = 0; i < CHECK_COUNT(keys); i++)
        oracle_add(&o, lb_slice_cstr(keys[i]));
    fs_settle(e);
    struct lb_engine_op op = fs_op(e, "b", NULL);
    check_list(e, &o, &op);
    op.delimiter = LB_S("/");
    check_list(e, &o, &op);
    op.delimiter = lb_slice(NULL, 0);
    foreign_write(e, "b/a/nowhere2", "x");
    oracle_add(&o, LB_S("a/nowhere2"));
    oracle_add(&o, LB_S("link-dir/nowhere2"));
    check_list(e, &o, &op);
    oracle_fini(&o);
}

/* The target of a symlink appears: the directory it is in has not changed. */
static void test_symlink_target_changes(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    foreign_write(e, "b/x/file", "x");
    foreign_symlink(e, "../other/target", "b/x/link");
    foreign_mkdir(e, "b/other");
    oracle_add(&o, LB_S("x/file"));
    fs_settle(e);
    check_all(e, &o);
    foreign_write(e, "b/other/target", "x");
    oracle_add(&o, LB_S("other/target"));
    oracle_add(&o, LB_S("x/link"));
    check_all(e, &o);
    foreign_unlink(e, "b/other/target");
    foreign_write(e, "b/other/target/inner", "x");
    oracle_remove(&o, LB_S("other/target"));
    oracle_remove(&o, LB_S("x/link"));
    oracle_add(&o, LB_S("other/target/inner"));
    oracle_add(&o, LB_S("x/link/inner"));
    check_all(e, &o);
    oracle_fini(&o);
}

static void test_info_and_meta(void **state) {
    struct fs_env *e = *state;
    foreign_write(e, "b/foreign", "12345");
    assert_int_equal(object_put(e, "b", LB_S("own"), "123", LB_S("the meta")), 0);
    assert_int_equal(object_put(e, "b", LB_S("own/"), "", LB_S("hidden meta")), 0);
    struct lb_engine_op op = fs_op(e, "b", NULL);
    op.want_meta = true;
    assert_int_equal(fs_run(e, fs_list, &op), 0);
    assert_int_equal(op.list.n, 3);
    struct lb_list_entry *entry = op.list.entries;
    CHECK_SLICE(entry[0].key, "foreign");
    assert_int_equal(entry[0].info.size, 5);
    assert_int_equal(entry[0].info.etag.len, 34);
    assert_int_equal(entry[0].info.meta.len, 0);
    CHECK_SLICE(entry[1].key, "own");
    assert_int_equal(entry[1].info.size, 3);
    CHECK_SLICE(lb_etag_slice(&entry[1].info.etag), "0123456789abcdef0123456789abcdef");
    CHECK_SLICE(entry[1].info.meta, "the meta");
    CHECK_SLICE(entry[2].key, "own/");
    CHECK_SLICE(entry[2].info.meta, "hidden meta");
    op.want_meta = false;
    assert_int_equal(fs_run(e, fs_list, &op), 0);
    assert_int_equal(op.list.entries[1].info.meta.len, 0);
}

static void test_errors(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op = fs_op(e, "nobody", NULL);
    assert_int_equal(fs_run(e, fs_list, &op), LB_ERR_NO_SUCH_BUCKET);
    op.bucket = LB_S("..");
    assert_int_equal(fs_run(e, fs_list, &op), LB_ERR_NO_SUCH_BUCKET);
    foreign_write(e, "file", "x");
    op.bucket = LB_S("file");
    assert_int_equal(fs_run(e, fs_list, &op), LB_ERR_NO_SUCH_BUCKET);
}

/* The cache holds less than the directories need together. */
static void test_small_cache(void **state) {
    struct fs_env *e = *state;
    struct oracle o = {0};
    fs_env_close(e);
    struct lb_fs_conf conf = {.dir = e->dir, .list_cache_max = 600, .open_files_max = 4};
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &e->engine), 0);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
    foreign_mkdir(e, "b");
    random_tree(e, &o, 9, 60);
    fs_settle(e);
    for (size_t max = 1; max <= 3; max++)
        check_pages(e, &o, lb_slice(NULL, 0), lb_slice(NULL, 0), max);
    oracle_fini(&o);
}

/* ---- a file system whose directories' time stamps stand still ---- */

static struct lb_vfs_ops frozen_ops;
static struct lb_vfs frozen = {&frozen_ops};

static int frozen_fstat(struct lb_vfs *v, int fd, struct lb_vfs_stat *ret) {
    int err = lb_vfs_posix()->ops->fstat(v, fd, ret);
    if (err == 0 && ret->type == LB_VFS_DIR)
        ret->mtime_ns = ret->ctime_ns = 1;
    return err;
}

static size_t count_keys(struct fs_env *e) {
    struct lb_engine_op op = fs_op(e, "b", "");
    assert_int_equal(fs_run(e, fs_list, &op), 0);
    return op.list.n;
}

static void test_old_contents_are_read_again(void **state) {
    struct fs_env *e = *state;
    fs_env_close(e);
    frozen_ops = *lb_vfs_posix()->ops;
    frozen_ops.fstat = frozen_fstat;
    struct lb_fs_conf conf = {
        .dir = e->dir, .list_cache_max = 1u << 20, .list_age_max_s = 1, .open_files_max = 4};
    assert_int_equal(lb_fs_open(&conf, &frozen, &e->engine), 0);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
    foreign_mkdir(e, "b");
    foreign_write(e, "b/one", "x");
    assert_int_equal(count_keys(e), 1);
    foreign_write(e, "b/two", "x");
    assert_int_equal(count_keys(e), 1); /* cached: nothing says that it has changed */
    usleep(1100000);
    assert_int_equal(lb_io_turn(e->io, 0), 0);
    assert_int_equal(count_keys(e), 2);
}

/* ---- many at once ---- */

#define PARALLEL 12

struct parallel {
    struct lb_engine_op op;
    struct lb_arena arena;
    struct fs_env *env;
    int err;
};

static void parallel_done(struct lb_engine_op *op, int err) {
    struct parallel *l = op->user;
    l->err = err;
    l->env->done++;
}

/* Lists on all workers at once, of directories that change meanwhile: what nobody touches is in
 * every one of them, in order. */
static void test_parallel(void **state) {
    struct fs_env *e = *state;
    static struct parallel lists[PARALLEL];
    for (int i = 0; i < 30; i++) {
        char path[64];
        snprintf(path, sizeof(path), "b/d%d/stays%02d", i % 3, i);
        foreign_write(e, path, "x");
    }
    for (int round = 0; round < 40; round++) {
        if (round % 10 == 0)
            fs_settle(e);
        for (int i = 0; i < PARALLEL; i++) {
            struct parallel *l = &lists[i];
            *l = (struct parallel){.op = fs_op(e, "b", NULL), .env = e};
            lb_arena_init(&l->arena, FS_ARENA_MAX);
            l->op.done = parallel_done;
            l->op.arena = &l->arena;
            l->op.user = l;
            fs_list(e->port, &l->op);
        }
        char path[64];
        snprintf(path, sizeof(path), "b/d%d/comes%02d", round % 3, round);
        foreign_write(e, path, "x");
        while (e->done < PARALLEL)
            assert_int_equal(lb_io_turn(e->io, 100000000), 0);
        e->done = 0;
        for (int i = 0; i < PARALLEL; i++) {
            const struct lb_list_result *r = &lists[i].op.list;
            size_t stays = 0;
            assert_int_equal(lists[i].err, 0);
            for (size_t k = 0; k < r->n; k++) {
                stays += lb_slice_find_slice(r->entries[k].key, LB_S("stays")) >= 0;
                if (k)
                    assert_true(lb_slice_cmp(r->entries[k - 1].key, r->entries[k].key) < 0);
            }
            assert_int_equal(stays, 30);
            lb_arena_fini(&lists[i].arena);
        }
    }
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, fs_setup, fs_teardown)
    const struct CMUnitTest tests[] = {
        T(test_random_trees),
        T(test_after_everywhere),
        T(test_after_longer_than_a_key),
        T(test_order_of_a_directory),
        T(test_foreign_changes_show_at_once),
        T(test_changes_between_pages),
        T(test_what_is_no_object),
        T(test_longest_keys),
        T(test_symlinks),
        T(test_symlink_target_changes),
        T(test_info_and_meta),
        T(test_errors),
        T(test_small_cache),
        T(test_old_contents_are_read_again),
        T(test_parallel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
