/* The workload: see sim_versions.h. What may be found after it is in sim_versions_check.c. */
#include "sim_versions.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "sim_model.h"

#define TURNS_MAX 1000000

static const char *const names[SIMV_KEYS] = {"a", "a/b", "x//y", "dir/", "deep/er/one", ".."};
static const uint64_t sizes[] = {0, 1, 4096, 5000, 20000};

void simv_init(struct simv_model *m, uint64_t seed) {
    memset(m, 0, sizeof(*m));
    lb_prng_seed(&m->prng, seed);
    for (size_t i = 0; i < SIMV_KEYS; i++)
        m->keys[i].name = lb_slice_cstr(names[i]);
    for (size_t i = 0; i < SIMV_CLIENTS; i++)
        m->clients[i].model = m;
}

bool simv_fail(struct simv_model *m, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!m->failure[0])
        vsnprintf(m->failure, sizeof(m->failure), format, args);
    va_end(args);
    return false;
}

struct lb_slice simv_meta(uint64_t meta, char *buf) {
    return sim_model_meta(meta, buf);
}

/* ---- what operations do to a list ---- */

static void list_remove(struct simv_list *l, unsigned at) {
    memmove(&l->v[at], &l->v[at + 1], (--l->n - at) * sizeof(l->v[0]));
}

static void list_push(struct simv_list *l, const struct simv_version *v) {
    for (unsigned i = 0; i < l->n && v->null; i++) {
        if (l->v[i].null) {
            list_remove(l, i);
            break;
        }
    }
    assert(l->n < SIMV_MAX);
    memmove(&l->v[1], &l->v[0], l->n++ * sizeof(l->v[0]));
    l->v[0] = *v;
}

/* ---- operations ---- */

static void job_done(struct sim_job *j) {
    struct simv_client *c = j->user;
    struct simv_model *m = c->model;
    struct simv_key *k = c->key;
    if (j->err) {
        m->errors++;
        if (!m->faults)
            simv_fail(m, "key \"%.*s\": %s", LB_SLICE_ARG(j->op.key), lb_err_name(j->err));
    }
    if (!k) {
        m->bucket |= j->err == 0 || j->err == LB_ERR_BUCKET_EXISTS;
    } else {
        k->busy = false;
        k->unsure = j->err != 0;
        for (unsigned i = 0; i < k->next.n && !j->err; i++) {
            if (k->next.v[i].id.len == 0)
                k->next.v[i].id = j->op.info.version;
        }
        if (!j->err)
            k->now = k->next;
    }
    sim_job_fini(j);
    c->running = false;
}

static struct sim_job *job_new(struct simv_client *c, struct simv_key *k) {
    sim_job_init(c->model->store, &c->job, LB_S(SIMV_BUCKET), k ? k->name : LB_S(""));
    c->key = k;
    c->job.on_done = job_done;
    c->job.user = c;
    c->running = true;
    if (k) {
        k->busy = true;
        k->next = k->now;
    }
    return &c->job;
}

static void start_put(struct simv_client *c, struct simv_key *k, enum lb_versioning how) {
    struct simv_model *m = c->model;
    struct sim_job *j = job_new(c, k);
    struct simv_version v = {.null = how != LB_VERSIONING_ON, .content = ++m->ids};
    v.meta = v.content;
    v.size = sizes[lb_prng_below(&m->prng, sizeof(sizes) / sizeof(sizes[0]))];
    list_push(&k->next, &v);
    j->op.versioning = how;
    j->op.meta = simv_meta(v.meta, c->meta);
    sim_job_put(j, v.content, v.size);
}

static void start_delete(struct simv_client *c, struct simv_key *k, enum lb_versioning how) {
    struct sim_job *j = job_new(c, k);
    struct simv_version v = {.null = how != LB_VERSIONING_ON, .marker = true};
    list_push(&k->next, &v);
    j->op.versioning = how;
    sim_job_call(j, c->model->store->ops->remove);
}

