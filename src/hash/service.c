/* The loop's hashing service: streams with work take turns in the MD5 lanes.
 *
 * A stream with pending jobs is in exactly one place: in the list `ready`, or in a lane. A stream
 * without any is in neither. From `ready` it gets a free lane for one run: whole blocks of its
 * first job, at most RUN_MAX bytes. The lanes advance together, by as many blocks as the shortest
 * run has left; a lane whose run is over is given to the next stream that is ready, so none waits
 * for a longer one. What is short of a block stays in the stream's tail.
 *
 * Lanes are occupied within a tick only; between ticks every chaining value is with its stream. A
 * done callback runs when its stream has left its lane and is in a state that allows anything:
 * adding, finalising, fini of this stream or another. Nothing here touches the job or its stream
 * after the callback. */
#include "hash/hash.h"
#include "hash/md5_priv.h"

#include <assert.h>
#include <stdlib.h>

/* The runs of 16 lanes are half of a second-level cache of 1 MiB: a stream's other digests, made
 * when its run is over, find the bytes there. */
#define RUN_MAX (32u << 10)

/* The tick's budget is in bytes of a full set of lanes. A step of one block takes nearly the same
 * time in 16 lanes, in 8, or alone by lb_md5_blocks (120, 110 and 85 ns where it was measured), so
 * it costs the same. */
#define STEP_COST ((int64_t)LB_MD5_LANES_MAX * LB_MD5_BLOCK)
/* What a job costs beside its bytes; bounds a tick in which callbacks add empty jobs. */
#define JOB_COST 512

/* Cost of a byte in the kinds that have no lanes. */
static const uint8_t byte_cost[LB_HASH_KINDS] = {
    [LB_HASH_SHA1] = 5,   [LB_HASH_SHA256] = 5,    [LB_HASH_CRC32] = 1,
    [LB_HASH_CRC32C] = 1, [LB_HASH_CRC64NVME] = 1,
};

struct lane {
    struct lb_hash_stream *st; /* NULL: idle */
    const uint8_t *at;         /* the run's next block */
    size_t done, left;         /* blocks of the run */
};

struct lb_hash_service {
    lb_md5_kernel kernel; /* NULL: one lane, by lb_md5_blocks */
    unsigned width;       /* lanes in use */
    const char *name;
    struct lb_list ready;
    int64_t budget;  /* what is left of the tick's, below zero when overdrawn */
    unsigned active; /* lanes that are not idle */
    struct lane lanes[LB_MD5_LANES_MAX];
    struct lb_md5_lane_state state;
};

