/* The service: makes an exchange a request, decides who sent it and what it means, and hands it to
 * its operation. */
#include "s3/s3.h"

#include <stdlib.h>

#include "s3/access_priv.h"
#include "s3/address_priv.h"
#include "s3/ops_priv.h"
#include "s3/settings_cache_priv.h"
#include "s3/throttle_priv.h"

struct lb_s3 *lb_s3_new(const struct lb_s3_conf *conf, struct lb_engine_port *port,
                        struct lb_hash_service *hash) {
    struct lb_s3 *s = calloc(1, sizeof(*s));
    struct lb_auth_key_cache *keys = calloc(1, sizeof(*keys));
    struct s3_settings_cache *settings = s3_settings_cache_new(conf->buckets);
    struct s3_throttle *throttle = s3_throttle_new();
    if (!s || !keys || !settings || !throttle) {
        free(s);
        free(keys);
        s3_settings_cache_free(settings);
        s3_throttle_free(throttle);
        return NULL;
    }
    *s = (struct lb_s3){.conf = conf,
                        .port = port,
                        .io = port->io,
                        .hash = hash,
                        .keys = keys,
                        .settings = settings,
                        .throttle = throttle};
    lb_io_random(s->io, &s->next_id, sizeof(s->next_id));
    if (conf->creds)
        lb_creds_reader_init(&s->creds, conf->creds);
    return s;
}

void lb_s3_free(struct lb_s3 *s) {
    if (!s)
        return;
    lb_creds_reader_fini(&s->creds);
    explicit_bzero(s->keys, sizeof(*s->keys));
    free(s->keys);
    s3_settings_cache_free(s->settings);
    s3_throttle_free(s->throttle);
    free(s);
}

