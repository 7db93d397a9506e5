/* The insides of the filesystem engine. Functions that say "worker" may block and run on worker
 * threads (or before the loops start); all others run on the port's loop and do not block.
 *
 * On disk, for the bucket directory B:
 *   B/a/b.txt                     the object "a/b.txt", with its attributes in the xattr user.lobos
 *   B/.lobos/keys/<hh>/<hash>     objects whose key a path can't carry ("hidden"); attributes hold
 * the full key B/.lobos/attrs/<inode, hex>   attributes that do not fit an xattr, or where there
 * are none (sidecar) B/.lobos/tmp/<random>         objects being written B/.lobos/uploads/<id>/
 * multipart uploads: "upload" (key, meta), "00001" (parts) B/.lobos/bucket               the
 * bucket's settings and ROOT/.lobos/lock, ROOT/.lobos/trash/ (buckets being deleted). */
#ifndef LB_ENGINE_FS_PRIV_H
#define LB_ENGINE_FS_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "engine/engine.h"
#include "engine/fs/fs.h"
#include "metrics/counter.h"

#define FS_RESERVED ".lobos"
#define FS_TRASH FS_RESERVED "/trash" /* beneath the root */
#define FS_XATTR "user.lobos"
#define FS_PATH_MAX 4352 /* bucket + '/' + the longest path of a key, NUL included */
#define FS_LOCKS 1024
/* Timestamps of files tick; what was seen within this time of its last change may change again
 * without a new timestamp, and is not believed again. */
#define FS_RACY_NS 50000000
#define FS_ATTRS_MAX (LB_META_MAX + LB_KEY_MAX + 128u) /* encoded attributes */
#define FS_HASH_HEX 64                                 /* of a key: its place in .lobos */

struct fs_keysets; /* keyset.c: which keys of each bucket are special, in memory */
struct fs_dirs;    /* dircache.c: sorted directory contents, shared by the loops */
struct fs_durable; /* durable.c: group commit */
struct fs_cache;   /* cache.c: a loop's open descriptors */

/* What ports count. Several of them may share one, but with usual numbers of loops none do: so
 * they do not write to each other's cache lines. */
struct fs_counters {
    struct lb_counter reads, read_bytes;     /* pieces of objects that were given */
    struct lb_counter writes, written_bytes; /* pieces of objects that were taken */
    char apart[96];
};
#define FS_COUNTERS 32

/* A bucket's creation. */
struct fs_made {
    uint64_t name; /* its hash */
    unsigned epoch;
};
#define FS_MADE 1024

struct fs_engine {
    struct lb_engine engine;
    struct lb_fs_conf conf;
    struct lb_vfs *vfs;
    int root;       /* directory descriptor of conf.dir */
    int lock;       /* descriptor of the lock file */
    bool journaled; /* fsync of a directory commits all earlier metadata operations (ext4 with a
                       journal, xfs); known, not assumed */
    atomic_bool sidecars; /* there may be sidecars: set by sweep and attrs.c, never cleared */
    atomic_bool versions; /* there may be versions in some bucket: set by sweep and keep.c, never
                             cleared */
    bool no_xattr;        /* the filesystem has no user xattrs: sidecars always */
    pthread_mutex_t key_locks[FS_LOCKS]; /* by hash of bucket and key: held around a commit's check
                                            and rename, a remove, a set_meta */
    pthread_rwlock_t bucket_lock; /* read: while something of a bucket is changed; write: while a
                                     bucket is deleted */
    atomic_uint bucket_epoch;     /* counts the buckets created and deleted: what a port knows of
                                     them is stale when it has changed */
    struct fs_made made[FS_MADE]; /* the buckets created last; with bucket_lock */
    size_t made_n;
    struct fs_keysets *keysets;
    struct fs_dirs *dirs;
    struct fs_durable *durable;
    atomic_uint ports; /* attached so far */
    struct fs_counters counters[FS_COUNTERS];
};

