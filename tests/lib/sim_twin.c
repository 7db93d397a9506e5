/* See sim_twin.h: the operations. */
#include "sim_twin.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"

#define BUCKETS 3
#define PARTS 4
#define SAID_MAX (1u << 20)

static const char *const buckets[BUCKETS] = {"one", "two", "three"};
static const char *const keys[] = {"a",       "a/b",    "a/b/c", "a/c", "a0",  "b//x", "/lead",
                                   "dir/",    "dir/1",  "dir/2", "..",  "zz",  "\x01", "\xff\xff",
                                   "deep/er", "deep/e", "m",     "m-1", "m.1", "m/1"};
static const char *const prefixes[] = {"", "", "a", "a/", "dir/", "m", "none"};
static const char *const delimiters[] = {"", "/", "/", "b/"};
static const uint64_t sizes[] = {0,    1,     100,   3000,  3072,  3073,   4095,   4096,
                                 4097, 20000, 65535, 65536, 65537, 131073, 200000, 1500000};
static const size_t metas[] = {0, 10, 40, 40, 300, 5000, 70000};

/* One operation, as it is to be done on both. Ids are by number; NONE: not named. */
#define NONE SIZE_MAX
struct deed {
    unsigned what;
    const char *bucket, *key;
    uint64_t content, size, meta;
    size_t meta_len, version, upload;
    enum lb_versioning versioning;
    unsigned precond;
    bool relaxed, give_up, if_same, versions;
    uint64_t was;
    size_t was_len, after, max;
    const char *prefix, *delimiter;
    uint32_t part;
    unsigned parts; /* a bit for each */
    uint64_t part_content[PARTS];
    uint64_t off, len;
};

/* What was put as part of an upload, so that it can be named: the last content of each. */
static uint64_t part_contents[SIM_TWIN_IDS][PARTS];

void sim_twin_init(struct sim_twin *t, uint64_t seed) {
    memset(t, 0, sizeof(*t));
    memset(part_contents, 0, sizeof(part_contents));
    lb_prng_seed(&t->prng, seed);
    for (int i = 0; i < 2; i++)
        lb_buf_init(&t->side[i].said, SAID_MAX);
}

void sim_twin_fini(struct sim_twin *t) {
    for (int i = 0; i < 2; i++)
        lb_buf_fini(&t->side[i].said);
}

/* ---- ids ---- */

static size_t id_number(struct sim_twin_ids *ids, struct lb_slice id) {
    for (size_t i = 0; i < ids->n; i++) {
        if (lb_slice_eq(lb_slice(ids->id[i].text, ids->id[i].len), id))
            return i;
    }
    assert(ids->n < SIM_TWIN_IDS && id.len <= LB_UPLOAD_ID_MAX);
    memcpy(ids->id[ids->n].text, id.ptr, id.len);
    ids->id[ids->n].len = id.len;
    return ids->n++;
}

static struct lb_slice id_text(const struct sim_twin_ids *ids, size_t i) {
    if (i == NONE || ids->n == 0)
        return (struct lb_slice){0};
    i %= ids->n;
    return lb_slice(ids->id[i].text, ids->id[i].len);
}

/* ---- what was answered ---- */

static void say_bytes(struct lb_buf *b, const char *name, const void *bytes, size_t len) {
    lb_buf_printf(b, " %s %zu:%llx", name, len,
                  (unsigned long long)lb_hash_bytes(lb_slice(bytes, len)));
}

static void say_info(struct sim_twin_side *d, const struct lb_object_info *i) {
    struct lb_slice id = lb_version_slice(&i->version);
    lb_buf_printf(&d->said, " size %llu etag %.*s%s%s version ", (unsigned long long)i->size,
                  LB_SLICE_ARG(lb_etag_slice(&i->etag)), i->marker ? " marker" : "",
                  i->latest ? " latest" : "");
    if (lb_slice_eq(id, LB_S("null")) || id.len == 0)
        lb_buf_append(&d->said, id);
    else
        lb_buf_printf(&d->said, "#%zu", id_number(&d->versions, id));
}

static void say_list(struct sim_twin_side *d, const struct lb_engine_op *op) {
    lb_buf_printf(&d->said, " truncated %d", op->list.truncated);
    for (size_t i = 0; i < op->list.n; i++) {
        const struct lb_list_entry *e = &op->list.entries[i];
        lb_buf_printf(&d->said, "\n    %s\"%.*s\"", e->is_prefix ? "prefix " : "",
                      LB_SLICE_ARG(e->key));
        if (e->is_prefix)
            continue;
        say_info(d, &e->info);
        if (op->want_meta)
            say_bytes(&d->said, "meta", e->info.meta.ptr, e->info.meta.len);
    }
}

