/* Changes that the page cache shows and the disk does not hold yet, and how they get there.
 *
 * The list is in the order the changes were made. Applying a change of a name makes the earlier
 * ones of the same name dead, so that a directory synced out of order never goes back. */
#include <stdlib.h>
#include <string.h>

#include "sim_fs_priv.h"

#define PENDING_BYTES_MAX (64u << 20)
#define GARBAGE_MAX 16u

static struct sim_change *change_at(struct lb_list *link) {
    return LB_CONTAINER_OF(link, struct sim_change, link);
}

static void change_free(struct sim_fs *fs, struct sim_change *c) {
    fs->pending_n--;
    fs->pending_bytes -= c->bytes ? c->bytes->len : 0;
    lb_list_remove(&c->link);
    sim_blob_unref(c->slot[0].name);
    sim_blob_unref(c->slot[1].name);
    sim_blob_unref(c->bytes);
    sim_blob_unref(c->name);
    free(c);
}

bool sim_pending_is_meta(const struct sim_change *c) {
    return c->kind != SIM_CH_WRITE || c->ordered;
}

static bool same_name(const struct sim_slot *a, const struct sim_slot *b) {
    return a->name && b->name && a->dir == b->dir && sim_blob_eq(a->name, b->name);
}

/* Earlier changes of the names that c sets no longer count. */
static void supersede(struct sim_fs *fs, const struct sim_change *c) {
    LB_LIST_FOR_EACH(it, &fs->pending) {
        struct sim_change *old = change_at(it);
        if (old == c)
            return;
        for (int i = 0; i < 4 && old->kind == SIM_CH_ENTRY; i++) {
            if (same_name(&old->slot[i / 2], &c->slot[i % 2]) && !c->slot[i % 2].dead)
                old->slot[i / 2].dead = true;
        }
    }
}

/* Times never go back, in whatever order changes come to the disk. */
static void stamp(struct sim_state *disk, const struct sim_change *c) {
    if (disk->mtime_ns < c->mtime_ns)
        disk->mtime_ns = c->mtime_ns;
    if (disk->ctime_ns < c->ctime_ns)
        disk->ctime_ns = c->ctime_ns;
}

static void apply_names(struct sim_fs *fs, struct sim_change *c) {
    for (int i = 1; i >= 0; i--) {
        struct sim_slot *s = &c->slot[i];
        if (!s->name || s->dead)
            continue;
        struct sim_state *disk = &sim_inode(fs, s->dir)->disk;
        sim_state_set_entry(disk, s->name, s->ino);
        stamp(disk, c);
    }
    supersede(fs, c);
}

void sim_pending_apply(struct sim_fs *fs, struct sim_change *c) {
    if (c->kind == SIM_CH_ENTRY) {
        apply_names(fs, c);
        return;
    }
    struct sim_state *disk = &sim_inode(fs, c->ino)->disk;
    if (c->kind == SIM_CH_WRITE)
        sim_state_write(disk, c->off, c->bytes->bytes, c->bytes->len, c->off + c->bytes->len);
    else if (c->kind == SIM_CH_SIZE)
        sim_state_resize(disk, c->off);
    else
        sim_state_set_xattr(disk, c->name, c->bytes);
    stamp(disk, c);
}

void sim_pending_stamp(struct sim_fs *fs, const struct sim_change *c) {
    stamp(&sim_inode(fs, c->ino)->disk, c);
}

void sim_pending_tear(struct sim_state *disk, const struct sim_change *c, struct lb_prng *p,
                      bool grow, bool garbage) {
    uint64_t end = c->off + c->bytes->len;
    if (grow && disk->size < end)
        sim_state_resize(disk, end);
    for (uint64_t at = c->off; at < end && at < disk->size;) {
        uint64_t next = at - at % SIM_SECTOR + SIM_SECTOR;
        uint64_t stop = next < end ? next : end;
        stop = stop < disk->size ? stop : disk->size;
        uint64_t dice = lb_prng_below(p, 4);
        uint8_t noise[SIM_SECTOR];
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)lb_prng_next(p);
        if (dice < 2)
            sim_state_write(disk, at, c->bytes->bytes + (at - c->off), stop - at, 0);
        else if (dice == 2 && garbage)
            sim_state_write(disk, at, noise, stop - at, 0);
        at = stop;
    }
}

void sim_pending_clear(struct sim_fs *fs) {
    while (!lb_list_empty(&fs->pending))
        change_free(fs, change_at(fs->pending.next));
}

/* What the kernel's flusher does in time: the oldest changes go to the disk. */
static void write_back(struct sim_fs *fs, size_t keep) {
    while (fs->pending_n > keep) {
        struct sim_change *c = change_at(fs->pending.next);
        sim_pending_apply(fs, c);
        change_free(fs, c);
    }
}

