/* What is left after the power is lost, or the process killed. */
#include <stdlib.h>
#include <string.h>

#include "sim_fs_priv.h"

/* How an image is chosen: the extremes are frequent, since most bugs show there. */
struct dice {
    struct lb_prng prng;
    unsigned keep_percent; /* without a journal: of the pending changes */
    size_t logged;         /* with one: how many of the changes it holds */
    bool *cut_off;         /* by inode: a truncation was lost, and so is all data after it */
    uint64_t *known;       /* by inode: the size on the disk before any pending data */
    uint64_t seed;
};

static struct sim_fs *copy_inodes(const struct sim_fs *fs, uint64_t seed) {
    struct sim_fs_conf conf = fs->conf;
    conf.seed ^= seed;
    struct sim_fs *to = sim_fs_empty(&conf);
    to->stamp_ns = fs->stamp_ns;
    to->inodes_n = fs->inodes_n;
    to->inodes = sim_grow(NULL, fs->inodes_n, sizeof(*to->inodes));
    for (size_t i = 0; i < fs->inodes_n; i++) {
        const struct sim_inode *n = fs->inodes[i];
        to->inodes[i] = NULL;
        if (!n)
            continue;
        struct sim_inode *copy = sim_grow(NULL, 1, sizeof(*copy));
        *copy = *n;
        copy->opens = 0;
        copy->lock_fd = 0;
        sim_blob_ref(copy->target);
        sim_state_copy(&copy->disk, &n->disk);
        sim_state_copy(&copy->now, &n->now);
        to->inodes[i] = copy;
    }
    return to;
}

static void copy_pending(struct sim_fs *to, const struct sim_fs *fs) {
    LB_LIST_FOR_EACH(it, &fs->pending) {
        struct sim_change c = *LB_CONTAINER_OF(it, struct sim_change, link);
        sim_blob_ref(c.slot[0].name);
        sim_blob_ref(c.slot[1].name);
        sim_blob_ref(c.bytes);
        sim_blob_ref(c.name);
        sim_pending_add(to, c);
    }
}

struct sim_fs *sim_fs_kill(const struct sim_fs *fs) {
    struct sim_fs *to = copy_inodes(fs, 0);
    copy_pending(to, fs);
    to->garbage = SIZE_MAX;
    sim_pending_collect(to);
    return to;
}

static void roll_write_plain(struct sim_fs *to, struct sim_change *c, struct dice *d) {
    switch (lb_prng_below(&d->prng, 3)) {
    case 0:
        sim_pending_apply(to, c);
        break;
    case 1:
        sim_pending_tear(&sim_inode(to, c->ino)->disk, c, &d->prng, true, true);
        break;
    default:
        sim_pending_tear(&sim_inode(to, c->ino)->disk, c, &d->prng, false, true);
    }
}

static void roll_plain(struct sim_fs *to, struct sim_change *c, struct dice *d) {
    if (lb_prng_below(&d->prng, 100) >= d->keep_percent)
        return;
    if (c->kind != SIM_CH_WRITE || d->keep_percent == 100)
        sim_pending_apply(to, c);
    else
        roll_write_plain(to, c, d);
}

/* Buffered data: how far the flusher has come with this file, the same for all its writes. Beyond
 * the size that the disk knew, everything below the cut was written out, nothing above; below it,
 * any sectors. */
static void roll_buffered(struct sim_fs *to, const struct sim_change *c, const struct dice *d) {
    struct sim_inode *n = sim_inode(to, c->ino);
    struct lb_prng p;
    lb_prng_seed(&p, d->seed ^ (c->ino * 0x9e3779b97f4a7c15u));
    uint64_t how = lb_prng_below(&p, 4), end = c->off + c->bytes->len, cut = n->now.size;
    if (how == 0)
        return;
    if (how >= 2)
        cut = lb_prng_below(&p, n->now.size + 1);
    if (how == 2)
        cut -= cut % SIM_PAGE;
    uint64_t known = how == 1 ? 0 : d->known[c->ino];
    uint64_t from = c->off > known ? c->off : known;
    uint64_t stop = end < cut ? end : cut;
    if (c->off < known) {
        struct sim_change below = *c;
        lb_prng_seed(&p, lb_prng_next(&p) ^ c->off);
        if (end > known)
            below.bytes = sim_blob_new(c->bytes->bytes, known - c->off);
        sim_pending_tear(&n->disk, &below, &p, false, false);
        if (end > known)
            sim_blob_unref(below.bytes);
    }
    if (from < stop)
        sim_state_write(&n->disk, from, c->bytes->bytes + (from - c->off), stop - from, stop);
}