static void say_uploads(struct sim_twin_side *d, const struct lb_engine_op *op) {
    lb_buf_printf(&d->said, " truncated %d", op->truncated);
    for (size_t i = 0; i < op->n; i++) {
        lb_buf_printf(&d->said, "\n    \"%.*s\" upload #%zu", LB_SLICE_ARG(op->uploads[i].key),
                      id_number(&d->uploads, op->uploads[i].id));
        say_bytes(&d->said, "meta", op->uploads[i].meta.ptr, op->uploads[i].meta.len);
    }
}

static void say_parts(struct sim_twin_side *d, const struct lb_engine_op *op) {
    lb_buf_printf(&d->said, " truncated %d", op->truncated);
    for (size_t i = 0; i < op->n; i++) {
        const struct lb_part_info *p = &op->ret_parts[i];
        lb_buf_printf(&d->said, "\n    part %u size %llu etag %.*s", p->number,
                      (unsigned long long)p->size, LB_SLICE_ARG(lb_etag_slice(&p->etag)));
        say_bytes(&d->said, "meta", p->meta.ptr, p->meta.len);
    }
}

static void say_buckets(struct sim_twin_side *d, const struct lb_engine_op *op) {
    for (size_t i = 0; i < op->n; i++) {
        lb_buf_printf(&d->said, " \"%.*s\"", LB_SLICE_ARG(op->buckets[i].name));
        say_bytes(&d->said, "settings", op->buckets[i].settings.ptr, op->buckets[i].settings.len);
    }
}

/* ---- the operations on one engine ---- */

static struct lb_slice blob(uint64_t id, size_t len, char *buf) {
    sim_content(id, 0, buf, len);
    return lb_slice(buf, len);
}

static void set_precond(struct lb_engine_op *op, const struct deed *a, struct lb_etag *etag) {
    *etag = sim_etag(a->was);
    if (a->precond == 1)
        op->precond.if_none_match = LB_S("*");
    else if (a->precond == 2)
        op->precond.if_match = LB_S("*");
    else if (a->precond == 3)
        op->precond.if_match = lb_etag_slice(etag);
    else if (a->precond == 4)
        op->precond.if_none_match = lb_etag_slice(etag);
}

static void do_get(struct sim_twin_side *d, const struct deed *a) {
    struct sim_got got;
    struct lb_object_info info;
    int err = sim_store_get_version(d->store, lb_slice_cstr(a->bucket), lb_slice_cstr(a->key),
                                    id_text(&d->versions, a->version), &got, &info);
    lb_buf_printf(&d->said, "%s", lb_err_name(err));
    if (info.marker || !err)
        say_info(d, &info);
    if (err)
        return;
    say_bytes(&d->said, "meta", got.meta, got.meta_len);
    say_bytes(&d->said, "body", got.bytes, got.size);
    sim_got_fini(&got);
}

enum what {
    PUT,
    PUT_PART,
    GET,
    HEAD,
    REMOVE,
    SET_META,
    LIST,
    BUCKET_CREATE,
    BUCKET_DELETE,
    BUCKET_HEAD,
    BUCKET_SET,
    BUCKET_LIST,
    UPLOAD_CREATE,
    UPLOAD_HEAD,
    UPLOAD_LIST,
    UPLOAD_PARTS,
    UPLOAD_COMPLETE,
    UPLOAD_ABORT,
};

static sim_method method_of(const struct lb_engine_ops *ops, unsigned what) {
    const sim_method methods[] = {
        [HEAD] = ops->head,
        [REMOVE] = ops->remove,
        [SET_META] = ops->set_meta,
        [LIST] = ops->list,
        [BUCKET_CREATE] = ops->bucket_create,
        [BUCKET_DELETE] = ops->bucket_delete,
        [BUCKET_HEAD] = ops->bucket_head,
        [BUCKET_SET] = ops->bucket_set,
        [BUCKET_LIST] = ops->bucket_list,
        [UPLOAD_CREATE] = ops->upload_create,
        [UPLOAD_HEAD] = ops->upload_head,
        [UPLOAD_LIST] = ops->upload_list,
        [UPLOAD_PARTS] = ops->upload_parts,
        [UPLOAD_COMPLETE] = ops->upload_complete,
        [UPLOAD_ABORT] = ops->upload_abort,
    };
    return methods[what];
}

