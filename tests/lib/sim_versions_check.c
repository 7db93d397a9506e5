/* What a bucket with versions may hold after a workload: see sim_versions.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/fs/fs_priv.h"
#include "sim_versions.h"

/* A version as it was found. */
struct seen {
    struct lb_version_id id;
    bool marker, latest;
    struct sim_got got; /* not of a marker */
    int err;            /* of reading it */
};

struct seen_key {
    unsigned n;
    struct seen v[SIMV_MAX + 4];
    int err; /* of reading the current one */
    struct sim_got got;
    struct lb_object_info info;
};

struct looking {
    struct simv_model *m;
    struct sim_store *store;
    struct seen_key keys[SIMV_KEYS];
    size_t at; /* key listed last, + 1 */
};

static bool matches(const struct seen *s, const struct simv_version *v) {
    static char meta[SIMV_META_MAX];
    bool null = lb_slice_eq(lb_version_slice(&s->id), LB_S("null"));
    if (s->marker != v->marker || null != v->null)
        return false;
    if (v->id.len && !lb_slice_eq(lb_version_slice(&s->id), lb_version_slice(&v->id)))
        return false;
    if (v->marker)
        return true;
    return !s->err && s->got.size == v->size && sim_got_is(&s->got, 0, v->content, v->size) &&
           lb_slice_eq(lb_slice(s->got.meta, s->got.meta_len), simv_meta(v->meta, meta));
}

static bool same_bytes(const struct sim_got *a, const struct sim_got *b) {
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0 &&
           lb_slice_eq(lb_etag_slice(&a->etag), lb_etag_slice(&b->etag));
}

/* Is this the list that was found, and is the current object its first, if that is no marker? */
static bool is_list(const struct seen_key *s, const struct simv_list *l) {
    if (s->n != l->n)
        return false;
    for (unsigned i = 0; i < l->n; i++) {
        if (!matches(&s->v[i], &l->v[i]) || s->v[i].latest != (i == 0))
            return false;
    }
    if (l->n == 0 || l->v[0].marker)
        return s->err == LB_ERR_NO_SUCH_KEY && s->info.marker == (l->n > 0);
    return s->err == 0 && same_bytes(&s->got, &s->v[0].got);
}

static void describe(const struct seen_key *s, char *to, size_t cap) {
    size_t n = (size_t)snprintf(to, cap, "current: %s;", s->err ? lb_err_name(s->err) : "there");
    for (unsigned i = 0; i < s->n && n < cap; i++)
        n += (size_t)snprintf(to + n, cap - n, " %.*s%s%s%s",
                              LB_SLICE_ARG(lb_version_slice(&s->v[i].id)),
                              s->v[i].marker ? "(marker)" : "", s->v[i].latest ? "*" : "",
                              s->v[i].err ? lb_err_name(s->v[i].err) : "");
}

static void describe_list(const struct simv_list *l, char *to, size_t cap) {
    size_t n = 0;
    to[0] = '\0';
    for (unsigned i = 0; i < l->n && n < cap; i++)
        n += (size_t)snprintf(to + n, cap - n, " %.*s%s",
                              LB_SLICE_ARG(lb_version_slice(&l->v[i].id)),
                              l->v[i].marker ? "(marker)" : "");
}

/* ---- reading ---- */

static void entry_seen(void *ctx, const struct lb_list_entry *e) {
    struct looking *l = ctx;
    for (size_t i = 0; i < SIMV_KEYS; i++) {
        struct seen_key *k = &l->keys[i];
        if (!lb_slice_eq(l->m->keys[i].name, e->key))
            continue;
        if (k->n > 0 && l->at != i + 1)
            simv_fail(l->m, "the list comes back to \"%.*s\"", LB_SLICE_ARG(e->key));
        if (k->n == SIMV_MAX + 4) {
            simv_fail(l->m, "the list of \"%.*s\" has no end", LB_SLICE_ARG(e->key));
            return;
        }
        l->at = i + 1;
        k->v[k->n++] = (struct seen){
            .id = e->info.version, .marker = e->info.marker, .latest = e->info.latest};
        return;
    }
    simv_fail(l->m, "\"%.*s\" is listed, which nobody put", LB_SLICE_ARG(e->key));
}