/* What a port last saw of a bucket's name. */
struct fs_known {
    uint64_t at_ns; /* monotonic; 0: never */
    unsigned epoch; /* the engine's bucket_epoch then */
    bool there;
    uint8_t len;
    char name[255];
};
#define FS_KNOWN 64 /* by hash of the name */

struct fs_port {
    struct lb_engine_port port;
    struct fs_engine *fs;
    struct fs_cache *cache;
    struct fs_counters *counters; /* one of the engine's */
    unsigned background; /* clean-up work in flight that no operation waits for; detach runs the
                            loop until it is 0 */
    struct fs_known known[FS_KNOWN];
};

static inline struct fs_engine *fs_of(struct lb_engine_port *p) {
    return LB_CONTAINER_OF(p, struct fs_port, port)->fs;
}

/* May what op does be lost with the machine's power? Only where a journal keeps changes in their
 * order: elsewhere a power loss could leave a name without its bytes, or bring back what a later
 * and durable change has taken away. */
static inline bool fs_relaxed(const struct fs_engine *fs, const struct lb_engine_op *op) {
    return op->relaxed && fs->journaled;
}

static inline struct fs_counters *fs_counters_of(struct lb_engine_port *p) {
    return LB_CONTAINER_OF(p, struct fs_port, port)->counters;
}

/* A piece of an object was read, or written. */
static inline void fs_count_read(struct lb_engine_port *p, uint64_t len) {
    lb_counter_add_shared(&fs_counters_of(p)->reads, 1);
    lb_counter_add_shared(&fs_counters_of(p)->read_bytes, len);
}

static inline void fs_count_write(struct lb_engine_port *p, uint64_t len) {
    lb_counter_add_shared(&fs_counters_of(p)->writes, 1);
    lb_counter_add_shared(&fs_counters_of(p)->written_bytes, len);
}

/* durable.c. Any thread. Sets queue, syncs and synced. */
void fs_durable_stats(struct fs_engine *fs, struct lb_storage_stats *ret);

/* ---- version.c: which version of its key a file is; pure functions ---- */

#define FS_VERSION_LEN 24 /* of an id: order and salt in hex */
#define FS_VERSION_NAME_MAX 32

/* Of a key's versions, that with the greater (order, salt) is the later. The null version has an
 * order, too, as soon as it may meet others; it is not shown. */
struct fs_version {
    uint64_t order; /* nanoseconds since 1970, or just more than those before; 0: none */
    uint32_t salt;
    bool null;
    bool marker;
};

/* Negative, 0 or positive. */
int fs_version_cmp(const struct fs_version *a, const struct fs_version *b);
/* What a client calls it: "null" also for NULL and for none. */
void fs_version_id(const struct fs_version *v, struct lb_version_id *ret);
/* A client's word for a version: order and salt, or `null`. False when it can be none. */
bool fs_version_parse(struct lb_slice id, struct fs_version *ret);
/* Its file's name: "<id>", with ".n", ".m" or ".nm" for the null version, a marker, both. */
void fs_version_name(const struct fs_version *v, char ret[FS_VERSION_NAME_MAX]);
bool fs_version_name_parse(struct lb_slice name, struct fs_version *ret);

/* ---- names.c: where a key lives; pure functions ---- */

/* Can a path carry this key? No: an empty component ("//", a leading or trailing '/'), "." or "..",
 * a component over 255 bytes, NUL, first component FS_RESERVED. (That "a" is a file where "a/b" is
 * wanted is found out by trying: then the key is hidden, too.) */
