/* Path resolution, as path_resolution(7) and openat2(2) with RESOLVE_BENEATH have it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim_fs_priv.h"

#define LINKS_MAX 40

struct walker {
    const struct sim_fs *fs;
    uint64_t from;
    unsigned flags;
    unsigned links;
    char rest[2 * SIM_PATH_MAX]; /* what is still to be resolved */
    uint64_t dir;
    struct sim_walk *ret;
};

/* Puts a symbolic link's target in front of the rest. */
static int splice_link(struct walker *w, const struct sim_blob *target) {
    size_t rest = strlen(w->rest);
    if (++w->links > LINKS_MAX)
        return -ELOOP;
    if (target->len + 1 + rest >= sizeof(w->rest))
        return -ENAMETOOLONG;
    memmove(w->rest + target->len + (rest > 0), w->rest, rest + 1);
    if (rest > 0)
        w->rest[target->len] = '/';
    memcpy(w->rest, target->bytes, target->len);
    if (w->rest[0] == '/') {
        if (w->flags & SIM_WALK_BENEATH)
            return -EXDEV;
        w->dir = SIM_ROOT;
    }
    return 0;
}

/* "." and "..": the walk stays in, or goes to, a directory. */
static int dots(struct walker *w, bool up, bool last) {
    if (up && (w->flags & SIM_WALK_BENEATH) && w->dir == w->from)
        return -EXDEV;
    if (up)
        w->dir = sim_inode(w->fs, w->dir)->parent;
    if (last) {
        w->ret->dir = w->ret->ino = w->dir;
        w->ret->name[0] = 0;
    }
    return 0;
}

/* A directory on the way. */
static int enter(struct walker *w, const struct sim_inode *found) {
    if (!found)
        return -ENOENT;
    if (found->type != LB_VFS_DIR)
        return -ENOTDIR;
    w->dir = found->ino;
    return 0;
}

static const struct sim_inode *look_up(const struct walker *w, const char *name, size_t len) {
    uint64_t ino = sim_state_lookup(&sim_inode(w->fs, w->dir)->now, name, len);
    return ino ? sim_inode(w->fs, ino) : NULL;
}

/* Is a symbolic link in the last place followed? */
static bool follows(const struct walker *w) {
    return (w->flags & SIM_WALK_FOLLOW) || (w->ret->slash && !(w->flags & SIM_WALK_PARENT));
}

/* One named component. Returns 1 when the walk has ended, 0 to go on. */
static int component(struct walker *w, const char *name, size_t len, bool last) {
    struct sim_walk *ret = w->ret;
    const struct sim_inode *found = look_up(w, name, len);
    bool by_name = w->flags & SIM_WALK_PARENT;
    if (ret->slash && last && (w->flags & SIM_WALK_CREATE))
        return -EISDIR;
    if (found && found->target && (!last || follows(w)))
        return splice_link(w, found->target);
    if (!last)
        return enter(w, found);
    ret->dir = w->dir;
    ret->ino = found ? found->ino : 0;
    memcpy(ret->name, name, len);
    ret->name[len] = 0;
    bool file = found && found->type != LB_VFS_DIR;
    return file && ret->slash && !by_name ? -ENOTDIR : 1;
}

/* Takes the first component off the rest. Returns its length, 0 at the end. */
static size_t take(struct walker *w, char name[SIM_PATH_MAX], bool *ret_last) {
    const char *at = w->rest + strspn(w->rest, "/");
    size_t len = strcspn(at, "/");
    if (len < SIM_PATH_MAX)
        memcpy(name, at, len);
    const char *next = at + len + strspn(at + len, "/");
    *ret_last = *next == 0;
    if (*ret_last && len > 0 && at[len] == '/')
        w->ret->slash = true;
    memmove(w->rest, next, strlen(next) + 1);
    return len;
}

static int walk_check(const struct sim_fs *fs, uint64_t from, const char *path, unsigned flags) {
    if (path[0] == 0)
        return -ENOENT;
    if (strlen(path) >= SIM_PATH_MAX)
        return -ENAMETOOLONG;
    if (path[0] == '/' && (flags & SIM_WALK_BENEATH))
        return -EXDEV;
    return sim_inode(fs, from)->type == LB_VFS_DIR ? 0 : -ENOTDIR;
}

/* Takes and resolves one component. Returns 1 at the end. */
static int step(struct walker *w) {
    char name[SIM_PATH_MAX];
    bool last;
    size_t len = take(w, name, &last);
    if (len > SIM_NAME_MAX) {
        w->ret->dir = w->dir;
        w->ret->too_long = true;
        return last && (w->flags & SIM_WALK_PARENT) ? 1 : -ENAMETOOLONG;
    }
    if (len == 0) {
        dots(w, false, true);
        return 1;
    }
    bool up = len == 2 && name[0] == '.' && name[1] == '.';
    if (!up && (len != 1 || name[0] != '.'))
        return component(w, name, len, last);
    int err = dots(w, up, last);
    return err ? err : last;
}

int sim_path_walk(const struct sim_fs *fs, uint64_t from, const char *path, unsigned flags,
                  struct sim_walk *ret) {
    struct walker w = {.fs = fs, .from = from, .flags = flags, .dir = from, .ret = ret};
    memset(ret, 0, sizeof(*ret));
    int err = walk_check(fs, from, path, flags);
    if (err)
        return err;
    memcpy(w.rest, path, strlen(path) + 1);
    while (err == 0)
        err = step(&w);
    return err < 0 ? err : 0;
}

int sim_path_start(const struct sim_fs *fs, int dir, const char *path, uint64_t *ret) {
    if (dir == -1 || path[0] == '/') {
        *ret = SIM_ROOT;
        return 0;
    }
    const struct sim_file *f = sim_file(fs, dir);
    if (sim_inode(fs, f->ino)->type != LB_VFS_DIR)
        return -ENOTDIR;
    *ret = f->ino;
    return 0;
}
