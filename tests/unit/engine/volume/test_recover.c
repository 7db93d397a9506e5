/* What a start makes of what it finds. Journals are written here by hand, batch by batch. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "engine/volume/volume_priv.h"
#include "lib/check.h"
#include "lib/sim_fs.h"

#define PATH "/volume"
#define SIZE ((uint64_t)VOL_UNITS_MIN * VOL_UNIT)
#define BUCKET 1u
#define DATA (VOL_JOURNAL_AT + VOL_JOURNAL_MIN)

struct env {
    struct sim_fs *fs;
    struct lb_buf why;
    struct lb_buf bytes; /* of the batch in the making */
    struct vol_super super;
    struct vol_batch batch;
    uint64_t at, seq;
    uint32_t previous;
    struct lb_engine *engine;
    struct vol_engine *v;
};

static void raw(struct env *env, bool write, uint64_t off, void *buf, size_t len) {
    struct lb_vfs *vfs = sim_fs_vfs(env->fs);
    int fd = vfs->ops->open(vfs, -1, PATH, O_RDWR, 0);
    assert_true(fd >= 0);
    int64_t n =
        write ? vfs->ops->pwrite(vfs, fd, buf, len, off) : vfs->ops->pread(vfs, fd, buf, len, off);
    assert_int_equal(n, len);
    vfs->ops->close(vfs, fd);
}

static void flip(struct env *env, uint64_t off) {
    char byte;
    raw(env, false, off, &byte, 1);
    byte ^= 0x10;
    raw(env, true, off, &byte, 1);
}

static void read_super(struct env *env, uint64_t unit, struct vol_super *ret) {
    uint8_t bytes[VOL_UNIT];
    raw(env, false, unit * VOL_UNIT, bytes, VOL_UNIT);
    assert_int_equal(vol_super_decode(bytes, ret), 0);
}

static void write_super(struct env *env, uint64_t unit, const struct vol_super *s) {
    uint8_t bytes[VOL_UNIT];
    vol_super_encode(s, bytes);
    raw(env, true, unit * VOL_UNIT, bytes, VOL_UNIT);
}

/* A new volume, whose journal is written by the test. */
static int set_up(void **state) {
    static const struct sim_fs_conf conf = {.seed = 1, .journaled = true};
    struct env *env = calloc(1, sizeof(*env));
    struct vol_device *d;
    bool empty;
    env->fs = sim_fs_new(&conf);
    lb_buf_init(&env->why, 1000);
    lb_buf_init(&env->bytes, VOL_BATCH_MAX * VOL_UNIT);
    struct lb_vfs *vfs = sim_fs_vfs(env->fs);
    assert_int_equal(vol_device_file_open(PATH, SIZE, vfs, &env->why, &d, &empty), 0);
    assert_int_equal(vol_format(d, 5, &env->why), 0);
    d->ops->close(d);
    read_super(env, VOL_SUPER_B, &env->super);
    env->at = env->super.replay_at;
    env->seq = env->super.replay_seq;
    env->previous = env->super.replay_sum;
    *state = env;
    return 0;
}

static void close_engine(struct env *env) {
    if (env->engine)
        env->engine->ops->free(env->engine);
    env->engine = NULL;
}

static int tear_down(void **state) {
    struct env *env = *state;
    close_engine(env);
    assert_int_equal(sim_fs_open_count(env->fs), 0);
    sim_fs_free(env->fs);
    lb_buf_fini(&env->why);
    lb_buf_fini(&env->bytes);
    free(env);
    return 0;
}

static int open_engine(struct env *env) {
    struct lb_volume_conf conf = {.path = PATH, .no_keeper = true};
    lb_buf_clear(&env->why);
    int err = lb_volume_open(&conf, sim_fs_vfs(env->fs), &env->why, &env->engine);
    assert_int_equal(err != 0, env->why.len > 0);
    if (err == 0)
        env->v = LB_CONTAINER_OF(env->engine, struct vol_engine, engine);
    return err;
}

