/* The volume's index with N objects (10,000,000 unless told): memory for each, time to load them in
 * order, ns of a look-up, a step of a list, a seek, an overwrite. */
#include "base/prng.h"
#include "engine/volume/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEY_LEN 100
#define LOOK_UPS 1000000u
#define PAGE 1000u

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The key of number i; in the order of the numbers. */
static struct lb_slice key_of(uint64_t i, char ret[KEY_LEN + 1]) {
    int n = snprintf(ret, KEY_LEN + 1, "photos/2024/%04u/album-%06u/", (unsigned)(i / 100000),
                     (unsigned)(i / 100));
    memset(ret + n, 'x', (size_t)(KEY_LEN - 10 - n));
    snprintf(ret + KEY_LEN - 10, 11, "%010u", (unsigned)i);
    return lb_slice(ret, KEY_LEN);
}

/* An object with what it points to. */
struct made {
    struct vol_object o;
    char key[KEY_LEN + 1];
    struct vol_extent extent;
    uint32_t sum;
};

static void make(struct made *m, uint64_t i) {
    m->extent = (struct vol_extent){100000 + i * 8, 8};
    m->sum = (uint32_t)(i * 2654435761u);
    m->o = (struct vol_object){
        .bucket = 7,
        .key = key_of(i, m->key),
        .seq = 1000000 + i,
        .size = 32768,
        .mtime_ns = 1700000000000000000 + (int64_t)i,
        .meta = LB_S("image/jpeg;......"),
        .extents = &m->extent,
        .extents_n = 1,
        .sums = &m->sum,
        .sums_n = 1,
        .pack = 5000000 + i / 4000,
        .pack_at = (uint32_t)(i % 4000) * 250,
        .pack_len = 250,
    };
    m->o.meta.len = 16;
    m->o.meta_len = 16;
    uint8_t md5[16];
    for (size_t k = 0; k < sizeof(md5); k++)
        md5[k] = (uint8_t)(i >> k);
    char text[33];
    lb_hex_encode(md5, 16, text);
    memcpy(m->o.etag.text, text, 32);
    m->o.etag.len = 32;
}

static void check(int err) {
    if (err) {
        fprintf(stderr, "the index says %d\n", err);
        exit(1);
    }
}

/* Loads n objects. Returns the seconds that this took, without making them. */
static double load(struct vol_index *x, uint64_t n) {
    static struct made block[PAGE];
    double sum = 0;
    for (uint64_t i = 0; i < n; i += PAGE) {
        for (unsigned k = 0; k < PAGE; k++)
            make(&block[k], i + k);
        double begin = now_s();
        for (unsigned k = 0; k < PAGE && i + k < n; k++)
            check(vol_index_load(x, &block[k].o));
        sum += now_s() - begin;
    }
    return sum;
}

static void measure(struct vol_index *x, uint64_t n) {
    struct lb_prng p;
    struct vol_object o;
    char key[KEY_LEN + 1];
    double keys_s = now_s();
    lb_prng_seed(&p, 1);
    for (unsigned i = 0; i < LOOK_UPS; i++)
        key_of(lb_prng_below(&p, n), key);
    keys_s = now_s() - keys_s;
    lb_prng_seed(&p, 1);
    double begin = now_s();
    for (unsigned i = 0; i < LOOK_UPS; i++)
        check(vol_index_current(x, 7, key_of(lb_prng_below(&p, n), key), &o));
    printf("look-up of a current object   %8.0f ns\n", (now_s() - begin - keys_s) / LOOK_UPS * 1e9);
    begin = now_s();
    for (unsigned i = 0; i < LOOK_UPS / 10; i++)
        check(vol_index_seek(x, 7, key_of(lb_prng_below(&p, n), key), UINT64_MAX, &o));
    printf("seek                          %8.0f ns\n",
           (now_s() - begin - keys_s / 10) / LOOK_UPS * 1e10);
    begin = now_s();
    for (unsigned page = 0; page < 100; page++) {
        check(vol_index_seek(x, 7, key_of(lb_prng_below(&p, n - PAGE), key), UINT64_MAX, &o));
        for (unsigned i = 1; i < PAGE; i++)
            check(vol_index_next(x, &o, &o));
    }
    printf("list page of 1,000            %8.0f us\n", (now_s() - begin) / 100 * 1e6);
}

static void overwrite(struct vol_index *x, uint64_t n) {
    struct lb_prng p;
    struct made m;
    lb_prng_seed(&p, 2);
    double begin = now_s(), worst = 0, before = begin;
    for (unsigned i = 0; i < LOOK_UPS; i++) {
        struct vol_object old;
        make(&m, lb_prng_below(&p, n));
        check(vol_index_current(x, 7, m.o.key, &old));
        m.o.seq = 1000000 + n + i;
        check(vol_index_put(x, &m.o));
        check(vol_index_remove(x, 7, m.o.key, old.seq));
        double now = now_s();
        worst = now - before > worst ? now - before : worst;
        before = now;
    }
    printf("overwrite                     %8.0f ns (longest %.0f us)\n",
           (now_s() - begin) / LOOK_UPS * 1e9, worst * 1e6);
    begin = before = now_s();
    worst = 0;
    for (unsigned i = 0; i < LOOK_UPS; i++) {
        make(&m, lb_prng_below(&p, n));
        m.key[KEY_LEN - 20] = (char)('a' + i % 26);
        check(vol_index_put(x, &m.o));
        double now = now_s();
        worst = now - before > worst ? now - before : worst;
        before = now;
    }
    printf("put of a new key              %8.0f ns (longest %.0f us)\n",
           (now_s() - begin) / LOOK_UPS * 1e9, worst * 1e6);
}

int main(int argc, char **argv) {
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 10000000;
    char key[KEY_LEN + 1];
    struct vol_index *x = vol_index_new();
    if (!x || n < 2 * PAGE)
        return 1;
    double load_s = load(x, n), begin = now_s();
    struct vol_object o;
    check(vol_index_current(x, 7, key_of(0, key), &o));
    double hash_s = now_s() - begin;
    printf("objects                    %11llu\n", (unsigned long long)n);
    printf("load                          %8.2f s, and %.2f s to hash\n", load_s, hash_s);
    printf("memory per object             %8.1f bytes and the key\n",
           (double)vol_index_memory(x) / (double)n - KEY_LEN);
    measure(x, n);
    overwrite(x, n);
    printf("memory per object             %8.1f bytes and the key\n",
           (double)vol_index_memory(x) / (double)vol_index_len(x) - KEY_LEN);
    vol_index_free(x);
    return 0;
}
