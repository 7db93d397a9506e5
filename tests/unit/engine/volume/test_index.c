#include "lib/seeds.h"

#include <stdio.h>

#include "base/map.h"
#include "base/prng.h"
#include "engine/volume/index.h"
#include "no_memory.h"

#define OBJECTS_MAX 12001
#define EXTENTS_MAX 5
#define SUMS_MAX 300

/* An object that owns what it points to. */
struct owned {
    struct vol_object o;
    char key[64];
    char meta[VOL_META_INLINE];
    struct vol_extent extents[EXTENTS_MAX];
    uint32_t sums[SUMS_MAX];
};

/* The index beside a sorted array of the same. */
static struct vol_index *x;
static struct owned *model[OBJECTS_MAX];
static size_t model_n;
static struct lb_prng prng;

static uint64_t below(uint64_t n) {
    return lb_prng_below(&prng, n);
}

static int compare(const struct vol_object *a, uint32_t bucket, struct lb_slice key, uint64_t seq) {
    if (a->bucket != bucket)
        return a->bucket < bucket ? -1 : 1;
    int c = lb_slice_cmp(a->key, key);
    return c ? c : (a->seq < seq) - (a->seq > seq);
}

/* The first in the array at or after this. */
static size_t find(uint32_t bucket, struct lb_slice key, uint64_t seq) {
    size_t low = 0, high = model_n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (compare(&model[mid]->o, bucket, key, seq) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_there(size_t i, uint32_t bucket, struct lb_slice key, uint64_t seq) {
    return i < model_n && compare(&model[i]->o, bucket, key, seq) == 0;
}

static bool same_arrays(const struct vol_object *a, const struct vol_object *b) {
    if (a->sums_n != b->sums_n || a->extents_n != b->extents_n)
        return false;
    for (size_t i = 0; i < a->extents_n; i++) {
        if (a->extents[i].first != b->extents[i].first || a->extents[i].n != b->extents[i].n)
            return false;
    }
    return a->sums_n == 0 || memcmp(a->sums, b->sums, a->sums_n * sizeof(*a->sums)) == 0;
}

static bool same(const struct vol_object *a, const struct vol_object *b) {
    if (compare(a, b->bucket, b->key, b->seq) != 0 || a->size != b->size ||
        a->mtime_ns != b->mtime_ns || a->flags != b->flags ||
        !lb_slice_eq(lb_etag_slice(&a->etag), lb_etag_slice(&b->etag)))
        return false;
    return a->meta_len == b->meta_len && lb_slice_eq(a->meta, b->meta) && a->pack == b->pack &&
           a->pack_at == b->pack_at && a->pack_len == b->pack_len && same_arrays(a, b);
}

/* A number of 0 to `bits` bits. */
static uint64_t number(unsigned bits) {
    unsigned n = (unsigned)below(bits + 1);
    return n ? lb_prng_next(&prng) >> (64 - n) : 0;
}

static struct lb_etag random_etag(void) {
    static const char *const texts[] = {
        "",
        "d41d8cd98f00b204e9800998ecf8427e",
        "D41D8CD98F00B204E9800998ECF8427E",
        "d41d8cd98f00b204e9800998ecf8427e-10000",
        "0123456789abcdef0123456789abcdeg",
        "x",
    };
    struct lb_etag e = {.len = 0};
    const char *text = texts[below(CHECK_COUNT(texts))];
    e.len = (uint8_t)strlen(text);
    memcpy(e.text, text, e.len);
    return e;
}

static void random_place(uint32_t *ret_bucket, char key[64], struct lb_slice *ret_key) {
    static const uint32_t buckets[] = {0, 1, 300, UINT32_MAX};
    *ret_bucket = buckets[below(CHECK_COUNT(buckets))];
    int n = snprintf(key, 64, "%s%u", below(2) ? "a/long/common/prefix/of/many/keys/" : "",
                     (unsigned)below(60));
    *ret_key = lb_slice(key, below(50) ? (size_t)n : 0);
}

static struct owned *random_object(void) {
    struct owned *w = malloc(sizeof(*w));
    assert_non_null(w);
    memset(w, 0, sizeof(*w));
    random_place(&w->o.bucket, w->key, &w->o.key);
    w->o.seq = below(10) ? below(200) : lb_prng_next(&prng);
    w->o.size = number(64);
    w->o.mtime_ns = (int64_t)lb_prng_next(&prng);
    w->o.etag = random_etag();
    w->o.flags = (uint8_t)(below(2) ? 0 : below(128));
    w->o.meta_len = (uint32_t)(below(8) ? below(VOL_META_INLINE + 1) : number(32));
    for (size_t i = 0; i < sizeof(w->meta); i++)
        w->meta[i] = (char)i;
    if (w->o.meta_len && w->o.meta_len <= VOL_META_INLINE)
        w->o.meta = lb_slice(w->meta, w->o.meta_len);
    w->o.extents = w->extents;
    w->o.extents_n = below(2) ? 1 : below(EXTENTS_MAX + 1);
    for (size_t i = 0; i < EXTENTS_MAX; i++)
        w->extents[i] = (struct vol_extent){number(64), number(32)};
    w->o.sums = w->sums;
    w->o.sums_n = below(4) ? below(3) : below(SUMS_MAX + 1);
    for (size_t i = 0; i < SUMS_MAX; i++)
        w->sums[i] = (uint32_t)lb_prng_next(&prng);
    w->o.pack = number(40);
    w->o.pack_at = (uint32_t)number(24);
    w->o.pack_len = (uint32_t)number(24);
    return w;
}

static void model_put(struct owned *w) {
    size_t i = find(w->o.bucket, w->o.key, w->o.seq);
    if (is_there(i, w->o.bucket, w->o.key, w->o.seq)) {
        free(model[i]);
    } else {
        memmove(&model[i + 1], &model[i], (model_n - i) * sizeof(model[0]));
        model_n++;
    }
    model[i] = w;
}

static void model_remove(size_t i) {
    free(model[i]);
    model_n--;
    memmove(&model[i], &model[i + 1], (model_n - i) * sizeof(model[0]));
}

static void begin(uint64_t seed) {
    lb_prng_seed(&prng, seed);
    model_n = 0;
    x = vol_index_new();
    assert_non_null(x);
}

static void end(void) {
    while (model_n)
        free(model[--model_n]);
    vol_index_free(x);
}

/* ---- one step each ---- */

static const char *step_put(void) {
    if (model_n == OBJECTS_MAX)
        return "";
    struct owned *w = random_object();
    if (vol_index_put(x, &w->o) != 0)
        return "put failed";
    model_put(w);
    return "";
}

/* What is handed out may be put again. */
static const char *step_again(void) {
    if (!model_n)
        return "";
    struct vol_object o;
    struct owned *w = model[below(model_n)];
    if (vol_index_version(x, w->o.bucket, w->o.key, w->o.seq, &o) != 0)
        return "a version is not found";
    o.size = w->o.size = number(64);
    return vol_index_put(x, &o) == 0 ? "" : "put failed";
}

static const char *step_remove(void) {
    uint32_t bucket;
    char buf[64];
    struct lb_slice key;
    random_place(&bucket, buf, &key);
    uint64_t seq = below(200);
    if (model_n && below(4)) {
        const struct vol_object *o = &model[below(model_n)]->o;
        bucket = o->bucket;
        memcpy(buf, o->key.ptr, o->key.len);
        key = lb_slice(buf, o->key.len);
        seq = o->seq;
    }
    size_t i = find(bucket, key, seq);
    bool there = is_there(i, bucket, key, seq);
    if (vol_index_remove(x, bucket, key, seq) != (there ? 0 : -ENOENT))
        return "remove says another thing";
    if (there)
        model_remove(i);
    return "";
}

static const char *step_set(void) {
    if (!model_n)
        return "";
    struct vol_object *o = &model[below(model_n)]->o;
    o->flags = (uint8_t)below(128);
    o->pack = number(40);
    o->pack_at = (uint32_t)number(24);
    o->pack_len = (uint32_t)number(24);
    if (vol_index_set_flags(x, o->bucket, o->key, o->seq, o->flags) != 0 ||
        vol_index_set_pack(x, o->bucket, o->key, o->seq, o->pack, o->pack_at, o->pack_len) != 0)
        return "an entry to change is not found";
    if (vol_index_set_pack(x, o->bucket, o->key, o->seq, UINT64_C(1) << 40, 0, 0) != -EINVAL ||
        vol_index_set_pack(x, 77, o->key, o->seq, 0, 0, 0) != -ENOENT ||
        vol_index_set_flags(x, 77, o->key, o->seq, 0) != -ENOENT)
        return "a wrong change is not refused";
    return "";
}

/* What an answer should be: the model's i, or nothing. */
static bool is_answer(int err, const struct vol_object *o, size_t i, bool there) {
    return there ? err == 0 && same(o, &model[i]->o) : err == -ENOENT;
}

static const char *step_find(void) {
    uint32_t bucket;
    char buf[64];
    struct lb_slice key;
    struct vol_object o;
    random_place(&bucket, buf, &key);
    size_t first = find(bucket, key, UINT64_MAX), i = first;
    size_t last = first;
    while (last < model_n && model[last]->o.bucket == bucket &&
           lb_slice_eq(model[last]->o.key, key))
        last++;
    while (i < last && model[i]->o.flags & (VOL_OLD | VOL_PART))
        i++;
    if (!is_answer(vol_index_current(x, bucket, key, &o), &o, i, i < last))
        return "another is current";
    for (i = first; i < last && !(model[i]->o.flags & VOL_NULL);)
        i++;
    if (!is_answer(vol_index_null(x, bucket, key, &o), &o, i, i < last))
        return "another is the null version";
    uint64_t seq = last > first ? model[first + below(last - first)]->o.seq + below(2) : 3;
    i = find(bucket, key, seq);
    if (!is_answer(vol_index_version(x, bucket, key, seq, &o), &o, i,
                   is_there(i, bucket, key, seq)))
        return "another has this seq";
    return "";
}

/* A walk, through changes of the index now and then. */
static const char *step_walk(void) {
    uint32_t bucket;
    char buf[64];
    struct lb_slice key;
    struct vol_object o;
    random_place(&bucket, buf, &key);
    uint64_t seq = below(2) ? UINT64_MAX : below(200);
    size_t i = find(bucket, key, seq);
    int err = vol_index_seek(x, bucket, key, seq, &o);
    for (int steps = 0; steps < 200; steps++) {
        if (!is_answer(err, &o, i, i < model_n))
            return "the order is not that of the array";
        if (err)
            return "";
        struct vol_object at = o;
        memcpy(buf, o.key.ptr, o.key.len);
        at.key = lb_slice(buf, o.key.len);
        if (below(20) == 0) {
            const char *failure = below(2) ? step_remove() : step_put();
            if (failure[0])
                return failure;
            i = find(at.bucket, at.key, at.seq);
            i += is_there(i, at.bucket, at.key, at.seq);
        } else {
            i++;
        }
        err = vol_index_next(x, &at, &o);
    }
    return "";
}

static const char *check(void) {
    static const uint32_t buckets[] = {0, 1, 300, UINT32_MAX, 5};
    if (!vol_index_check(x) || vol_index_len(x) != model_n)
        return "the structure is broken";
    for (size_t b = 0; b < CHECK_COUNT(buckets); b++) {
        uint64_t objects = 0, bytes = 0, got_objects, got_bytes;
        for (size_t i = 0; i < model_n; i++) {
            const struct vol_object *o = &model[i]->o;
            if (o->bucket == buckets[b] && !(o->flags & (VOL_MARKER | VOL_OLD | VOL_PART))) {
                objects++;
                bytes += o->size;
            }
        }
        vol_index_usage(x, buckets[b], &got_objects, &got_bytes);
        if (got_objects != objects || got_bytes != bytes)
            return "the counts are wrong";
    }
    return "";
}

/* Loads the model's objects into a new index; one now and then out of order. */
static const char *reload(bool ordered) {
    vol_index_free(x);
    x = vol_index_new();
    assert_non_null(x);
    for (size_t i = 0; i < model_n; i++) {
        if (!ordered && below(model_n) == 0) {
            struct owned *w = random_object();
            if (vol_index_load(x, &w->o) != 0 ||
                vol_index_remove(x, w->o.bucket, w->o.key, w->o.seq) != 0)
                return "what is out of order was not loaded";
            free(w);
            i = 0;
        }
        if (vol_index_load(x, &model[i]->o) != 0)
            return "load failed";
    }
    for (size_t i = 0; i < (ordered ? 0 : model_n); i++) {
        if (vol_index_put(x, &model[i]->o) != 0)
            return "put failed";
    }
    return check();
}

static const char *step(uint64_t number_of) {
    uint64_t what = below(100);
    if (what < (number_of % 1500 < 1000 ? 60 : 20))
        return step_put();
    if (what < 70)
        return step_remove();
    if (what < 75)
        return step_again();
    if (what < 80)
        return step_set();
    return what < 95 ? step_find() : step_walk();
}

/* Grows and shrinks by turns. */
static const char *run(uint64_t seed, uint64_t rounds) {
    const char *failure = "";
    begin(seed);
    for (uint64_t i = 0; i < rounds && !failure[0]; i++) {
        failure = step(i);
        if (!failure[0] && (model_n < 100 || i % 16 == 0))
            failure = check();
        if (!failure[0] && i % 1000 == 999)
            failure = reload(below(2));
    }
    while (model_n && !failure[0])
        failure = step_remove();
    if (!failure[0])
        failure = check();
    end();
    return failure;
}

static void test_model(void **state) {
    seeds_each(16, 5000, run);
}

/* Without memory nothing changes, and what is there stays found. */
static void test_no_memory(void **state) {
    size_t failed = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(seed);
        no_memory = true;
        for (int i = 0; i < 12000; i++) {
            assert_true(model_n < OBJECTS_MAX);
            struct owned *w = random_object();
            int err = vol_index_put(x, &w->o);
            if (err == 0) {
                model_put(w);
            } else {
                assert_int_equal(err, -ENOMEM);
                failed++;
                free(w);
                assert_string_equal(step_remove(), "");
            }
            if (i % 100 == 0)
                assert_string_equal(check(), "");
        }
        no_memory = false;
        assert_string_equal(check(), "");
        assert_string_equal(step_put(), "");
        end();
    }
    assert_true(failed > 100);
    no_memory = true;
    assert_null(vol_index_new());
    no_memory = false;
}

static void test_load_no_memory(void **state) {
    int failed = 0;
    begin(1);
    no_memory = true;
    for (int i = 0; failed < 500; i++) {
        assert_true(model_n < OBJECTS_MAX);
        struct owned *w = random_object();
        w->o.bucket = 9;
        w->o.key = lb_slice(w->key, (size_t)snprintf(w->key, sizeof(w->key), "%08d", i));
        int err = vol_index_load(x, &w->o);
        if (err == 0) {
            model_put(w);
            continue;
        }
        assert_int_equal(err, -ENOMEM);
        failed++;
        free(w);
    }
    no_memory = false;
    assert_string_equal(check(), "");
    struct vol_object o;
    for (size_t i = 0; i < model_n; i++) {
        assert_int_equal(vol_index_version(x, 9, model[i]->o.key, model[i]->o.seq, &o), 0);
        assert_true(same(&o, &model[i]->o));
    }
    end();
}

static void test_range(void **state) {
    static char text[UINT16_MAX + 1];
    begin(1);
    struct vol_object good = {.key = LB_S("k"), .seq = 1, .etag.len = 3};
    struct vol_object bad[6];
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        bad[i] = good;
    bad[0].key = lb_slice(text, sizeof(text));
    bad[1].pack = UINT64_C(1) << 40;
    bad[2].pack_at = 1u << 24;
    bad[3].pack_len = 1u << 24;
    bad[4].meta_len = 5;
    bad[5].etag.len = sizeof(good.etag.text) + 1;
    for (size_t i = 0; i < CHECK_COUNT(bad); i++) {
        assert_int_equal(vol_index_put(x, &bad[i]), -EINVAL);
        assert_int_equal(vol_index_load(x, &bad[i]), -EINVAL);
    }
    assert_int_equal(vol_index_len(x), 0);
    assert_int_equal(vol_index_put(x, &good), 0);
    end();
}

/* The checksums of a body of 16 GiB are 1 MiB, which the system gets back. */
static void test_large(void **state) {
    size_t n = 262144;
    uint32_t *sums = calloc(n, sizeof(*sums));
    struct vol_object o = {.key = LB_S("large"), .seq = 1, .sums = sums, .sums_n = n}, got;
    begin(1);
    size_t before = vol_index_memory(x);
    for (int round = 0; round < 3; round++) {
        sums[n - 1] = (uint32_t)round;
        assert_int_equal(vol_index_put(x, &o), 0);
        assert_true(vol_index_memory(x) >= before + n * sizeof(*sums));
        assert_true(vol_index_memory(x) < before + n * sizeof(*sums) * 5 / 4);
        assert_int_equal(vol_index_current(x, 0, o.key, &got), 0);
        assert_true(same(&got, &o));
        assert_int_equal(vol_index_remove(x, 0, o.key, 1), 0);
        assert_true(vol_index_memory(x) < before + 16384);
    }
    free(sums);
    end();
}

/* The budget: 100 bytes and the key. */
static void test_memory(void **state) {
    struct vol_extent extent = {1u << 30, 16};
    uint32_t sum = 1;
    char key[32];
    size_t keys = 0, n = 100000;
    begin(1);
    for (size_t i = 0; i < n; i++) {
        int len = snprintf(key, sizeof(key), "key/%zu", i * 7919 % n);
        struct vol_object o = {
            .key = lb_slice(key, (size_t)len),
            .seq = 5000000000 + i,
            .size = 65536,
            .mtime_ns = INT64_MAX,
            .meta = LB_S("0123456789abcdef"),
            .meta_len = 16,
            .extents = &extent,
            .extents_n = 1,
            .sums = &sum,
            .sums_n = 1,
            .pack = 1u << 30,
            .pack_at = 1000000,
            .pack_len = 300,
        };
        memcpy(o.etag.text, "d41d8cd98f00b204e9800998ecf8427e", 32);
        o.etag.len = 32;
        assert_int_equal(vol_index_put(x, &o), 0);
        keys += (size_t)len;
    }
    assert_true(vol_index_memory(x) <= keys + 100 * n);
    end();
}

int main(void) {
    lb_hash_bytes_seed(1, 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),          cmocka_unit_test(test_large),
        cmocka_unit_test(test_memory),         cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_load_no_memory), cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