/* As kill -9: nothing is written at the end, and what is on the disk stays as it was. */
static void kill_engine(struct env *env) {
    struct sim_fs *after = sim_fs_kill(env->fs);
    close_engine(env);
    sim_fs_free(env->fs);
    env->fs = after;
}

static bool has(const struct env *env, const char *key) {
    struct vol_object o;
    return vol_index_current(env->v->index, BUCKET, lb_slice_cstr(key), &o) == 0;
}

/* ---- a journal by hand ---- */

static void batch_begin(struct env *env) {
    lb_buf_clear(&env->bytes);
    memset(lb_buf_reserve(&env->bytes, VOL_BATCH_HEAD), 0, VOL_BATCH_HEAD);
    env->bytes.len = VOL_BATCH_HEAD;
    env->batch = (struct vol_batch){.epoch = 2,
                                    .position = env->at,
                                    .first_seq = env->seq,
                                    .flushed = env->super.replay_at,
                                    .previous = env->previous};
}

static void add(struct env *env, const struct vol_record *r) {
    vol_record_encode(r, &env->bytes);
    env->batch.records++;
    env->seq++;
}

/* Writes it, in its place of the ring. */
static void batch_end(struct env *env) {
    vol_batch_seal(&env->batch, &env->bytes);
    assert_int_equal(env->bytes.err, 0);
    uint64_t unit = VOL_JOURNAL_AT + env->at % VOL_JOURNAL_MIN;
    raw(env, true, unit * VOL_UNIT, env->bytes.ptr, env->bytes.len);
    env->at += env->batch.units;
    env->previous = env->batch.sum;
}

static void add_small(struct env *env, const char *key, const char *body) {
    struct lb_slice b = lb_slice_cstr(body);
    uint32_t sum = vol_crc(b);
    struct vol_record r = {.kind = VOL_REC_PUT, .bucket = BUCKET, .body = b};
    r.object = (struct vol_object){.key = lb_slice_cstr(key),
                                   .seq = env->seq,
                                   .size = b.len,
                                   .flags = VOL_NULL,
                                   .sums = &sum,
                                   .sums_n = b.len > 0};
    add(env, &r);
}

/* An object of one unit at data unit n, whose body is there or not. */
static void add_large(struct env *env, const char *key, uint64_t n, bool there) {
    char unit[VOL_UNIT];
    memset(unit, key[0], sizeof(unit));
    uint32_t sum = vol_crc(lb_slice(unit, sizeof(unit)));
    struct vol_extent e = {DATA + n, 1};
    struct vol_record r = {.kind = VOL_REC_PUT, .bucket = BUCKET};
    r.object = (struct vol_object){.key = lb_slice_cstr(key),
                                   .seq = env->seq,
                                   .size = sizeof(unit),
                                   .flags = VOL_NULL,
                                   .extents = &e,
                                   .extents_n = 1,
                                   .sums = &sum,
                                   .sums_n = 1};
    add(env, &r);
    if (there)
        raw(env, true, e.first * VOL_UNIT, unit, sizeof(unit));
}

/* A batch with one small object. */
static uint64_t batch_of(struct env *env, const char *key) {
    uint64_t at = env->at;
    batch_begin(env);
    add_small(env, key, "its body");
    batch_end(env);
    return (VOL_JOURNAL_AT + at % VOL_JOURNAL_MIN) * VOL_UNIT;
}

/* ---- the engine's own changes ---- */

struct put {
    struct vol_change change;
    const char *key;
    uint32_t sum;
};

static int decide(struct vol_engine *v, struct vol_change *c) {
    struct put *p = LB_CONTAINER_OF(c, struct put, change);
    struct lb_slice body = lb_slice_cstr(p->key);
    p->sum = vol_crc(body);
    c->record = (struct vol_record){.kind = VOL_REC_PUT, .bucket = BUCKET, .body = body};
    c->record.object = (struct vol_object){.key = body,
                                           .seq = c->seq,
                                           .size = body.len,
                                           .flags = VOL_NULL,
                                           .sums = &p->sum,
                                           .sums_n = 1};
    return 0;
}

static void put(struct env *env, const char *key) {
    struct put p = {.change = {.sync = true, .decide = decide}, .key = key};
    assert_int_equal(vol_journal_now(env->v, &p.change), 0);
}

