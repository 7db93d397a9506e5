/* The storage engine: what the S3 layer stands on. Asynchronous and streaming; the same for every
 * engine. An engine is one per process; each loop attaches and gets a port, and every call below
 * runs on that port's loop, with every completion coming later through that loop, never from inside
 * the call.
 *
 * Bytes in and out are pool buffers. Names are borrowed until the operation completes. Where a
 * method's comment does not say "optional", every engine has it. */
#ifndef LB_ENGINE_ENGINE_H
#define LB_ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/pool.h"
#include "base/slice.h"
#include "io/io.h"
#include "metrics/storage.h"

#define LB_KEY_MAX 1024
#define LB_PARTS_MAX 10000
#define LB_UPLOAD_ID_MAX 64
#define LB_VERSION_ID_MAX 32
#define LB_META_MAX (256u * 1024u) /* bytes of an object's meta blob */
#define LB_WRITE_UNIT 4096u        /* every write of a writer but the last is a multiple of this */

/* "d41d8cd98f00b204e9800998ecf8427e", or with "-N" for multipart. Without quotes. A file written by
 * another program has an opaque one of the form <32 hex>-0, which no client takes for an MD5. */
struct lb_etag {
    char text[40];
    uint8_t len;
};

static inline struct lb_slice lb_etag_slice(const struct lb_etag *e) {
    return lb_slice(e->text, e->len);
}

/* Names one of the versions of a key: "null" for what was written while the bucket was not
 * versioned, or by another program; else 16 to LB_VERSION_ID_MAX characters of [0-9a-z], of which a
 * later version of a key compares greater. len 0: none. */
struct lb_version_id {
    char text[LB_VERSION_ID_MAX];
    uint8_t len;
};

static inline struct lb_slice lb_version_slice(const struct lb_version_id *v) {
    return lb_slice(v->text, v->len);
}

/* What becomes of the object that another takes the place of, or that is removed without its
 * version being named. The S3 layer knows it from the bucket's settings and says it with each
 * commit, upload_complete and remove. */
enum lb_versioning {
    LB_VERSIONING_OFF,       /* it is gone. The new one is the null version */
    LB_VERSIONING_ON,        /* it is kept. The new one gets an id; a removal leaves a marker */
    LB_VERSIONING_SUSPENDED, /* it is kept unless it is the null version. The new one, or the
                                removal's marker, is the null version; an older one is gone */
};

/* What an engine knows of an object. meta is the S3 layer's own (content type, user metadata,
 * checksums, parts, tags); the engine stores it with the object, atomically, and does not look
 * inside. */
struct lb_object_info {
    uint64_t size;
    int64_t mtime_ns;
    struct lb_etag etag;
    struct lb_slice meta; /* empty for a file written by another program */
    struct lb_version_id version;
    bool marker; /* a delete marker: no bytes, no ETag, no meta; its version and mtime alone */
    bool latest; /* in a list of versions: the key's current one */
};

/* Conditions on the key's current object as it is at the moment of the commit (of a removal by
 * version: on that version), decided atomically with it. A delete marker is no object. Empty
 * slices: no condition. An ETag without quotes, or "*". */
struct lb_precond {
    struct lb_slice if_match;      /* "*": must exist; fails with NO_SUCH_KEY when it does not,
                                      PRECONDITION_FAILED when it differs */
    struct lb_slice if_none_match; /* "*": must not exist; fails with PRECONDITION_FAILED */
    bool has_mtime, has_size;      /* If-Match-Last-Modified-Time, If-Match-Size of DELETE */
    int64_t if_mtime_s;
    uint64_t if_size;
};

/* Decides a precondition against what is there (found NULL: nothing). Returns 0,
 * PRECONDITION_FAILED or NO_SUCH_KEY. Pure; engines call it inside their commits. */
int lb_precond_check(const struct lb_precond *p, const struct lb_object_info *found);

struct lb_engine;
struct lb_engine_port;
struct lb_engine_op;

/* err: 0 or negative; results are in the op. */
typedef void (*lb_engine_done)(struct lb_engine_op *op, int err);

struct lb_reader;
struct lb_writer;

/* A piece of an object's bytes: a range of a file to sendfile, or filled bytes. */
struct lb_piece {
    int fd; /* -1: buf holds it */
    uint64_t off;
    size_t len;
    struct lb_pool_buf *buf; /* the caller's now, to put back */
    size_t buf_at;           /* the piece is buf->ptr[buf_at .. buf_at + len) */
};

/* One entry of a list: a key, or a common prefix (is_prefix, info unset). Slices live in the list
 * op's arena. */
struct lb_list_entry {
    struct lb_slice key;
    bool is_prefix;
    struct lb_object_info info; /* meta only when want_meta */
};

struct lb_list_result {
    struct lb_list_entry *entries; /* in byte order of key */
    size_t n;
    bool truncated; /* more follow */
};