/* SplitMix64: each number once, in no order to be seen. */
uint64_t s3_next_id(struct lb_s3 *s) {
    uint64_t z = s->next_id += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A call that gave a piece of the object has read its bytes, unless it is one to send as it is:
 * then that took no time worth a reading of the clock. */
static void engine_done(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    if (op->piece.len == 0)
        s3_phase(r, LB_PHASE_ENGINE);
    else if (op->piece.fd < 0)
        s3_phase(r, LB_PHASE_IO);
    r->eng_done(op, err);
}

struct lb_engine_op *s3_engine_op(struct s3_request *r, lb_engine_done done) {
    r->eng_done = done;
    r->eng = (struct lb_engine_op){
        .done = engine_done,
        .arena = r->x->arena,
        .bucket = r->bucket,
        .key = r->key,
        .version = r->version,
        .user = r,
    };
    return &r->eng;
}

bool s3_relaxed(const struct s3_request *r) {
    if (r->settings->durability == LB_S3_DURABILITY_SERVER)
        return r->s3->conf->relaxed;
    return r->settings->durability == LB_S3_DURABILITY_RELAXED;
}

struct lb_engine_op *s3_engine_write(struct s3_request *r, lb_engine_done done) {
    struct lb_engine_op *op = s3_engine_op(r, done);
    op->versioning = r->settings->versioning;
    op->relaxed = s3_relaxed(r);
    return op;
}

struct lb_slice s3_request_header(const struct s3_request *r, struct lb_slice name) {
    return lb_http_request_header(r->x->request, name);
}

struct lb_slice s3_query(const struct s3_request *r, struct lb_slice name) {
    const struct lb_query_param *p = lb_query_find(&r->query, name);
    if (!p)
        return lb_slice(NULL, 0);
    return p->value.ptr ? p->value : LB_S("");
}

struct lb_slice s3_request_field(const struct s3_request *r, struct lb_slice name) {
    struct lb_slice value = s3_request_header(r, name);
    for (size_t i = 0; i < r->query.n && !value.ptr; i++) {
        const struct lb_query_param *p = &r->query.params[i];
        if (lb_slice_eq_nocase(p->name, name))
            value = p->value.ptr ? p->value : LB_S("");
    }
    return value;
}

int s3_query_u64(const struct s3_request *r, struct lb_slice name, uint64_t absent, uint64_t max,
                 uint64_t *ret) {
    struct lb_slice value = s3_query(r, name);
    uint64_t n = absent;
    if (value.len && (lb_slice_to_u64(value, &n) < 0 || n > max))
        return LB_ERR_INVALID_ARGUMENT;
    *ret = n;
    return 0;
}

const char *lb_s3_op_name(size_t i) {
    return i < s3_ops_n ? s3_ops[i].name : NULL;
}

static bool is_anonymous(const struct s3_request *r) {
    return r->s3->conf->creds && !r->auth.cred;
}

struct lb_slice s3_user_id(const struct s3_request *r) {
    if (is_anonymous(r))
        return LB_S("anonymous");
    return r->auth.cred ? lb_slice_cstr(r->auth.cred->user_id) : r->s3->conf->owner_id;
}

struct lb_slice s3_user_name(const struct s3_request *r) {
    if (is_anonymous(r))
        return LB_S("anonymous");
    return r->auth.cred ? lb_slice_cstr(r->auth.cred->display_name) : r->s3->conf->owner_name;
}

struct lb_slice s3_owner_id(const struct s3_request *r) {
    return r->settings->owner_id.len ? r->settings->owner_id : r->s3->conf->owner_id;
}

struct lb_slice s3_owner_name(const struct s3_request *r) {
    return r->settings->owner_id.len ? r->settings->owner_name : r->s3->conf->owner_name;
}

struct lb_slice s3_bucket_region(const struct s3_request *r) {
    return r->settings->location.len ? r->settings->location : r->s3->conf->region;
}

static bool bucket_known(void *ctx, struct lb_slice bucket) {
    struct lb_engine_port *port = ctx;
    return port->ops->bucket_known(port, bucket);
}

static int address(struct s3_request *r, enum s3_level *ret_level) {
    const struct lb_http_request *h = r->x->request;
    struct s3_address a;
    int err = s3_address(r->x->arena, r->s3->conf, bucket_known, r->s3->port, h->host, h->path, &a);
    if (err < 0)
        return err;
    r->bucket = r->x->bucket = a.bucket;
    r->key = a.key;
    *ret_level = a.level;
    return lb_query_parse(r->x->arena, h->query, &r->query);
}

static int authenticate(struct s3_request *r) {
    const struct lb_http_request *h = r->x->request;
    struct lb_auth_pair *pairs = lb_arena_alloc(r->x->arena, (h->headers_n + 1) * sizeof(*pairs));
    if (!pairs)
        return LB_ERR_SLOW_DOWN;
    for (size_t i = 0; i < h->headers_n; i++) {
        /* The host that was asked, which an absolute target may name: it chooses the bucket. */
        bool is_host = lb_slice_eq_nocase(h->headers[i].name, LB_S("host"));
        pairs[i] =
            (struct lb_auth_pair){h->headers[i].name, is_host ? h->host : h->headers[i].value};
    }
    const struct lb_auth_request request = {
        .method = h->method_name,
        .path = h->path,
        .query = h->query,
        .headers = pairs,
        .headers_n = h->headers_n,
    };
    const struct lb_creds *creds = r->s3->conf->creds ? lb_creds_reader_get(&r->s3->creds) : NULL;
    int err = lb_sigv4_verify(&request, creds, r->s3->keys, r->x->arena,
                              lb_io_wall_ns(r->s3->io) / 1000000000, &r->auth);
    if (err < 0 || !r->auth.cred)
        return err;
    r->auth.cred = lb_cred_copy(r->auth.cred, r->x->arena); /* the set may go before the request */
    if (!r->auth.cred)
        return LB_ERR_SLOW_DOWN;
    r->x->user = lb_slice_cstr(r->auth.cred->access_key);
    return 0;
}

bool s3_version_valid(struct lb_slice id) {
    if (lb_slice_eq(id, LB_S("null")))
        return true;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return id.len >= 16 && id.len <= LB_VERSION_ID_MAX;
}

static int parse_version(struct s3_request *r) {
    r->version = s3_query(r, LB_S("versionId"));
    return !r->version.ptr || s3_version_valid(r->version) ? 0 : LB_ERR_INVALID_ARGUMENT;
}

static int choose_op(struct s3_request *r, enum s3_level level) {
    bool copy = s3_request_header(r, LB_S("x-amz-copy-source")).ptr != NULL;
    int err = s3_op_route(r->x->request->method, level, &r->query, copy, &r->op);
    if (err < 0)
        return err;
    r->x->op_name = lb_slice_cstr(r->op->name);
    r->x->op = (unsigned)(r->op - s3_ops) + 1;
    err = s3_headers_supported(r);
    return err < 0 ? err : parse_version(r);
}

/* A CORS preflight is never signed. "OPTIONS *" is none. */
static int check_preflight(const struct s3_request *r, enum s3_level level) {
    const struct lb_http_request *h = r->x->request;
    bool is_preflight =
        h->method == LB_HTTP_OPTIONS && level != S3_SERVICE && !lb_slice_eq(h->target, LB_S("*"));
    return is_preflight && !s3_request_header(r, LB_S("origin")).ptr ? LB_ERR_MISSING_ORIGIN : 0;
}

static int prepare(struct s3_request *r) {
    enum s3_level level;
    int err = address(r, &level);
    if (err == 0)
        err = check_preflight(r, level);
    if (err == 0)
        err = authenticate(r);
    if (err < 0)
        return err;
    err = choose_op(r, level);
    /* Who has not signed is told that, not what else is wrong. */
    return err < 0 && is_anonymous(r) ? LB_ERR_ACCESS_DENIED : err;
}

void lb_s3_handle(void *ctx, struct lb_exchange *x) {
    struct lb_s3 *s = ctx;
    struct s3_request *r = lb_arena_alloc(x->arena, sizeof(*r));
    if (!r) {
        x->status = 503;
        x->err = LB_ERR_SLOW_DOWN;
        x->ops->head(x, 0);
        x->ops->finish(x);
        return;
    }
    /* All zero but the parameters, which are most of it; query.n tells what of them is there. */
    memset(r, 0, offsetof(struct s3_request, query.params));
    memset((char *)r + offsetof(struct s3_request, auth), 0,
           sizeof(*r) - offsetof(struct s3_request, auth));
    r->s3 = s;
    r->x = x;
    x->handler = r;
    uint64_t id = s3_next_id(s);
    uint8_t id_bytes[8];
    memcpy(id_bytes, &id, sizeof(id_bytes));
    lb_hex_encode(id_bytes, sizeof(id_bytes), r->id);
    x->id = lb_slice(r->id, sizeof(r->id) - 1);
    int err = prepare(r);
    s3_phase(r, LB_PHASE_AUTH);
    if (s3_throttle_concerns(err))
        s3_refuse(r, err);
    else if (err < 0)
        s3_fail(r, err);
    else
        s3_access_check(r);
}
