/* What the writing half of the filesystem engine shares: directories beneath a bucket, group
 * commit, and the way from a finished temporary to a visible object. "Worker" as in fs_priv.h. */
#ifndef LB_ENGINE_FS_WRITE_PRIV_H
#define LB_ENGINE_FS_WRITE_PRIV_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/fs/fs_priv.h"

#define FS_ID_HEX 32         /* of a temporary's name and of an upload's id */
#define FS_OWN_PATH_MAX 384  /* "<bucket>/.lobos/uploads/<id>/00001" and the like */
#define FS_DIRECT_ALIGN 4096 /* offset, length and address of O_DIRECT writes */
#define FS_TRIES 16          /* of one install, against others that prune its directories */

/* The engine's error for what a system call on the storage returned: running out of room is
 * STORAGE_FULL; the rest as it is. */
int fs_storage_err(int64_t res);

/* A random name of FS_ID_HEX digits and a NUL. On the loop. */
void fs_id_new(struct lb_io *io, char ret[FS_ID_HEX + 1]);

/* "<bucket>/.lobos/<dir>/<id>[/<name>]"; name may be NULL. id holds FS_ID_HEX digits. */
void fs_own_path(const struct fs_engine *fs, struct lb_slice bucket, const char *dir,
                 const char *id, const char *name, char ret[FS_OWN_PATH_MAX]);

/* ---- dirs.c: directories on the way to a file ---- */

/* Opens (O_PATH) the directory that path (beneath fs->root, in bucket) lies in, making missing
 * levels when asked, never the bucket itself. Returns 0 with the descriptor (fs->root for a file
 * right in the bucket; give it to fs_dir_close) and the name to use with it, which points into
 * path; -ENOENT; -ENOTDIR when something else is in the way, be it a file or a symlink that leads
 * outside. Worker. */
int fs_dir_open(struct fs_engine *fs, struct lb_slice bucket, char *path, bool make, int *ret_dir,
                const char **ret_name);
void fs_dir_close(struct fs_engine *fs, int dir);

/* Removes the directories on the way to path that are empty, from the last one up, never the
 * bucket. Worker. */
void fs_dir_prune(struct fs_engine *fs, struct lb_slice bucket, char *path);

/* fsync of the directory path lies in and of each one above it up to the bucket; those that are
 * gone are left out. done(ctx, path) tells whether one was synced already. An fsync that fails
 * turns the engine READ_ONLY. Worker. */
int fs_path_sync(struct fs_engine *fs, struct lb_slice bucket, char *path,
                 bool (*done)(void *ctx, struct lb_slice dir), void *ctx);

/* ---- durable.c: group commit ---- */

/* What a change has touched and its durability needs. Zeroed at first. */
struct fs_touched {
    bool any;
    char *paths[2]; /* files that came or went, owned; not used with fs->journaled */
};

/* Records that the entry `path` has changed. Worker. Returns 0, or the error of the fsync that it
 * had to do on the spot. */
int fs_touch(struct fs_engine *fs, struct lb_slice bucket, struct fs_touched *t, const char *path);

/* Worker. Makes the entry `path` durable at once, where nothing keeps it in order with what
 * follows. A failure turns the engine READ_ONLY. */
int fs_path_settle(struct fs_engine *fs, struct lb_slice bucket, const char *path);

/* Someone whose changes are to become durable. Embedded; kept until done. */
struct fs_waiter {
    void (*done)(struct fs_waiter *w, int err); /* on its loop */
    struct fs_touched touched;
    struct lb_slice bucket; /* borrowed */
    struct fs_engine *fs;
    struct lb_io *io;
    struct lb_io_op op;   /* when it leads a flush */
    struct lb_io_msg msg; /* "lead", or "it is done" */
    struct lb_list link;
    int err;
};

/* Calls w->done when all that w->touched names is durable. On the loop, after the changes. */
void fs_durable_wait(struct fs_engine *fs, struct lb_io *io, struct fs_waiter *w);

/* The same without any flush: w->done(w, err), now. */
void fs_durable_skip(struct fs_waiter *w, int err);

/* Worker. fsync of a file's data and attributes; a failure turns the engine READ_ONLY. */
int fs_file_sync(struct fs_engine *fs, int fd);

/* An operation that changes something: a work item, then, unless it is relaxed or nothing was
 * touched, the wait. */
typedef int (*fs_change_fn)(struct lb_engine_port *p, struct lb_engine_op *op,
                            struct fs_touched *t);
/* READ_ONLY at once when the engine takes no writes. */
void fs_change(struct lb_engine_port *p, struct lb_engine_op *op, fs_change_fn fn);

/* ---- commit.c ---- */

/* A finished temporary that is to become an object. */
struct fs_install {
    struct lb_slice bucket;
    struct lb_slice key;
    const char *tmp; /* path beneath fs->root */
    int fd;          /* of it */
    struct lb_etag etag;
    struct lb_slice meta;
    const struct lb_precond *precond;
    const char *upload_id; /* must still be there at that moment; NULL: none */
    enum lb_versioning versioning;
    int64_t wall_ns; /* now, by the time of day */
    bool sync;
    bool cached; /* with sync: bytes may still be in the page cache alone */
    bool last;   /* tmp is the only name of an object that was acknowledged */
};

/* Worker. Stores the attributes, decides the precondition and renames, with the key's lock held. On
 * success tmp is gone, ret_info (without meta) and t are set; on failure nothing has changed but
 * tmp. NO_SUCH_BUCKET, NO_SUCH_UPLOAD, PRECONDITION_FAILED, NO_SUCH_KEY, STORAGE_FULL, ... */
int fs_install(struct fs_engine *fs, const struct fs_install *in, struct fs_touched *t,
               struct lb_object_info *ret_info);

