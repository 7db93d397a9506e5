/* The control plane's calls without a socket: bytes in, status and reply out. The engine is the one
 * in memory, on the storage's own thread. */
#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <lobosadmin.pb-c.h>
#include <loboscontrol.pb-c.h>

#include "control/call_priv.h"
#include "control/storage_priv.h"
#include "lib/mem_engine.h"
#include "metrics/metrics.h"
#include "metrics/usage.h"
#include "s3/bucket_settings.h"
#include "users_helper.h"

#include "base/budget.h"

static struct control control;
static struct sim_fs *fs;
static struct lb_workers *workers;
static struct lb_s3_buckets buckets;
static struct lb_budget budget;
static struct control_call call; /* the last one */
static int reloads, drains;

static int on_reload(void *ctx, struct lb_buf *why) {
    if (reloads++ == 0)
        return 0;
    lb_buf_append(why, LB_S("lobos.cfg:1: no"));
    return -EINVAL;
}

static void on_drain(void *ctx) {
    drains++;
}

static int setup(void **state) {
    static const char *const ops[] = {"GetObject", "PutObject"};
    const struct lb_users_fixed admin = {"lobos", "ADMIN", "admin-secret", true};
    const struct lb_users_conf users = {.fixed = &admin, .fixed_n = 1};
    reloads = drains = 0;
    fs = sim_fs_new(&(struct sim_fs_conf){.seed = 1});
    lb_budget_init(&budget, 1 << 20);
    assert_int_equal(lb_workers_new(1, &workers), 0);
    control.conf = (struct lb_control_conf){
        .listen = {.address = "", .token = ""},
        .engine = mem_engine_new(),
        .io = {.backend = LB_IO_POSIX, .workers = workers, .vfs = lb_vfs_posix()},
        .buckets = &buckets,
        .metrics = lb_metrics_new(1, ops, 2, 1700000000000000000),
        .budget = &budget,
        .usage = lb_usage_new(16),
        .storage = "/data",
        .s3_address = "127.0.0.1:8080",
        .io_name = "sim",
        .admin = "lobos",
        .reload = on_reload,
        .drain = on_drain,
    };
    assert_int_equal(users_open_with(fs, &users, NULL, &control.conf.users), 0);
    assert_int_equal(control_storage_start(&control.conf, &control.storage), 0);
    control_call_init(&call, &control, NULL, INT64_MAX);
    return 0;
}

static int teardown(void **state) {
    control_call_fini(&call);
    control_storage_stop(control.storage);
    lb_users_free(control.conf.users);
    lb_usage_free(control.conf.usage);
    lb_metrics_free(control.conf.metrics);
    control.conf.engine->ops->free(control.conf.engine);
    lb_workers_free(workers);
    sim_fs_free(fs);
    return 0;
}

static int run_bytes(const char *path, struct lb_slice bytes, size_t memory, int64_t deadline_ns) {
    const struct control_method *method = control_method_find(lb_slice_cstr(path));
    assert_non_null(method);
    control_call_fini(&call);
    control_call_init(&call, &control, method, deadline_ns);
    if (memory)
        call.arena.size_max = memory;
    int status = control_call_run(&call, bytes);
    assert_true(status == GRPC_STATUS_OK ? call.reply != NULL : call.why.len > 0);
    return status;
}

static int run_with(const char *path, const void *request, size_t memory, int64_t deadline_ns) {
    uint8_t bytes[4096];
    assert_true(protobuf_c_message_get_packed_size(request) <= sizeof(bytes));
    size_t len = protobuf_c_message_pack(request, bytes);
    return run_bytes(path, lb_slice(bytes, len), memory, deadline_ns);
}

static int run(const char *path, const void *request) {
    return run_with(path, request, 0, control_now_ns() + 10000000000);
}

static void assert_why(const char *text) {
    if (lb_slice_find_slice(lb_buf_slice(&call.why), lb_slice_cstr(text)) < 0)
        fail_msg("%.*s", (int)call.why.len, call.why.ptr);
}

/* Requests that work, for each method, in an order in which they work. */
static char user[] = "ann", key[] = "AKANN", secret[] = "secret-of-ann", bucket[] = "buck";

