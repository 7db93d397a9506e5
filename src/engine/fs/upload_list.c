/* ListMultipartUploads: the uploads of a bucket by key and id. They are in a directory in no order,
 * so a page reads every record and keeps the first few. */
#include "engine/fs/write_priv.h"

struct entry {
    struct lb_buf blob; /* owned; attrs borrows from it */
    struct fs_attrs attrs;
    char id[FS_ID_HEX + 1];
};

struct page {
    struct fs_engine *fs;
    struct lb_engine_op *op;
    struct entry *entries; /* the smallest max + 1, sorted */
    size_t n;
};

static int entry_cmp(const struct entry *e, struct lb_slice key, struct lb_slice id) {
    int c = lb_slice_cmp(e->attrs.key, key);
    return c ? c : lb_slice_cmp(lb_slice(e->id, FS_ID_HEX), id);
}

static bool wanted(const struct lb_engine_op *op, const struct entry *e) {
    if (!lb_slice_starts_with(e->attrs.key, op->prefix))
        return false;
    if (op->after.len == 0)
        return true;
    int c = lb_slice_cmp(e->attrs.key, op->after);
    if (c == 0 && op->after_id.len)
        return lb_slice_cmp(lb_slice(e->id, FS_ID_HEX), op->after_id) > 0;
    return c > 0;
}

/* Takes e's blob. */
static void insert(struct page *page, struct entry *e) {
    size_t low = 0, high = page->n, max = page->op->max + 1;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (entry_cmp(&page->entries[mid], e->attrs.key, lb_slice(e->id, FS_ID_HEX)) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == max) {
        lb_buf_fini(&e->blob);
        return;
    }
    if (page->n == max)
        lb_buf_fini(&page->entries[--page->n].blob);
    memmove(&page->entries[low + 1], &page->entries[low],
            (page->n - low) * sizeof(page->entries[0]));
    page->entries[low] = *e;
    page->n++;
}

static int upload_seen(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct page *page = ctx;
    struct entry e = {0};
    if (!fs_upload_id_ok(lb_slice(name, len)))
        return 0;
    memcpy(e.id, name, len);
    lb_buf_init(&e.blob, FS_ATTRS_MAX);
    struct lb_slice any = {NULL, 0};
    int rc = fs_upload_load(page->fs, page->op->bucket, any, e.id, &e.blob, &e.attrs);
    if (rc == 0 && wanted(page->op, &e)) {
        insert(page, &e);
        return 0;
    }
    lb_buf_fini(&e.blob);
    /* Gone meanwhile, or torn by a power loss: there is nothing to list. */
    return rc == LB_ERR_NO_SUCH_UPLOAD || rc == LB_ERR_CORRUPT ? 0 : rc;
}

static int result(struct page *page) {
    struct lb_engine_op *op = page->op;
    size_t n = page->n < op->max ? page->n : op->max;
    struct lb_upload_info *uploads = lb_arena_zalloc(op->arena, (n + 1) * sizeof(*uploads));
    if (!uploads)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &page->entries[i];
        uploads[i].created_ns = e->attrs.mtime_ns;
        if (lb_arena_copy(op->arena, e->attrs.key, &uploads[i].key) < 0 ||
            lb_arena_copy(op->arena, lb_slice(e->id, FS_ID_HEX), &uploads[i].id) < 0 ||
            lb_arena_copy(op->arena, e->attrs.meta, &uploads[i].meta) < 0)
            return -ENOMEM;
    }
    op->uploads = uploads;
    op->n = n;
    op->truncated = page->n > n;
    return 0;
}

static int list_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct page page = {.fs = fs_of(p), .op = op};
    struct lb_vfs *v = page.fs->vfs;
    char path[FS_PATH_MAX];
    int rc = fs_bucket_check(page.fs, op->bucket);
    if (rc)
        return rc;
    page.entries = calloc(op->max + 2, sizeof(page.entries[0]));
    if (!page.entries)
        return -ENOMEM;
    fs_reserved_path(page.fs, op->bucket, "uploads", path);
    int dir = v->ops->open(v, page.fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    rc = dir == -ENOENT ? 0 : dir;
    if (dir >= 0) {
        rc = v->ops->readdir(v, dir, upload_seen, &page);
        v->ops->close(v, dir);
    }
    if (rc == 0)
        rc = result(&page);
    for (size_t i = 0; i < page.n; i++)
        lb_buf_fini(&page.entries[i].blob);
    free(page.entries);
    return rc;
}

void fs_upload_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    op->truncated = false;
    if (!fs_bucket_name_ok(fs_of(p), op->bucket))
        fs_complete(p, op, LB_ERR_NO_SUCH_BUCKET);
    else
        fs_work(p, op, list_work);
}