bool fs_key_is_plain(struct lb_slice key);
/* "<bucket>/<key>", or "<key>" with single_bucket, for a plain key; beneath fs->root. */
void fs_plain_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   char ret[FS_PATH_MAX]);
/* "<bucket>/.lobos/keys/<2 hex>/<64 hex>" (SHA-256 of the key). */
void fs_hidden_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    char ret[FS_PATH_MAX]);
/* "<bucket>/.lobos/versions/<2 hex>/<64 hex>": the directory of a key's versions. */
void fs_versions_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                      char ret[FS_PATH_MAX]);
/* The SHA-256 of a key in hex. */
void fs_key_hash(struct lb_slice key, char ret[FS_HASH_HEX + 1]);
/* "<bucket>/.lobos/<rest>". rest is a NUL-terminated relative path of our own making. */
void fs_reserved_path(const struct fs_engine *fs, struct lb_slice bucket, const char *rest,
                      char ret[FS_PATH_MAX]);
/* The bucket's own directory: "<bucket>" or ".". */
void fs_bucket_path(const struct fs_engine *fs, struct lb_slice bucket, char ret[FS_PATH_MAX]);
/* May this be a bucket's folder name at all: not empty, no '/', no NUL, not starting with '.', at
 * most 255 bytes; with single_bucket, that name only. */
bool fs_bucket_name_ok(const struct fs_engine *fs, struct lb_slice bucket);
/* Are these bytes UTF-8 (no surrogates, no overlong forms, at most U+10FFFF)? */
bool fs_utf8_ok(struct lb_slice s);
/* The mutex that guards a key's commits. */
pthread_mutex_t *fs_key_lock(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key);

/* ---- attrs.c: an object's attributes ---- */

/* What is stored with the file. It speaks of the file only while size and mtime_ns are still the
 * file's own: otherwise another program wrote it since, and the object has no attributes but an
 * opaque ETag (or, when only the size differs, a power loss tore it: CORRUPT). */
struct fs_attrs {
    uint64_t size;
    int64_t mtime_ns;
    struct lb_etag etag;
    struct lb_slice key; /* of hidden objects, uploads and what has a version; else empty */
    struct lb_slice meta;
    struct fs_version version; /* order 0: it has none */
    int64_t shown_mtime_ns;    /* with a version: the object's, where the file's is not; else 0 */
};

/* Encodes in the shortest form, with CRC32C; decodes with check (CORRUPT). Slices of a decoded one
 * borrow from blob. Formats by byte offset in README.md. */
void fs_attrs_encode(const struct fs_attrs *a, struct lb_buf *ret);
int fs_attrs_decode(struct lb_slice blob, struct fs_attrs *ret);
/* Worker. Stores attrs with the open file fd of inode st->ino in bucket: xattr, or sidecar when too
 * large or none (removing the other form). sync: the sidecar is durable on return. */
int fs_attrs_store(struct fs_engine *fs, struct lb_slice bucket, int fd,
                   const struct lb_vfs_stat *st, const struct fs_attrs *a, bool sync);
/* Reads the attributes of the open file fd into blob (cleared first) and decodes. Blocks only when
 * a sidecar must be opened: cached_only then gives -EAGAIN instead. Returns 0; -ENODATA when there
 * are none; CORRUPT. */
int fs_attrs_load(struct fs_engine *fs, struct lb_slice bucket, int fd,
                  const struct lb_vfs_stat *st, bool cached_only, struct lb_buf *blob,
                  struct fs_attrs *ret);
/* What the object looks like: from attrs when they speak of this file, else size, mtime and an
 * opaque ETag of inode, size, mtime. attrs NULL: none. Returns 0 or CORRUPT (torn). */
int fs_object_info(const struct lb_vfs_stat *st, const struct fs_attrs *attrs,
                   struct lb_object_info *ret);
/* The sidecar of an inode: "<bucket>/.lobos/attrs/<inode, hex>". */
void fs_attrs_path(const struct fs_engine *fs, struct lb_slice bucket, uint64_t ino,
                   char ret[FS_PATH_MAX]);
/* Worker. Removes the sidecar of an inode that is gone; no error when there is none. */
void fs_attrs_drop(struct fs_engine *fs, struct lb_slice bucket, uint64_t ino);

