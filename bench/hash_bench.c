/* GB/s of one core for every digest and checksum, and for the hash service with 1 to 32 uploads at
 * once. Prints the best of several rounds, with the CPU's clock only as steady as the machine is.
 */
#include "hash/hash.h"
#include "hash/md5_priv.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define ROUND_NS 10000000.0
/* Between two looks at the clock. */
#define CALLS 16
#define STREAMS_MAX 32

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct measure {
    const char *name;
    size_t bytes; /* of one call */
    void (*call)(const struct measure *m);
    enum lb_hash_kind kind;
    struct lb_hash_service *service;
    unsigned streams;
    size_t message;
};

/* Every stream's message, one after the other with a page's worth between: buffers of a pool are no
 * closer. */
static uint8_t *data;
static struct lb_hash_stream streams[STREAMS_MAX];
static struct lb_hash_job jobs[STREAMS_MAX];
static EVP_MD_CTX *evp;
static const EVP_MD *md5;

static void run(const struct measure *m) {
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = now_ns(), end = begin;
        size_t calls = 0;
        for (; end - begin < ROUND_NS; end = now_ns()) {
            for (int i = 0; i < CALLS; i++)
                m->call(m);
            calls += CALLS;
        }
        double rate = (double)calls * (double)m->bytes / (end - begin);
        best = rate > best ? rate : best;
    }
    printf("%-34s %8.2f GB/s\n", m->name, best);
}

static void call_once(const struct measure *m) {
    struct lb_digest d;
    lb_hash_once(m->kind, lb_slice(data, m->bytes), &d);
}

static void call_libcrypto_md5(const struct measure *m) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_DigestInit_ex2(evp, md5, NULL);
    EVP_DigestUpdate(evp, data, m->bytes);
    EVP_DigestFinal_ex(evp, digest, NULL);
}

static void call_own_md5(const struct measure *m) {
    uint32_t st[4] = LB_MD5_INIT;
    lb_md5_blocks(st, data, m->bytes / LB_MD5_BLOCK);
}

static void job_done(struct lb_hash_job *job) {}

/* As uploads do it: a stream and one job each, from init to the ETag. */
static void call_service(const struct measure *m) {
    struct lb_digest d;
    unsigned kinds = LB_HASH_BIT(LB_HASH_MD5) | (m->kind ? LB_HASH_BIT(m->kind) : 0);
    for (unsigned i = 0; i < m->streams; i++) {
        if (lb_hash_stream_init(&streams[i], m->service, kinds))
            abort();
        jobs[i].done = job_done;
        lb_hash_stream_add(&streams[i], &jobs[i],
                           lb_slice(data + i * (m->message + 4096), m->message));
    }
    while (lb_hash_service_tick(m->service))
        ;
    for (unsigned i = 0; i < m->streams; i++) {
        lb_hash_stream_final(&streams[i], LB_HASH_MD5, &d);
        lb_hash_stream_fini(&streams[i]);
    }
}

static void run_service(enum lb_md5_lanes lanes, enum lb_hash_kind also, const char *also_name) {
    static const unsigned counts[] = {1, 2, 4, 8, 16, 32};
    static const size_t messages[] = {4u << 10, 32u << 10, 1u << 20};
    struct lb_hash_service *s = lb_hash_service_new(lanes);
    if (!s)
        return;
    for (size_t k = 0; k < sizeof(messages) / sizeof(messages[0]); k++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            char name[64];
            snprintf(name, sizeof(name), "%s%s: %2u of %4zu KiB", lb_hash_service_name(s),
                     also_name, counts[i], messages[k] >> 10);
            struct measure m = {
                name, counts[i] * messages[k], call_service, also, s, counts[i], messages[k]};
            run(&m);
        }
    }
    lb_hash_service_free(s);
}

int main(void) {
    size_t size = (size_t)STREAMS_MAX * ((1u << 20) + 4096);
    data = malloc(size);
    evp = EVP_MD_CTX_new();
    md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    if (!data || !evp || !md5)
        return 1;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    static const struct {
        const char *name;
        size_t bytes;
        void (*call)(const struct measure *m);
        enum lb_hash_kind kind;
    } simple[] = {
        {"MD5, libcrypto, 32 KiB", 32768, call_libcrypto_md5, LB_HASH_MD5},
        {"MD5, own single stream, 32 KiB", 32768, call_own_md5, LB_HASH_MD5},
        {"SHA-1, 32 KiB", 32768, call_once, LB_HASH_SHA1},
        {"SHA-256, 32 KiB", 32768, call_once, LB_HASH_SHA256},
        {"SHA-256, 200 B", 200, call_once, LB_HASH_SHA256},
        {"CRC32, 32 KiB", 32768, call_once, LB_HASH_CRC32},
        {"CRC32C, 32 KiB", 32768, call_once, LB_HASH_CRC32C},
        {"CRC64NVME, 32 KiB", 32768, call_once, LB_HASH_CRC64NVME},
        {"CRC64NVME, 1 MiB", 1u << 20, call_once, LB_HASH_CRC64NVME},
        {"CRC64NVME, 200 B", 200, call_once, LB_HASH_CRC64NVME},
    };
    for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
        run(&(struct measure){.name = simple[i].name,
                              .bytes = simple[i].bytes,
                              .call = simple[i].call,
                              .kind = simple[i].kind});
    run_service(LB_MD5_SCALAR, 0, "");
    run_service(LB_MD5_AVX2, 0, "");
    run_service(LB_MD5_AVX512, 0, "");
    run_service(LB_MD5_AUTO, LB_HASH_CRC64NVME, " + CRC64");
    EVP_MD_free((EVP_MD *)md5);
    EVP_MD_CTX_free(evp);
    free(data);
    return 0;
}
