/* lobos_bench: drives an S3 or plain HTTP server with one kind of request, one in flight on each of
 * many connections, and prints what it achieved for which CPU time. */
#include "bench.h"

#include "base/err.h"
#include "base/prng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS_MAX 64
#define PREPARE_CONNECTIONS 32

static const char usage[] =
    "usage: lobos_bench --url http://127.0.0.1:PORT --op get|head|put|list|404|304 [options]\n"
    "  --bucket B         bucket (made by --prepare); without one, plain paths\n"
    "  --path-prefix P    what paths begin with (/)\n"
    "  --prefix P         what keys begin with (bench/)\n"
    "  --size N           of an object: 32KiB, 1MiB (32KiB)\n"
    "  --objects N        different objects (1000)\n"
    "  --prepare          PUT the objects first (get, head, 304, list)\n"
    "  --concurrency N    connections, one request in flight on each (50)\n"
    "  --threads N        (1)\n"
    "  --warmup T         before measuring: 1s, 500ms (1s)\n"
    "  --duration T       of the measurement (5s)\n"
    "  --access-key K --secret-key S --region R   sign with SigV4\n"
    "  --sign-payload     hash bodies into the signature (else UNSIGNED-PAYLOAD)\n"
    "  --server-pid PID   count the CPU time of this process and its descendants\n"
    "  --json             print one JSON object\n";

static int fail(const char *what, const char *detail) {
    fprintf(stderr, "lobos_bench: %s: %s\n", what, detail);
    return -EINVAL;
}

/* ---- options ---- */

/* A number and one of the units, each with its factor; no unit: a factor of 1. */
struct unit {
    const char *name;
    double factor;
};

static int parse_quantity(const char *text, const struct unit *units, double *ret) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || !(value >= 0))
        return fail("not a quantity", text);
    double factor = *end ? 0 : 1;
    for (; units->name; units++)
        if (strcmp(end, units->name) == 0)
            factor = units->factor;
    if (factor == 0)
        return fail("unknown unit", text);
    *ret = value * factor;
    return 0;
}

static int parse_size(const char *text, uint64_t *ret) {
    static const struct unit units[] = {{"B", 1},       {"KB", 1e3},       {"MB", 1e6},
                                        {"KiB", 1024},  {"K", 1024},       {"MiB", 1048576},
                                        {"M", 1048576}, {"GiB", 1u << 30}, {NULL, 0}};
    double value;
    int err = parse_quantity(text, units, &value);
    if (err == 0)
        *ret = (uint64_t)value;
    return err;
}

static int parse_time(const char *text, double *ret_s) {
    static const struct unit units[] = {{"s", 1}, {"ms", 1e-3}, {"m", 60}, {NULL, 0}};
    return parse_quantity(text, units, ret_s);
}

static int parse_count(const char *text, uint64_t max, unsigned *ret) {
    uint64_t value;
    if (lb_slice_to_u64(lb_slice_cstr(text), &value) < 0 || value == 0 || value > max)
        return fail("not a number in range", text);
    *ret = (unsigned)value;
    return 0;
}

static int parse_op(const char *text, struct bench_options *o) {
    static const struct {
        const char *name;
        enum bench_op op;
    } names[] = {{"get", BENCH_GET},   {"head", BENCH_HEAD},   {"put", BENCH_PUT},
                 {"list", BENCH_LIST}, {"404", BENCH_MISSING}, {"304", BENCH_CONDITIONAL}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            o->op = names[i].op;
            o->op_name = lb_slice_cstr(names[i].name);
            return 0;
        }
    }
    return fail("unknown operation", text);
}

/* http://IPV4[:PORT], or localhost for the address. */
static int parse_url(const char *text, struct bench_options *o) {
    struct lb_slice rest = lb_slice_cstr(text);
    char name[64];
    uint64_t port = 80;
    if (!lb_slice_starts_with(rest, LB_S("http://")))
        return fail("not an http:// URL", text);
    rest = lb_slice_from(rest, 7);
    struct lb_slice authority = lb_slice_cut(&rest, '/');
    if (rest.len || authority.len >= sizeof(name))
        return fail("a URL must end behind its port", text);
    snprintf(o->host, sizeof(o->host), "%.*s", LB_SLICE_ARG(authority));
    struct lb_slice host = lb_slice_cut(&authority, ':');
    snprintf(name, sizeof(name), "%.*s", LB_SLICE_ARG(host));
    if (authority.ptr && (lb_slice_to_u64(authority, &port) < 0 || port > 65535))
        return fail("bad port", text);
    o->address.sin_family = AF_INET;
    o->address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, strcmp(name, "localhost") ? name : "127.0.0.1", &o->address.sin_addr) !=
        1)
        return fail("not an IPv4 address", text);
    return 0;
}