static bool read_key(struct looking *l, size_t i) {
    struct seen_key *k = &l->keys[i];
    struct lb_slice name = l->m->keys[i].name;
    for (unsigned v = 0; v < k->n; v++) {
        struct seen *s = &k->v[v];
        s->err = sim_store_get_version(l->store, LB_S(SIMV_BUCKET), name, lb_version_slice(&s->id),
                                       &s->got, NULL);
        if (s->marker ? s->err != LB_ERR_METHOD_NOT_ALLOWED : s->err != 0)
            return simv_fail(l->m, "version %.*s of \"%.*s\" cannot be read: %s",
                             LB_SLICE_ARG(lb_version_slice(&s->id)), LB_SLICE_ARG(name),
                             lb_err_name(s->err));
    }
    k->err = sim_store_get_version(l->store, LB_S(SIMV_BUCKET), name, LB_S(""), &k->got, &k->info);
    return true;
}

static void looking_fini(struct looking *l) {
    for (size_t i = 0; i < SIMV_KEYS; i++) {
        for (unsigned v = 0; v < l->keys[i].n; v++)
            sim_got_fini(&l->keys[i].v[v].got);
        sim_got_fini(&l->keys[i].got);
    }
}

/* ---- leftovers ---- */

struct entries {
    unsigned n;
    char first[64];
};

static int count_entry(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct entries *e = ctx;
    if (e->n++ == 0)
        snprintf(e->first, sizeof(e->first), "%.*s", (int)len, name);
    return 0;
}

static struct entries entries_in(struct sim_store *s, const char *path) {
    struct lb_vfs *v = sim_fs_vfs(s->fs);
    struct entries e = {0};
    int fd = v->ops->open(v, -1, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return e;
    v->ops->readdir(v, fd, count_entry, &e);
    v->ops->close(v, fd);
    return e;
}

/* In versions/, where they are files, is what is listed, less the current one; nothing else. */
static bool check_files(struct looking *l, size_t i) {
    char hash[FS_HASH_HEX + 1], path[256];
    const struct seen_key *k = &l->keys[i];
    fs_key_hash(l->m->keys[i].name, hash);
    snprintf(path, sizeof(path), SIM_STORE_DIR "/" SIMV_BUCKET "/.lobos/versions/%.2s/%s", hash,
             hash);
    if (strcmp(l->store->ops->name, "filesystem") != 0)
        return true;
    unsigned n = entries_in(l->store, path).n, want = k->n - (k->n > 0 && !k->v[0].marker);
    return n == want || simv_fail(l->m, "key \"%.*s\": %u files in versions, %u listed",
                                  LB_SLICE_ARG(l->m->keys[i].name), n, want);
}

/* ---- all ---- */

static void adopt_key(struct simv_key *k, const struct seen_key *s, const struct simv_list *l) {
    k->now = *l;
    for (unsigned i = 0; i < s->n; i++)
        k->now.v[i].id = s->v[i].id;
    k->busy = k->unsure = false;
}

static bool check_key(struct looking *l, size_t i, bool adopt) {
    struct simv_key *k = &l->m->keys[i];
    struct seen_key *s = &l->keys[i];
    char text[300];
    if (!read_key(l, i))
        return false;
    bool now = is_list(s, &k->now), next = (k->busy || k->unsure) && is_list(s, &k->next);
    if (!now && !next) {
        char known[300];
        describe(s, text, sizeof(text));
        describe_list(&k->now, known, sizeof(known));
        return simv_fail(l->m, "key \"%.*s\" (%s,%s) is not as it may be: %s",
                         LB_SLICE_ARG(k->name),
                         k->busy     ? "busy"
                         : k->unsure ? "unsure"
                                     : "idle",
                         known, text);
    }
    /* While an operation runs on it, it may have left something there. */
    if (adopt || (!k->busy && !k->unsure))
        check_files(l, i);
    if (adopt)
        adopt_key(k, s, now ? &k->now : &k->next);
    return !l->m->failure[0];
}

bool simv_check(struct simv_model *m, struct sim_store *store, bool adopt) {
    static struct looking l;
    l = (struct looking){.m = m, .store = store};
    struct entries tmp = entries_in(store, SIM_STORE_DIR "/" SIMV_BUCKET "/.lobos/tmp");
    if (adopt && tmp.n > 0)
        simv_fail(m, "leftovers in tmp: %s", tmp.first);
    int err = sim_store_list_versions(store, LB_S(SIMV_BUCKET), 2, entry_seen, &l);
    if (err && (err != LB_ERR_NO_SUCH_BUCKET || m->bucket))
        simv_fail(m, "the list fails: %s", lb_err_name(err));
    for (size_t i = 0; i < SIMV_KEYS && !err && !m->failure[0]; i++)
        check_key(&l, i, adopt);
    looking_fini(&l);
    return !m->failure[0];
}