/* ---- superblocks ---- */

static void test_both_superblocks_good(void **state) {
    struct env *env = *state;
    batch_of(env, "a");
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a"));
    assert_int_equal(env->v->super.generation, 3);
    assert_int_equal(env->v->super.epoch, 3);
    assert_int_equal(env->v->super_place, 0); /* over the older one */
    assert_true(env->v->journal.at == env->at && env->v->journal.previous == env->previous);
    assert_true(env->v->journal.next_seq > env->seq);
    assert_int_equal(vol_alloc_free_units(env->v->alloc), VOL_UNITS_MIN - DATA);
}

static void test_one_superblock_bad(void **state) {
    struct env *env = *state;
    batch_of(env, "a");
    for (unsigned i = 0; i < 2; i++) {
        flip(env, (i ? VOL_SUPER_B : VOL_SUPER_A) * VOL_UNIT + 70);
        assert_int_equal(open_engine(env), 0);
        assert_true(has(env, "a"));
        assert_int_equal(env->v->super_place, i); /* the bad one is mended */
        kill_engine(env);
    }
}

static void test_both_superblocks_bad(void **state) {
    struct env *env = *state;
    flip(env, VOL_SUPER_A * VOL_UNIT + 70);
    flip(env, VOL_SUPER_B * VOL_UNIT + 70);
    assert_int_equal(open_engine(env), -EBADMSG);
    flip(env, VOL_SUPER_A * VOL_UNIT);
    flip(env, VOL_SUPER_B * VOL_UNIT);
    assert_int_equal(open_engine(env), -EEXIST);
}

static void test_newer_format(void **state) {
    struct env *env = *state;
    uint8_t unit[VOL_UNIT];
    raw(env, false, VOL_SUPER_A * VOL_UNIT, unit, VOL_UNIT);
    unit[12] = 2;
    uint32_t sum = vol_crc(lb_slice(unit + 12, VOL_UNIT - 12));
    for (unsigned i = 0; i < 4; i++)
        unit[8 + i] = (uint8_t)(sum >> 8 * i);
    raw(env, true, VOL_SUPER_A * VOL_UNIT, unit, VOL_UNIT);
    assert_int_equal(open_engine(env), -EPROTONOSUPPORT);
}

static void test_two_volumes(void **state) {
    struct env *env = *state;
    struct vol_super s = env->super;
    s.id[0] ^= 1;
    write_super(env, VOL_SUPER_A, &s);
    assert_int_equal(open_engine(env), -EBADMSG);
}

static void test_wrong_size(void **state) {
    struct env *env = *state;
    struct vol_super s = env->super;
    s.units++;
    s.generation++;
    write_super(env, VOL_SUPER_A, &s);
    assert_int_equal(open_engine(env), -EBADMSG);
}

static void test_clean_stop(void **state) {
    struct env *env = *state;
    assert_int_equal(open_engine(env), 0);
    put(env, "a");
    uint64_t next_seq = env->v->journal.next_seq;
    close_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a"));
    assert_true(env->v->journal.next_seq < next_seq + 10); /* no jump */
    assert_false(env->v->super.clean);
    kill_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a"));
    assert_true(env->v->journal.next_seq > next_seq + 1000);
}

/* ---- the journal ---- */

static void test_torn_tail(void **state) {
    struct env *env = *state;
    batch_of(env, "a");
    uint64_t end = env->at, off = batch_of(env, "b");
    flip(env, off + 100);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && !has(env, "b"));
    assert_int_equal(env->v->journal.at, end);
    put(env, "c"); /* in its place */
    kill_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && !has(env, "b") && has(env, "c"));
}

