/* A volume in a temporary file, changed through its journal from the test's own thread. */
#ifndef LB_TESTS_KEEPER_ENV_H
#define LB_TESTS_KEEPER_ENV_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/prng.h"
#include "engine/volume/keeper.h"
#include "engine/volume/ops_priv.h"
#include "io/vfs.h"
#include "lib/check.h"

#define ENV_BUCKET 1u
#define ENV_SIZE (64u << 20)
#define ENV_BODY_MAX VOL_SUM_SIZE

struct env {
    char path[64];
    struct vol_engine *v;
    struct lb_prng prng;
    char *body; /* ENV_BODY_MAX bytes, all there are of any body */
};

/* ---- the device, when the test wants to be asked ---- */

struct env_device {
    struct vol_device device;
    struct vol_device *real;
    int left; /* calls until one fails; negative: none does */
    void (*on_flush)(struct env_device *d);
    void *ctx;
};

static inline struct env_device *env_device_of(struct vol_device *d) {
    return LB_CONTAINER_OF(d, struct env_device, device);
}

static inline bool env_fails(struct env_device *d) {
    return d->left >= 0 && d->left-- == 0;
}

static int env_read_now(struct vol_device *d, uint64_t at, void *buf, size_t len) {
    struct vol_device *real = env_device_of(d)->real;
    return real->ops->read_now(real, at, buf, len);
}

static int env_write_now(struct vol_device *d, uint64_t at, const void *buf, size_t len) {
    struct env_device *e = env_device_of(d);
    return env_fails(e) ? -EIO : e->real->ops->write_now(e->real, at, buf, len);
}

static int env_flush_now(struct vol_device *d) {
    struct env_device *e = env_device_of(d);
    if (env_fails(e))
        return -EIO;
    if (e->on_flush)
        e->on_flush(e);
    return e->real->ops->flush_now(e->real);
}

static const struct vol_device_ops env_device_ops = {.name = "test",
                                                     .read_now = env_read_now,
                                                     .write_now = env_write_now,
                                                     .flush_now = env_flush_now};

static inline void env_wrap(struct env *env, struct env_device *d) {
    *d = (struct env_device){
        .device = {&env_device_ops, env->v->device->units}, .real = env->v->device, .left = -1};
    env->v->device = &d->device;
}

static inline void env_unwrap(struct env *env, struct env_device *d) {
    env->v->device = d->real;
}

/* ---- opening ---- */

static inline struct vol_engine *env_open_path(const char *path) {
    struct lb_volume_conf conf = {
        .path = path, .size = ENV_SIZE, .no_keeper = true, .staged_max = 1u << 20};
    struct lb_buf why;
    struct lb_engine *e = NULL;
    lb_buf_init(&why, 1000);
    int err = lb_volume_open(&conf, lb_vfs_posix(), &why, &e);
    if (err)
        print_error("%d: %.*s\n", err, (int)why.len, why.ptr);
    assert_int_equal(err, 0);
    lb_buf_fini(&why);
    return LB_CONTAINER_OF(e, struct vol_engine, engine);
}

static inline void env_open(struct env *env) {
    env->v = env_open_path(env->path);
}

static inline void env_close(struct env *env) {
    env->v->engine.ops->free(&env->v->engine);
    env->v = NULL;
}

