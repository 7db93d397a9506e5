/* Buckets: settings are read, changed and written back only while they are what was read. */
#include <errno.h>

#include "base/err.h"
#include "control/admin_priv.h"
#include "control/storage_priv.h"
#include "metrics/usage.h"
#include "s3/bucket_settings.h"
#include "s3/s3.h"

#define ATTEMPTS 16 /* of a change that others get in between */

static const enum lb_s3_acl acls[] = {
    [LOBOSADMIN__ACCESS__ACCESS_PRIVATE] = LB_S3_ACL_PRIVATE,
    [LOBOSADMIN__ACCESS__ACCESS_PUBLIC_READ] = LB_S3_ACL_PUBLIC_READ,
    [LOBOSADMIN__ACCESS__ACCESS_PUBLIC_READ_WRITE] = LB_S3_ACL_PUBLIC_READ_WRITE,
    [LOBOSADMIN__ACCESS__ACCESS_AUTHENTICATED_READ] = LB_S3_ACL_AUTHENTICATED_READ,
    [LOBOSADMIN__ACCESS__ACCESS_OPEN_READ] = LB_S3_ACL_OPEN_READ,
};
static const enum lb_versioning versionings[] = {
    [LOBOSADMIN__VERSIONING__VERSIONING_OFF] = LB_VERSIONING_OFF,
    [LOBOSADMIN__VERSIONING__VERSIONING_ENABLED] = LB_VERSIONING_ON,
    [LOBOSADMIN__VERSIONING__VERSIONING_SUSPENDED] = LB_VERSIONING_SUSPENDED,
};
static const enum lb_s3_durability durabilities[] = {
    [LOBOSADMIN__DURABILITY__DURABILITY_SERVER] = LB_S3_DURABILITY_SERVER,
    [LOBOSADMIN__DURABILITY__DURABILITY_SYNC] = LB_S3_DURABILITY_SYNC,
    [LOBOSADMIN__DURABILITY__DURABILITY_RELAXED] = LB_S3_DURABILITY_RELAXED,
};

/* The number in the proto of a word of the settings: its place in the table, from 1 on. */
#define NUMBER_OF(table, word) number_of((const unsigned *)(table), sizeof(table) / 4, word)

static unsigned number_of(const unsigned *table, size_t n, unsigned word) {
    for (unsigned i = 1; i < n; i++) {
        if (table[i] == word)
            return i;
    }
    return 0;
}

/* What a request asks for. owner NULL: as it is. */
struct change {
    const char *owner;
    unsigned access, versioning, durability; /* numbers of the proto; 0: as it is */
};

static void set_usage(struct control_call *call, struct lb_slice name, Lobosadmin__Bucket *bucket) {
    struct lb_bucket_usage counted;
    if (!lb_usage_get(call->control->conf.usage, name, &counted))
        return;
    Lobosadmin__Usage *usage = control_new(call, &lobosadmin__usage__descriptor);
    if (!usage)
        return;
    usage->objects = counted.objects;
    usage->bytes = counted.bytes;
    usage->counted = counted.counted_s;
    bucket->usage = usage;
}

static Lobosadmin__Bucket *bucket_message(struct control_call *call,
                                          const struct lb_bucket_info *info) {
    struct lb_s3_bucket_settings settings;
    Lobosadmin__Bucket *bucket = control_new(call, &lobosadmin__bucket__descriptor);
    if (!bucket)
        return NULL;
    lb_s3_bucket_settings_decode(info->settings, &settings);
    bucket->name = control_text(call, info->name);
    bucket->created = control_seconds(info->created_ns);
    bucket->owner = control_text(call, settings.owner_id);
    bucket->access = (Lobosadmin__Access)NUMBER_OF(acls, settings.acl);
    bucket->versioning = (Lobosadmin__Versioning)NUMBER_OF(versionings, settings.versioning);
    bucket->durability = (Lobosadmin__Durability)NUMBER_OF(durabilities, settings.durability);
    set_usage(call, info->name, bucket);
    return bucket;
}

