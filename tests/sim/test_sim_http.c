/* The whole way of a request on the simulator: sockets, connections, HTTP, S3, the filesystem
 * engine, files. A few clients put, get, range, head, list, copy, upload in parts and delete at the
 * same time, against an oracle in memory; some hang up in the middle; the power fails while they
 * are at it, and the server goes on with what is left.
 *
 * LB_SIM_SEED=n runs that seed alone, LB_SIM_ROUNDS=n that many lives of the server. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/prng.h"
#include "engine/fs/fs.h"
#include "hash/hash.h"
#include "lib/seeds.h"
#include "lib/sim_http.h"
#include "lib/sim_store.h"
#include "server/loop.h"

#define SEEDS 12
#define ROUNDS 4
#define REQUESTS 60 /* of each client, in one life */
#define CLIENTS 4
#define KEYS 8
#define VERSIONS 8
#define SIZE_MAX_OBJECT 300000u
#define TURNS_MAX 2000000

struct version {
    bool there;
    uint64_t content, size;
    bool parts; /* its ETag is of parts */
};

struct key {
    const char *name, *encoded;
    bool busy;     /* a client is at it */
    bool haunted;  /* a write was broken off, and may still happen: nobody touches it any more */
    unsigned turn; /* odd while it may change, and another one after it has */
    /* What it may be: one version, or more after a write that was lost; then only reads will tell.
     * What they rule out may still be what a power loss brings back. */
    struct version may[VERSIONS], back[VERSIONS];
    unsigned may_n, back_n;
    bool settled;        /* whatever it is, the disk has it */
    struct version next; /* being written */
};

struct world;

struct client {
    struct world *w;
    struct sim_http http;
    struct key *key, *source;
    void (*check)(struct client *c); /* of the request under way, else NULL */
    uint64_t patience;               /* turns until the client hangs up; 0: for ever */
    unsigned turns[KEYS];            /* as a list began */
    uint64_t range_from, range_to;
    unsigned step; /* of an upload */
    char upload_id[LB_UPLOAD_ID_MAX + 1];
    char etags[2][40];
};

struct world {
    struct lb_prng prng;
    struct sim_fs *fs;
    struct sim *sim;
    struct lb_io *io;
    struct lb_engine *engine;
    struct lb_loop loop;
    struct lb_s3_conf s3;
    struct lb_s3_buckets buckets;
    struct lb_loop_conf conf;
    struct client clients[CLIENTS];
    struct key keys[KEYS];
    uint64_t contents;
    bool faults;
    uint64_t trace;
    char failure[512];
};

static const char *const names[KEYS][2] = {{"a", "a"},
                                           {"a/b", "a/b"},
                                           {"x//y", "x//y"},
                                           {"dir/", "dir/"},
                                           {"sp ace", "sp%20ace"},
                                           {"..", "%2e%2e"},
                                           {".lobos/tmp", ".lobos/tmp"},
                                           {"z", "z"}};

static uint64_t roll(struct world *w, uint64_t n) {
    return lb_prng_below(&w->prng, n);
}

static void wrong(struct client *c, const char *what) {
    struct world *w = c->w;
    const struct key *k = c->key;
    if (w->failure[0])
        return;
    snprintf(w->failure, sizeof(w->failure),
             "%s: %.60s..., status %d; key \"%s\" is content %llu of %llu bytes%s", what,
             c->http.out.ptr, c->http.status, k ? k->name : "",
             (unsigned long long)(k ? k->may[0].content : 0),
             (unsigned long long)(k ? k->may[0].size : 0), k && k->may_n > 1 ? ", or another" : "");
}

/* The server. */

static void server_open(struct world *w, uint64_t seed) {
    struct sim_conf sim_conf = {.seed = seed, .sock_buf = 1000 + (size_t)roll(w, 60000)};
    struct lb_fs_conf fs_conf = {.dir = SIM_STORE_DIR, .open_files_max = 4};
    lb_hash_bytes_seed(1, 2);
    w->sim = sim_new(&sim_conf, w->fs);
    w->io = sim_loop_new(w->sim);
    assert_int_equal(lb_fs_open(&fs_conf, sim_fs_vfs(w->fs), &w->engine), 0);
    w->s3 = (struct lb_s3_conf){.region = LB_S("us-east-1"),
                                .owner_id = LB_S("owner"),
                                .owner_name = LB_S("owner"),
                                .buckets = &w->buckets,
                                .part_size_min = 1};
    w->conf = (struct lb_loop_conf){.engine = w->engine,
                                    .vfs = sim_fs_vfs(w->fs),
                                    .s3 = &w->s3,
                                    .pool_size = 8u << 20,
                                    .idle_timeout_s = 60,
                                    .connections_max = 100,
                                    .inherited_fd = -1,
                                    .address = sim_http_address,
                                    .address_len = sim_http_address_len};
    memset(&w->loop, 0, sizeof(w->loop));
    assert_int_equal(lb_loop_init(&w->loop, &w->conf, w->io), 0);
    pthread_mutex_init(&w->loop.lock, NULL);
    w->loop.state = LB_LOOP_RUNNING; /* for lb_loop_drain */
    for (size_t i = 0; i < CLIENTS; i++)
        sim_http_init(&w->clients[i].http, w->sim);
}

