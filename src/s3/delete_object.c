/* DeleteObject. A key that is not there is deleted already. */
#include "http/date.h"
#include "s3/conditional_priv.h"
#include "s3/ops_priv.h"

static void on_removed(struct lb_engine_op *op, int err) {
    if (err < 0)
        s3_fail(s3_of(op), err);
    else
        s3_reply(s3_of(op), 204);
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
    struct lb_engine_op *op = s3_engine_op(r, on_removed);
    int err = s3_precond_parse(r, &op->precond);
    if (err == 0)
        err = parse_state(r, &op->precond);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    op->relaxed = r->s3->conf->relaxed;
    r->s3->port->ops->remove(r->s3->port, op);
}
