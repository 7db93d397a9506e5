/* Running an engine operation: on a worker, or completed at once, always through the loop. The I/O
 * operation is embedded in the engine operation, so none of this needs memory. */
#include "engine/fs/fs_priv.h"

static struct lb_engine_op *op_of(struct lb_io_op *io) {
    return LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
}

static int64_t work(struct lb_io_op *io) {
    struct lb_engine_op *op = op_of(io);
    return op->run.work(op->run.port, op);
}

static void worked(struct lb_io_op *io, int64_t res) {
    struct lb_engine_op *op = op_of(io);
    int err = (int)res;
    if (op->run.then)
        err = op->run.then(op->run.port, op, err);
    op->done(op, err);
}

static void completed(struct lb_io_op *io, int64_t res) {
    struct lb_engine_op *op = op_of(io);
    op->done(op, (int)res);
}

void fs_work_then(struct lb_engine_port *p, struct lb_engine_op *op, fs_work_fn fn,
                  fs_then_fn then) {
    op->run.port = p;
    op->run.work = fn;
    op->run.then = then;
    op->run.wall_ns = lb_io_wall_ns(p->io);
    op->run.io.done = worked;
    lb_io_work(p->io, &op->run.io, work);
}

void fs_work(struct lb_engine_port *p, struct lb_engine_op *op, fs_work_fn fn) {
    fs_work_then(p, op, fn, NULL);
}

void fs_complete(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    op->run.io.done = completed;
    lb_io_defer(p->io, &op->run.io, err);
}