/* The file as it is now, as after a kill, in another one. Returns its path, to be unlinked. */
static inline const char *env_copy(struct env *env) {
    static char copy[80];
    snprintf(copy, sizeof(copy), "%s-copy", env->path);
    int from = open(env->path, O_RDONLY), to = open(copy, O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct stat st;
    assert_true(from >= 0 && to >= 0 && fstat(from, &st) == 0);
    for (off_t off = 0; off < st.st_size;)
        assert_true(sendfile(to, from, &off, (size_t)(st.st_size - off)) > 0);
    close(from);
    close(to);
    return copy;
}

static int env_set_up(void **state) {
    struct env *env = calloc(1, sizeof(*env));
    snprintf(env->path, sizeof(env->path), "/tmp/lobos-volume-XXXXXX");
    int fd = mkstemp(env->path);
    assert_true(fd >= 0);
    close(fd);
    unlink(env->path);
    lb_prng_seed(&env->prng, 1);
    env->body = aligned_alloc(VOL_UNIT, ENV_BODY_MAX);
    for (size_t i = 0; i < ENV_BODY_MAX; i++)
        env->body[i] = (char)lb_prng_next(&env->prng);
    env_open(env);
    *state = env;
    return 0;
}

static int env_tear_down(void **state) {
    struct env *env = *state;
    if (env->v)
        env_close(env);
    unlink(env->path);
    free(env->body);
    free(env);
    return 0;
}

/* ---- changes ---- */

struct env_change {
    struct vol_change c;
    struct vol_record record;
    struct vol_extent extents[64];
    uint32_t sum;
    const char *body;
    bool again; /* with the sequence number that the record has */
};

static inline void env_write(struct vol_engine *v, const struct env_change *e) {
    const char *from = e->body;
    for (size_t i = 0; i < e->record.object.extents_n; i++) {
        struct vol_extent at = e->extents[i];
        assert_int_equal(
            v->device->ops->write_now(v->device, at.first, from, (size_t)at.n * VOL_UNIT), 0);
        from += at.n * VOL_UNIT;
    }
}

static int env_decide(struct vol_engine *v, struct vol_change *c) {
    struct env_change *e = LB_CONTAINER_OF(c, struct env_change, c);
    struct vol_object *o = &e->record.object;
    if (e->record.kind == VOL_REC_PUT && !e->again) {
        o->seq = c->seq;
        if (o->size > VOL_INLINE_BODY_MAX && o->extents_n == 0) {
            int n = vol_alloc_take(v->alloc, vol_units_of(o->size), 0, vol_keep_free(v), e->extents,
                                   CHECK_COUNT(e->extents));
            if (n < 0)
                return n;
            o->extents = e->extents;
            o->extents_n = (size_t)n;
            env_write(v, e);
        }
    }
    c->record = e->record;
    return 0;
}

static inline int env_submit(struct env *env, struct env_change *e) {
    e->c.decide = env_decide;
    e->c.key_hash = vol_key_hash(e->record.bucket, e->record.object.key);
    return vol_journal_now(env->v, &e->c);
}

static inline int env_put(struct env *env, const char *key, size_t size, struct lb_slice meta) {
    struct env_change e = {.record = {.kind = VOL_REC_PUT, .bucket = ENV_BUCKET}};
    struct vol_object *o = &e.record.object;
    bool small = size <= VOL_INLINE_BODY_MAX;
    *o = (struct vol_object){.bucket = ENV_BUCKET,
                             .key = lb_slice_cstr(key),
                             .size = size,
                             .meta = meta,
                             .meta_len = (uint32_t)meta.len,
                             .flags = VOL_NULL,
                             .sums = &e.sum,
                             .sums_n = vol_sums_of(size)};
    e.record.body = lb_slice(env->body, small ? size : 0);
    e.body = env->body;
    e.sum = vol_crc(lb_slice(env->body, size));
    return env_submit(env, &e);
}

static inline int env_remove(struct env *env, const char *key) {
    struct vol_object o;
    pthread_mutex_lock(&env->v->lock);
    int err = vol_index_current(env->v->index, ENV_BUCKET, lb_slice_cstr(key), &o);
    pthread_mutex_unlock(&env->v->lock);
    if (err)
        return err;
    struct env_change e = {.record = {.kind = VOL_REC_REMOVE,
                                      .bucket = ENV_BUCKET,
                                      .object = {.key = lb_slice_cstr(key), .seq = o.seq}}};
    return env_submit(env, &e);
}

static inline int env_bucket(struct env *env, uint32_t number, const char *name,
                             const char *settings) {
    struct env_change e = {.record = {.kind = VOL_REC_BUCKET,
                                      .bucket = number,
                                      .name = lb_slice_cstr(name),
                                      .created_ns = 5,
                                      .blob = lb_slice_cstr(settings)}};
    return env_submit(env, &e);
}

/* n random changes of 400 keys. */
static inline void env_change(struct env *env, unsigned n) {
    while (n--) {
        char key[32];
        snprintf(key, sizeof(key), "key %03u", (unsigned)lb_prng_below(&env->prng, 400));
        if (lb_prng_below(&env->prng, 4) == 0) {
            int err = env_remove(env, key);
            assert_true(err == 0 || err == -ENOENT);
        } else {
            bool large = lb_prng_below(&env->prng, 8) == 0;
            size_t size = lb_prng_below(&env->prng, large ? 40000 : VOL_INLINE_BODY_MAX);
            struct lb_slice meta = lb_slice(env->body, lb_prng_below(&env->prng, 300));
            assert_int_equal(env_put(env, key, size, meta), 0);
        }
    }
}

/* ---- what is there ---- */

/* All that must be the same after a start, as text. Owned by the caller. */
static inline struct lb_buf env_text(struct vol_engine *v) {
    struct lb_buf b;
    struct vol_object o;
    lb_buf_init(&b, 64u << 20);
    pthread_mutex_lock(&v->lock);
    int err = vol_index_seek(v->index, 0, LB_S(""), UINT64_MAX, &o);
    for (; err == 0; err = vol_index_next(v->index, &o, &o)) {
        lb_buf_printf(&b, "%u %.*s %llu %llu %d %u %llu\n", o.bucket, LB_SLICE_ARG(o.key),
                      (unsigned long long)o.seq, (unsigned long long)o.size, o.flags & ~VOL_STAGED,
                      o.meta_len, (unsigned long long)(o.extents_n ? o.extents[0].first : 0));
    }
    lb_buf_printf(&b, "%zu buckets, %zu uploads", v->buckets.len, v->uploads.len);
    pthread_mutex_unlock(&v->lock);
    assert_int_equal(b.err, 0);
    return b;
}

static inline void env_claim(struct vol_alloc *a, struct vol_extent e) {
    assert_int_equal(vol_alloc_claim(a, e), 0);
}

/* Each unit has one owner or is free, and packs know how many of their bytes live. */
static inline void env_account(struct vol_engine *v) {
    uint64_t first = VOL_JOURNAL_AT + v->super.journal_units, live = 0, in_packs = 0;
    struct vol_alloc *a = vol_alloc_new(first, v->super.units - first);
    struct vol_object o;
    pthread_mutex_lock(&v->lock);
    int err = vol_index_seek(v->index, 0, LB_S(""), UINT64_MAX, &o);
    for (; err == 0; err = vol_index_next(v->index, &o, &o)) {
        for (size_t i = 0; !(o.flags & VOL_COMPOSED) && i < o.extents_n; i++)
            env_claim(a, o.extents[i]);
        assert_int_equal(o.pack != 0, vol_staged_find(v, o.seq) == NULL);
        live += o.pack ? o.pack_len : 0;
    }
    for (struct lb_map_node *n = lb_map_first(&v->packs); n; n = lb_map_next(&v->packs, n)) {
        const struct vol_pack *p = LB_CONTAINER_OF(n, struct vol_pack, by_unit);
        env_claim(a, p->extent);
        assert_true(p->live > 0 && p->live < p->extent.n * VOL_UNIT);
        in_packs += p->live;
    }
    for (size_t i = 0; i < v->checkpoint_n; i++)
        env_claim(a, v->checkpoint[i]);
    assert_int_equal(live, in_packs);
    assert_int_equal(vol_alloc_free_units(a),
                     vol_alloc_free_units(v->alloc) + vol_alloc_later_units(v->alloc));
    assert_int_equal(vol_alloc_check(v->alloc), 0);
    pthread_mutex_unlock(&v->lock);
    vol_alloc_free(a);
}

/* A start from the file as it is now finds what memory holds. */
static inline void env_check_copy(struct env *env) {
    struct lb_buf was = env_text(env->v);
    const char *path = env_copy(env);
    struct vol_engine *v = env_open_path(path);
    struct lb_buf now = env_text(v);
    if (!lb_slice_eq(lb_buf_slice(&was), lb_buf_slice(&now)))
        print_error("was:\n%.*s\nnow:\n%.*s\n", (int)was.len, was.ptr, (int)now.len, now.ptr);
    assert_true(lb_slice_eq(lb_buf_slice(&was), lb_buf_slice(&now)));
    env_account(v);
    v->engine.ops->free(&v->engine);
    unlink(path);
    lb_buf_fini(&was);
    lb_buf_fini(&now);
}

/* The same after a clean stop. */
static inline void env_check_restart(struct env *env) {
    struct lb_buf was = env_text(env->v);
    env_close(env);
    env_open(env);
    struct lb_buf now = env_text(env->v);
    assert_true(lb_slice_eq(lb_buf_slice(&was), lb_buf_slice(&now)));
    env_account(env->v);
    lb_buf_fini(&was);
    lb_buf_fini(&now);
}

#endif
