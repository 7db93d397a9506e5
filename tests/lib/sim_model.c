/* The workload: see sim_model.h. What may be found after it is in sim_check.c. */
#include "sim_model.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* 300 bytes: more than a component of a path can have. */
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG HUNDRED HUNDRED HUNDRED

#define TURNS_MAX 1000000

static const char *const names[SIM_KEYS] = {
    "a",  "a/b", "a/b/c", "x//y",          "/lead",       "dir/",        "z",
    LONG, "..",  ".",     ".lobos/bucket", "deep/er/one", "deep/er/two", "deep/er"};

static const uint64_t sizes[] = {0, 1, 511, 4096, 4097, 16384, 20000, 40000, 70000};

void sim_model_init(struct sim_model *m, uint64_t seed, unsigned relaxed_percent) {
    memset(m, 0, sizeof(*m));
    lb_prng_seed(&m->prng, seed);
    m->relaxed_percent = relaxed_percent;
    for (size_t i = 0; i < SIM_KEYS; i++)
        m->keys[i].name = lb_slice_cstr(names[i]);
    for (size_t i = 0; i < SIM_CLIENTS; i++)
        m->clients[i].model = m;
}

bool sim_model_fail(struct sim_model *m, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!m->failure[0])
        vsnprintf(m->failure, sizeof(m->failure), format, args);
    va_end(args);
    return false;
}

static void versions_add(struct sim_versions *list, const struct sim_version *v) {
    if (list->n == SIM_VERSIONS)
        memmove(list->v, list->v + 1, --list->n * sizeof(*v));
    list->v[list->n++] = *v;
}

static bool roll(struct sim_model *m, unsigned percent) {
    return lb_prng_below(&m->prng, 100) < percent;
}

static struct sim_part part_roll(struct sim_model *m) {
    uint64_t size = sizes[lb_prng_below(&m->prng, sizeof(sizes) / sizeof(sizes[0]))];
    return (struct sim_part){++m->ids, size};
}

struct lb_slice sim_model_meta(uint64_t meta, char *buf) {
    static const size_t sizes_of[] = {40, 40, 40, 0, 40, 5000, 40, 40, 40, SIM_META_MAX};
    size_t len = sizes_of[meta % (sizeof(sizes_of) / sizeof(sizes_of[0]))];
    sim_content(meta, 0, buf, len);
    return lb_slice(buf, len);
}

/* Jobs. */

static void job_done(struct sim_job *j) {
    struct sim_client *c = j->user;
    struct sim_model *m = c->model;
    if (j->err != c->expect) {
        m->errors++;
        if (!m->faults)
            sim_model_fail(m, "key \"%.*s\": %s instead of %s", LB_SLICE_ARG(j->op.key),
                           lb_err_name(j->err), lb_err_name(c->expect));
    }
    c->finish(c);
    sim_job_fini(j);
    c->running = false;
}

static struct sim_job *job_new(struct sim_client *c, struct sim_key *k,
                               void (*finish)(struct sim_client *c)) {
    sim_job_init(c->model->store, &c->job, LB_S(SIM_BUCKET), k ? k->name : LB_S(""));
    c->key = k;
    c->job.on_done = job_done;
    c->job.user = c;
    c->finish = finish;
    c->expect = 0;
    c->relaxed = false;
    c->running = true;
    return &c->job;
}

/* The key is one's own until the job is done. */
static void hold(struct sim_client *c, bool may_relax) {
    c->key->busy = true;
    c->relaxed = may_relax && roll(c->model, c->model->relaxed_percent);
    c->job.op.relaxed = c->relaxed;
    c->key->relaxed |= c->relaxed;
}

static void changed(struct sim_client *c) {
    struct sim_key *k = c->key;
    k->busy = false;
    if (c->job.err && c->job.err == c->expect)
        return; /* refused, as it should be */
    if (c->job.err) {
        versions_add(&k->maybe, &k->next);
        return;
    }
    if (c->relaxed) {
        versions_add(&k->past, &k->now);
        for (unsigned i = 0; i < k->maybe.n; i++)
            versions_add(&k->past, &k->maybe.v[i]);
    } else {
        k->relaxed = false;
        k->past.n = 0;
    }
    k->maybe.n = 0;
    k->now = k->next;
}