static void server_close(struct world *w) {
    for (size_t i = 0; i < CLIENTS; i++)
        sim_http_fini(&w->clients[i].http);
    lb_loop_drain(&w->loop);
    assert_true(sim_run(w->sim, NULL, TURNS_MAX));
    assert_int_equal(sim_sock_count(w->sim), 0);
    w->trace ^= sim_trace(w->sim);
    lb_loop_fini(&w->loop);
    pthread_mutex_destroy(&w->loop.lock);
    w->engine->ops->free(w->engine);
    lb_io_free(w->io);
    sim_free(w->sim);
    assert_int_equal(sim_fs_open_count(w->fs), 0);
}

/* What a response says. */

/* The connection was lost, or the server's disk or its end of the wire failed: nobody knows. */
static bool is_lost(const struct client *c) {
    bool failed = c->http.status >= 500 || c->http.status == 400;
    return c->http.broken || (c->w->faults && failed);
}

static bool is_content(struct lb_slice bytes, const struct version *v, uint64_t off) {
    uint8_t *want = malloc(bytes.len + 1);
    assert_non_null(want);
    sim_content(v->content, off, want, bytes.len);
    bool same = bytes.len == 0 || memcmp(want, bytes.ptr, bytes.len) == 0;
    free(want);
    return same;
}

static bool etag_matches(const struct client *c, const struct version *v) {
    struct lb_slice etag = sim_http_header(&c->http, LB_S("ETag"));
    if (v->parts)
        return lb_slice_ends_with(etag, LB_S("-2\""));
    struct lb_digest d;
    char quoted[35] = "\"";
    char *bytes = malloc(v->size + 1);
    assert_non_null(bytes);
    sim_content(v->content, 0, bytes, v->size);
    lb_hash_once(LB_HASH_MD5, lb_slice(bytes, v->size), &d);
    free(bytes);
    lb_hex_encode(d.bytes, 16, quoted + 1);
    quoted[33] = '"';
    return lb_slice_eq(etag, lb_slice(quoted, 34));
}

/* Is the response to a GET or HEAD that of this version? */
static bool shows(const struct client *c, const struct version *v) {
    const struct sim_http *h = &c->http;
    if (!v->there)
        return h->status == 404;
    uint64_t from = c->range_from, to = c->range_to < v->size ? c->range_to : v->size;
    if (from > 0 || c->range_to != UINT64_MAX) {
        if (from >= v->size)
            return h->status == 416;
        return h->status == 206 && h->body.len == to - from && is_content(h->body, v, from);
    }
    struct lb_slice length = sim_http_header(h, LB_S("Content-Length"));
    uint64_t size;
    if (h->status != 200 || lb_slice_to_u64(length, &size) < 0 || size != v->size ||
        !etag_matches(c, v))
        return false;
    return h->head || (h->body.len == v->size && is_content(h->body, v, 0));
}

static void versions_add(struct version *list, unsigned *n, struct version v) {
    assert_true(*n < VERSIONS);
    list[(*n)++] = v;
}

/* It is known by reading, not by an answer: that promises nothing for a power loss. */
static void resolve(struct key *k, unsigned found) {
    struct version v = k->may[found];
    for (unsigned i = 0; i < k->may_n && !k->settled; i++) {
        if (i != found)
            versions_add(k->back, &k->back_n, k->may[i]);
    }
    k->may[0] = v;
    k->may_n = 1;
}

static void check_read(struct client *c) {
    struct key *k = c->key;
    bool whole = !c->http.head && c->range_from == 0 && c->range_to == UINT64_MAX;
    k->busy = false;
    if (is_lost(c))
        return;
    unsigned found = 0;
    while (found < k->may_n && !shows(c, &k->may[found]))
        found++;
    if (found == k->may_n)
        wrong(c, "what was read is not what was written");
    else if (k->may_n > 1 && whole)
        resolve(k, found);
}