static int parse_secret(const char *text, char *ret, size_t size) {
    if (!text[0] || strlen(text) >= size)
        return fail("bad length of a key", "--access-key, --secret-key");
    strcpy(ret, text);
    return 0;
}

enum {
    URL,
    OP,
    BUCKET,
    PATH_PREFIX,
    PREFIX,
    SIZE,
    OBJECTS,
    PREPARE,
    CONCURRENCY,
    THREADS,
    WARMUP,
    DURATION,
    ACCESS_KEY,
    SECRET_KEY,
    REGION,
    SIGN_PAYLOAD,
    SERVER_PID,
    JSON,
    HELP
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, URL},
    {"op", required_argument, NULL, OP},
    {"bucket", required_argument, NULL, BUCKET},
    {"path-prefix", required_argument, NULL, PATH_PREFIX},
    {"prefix", required_argument, NULL, PREFIX},
    {"size", required_argument, NULL, SIZE},
    {"objects", required_argument, NULL, OBJECTS},
    {"prepare", no_argument, NULL, PREPARE},
    {"concurrency", required_argument, NULL, CONCURRENCY},
    {"threads", required_argument, NULL, THREADS},
    {"warmup", required_argument, NULL, WARMUP},
    {"duration", required_argument, NULL, DURATION},
    {"access-key", required_argument, NULL, ACCESS_KEY},
    {"secret-key", required_argument, NULL, SECRET_KEY},
    {"region", required_argument, NULL, REGION},
    {"sign-payload", no_argument, NULL, SIGN_PAYLOAD},
    {"server-pid", required_argument, NULL, SERVER_PID},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* Options whose value is kept as it is, and flags. Returns false for any other. */
static bool set_simple(struct bench_options *o, int option, const char *value) {
    struct lb_slice *texts[] = {[BUCKET] = &o->bucket,
                                [PATH_PREFIX] = &o->path_prefix,
                                [PREFIX] = &o->prefix,
                                [REGION] = &o->region};
    bool *flags[] = {[PREPARE] = &o->prepare, [SIGN_PAYLOAD] = &o->sign_payload, [JSON] = &o->json};
    if ((size_t)option < sizeof(texts) / sizeof(texts[0]) && texts[option])
        *texts[option] = lb_slice_cstr(value);
    else if ((size_t)option < sizeof(flags) / sizeof(flags[0]) && flags[option])
        *flags[option] = true;
    else
        return false;
    return true;
}

static int set_option(struct bench_options *o, int option, const char *value) {
    unsigned pid = 0;
    if (set_simple(o, option, value))
        return 0;
    switch (option) {
    case URL:
        return parse_url(value, o);
    case OP:
        return parse_op(value, o);
    case SIZE:
        return parse_size(value, &o->size);
    case OBJECTS:
        return parse_count(value, 10000000, &o->objects);
    case CONCURRENCY:
        return parse_count(value, 100000, &o->concurrency);
    case THREADS:
        return parse_count(value, THREADS_MAX, &o->threads);
    case WARMUP:
        return parse_time(value, &o->warmup_s);
    case DURATION:
        return parse_time(value, &o->duration_s);
    case ACCESS_KEY:
        return parse_secret(value, o->cred.access_key, sizeof(o->cred.access_key));
    case SECRET_KEY:
        return parse_secret(value, o->cred.secret_key, sizeof(o->cred.secret_key));
    case SERVER_PID:
        if (parse_count(value, INT32_MAX, &pid) < 0)
            return -EINVAL;
        o->server_pid = (int)pid;
        return 0;
    default:
        return -EINVAL;
    }
}