static void test_torn_at_every_sector(void **state) {
    struct env *env = *state;
    batch_of(env, "a");
    uint64_t off = (VOL_JOURNAL_AT + env->at) * VOL_UNIT;
    batch_begin(env);
    for (unsigned i = 0; i < 100; i++)
        add_small(env, "b", "a body of some length, so that the batch has several units");
    batch_end(env);
    size_t len = VOL_BATCH_HEAD + env->batch.body.len;
    assert_true(len > 2 * VOL_UNIT);
    for (size_t at = 0; at < len; at += 512) {
        char was[512], zero[512] = {0};
        raw(env, false, off + at, was, 512);
        raw(env, true, off + at, zero, 512);
        assert_int_equal(open_engine(env), 0);
        assert_true(has(env, "a") && !has(env, "b"));
        kill_engine(env);
        raw(env, true, off + at, was, 512);
    }
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "b"));
}

static void test_damaged_before_good(void **state) {
    struct env *env = *state;
    batch_of(env, "a");
    uint64_t off = batch_of(env, "b");
    batch_begin(env);
    add_small(env, "c", "");
    env->batch.flushed = env->at; /* b was flushed */
    batch_end(env);
    flip(env, off + 100);
    assert_int_equal(open_engine(env), -EBADMSG);
    flip(env, off + 100);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "c"));
}

/* Power was lost before a flush: the later of two batches may be there, the earlier not. */
static void test_lost_before_unflushed(void **state) {
    struct env *env = *state;
    batch_of(env, "a");
    uint64_t off = batch_of(env, "b");
    batch_of(env, "c");
    flip(env, off + 100);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && !has(env, "b") && !has(env, "c"));
    put(env, "d"); /* as long as b: c is right behind it */
    kill_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "d") && !has(env, "b") && !has(env, "c"));
    assert_int_equal(vol_checkpoint(env->v, false), 0); /* replay begins where c is */
    kill_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "d") && !has(env, "c"));
}

static void test_stale_of_an_earlier_lap(void **state) {
    struct env *env = *state;
    batch_of(env, "old");
    batch_of(env, "old too");
    env->super.replay_at = env->at = VOL_JOURNAL_MIN;
    env->super.replay_seq = env->super.next_seq = env->seq;
    env->super.replay_sum = env->previous;
    env->super.generation++;
    write_super(env, VOL_SUPER_A, &env->super);
    batch_of(env, "new"); /* over the first */
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "new") && !has(env, "old") && !has(env, "old too"));
}

static void test_stale_of_an_earlier_epoch(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_small(env, "a", "");
    env->batch.epoch = 3;
    batch_end(env);
    batch_of(env, "b"); /* of epoch 2 */
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && !has(env, "b"));
}

static void test_sequence_goes_back(void **state) {
    struct env *env = *state;
    batch_of(env, "a");
    env->seq--;
    batch_of(env, "b");
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && !has(env, "b"));
}

static void test_bad_record(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_small(env, "a", "");
    env->bytes.ptr[VOL_BATCH_HEAD + 4] = 99; /* a kind that there is not */
    batch_end(env);
    assert_int_equal(open_engine(env), -EBADMSG);
}

static void test_full_ring(void **state) {
    struct env *env = *state;
    env->super.replay_at = env->at = VOL_JOURNAL_MIN - 5;
    env->super.generation++;
    write_super(env, VOL_SUPER_A, &env->super);
    for (unsigned i = 0; i < VOL_JOURNAL_MIN; i++) {
        batch_begin(env);
        if (i % 16 == 0)
            add_small(env, i ? "many" : "first", "body");
        if (i == VOL_JOURNAL_MIN - 1)
            add_small(env, "last", "body");
        batch_end(env);
    }
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "first") && has(env, "many") && has(env, "last"));
    assert_int_equal(env->v->journal.at - env->v->journal.tail, VOL_JOURNAL_MIN);
    env->v->journal.failed =
        true; /* no room for a last checkpoint: the engine never lets it be so */
}

/* The older superblock is all there is, and the journal has gone on over what it names. */
static void test_older_superblock_too_old(void **state) {
    struct env *env = *state;
    env->at = VOL_JOURNAL_MIN; /* the next lap */
    env->super.generation++;
    env->super.replay_at = env->at - 10;
    batch_of(env, "a");
    env->super.replay_at = env->at;
    batch_of(env, "b");
    assert_int_equal(open_engine(env), -EBADMSG);
}

/* ---- bodies ---- */