/* The key is one's own; what it becomes is in `next`. */
static void write_begin(struct client *c, struct version next) {
    c->key->next = next;
    c->key->turn++;
}

static void check_write(struct client *c, int status) {
    struct key *k = c->key;
    k->busy = false;
    k->turn++;
    if (c->source)
        c->source->busy = false;
    c->source = NULL;
    if (is_lost(c)) {
        versions_add(k->may, &k->may_n, k->next);
        k->settled = false;
        k->haunted = c->http.broken;
    } else if (c->http.status != status) {
        wrong(c, "a write was refused");
    } else {
        k->may[0] = k->next;
        k->may_n = 1;
        k->back_n = 0;
    }
}

static void check_put(struct client *c) {
    check_write(c, 200);
    if (!is_lost(c) && !etag_matches(c, &c->key->next))
        wrong(c, "the ETag of a PUT is not the MD5");
}

static void check_copy(struct client *c) {
    check_write(c, 200);
}

static void check_delete(struct client *c) {
    check_write(c, 204);
}

/* Requests. */

static void target(const struct key *k, const char *method, const char *query, char *ret,
                   size_t cap) {
    snprintf(ret, cap, "%s /bucket/%s%s", method, k->encoded, query);
}

static void send_content(struct client *c, const char *method_target, const char *headers,
                         const struct version *v, uint64_t off, uint64_t len) {
    char *bytes = malloc(len + 1);
    assert_non_null(bytes);
    sim_content(v->content, off, bytes, len);
    sim_http_start(&c->http, method_target, headers, lb_slice(bytes, len), roll(c->w, 3) == 0);
    free(bytes);
}

static struct version version_new(struct world *w) {
    uint64_t size = roll(w, 3) ? roll(w, 5000) : roll(w, SIZE_MAX_OBJECT);
    return (struct version){.there = true, .content = ++w->contents, .size = size};
}

static void start_put(struct client *c) {
    char line[256];
    write_begin(c, version_new(c->w));
    c->check = check_put;
    target(c->key, "PUT", "", line, sizeof(line));
    send_content(c, line, roll(c->w, 4) ? "" : "Expect: 100-continue\r\n", &c->key->next, 0,
                 c->key->next.size);
    if (roll(c->w, 12) == 0)
        c->patience = 1 + roll(c->w, 200);
}

static void start_read(struct client *c) {
    char line[256], range[64] = "";
    c->range_from = 0;
    c->range_to = UINT64_MAX;
    c->check = check_read;
    bool head = roll(c->w, 4) == 0;
    if (!head && roll(c->w, 2)) {
        c->range_from = 1 + roll(c->w, 6000);
        c->range_to = c->range_from + 1 + roll(c->w, 6000);
        snprintf(range, sizeof(range), "Range: bytes=%llu-%llu\r\n",
                 (unsigned long long)c->range_from, (unsigned long long)c->range_to - 1);
    }
    target(c->key, head ? "HEAD" : "GET", "", line, sizeof(line));
    sim_http_start(&c->http, line, range, LB_S(""), false);
    if (roll(c->w, 12) == 0)
        c->patience = 1 + roll(c->w, 200);
}

static void start_delete(struct client *c) {
    char line[256];
    write_begin(c, (struct version){0});
    c->check = check_delete;
    target(c->key, "DELETE", "", line, sizeof(line));
    sim_http_start(&c->http, line, "", LB_S(""), false);
}

/* From a key that is there, which is held as well. Returns false when there is none. */
static bool start_copy(struct client *c) {
    char line[256], header[256];
    struct key *from = &c->w->keys[roll(c->w, KEYS)];
    if (from->busy || from->haunted || from->may_n > 1 || !from->may[0].there)
        return false;
    from->busy = true;
    c->source = from;
    write_begin(c, from->may[0]); /* the ETag, too, is copied */
    c->check = check_copy;
    target(c->key, "PUT", "", line, sizeof(line));
    snprintf(header, sizeof(header), "x-amz-copy-source: /bucket/%s\r\n", from->encoded);
    sim_http_start(&c->http, line, header, LB_S(""), false);
    return true;
}

/* An upload in two parts: create, parts, complete; each answer starts the next request. */

static void upload_next(struct client *c);

static void take_between(struct client *c, const char *open, const char *close, char *ret,
                         size_t cap) {
    ptrdiff_t at = lb_slice_find_slice(c->http.body, lb_slice_cstr(open));
    struct lb_slice rest = lb_slice_from(c->http.body, (size_t)at + strlen(open));
    ptrdiff_t end = lb_slice_find_slice(rest, lb_slice_cstr(close));
    if (at < 0 || end < 0 || (size_t)end >= cap)
        wrong(c, "the answer lacks a field");
    else
        snprintf(ret, cap, "%.*s", (int)end, rest.ptr);
}