/* ---- keyset.c: ordered sets of keys per bucket, loaded from disk at first use ---- */

enum fs_keys {
    FS_KEYS_HIDDEN,    /* have a hidden file */
    FS_KEYS_VERSIONED, /* have something in versions/ (perhaps nothing that counts) */
    FS_KEYS_KINDS,
};

struct fs_keysets *fs_keysets_new(void);
void fs_keysets_free(struct fs_keysets *h);
/* Any thread. Is the bucket's set in memory? */
bool fs_keys_loaded(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket);
/* Worker. Loads the bucket's set when it is not there yet. */
int fs_keys_load(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket);
/* Any thread. May this key be one of them? True also when the set is not loaded. */
bool fs_keys_maybe(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                   struct lb_slice key);
/* Worker, with the key's lock held; when, says keyset.c. */
void fs_keys_add(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                 struct lb_slice key);
void fs_keys_remove(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                    struct lb_slice key);
/* Worker. The first of them > after (or >= when inclusive) with prefix, copied to ret
 * (LB_KEY_MAX). Returns 1, or 0 when there is none, or -errno. */
int fs_keys_next(struct fs_engine *fs, enum fs_keys kind, struct lb_slice bucket,
                 struct lb_slice prefix, struct lb_slice after, bool inclusive, char *ret,
                 size_t *ret_len);
/* Of every kind. */
void fs_keys_drop_bucket(struct fs_engine *fs, struct lb_slice bucket);

/* ---- files.c: the engine's own small files and directories; all worker ---- */

#define FS_TREE_DEPTH_MAX 1000 /* directories deep that a tree is removed */

/* Makes "<bucket>/.lobos" and "<bucket>/.lobos/<sub>" where they are missing (sub may be a
 * path of two, "keys/ab"). Returns 0, NO_SUCH_BUCKET or -errno. */
int fs_reserved_make(struct fs_engine *fs, struct lb_slice bucket, const char *sub);
/* Writes a file as a whole, not atomically. sync: its bytes last (not yet its name). */
int fs_file_write(struct fs_engine *fs, const char *path, struct lb_slice bytes, bool sync);
/* Replaces the file `path` atomically by one with these bytes. Its directory must be there. */
int fs_reserved_replace(struct fs_engine *fs, struct lb_slice bucket, const char *path,
                        struct lb_slice bytes, bool sync);
/* fsync of a directory. */
int fs_dir_sync(struct fs_engine *fs, const char *path);
/* Removes a directory and everything in it, following no symlink. Returns 0 also when it is not
 * there. */
int fs_tree_remove(struct fs_engine *fs, const char *path);

/* ---- open.c: finding an object ---- */

struct fs_found {
    int fd; /* open for reading; the caller's */
    bool hidden;
    struct lb_vfs_stat st;
    struct fs_attrs attrs; /* borrowed from the blob given */
    bool has_attrs;
    struct fs_version version; /* which one of its key the file is; order 0: not known, so null */
    struct lb_object_info info;
};
/* Worker. Finds a key's object (plain path first, then hidden). Returns 0; NO_SUCH_KEY;
 * NO_SUCH_BUCKET; CORRUPT, with fd -1, and hidden, st and version filled; -errno. Directories,
 * sockets and symlinks that lead outside are NO_SUCH_KEY. */
int fs_find(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key, struct lb_buf *blob,
            struct fs_found *ret);
/* Fills the rest of f from the open f->fd of the key's file, flags and blob as for fs_find. Returns
 * 0; -ENOENT when that is no regular file; CORRUPT, with f->st and f->version filled; -errno. */
int fs_describe(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key, unsigned flags,
                struct lb_buf *blob, struct fs_found *f);
/* Worker. Is what has this name now the bucket that had it when bucket_epoch was `epoch`, as far as
 * this server made it? False also when that can't be told any more. */
