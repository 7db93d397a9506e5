/* The hash service on every kind of lanes: streams of any length, chunking and interleaving against
 * the one-shot digests; callbacks that add and fini; the bound of a tick. */
#include "hash/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const lane_names[] = {"auto", "scalar", "avx2", "avx512"};

static uint64_t seed = 7;

static uint32_t rnd(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* A test of a kind of lanes; *state is the enum. */
static struct lb_hash_service *service_of(void **state) {
    enum lb_md5_lanes lanes = *(const enum lb_md5_lanes *)*state;
    struct lb_hash_service *s = lb_hash_service_new(lanes);
    if (!s) {
        print_message("skipped: this CPU lacks what %s lanes need\n", lane_names[lanes]);
        skip();
    }
    return s;
}

/* A stream that gets its message in random pieces, a few in the service's hands at a time. */
#define PIECES_MAX 3

struct source {
    struct lb_hash_stream st;
    struct lb_hash_job jobs[PIECES_MAX];
    bool busy[PIECES_MAX];
    uint8_t *copies[PIECES_MAX]; /* exact size, freed when done: a late read is found */
    uint8_t *data;
    size_t len, given, done;
    uint32_t piece_max;
};

static struct source *all_sources;
static size_t all_sources_n;

static void source_feed(struct source *src);

static void source_done(struct lb_hash_job *job) {
    for (size_t i = 0; i < all_sources_n; i++) {
        struct source *src = &all_sources[i];
        for (int j = 0; j < PIECES_MAX; j++) {
            if (job != &src->jobs[j])
                continue;
            assert_true(src->busy[j]);
            /* In the order given. */
            assert_memory_equal(src->data + src->done, src->copies[j], job->data.len);
            src->done += job->data.len;
            src->busy[j] = false;
            free(src->copies[j]);
            if (rnd(2))
                source_feed(src);
            return;
        }
    }
    fail();
}

static void source_feed(struct source *src) {
    for (int j = 0; j < PIECES_MAX && src->given < src->len; j++) {
        if (src->busy[j])
            continue;
        size_t n = rnd(src->piece_max + 1);
        if (n > src->len - src->given)
            n = src->len - src->given;
        src->copies[j] = malloc(n + !n);
        memcpy(src->copies[j], src->data + src->given, n);
        src->given += n;
        src->busy[j] = true;
        src->jobs[j].done = source_done;
        lb_hash_stream_add(&src->st, &src->jobs[j], lb_slice(src->copies[j], n));
    }
}

static void source_init(struct source *src, struct lb_hash_service *s, unsigned kinds) {
    static const uint32_t piece_max[] = {1, 63, 64, 200, 4096, 70000};
    memset(src, 0, sizeof(*src));
    src->len = rnd(3) ? rnd(20000) : rnd(300);
    if (rnd(10) == 0)
        src->len = 100000 + rnd(100000);
    src->piece_max = piece_max[rnd(6)];
    if (src->piece_max < 64)
        src->len %= 500;
    src->data = malloc(src->len + 1);
    for (size_t i = 0; i < src->len; i++)
        src->data[i] = (uint8_t)rnd(256);
    assert_int_equal(lb_hash_stream_init(&src->st, s, kinds), 0);
}

static void source_check(struct source *src) {
    for (int kind = 0; kind < LB_HASH_KINDS; kind++) {
        struct lb_digest want, got;
        if (!(src->st.kinds & LB_HASH_BIT(kind)))
            continue;
        lb_hash_once(kind, lb_slice(src->data, src->len), &want);
        lb_hash_stream_final(&src->st, kind, &got);
        assert_int_equal(want.len, got.len);
        assert_memory_equal(want.bytes, got.bytes, want.len);
    }
    assert_true(src->st.len == src->len);
}

static void run_sources(struct lb_hash_service *s, size_t n, bool mixed_kinds) {
    struct source *src = calloc(n, sizeof(*src));
    all_sources = src;
    all_sources_n = n;
    for (size_t i = 0; i < n; i++) {
        unsigned kinds = mixed_kinds ? rnd(1u << LB_HASH_KINDS) : LB_HASH_BIT(LB_HASH_MD5);
        source_init(&src[i], s, kinds);
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            if (rnd(3))
                source_feed(&src[i]);
        }
        more = lb_hash_service_tick(s);
        for (size_t i = 0; i < n; i++)
            more |= src[i].done < src[i].len;
    }
    for (size_t i = 0; i < n; i++) {
        source_check(&src[i]);
        lb_hash_stream_fini(&src[i].st);
        lb_hash_stream_fini(&src[i].st);
        free(src[i].data);
    }
    free(src);
}

static void test_random_streams(void **state) {
    static const size_t counts[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 40};
    struct lb_hash_service *s = service_of(state);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            run_sources(s, counts[i], false);
            run_sources(s, counts[i], true);
        }
    }
    lb_hash_service_free(s);
}

/* Every length at once through the lanes, one job each. */
static void count_done(struct lb_hash_job *job) {
    job->data.len = 0;
}

