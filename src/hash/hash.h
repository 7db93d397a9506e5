/* Digests and checksums of one stream of bytes, and the loop's hashing service. */
#ifndef LB_HASH_HASH_H
#define LB_HASH_HASH_H

#include "base/list.h"
#include "base/slice.h"

enum lb_hash_kind {
    LB_HASH_MD5,
    LB_HASH_SHA1,
    LB_HASH_SHA256,
    LB_HASH_CRC32,
    LB_HASH_CRC32C,
    LB_HASH_CRC64NVME,
    LB_HASH_KINDS,
};

#define LB_HASH_SIZE_MAX 32
#define LB_HASH_BIT(kind) (1u << (kind))

/* A digest, most significant byte first: as S3 encodes it in base64. */
struct lb_digest {
    uint8_t bytes[LB_HASH_SIZE_MAX];
    uint8_t len;
};

/* Bytes in a digest of this kind: 16, 20, 32, 4, 4, 8. */
size_t lb_hash_size(enum lb_hash_kind kind);

/* One-shot digest of data. */
void lb_hash_once(enum lb_hash_kind kind, struct lb_slice data, struct lb_digest *ret);

/* HMAC-SHA256 (RFC 2104). ret holds 32 bytes. */
void lb_hmac_sha256(struct lb_slice key, struct lb_slice data, uint8_t *ret);

/* Constant-time comparison of n bytes. */
bool lb_hash_eq(const void *a, const void *b, size_t n);

/* The CRC of a concatenation from the CRCs of its two parts (len_b: bytes in the second). For
 * LB_HASH_CRC32, CRC32C and CRC64NVME; full-object checksums of multipart uploads are made so. */
void lb_crc_combine(enum lb_hash_kind kind, const struct lb_digest *a, const struct lb_digest *b,
                    uint64_t len_b, struct lb_digest *ret);

/* Streaming, on the caller's time: for small or lone inputs. */
struct lb_hasher {
    unsigned kinds; /* LB_HASH_BITs */
    uint64_t crc[LB_HASH_KINDS];
    void *evp[LB_HASH_KINDS]; /* libcrypto contexts of the digests, owned */
};

/* Starts a hasher for a set of kinds. Returns 0 or -ENOMEM. */
int lb_hasher_init(struct lb_hasher *h, unsigned kinds);
void lb_hasher_update(struct lb_hasher *h, struct lb_slice data);
/* The digest of what was given so far, for a kind of the set. Call once per kind, then fini. */
void lb_hasher_final(struct lb_hasher *h, enum lb_hash_kind kind, struct lb_digest *ret);
/* Frees; harmless on a zeroed hasher. */
void lb_hasher_fini(struct lb_hasher *h);

/* The hashing service of a loop. Streams hand over buffers; each tick hashes what is pending, the
 * MD5s of different streams side by side in vector lanes (AVX-512: 16, AVX2: 8, else one at a time;
 * a lone stream takes libcrypto's), the other kinds per stream. Everything runs on the loop's
 * thread. */
struct lb_hash_service;
struct lb_hash_job;

/* Called from the service's tick when the job's bytes have been hashed; the buffer is free again.
 * May add jobs to any stream, and fini any. */
typedef void (*lb_hash_done)(struct lb_hash_job *job);

/* One piece of a stream in the service's hands; embedded in its owner's structure. */
struct lb_hash_job {
    lb_hash_done done;    /* set by the owner */
    struct lb_slice data; /* borrowed until done */
    struct lb_list link;
};

/* A stream of bytes to be hashed: embedded, begun with lb_hash_stream_init. Jobs are hashed in the
 * order given. */
struct lb_hash_stream {
    struct lb_hash_service *service;
    unsigned kinds;
    uint32_t md5_tail_len;
    uint64_t len;           /* bytes hashed */
    uint32_t md5[4];        /* chaining value */
    uint8_t md5_tail[64];   /* bytes short of a block */
    struct lb_hasher other; /* the kinds that are not MD5 */
    struct lb_list jobs;    /* pending lb_hash_job */
    size_t job_at;          /* bytes of the first job already hashed */
    struct lb_list link;    /* in the service's list of streams with work */
};

/* How the service does MD5: for the log, the benchmark and tests. AUTO picks the best the CPU has.
 */
enum lb_md5_lanes { LB_MD5_AUTO, LB_MD5_SCALAR, LB_MD5_AVX2, LB_MD5_AVX512 };

/* A service; register lb_hash_service_tick with lb_io_tick_add. Returns owned, or NULL when out of
 * memory or when the CPU lacks what `lanes` asks for. */
struct lb_hash_service *lb_hash_service_new(enum lb_md5_lanes lanes);
/* No stream of it may have jobs. NULL is fine. */
void lb_hash_service_free(struct lb_hash_service *s);
/* "avx512 x16", "avx2 x8" or "scalar". Static. */
const char *lb_hash_service_name(const struct lb_hash_service *s);

/* Hashes for a bounded time: what LB_HASH_TICK_BYTES bytes take in a full set of lanes (half a
 * millisecond), so fewer bytes when fewer streams have work. Returns true when work is left. ctx is
 * the service. */
#define LB_HASH_TICK_BYTES (4u << 20)
bool lb_hash_service_tick(void *ctx);

/* Begins a stream for a set of kinds (may be empty). Returns 0 or -ENOMEM. */
int lb_hash_stream_init(struct lb_hash_stream *st, struct lb_hash_service *s, unsigned kinds);
/* Queues a job; done comes from a later tick, never from inside this call. */
void lb_hash_stream_add(struct lb_hash_stream *st, struct lb_hash_job *job, struct lb_slice data);
/* The digest of all that was added, once every job is done. */
void lb_hash_stream_final(struct lb_hash_stream *st, enum lb_hash_kind kind, struct lb_digest *ret);
/* Drops the stream and its pending jobs (their done is not called); harmless on a zeroed one. */
void lb_hash_stream_fini(struct lb_hash_stream *st);

#endif