struct lb_bucket_info {
    struct lb_slice name;
    int64_t created_ns;
    struct lb_slice settings; /* a small blob of the S3 layer's */
};

struct lb_upload_info {
    struct lb_slice key;
    struct lb_slice id;
    int64_t created_ns;
    struct lb_slice meta;
};

struct lb_part_info {
    uint32_t number; /* 1..10000 */
    uint64_t size;
    int64_t mtime_ns;
    struct lb_etag etag;
    struct lb_slice meta; /* the S3 layer's: the part's checksum */
};

/* How an operation runs inside its engine: a work item or a deferred completion, and what follows.
 * Embedded in the operation, so that running one needs no memory. The engine's alone. */
struct lb_engine_run {
    struct lb_io_op io;
    struct lb_engine_port *port;
    int (*work)(struct lb_engine_port *p, struct lb_engine_op *op);
    int (*then)(struct lb_engine_port *p, struct lb_engine_op *op, int err);
    int64_t wall_ns; /* time of day when the work was submitted */
};

/* One operation: arguments in, results out. Zeroed by its owner, which keeps it until done.
 * Allocations of results come from `arena`. One op structure for all methods keeps the vtable
 * small; each method names what it reads and sets. */
struct lb_engine_op {
    lb_engine_done done;
    struct lb_arena *arena;

    /* in */
    struct lb_slice bucket;
    struct lb_slice key;
    struct lb_slice upload_id;
    uint32_t part; /* part number of an upload; 0: the object itself */
    struct lb_precond precond;
    struct lb_slice meta;
    struct lb_etag etag;
    struct lb_slice settings;
    struct lb_slice version;       /* empty: the current one */
    enum lb_versioning versioning; /* of the bucket */
    bool if_same;                  /* bucket_set, set_meta: only while the blob is `was` */
    struct lb_slice was;
    uint64_t size_hint; /* bytes to come, or LB_SIZE_UNKNOWN */
    bool relaxed; /* durability: the commit may be lost with the machine's power. What is left is
                     whole, or recognised as torn (CORRUPT) */

    /* list: in */
    struct lb_slice prefix;
    struct lb_slice delimiter; /* empty: none */
    struct lb_slice after;    /* keys strictly after this; empty: from the start. A common prefix is
                               * returned when it has such a key, but not when `after` ends in the
                               * delimiter and begins with (or is) that common prefix */
    struct lb_slice after_id; /* uploads: with the same key, ids strictly after; versions: with the
                               * same key, older ones than this, before the keys after it */
    bool versions;            /* all versions and markers of each key, newest first */
    size_t max;               /* entries wanted, 1..1000 */
    bool want_meta;
    const struct lb_part_info *parts; /* upload_complete: number and etag of each, ascending */
    size_t parts_n;

    /* out */
    struct lb_object_info info;
    struct lb_reader *reader;
    struct lb_writer *writer;
    struct lb_list_result list;
    struct lb_bucket_info *buckets;
    struct lb_upload_info *uploads;
    struct lb_part_info *ret_parts;
    size_t n; /* of buckets, uploads, ret_parts */
    bool truncated;
    struct lb_piece piece;

    struct lb_engine_run run; /* the engine's, while the op runs */
    void *state;              /* the engine's, while the op runs */
    void *user;               /* the caller's */
};

#define LB_SIZE_UNKNOWN UINT64_MAX

/* An object open for reading: its bytes stay those of this version however long it is open. Freed
 * by reader_close. */
struct lb_reader {
    struct lb_engine_port *port;
    struct lb_object_info info; /* meta borrowed from the reader */
};

/* An object or part being written. Freed by commit or abort. */
struct lb_writer {
    struct lb_engine_port *port;
    uint64_t size; /* bytes written so far */
};

struct lb_engine_ops {
    const char *name; /* "filesystem" */

    /* Per loop. attach returns 0 and an owned port; detach needs all operations complete and
     * readers closed. */
    int (*attach)(struct lb_engine *e, struct lb_io *io, struct lb_pool *pool,
                  struct lb_engine_port **ret);
    void (*detach)(struct lb_engine_port *p);
    void (*free)(struct lb_engine *e);
    /* Optional: what the engine has counted, and how much room there is. Blocks: on any thread but
     * a loop's. Returns 0 or -errno, with *ret untouched. */
    int (*stats)(struct lb_engine *e, struct lb_storage_stats *ret);

    /* bucket, settings -> . BUCKET_EXISTS when it is there; INVALID_BUCKET_NAME for a name the
     * engine can't hold. */
    void (*bucket_create)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket -> . NO_SUCH_BUCKET, BUCKET_NOT_EMPTY (also of versions and markers). Uploads in
     * progress are aborted. */
    void (*bucket_delete)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket -> buckets[0]. NO_SUCH_BUCKET. */
    void (*bucket_head)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, settings, if_same, was -> . Replaces the blob atomically. PRECONDITION_FAILED when it
     * is another than `was`. */
    void (*bucket_set)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* prefix, after, max -> buckets, n, truncated, in byte order of the name. */
    void (*bucket_list)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* Is this a bucket, from what is known without blocking? For routing hosts and single-bucket
     * mode: called inline on the loop; may be stale for a second after another program's mkdir. */
    bool (*bucket_known)(struct lb_engine_port *p, struct lb_slice bucket);