static void roll_journaled(struct sim_fs *to, struct sim_change *c, struct dice *d, bool logged) {
    bool meta = sim_pending_is_meta(c);
    if (logged && meta)
        sim_pending_apply(to, c);
    else if (logged)
        sim_pending_stamp(to, c);
    if (c->kind == SIM_CH_SIZE && logged)
        d->known[c->ino] = c->off;
    else if (c->kind == SIM_CH_SIZE)
        d->cut_off[c->ino] = true;
    if (c->kind != SIM_CH_WRITE || d->cut_off[c->ino])
        return;
    if (!meta)
        roll_buffered(to, c, d);
    else if (!logged)
        sim_pending_tear(&sim_inode(to, c->ino)->disk, c, &d->prng, false, false);
}

static void roll(struct sim_fs *to, struct dice *d) {
    size_t n = 0;
    uint64_t how = lb_prng_below(&d->prng, 6);
    d->keep_percent = how == 0 ? 0 : how == 1 ? 100 : (unsigned)(how - 1) * 20;
    d->logged = how == 0   ? 0
                : how == 1 ? to->pending_n
                           : lb_prng_below(&d->prng, to->pending_n + 1);
    LB_LIST_FOR_EACH(it, &to->pending) {
        struct sim_change *c = LB_CONTAINER_OF(it, struct sim_change, link);
        if (to->conf.journaled)
            roll_journaled(to, c, d, n++ < d->logged);
        else
            roll_plain(to, c, d);
    }
}

/* Counts the links from the root down and sets parents. An entry that names a directory a second
 * time is dropped, as fsck would. */
static void reach(struct sim_fs *fs, uint64_t dir) {
    struct sim_state *s = &sim_inode(fs, dir)->disk;
    for (size_t i = 0; i < s->entries_n;) {
        struct sim_inode *n = sim_inode(fs, s->entries[i].ino);
        if (n->type == LB_VFS_DIR && n->nlink > 0) {
            sim_state_set_entry(s, s->entries[i].name, 0);
            continue;
        }
        n->nlink++;
        i++;
        if (n->type == LB_VFS_DIR) {
            n->parent = dir;
            reach(fs, n->ino);
        }
    }
}

/* The tree on the disk becomes what is seen; what no name leads to is gone. */
static void mount(struct sim_fs *fs) {
    for (size_t i = SIM_ROOT; i < fs->inodes_n; i++) {
        if (fs->inodes[i])
            fs->inodes[i]->nlink = i == SIM_ROOT;
    }
    reach(fs, SIM_ROOT);
    for (size_t i = SIM_ROOT; i < fs->inodes_n; i++) {
        struct sim_inode *n = fs->inodes[i];
        if (n && n->nlink == 0) {
            sim_inode_free(fs, i);
        } else if (n) {
            sim_state_fini(&n->now);
            sim_state_copy(&n->now, &n->disk);
        }
    }
}

struct sim_fs *sim_fs_crash(const struct sim_fs *fs, uint64_t seed) {
    struct sim_fs *to = copy_inodes(fs, seed);
    struct dice d = {.seed = seed};
    lb_prng_seed(&d.prng, seed ^ 0x6c6f626f73u);
    d.cut_off = sim_grow(NULL, fs->inodes_n, sizeof(*d.cut_off));
    memset(d.cut_off, 0, fs->inodes_n * sizeof(*d.cut_off));
    d.known = sim_grow(NULL, fs->inodes_n, sizeof(*d.known));
    for (size_t i = 0; i < fs->inodes_n; i++)
        d.known[i] = fs->inodes[i] ? fs->inodes[i]->disk.size : 0;
    copy_pending(to, fs);
    roll(to, &d);
    sim_pending_clear(to);
    mount(to);
    free(d.cut_off);
    free(d.known);
    return to;
}
