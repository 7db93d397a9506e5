/* Completions that take long: white space, and errors in a 200. */
#include "lib/s3_harness.h"

#include <stdio.h>

#include "base/err.h"
#include "s3/checksum_priv.h"

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"
#define PATIENCE_MS 20

static struct s3_harness h;
static struct s3_call c;
static char upload[128], etag[64];
static const struct lb_engine_ops *engine;
static struct lb_engine_ops slow;

/* The engine's completion of an upload, after a while. */
static struct {
    unsigned delay_ms;
    int err;
    struct lb_engine_port *port;
    struct lb_engine_op *op;
    struct lb_io_timer timer;
} delayed;

static void on_delayed(struct lb_io_timer *t) {
    if (delayed.err < 0)
        delayed.op->done(delayed.op, delayed.err);
    else
        engine->upload_complete(delayed.port, delayed.op);
}

static void complete_later(struct lb_engine_port *p, struct lb_engine_op *op) {
    delayed.port = p;
    delayed.op = op;
    delayed.timer = (struct lb_io_timer){.fn = on_delayed};
    lb_io_timer_start(p->io, &delayed.timer, delayed.delay_ms * 1000000ull);
}

static int call(const char *head, struct lb_slice body) {
    s3_call_fini(&c);
    return s3_call(&h, &c, head, body);
}

static int setup(void **state) {
    char head[256];
    s3_harness_init(&h, 0);
    h.conf.patience_ms = PATIENCE_MS;
    engine = h.port->ops;
    slow = *engine;
    slow.upload_complete = complete_later;
    h.port->ops = &slow;
    assert_int_equal(call("POST /bucket/k?uploads" HOST, LB_S("")), 200);
    struct lb_slice xml = lb_buf_slice(&c.received);
    ptrdiff_t at = lb_slice_find_slice(xml, LB_S("<UploadId>"));
    ptrdiff_t end = lb_slice_find_slice(xml, LB_S("</UploadId>"));
    assert_true(at > 0 && end > at);
    snprintf(upload, sizeof(upload), "%.*s", (int)(end - at - 10), xml.ptr + at + 10);
    snprintf(head, sizeof(head),
             "PUT /bucket/k?partNumber=1&uploadId=%s" HOST "Content-Length: 5\r\n", upload);
    assert_int_equal(call(head, LB_S("hello")), 200);
    snprintf(etag, sizeof(etag), "%.*s", LB_SLICE_ARG(s3_call_header(&c, LB_S("ETag"))));
    return 0;
}

static int teardown(void **state) {
    s3_call_fini(&c);
    s3_harness_fini(&h);
    return 0;
}

/* Completes the upload with an engine that takes so long. */
static int complete(unsigned delay_ms, int err, int sent_err) {
    char head[256], document[256];
    snprintf(document, sizeof(document),
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"
             "</CompleteMultipartUpload>",
             etag);
    snprintf(head, sizeof(head), "POST /bucket/k?uploadId=%s" HOST "Content-Length: %zu\r\n",
             upload, strlen(document));
    delayed.delay_ms = delay_ms;
    delayed.err = err;
    s3_call_fini(&c);
    c = (struct s3_call){
        .head = lb_slice_cstr(head), .body = lb_slice_cstr(document), .sent_err = sent_err};
    s3_call_run(&h, &c);
    return c.status;
}

/* What was announced has come: a declaration, white space, a document. */
static void check_spaced(const char *root) {
    struct lb_slice text = lb_buf_slice(&c.received);
    static const char prolog[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    assert_int_equal(text.len, c.length);
    assert_true(lb_slice_starts_with(text, lb_slice(prolog, sizeof(prolog) - 1)));
    text = lb_slice_from(text, sizeof(prolog) - 1);
    size_t spaces = 0;
    while (spaces < text.len && text.ptr[spaces] == ' ')
        spaces++;
    assert_true(spaces > 0);
    assert_true(lb_slice_starts_with(lb_slice_from(text, spaces), lb_slice_cstr(root)));
    assert_true(lb_slice_ends_with(text, LB_S(">")));
}

static void test_quick(void **state) {
    assert_int_equal(complete(0, LB_ERR_PRECONDITION_FAILED, 0), 412);
    assert_true(c.length < 1024);
    assert_int_equal(complete(0, 0, 0), 200);
    assert_int_equal(c.received.len, c.length);
    assert_true(c.length < 1024);
    assert_true(s3_call_has(&c, "<CompleteMultipartUploadResult"));
}

static void test_slow(void **state) {
    assert_int_equal(complete(10 * PATIENCE_MS, 0, 0), 200);
    check_spaced("<CompleteMultipartUploadResult");
    CHECK_SLICE(s3_call_header(&c, LB_S("Content-Type")), "application/xml");
    assert_int_equal(c.err, 0);
    assert_int_equal(call("GET /bucket/k" HOST, LB_S("")), 200);
    CHECK_SLICE(lb_buf_slice(&c.received), "hello");
}

static void test_slow_failure(void **state) {
    assert_int_equal(complete(3 * PATIENCE_MS, LB_ERR_PRECONDITION_FAILED, 0), 200);
    check_spaced("<Error><Code>PreconditionFailed</Code>");
    assert_int_equal(c.err, LB_ERR_PRECONDITION_FAILED);
    assert_int_equal(call("GET /bucket/k" HOST, LB_S("")), 404);
}

/* Whatever moment it is. */
static void test_any_time(void **state) {
    for (unsigned ms = 1; ms < 3 * PATIENCE_MS; ms++) {
        int status = complete(ms, LB_ERR_STORAGE_FULL, 0);
        if (status == 200)
            check_spaced("<Error><Code>InsufficientStorage</Code>");
        else
            assert_int_equal(status, 507);
    }
}

static void test_client_gone(void **state) {
    assert_int_equal(complete(5 * PATIENCE_MS, 0, LB_ERR_CANCELED), 200);
    assert_int_equal(c.err, LB_ERR_CANCELED);
    assert_true(c.received.len < c.length);
    assert_int_equal(call("GET /bucket/k" HOST, LB_S("")), 200);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_quick),    TEST(test_slow),        TEST(test_slow_failure),
        TEST(test_any_time), TEST(test_client_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