static void test_every_length(void **state) {
    enum { N = 301 };
    struct lb_hash_service *s = service_of(state);
    struct lb_hash_stream *st = calloc(N, sizeof(*st));
    struct lb_hash_job *jobs = calloc(N, sizeof(*jobs));
    uint8_t data[N];
    for (int i = 0; i < N; i++)
        data[i] = (uint8_t)rnd(256);
    for (int i = 0; i < N; i++) {
        assert_int_equal(lb_hash_stream_init(&st[i], s, LB_HASH_BIT(LB_HASH_MD5)), 0);
        jobs[i].done = count_done;
        lb_hash_stream_add(&st[i], &jobs[i], lb_slice(data, (size_t)i));
    }
    while (lb_hash_service_tick(s))
        ;
    for (int i = 0; i < N; i++) {
        struct lb_digest want, got;
        lb_hash_once(LB_HASH_MD5, lb_slice(data, (size_t)i), &want);
        lb_hash_stream_final(&st[i], LB_HASH_MD5, &got);
        assert_memory_equal(want.bytes, got.bytes, 16);
        lb_hash_stream_fini(&st[i]);
    }
    free(st);
    free(jobs);
    lb_hash_service_free(s);
}

/* Streams on the heap that a callback frees: its own, and that of a neighbour in the lanes. */
struct victim {
    struct lb_hash_stream st;
    struct lb_hash_job jobs[2];
    struct victim *kill; /* another one */
    bool dead;
};

static unsigned done_calls;
static char zeros[1 << 20];

static void victim_fini(struct victim *v) {
    lb_hash_stream_fini(&v->st);
    memset(&v->jobs, 0xee, sizeof(v->jobs));
    v->dead = true;
}

static void victim_done(struct lb_hash_job *job) {
    struct victim *v = LB_CONTAINER_OF(job, struct victim, jobs[0]);
    done_calls++;
    assert_false(v->dead);
    if (v->kill && !v->kill->dead)
        victim_fini(v->kill);
    victim_fini(v);
}

static void never_done(struct lb_hash_job *job) {
    fail();
}

static void victim_begin(struct victim *v, struct lb_hash_service *s, size_t len) {
    assert_int_equal(
        lb_hash_stream_init(&v->st, s, LB_HASH_BIT(LB_HASH_MD5) | LB_HASH_BIT(LB_HASH_SHA256)), 0);
    v->jobs[0].done = victim_done;
    v->jobs[1].done = never_done;
    lb_hash_stream_add(&v->st, &v->jobs[0], lb_slice(zeros, len));
    lb_hash_stream_add(&v->st, &v->jobs[1], lb_slice(zeros, 1000));
}

static void test_callback_finis(void **state) {
    enum { N = 20 };
    struct lb_hash_service *s = service_of(state);
    for (int round = 0; round < 50; round++) {
        struct victim *v = calloc(N, sizeof(*v));
        unsigned killers = 0;
        done_calls = 0;
        for (int i = 0; i < N; i++) {
            victim_begin(&v[i], s, rnd(3) ? 64 * rnd(40) : rnd(3000));
            if (i % 2 == 0) {
                v[i].kill = &v[i + 1];
                killers++;
            }
        }
        while (lb_hash_service_tick(s))
            ;
        for (int i = 0; i < N; i++)
            assert_true(v[i].dead);
        assert_in_range(done_calls, killers, N);
        free(v);
    }
    lb_hash_service_free(s);
}

static void test_fini_drops_pending(void **state) {
    struct lb_hash_service *s = service_of(state);
    struct lb_hash_stream st, zeroed = {0};
    struct lb_hash_job jobs[2] = {{.done = never_done}, {.done = never_done}};
    lb_hash_stream_fini(&zeroed);
    assert_int_equal(lb_hash_stream_init(&st, s, LB_HASH_BIT(LB_HASH_MD5)), 0);
    lb_hash_stream_add(&st, &jobs[0], lb_slice(zeros, 5000));
    lb_hash_stream_add(&st, &jobs[1], lb_slice(zeros, 5000));
    lb_hash_stream_fini(&st);
    assert_false(lb_hash_service_tick(s));
    lb_hash_service_free(s);
}

/* A callback that adds to its own and to another stream, a thousand times; the empty jobs among
 * them must not keep the tick from ending. */
struct chain {
    struct lb_hash_stream st[2];
    struct lb_hash_job jobs[2];
    bool busy[2];
    size_t left, bytes[2];
};

static struct chain chain;

static void chain_done(struct lb_hash_job *job) {
    int i = job == &chain.jobs[1];
    chain.busy[i] = false;
    for (int j = 0; j < 2; j++) {
        if (chain.busy[j] || chain.left == 0)
            continue;
        size_t n = chain.left % 3 ? chain.left % 1000 : 0;
        chain.left--;
        chain.busy[j] = true;
        chain.bytes[j] += n;
        lb_hash_stream_add(&chain.st[j], &chain.jobs[j], lb_slice(zeros, n));
    }
}

