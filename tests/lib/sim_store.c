/* See sim_store.h. */
#include "sim_store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "engine/fs/fs.h"

#define POOL_MAX (8u << 20)
#define ARENA_MAX (16u << 20)
#define CHUNK 16384u
#define TURNS_MAX 200000

static int open_fs(struct sim_store *s) {
    struct lb_fs_conf conf = {.dir = SIM_STORE_DIR, .open_files_max = 8};
    return lb_fs_open(&conf, sim_fs_vfs(s->fs), &s->engine);
}

int sim_store_open(struct sim_store *s, struct sim_fs *fs, uint64_t seed) {
    return sim_store_open_with(s, fs, seed, open_fs);
}

int sim_store_open_with(struct sim_store *s, struct sim_fs *fs, uint64_t seed,
                        int (*open)(struct sim_store *s)) {
    struct sim_conf sim_conf = {.seed = seed};
    *s = (struct sim_store){.fs = fs};
    lb_hash_bytes_seed(1, 2);
    s->sim = sim_new(&sim_conf, fs);
    s->io = sim_loop_new(s->sim);
    s->pool = lb_pool_new(POOL_MAX);
    assert(s->pool);
    lb_prng_seed(&s->keeper, seed);
    int err = open(s);
    if (!err) {
        s->ops = s->engine->ops;
        err = s->ops->attach(s->engine, s->io, s->pool, &s->port);
    }
    if (err)
        sim_store_close(s);
    return err;
}

void sim_store_close(struct sim_store *s) {
    assert(s->jobs == 0);
    sim_run(s->sim, NULL, TURNS_MAX);
    if (s->port)
        s->ops->detach(s->port);
    if (s->engine)
        s->engine->ops->free(s->engine);
    lb_io_free(s->io);
    sim_free(s->sim);
    assert(lb_pool_used(s->pool) == 0);
    lb_pool_free(s->pool);
    *s = (struct sim_store){0};
}

void sim_content(uint64_t id, uint64_t off, void *ret, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint64_t word = (id * 0x9e3779b97f4a7c15u + (off + i) / 8) * 0xbf58476d1ce4e5b9u;
        word ^= word >> 29;
        ((uint8_t *)ret)[i] = (uint8_t)(word >> (off + i) % 8 * 8);
    }
}

struct lb_etag sim_etag(uint64_t id) {
    struct lb_etag e;
    e.len = (uint8_t)snprintf(e.text, sizeof(e.text), "%032llx", (unsigned long long)id);
    return e;
}

/* Jobs. */

static void job_done(struct sim_job *j, int err) {
    assert(!j->done);
    j->done = true;
    j->err = err;
    j->store->jobs--;
    if (j->on_done)
        j->on_done(j);
}

static void call_done(struct lb_engine_op *op, int err) {
    job_done(op->user, err);
}

void sim_job_init(struct sim_store *s, struct sim_job *j, struct lb_slice bucket,
                  struct lb_slice key) {
    memset(j, 0, sizeof(*j));
    j->store = s;
    lb_arena_init(&j->arena, ARENA_MAX);
    j->op = (struct lb_engine_op){.done = call_done,
                                  .arena = &j->arena,
                                  .user = j,
                                  .bucket = bucket,
                                  .key = key,
                                  .max = 1000,
                                  .size_hint = LB_SIZE_UNKNOWN};
}

void sim_job_fini(struct sim_job *j) {
    lb_arena_fini(&j->arena);
}

void sim_job_call(struct sim_job *j, sim_method method) {
    j->store->jobs++;
    method(j->store->port, &j->op);
}

static void put_pump(struct sim_job *j);

static void put_wrote(struct lb_engine_op *op, int err) {
    struct sim_job_chunk *c = op->user;
    struct sim_job *j = c->job;
    lb_pool_put(c->buf);
    c->buf = NULL;
    j->flying--;
    if (err && !j->write_err)
        j->write_err = err;
    put_pump(j);
}

static void put_end(struct sim_job *j) {
    const struct lb_engine_ops *ops = j->store->ops;
    if (j->write_err || j->give_up) {
        ops->abort(j->op.writer);
        j->op.writer = NULL;
        job_done(j, j->write_err);
        return;
    }
    j->op.done = call_done;
    j->op.etag = sim_etag(j->content);
    ops->commit(j->op.writer, &j->op);
}

/* Keeps the window full. What was submitted last completes in any order. */
static void put_pump(struct sim_job *j) {
    for (size_t i = 0; i < SIM_JOB_WINDOW && j->sent < j->size && !j->write_err; i++) {
        struct sim_job_chunk *c = &j->chunks[i];
        if (c->buf)
            continue;
        size_t n = j->size - j->sent < CHUNK ? j->size - j->sent : CHUNK;
        c->job = j;
        c->buf = lb_pool_get(j->store->pool, CHUNK);
        assert(c->buf);
        sim_content(j->content, j->sent, c->buf->ptr, n);
        c->buf->len = (uint32_t)n;
        c->op = (struct lb_engine_op){.done = put_wrote, .user = c};
        j->sent += n;
        j->flying++;
        j->store->ops->write(j->op.writer, &c->op, c->buf);
    }
    if (j->flying == 0)
        put_end(j);
}

static void put_created(struct lb_engine_op *op, int err) {
    if (err)
        job_done(op->user, err);
    else
        put_pump(op->user);
}

void sim_job_put(struct sim_job *j, uint64_t content, uint64_t size) {
    j->content = content;
    j->size = size;
    j->op.done = put_created;
    j->store->jobs++;
    j->store->ops->create(j->store->port, &j->op);
}