static int parse_options(int argc, char **argv, struct bench_options *o) {
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
        if (option == HELP) {
            fputs(usage, stdout);
            exit(0);
        }
        if (set_option(o, option, optarg) < 0)
            return -EINVAL;
    }
    if (optind < argc || !o->op_name.len || !o->address.sin_port)
        return fail("needed are --url and --op, and nothing else but options", "see --help");
    if (!lb_slice_starts_with(o->path_prefix, LB_S("/")))
        return fail("must begin with a slash", "--path-prefix");
    if (!o->cred.access_key[0] != !o->cred.secret_key[0])
        return fail("go together", "--access-key, --secret-key");
    if (o->op == BENCH_LIST && !o->bucket.len)
        return fail("needs a bucket", "--op list");
    return 0;
}

/* ---- running ---- */

/* Sends every request of op once. */
static int run_once(const struct bench_options *o, enum bench_op op, struct lb_slice body,
                    char (*etags)[BENCH_ETAG_MAX]) {
    static struct bench_result result;
    struct bench_plan plan;
    memset(&result, 0, sizeof(result));
    int err = bench_plan_init(&plan, o, op, body, etags);
    if (err < 0)
        return err;
    struct bench_load load = {.options = o, .plan = &plan, .requests_max = plan.n};
    load.phase = BENCH_MEASURE;
    err = bench_load_run(&load, plan.n < PREPARE_CONNECTIONS ? 1 : PREPARE_CONNECTIONS, &result);
    if (err == 0 && result.ok < plan.n) {
        fprintf(stderr, "lobos_bench: preparing: %zu of %zu requests failed, the last with %d\n",
                plan.n - result.ok, plan.n, result.error_status);
        err = -EIO;
    }
    bench_plan_fini(&plan);
    return err;
}

static int prepare(const struct bench_options *o, struct lb_slice body,
                   char (*etags)[BENCH_ETAG_MAX]) {
    int err = 0;
    if (o->prepare && o->bucket.len)
        err = run_once(o, BENCH_MAKE_BUCKET, body, NULL);
    if (err == 0 && o->prepare)
        err = run_once(o, BENCH_PUT, body, NULL);
    if (err == 0 && o->op == BENCH_CONDITIONAL)
        err = run_once(o, BENCH_HEAD, body, etags);
    return err;
}

struct worker {
    pthread_t thread;
    struct bench_load *load;
    unsigned connections;
    int err;
    struct bench_result result;
};

static void *work(void *arg) {
    struct worker *w = arg;
    w->err = bench_load_run(w->load, w->connections, &w->result);
    return NULL;
}

/* What the measurement took. */
struct cost {
    double wall_s;
    double server_cpu_s; /* negative: not known */
    double own_cpu_s;
};

static void sleep_s(double s) {
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    nanosleep(&t, NULL);
}

/* Switches the phases and reads the clocks at both ends of the measurement. */
static struct cost measure(const struct bench_options *o, struct bench_load *load) {
    sleep_s(o->warmup_s);
    double server_s = o->server_pid ? bench_cpu_s(o->server_pid) : -1;
    double own_s = bench_own_cpu_s();
    uint64_t start_ns = bench_now_ns();
    load->phase = BENCH_MEASURE;
    sleep_s(o->duration_s);
    load->phase = BENCH_STOP;
    uint64_t end_ns = bench_now_ns();
    double server_end_s = server_s < 0 ? -1 : bench_cpu_s(o->server_pid);
    return (struct cost){.wall_s = (double)(end_ns - start_ns) / 1e9,
                         .server_cpu_s = server_end_s < 0 ? -1 : server_end_s - server_s,
                         .own_cpu_s = bench_own_cpu_s() - own_s};
}