static void unchanged(struct sim_client *c) {
    c->key->busy = false;
}

static void start_put(struct sim_client *c, struct sim_key *k) {
    struct sim_model *m = c->model;
    bool give_up = !m->scripted && roll(m, 10);
    struct sim_job *j = job_new(c, k, give_up ? unchanged : changed);
    struct sim_part part = part_roll(m);
    hold(c, true);
    k->next = (struct sim_version){
        .there = true, .etag = part.content, .meta = part.content, .parts_n = 1, .parts = {part}};
    j->op.meta = sim_model_meta(part.content, c->meta);
    j->op.size_hint = roll(m, 50) ? part.size : LB_SIZE_UNKNOWN;
    j->give_up = give_up;
    if (give_up)
        k->next = k->now;
    else if (!m->scripted && k->maybe.n == 0 && roll(m, 10)) {
        j->op.precond.if_none_match = LB_S("*");
        c->expect = k->now.there ? LB_ERR_PRECONDITION_FAILED : 0;
    }
    sim_job_put(j, part.content, part.size);
}

static void start_remove(struct sim_client *c, struct sim_key *k) {
    struct sim_job *j = job_new(c, k, changed);
    hold(c, true);
    k->next = (struct sim_version){0};
    sim_job_call(j, c->model->store->ops->remove);
}

static void start_set_meta(struct sim_client *c, struct sim_key *k) {
    struct sim_job *j = job_new(c, k, changed);
    hold(c, false);
    c->relaxed = k->relaxed; /* it promises nothing for bytes that were put before */
    k->next = k->now;
    k->next.meta = ++c->model->ids;
    j->op.meta = sim_model_meta(k->next.meta, c->meta);
    sim_job_call(j, c->model->store->ops->set_meta);
}

/* Multipart uploads. */

static void upload_created(struct sim_client *c) {
    if (c->job.err)
        return;
    struct lb_slice id = c->job.op.uploads[0].id;
    assert(id.len <= sizeof(c->id));
    memcpy(c->id, id.ptr, id.len);
    c->id_len = id.len;
    c->upload = true;
    c->upload_key = c->key;
    for (size_t i = 0; i < SIM_PARTS; i++)
        c->has_part[i] = c->unsure[i] = false;
}

static void upload_part_done(struct sim_client *c) {
    c->unsure[c->part] = c->job.err != 0;
    c->has_part[c->part] = c->job.err == 0;
    c->parts[c->part] = (struct sim_part){c->job.content, c->job.size};
}

static void upload_ended(struct sim_client *c) {}

static struct sim_job *upload_job(struct sim_client *c, void (*finish)(struct sim_client *c)) {
    struct sim_job *j = job_new(c, c->upload_key, finish);
    j->op.upload_id = lb_slice(c->id, c->id_len);
    return j;
}

static void start_upload_part(struct sim_client *c, unsigned i) {
    struct sim_job *j = upload_job(c, upload_part_done);
    struct sim_part part = part_roll(c->model);
    c->part = i;
    c->unsure[i] = true;
    j->op.part = i + 1;
    sim_job_put(j, part.content, part.size);
}

static void start_upload_complete(struct sim_client *c) {
    struct sim_key *k = c->upload_key;
    struct sim_job *j = upload_job(c, changed);
    hold(c, true);
    k->next = (struct sim_version){.there = true, .etag = ++c->model->ids};
    k->next.meta = k->next.etag;
    for (unsigned i = 0; i < SIM_PARTS; i++) {
        if (!c->has_part[i])
            continue;
        c->infos[k->next.parts_n] =
            (struct lb_part_info){.number = i + 1, .etag = sim_etag(c->parts[i].content)};
        k->next.parts[k->next.parts_n++] = c->parts[i];
    }
    j->op.parts = c->infos;
    j->op.parts_n = k->next.parts_n;
    j->op.etag = sim_etag(k->next.etag);
    j->op.meta = sim_model_meta(k->next.meta, c->meta);
    c->upload = false;
    sim_job_call(j, c->model->store->ops->upload_complete);
}