static void check_upload(struct client *c) {
    if (c->step == 4 && lb_slice_find_slice(c->http.body, LB_S("<Error>")) >= 0)
        c->http.status = 500; /* S3 says 200 before it knows */
    if (c->step == 4) {
        check_write(c, 200);
        return;
    }
    if (is_lost(c) || c->http.status != 200) {
        if (!is_lost(c))
            wrong(c, "a step of an upload was refused");
        c->key->busy = false;
        c->key->turn++;
        return;
    }
    if (c->step == 1)
        take_between(c, "<UploadId>", "</UploadId>", c->upload_id, sizeof(c->upload_id));
    else
        snprintf(c->etags[c->step - 2], sizeof(c->etags[0]), "%.*s",
                 LB_SLICE_ARG(sim_http_header(&c->http, LB_S("ETag"))));
    upload_next(c);
}

static void upload_next(struct client *c) {
    char line[512], query[256], xml[512];
    struct version *v = &c->key->next;
    uint64_t half = v->size / 2;
    c->check = check_upload;
    c->step++;
    if (c->step == 1) {
        target(c->key, "POST", "?uploads", line, sizeof(line));
        sim_http_start(&c->http, line, "", LB_S(""), false);
    } else if (c->step < 4) {
        snprintf(query, sizeof(query), "?partNumber=%u&uploadId=%s", c->step - 1, c->upload_id);
        target(c->key, "PUT", query, line, sizeof(line));
        if (c->step == 2)
            send_content(c, line, "", v, 0, half);
        else
            send_content(c, line, "", v, half, v->size - half);
    } else {
        snprintf(query, sizeof(query), "?uploadId=%s", c->upload_id);
        target(c->key, "POST", query, line, sizeof(line));
        int n = snprintf(xml, sizeof(xml),
                         "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag>"
                         "</Part><Part><PartNumber>2</PartNumber><ETag>%s</ETag></Part>"
                         "</CompleteMultipartUpload>",
                         c->etags[0], c->etags[1]);
        sim_http_start(&c->http, line, "", lb_slice(xml, (size_t)n), false);
    }
}

static void start_upload(struct client *c) {
    struct version v = version_new(c->w);
    v.parts = true;
    v.size += 2;
    write_begin(c, v);
    c->step = 0;
    upload_next(c);
}

/* A list is right for every key that did not change meanwhile. */
static void check_list(struct client *c) {
    if (is_lost(c))
        return;
    if (c->http.status != 200)
        wrong(c, "a list was refused");
    for (size_t i = 0; i < KEYS; i++) {
        char element[64];
        const struct key *k = &c->w->keys[i];
        snprintf(element, sizeof(element), "<Key>%s</Key>", k->name);
        bool listed = lb_slice_find_slice(c->http.body, lb_slice_cstr(element)) >= 0;
        if (k->turn % 2 == 0 && k->turn == c->turns[i] && k->may_n == 1 &&
            listed != k->may[0].there) {
            c->key = &c->w->keys[i];
            wrong(c, "the list is not right");
        }
    }
}

static void start_list(struct client *c) {
    for (size_t i = 0; i < KEYS; i++)
        c->turns[i] = c->w->keys[i].turn;
    c->check = check_list;
    c->key = NULL;
    sim_http_start(&c->http, "GET /bucket?list-type=2", "", LB_S(""), false);
}

static void check_bucket(struct client *c) {
    if (!is_lost(c) && c->http.status != 200 && c->http.status != 409)
        wrong(c, "the bucket was refused");
}

/* The clients. */

static void start(struct client *c) {
    struct world *w = c->w;
    struct key *k = &w->keys[roll(w, KEYS)];
    uint64_t what = roll(w, 20);
    c->patience = 0;
    if (what == 0) {
        start_list(c);
        return;
    }
    if (k->busy || k->haunted)
        return;
    c->key = k;
    k->busy = true;
    if (k->may_n > 1 || what > 13)
        start_read(c);
    else if (what == 1)
        k->busy = start_copy(c);
    else if (what < 4)
        start_delete(c);
    else if (what < 6)
        start_upload(c);
    else
        start_put(c);
}