void sim_pending_add(struct sim_fs *fs, struct sim_change c) {
    struct sim_change *copy = sim_grow(NULL, 1, sizeof(*copy));
    *copy = c;
    lb_list_append(&fs->pending, &copy->link);
    fs->pending_n++;
    fs->pending_bytes += c.bytes ? c.bytes->len : 0;
    if (fs->pending_n > fs->conf.pending_max || fs->pending_bytes > PENDING_BYTES_MAX)
        write_back(fs, fs->pending_n / 2);
}

static bool is_of(const struct sim_change *c, uint64_t ino) {
    if (c->kind != SIM_CH_ENTRY)
        return c->ino == ino;
    return c->slot[0].dir == ino || (c->slot[1].name && c->slot[1].dir == ino);
}

/* The change up to which a journal commits for an inode: its last. Buffered data that is written
 * now changes the inode now, so that the whole journal is before it. NULL: nothing to commit. */
static const struct sim_change *last_of(const struct sim_fs *fs, uint64_t ino) {
    const struct sim_change *last = NULL;
    LB_LIST_FOR_EACH(it, &fs->pending) {
        const struct sim_change *c = change_at(it);
        if (!is_of(c, ino))
            continue;
        if (!sim_pending_is_meta(c))
            return change_at(fs->pending.prev);
        last = c;
    }
    return last;
}

/* The pages are clean now, whatever of them reached the disk: no later fsync writes them. */
static void sync_failed(struct sim_fs *fs, uint64_t ino) {
    LB_LIST_FOR_EACH_SAFE(it, &fs->pending) {
        struct sim_change *c = change_at(it);
        if (!is_of(c, ino) || sim_pending_is_meta(c))
            continue;
        sim_pending_tear(&sim_inode(fs, ino)->disk, c, &fs->prng, !fs->conf.journaled, false);
        change_free(fs, c);
    }
}

void sim_pending_sync(struct sim_fs *fs, uint64_t ino, bool failed) {
    const struct sim_change *last = last_of(fs, ino);
    if (failed) {
        sync_failed(fs, ino);
        return;
    }
    bool more = last != NULL;
    for (struct lb_list *it = fs->pending.next, *next; more; it = next) {
        struct sim_change *c = change_at(it);
        next = it->next;
        more = c != last;
        if (is_of(c, ino) || (fs->conf.journaled && sim_pending_is_meta(c))) {
            sim_pending_apply(fs, c);
            change_free(fs, c);
        } else if (fs->conf.journaled) {
            sim_pending_stamp(fs, c);
        }
    }
}

void sim_fs_sync(struct sim_fs *fs) {
    write_back(fs, 0);
}

void sim_pending_trim(struct sim_fs *fs, uint64_t ino, uint64_t size) {
    LB_LIST_FOR_EACH_SAFE(it, &fs->pending) {
        struct sim_change *c = change_at(it);
        if (c->kind != SIM_CH_WRITE || c->ino != ino || c->off + c->bytes->len <= size ||
            (fs->conf.journaled && c->ordered))
            continue;
        if (c->off >= size) {
            change_free(fs, c);
            continue;
        }
        struct sim_blob *cut = sim_blob_new(c->bytes->bytes, size - c->off);
        fs->pending_bytes -= c->bytes->len - cut->len;
        sim_blob_unref(c->bytes);
        c->bytes = cut;
    }
}

void sim_pending_flush(struct sim_fs *fs, uint64_t ino) {
    LB_LIST_FOR_EACH(it, &fs->pending) {
        struct sim_change *c = change_at(it);
        if (c->kind == SIM_CH_WRITE && c->ino == ino)
            c->ordered = true;
    }
}

/* Marks what the disk or a pending change refers to. */
static void mark(const struct sim_fs *fs, bool *live) {
    for (size_t i = 1; i < fs->inodes_n; i++) {
        const struct sim_inode *n = fs->inodes[i];
        if (!n)
            continue;
        if (n->nlink > 0 || n->opens > 0)
            live[i] = true;
        for (size_t k = 0; k < n->disk.entries_n; k++)
            live[n->disk.entries[k].ino] = true;
    }
    LB_LIST_FOR_EACH(it, &fs->pending) {
        const struct sim_change *c = change_at(it);
        live[c->ino] = true;
        for (int i = 0; i < 2; i++)
            live[c->slot[i].dir] = live[c->slot[i].ino] = true;
    }
}

void sim_pending_collect(struct sim_fs *fs) {
    if (fs->garbage < GARBAGE_MAX)
        return;
    fs->garbage = 0;
    bool *live = sim_grow(NULL, fs->inodes_n, sizeof(*live));
    memset(live, 0, fs->inodes_n * sizeof(*live));
    mark(fs, live);
    for (size_t i = SIM_ROOT + 1; i < fs->inodes_n; i++) {
        if (!live[i])
            sim_inode_free(fs, i);
    }
    free(live);
}
