/* What a store may hold after a workload: see sim_model.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "sim_model.h"

/* What was found of a key. */
struct found {
    int err;
    struct sim_got got;
    bool listed;
};

static bool same_etag(const struct lb_etag *a, uint64_t id) {
    struct lb_etag b = sim_etag(id);
    return lb_slice_eq(lb_etag_slice(a), lb_etag_slice(&b));
}

static bool is_version(const struct found *f, const struct sim_version *v) {
    static char meta[SIM_META_MAX];
    uint64_t at = 0;
    if (!v->there)
        return f->err == LB_ERR_NO_SUCH_KEY;
    if (f->err || !same_etag(&f->got.etag, v->etag))
        return false;
    if (!lb_slice_eq(lb_slice(f->got.meta, f->got.meta_len), sim_model_meta(v->meta, meta)))
        return false;
    for (unsigned i = 0; i < v->parts_n; i++) {
        if (!sim_got_is(&f->got, at, v->parts[i].content, v->parts[i].size))
            return false;
        at += v->parts[i].size;
    }
    return at == f->got.size;
}

static const struct sim_version *among(const struct found *f, const struct sim_versions *list) {
    for (unsigned i = 0; i < list->n; i++) {
        if (is_version(f, &list->v[i]))
            return &list->v[i];
    }
    return NULL;
}

/* The version that was found, of those that are allowed; NULL: something else. */
static const struct sim_version *recognise(const struct sim_key *k, const struct found *f,
                                           enum sim_check how) {
    static const struct sim_version none;
    if (is_version(f, &k->now))
        return &k->now;
    if (k->busy && is_version(f, &k->next))
        return &k->next;
    const struct sim_version *v = among(f, &k->maybe);
    if (v || how == SIM_CHECK_LIVE)
        return v;
    /* A relaxed one may take what it replaced with it; a hidden one is gone with its attributes. */
    if (k->relaxed && (f->err == LB_ERR_CORRUPT || f->err == LB_ERR_NO_SUCH_KEY))
        return &none;
    return among(f, &k->past);
}

/* Removes what is damaged, so that the key is known to be free. */
static void remove_damaged(struct sim_model *m, struct sim_store *s, const struct sim_key *k) {
    struct sim_job j;
    sim_job_init(s, &j, LB_S(SIM_BUCKET), k->name);
    sim_job_call(&j, s->ops->remove);
    int err = sim_job_wait(&j);
    sim_job_fini(&j);
    if (err)
        sim_model_fail(m, "damaged key \"%.40s\" cannot be removed: %s", k->name.ptr,
                       lb_err_name(err));
}

static bool check_key(struct sim_model *m, struct sim_key *k, struct sim_store *s,
                      enum sim_check how, bool adopt, struct found *f) {
    f->err = sim_store_get(s, LB_S(SIM_BUCKET), k->name, &f->got);
    const struct sim_version *v = recognise(k, f, how);
    if (!v && !m->bucket && f->err == LB_ERR_NO_SUCH_BUCKET)
        v = &k->now;
    if (!v && f->err)
        return sim_model_fail(m, "key \"%.40s\" cannot be read: %s (%llu acknowledged, %s)",
                              k->name.ptr, lb_err_name(f->err), (unsigned long long)k->now.etag,
                              k->busy ? "another in flight" : "none in flight");
    if (!v)
        return sim_model_fail(
            m,
            "key \"%.40s\" is a version that may not be: etag %.*s, %llu bytes of "
            "meta, %llu bytes (%llu acknowledged, %llu in flight)",
            k->name.ptr, LB_SLICE_ARG(lb_etag_slice(&f->got.etag)),
            (unsigned long long)f->got.meta_len, (unsigned long long)f->got.size,
            (unsigned long long)k->now.etag, (unsigned long long)(k->busy ? k->next.etag : 0));
    if (adopt) {
        k->now = *v;
        k->maybe.n = k->past.n = 0;
        k->relaxed = k->busy = false;
    }
    return true;
}

/* The list. */

struct listing {
    struct sim_model *m;
    struct found *found;
    char last[LB_KEY_MAX];
    size_t last_len;
    bool any;
};

static void list_entry(void *ctx, const struct lb_list_entry *e) {
    struct listing *l = ctx;
    if (l->any && lb_slice_cmp(lb_slice(l->last, l->last_len), e->key) >= 0)
        sim_model_fail(l->m, "the list is out of order at \"%.*s\"", LB_SLICE_ARG(e->key));
    memcpy(l->last, e->key.ptr, e->key.len);
    l->last_len = e->key.len;
    l->any = true;
    for (size_t i = 0; i < SIM_KEYS; i++) {
        struct found *f = &l->found[i];
        if (!lb_slice_eq(l->m->keys[i].name, e->key))
            continue;
        f->listed = true;
        if (f->err == LB_ERR_NO_SUCH_KEY)
            sim_model_fail(l->m, "\"%.*s\" is listed and not there", LB_SLICE_ARG(e->key));
        else if (!f->err &&
                 (e->info.size != f->got.size ||
                  !lb_slice_eq(lb_etag_slice(&e->info.etag), lb_etag_slice(&f->got.etag))))
            sim_model_fail(l->m, "\"%.*s\" is listed with another size or ETag",
                           LB_SLICE_ARG(e->key));
        return;
    }
    sim_model_fail(l->m, "\"%.*s\" is listed, which nobody put", LB_SLICE_ARG(e->key));
}