/* Worker. Stores a, whose size and mtime it takes from the file, with the finished file fd; with
 * sync, the file is durable on return but for its name. cached: as in fs_install. */
int fs_record(struct fs_engine *fs, struct lb_slice bucket, int fd, struct fs_attrs *a, bool sync,
              bool cached);

/* What an object is that was put in place with these attributes, without its meta. */
void fs_installed(const struct fs_attrs *a, struct lb_object_info *ret);

/* Worker, with the key's lock held. Renames in->tmp to the key's place, which is hidden when
 * something else is in the way; the attributes a, which the file has, are then stored again, unless
 * they say the key already. */
int fs_place(struct fs_engine *fs, const struct fs_install *in, struct fs_attrs *a,
             struct fs_touched *t);

/* Worker, with the key's lock held. Is the upload that is to become an object still there? */
int fs_upload_check(struct fs_engine *fs, const struct fs_install *in);

/* Worker, with the key's lock held. Removes the object at the key's place, whatever its form. */
int fs_object_remove(struct fs_engine *fs, const struct lb_engine_op *op, struct fs_touched *t);

/* Worker. Copies through memory. OBJECT_CHANGED when `from` is shorter. */
int fs_copy_range(struct lb_vfs *v, int from, uint64_t from_off, int to, uint64_t to_off,
                  uint64_t len);

/* Worker. Renames tmp (beneath fs->root) over name in dir and drops the sidecar of a file that was
 * there. */
int fs_rename_over(struct fs_engine *fs, struct lb_slice bucket, const char *tmp, int dir,
                   const char *name);

/* Worker, with the key's lock held. Decides op->precond against what is there. */
int fs_precond_decide(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                      const struct lb_precond *pre);

/* Worker. Unlinks name in dir, with its sidecar. last: until both are gone, a power loss must bring
 * back both or none. */
int fs_unlink_with(struct fs_engine *fs, struct lb_slice bucket, int dir, const char *name,
                   bool last);

/* Worker, with the key's lock held. Unlinks the plain or the hidden file of a key with its sidecar.
 * Returns 1, 0 when there is none, or -errno. */
int fs_unlink_form(struct fs_engine *fs, struct lb_slice bucket, char *path);

/* Worker. Removes the hidden file of a key, where there is one, and says so to hidden.c. */
int fs_hidden_clear(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    struct fs_touched *t);

static inline bool fs_precond_any(const struct lb_precond *p) {
    return p->if_match.len || p->if_none_match.len || p->has_mtime || p->has_size;
}

/* ---- writer.c ---- */

struct fs_writer {
    struct lb_writer w;
    struct fs_engine *fs;
    struct lb_slice bucket; /* copies, in the same allocation, as are the next two */
    struct lb_slice key;
    struct lb_slice upload_id; /* empty: the object itself */
    uint32_t part;
    unsigned epoch; /* fs->bucket_epoch when it began */
    uint64_t size_hint;
    bool relaxed;
    pthread_mutex_t lock; /* of opening: the first of several writes at once does it */
    int fd;               /* -1: nothing on disk yet */
    bool direct;          /* fd is O_DIRECT */
    uint64_t preset;      /* size that the file was given before its bytes */
    atomic_bool padded;   /* the last block was filled up */
    atomic_bool cached;   /* some bytes went through the page cache */
    struct lb_io_op io;   /* of a commit or an abort */
    struct lb_engine_op *op;
    struct fs_waiter wait;
    struct lb_object_info info;
    char tmp[FS_OWN_PATH_MAX];
};

static inline struct fs_writer *fs_writer_of(struct lb_writer *w) {
    return LB_CONTAINER_OF(w, struct fs_writer, w);
}

/* A new temporary, open with flags (made with O_CREAT | O_EXCL), making what is missing on the way.
 * Worker. */
int fs_tmp_open(struct fs_engine *fs, struct lb_slice bucket, const char *tmp, unsigned flags);

/* Worker. Removes a temporary, with its sidecar, unless it has its place already. */
void fs_tmp_discard(struct fs_engine *fs, struct lb_slice bucket, const char *tmp, int fd);

/* Worker. Writes all of it. */
int fs_write_all(struct lb_vfs *v, int fd, const char *ptr, size_t len, uint64_t off);

/* "00001" */
void fs_part_name(uint32_t part, char ret[8]);

/* ---- upload.c ---- */

#define FS_CLEAR_STEP 256 /* files of an upload removed by one work item */

/* Is it an id that fs_id_new could have made? */
bool fs_upload_id_ok(struct lb_slice id);

/* Worker. Opens an upload's record and reads it into blob. key.ptr NULL: whatever its key. Returns
 * 0, NO_SUCH_UPLOAD (also when it is another key's), NO_SUCH_BUCKET, CORRUPT or -errno. */
int fs_upload_load(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   const char *id, struct lb_buf *blob, struct fs_attrs *ret);

/* Worker. Opens a part and reads its attributes. *ret_fd is the caller's. -ENOENT: not there. */
int fs_part_open(struct fs_engine *fs, struct lb_slice bucket, const char *id, uint32_t part,
                 struct lb_buf *blob, struct fs_attrs *ret, int *ret_fd);

/* Worker. Takes the upload out of sight: its directory moves to tmp, from where fs_upload_clear
 * removes it (a bounded number of files; returns 1 when there are more). -ENOENT: not there. */
int fs_upload_hide(struct fs_engine *fs, struct lb_slice bucket, const char *id);
int fs_upload_clear(struct fs_engine *fs, struct lb_slice bucket, const char *id);

/* What every method that starts something checks first: the key's length, the bucket's name. */
int fs_names_check(struct fs_engine *fs, const struct lb_engine_op *op);

#endif