/* An operation on that bucket; NULL without memory. */
static struct control_storage_op *op_new(struct control_call *call, const char *name) {
    struct control_storage_op *o = control_storage_op_new(call->control->storage);
    if (o)
        o->op.bucket = control_storage_op_copy(o, lb_slice_cstr(name));
    else
        call->no_memory = true;
    return o;
}

static int reply_bucket(struct control_call *call, const char *name) {
    struct control_storage_op *o = op_new(call, name);
    if (!o)
        return GRPC_STATUS_OK;
    int err = control_storage_run(o, control_storage_ops(call->control->storage)->bucket_head,
                                  call->deadline_ns);
    int status = err < 0 ? control_fail_err(call, err, "the bucket") : GRPC_STATUS_OK;
    if (err == 0) {
        Lobosadmin__Bucket *reply = bucket_message(call, &o->op.buckets[0]);
        call->reply = reply ? &reply->base : NULL;
    }
    control_storage_op_free(o);
    return status;
}

int control_admin_list_buckets(struct control_call *call, const void *request) {
    const Lobosadmin__ListBucketsRequest *in = request;
    Lobosadmin__ListBucketsReply *reply =
        control_reply(call, &lobosadmin__list_buckets_reply__descriptor);
    struct control_storage_op *o = reply ? op_new(call, "") : NULL;
    if (!o)
        return GRPC_STATUS_OK;
    o->op.prefix = control_storage_op_copy(o, lb_slice_cstr(in->prefix));
    o->op.after = control_storage_op_copy(o, lb_slice_cstr(in->after));
    o->op.max = control_limit(in->limit);
    int err = control_storage_run(o, control_storage_ops(call->control->storage)->bucket_list,
                                  call->deadline_ns);
    int status = err < 0 ? control_fail_err(call, err, "the buckets") : GRPC_STATUS_OK;
    if (err == 0) {
        reply->buckets = control_array(call, o->op.n);
        for (size_t i = 0; i < o->op.n && !call->no_memory; i++)
            reply->buckets[reply->n_buckets++] = bucket_message(call, &o->op.buckets[i]);
        reply->more = o->op.truncated;
    }
    control_storage_op_free(o);
    return status;
}

int control_admin_get_bucket(struct control_call *call, const void *request) {
    const Lobosadmin__BucketName *in = request;
    return reply_bucket(call, in->name);
}

static int check_change(struct control_call *call, const struct change *c) {
    struct lb_user user = {0};
    if (c->access >= sizeof(acls) / sizeof(acls[0]) ||
        c->versioning >= sizeof(versionings) / sizeof(versionings[0]) ||
        c->durability >= sizeof(durabilities) / sizeof(durabilities[0]))
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT,
                            "access, versioning or durability has a value that is not known");
    if (!c->owner || !c->owner[0] || strcmp(c->owner, call->control->conf.admin) == 0)
        return GRPC_STATUS_OK;
    int err = lb_users_get(call->control->conf.users, lb_slice_cstr(c->owner), &user);
    lb_user_fini(&user);
    if (err == -ENOENT)
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT,
                            "owner: there is no user %.64s; create it first", c->owner);
    return err < 0 ? control_users_fail(call, err) : GRPC_STATUS_OK;
}

/* Returns a status; settings borrow from c. */
static int apply(struct control_call *call, const struct change *c,
                 struct lb_s3_bucket_settings *settings) {
    if (c->owner) {
        bool admin = strcmp(c->owner, call->control->conf.admin) == 0;
        settings->owner_id = admin ? LB_S("") : lb_slice_cstr(c->owner);
        settings->owner_name = settings->owner_id;
    }
    if (c->access)
        settings->acl = acls[c->access];
    if (c->durability)
        settings->durability = durabilities[c->durability];
    if (!c->versioning)
        return GRPC_STATUS_OK;
    if (versionings[c->versioning] == LB_VERSIONING_OFF &&
        settings->versioning != LB_VERSIONING_OFF)
        return control_fail(call, GRPC_STATUS_FAILED_PRECONDITION,
                            "versioning was enabled: it can be suspended, but not switched off");
    settings->versioning = versionings[c->versioning];
    return GRPC_STATUS_OK;
}