/* The kernel for a kind of lanes, or NULL when this CPU has none. */
static lb_md5_kernel kernel_of(enum lb_md5_lanes lanes) {
#if defined(__x86_64__)
    if (lanes == LB_MD5_AVX512 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return lb_md5_blocks_avx512;
    if (lanes == LB_MD5_AVX2 && __builtin_cpu_supports("avx2"))
        return lb_md5_blocks_avx2;
#endif
    return NULL;
}

static enum lb_md5_lanes best_lanes(void) {
    return kernel_of(LB_MD5_AVX512) ? LB_MD5_AVX512
           : kernel_of(LB_MD5_AVX2) ? LB_MD5_AVX2
                                    : LB_MD5_SCALAR;
}

struct lb_hash_service *lb_hash_service_new(enum lb_md5_lanes lanes) {
    static const struct {
        unsigned width;
        const char *name;
    } kinds[] = {
        [LB_MD5_SCALAR] = {1, "scalar"},
        [LB_MD5_AVX2] = {8, "avx2 x8"},
        [LB_MD5_AVX512] = {16, "avx512 x16"},
    };
    if (lanes == LB_MD5_AUTO)
        lanes = best_lanes();
    lb_md5_kernel kernel = kernel_of(lanes);
    if (!kernel && lanes != LB_MD5_SCALAR)
        return NULL;
    struct lb_hash_service *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    lb_list_init(&s->ready);
    s->kernel = kernel;
    s->width = kinds[lanes].width;
    s->name = kinds[lanes].name;
    return s;
}

void lb_hash_service_free(struct lb_hash_service *s) {
    if (!s)
        return;
    assert(s->active == 0 && lb_list_empty(&s->ready));
    free(s);
}

const char *lb_hash_service_name(const struct lb_hash_service *s) {
    return s->name;
}

static bool wants_md5(const struct lb_hash_stream *st) {
    return st->kinds & LB_HASH_BIT(LB_HASH_MD5);
}

static struct lb_hash_job *first_job(const struct lb_hash_stream *st) {
    return LB_CONTAINER_OF(st->jobs.next, struct lb_hash_job, link);
}

/* What is left of the first job. */
static struct lb_slice job_rest(const struct lb_hash_stream *st) {
    return lb_slice_from(first_job(st)->data, st->job_at);
}

/* Moves the stream on by n bytes whose MD5 is done or kept: the other kinds follow. */
static void advance(struct lb_hash_service *s, struct lb_hash_stream *st, size_t n) {
    if (n == 0)
        return;
    lb_hasher_update(&st->other, lb_slice_first(job_rest(st), n));
    for (unsigned left = st->other.kinds; left; left &= left - 1)
        s->budget -= (int64_t)n * byte_cost[__builtin_ctz(left)];
    st->len += n;
    st->job_at += n;
}

/* Adds bytes to the tail and hashes it when it becomes a block. Returns how many it took. */
static size_t tail_add(struct lb_hash_service *s, struct lb_hash_stream *st, struct lb_slice data) {
    data = lb_slice_first(data, LB_MD5_BLOCK - st->md5_tail_len);
    if (data.len == 0)
        return 0;
    memcpy(st->md5_tail + st->md5_tail_len, data.ptr, data.len);
    st->md5_tail_len += (uint32_t)data.len;
    if (st->md5_tail_len == LB_MD5_BLOCK) {
        lb_md5_blocks(st->md5, st->md5_tail, 1);
        st->md5_tail_len = 0;
        s->budget -= STEP_COST;
    }
    return data.len;
}

/* Puts a stream whose turn is over where it belongs: behind the others while it has work. A job
 * that is finished is reported; st may be gone after that. */
static void settle(struct lb_hash_service *s, struct lb_hash_stream *st) {
    struct lb_slice rest = job_rest(st);
    if (wants_md5(st) && rest.len < LB_MD5_BLOCK) {
        advance(s, st, tail_add(s, st, rest));
        rest.len = 0;
    }
    if (rest.len) {
        lb_list_append(&s->ready, &st->link);
        return;
    }
    struct lb_hash_job *job = first_job(st);
    lb_list_remove(&job->link);
    st->job_at = 0;
    if (!lb_list_empty(&st->jobs))
        lb_list_append(&s->ready, &st->link);
    s->budget -= JOB_COST;
    job->done(job);
}

/* Ends the turn of the lane's stream, wherever its run stands. */
static void lane_leave(struct lb_hash_service *s, unsigned l) {
    struct lane *lane = &s->lanes[l];
    struct lb_hash_stream *st = lane->st;
    for (int w = 0; w < 4; w++)
        st->md5[w] = s->state.w[w][l];
    lane->st = NULL;
    s->active--;
    advance(s, st, lane->done * LB_MD5_BLOCK);
    settle(s, st);
}

/* Begins a turn: takes the stream into lane l, or does at once what needs no lane. */
static void begin_turn(struct lb_hash_service *s, struct lb_hash_stream *st, unsigned l) {
    if (!wants_md5(st)) {
        advance(s, st, lb_slice_first(job_rest(st), RUN_MAX).len);
        settle(s, st);
        return;
    }
    if (st->md5_tail_len)
        advance(s, st, tail_add(s, st, job_rest(st)));
    struct lb_slice run = lb_slice_first(job_rest(st), RUN_MAX);
    if (run.len < LB_MD5_BLOCK) {
        settle(s, st);
        return;
    }
    s->lanes[l] = (struct lane){st, (const uint8_t *)run.ptr, 0, run.len / LB_MD5_BLOCK};
    s->active++;
    for (int w = 0; w < 4; w++)
        s->state.w[w][l] = st->md5[w];
}

/* Gives idle lanes to streams that are ready. */
static void fill(struct lb_hash_service *s) {
    for (unsigned l = 0; l < s->width; l++) {
        while (!s->lanes[l].st && s->budget > 0) {
            struct lb_list *node = lb_list_pop(&s->ready);
            if (!node)
                return;
            begin_turn(s, LB_CONTAINER_OF(node, struct lb_hash_stream, link), l);
        }
    }
}

/* n blocks of lane l alone: one stream gains nothing from lanes. */
static void step_alone(struct lb_hash_service *s, unsigned l, size_t n) {
    uint32_t md5[4];
    for (int w = 0; w < 4; w++)
        md5[w] = s->state.w[w][l];
    lb_md5_blocks(md5, s->lanes[l].at, n);
    for (int w = 0; w < 4; w++)
        s->state.w[w][l] = md5[w];
}

/* Advances the lanes to the end of the shortest run, and ends that turn. At least one is active. */
static void step(struct lb_hash_service *s) {
    const uint8_t *data[LB_MD5_LANES_MAX];
    unsigned some = 0;
    size_t n = SIZE_MAX;
    for (unsigned l = 0; l < s->width; l++) {
        if (s->lanes[l].st && s->lanes[l].left < n) {
            n = s->lanes[l].left;
            some = l;
        }
    }
    if (s->active == 1) {
        step_alone(s, some, n);
    } else {
        /* Idle lanes read an active one's bytes, to no effect. */
        for (unsigned l = 0; l < s->width; l++)
            data[l] = s->lanes[s->lanes[l].st ? l : some].at;
        s->kernel(&s->state, data, n);
    }
    s->budget -= (int64_t)n * STEP_COST;
    for (unsigned l = 0; l < s->width; l++) {
        if (s->lanes[l].st) {
            s->lanes[l].at += n * LB_MD5_BLOCK;
            s->lanes[l].done += n;
            s->lanes[l].left -= n;
        }
    }
    for (unsigned l = 0; l < s->width; l++) {
        if (s->lanes[l].st && s->lanes[l].left == 0)
            lane_leave(s, l);
    }
}

bool lb_hash_service_tick(void *ctx) {
    struct lb_hash_service *s = ctx;
    s->budget = LB_HASH_TICK_BYTES;
    fill(s);
    while (s->active && s->budget > 0) {
        step(s);
        fill(s);
    }
    for (unsigned l = 0; l < s->width; l++) {
        if (s->lanes[l].st)
            lane_leave(s, l);
    }
    return !lb_list_empty(&s->ready);
}

int lb_hash_stream_init(struct lb_hash_stream *st, struct lb_hash_service *s, unsigned kinds) {
    static const uint32_t md5_init[4] = LB_MD5_INIT;
    int err = lb_hasher_init(&st->other, kinds & ~LB_HASH_BIT(LB_HASH_MD5));
    if (err)
        return err;
    st->service = s;
    st->kinds = kinds;
    st->len = 0;
    memcpy(st->md5, md5_init, sizeof(st->md5));
    st->md5_tail_len = 0;
    lb_list_init(&st->jobs);
    st->job_at = 0;
    lb_list_init(&st->link);
    return 0;
}

void lb_hash_stream_add(struct lb_hash_stream *st, struct lb_hash_job *job, struct lb_slice data) {
    bool idle = lb_list_empty(&st->jobs);
    job->data = data;
    lb_list_append(&st->jobs, &job->link);
    if (idle)
        lb_list_append(&st->service->ready, &st->link);
}

void lb_hash_stream_final(struct lb_hash_stream *st, enum lb_hash_kind kind,
                          struct lb_digest *ret) {
    assert(lb_list_empty(&st->jobs) && (st->kinds & LB_HASH_BIT(kind)));
    if (kind != LB_HASH_MD5) {
        lb_hasher_final(&st->other, kind, ret);
        return;
    }
    lb_md5_finish(st->md5, st->md5_tail, st->len, ret->bytes);
    ret->len = (uint8_t)lb_hash_size(kind);
}

void lb_hash_stream_fini(struct lb_hash_stream *st) {
    struct lb_hash_service *s = st->service;
    if (!s)
        return;
    for (unsigned l = 0; s->active && l < s->width; l++) {
        if (s->lanes[l].st == st) {
            s->lanes[l].st = NULL;
            s->active--;
        }
    }
    lb_list_remove(&st->link);
    while (lb_list_pop(&st->jobs))
        ;
    lb_hasher_fini(&st->other);
    st->service = NULL;
}