/* Does its answer tell of one object? */
static bool says_info(const struct deed *a, const struct lb_engine_op *op) {
    if (a->what == REMOVE)
        return op->info.version.len > 0;
    return a->what <= HEAD || a->what == SET_META || a->what == UPLOAD_COMPLETE;
}

static void say_lists(struct sim_twin_side *d, const struct deed *a,
                      const struct lb_engine_op *op) {
    if (a->what == LIST)
        say_list(d, op);
    else if (a->what == BUCKET_HEAD || a->what == BUCKET_LIST)
        say_buckets(d, op);
    else if (a->what == UPLOAD_CREATE || a->what == UPLOAD_HEAD || a->what == UPLOAD_LIST)
        say_uploads(d, op);
    else if (a->what == UPLOAD_PARTS)
        say_parts(d, op);
}

static void say_result(struct sim_twin_side *d, const struct deed *a, const struct lb_engine_op *op,
                       int err) {
    struct lb_object_info info = op->info;
    if (a->what == PUT_PART)
        info.version.len = 0; /* a part has none */
    lb_buf_printf(&d->said, "%s", lb_err_name(err));
    if (err && !(a->what == HEAD && info.marker))
        return;
    if (says_info(a, op))
        say_info(d, &info);
    if (a->what == HEAD && !err)
        say_bytes(&d->said, "meta", info.meta.ptr, info.meta.len);
    say_lists(d, a, op);
}

static void set_uploads(struct sim_twin_side *d, const struct deed *a, struct lb_engine_op *op,
                        struct lb_part_info *parts) {
    bool names = a->what == PUT_PART || a->what >= UPLOAD_HEAD;
    if (names && a->what != UPLOAD_LIST)
        op->upload_id = id_text(&d->uploads, a->upload);
    if (a->what == PUT_PART || a->what == UPLOAD_PARTS)
        op->part = a->part;
    for (uint32_t i = 0; i < PARTS && a->what == UPLOAD_COMPLETE; i++) {
        if (a->parts & 1u << i)
            parts[op->parts_n++] =
                (struct lb_part_info){.number = i + 1, .etag = sim_etag(a->part_content[i])};
    }
    op->parts = parts;
}

/* Does it on one engine, and says what came of it. */
static void perform(struct sim_twin_side *d, const struct deed *a) {
    static char meta[70000], was[70000];
    struct lb_part_info parts[PARTS];
    struct sim_job j;
    struct lb_etag etag;
    lb_buf_clear(&d->said);
    if (a->what == GET) {
        do_get(d, a);
        return;
    }
    sim_job_init(d->store, &j, lb_slice_cstr(a->bucket), lb_slice_cstr(a->key));
    j.op.meta = blob(a->meta, a->meta_len, meta);
    j.op.settings = j.op.meta;
    j.op.if_same = a->if_same;
    j.op.was = blob(a->was, a->was_len, was);
    j.op.versioning = a->versioning;
    j.op.relaxed = a->relaxed;
    j.op.etag = sim_etag(a->content);
    if (a->what == HEAD || a->what == REMOVE || a->what == SET_META)
        j.op.version = id_text(&d->versions, a->version);
    set_precond(&j.op, a, &etag);
    set_uploads(d, a, &j.op, parts);
    if (a->what == LIST || a->what == BUCKET_LIST || a->what == UPLOAD_LIST) {
        j.op.prefix = lb_slice_cstr(a->prefix);
        j.op.delimiter = lb_slice_cstr(a->delimiter);
        j.op.after = a->after == NONE ? LB_S("") : lb_slice_cstr(keys[a->after]);
        j.op.versions = a->versions;
        j.op.want_meta = a->if_same;
        j.op.max = a->max;
    }
    j.give_up = a->give_up;
    if (a->what <= PUT_PART)
        sim_job_put(&j, a->content, a->size);
    else
        sim_job_call(&j, method_of(d->store->ops, a->what));
    int err = sim_job_wait(&j);
    if (a->give_up)
        lb_buf_printf(&d->said, "gave up: %s", lb_err_name(err));
    else
        say_result(d, a, &j.op, err);
    sim_job_fini(&j);
}

/* ---- the choice ---- */

static uint64_t below(struct sim_twin *t, uint64_t n) {
    return lb_prng_below(&t->prng, n);
}

#define PICK(t, array) ((array)[below(t, sizeof(array) / sizeof((array)[0]))])