static const void *request_for(const char *path) {
    static Loboscontrol__User with_key = LOBOSCONTROL__USER__INIT;
    static Loboscontrol__Filters filters = LOBOSCONTROL__FILTERS__INIT;
    static Lobosadmin__ListUsersRequest list = LOBOSADMIN__LIST_USERS_REQUEST__INIT;
    static Lobosadmin__UserName name = LOBOSADMIN__USER_NAME__INIT;
    static Lobosadmin__CreateBucketRequest create = LOBOSADMIN__CREATE_BUCKET_REQUEST__INIT;
    static Lobosadmin__ListBucketsRequest list_buckets = LOBOSADMIN__LIST_BUCKETS_REQUEST__INIT;
    static Lobosadmin__SetBucketRequest set = LOBOSADMIN__SET_BUCKET_REQUEST__INIT;
    static Lobosadmin__Nothing nothing = LOBOSADMIN__NOTHING__INIT;
    static Lobosadmin__SetGrantRequest grant = LOBOSADMIN__SET_GRANT_REQUEST__INIT;
    static Lobosadmin__Grant granted = LOBOSADMIN__GRANT__INIT;
    static Lobosadmin__Right right = LOBOSADMIN__RIGHT__RIGHT_LIST;
    const struct {
        const char *path;
        const void *request;
    } all[] = {{"/loboscontrol.ControlPlane/AddUser", &with_key},
               {"/loboscontrol.ControlPlane/ListAllUsers", &filters},
               {"/lobosadmin.Admin/ListUsers", &list},
               {"/lobosadmin.Admin/GetUser", &name},
               {"/lobosadmin.Admin/SetGrant", &grant},
               {"/lobosadmin.Admin/CreateBucket", &create},
               {"/lobosadmin.Admin/ListBuckets", &list_buckets},
               {"/lobosadmin.Admin/SetBucket", &set},
               {"/lobosadmin.Admin/GetStatus", &nothing},
               {"/lobosadmin.Admin/GetCounters", &nothing}};
    with_key.name = name.name = grant.user = user;
    with_key.key = key;
    with_key.secret = secret;
    create.name = set.name = bucket;
    set.access = LOBOSADMIN__ACCESS__ACCESS_PUBLIC_READ;
    granted.bucket = bucket;
    granted.rights = &right;
    granted.n_rights = 1;
    grant.grant = &granted;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i].path, path) == 0)
            return all[i].request;
    }
    fail_msg("%s", path);
    return NULL;
}

static int run_usual(const char *path) {
    return run(path, request_for(path));
}

static void check_service(const ProtobufCServiceDescriptor *service) {
    char path[128];
    for (unsigned i = 0; i < service->n_methods; i++) {
        const ProtobufCMethodDescriptor *m = &service->methods[i];
        snprintf(path, sizeof(path), "/%s/%s", service->name, m->name);
        const struct control_method *method = control_method_find(lb_slice_cstr(path));
        if (!method)
            fail_msg("%s is not answered", path);
        assert_ptr_equal(method->in, m->input);
    }
}

static void test_every_method_of_the_protos_is_answered(void **state) {
    check_service(&loboscontrol__control_plane__descriptor);
    check_service(&lobosadmin__admin__descriptor);
    check_service(&grpc__health__v1__health__descriptor);
    check_service(&grpc__reflection__v1__server_reflection__descriptor);
    assert_null(control_method_find(LB_S("/lobosadmin.Admin/")));
    assert_null(control_method_find(LB_S("")));
}

static void test_users(void **state) {
    static const char list[] = "/loboscontrol.ControlPlane/ListAllUsers";
    assert_int_equal(run_usual("/loboscontrol.ControlPlane/AddUser"), GRPC_STATUS_OK);
    const Loboscontrol__UserReply *made = (const void *)call.reply;
    assert_ptr_equal(call.reply->descriptor, &loboscontrol__user_reply__descriptor);
    assert_string_equal(made->params->secret, secret);
    assert_int_equal(run_usual("/loboscontrol.ControlPlane/AddUser"), GRPC_STATUS_ALREADY_EXISTS);
    assert_why(user);
    assert_int_equal(run_usual(list), GRPC_STATUS_OK);
    const Loboscontrol__ListAllUsersReply *all = (const void *)call.reply;
    assert_int_equal(all->n_users, 2);
    assert_string_equal(all->users[0]->params->key, key);
    assert_string_equal(all->users[0]->params->secret, "");
    assert_int_equal(run_usual("/lobosadmin.Admin/SetGrant"), GRPC_STATUS_OK);
    const Lobosadmin__User *u = (const void *)call.reply;
    assert_int_equal(u->n_grants, 1);
    assert_int_equal(u->grants[0]->rights[0], LOBOSADMIN__RIGHT__RIGHT_LIST);
}