bool fs_bucket_same(struct fs_engine *fs, struct lb_slice bucket, unsigned epoch);
/* What is shown of one that is CORRUPT: it can be seen and deleted. */
int fs_damaged_info(struct fs_found *f);
/* Worker, or with LB_VFS_CACHED a loop (-EAGAIN when it would block). Opens and describes the file
 * of a key at path. Returns as fs_find, but -ENOENT when there is none. */
int fs_find_at(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key, const char *path,
               unsigned flags, struct lb_buf *blob, struct fs_found *ret);
/* Worker. Is it there? 0 or NO_SUCH_BUCKET or -errno. */
int fs_bucket_check(struct fs_engine *fs, struct lb_slice bucket);

void fs_open(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_read(struct lb_reader *r, struct lb_engine_op *op, uint64_t off, uint64_t len, bool files);
void fs_reader_close(struct lb_reader *r);
void fs_head(struct lb_engine_port *p, struct lb_engine_op *op);
/* The descriptor behind a reader, for append's clone. */
int fs_reader_fd(struct lb_reader *r);

/* ---- cache.c ---- */
/* See cache_priv.h for what a cache does. Free may turn the loop, to wait for closing files. */
struct fs_cache *fs_cache_new(struct fs_engine *fs, struct lb_io *io, unsigned open_files_max);
void fs_cache_free(struct fs_cache *c);

/* ---- bucket.c, list.c, dircache.c ---- */
void fs_bucket_create(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_bucket_delete(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_bucket_head(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_bucket_set(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_bucket_list(struct lb_engine_port *p, struct lb_engine_op *op);
bool fs_bucket_known(struct lb_engine_port *p, struct lb_slice bucket);
void fs_list(struct lb_engine_port *p, struct lb_engine_op *op);

/* ---- work.c: running a blocking function for an engine operation ---- */

/* Runs fn(op) on a worker; its result is op->done's err. fn may allocate from op->arena and set
 * results. These use op->run, never op->state. */
typedef int (*fs_work_fn)(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_work(struct lb_engine_port *p, struct lb_engine_op *op, fs_work_fn fn);
/* The same, then then(err) on the loop, whose result is op->done's err. */
typedef int (*fs_then_fn)(struct lb_engine_port *p, struct lb_engine_op *op, int err);
void fs_work_then(struct lb_engine_port *p, struct lb_engine_op *op, fs_work_fn fn,
                  fs_then_fn then);
/* Completes op with err through the loop. Needs no memory, cannot fail. */
void fs_complete(struct lb_engine_port *p, struct lb_engine_op *op, int err);

/* ---- writer.c, commit.c, durable.c, remove.c, upload.c, complete.c ---- */
void fs_create(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_write(struct lb_writer *w, struct lb_engine_op *op, struct lb_pool_buf *buf);
void fs_append(struct lb_writer *w, struct lb_engine_op *op, struct lb_reader *from, uint64_t off,
               uint64_t len);
void fs_commit(struct lb_writer *w, struct lb_engine_op *op);
void fs_abort(struct lb_writer *w);
void fs_remove(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_set_meta(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_upload_create(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_upload_head(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_upload_list(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_upload_parts(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_upload_complete(struct lb_engine_port *p, struct lb_engine_op *op);
void fs_upload_abort(struct lb_engine_port *p, struct lb_engine_op *op);

struct fs_durable *fs_durable_new(struct fs_engine *fs);
void fs_durable_free(struct fs_durable *d);
/* When a port goes, after its last operation: no other thread touches its loop any more. */
void fs_durable_detach(struct fs_engine *fs);
/* Any thread. True once an fsync has failed: what the page cache holds can no longer be trusted to
 * reach the disk, so nothing is written until a restart (READ_ONLY). */
bool fs_read_only(const struct fs_engine *fs);

/* sweep.c. Worker, at start: removes temporaries, half-deleted buckets, orphaned sidecars and
 * hidden files, old uploads. */
int fs_sweep(struct fs_engine *fs);

#endif
