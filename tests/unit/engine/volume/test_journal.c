/* The journal as a whole: around its ring, full, on a device that fails, and shared by loops. */
#include "volume_env.h"

#include <pthread.h>

#include "base/prng.h"

static void keeper(struct env *e, uint64_t staged_max) {
    struct lb_buf why;
    struct lb_volume_conf conf = {.path = e->path, .size = VOLUME_SIZE, .staged_max = staged_max};
    lb_buf_init(&why, 1000);
    engine_close(e);
    assert_int_equal(lb_volume_open(&conf, lb_vfs_posix(), &why, &e->engine), 0);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
    lb_buf_fini(&why);
}

static int put_meta(struct env *e, const char *key, const char *blob, size_t len) {
    struct call c = put_for(e, lb_slice_cstr(key));
    c.op.meta = lb_slice(blob, len);
    c.op.relaxed = true;
    return put_call(e, &c, key, strlen(key), 65536);
}

/* Batches of all sizes go around the ring several times; housekeeping makes room. */
static void test_ring(void **state) {
    struct env *e = *state;
    enum { KEYS = 20, LEN_MAX = 200000 };
    static char blob[LEN_MAX];
    size_t len[KEYS] = {0};
    struct lb_prng prng;
    char key[16];
    lb_prng_seed(&prng, 1);
    fill(blob, LEN_MAX, 1);
    keeper(e, 0);
    for (int life = 0; life < 3; life++) {
        for (int i = 0; i < 250; i++) {
            unsigned k = (unsigned)lb_prng_below(&prng, KEYS);
            snprintf(key, sizeof(key), "key%u", k);
            len[k] = 1 + lb_prng_below(&prng, LEN_MAX);
            assert_int_equal(put_meta(e, key, blob, len[k]), 0);
        }
        assert_true(env_volume(e)->journal.at > (unsigned)life * 4096u);
        keeper(e, 0);
        for (unsigned k = 0; k < KEYS; k++) {
            snprintf(key, sizeof(key), "key%u", k);
            check_text(e, key, key);
            struct call c = call_for(e, lb_slice_cstr(key));
            assert_int_equal(run(e, vol_head, &c), 0);
            assert_true(lb_slice_eq(c.op.info.meta, lb_slice(blob, len[k])));
        }
        lb_arena_reset(&e->arena);
    }
}

/* Without housekeeping the journal fills up; changes wait, and go on when there is room. */
static void test_full(void **state) {
    struct env *e = *state;
    struct vol_engine *v = env_volume(e);
    static char blob[100000];
    char key[16];
    struct call c;
    for (int i = 0;; i++) {
        snprintf(key, sizeof(key), "key%d", i % 10);
        c = put_for(e, lb_slice_cstr(key));
        c.op.meta = lb_slice(blob, sizeof(blob));
        assert_int_equal(run(e, vol_create, &c), 0);
        assert_int_equal(write_data(e, c.op.writer, key, 4, 4096), 0);
        vol_commit(c.op.writer, &c.op);
        for (int turn = 0; c.calls == 0 && turn < 300 && !v->journal.full; turn++)
            assert_int_equal(lb_io_turn(e->io, 10000000), 0);
        if (v->journal.full)
            break;
        assert_int_equal(finish_late(e, &c), 0);
    }
    assert_int_equal(c.calls, 0);
    assert_int_equal(vol_checkpoint(v, false), 0);
    assert_int_equal(finish(e, &c), 0);
    engine_again(e);
    check_text(e, "key0", "key0");
}

/* ---- a device that fails ---- */

static const struct vol_device_ops *real;
static int flush_err, write_err;

static void failed(struct lb_io_op *op, int64_t res) {
    struct vol_io *io = LB_CONTAINER_OF(op, struct vol_io, op);
    io->done(io, (int)res);
}

static void flush(struct vol_port *p, struct vol_io *io) {
    if (!flush_err) {
        real->flush(p, io);
        return;
    }
    io->op.done = failed;
    lb_io_defer(p->io, &io->op, flush_err);
}

static void write_units(struct vol_port *p, struct vol_io *io, uint64_t at, const void *buf,
                        size_t len) {
    if (!write_err) {
        real->write(p, io, at, buf, len);
        return;
    }
    io->op.done = failed;
    lb_io_defer(p->io, &io->op, write_err);
}

static void check_read_only(struct env *e) {
    assert_true(env_volume(e)->journal.failed);
    assert_int_equal(put_text(e, "key", "new"), LB_ERR_READ_ONLY);
    assert_int_equal(remove_key(e, LB_S("old")), LB_ERR_READ_ONLY);
    check_text(e, "old", "text");
    struct lb_storage_stats stats;
    assert_int_equal(e->engine->ops->stats(e->engine, &stats), 0);
    assert_true(stats.read_only);
}