static void test_buckets(void **state) {
    uint64_t changes = atomic_load(&buckets.changes);
    Lobosadmin__BucketName name = LOBOSADMIN__BUCKET_NAME__INIT;
    name.name = bucket;
    assert_int_equal(run("/lobosadmin.Admin/GetBucket", &name), GRPC_STATUS_NOT_FOUND);
    assert_int_equal(run_usual("/lobosadmin.Admin/CreateBucket"), GRPC_STATUS_OK);
    assert_true(atomic_load(&buckets.changes) > changes); /* the loops are told */
    assert_int_equal(run_usual("/lobosadmin.Admin/CreateBucket"), GRPC_STATUS_ALREADY_EXISTS);
    changes = atomic_load(&buckets.changes);
    assert_int_equal(run_usual("/lobosadmin.Admin/SetBucket"), GRPC_STATUS_OK);
    assert_true(atomic_load(&buckets.changes) > changes);
    assert_int_equal(run("/lobosadmin.Admin/GetBucket", &name), GRPC_STATUS_OK);
    const Lobosadmin__Bucket *b = (const void *)call.reply;
    assert_int_equal(b->access, LOBOSADMIN__ACCESS__ACCESS_PUBLIC_READ);
    assert_int_equal(b->versioning, LOBOSADMIN__VERSIONING__VERSIONING_OFF);
    assert_null(b->usage);
    assert_int_equal(
        lb_usage_set(control.conf.usage, &(struct lb_bucket_usage){LB_S("buck"), 3, 4, 5}), 0);
    assert_int_equal(run("/lobosadmin.Admin/GetBucket", &name), GRPC_STATUS_OK);
    b = (const void *)call.reply;
    assert_int_equal(b->usage->objects, 3);
    assert_int_equal(run("/lobosadmin.Admin/DeleteBucket", &name), GRPC_STATUS_OK);
    assert_int_equal(run("/lobosadmin.Admin/DeleteBucket", &name), GRPC_STATUS_NOT_FOUND);
}

static void test_bytes_that_are_no_request(void **state) {
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"\xff", 1},
               {"\x0a\x05", 2},
               {"\x0a\x02\xc3\x28", 4},
               {"\x0a\x01\x00", 3},
               {"\x0a\x03"
                "a\x00"
                "b",
                5},
               {"\x00", 1},
               {"\x0b", 1},
               {"\x09\x01", 2},
               {"\x0d\x01", 2}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(run_bytes("/lobosadmin.Admin/GetUser", lb_slice(bad[i].bytes, bad[i].len),
                                   0, INT64_MAX),
                         GRPC_STATUS_INVALID_ARGUMENT);
    char *large = calloc(1, CONTROL_MESSAGE_MAX + 1);
    assert_int_equal(run_bytes("/lobosadmin.Admin/GetUser",
                               lb_slice(large, CONTROL_MESSAGE_MAX + 1), 0, INT64_MAX),
                     GRPC_STATUS_RESOURCE_EXHAUSTED);
    free(large);
}

/* Whatever the call has too little memory for, it says so and nothing breaks. */
static void test_no_memory(void **state) {
    static const char *const paths[] = {"/loboscontrol.ControlPlane/ListAllUsers",
                                        "/lobosadmin.Admin/ListUsers",
                                        "/lobosadmin.Admin/GetUser",
                                        "/lobosadmin.Admin/SetGrant",
                                        "/lobosadmin.Admin/ListBuckets",
                                        "/lobosadmin.Admin/SetBucket",
                                        "/lobosadmin.Admin/GetStatus",
                                        "/lobosadmin.Admin/GetCounters"};
    assert_int_equal(run_usual("/loboscontrol.ControlPlane/AddUser"), GRPC_STATUS_OK);
    assert_int_equal(run_usual("/lobosadmin.Admin/CreateBucket"), GRPC_STATUS_OK);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int status = -1, refused = 0;
        for (size_t memory = 1; status != GRPC_STATUS_OK; memory += 16) {
            assert_true(memory < 65536);
            status =
                run_with(paths[i], request_for(paths[i]), memory, control_now_ns() + 10000000000);
            refused += status == GRPC_STATUS_RESOURCE_EXHAUSTED;
            assert_true(status == GRPC_STATUS_OK || status == GRPC_STATUS_RESOURCE_EXHAUSTED);
        }
        assert_true(refused > 0);
    }
}

/* Nothing is begun that is too late. What was begun ends without a caller who does not wait. */
static void test_deadline(void **state) {
    static const char path[] = "/lobosadmin.Admin/ListBuckets";
    assert_int_equal(run_with(path, request_for(path), 0, 1), GRPC_STATUS_DEADLINE_EXCEEDED);
    assert_why("not answered in time");
    for (int64_t wait_ns = 1; wait_ns < 200000; wait_ns += 1000) {
        int status = run_with(path, request_for(path), 0, control_now_ns() + wait_ns);
        assert_true(status == GRPC_STATUS_DEADLINE_EXCEEDED || status == GRPC_STATUS_OK);
    }
    assert_int_equal(run_usual(path), GRPC_STATUS_OK);
}