/* Moves one client. Returns whether it has a request under way. */
static bool move(struct client *c) {
    bool over = sim_http_poll(&c->http);
    if (!over && c->patience > 0 && --c->patience == 0) {
        sim_http_reset(&c->http);
        over = true;
    }
    if (over && c->check) {
        void (*check)(struct client * c) = c->check;
        c->check = NULL;
        check(c);
    }
    return c->check != NULL;
}

static void make_bucket(struct world *w) {
    struct client *c = &w->clients[0];
    c->key = NULL;
    c->check = check_bucket;
    sim_http_start(&c->http, "PUT /bucket", "", LB_S(""), false);
    while (move(c) && !w->failure[0])
        assert_true(sim_turn(w->sim));
}

/* Moves all clients; those that are idle begin something. Returns whether any is busy. */
static bool move_all(struct world *w, unsigned *left) {
    bool busy = false;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        if (!move(c) && *left > 0 && roll(w, 4)) {
            (*left)--;
            start(c);
        }
        busy |= c->check != NULL;
    }
    return busy;
}

/* Requests, until each client has had its share or the power fails. */
static void live(struct world *w, uint64_t turns_max) {
    unsigned left = REQUESTS * CLIENTS;
    bool busy = true;
    make_bucket(w);
    for (uint64_t n = 0; n < turns_max && (left > 0 || busy) && !w->failure[0]; n++) {
        busy = move_all(w, &left);
        if (w->faults && roll(w, 200) == 0)
            sim_fs_fail(w->fs, ~SIM_BIT(SIM_FSYNC), 1 + roll(w, 30), 0, false);
        sim_turn(w->sim);
    }
    if (busy && turns_max == TURNS_MAX && !w->failure[0])
        snprintf(w->failure, sizeof(w->failure), "a request is never answered");
}

/* What was under way may have happened. */
static void cut_off(struct world *w, bool power) {
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        if (c->check == check_put || c->check == check_copy || c->check == check_delete ||
            (c->check == check_upload && c->step == 4))
            versions_add(c->key->may, &c->key->may_n, c->key->next);
        c->check = NULL;
        c->source = NULL;
    }
    for (size_t i = 0; i < KEYS; i++) {
        struct key *k = &w->keys[i];
        for (unsigned n = 0; n < k->back_n && power; n++)
            versions_add(k->may, &k->may_n, k->back[n]);
        if (power)
            k->back_n = 0;
        k->busy = k->haunted = false;
        k->settled = power;
        k->turn += k->turn % 2;
    }
}

static uint64_t run(struct world *w, uint64_t seed, uint64_t rounds, bool sabotage) {
    memset(w, 0, sizeof(*w));
    lb_prng_seed(&w->prng, seed);
    struct sim_fs_conf conf = {.seed = seed,
                               .journaled = roll(w, 2),
                               .xattr_max = roll(w, 3) ? 65536 : 0,
                               .clone = (enum sim_clone)roll(w, 3),
                               .cold_percent = (unsigned)roll(w, 50)};
    w->fs = sim_fs_new(&conf);
    w->faults = roll(w, 3) == 0;
    for (size_t i = 0; i < KEYS; i++) {
        w->keys[i] = (struct key){.name = names[i][0], .encoded = names[i][1], .may_n = 1};
        w->keys[i].may[0].there = sabotage;
    }
    for (size_t i = 0; i < CLIENTS; i++)
        w->clients[i].w = w;
    for (uint64_t round = 1; round <= rounds && !w->failure[0]; round++) {
        bool power = roll(w, 2);
        server_open(w, seed * 100 + round);
        live(w, power ? 200 + roll(w, 4000) : TURNS_MAX);
        sim_fs_fail(w->fs, 0, 0, 0, false);
        struct sim_fs *image = power ? sim_fs_crash(w->fs, seed + round) : NULL;
        cut_off(w, power);
        server_close(w);
        if (image) {
            sim_fs_free(w->fs);
            w->fs = image;
        }
    }
    uint64_t digest = sim_fs_digest(w->fs);
    sim_fs_free(w->fs);
    return w->trace ^ digest;
}

static const char *run_seed(uint64_t seed, uint64_t rounds) {
    static struct world w;
    run(&w, seed, rounds, false);
    return w.failure;
}

static void test_requests(void **state) {
    seeds_each(SEEDS, ROUNDS, run_seed);
}

static void test_repeatable(void **state) {
    static struct world w;
    uint64_t first = run(&w, 5, 1, false);
    assert_int_equal(run(&w, 5, 1, false), first);
}

/* With an oracle that is wrong from the start, it must be seen to fail. */
static void test_canary(void **state) {
    static struct world w;
    run(&w, 1, ROUNDS, true);
    assert_string_not_equal(w.failure, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_canary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
