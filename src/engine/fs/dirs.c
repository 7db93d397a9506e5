/* The directories between a bucket and a file in it. Every level is opened beneath the root, so a
 * symlink that another program has put there can't lead a rename or an unlink outside. Others may
 * prune what is being made: callers try again, FS_TRIES times. */
#include "engine/fs/write_priv.h"

#define DIR_FLAGS (O_PATH | O_DIRECTORY)

/* Where the bucket ends in a path beneath the root: the '/' behind it, or -1 with a single one. */
static ptrdiff_t bucket_end(const struct fs_engine *fs, struct lb_slice bucket) {
    return fs->conf.single_bucket ? -1 : (ptrdiff_t)bucket.len;
}

/* The last '/' in path[0..at), or -1. */
static ptrdiff_t slash_before(const char *path, ptrdiff_t at) {
    while (--at >= 0 && path[at] != '/')
        continue;
    return at;
}

/* Opens path[0..end) as a directory; end -1 is the root. */
static int open_to(struct fs_engine *fs, char *path, ptrdiff_t end, unsigned flags) {
    if (end < 0)
        return fs->vfs->ops->open(fs->vfs, fs->root, ".", flags, 0);
    char c = path[end];
    path[end] = '\0';
    int fd = fs->vfs->ops->open(fs->vfs, fs->root, path, flags, 0);
    path[end] = c;
    /* Something that leads outside, or in circles, is in the way just as a file is. */
    return fd == -EXDEV || fd == -ELOOP || fd == -ENAMETOOLONG ? -ENOTDIR : fd;
}

/* Makes the levels of path from the directory at `end` down to the one at `last`. */
static int make_down(struct fs_engine *fs, char *path, int dir, ptrdiff_t end, ptrdiff_t last) {
    struct lb_vfs *v = fs->vfs;
    while (end < last) {
        ptrdiff_t next = end + 1;
        while (path[next] != '/')
            next++;
        path[next] = '\0';
        int rc = v->ops->mkdir(v, dir, path + end + 1, 0777);
        path[next] = '/';
        v->ops->close(v, dir);
        if (rc < 0 && rc != -EEXIST)
            return rc == -ENAMETOOLONG ? -ENOTDIR : rc;
        dir = open_to(fs, path, next, DIR_FLAGS);
        if (dir < 0)
            return dir;
        end = next;
    }
    return dir;
}

int fs_dir_open(struct fs_engine *fs, struct lb_slice bucket, char *path, bool make, int *ret_dir,
                const char **ret_name) {
    ptrdiff_t top = bucket_end(fs, bucket);
    ptrdiff_t last = slash_before(path, (ptrdiff_t)strlen(path));
    if (last <= top) {
        /* The bucket's own name was resolved beneath the root when the operation began. */
        *ret_dir = fs->root;
        *ret_name = path;
        return 0;
    }
    ptrdiff_t end = last;
    int dir = open_to(fs, path, end, DIR_FLAGS);
    while (make && dir == -ENOENT && end > top) {
        end = slash_before(path, end);
        if (end < top)
            end = top;
        dir = open_to(fs, path, end, DIR_FLAGS);
    }
    if (dir >= 0)
        dir = make_down(fs, path, dir, end, last);
    if (dir < 0)
        return dir;
    *ret_dir = dir;
    *ret_name = path + last + 1;
    return 0;
}

void fs_dir_close(struct fs_engine *fs, int dir) {
    if (dir >= 0 && dir != fs->root)
        fs->vfs->ops->close(fs->vfs, dir);
}

void fs_dir_prune(struct fs_engine *fs, struct lb_slice bucket, char *path) {
    struct lb_vfs *v = fs->vfs;
    ptrdiff_t top = bucket_end(fs, bucket);
    ptrdiff_t end = slash_before(path, (ptrdiff_t)strlen(path));
    while (end > top) {
        ptrdiff_t above = slash_before(path, end);
        int dir = open_to(fs, path, above > top ? above : top, DIR_FLAGS);
        if (dir < 0)
            return;
        char c = path[end];
        path[end] = '\0';
        int rc = v->ops->rmdir(v, dir, path + above + 1);
        path[end] = c;
        v->ops->close(v, dir);
        if (rc < 0 && rc != -ENOENT)
            return;
        end = above;
    }
}

int fs_path_sync(struct fs_engine *fs, struct lb_slice bucket, char *path,
                 bool (*done)(void *ctx, struct lb_slice dir), void *ctx) {
    struct lb_vfs *v = fs->vfs;
    ptrdiff_t top = bucket_end(fs, bucket);
    ptrdiff_t end = (ptrdiff_t)strlen(path);
    do {
        end = slash_before(path, end);
        if (end < top)
            end = top;
        if (done && done(ctx, lb_slice(path, end < 0 ? 0 : (size_t)end)))
            return 0; /* those above it were synced with it */
        int fd = open_to(fs, path, end, O_RDONLY | O_DIRECTORY);
        if (fd == -ENOENT || fd == -ENOTDIR)
            continue;
        int rc = fd < 0 ? fd : fs_file_sync(fs, fd);
        if (fd >= 0)
            v->ops->close(v, fd);
        if (rc < 0)
            return rc;
    } while (end > top);
    return 0;
}