static bool check_list(struct sim_model *m, struct sim_store *s, struct found *found) {
    struct listing l = {.m = m, .found = found};
    int err = sim_store_list(s, LB_S(SIM_BUCKET), 3, list_entry, &l);
    if (err == LB_ERR_NO_SUCH_BUCKET && !m->bucket)
        return true;
    if (err)
        return sim_model_fail(m, "the list fails: %s", lb_err_name(err));
    for (size_t i = 0; i < SIM_KEYS; i++) {
        if (!found[i].err && !found[i].listed)
            sim_model_fail(m, "key \"%.40s\" is there and not listed", m->keys[i].name.ptr);
    }
    return !m->failure[0];
}

/* Uploads. */

static bool check_part(struct sim_model *m, struct sim_client *c, const struct lb_engine_op *op,
                       unsigned i) {
    for (size_t k = 0; k < op->n && c->has_part[i] && !c->unsure[i]; k++) {
        const struct lb_part_info *p = &op->ret_parts[k];
        if (p->number == i + 1 && p->size == c->parts[i].size &&
            same_etag(&p->etag, c->parts[i].content))
            return true;
    }
    if (!c->has_part[i] || c->unsure[i])
        return true;
    return sim_model_fail(m, "part %u of an upload of \"%.40s\" is lost", i + 1,
                          c->upload_key->name.ptr);
}

static bool check_upload(struct sim_model *m, struct sim_client *c, struct sim_store *s) {
    struct sim_job j;
    sim_job_init(s, &j, LB_S(SIM_BUCKET), c->upload_key->name);
    j.op.upload_id = lb_slice(c->id, c->id_len);
    sim_job_call(&j, s->ops->upload_parts);
    int err = sim_job_wait(&j);
    if (err)
        sim_model_fail(m, "an upload of \"%.40s\" is lost: %s", c->upload_key->name.ptr,
                       lb_err_name(err));
    for (unsigned i = 0; i < SIM_PARTS && !err; i++)
        check_part(m, c, &j.op, i);
    sim_job_fini(&j);
    return !m->failure[0];
}

/* Leftovers. */

struct leftovers {
    unsigned n;
    char first[64];
};

static int leftover_seen(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct leftovers *l = ctx;
    if (l->n++ == 0)
        snprintf(l->first, sizeof(l->first), "%.*s", (int)len, name);
    return 0;
}

static bool check_empty(struct sim_model *m, struct sim_store *s, const char *path) {
    struct lb_vfs *v = sim_fs_vfs(s->fs);
    struct leftovers l = {0};
    int fd = v->ops->open(v, -1, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -ENOENT || sim_model_fail(m, "%s cannot be opened", path);
    v->ops->readdir(v, fd, leftover_seen, &l);
    v->ops->close(v, fd);
    return l.n == 0 || sim_model_fail(m, "%u leftovers in %s: %s", l.n, path, l.first);
}

bool sim_model_check_write(struct sim_model *m, struct sim_store *s) {
    struct sim_job j;
    struct sim_got got;
    int err = 0;
    if (!m->bucket)
        return true;
    sim_job_init(s, &j, LB_S(SIM_BUCKET), LB_S("probe/1"));
    sim_job_put(&j, 1, 5000);
    err = sim_job_wait(&j);
    sim_job_fini(&j);
    if (!err)
        err = sim_store_get(s, LB_S(SIM_BUCKET), LB_S("probe/1"), &got);
    if (err)
        return sim_model_fail(m, "a new object fails: %s", lb_err_name(err));
    bool same = sim_got_is(&got, 0, 1, 5000);
    sim_got_fini(&got);
    sim_job_init(s, &j, LB_S(SIM_BUCKET), LB_S("probe/1"));
    sim_job_call(&j, s->ops->remove);
    err = sim_job_wait(&j);
    sim_job_fini(&j);
    if (err || !same)
        return sim_model_fail(m, "a new object cannot be removed, or differs: %s",
                              lb_err_name(err));
    return true;
}

bool sim_model_check(struct sim_model *m, struct sim_store *s, enum sim_check how, bool adopt) {
    struct found found[SIM_KEYS] = {0};
    check_empty(m, s, SIM_STORE_DIR "/" SIM_BUCKET "/.lobos/tmp");
    check_empty(m, s, SIM_STORE_DIR "/.lobos/trash");
    for (size_t i = 0; i < SIM_KEYS && !m->failure[0]; i++)
        check_key(m, &m->keys[i], s, how, adopt, &found[i]);
    if (!m->failure[0])
        check_list(m, s, found);
    for (size_t i = 0; i < SIM_KEYS; i++) {
        sim_got_fini(&found[i].got);
        if (adopt && found[i].err == LB_ERR_CORRUPT)
            remove_damaged(m, s, &m->keys[i]);
    }
    for (size_t i = 0; i < SIM_CLIENTS && !m->failure[0]; i++) {
        if (m->clients[i].upload)
            check_upload(m, &m->clients[i], s);
        if (adopt)
            m->clients[i].upload = false;
    }
    return !m->failure[0] && sim_model_check_write(m, s);
}