static int encode(struct control_storage_op *o, const struct lb_s3_bucket_settings *settings) {
    struct lb_buf blob;
    lb_buf_init(&blob, LB_S3_BUCKET_SETTINGS_MAX);
    lb_s3_bucket_settings_encode(settings, &blob);
    o->op.settings = control_storage_op_copy(o, lb_buf_slice(&blob));
    int err = blob.err;
    lb_buf_fini(&blob);
    return err;
}

int control_admin_create_bucket(struct control_call *call, const void *request) {
    const Lobosadmin__CreateBucketRequest *in = request;
    const struct change c = {in->owner, in->access, in->versioning, in->durability};
    struct lb_s3_bucket_settings settings = {0};
    if (!lb_s3_bucket_name_valid(lb_slice_cstr(in->name)))
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT,
                            "name: 3 to 63 of a-z 0-9 . - that begin and end with one of a-z 0-9");
    int status = check_change(call, &c);
    if (status == GRPC_STATUS_OK)
        status = apply(call, &c, &settings);
    struct control_storage_op *o = status == GRPC_STATUS_OK ? op_new(call, in->name) : NULL;
    if (!o)
        return status;
    o->changes = true;
    int err = encode(o, &settings);
    if (err == 0)
        err = control_storage_run(o, control_storage_ops(call->control->storage)->bucket_create,
                                  call->deadline_ns);
    control_storage_op_free(o);
    return err < 0 ? control_fail_err(call, err, "the bucket") : reply_bucket(call, in->name);
}

int control_admin_delete_bucket(struct control_call *call, const void *request) {
    const Lobosadmin__BucketName *in = request;
    struct control_storage_op *o = op_new(call, in->name);
    if (!o)
        return GRPC_STATUS_OK;
    o->changes = true;
    int err = control_storage_run(o, control_storage_ops(call->control->storage)->bucket_delete,
                                  call->deadline_ns);
    control_storage_op_free(o);
    if (err < 0)
        return control_fail_err(call, err, "the bucket");
    lb_usage_remove(call->control->conf.usage, lb_slice_cstr(in->name));
    return control_done(call, "the bucket was deleted");
}

/* One attempt. Sets *ret_err: the engine's result, PRECONDITION_FAILED when others came between. */
static int change_once(struct control_call *call, const char *name, const struct change *c,
                       int *ret_err) {
    const struct lb_engine_ops *ops = control_storage_ops(call->control->storage);
    struct control_storage_op *read = op_new(call, name), *write = op_new(call, name);
    struct lb_s3_bucket_settings settings;
    int status = GRPC_STATUS_OK, err = read && write ? 0 : -ENOMEM;
    if (err == 0)
        err = control_storage_run(read, ops->bucket_head, call->deadline_ns);
    if (err == 0) {
        struct lb_slice was = read->op.buckets[0].settings;
        lb_s3_bucket_settings_decode(was, &settings);
        status = apply(call, c, &settings);
        write->op.if_same = true;
        write->op.was = control_storage_op_copy(write, was);
        write->changes = true;
        err = encode(write, &settings);
    }
    if (err == 0 && status == GRPC_STATUS_OK)
        err = control_storage_run(write, ops->bucket_set, call->deadline_ns);
    control_storage_op_free(read);
    control_storage_op_free(write);
    *ret_err = err;
    return status;
}

int control_admin_set_bucket(struct control_call *call, const void *request) {
    const Lobosadmin__SetBucketRequest *in = request;
    const struct change c = {in->owner ? in->owner->value : NULL, in->access, in->versioning,
                             in->durability};
    int err = LB_ERR_PRECONDITION_FAILED;
    int status = check_change(call, &c);
    for (int i = 0; i < ATTEMPTS && status == GRPC_STATUS_OK && err == LB_ERR_PRECONDITION_FAILED;
         i++)
        status = change_once(call, in->name, &c, &err);
    if (status != GRPC_STATUS_OK)
        return status;
    if (err == LB_ERR_PRECONDITION_FAILED)
        return control_fail(call, GRPC_STATUS_ABORTED,
                            "others change this bucket's settings all the time; try again");
    return err < 0 ? control_fail_err(call, err, "the bucket") : reply_bucket(call, in->name);
}