static void test_body_not_written(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_large(env, "a", 0, true);
    batch_end(env);
    uint64_t end = env->at;
    batch_begin(env);
    add_large(env, "b", 1, true);
    add_large(env, "c", 2, false);
    batch_end(env);
    batch_of(env, "d");
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && !has(env, "b") && !has(env, "c") && !has(env, "d"));
    assert_int_equal(env->v->journal.at, end);
    assert_int_equal(vol_alloc_free_units(env->v->alloc), VOL_UNITS_MIN - DATA - 1);
    put(env, "e");
    kill_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && has(env, "e") && !has(env, "d"));
}

/* An object that is gone may have lost its units to another: that ends nothing. */
static void test_body_of_the_removed(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_large(env, "a", 0, false);
    batch_end(env);
    batch_begin(env);
    struct vol_record r = {.kind = VOL_REC_REMOVE, .bucket = BUCKET};
    r.object = (struct vol_object){.key = LB_S("a"), .seq = env->seq - 1};
    add(env, &r);
    add_small(env, "b", "");
    batch_end(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(!has(env, "a") && has(env, "b"));
    assert_int_equal(env->v->journal.at, env->at);
}

/* What had been flushed is not read at a start: readers find it out. */
static void test_body_rotten_after_flush(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_large(env, "a", 0, false);
    batch_end(env);
    batch_begin(env);
    add_small(env, "b", "");
    env->batch.flushed = env->at;
    batch_end(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && has(env, "b"));
}

static void test_owned_twice(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_large(env, "a", 7, true);
    add_large(env, "A", 7, true);
    batch_end(env);
    batch_begin(env);
    env->batch.flushed = env->at;
    batch_end(env);
    assert_int_equal(open_engine(env), -EBADMSG);
}

static void test_outside(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_large(env, "a", VOL_UNITS_MIN - DATA, false);
    batch_end(env);
    batch_begin(env);
    env->batch.flushed = env->at;
    batch_end(env);
    assert_int_equal(open_engine(env), -EBADMSG);
}

/* ---- checkpoints ---- */

static void test_checkpoint(void **state) {
    struct env *env = *state;
    assert_int_equal(open_engine(env), 0);
    put(env, "a");
    put(env, "b");
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    put(env, "c");
    put(env, "a");
    uint64_t free_units = vol_alloc_free_units(env->v->alloc);
    kill_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && has(env, "b") && has(env, "c"));
    assert_int_equal(vol_index_len(env->v->index), 3);
    assert_int_equal(vol_alloc_free_units(env->v->alloc), free_units);
    close_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && has(env, "b") && has(env, "c"));
    assert_int_equal(vol_index_len(env->v->index), 3);
}

/* The older one is used, if its journal is whole. */
static void test_bad_checkpoint(void **state) {
    struct env *env = *state;
    assert_int_equal(open_engine(env), 0);
    put(env, "a");
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    put(env, "b");
    uint64_t unit = env->v->super.checkpoint.first;
    kill_engine(env);
    /* The other superblock has no checkpoint, and the whole journal. */
    flip(env, unit * VOL_UNIT + 200);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && has(env, "b"));
    put(env, "c");
    kill_engine(env);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a") && has(env, "b") && has(env, "c"));
}

static void test_bad_checkpoint_without_another(void **state) {
    struct env *env = *state;
    assert_int_equal(open_engine(env), 0);
    put(env, "a");
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    uint64_t unit = env->v->super.checkpoint.first;
    kill_engine(env);
    assert_int_equal(open_engine(env), 0); /* both superblocks name it now */
    kill_engine(env);
    flip(env, unit * VOL_UNIT + 200);
    assert_int_equal(open_engine(env), -EBADMSG);
    flip(env, unit * VOL_UNIT + 200);
    assert_int_equal(open_engine(env), 0);
    assert_true(has(env, "a"));
}