static void start_upload_step(struct sim_client *c) {
    struct sim_model *m = c->model;
    unsigned i = (unsigned)lb_prng_below(&m->prng, SIM_PARTS), has = 0;
    for (unsigned k = 0; k < SIM_PARTS; k++)
        has += c->has_part[k];
    if (roll(m, 8)) {
        c->upload = false;
        sim_job_call(upload_job(c, upload_ended), m->store->ops->upload_abort);
    } else if (has > 1 && roll(m, 50) && !c->upload_key->busy) {
        start_upload_complete(c);
    } else {
        start_upload_part(c, i);
    }
}

/* The choice of what to do. */

static void bucket_made(struct sim_client *c) {
    c->model->bucket |= c->job.err == 0 || c->job.err == LB_ERR_BUCKET_EXISTS;
}

static void start(struct sim_client *c) {
    struct sim_model *m = c->model;
    if (c->upload && roll(m, 60)) {
        start_upload_step(c);
        return;
    }
    struct sim_key *k = &m->keys[lb_prng_below(&m->prng, SIM_KEYS)];
    if (k->busy)
        return;
    uint64_t what = lb_prng_below(&m->prng, 10);
    if (what < 2)
        start_remove(c, k);
    else if (what == 2 && k->now.there && k->maybe.n == 0)
        start_set_meta(c, k);
    else if (what == 3 && !c->upload)
        sim_job_call(job_new(c, k, upload_created), m->store->ops->upload_create);
    else
        start_put(c, k);
}

static bool turn(struct sim_model *m) {
    if (!sim_turn(m->store->sim))
        return sim_model_fail(m, "an operation never completes");
    return true;
}

static void make_bucket(struct sim_model *m) {
    struct sim_job *j = job_new(&m->clients[0], NULL, bucket_made);
    sim_job_call(j, m->store->ops->bucket_create);
    while (m->clients[0].running && turn(m))
        ;
}

/* Gives clients that are idle something to do. Returns how many. */
static unsigned start_some(struct sim_model *m, unsigned most) {
    unsigned n = 0;
    for (size_t i = 0; i < SIM_CLIENTS && n < most; i++) {
        if (!m->clients[i].running && roll(m, 70)) {
            start(&m->clients[i]);
            n++;
        }
    }
    return n;
}

bool sim_model_script(struct sim_model *m, struct sim_store *store, const char *script) {
    struct sim_client *c = &m->clients[0];
    m->store = store;
    m->scripted = true;
    while (!m->bucket && !m->failure[0])
        make_bucket(m);
    for (const char *at = script; *at && !m->failure[0];) {
        char what = *at++;
        assert(*at >= '0' && *at <= '9');
        struct sim_key *k = &m->keys[*at++ - '0'];
        if (what == '+')
            start_put(c, k);
        else if (what == '-')
            start_remove(c, k);
        else
            start_set_meta(c, k);
        while (c->running && turn(m))
            ;
        at += strspn(at, " ");
    }
    m->scripted = false;
    return !m->failure[0];
}

bool sim_model_run(struct sim_model *m, struct sim_store *store, unsigned steps) {
    m->store = store;
    for (; !m->bucket && steps > 0 && !m->failure[0]; steps--)
        make_bucket(m);
    for (int n = 0; (steps > 0 || store->jobs > 0) && !m->failure[0]; n++) {
        steps -= start_some(m, steps);
        if (store->jobs > 0)
            turn(m);
        if (n == TURNS_MAX)
            sim_model_fail(m, "operations run for ever");
    }
    return !m->failure[0];
}