static void break_device(struct env *e, int flush_with, int write_with) {
    static struct vol_device_ops ops;
    struct vol_device *d = env_volume(e)->device;
    real = d->ops;
    ops = *real;
    ops.flush = flush;
    ops.write = write_units;
    d->ops = &ops;
    flush_err = flush_with;
    write_err = write_with;
}

static void mend_device(struct env *e) {
    env_volume(e)->device->ops = real;
    engine_again(e);
    assert_int_equal(put_text(e, "key", "after"), 0);
    check_text(e, "key", "after");
    check_text(e, "old", "text");
}

static void test_flush_fails(void **state) {
    struct env *e = *state;
    assert_int_equal(put_text(e, "old", "text"), 0);
    break_device(e, -EIO, 0);
    assert_int_equal(put_text(e, "key", "new"), LB_ERR_READ_ONLY);
    flush_err = 0;
    check_read_only(e);
    check_missing(e, LB_S("key"));
    mend_device(e);
}

static void test_write_fails(void **state) {
    struct env *e = *state;
    static char data[10000];
    assert_int_equal(put_text(e, "old", "text"), 0);
    break_device(e, 0, -EIO);
    /* A body that can't be written is that client's trouble alone. */
    uint64_t before = units_left(e);
    assert_int_equal(put(e, LB_S("key"), data, sizeof(data)), -EIO);
    assert_int_equal(units_left(e), before);
    assert_false(env_volume(e)->journal.failed);
    assert_int_equal(put_text(e, "key", "new"), LB_ERR_READ_ONLY);
    write_err = 0;
    check_read_only(e);
    mend_device(e);
}

/* ---- loops ---- */

struct worker {
    struct env env;
    pthread_t thread;
    unsigned seed;
};

static void *work(void *arg) {
    struct worker *w = arg;
    struct env *e = &w->env;
    static const char *const texts[] = {"one", "another", "a third"};
    struct lb_io_conf conf = {.backend = LB_IO_AUTO, .workers = e->workers, .vfs = lb_vfs_posix()};
    char key[16], buf[80000], *data = malloc(sizeof(buf));
    struct lb_prng prng;
    lb_prng_seed(&prng, w->seed);
    fill(data, sizeof(buf), 9);
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
    e->pool = lb_pool_new(8u << 20);
    lb_arena_init(&e->arena, 64u << 20);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
    for (int i = 0; i < 400; i++) {
        unsigned what = (unsigned)lb_prng_below(&prng, 6);
        snprintf(key, sizeof(key), "key%u", (unsigned)lb_prng_below(&prng, 8));
        struct call c = call_for(e, lb_slice_cstr(key));
        if (what == 0) {
            assert_int_equal(remove_key(e, lb_slice_cstr(key)), 0);
        } else if (what == 1) {
            assert_int_equal(put(e, lb_slice_cstr(key), data, sizeof(buf)), 0);
        } else if (what < 4) {
            const char *text = texts[lb_prng_below(&prng, 3)];
            c.op.relaxed = what == 2;
            assert_int_equal(put_call(e, &c, text, strlen(text), 65536), 0);
        } else {
            int64_t n = get(e, &c, buf, sizeof(buf));
            assert_true(n == LB_ERR_NO_SUCH_KEY || n == 3 || n == 7 ||
                        (n == sizeof(buf) && memcmp(buf, data, sizeof(buf)) == 0));
            struct call l = call_for(e, LB_S(""));
            l.op.want_meta = true;
            assert_int_equal(run(e, vol_list, &l), 0);
            assert_true(l.op.list.n <= 8);
        }
        lb_arena_reset(&e->arena);
    }
    free(data);
    e->engine->ops->detach(e->port);
    lb_arena_fini(&e->arena);
    lb_pool_free(e->pool);
    lb_io_free(e->io);
    return NULL;
}

/* Loops of several threads change the same keys, while the keeper packs and checkpoints. */
static void test_loops(void **state) {
    struct env *e = *state;
    enum { N = 3 };
    static struct worker workers[N];
    keeper(e, 2000);
    uint64_t before = units_left(e);
    for (unsigned i = 0; i < N; i++) {
        workers[i] = (struct worker){.seed = i};
        workers[i].env.workers = e->workers;
        workers[i].env.engine = e->engine;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < N; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < 8; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key%d", i);
        assert_int_equal(remove_key(e, lb_slice_cstr(key)), 0);
    }
    engine_again(e);
    assert_int_equal(vol_checkpoint(env_volume(e), false), 0);
    /* But for what the checkpoint itself takes. */
    assert_true(units_left(e) + 64 >= before);
    assert_int_equal(vol_index_len(env_volume(e)->index), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_ring), TEST(test_full), TEST(test_flush_fails),
                                       TEST(test_write_fails), TEST(test_loops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
