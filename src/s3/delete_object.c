/* DeleteObject. A key or version that is not there is deleted already. */
#include "http/date.h"
#include "s3/access_priv.h"
#include "s3/conditional_priv.h"
#include "s3/ops_priv.h"

static void on_removed(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    if (r->version.len)
        s3_header(r, LB_S("x-amz-version-id"), r->version);
    else if (op->info.marker)
        s3_header_version(r, &op->info.version);
    if (op->info.marker)
        s3_header(r, LB_S("x-amz-delete-marker"), LB_S("true"));
    s3_reply(r, 204);
}

/* x-amz-if-match-last-modified-time and x-amz-if-match-size. */
static int parse_state(const struct s3_request *r, struct lb_precond *p) {
    struct lb_slice time = s3_request_header(r, LB_S("x-amz-if-match-last-modified-time"));
    struct lb_slice size = s3_request_header(r, LB_S("x-amz-if-match-size"));
    p->has_mtime = time.ptr != NULL;
    p->has_size = size.ptr != NULL;
    if (p->has_mtime && lb_date_parse_http(time, &p->if_mtime_s) < 0 &&
        lb_date_parse_iso(time, &p->if_mtime_s) < 0)
        return LB_ERR_INVALID_ARGUMENT;
    if (p->has_size && lb_slice_to_u64(size, &p->if_size) < 0)
        return LB_ERR_INVALID_ARGUMENT;
    return 0;
}

void s3_op_delete_object(struct s3_request *r) {
    struct lb_engine_op *op = s3_engine_write(r, on_removed);
    int err = s3_access_remove(r, r->version);
    if (err == 0)
        err = s3_precond_parse(r, &op->precond);
    if (err == 0)
        err = parse_state(r, &op->precond);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    r->s3->port->ops->remove(r->s3->port, op);
}