static void start_remove(struct simv_client *c, struct simv_key *k, unsigned at) {
    struct sim_job *j = job_new(c, k);
    list_remove(&k->next, at);
    j->op.version = lb_version_slice(&k->now.v[at].id);
    j->op.versioning = LB_VERSIONING_ON;
    sim_job_call(j, c->model->store->ops->remove);
}

static void start_set_meta(struct simv_client *c, struct simv_key *k, unsigned at) {
    struct sim_job *j = job_new(c, k);
    k->next.v[at].meta = ++c->model->ids;
    j->op.version = lb_version_slice(&k->now.v[at].id);
    j->op.meta = simv_meta(k->next.v[at].meta, c->meta);
    sim_job_call(j, c->model->store->ops->set_meta);
}

/* ---- the choice of what to do ---- */

static bool turn(struct simv_model *m) {
    return sim_turn(m->store->sim) || simv_fail(m, "an operation never completes");
}

static void make_bucket(struct simv_model *m) {
    struct sim_job *j = job_new(&m->clients[0], NULL);
    sim_job_call(j, m->store->ops->bucket_create);
    while (m->clients[0].running && turn(m))
        ;
}

static void start(struct simv_client *c) {
    struct simv_model *m = c->model;
    struct simv_key *k = &m->keys[lb_prng_below(&m->prng, SIMV_KEYS)];
    uint64_t what = lb_prng_below(&m->prng, 16);
    enum lb_versioning how =
        lb_prng_below(&m->prng, 4) ? LB_VERSIONING_ON : LB_VERSIONING_SUSPENDED;
    if (k->busy || k->unsure)
        return;
    unsigned at = k->now.n ? (unsigned)lb_prng_below(&m->prng, k->now.n) : 0;
    if (k->now.n == 0 && what < 4)
        start_put(c, k, LB_VERSIONING_OFF);
    else if (k->now.n && (what < 5 || k->now.n == SIMV_MAX))
        start_remove(c, k, what % 2 ? at : 0);
    else if (what < 8)
        start_delete(c, k, how);
    else if (what < 10 && k->now.n && !k->now.v[at].marker)
        start_set_meta(c, k, at);
    else
        start_put(c, k, how);
}

bool simv_run(struct simv_model *m, struct sim_store *store, unsigned steps) {
    m->store = store;
    for (; !m->bucket && steps > 0 && !m->failure[0]; steps--)
        make_bucket(m);
    for (int n = 0; (steps > 0 || store->jobs > 0) && !m->failure[0]; n++) {
        for (size_t i = 0; i < SIMV_CLIENTS && steps > 0; i++) {
            if (!m->clients[i].running && lb_prng_below(&m->prng, 10) < 7) {
                start(&m->clients[i]);
                steps--;
            }
        }
        if (store->jobs > 0)
            turn(m);
        if (n == TURNS_MAX)
            simv_fail(m, "operations run for ever");
    }
    return !m->failure[0];
}

static void start_named(struct simv_client *c, char what, struct simv_key *k) {
    switch (what) {
    case 'o':
        start_put(c, k, LB_VERSIONING_OFF);
        break;
    case '+':
        start_put(c, k, LB_VERSIONING_ON);
        break;
    case 'n':
        start_put(c, k, LB_VERSIONING_SUSPENDED);
        break;
    case '-':
        start_delete(c, k, LB_VERSIONING_ON);
        break;
    case 's':
        start_delete(c, k, LB_VERSIONING_SUSPENDED);
        break;
    case '=':
        start_set_meta(c, k, 0);
        break;
    default:
        start_remove(c, k, what == 'x' ? 0 : what == 'y' ? 1 : k->now.n - 1);
    }
}

bool simv_script(struct simv_model *m, struct sim_store *store, const char *script) {
    m->store = store;
    if (!m->bucket)
        make_bucket(m);
    for (const char *at = script; *at && !m->failure[0];) {
        char what = *at++;
        assert(*at >= '0' && *at < '0' + SIMV_KEYS);
        start_named(&m->clients[0], what, &m->keys[*at++ - '0']);
        while (m->clients[0].running && turn(m))
            ;
        at += strspn(at, " ");
    }
    return !m->failure[0];
}