static void test_server(void **state) {
    Lobosadmin__Nothing nothing = LOBOSADMIN__NOTHING__INIT;
    assert_int_equal(run("/lobosadmin.Admin/GetStatus", &nothing), GRPC_STATUS_OK);
    const Lobosadmin__Status *status = (const void *)call.reply;
    assert_int_equal(status->started, 1700000000);
    assert_int_equal(status->users, 1);
    assert_false(status->draining);
    lb_metrics_set_state(control.conf.metrics, LB_SERVER_DRAINING);
    assert_int_equal(run("/lobosadmin.Admin/GetStatus", &nothing), GRPC_STATUS_OK);
    assert_true(((const Lobosadmin__Status *)call.reply)->draining);
    assert_int_equal(run("/lobosadmin.Admin/Reload", &nothing), GRPC_STATUS_FAILED_PRECONDITION);
    assert_int_equal(run("/lobosadmin.Admin/Drain", &nothing), GRPC_STATUS_OK);
    assert_int_equal(reloads + drains, 0);
    lb_metrics_set_state(control.conf.metrics, LB_SERVER_SERVING);
    assert_int_equal(run("/lobosadmin.Admin/Reload", &nothing), GRPC_STATUS_OK);
    assert_int_equal(run("/lobosadmin.Admin/Reload", &nothing), GRPC_STATUS_INVALID_ARGUMENT);
    assert_why("lobos.cfg:1: no");
    assert_int_equal(run("/lobosadmin.Admin/Drain", &nothing), GRPC_STATUS_OK);
    assert_int_equal(drains, 1);
}

static void test_counters(void **state) {
    Lobosadmin__Nothing nothing = LOBOSADMIN__NOTHING__INIT;
    const struct lb_request_metrics r = {
        .op = 1, .status = 404, .bytes_in = 7, .bytes_out = 9, .whole_ns = 1000};
    lb_metrics_request(&control.conf.metrics->loops[0], &r);
    assert_int_equal(run("/lobosadmin.Admin/GetCounters", &nothing), GRPC_STATUS_OK);
    const Lobosadmin__Counters *c = (const void *)call.reply;
    assert_int_equal(c->n_operations, 1);
    assert_string_equal(c->operations[0]->name, "GetObject");
    assert_int_equal(c->operations[0]->client_errors, 1);
    assert_int_equal(c->operations[0]->bytes_in, 7);
    assert_int_equal(c->operations[0]->n_latency, c->n_latency_us + 1);
    assert_int_equal(c->operations[0]->latency[0], 1);
}

#define THREADS 8
#define ROUNDS 40

/* What a thread asks for by itself. Returns the status. */
static int ask(const char *path, const void *request) {
    uint8_t bytes[1024];
    struct control_call own;
    size_t len = protobuf_c_message_pack(request, bytes);
    control_call_init(&own, &control, control_method_find(lb_slice_cstr(path)),
                      control_now_ns() + 60000000000);
    int status = control_call_run(&own, lb_slice(bytes, len));
    control_call_fini(&own);
    return status;
}

static void *work(void *arg) {
    Lobosadmin__SetBucketRequest set = LOBOSADMIN__SET_BUCKET_REQUEST__INIT;
    Lobosadmin__CreateUserRequest create = LOBOSADMIN__CREATE_USER_REQUEST__INIT;
    Lobosadmin__DeleteUserRequest delete = LOBOSADMIN__DELETE_USER_REQUEST__INIT;
    Lobosadmin__ListUsersRequest list = LOBOSADMIN__LIST_USERS_REQUEST__INIT;
    char name[] = {'u', (char)('0' + (uintptr_t)arg), '\0'};
    size_t failed = 0;
    create.name = delete.name = name;
    delete.force = true;
    set.name = bucket;
    for (int i = 0; i < ROUNDS; i++) {
        set.access = (Lobosadmin__Access)(1 + i % 4);
        int status = ask("/lobosadmin.Admin/SetBucket", &set);
        failed += status != GRPC_STATUS_OK && status != GRPC_STATUS_ABORTED;
        failed += ask("/lobosadmin.Admin/CreateUser", &create) != GRPC_STATUS_OK;
        failed += ask("/lobosadmin.Admin/ListUsers", &list) != GRPC_STATUS_OK;
        failed += ask("/lobosadmin.Admin/DeleteUser", &delete) != GRPC_STATUS_OK;
    }
    return (void *)(uintptr_t)failed;
}

static void test_many_at_once(void **state) {
    pthread_t threads[THREADS];
    assert_int_equal(run_usual("/lobosadmin.Admin/CreateBucket"), GRPC_STATUS_OK);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(lb_users_count(control.conf.users), 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_method_of_the_protos_is_answered),
        TEST(test_users),
        TEST(test_buckets),
        TEST(test_bytes_that_are_no_request),
        TEST(test_no_memory),
        TEST(test_deadline),
        TEST(test_server),
        TEST(test_counters),
        TEST(test_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
