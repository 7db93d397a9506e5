/* What the tests of upload bodies share: a service, a call, room for a head and a body. */
#ifndef LB_TESTS_UNIT_S3_BODY_ENV_H
#define LB_TESTS_UNIT_S3_BODY_ENV_H

#include "lib/s3_harness.h"

static struct s3_harness h;
static struct s3_call c;
static struct lb_buf head, body;

static inline int setup(void **state) {
    s3_harness_init(&h, 0);
    lb_buf_init(&head, 65536);
    lb_buf_init(&body, 64u << 20);
    return 0;
}

static inline int teardown(void **state) {
    s3_call_fini(&c);
    lb_buf_fini(&head);
    lb_buf_fini(&body);
    s3_harness_fini(&h);
    return 0;
}

/* A request with that head; its body comes in pieces of that size (0: as asked for). */
static inline int run_in_pieces(struct lb_slice text, struct lb_slice data, size_t piece) {
    s3_call_fini(&c);
    c = (struct s3_call){.head = text, .body = data, .piece = piece};
    s3_call_run(&h, &c);
    return c.status;
}

static inline int run(struct lb_slice text, struct lb_slice data) {
    return run_in_pieces(text, data, 0);
}

static inline void check_error(const char *code) {
    if (!s3_call_has(&c, code))
        fail_msg("no %s in %.*s", code, LB_SLICE_ARG(lb_buf_slice(&c.received)));
}

#endif