/* The older superblock's journal does not reach the newer one's any more. */
static void test_bad_checkpoint_with_cut_journal(void **state) {
    struct env *env = *state;
    assert_int_equal(open_engine(env), 0);
    put(env, "a");
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    uint64_t unit = env->v->super.checkpoint.first;
    kill_engine(env);
    flip(env, unit * VOL_UNIT + 200);
    flip(env, VOL_JOURNAL_AT * VOL_UNIT + 100);
    assert_int_equal(open_engine(env), -EBADMSG);
}

/* ---- faults ---- */

#define FAULTS                                                                         \
    (SIM_BIT(SIM_OPEN) | SIM_BIT(SIM_CREATE) | SIM_BIT(SIM_STAT) | SIM_BIT(SIM_READ) | \
     SIM_BIT(SIM_WRITE) | SIM_BIT(SIM_FSYNC) | SIM_BIT(SIM_TRUNCATE) | SIM_BIT(SIM_LOCK))

/* Starts with the nth call failing, then, from what a power loss leaves of that, without a fault.
 * Returns false when there is no nth call. */
static bool start_with_fault(struct env *env, uint64_t n, bool fresh) {
    struct lb_volume_conf conf = {.path = PATH, .size = SIZE, .no_keeper = true};
    struct sim_fs *whole = env->fs;
    env->fs = sim_fs_kill(whole);
    lb_buf_clear(&env->why);
    sim_fs_fail(env->fs, FAULTS, n, 0, false);
    int err = lb_volume_open(&conf, sim_fs_vfs(env->fs), &env->why, &env->engine);
    bool failed = sim_fs_failed(env->fs) > 0;
    sim_fs_fail(env->fs, FAULTS, 0, 0, false);
    assert_int_equal(err != 0, env->why.len > 0);
    struct sim_fs *lost = sim_fs_crash(env->fs, n);
    close_engine(env);
    assert_int_equal(sim_fs_open_count(env->fs), 0);
    sim_fs_free(env->fs);
    env->fs = lost;
    assert_int_equal(lb_volume_open(&conf, sim_fs_vfs(lost), &env->why, &env->engine), 0);
    env->v = LB_CONTAINER_OF(env->engine, struct vol_engine, engine);
    assert_true(fresh || (has(env, "a") && has(env, "b") && has(env, "c")));
    close_engine(env);
    sim_fs_free(lost);
    env->fs = whole;
    return failed;
}

static void test_faults_at_start(void **state) {
    struct env *env = *state;
    batch_begin(env);
    add_large(env, "c", 0, true);
    batch_end(env);
    assert_int_equal(open_engine(env), 0);
    put(env, "a");
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    put(env, "b");
    kill_engine(env);
    uint64_t n = 1;
    while (start_with_fault(env, n, false))
        n++;
    assert_true(n > 10);
}

static void test_faults_at_formatting(void **state) {
    static const struct sim_fs_conf conf = {.seed = 2, .journaled = true};
    struct env *env = *state;
    sim_fs_free(env->fs);
    env->fs = sim_fs_new(&conf);
    uint64_t n = 1;
    while (start_with_fault(env, n, true))
        n++;
    assert_true(n > 20);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_both_superblocks_good),
        TEST(test_one_superblock_bad),
        TEST(test_both_superblocks_bad),
        TEST(test_newer_format),
        TEST(test_two_volumes),
        TEST(test_wrong_size),
        TEST(test_clean_stop),
        TEST(test_torn_tail),
        TEST(test_torn_at_every_sector),
        TEST(test_damaged_before_good),
        TEST(test_lost_before_unflushed),
        TEST(test_stale_of_an_earlier_lap),
        TEST(test_stale_of_an_earlier_epoch),
        TEST(test_sequence_goes_back),
        TEST(test_bad_record),
        TEST(test_full_ring),
        TEST(test_older_superblock_too_old),
        TEST(test_body_not_written),
        TEST(test_body_of_the_removed),
        TEST(test_body_rotten_after_flush),
        TEST(test_owned_twice),
        TEST(test_outside),
        TEST(test_checkpoint),
        TEST(test_bad_checkpoint),
        TEST(test_bad_checkpoint_without_another),
        TEST(test_bad_checkpoint_with_cut_journal),
        TEST(test_faults_at_start),
        TEST(test_faults_at_formatting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