/* Of a hundred. */
static unsigned choose_what(struct sim_twin *t) {
    static const struct {
        unsigned what, weight;
    } all[] = {{PUT, 22},          {PUT_PART, 18},      {GET, 7},         {HEAD, 4},
               {REMOVE, 13},       {SET_META, 7},       {LIST, 7},        {BUCKET_CREATE, 1},
               {BUCKET_DELETE, 1}, {BUCKET_HEAD, 1},    {BUCKET_SET, 2},  {BUCKET_LIST, 1},
               {UPLOAD_CREATE, 5}, {UPLOAD_HEAD, 1},    {UPLOAD_LIST, 2}, {UPLOAD_PARTS, 2},
               {UPLOAD_ABORT, 1},  {UPLOAD_COMPLETE, 5}};
    uint64_t roll = below(t, 100);
    size_t i = 0;
    while (roll >= all[i].weight)
        roll -= all[i++].weight;
    return all[i].what;
}

/* An upload's key is chosen by its number, so that most calls name the right one. */
static void choose_upload(struct sim_twin *t, struct deed *a) {
    size_t n = t->side[0].uploads.n;
    size_t back = below(t, 3);
    if (n == 0)
        return;
    a->upload = n - 1 - (back < n ? back : 0);
    if (below(t, 20) == 0)
        return;
    a->bucket = buckets[a->upload % BUCKETS];
    a->key = keys[a->upload * 7 % (sizeof(keys) / sizeof(keys[0]))];
}

static void choose_names(struct sim_twin *t, struct deed *a) {
    a->bucket = below(t, 3) ? buckets[0] : PICK(t, buckets);
    a->key = PICK(t, keys);
    a->version = a->upload = a->after = NONE;
    a->prefix = a->delimiter = "";
    if (a->what == UPLOAD_CREATE) {
        a->bucket = buckets[t->side[0].uploads.n % BUCKETS];
        a->key = keys[t->side[0].uploads.n * 7 % (sizeof(keys) / sizeof(keys[0]))];
    } else if (a->what == PUT_PART || a->what >= UPLOAD_HEAD) {
        choose_upload(t, a);
    } else if (a->what == HEAD || a->what == GET || a->what == REMOVE || a->what == SET_META) {
        size_t n = t->side[0].versions.n;
        if (n && below(t, 3) == 0)
            a->version = n - 1 - below(t, n < 20 ? n : 20);
    }
}

static void choose_list(struct sim_twin *t, struct deed *a) {
    a->prefix = PICK(t, prefixes);
    a->after = below(t, 2) ? NONE : below(t, sizeof(keys) / sizeof(keys[0]));
    if (a->what == LIST)
        a->delimiter = PICK(t, delimiters);
}

/* Mostly all that were put. */
static void choose_parts(struct sim_twin *t, struct deed *a) {
    if (a->upload != NONE)
        memcpy(a->part_content, part_contents[a->upload], sizeof(a->part_content));
    for (unsigned i = 0; i < PARTS; i++)
        a->parts |= (unsigned)(a->part_content[i] && below(t, 8)) << i;
    if (a->parts == 0) { /* the S3 layer asks for one at least */
        a->parts = 1;
        a->part_content[0] = a->content;
    }
}

static void choose_rest(struct sim_twin *t, struct deed *a) {
    bool decides =
        a->what == PUT || a->what == REMOVE || a->what == UPLOAD_COMPLETE || a->what == SET_META;
    if (decides && below(t, 6) == 0)
        a->precond = 1 + (unsigned)below(t, 4);
    a->give_up = a->what <= PUT_PART && below(t, 15) == 0;
    a->part = (uint32_t)below(t, PARTS) + (a->what == PUT_PART);
    if (a->what == LIST || a->what == UPLOAD_LIST)
        choose_list(t, a);
    else if (a->what == PUT_PART && a->upload != NONE)
        part_contents[a->upload][a->part - 1] = a->content;
    else if (a->what == UPLOAD_COMPLETE)
        choose_parts(t, a);
}

static void choose(struct sim_twin *t, struct deed *a) {
    *a = (struct deed){.what = choose_what(t)};
    choose_names(t, a);
    if (t->steps < BUCKETS)
        *a = (struct deed){.what = BUCKET_CREATE,
                           .bucket = buckets[t->steps],
                           .key = "",
                           .prefix = "",
                           .delimiter = ""};
    a->content = ++t->contents;
    a->size = PICK(t, sizes);
    a->meta = t->contents;
    a->meta_len = PICK(t, metas);
    a->versioning = (enum lb_versioning)below(t, 3);
    a->relaxed = below(t, 4) == 0;
    a->was = 1 + below(t, t->contents);
    a->was_len = PICK(t, metas);
    a->if_same = below(t, 4) == 0;
    a->versions = below(t, 2);
    a->max = 1 + below(t, 8);
    choose_rest(t, a);
}