    /* bucket, key, version -> info, reader. NO_SUCH_BUCKET, NO_SUCH_KEY, NO_SUCH_VERSION, CORRUPT.
     * Where a delete marker is found, info tells of it, and the error is NO_SUCH_KEY (no version
     * was named) or METHOD_NOT_ALLOWED. The reader must be closed. */
    void (*open)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* The next piece of [off, off + len): len 1 or more and inside the object; piece.len is at
     * least 1 and at most len. files: a file range will do. Sets piece. OBJECT_CHANGED when another
     * program has cut the file short. One at a time per reader. */
    void (*read)(struct lb_reader *r, struct lb_engine_op *op, uint64_t off, uint64_t len,
                 bool files);
    void (*reader_close)(struct lb_reader *r); /* NULL is allowed */
    /* bucket, key, version -> info (meta in the op's arena). As open, without the bytes. */
    void (*head)(struct lb_engine_port *p, struct lb_engine_op *op);

    /* bucket, key, [upload_id, part], size_hint, relaxed -> writer. NO_SUCH_BUCKET, NO_SUCH_UPLOAD,
     * KEY_TOO_LONG, STORAGE_FULL. */
    void (*create)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* Appends buf->ptr[0 .. buf->len): LB_WRITE_UNIT multiples but for the last. buf must live
     * until done, which may come after later writes'; it stays the caller's. The engine bounds
     * nothing here: the caller keeps a window of buffers. */
    void (*write)(struct lb_writer *w, struct lb_engine_op *op, struct lb_pool_buf *buf);
    /* Optional: appends [off, off + len) of an object of the same engine without passing it through
     * buffers. NULL or LB_ERR_NOT_IMPLEMENTED: the caller reads and writes. Only when all writes
     * before are done. */
    void (*append)(struct lb_writer *w, struct lb_engine_op *op, struct lb_reader *from,
                   uint64_t off, uint64_t len);
    /* etag, meta, precond, versioning -> info (size, mtime_ns, etag, version). All writes must be
     * done. The object is visible, whole, and durable unless relaxed, when done comes with 0. On an
     * error nothing has changed. NO_SUCH_BUCKET also when the bucket of that name is another than
     * at create. The writer is freed in either case. For a part: etag and meta are the part's. */
    void (*commit)(struct lb_writer *w, struct lb_engine_op *op);
    /* Drops what was written. The writer is freed at once; no completion. All writes must be done.
     */
    void (*abort)(struct lb_writer *w);

    /* bucket, key, version, precond, versioning, relaxed -> info (version, marker). Without a
     * version: what versioning says; info is the marker that was made, if any. With one: that
     * version or marker is gone, whatever versioning says; info is what it was, and if it was the
     * latest, the one before is now current. A key or version that is not there is success (unless
     * if_match asks for it). */
    void (*remove)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, key, version, meta, precond, if_same, was -> info. Replaces the meta blob of an
     * object, atomically; bytes, ETag, mtime and version stay. PRECONDITION_FAILED when it is
     * another than `was`; the rest as open. */
    void (*set_meta)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, prefix, delimiter, after, after_id, max, want_meta, versions -> list. Without
     * versions: the current objects, no markers. */
    void (*list)(struct lb_engine_port *p, struct lb_engine_op *op);

    /* bucket, key, meta -> upload id in uploads[0]. */
    void (*upload_create)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, key, upload_id -> uploads[0] (with meta). NO_SUCH_UPLOAD. */
    void (*upload_head)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, prefix, after, after_id, max -> uploads, n, truncated; by key, then by id. */
    void (*upload_list)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, key, upload_id, part (numbers strictly after), max (up to LB_PARTS_MAX) -> ret_parts,
     * n, truncated. */
    void (*upload_parts)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, key, upload_id, parts, parts_n, etag, meta, precond, versioning, relaxed -> info.
     * Becomes the object, as commit. A part that is not there or has another ETag: INVALID_PART. A
     * failed precondition leaves the upload as it was. Parts that are not named are dropped. */
    void (*upload_complete)(struct lb_engine_port *p, struct lb_engine_op *op);
    /* bucket, key, upload_id -> . NO_SUCH_UPLOAD. */
    void (*upload_abort)(struct lb_engine_port *p, struct lb_engine_op *op);
};

struct lb_engine {
    const struct lb_engine_ops *ops;
};

struct lb_engine_port {
    const struct lb_engine_ops *ops;
    struct lb_io *io;
    struct lb_pool *pool;
};

#endif