int sim_job_wait(struct sim_job *j) {
    if (!sim_run(j->store->sim, &j->done, TURNS_MAX)) {
        fprintf(stderr, "sim: an operation never completes\n");
        abort();
    }
    return j->err;
}

void sim_store_wait(struct sim_store *s) {
    for (int i = 0; s->jobs > 0; i++) {
        if (!sim_turn(s->sim) || i > TURNS_MAX) {
            fprintf(stderr, "sim: %zu operations never complete\n", s->jobs);
            abort();
        }
    }
}

/* Reading. */

struct reading {
    bool done;
    int err;
};

static void reading_done(struct lb_engine_op *op, int err) {
    struct reading *r = op->user;
    r->done = true;
    r->err = err;
}

/* One piece, from a file's range or a buffer. */
static int read_piece(struct sim_store *s, struct lb_reader *reader, struct sim_got *g,
                      uint64_t *at) {
    struct reading r = {0};
    struct lb_engine_op op = {.done = reading_done, .user = &r};
    s->ops->read(reader, &op, *at, g->size - *at, *at % 2 == 0);
    if (!sim_run(s->sim, &r.done, TURNS_MAX))
        abort();
    if (r.err)
        return r.err;
    assert(op.piece.len > 0 && op.piece.len <= g->size - *at);
    if (op.piece.fd < 0) {
        memcpy(g->bytes + *at, op.piece.buf->ptr + op.piece.buf_at, op.piece.len);
        lb_pool_put(op.piece.buf);
    } else {
        struct lb_vfs *v = sim_fs_vfs(s->fs);
        int64_t n = v->ops->pread(v, op.piece.fd, g->bytes + *at, op.piece.len, op.piece.off);
        if (n != (int64_t)op.piece.len)
            return n < 0 ? (int)n : -EIO;
    }
    *at += op.piece.len;
    return 0;
}

int sim_store_get(struct sim_store *s, struct lb_slice bucket, struct lb_slice key,
                  struct sim_got *ret) {
    return sim_store_get_version(s, bucket, key, (struct lb_slice){0}, ret, NULL);
}

int sim_store_get_version(struct sim_store *s, struct lb_slice bucket, struct lb_slice key,
                          struct lb_slice version, struct sim_got *ret,
                          struct lb_object_info *ret_info) {
    struct sim_job j;
    struct sim_got g = {0};
    sim_job_init(s, &j, bucket, key);
    j.op.version = version;
    sim_job_call(&j, s->ops->open);
    int err = sim_job_wait(&j);
    if (ret_info)
        *ret_info = j.op.info;
    if (err) {
        sim_job_fini(&j);
        return err;
    }
    const struct lb_object_info *info = &j.op.reader->info;
    g.size = info->size;
    g.etag = info->etag;
    g.meta_len = info->meta.len;
    g.meta = malloc(g.meta_len + 1);
    g.bytes = malloc(g.size + 1);
    assert(g.meta && g.bytes);
    if (g.meta_len)
        memcpy(g.meta, info->meta.ptr, g.meta_len);
    for (uint64_t at = 0; at < g.size && !err;)
        err = read_piece(s, j.op.reader, &g, &at);
    s->ops->reader_close(j.op.reader);
    sim_job_fini(&j);
    if (err)
        sim_got_fini(&g);
    else
        *ret = g;
    return err;
}

void sim_got_fini(struct sim_got *g) {
    free(g->bytes);
    free(g->meta);
    g->bytes = NULL;
    g->meta = NULL;
}

bool sim_got_is(const struct sim_got *g, uint64_t off, uint64_t content, uint64_t size) {
    if (off > g->size || g->size - off < size)
        return false;
    uint8_t *want = malloc(size + 1);
    assert(want);
    sim_content(content, 0, want, size);
    bool same = memcmp(want, g->bytes + off, size) == 0;
    free(want);
    return same;
}

static int list_all(struct sim_store *s, struct lb_slice bucket, size_t page, bool versions,
                    void (*fn)(void *ctx, const struct lb_list_entry *e), void *ctx) {
    struct lb_version_id id = {.len = 0};
    char after[LB_KEY_MAX];
    size_t after_len = 0;
    bool more = true;
    int err = 0;
    while (more && !err) {
        struct sim_job j;
        sim_job_init(s, &j, bucket, (struct lb_slice){0});
        j.op.after = lb_slice(after, after_len);
        j.op.after_id = lb_version_slice(&id);
        j.op.versions = versions;
        j.op.max = page;
        sim_job_call(&j, s->ops->list);
        err = sim_job_wait(&j);
        for (size_t i = 0; i < j.op.list.n && !err; i++)
            fn(ctx, &j.op.list.entries[i]);
        more = !err && j.op.list.truncated;
        if (more) {
            assert(j.op.list.n > 0);
            struct lb_slice last = j.op.list.entries[j.op.list.n - 1].key;
            after_len = last.len;
            memcpy(after, last.ptr, last.len);
            if (versions)
                id = j.op.list.entries[j.op.list.n - 1].info.version;
        }
        sim_job_fini(&j);
    }
    return err;
}

int sim_store_list(struct sim_store *s, struct lb_slice bucket, size_t page,
                   void (*fn)(void *ctx, const struct lb_list_entry *e), void *ctx) {
    return list_all(s, bucket, page, false, fn, ctx);
}

int sim_store_list_versions(struct sim_store *s, struct lb_slice bucket, size_t page,
                            void (*fn)(void *ctx, const struct lb_list_entry *e), void *ctx) {
    return list_all(s, bucket, page, true, fn, ctx);
}