static void test_callback_adds(void **state) {
    struct lb_hash_service *s = service_of(state);
    memset(&chain, 0, sizeof(chain));
    chain.left = 1000;
    for (int j = 0; j < 2; j++) {
        assert_int_equal(lb_hash_stream_init(&chain.st[j], s, LB_HASH_BIT(LB_HASH_MD5)), 0);
        chain.jobs[j].done = chain_done;
    }
    chain.busy[0] = true;
    lb_hash_stream_add(&chain.st[0], &chain.jobs[0], lb_slice(zeros, 0));
    assert_int_equal(chain.left, 1000); /* not from inside add */
    while (lb_hash_service_tick(s))
        ;
    assert_int_equal(chain.left, 0);
    for (int j = 0; j < 2; j++) {
        struct lb_digest want, got;
        assert_true(chain.bytes[j] > 1000);
        assert_in_range(chain.bytes[j], 1, sizeof(zeros));
        lb_hash_once(LB_HASH_MD5, lb_slice(zeros, chain.bytes[j]), &want);
        lb_hash_stream_final(&chain.st[j], LB_HASH_MD5, &got);
        assert_memory_equal(want.bytes, got.bytes, 16);
        lb_hash_stream_fini(&chain.st[j]);
    }
    lb_hash_service_free(s);
}

/* A callback that always adds an empty job again: every tick ends. */
static struct lb_hash_stream *endless;

static void endless_done(struct lb_hash_job *job) {
    done_calls++;
    lb_hash_stream_add(endless, job, lb_slice(NULL, 0));
}

static void test_endless_callbacks_are_bounded(void **state) {
    struct lb_hash_service *s = service_of(state);
    struct lb_hash_stream st;
    struct lb_hash_job job = {.done = endless_done};
    done_calls = 0;
    endless = &st;
    assert_int_equal(lb_hash_stream_init(&st, s, LB_HASH_BIT(LB_HASH_MD5)), 0);
    lb_hash_stream_add(&st, &job, lb_slice(NULL, 0));
    assert_true(lb_hash_service_tick(s));
    assert_in_range(done_calls, 1, 100000);
    lb_hash_stream_fini(&st);
    assert_false(lb_hash_service_tick(s));
    lb_hash_service_free(s);
}

/* No tick hashes much more than its bytes, and no stream waits for a longer one. */
static void test_tick_is_bounded_and_fair(void **state) {
    enum { N = 40 };
    struct lb_hash_service *s = service_of(state);
    struct lb_hash_stream st[N];
    struct lb_hash_job jobs[N];
    uint64_t before = 0, now = 0;
    bool small_done = false;
    for (int i = 0; i < N; i++) {
        assert_int_equal(lb_hash_stream_init(&st[i], s, LB_HASH_BIT(LB_HASH_MD5)), 0);
        jobs[i].done = count_done;
        lb_hash_stream_add(&st[i], &jobs[i], lb_slice(zeros, i == N - 1 ? 100 : sizeof(zeros)));
    }
    for (bool more = true; more; before = now) {
        more = lb_hash_service_tick(s);
        now = 0;
        for (int i = 0; i < N; i++)
            now += st[i].len;
        assert_true(now > before);
        assert_true(now - before <= LB_HASH_TICK_BYTES + (1u << 20));
        if (!small_done && jobs[N - 1].data.len == 0) {
            small_done = true;
            assert_true(now < N * sizeof(zeros) / 2);
        }
    }
    assert_true(now == (N - 1) * sizeof(zeros) + 100);
    for (int i = 0; i < N; i++)
        lb_hash_stream_fini(&st[i]);
    lb_hash_service_free(s);
}

static void test_names(void **state) {
    struct lb_hash_service *s = service_of(state);
    static const char *const names[] = {NULL, "scalar", "avx2 x8", "avx512 x16"};
    enum lb_md5_lanes lanes = *(const enum lb_md5_lanes *)*state;
    if (names[lanes])
        assert_string_equal(lb_hash_service_name(s), names[lanes]);
    lb_hash_service_free(s);
    lb_hash_service_free(NULL);
}

#define TEST(fn) cmocka_unit_test_prestate(fn, &lanes)

int main(void) {
    int failed = 0;
    for (int l = LB_MD5_AUTO; l <= LB_MD5_AVX512; l++) {
        enum lb_md5_lanes lanes = (enum lb_md5_lanes)l;
        const struct CMUnitTest tests[] = {
            TEST(test_names),
            TEST(test_random_streams),
            TEST(test_every_length),
            TEST(test_callback_finis),
            TEST(test_fini_drops_pending),
            TEST(test_callback_adds),
            TEST(test_endless_callbacks_are_bounded),
            TEST(test_tick_is_bounded_and_fair),
        };
        failed += cmocka_run_group_tests_name(lane_names[l], tests, NULL, NULL);
    }
    return failed;
}