/* ---- both ---- */

static bool both(struct sim_twin *t, const struct deed *a) {
    static const char *const names[] = {
        "put",        "put part",     "get",           "head",          "remove",
        "set meta",   "list",         "create bucket", "delete bucket", "head bucket",
        "set bucket", "list buckets", "create upload", "head upload",   "list uploads",
        "list parts", "complete",     "abort upload"};
    for (int i = 0; i < 2; i++)
        perform(&t->side[i], a);
    struct lb_slice x = lb_buf_slice(&t->side[0].said), y = lb_buf_slice(&t->side[1].said);
    if (lb_slice_eq(x, y))
        return true;
    snprintf(t->failure, sizeof(t->failure),
             "step %llu, %s of %s/%s, size %llu, version %zd, upload %zd, versioning %d, precond "
             "%u, prefix \"%s\", delimiter \"%s\", after %zd, max %zu, versions %d:\n"
             "  must be: %.*s\n  is: %.*s",
             (unsigned long long)t->steps, names[a->what], a->bucket, a->key,
             (unsigned long long)a->size, (ssize_t)a->version, (ssize_t)a->upload, a->versioning,
             a->precond, a->prefix, a->delimiter, (ssize_t)a->after, a->max, a->versions,
             (int)(x.len < 1500 ? x.len : 1500), x.ptr, (int)(y.len < 1500 ? y.len : 1500), y.ptr);
    return false;
}

static void use(struct sim_twin *t, struct sim_store *oracle, struct sim_store *store) {
    t->side[0].store = oracle;
    t->side[1].store = store;
}

bool sim_twin_run(struct sim_twin *t, struct sim_store *oracle, struct sim_store *store,
                  unsigned steps) {
    use(t, oracle, store);
    for (unsigned i = 0; i < steps && !t->failure[0]; i++) {
        struct deed a;
        if (t->side[0].versions.n + 1000 > SIM_TWIN_IDS)
            break;
        choose(t, &a);
        t->steps++;
        both(t, &a);
    }
    return !t->failure[0];
}

static bool clear_bucket(struct sim_twin *t, struct deed *a) {
    bool same = true;
    for (size_t i = 0; i < t->side[0].uploads.n && same; i++) {
        a->what = UPLOAD_ABORT;
        a->upload = i;
        a->key = keys[i * 7 % (sizeof(keys) / sizeof(keys[0]))];
        same = both(t, a);
    }
    a->what = REMOVE;
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]) && same; k++) {
        a->key = keys[k];
        a->version = NONE;
        same = both(t, a);
    }
    return same;
}

/* Each version has one key only, in some bucket. */
bool sim_twin_clear(struct sim_twin *t, struct sim_store *oracle, struct sim_store *store) {
    struct deed a = {.key = "", .prefix = "", .delimiter = ""};
    bool same = true;
    use(t, oracle, store);
    for (size_t b = 0; b < BUCKETS && same; b++) {
        a.bucket = buckets[b];
        same = clear_bucket(t, &a);
        for (size_t i = 0; i < t->side[0].versions.n * 20 && same; i++) {
            a.what = REMOVE;
            a.version = i / 20;
            a.key = keys[i % 20];
            same = both(t, &a);
        }
        /* The null version, wherever it is, is what a removal without versioning drops. */
        for (int i = 0; i < 3 && same; i++)
            same = clear_bucket(t, &a);
        a.what = BUCKET_DELETE;
        same = same && both(t, &a);
    }
    return same;
}

bool sim_twin_compare(struct sim_twin *t, struct sim_store *oracle, struct sim_store *store) {
    use(t, oracle, store);
    struct deed a = {.what = BUCKET_LIST,
                     .bucket = "",
                     .key = "",
                     .prefix = "",
                     .delimiter = "",
                     .max = 1000,
                     .version = NONE,
                     .upload = NONE,
                     .after = NONE};
    bool same = both(t, &a);
    for (size_t b = 0; b < BUCKETS && same; b++) {
        a.bucket = buckets[b];
        a.what = LIST;
        a.versions = a.if_same = true;
        same = both(t, &a);
        a.what = UPLOAD_LIST;
        same = same && both(t, &a);
        a.what = GET;
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]) && same; k++) {
            a.key = keys[k];
            same = both(t, &a);
        }
        a.key = "";
    }
    return same;
}
