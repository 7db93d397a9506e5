/* The access decision: before the operation, from the bucket's settings; for reading an object also
 * within it, from the object's meta. */
#include "s3/access_priv.h"

#include "s3/acl_priv.h"

static const struct s3_access everything = {
    .owner = true, .list = true, .read = true, .write = true};

bool s3_is_admin(const struct s3_request *r) {
    return !r->s3->conf->creds || (r->auth.cred && r->auth.cred->admin);
}

bool s3_bucket_is_own(const struct s3_request *r, const struct lb_s3_bucket_settings *s) {
    if (s3_is_admin(r) && (!r->s3->conf->creds || s->owner_id.len == 0))
        return true;
    return r->auth.cred && lb_slice_eq(s->owner_id, lb_slice_cstr(r->auth.cred->user_id));
}

static unsigned granted(const struct s3_request *r, struct lb_slice bucket) {
    return r->auth.cred ? lb_cred_rights(r->auth.cred, bucket) : 0;
}

bool s3_bucket_is_seen(const struct s3_request *r, struct lb_slice bucket,
                       const struct lb_s3_bucket_settings *s) {
    return s3_is_admin(r) || s3_bucket_is_own(r, s) || granted(r, bucket);
}

static struct s3_access decide(const struct s3_request *r, struct lb_slice bucket,
                               const struct lb_s3_bucket_settings *s) {
    unsigned rights = granted(r, bucket);
    if (s3_is_admin(r) || s3_bucket_is_own(r, s) || (rights & LB_RIGHT_OWNER))
        return everything;
    return (struct s3_access){
        .list = (rights & LB_RIGHT_LIST) || s3_acl_reads(s->acl, r->auth.cred != NULL),
        .read = (rights & LB_RIGHT_READ) || s->acl == LB_S3_ACL_OPEN_READ,
        .write = (rights & LB_RIGHT_WRITE) || s->acl == LB_S3_ACL_PUBLIC_READ_WRITE,
    };
}

static int check_expected_owner(const struct s3_request *r, struct lb_slice header,
                                const struct lb_s3_bucket_settings *s) {
    struct lb_slice expected = s3_request_field(r, header);
    struct lb_slice owner = s->owner_id.len ? s->owner_id : r->s3->conf->owner_id;
    return !expected.ptr || lb_slice_eq(expected, owner) ? 0 : LB_ERR_ACCESS_DENIED;
}

static bool allowed(const struct s3_request *r) {
    switch (r->op->right) {
    case S3_RIGHT_OWNER:
        return r->access.owner;
    case S3_RIGHT_LIST:
        return r->access.list;
    case S3_RIGHT_WRITE:
        return r->access.write;
    case S3_RIGHT_READ:
    case S3_RIGHT_SIGNED:
        return true;
    }
    return false;
}

static void on_bucket(struct s3_request *r) {
    r->access = decide(r, r->bucket, r->settings);
    int err = check_expected_owner(r, LB_S("x-amz-expected-bucket-owner"), r->settings);
    if (err == 0 && !allowed(r))
        err = LB_ERR_ACCESS_DENIED;
    if (err < 0)
        s3_fail(r, err);
    else
        r->allowed(r);
}

/* Objects are written and told of as the bucket's versioning and durability say. */
static bool needs_settings(const struct s3_request *r) {
    return r->key.len || r->op->right == S3_RIGHT_WRITE;
}

void s3_access_check(struct s3_request *r) {
    r->allowed = r->op->fn;
    if (s3_is_admin(r))
        r->access = everything;
    if (r->op->right == S3_RIGHT_SIGNED) {
        if (r->auth.cred || !r->s3->conf->creds)
            r->op->fn(r);
        else
            s3_fail(r, LB_ERR_ACCESS_DENIED);
    } else if (r->access.owner && !needs_settings(r) &&
               !s3_request_field(r, LB_S("x-amz-expected-bucket-owner")).ptr) {
        r->op->fn(r);
    } else {
        s3_bucket_load(r, on_bucket);
    }
}

void s3_access_again(struct s3_request *r, s3_op_fn then) {
    if (r->op->right == S3_RIGHT_SIGNED) {
        then(r);
        return;
    }
    r->allowed = then;
    r->settings = NULL;
    s3_bucket_load(r, on_bucket);
}

static void on_source(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct lb_s3_bucket_settings *s = NULL;
    err = s3_bucket_settings_found(r, err, &s);
    if (err == 0)
        err = check_expected_owner(r, LB_S("x-amz-source-expected-bucket-owner"), s);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    r->source = decide(r, op->bucket, s);
    r->then(r);
}

void s3_access_source(struct s3_request *r, struct lb_slice bucket, s3_op_fn then) {
    if (s3_is_admin(r) && !s3_request_field(r, LB_S("x-amz-source-expected-bucket-owner")).ptr) {
        r->source = everything;
        then(r);
        return;
    }
    r->then = then;
    struct lb_engine_op *op = s3_engine_op(r, on_source);
    op->bucket = bucket;
    r->s3->port->ops->bucket_head(r->s3->port, op);
}

int s3_access_read(const struct s3_request *r, const struct s3_access *a, enum lb_s3_acl acl) {
    return a->read || s3_acl_reads(acl, r->auth.cred != NULL) ? 0 : LB_ERR_ACCESS_DENIED;
}

int s3_access_remove(const struct s3_request *r, struct lb_slice version) {
    return version.len == 0 || r->access.owner ? 0 : LB_ERR_ACCESS_DENIED;
}

int s3_access_missing(const struct s3_access *a, int err) {
    bool missing = err == LB_ERR_NO_SUCH_KEY || err == LB_ERR_NO_SUCH_VERSION ||
                   err == LB_ERR_METHOD_NOT_ALLOWED;
    return missing && !a->list ? LB_ERR_ACCESS_DENIED : err;
}