static int run_threads(const struct bench_options *o, struct bench_load *load,
                       struct bench_result *ret, struct cost *ret_cost) {
    struct worker *workers = calloc(o->threads, sizeof(*workers));
    unsigned started = 0;
    int err = workers ? 0 : -ENOMEM;
    for (; err == 0 && started < o->threads; started++) {
        struct worker *w = &workers[started];
        w->load = load;
        w->connections = o->concurrency / o->threads + (started < o->concurrency % o->threads);
        err = -pthread_create(&w->thread, NULL, work, w);
        if (err < 0)
            break;
    }
    if (err == 0)
        *ret_cost = measure(o, load);
    load->phase = BENCH_STOP;
    for (unsigned i = 0; i < started; i++) {
        struct worker *w = &workers[i];
        pthread_join(w->thread, NULL);
        err = err ? err : w->err;
        ret->ok += w->result.ok;
        ret->errors += w->result.errors;
        ret->bytes += w->result.bytes;
        if (w->result.errors)
            ret->error_status = w->result.error_status;
        bench_histogram_merge(&ret->latency, &w->result.latency);
    }
    free(workers);
    return err;
}

/* ---- printing ---- */

static void print_result(const struct bench_options *o, const struct bench_result *r,
                         const struct cost *c) {
    double rate = (double)r->ok / c->wall_s;
    double mib_s = (double)r->bytes / c->wall_s / 1048576;
    bool server = c->server_cpu_s > 0;
    double per_server = server ? (double)r->ok / c->server_cpu_s : 0;
    double per_both = server ? (double)r->ok / (c->server_cpu_s + c->own_cpu_s) : 0;
    const struct bench_histogram *h = &r->latency;
    printf(o->json ? "{\"op\": \"%.*s\", \"size\": %llu, \"concurrency\": %u, \"requests\": %llu, "
                     "\"errors\": %llu, \"error_status\": %d, \"seconds\": %.3f, "
                     "\"rate\": %.1f, \"mib_s\": %.1f, "
                     "\"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
                     "\"client_cpu_s\": %.3f, \"server_cpu_s\": %.3f, "
                     "\"per_server_cpu_s\": %.1f, \"per_both_cpu_s\": %.1f}\n"
                   : "%.*s  %llu bytes  %u connections\n"
                     "requests    %llu\n"
                     "errors      %llu (last status %d)\n"
                     "seconds     %.3f\n"
                     "requests/s  %.1f\n"
                     "MiB/s       %.1f\n"
                     "latency ms  p50 %.3f  p90 %.3f  p99 %.3f  max %.3f\n"
                     "CPU s       generator %.3f  server %.3f\n"
                     "requests per second of CPU  server %.1f  both %.1f\n",
           LB_SLICE_ARG(o->op_name), (unsigned long long)o->size, o->concurrency,
           (unsigned long long)r->ok, (unsigned long long)r->errors, r->error_status, c->wall_s,
           rate, mib_s, bench_histogram_ms(h, 0.5), bench_histogram_ms(h, 0.9),
           bench_histogram_ms(h, 0.99), (double)h->max_ns / 1e6, c->own_cpu_s,
           server ? c->server_cpu_s : 0, per_server, per_both);
}

int main(int argc, char **argv) {
    static struct bench_result result;
    struct bench_options o = {.path_prefix = LB_S("/"),
                              .prefix = LB_S("bench/"),
                              .size = 32768,
                              .concurrency = 50,
                              .threads = 1,
                              .objects = 1000,
                              .warmup_s = 1,
                              .duration_s = 5,
                              .region = LB_S("us-east-1")};
    struct cost cost = {0};
    struct bench_plan plan = {0};
    struct lb_prng prng;
    if (parse_options(argc, argv, &o) < 0)
        return 2;
    char *body = malloc(o.size + 8);
    char(*etags)[BENCH_ETAG_MAX] = calloc(o.objects, sizeof(*etags));
    if (!body || !etags)
        return 1;
    lb_prng_seed(&prng, 1);
    for (uint64_t i = 0; i < o.size; i += 8) {
        uint64_t word = lb_prng_next(&prng);
        memcpy(body + i, &word, 8);
    }
    int err = prepare(&o, lb_slice(body, o.size), etags);
    if (err == 0)
        err = bench_plan_init(&plan, &o, o.op, lb_slice(body, o.size), etags);
    struct bench_load load = {.options = &o, .plan = &plan};
    if (err == 0)
        err = run_threads(&o, &load, &result, &cost);
    if (err == 0)
        print_result(&o, &result, &cost);
    else
        fail("the load could not be run", lb_err_name(err));
    bench_plan_fini(&plan);
    free(body);
    free(etags);
    return err < 0 || result.errors || !result.ok;
}
