/* The life of one call. Each event that is awaited holds a reference; after the first, one flow of
 * events follows another, and only the news that the call is closed comes beside them. */
#include <errno.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdlib.h>

#include "base/log.h"
#include "control/rpc_priv.h"

#define TOO_MANY "too many calls at once; try again in a moment"
#define DEADLINE_MAX_NS 60000000000ll /* for a client that waits longer */

struct rpc {
    struct rpc_server *server;
    struct lb_list link; /* in server->calls */
    unsigned refs;       /* under server->lock */
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    const struct control_method *method; /* NULL: there is none of that name */
    bool trusted;                        /* it has the token that its method asks for */
    bool counted;                        /* under server->lock, among those of its kind */
    struct rpc_tag on_new, on_closed, on_message, on_sent, on_wake, on_end;
    int cancelled; /* gRPC's, with on_closed */
    atomic_bool closed;
    bool head_sent;
    grpc_byte_buffer *message; /* received */
    grpc_byte_buffer *sent;    /* being sent */
    grpc_slice request;        /* bytes of the message; of a watch until its end */
    grpc_slice last;           /* reply of a watch */
    bool idle, stale;          /* of a watch, under server->lock: it waits; it has to look again */
};

/* The bytes are our own copy, and may hold a secret. */
static void forget_request(struct rpc *r) {
    explicit_bzero(GRPC_SLICE_START_PTR(r->request), GRPC_SLICE_LENGTH(r->request));
    grpc_slice_unref(r->request);
    r->request = grpc_empty_slice();
}

static void rpc_free(struct rpc *r) {
    grpc_byte_buffer_destroy(r->message);
    grpc_byte_buffer_destroy(r->sent);
    forget_request(r);
    grpc_slice_unref(r->last);
    grpc_metadata_array_destroy(&r->metadata);
    grpc_call_details_destroy(&r->details);
    free(r);
}

/* Calls of a kind are counted apart from the other kind's: who has no token keeps nobody out. */
static unsigned *count_of(struct rpc *r) {
    return r->trusted ? &r->server->trusted_n : &r->server->others_n;
}

static void uncount(struct rpc *r) {
    *count_of(r) -= r->counted;
    r->counted = false;
}

static void unref(struct rpc *r) {
    struct rpc_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    bool last = --r->refs == 0;
    if (last) {
        lb_list_remove(&r->link);
        uncount(r);
    }
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    grpc_call_unref(r->call);
    rpc_free(r);
}

/* Takes over the caller's reference for the event that comes. */
static void start(struct rpc *r, const grpc_op *ops, size_t n, struct rpc_tag *tag) {
    if (grpc_call_start_batch(r->call, ops, n, tag, NULL) == GRPC_CALL_OK)
        return;
    grpc_call_cancel(r->call, NULL);
    unref(r);
}

static size_t add_head(struct rpc *r, grpc_op *ops, size_t n) {
    if (r->head_sent)
        return n;
    r->head_sent = true;
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    return n + 1;
}

static size_t add_message(struct rpc *r, grpc_op *ops, size_t n, grpc_slice bytes) {
    grpc_byte_buffer_destroy(r->sent);
    r->sent = grpc_raw_byte_buffer_create(&bytes, 1);
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = r->sent};
    return n + 1;
}

static void on_end(struct rpc_tag *tag, bool ok) {
    unref(LB_CONTAINER_OF(tag, struct rpc, on_end));
}

/* Ends the call with a status, after a last message when there is one. */
static void end(struct rpc *r, const grpc_slice *message, int status, struct lb_slice why) {
    grpc_op ops[3];
    grpc_slice details = grpc_slice_from_copied_buffer(why.len ? why.ptr : "", why.len);
    size_t n = add_head(r, ops, 0);
    if (message)
        n = add_message(r, ops, n, *message);
    ops[n++] = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
                         .data.send_status_from_server = {.status = (grpc_status_code)status,
                                                          .status_details = &details}};
    r->on_end.fn = on_end;
    start(r, ops, n, &r->on_end);
    grpc_slice_unref(details);
}

static void receive(struct rpc *r);

static int64_t deadline_ns(const struct rpc *r) {
    gpr_timespec left =
        gpr_time_sub(gpr_convert_clock_type(r->details.deadline, GPR_CLOCK_MONOTONIC),
                     gpr_now(GPR_CLOCK_MONOTONIC));
    int64_t ns = left.tv_sec >= DEADLINE_MAX_NS / 1000000000
                     ? DEADLINE_MAX_NS
                     : left.tv_sec * 1000000000 + left.tv_nsec;
    return control_now_ns() + ns;
}

/* Who changed what kind of thing, and when; never what was sent. */
static void log_call(const struct rpc *r, int status, int64_t took_ns) {
    enum lb_log_level level = r->method->changes ? LB_LOG_INFO : LB_LOG_DEBUG;
    if (!lb_log_on(level))
        return;
    char *peer = grpc_call_get_peer(r->call);
    LB_LOG_AT(level, "control", LB_LOG_C("peer", peer), LB_LOG_C("method", r->method->path),
              LB_LOG_I("status", status), LB_LOG_I("us", took_ns / 1000));
    gpr_free(peer);
}

/* Runs the method on r->request. Returns its status; with OK, *ret is the reply, owned. */
static int answer(struct rpc *r, grpc_slice *ret, struct lb_buf *why) {
    struct control_call call;
    const struct lb_slice request = {(const char *)GRPC_SLICE_START_PTR(r->request),
                                     GRPC_SLICE_LENGTH(r->request)};
    int64_t begun = control_now_ns();
    control_call_init(&call, r->server->control, r->method, deadline_ns(r));
    int status = control_call_run(&call, request);
    if (status == GRPC_STATUS_OK) {
        *ret = grpc_slice_malloc(protobuf_c_message_get_packed_size(call.reply));
        protobuf_c_message_pack(call.reply, GRPC_SLICE_START_PTR(*ret));
    } else {
        lb_buf_append(why, lb_buf_slice(&call.why));
    }
    log_call(r, status, control_now_ns() - begun);
    control_call_fini(&call);
    return status;
}

static void respond(struct rpc *r);

/* A watch has sent what there is. Waits for a change, without a reference, or goes on. */
static void watch(struct rpc *r) {
    pthread_mutex_lock(&r->server->lock);
    bool again = r->stale;
    r->stale = false;
    r->idle = !again;
    pthread_mutex_unlock(&r->server->lock);
    if (again)
        respond(r);
    else
        unref(r);
}

static void on_sent(struct rpc_tag *tag, bool ok) {
    struct rpc *r = LB_CONTAINER_OF(tag, struct rpc, on_sent);
    if (!ok || atomic_load(&r->closed))
        unref(r);
    else if (r->method->kind == CONTROL_WATCH)
        watch(r);
    else
        receive(r);
}

/* Sends a reply that is not the call's last. Takes bytes. */
static void send_more(struct rpc *r, grpc_slice bytes) {
    grpc_op ops[2];
    size_t n = add_head(r, ops, 0);
    n = add_message(r, ops, n, bytes);
    r->on_sent.fn = on_sent;
    start(r, ops, n, &r->on_sent);
}

static void respond(struct rpc *r) {
    grpc_slice reply;
    struct lb_buf why;
    lb_buf_init(&why, 4096);
    int status = answer(r, &reply, &why);
    if (status != GRPC_STATUS_OK) {
        end(r, NULL, status, lb_buf_slice(&why));
    } else if (r->method->kind == CONTROL_UNARY) {
        end(r, &reply, status, LB_S(""));
        grpc_slice_unref(reply);
    } else if (r->method->kind == CONTROL_WATCH && r->head_sent && grpc_slice_eq(reply, r->last)) {
        grpc_slice_unref(reply);
        watch(r);
    } else {
        grpc_slice_unref(r->last);
        r->last = reply;
        send_more(r, reply);
    }
    lb_buf_fini(&why);
}

static void on_wake(struct rpc_tag *tag, bool ok) {
    struct rpc *r = LB_CONTAINER_OF(tag, struct rpc, on_wake);
    if (atomic_load(&r->closed))
        unref(r);
    else
        respond(r);
}

void rpc_wake_watches(struct rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    LB_LIST_FOR_EACH(it, &s->calls) {
        struct rpc *r = LB_CONTAINER_OF(it, struct rpc, link);
        r->stale = !r->idle;
        /* An empty batch is an event at once; nobody else has begun one on a call that is idle. */
        if (r->idle && grpc_call_start_batch(r->call, NULL, 0, &r->on_wake, NULL) == GRPC_CALL_OK) {
            r->idle = false;
            r->refs++;
        }
    }
    pthread_mutex_unlock(&s->lock);
}

/* Gathers the message's bytes into r->request. */
static bool take_message(struct rpc *r) {
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, r->message))
        return false;
    forget_request(r);
    r->request = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(r->message);
    r->message = NULL;
    return true;
}

static void on_message(struct rpc_tag *tag, bool ok) {
    struct rpc *r = LB_CONTAINER_OF(tag, struct rpc, on_message);
    if (!ok || atomic_load(&r->closed))
        unref(r); /* nobody waits for an answer */
    else if (!r->message && r->method->kind == CONTROL_DIALOG)
        end(r, NULL, GRPC_STATUS_OK, LB_S(""));
    else if (!r->message || !take_message(r))
        end(r, NULL, GRPC_STATUS_INVALID_ARGUMENT, LB_S("the request has no message"));
    else
        respond(r);
}

static void receive(struct rpc *r) {
    const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &r->message};
    r->on_message.fn = on_message;
    start(r, &op, 1, &r->on_message);
}

static void on_closed(struct rpc_tag *tag, bool ok) {
    struct rpc *r = LB_CONTAINER_OF(tag, struct rpc, on_closed);
    atomic_store(&r->closed, true);
    unref(r);
}

/* At most once a second, so that nobody fills the log. */
static void log_refused(struct rpc *r) {
    struct rpc_server *s = r->server;
    int64_t now = control_now_ns();
    pthread_mutex_lock(&s->lock);
    bool due = now - s->refused_ns >= 1000000000;
    s->refused_ns = due ? now : s->refused_ns;
    pthread_mutex_unlock(&s->lock);
    if (!due)
        return;
    char *peer = grpc_call_get_peer(r->call);
    lb_warn("a call of the control plane was refused: it had no token, or a wrong one",
            LB_LOG_C("peer", peer), LB_LOG_C("method", r->method->path));
    gpr_free(peer);
}

static struct lb_slice slice_of(const grpc_slice *s) {
    return lb_slice(GRPC_SLICE_START_PTR(*s), GRPC_SLICE_LENGTH(*s));
}

/* In a time that does not depend on how many bytes are right. */
static bool same_secret(struct lb_slice a, struct lb_slice b) {
    volatile unsigned char differ = a.len != b.len;
    for (size_t i = 0; i < b.len; i++)
        differ |= (unsigned char)(b.ptr[i] ^ (a.len ? a.ptr[i % a.len] : 0));
    return differ == 0;
}

static bool has_token(const struct rpc *r) {
    struct lb_slice token = lb_slice_cstr(r->server->control->conf.listen.token);
    if (token.len == 0)
        return true;
    for (size_t i = 0; i < r->metadata.count; i++) {
        struct lb_slice value = slice_of(&r->metadata.metadata[i].value);
        if (!lb_slice_eq_nocase(slice_of(&r->metadata.metadata[i].key), LB_S("authorization")))
            continue;
        struct lb_slice scheme = lb_slice_cut(&value, ' ');
        if (lb_slice_eq_nocase(scheme, LB_S("Bearer")) && same_secret(lb_slice_trim(value), token))
            return true;
    }
    return false;
}

/* Ends a call that is not taken up. By cancelling it: then nothing of it is left, though its client
 * should never read the answer. */
static void refuse(struct rpc *r, grpc_status_code status, const char *why) {
    grpc_call_cancel_with_status(r->call, status, why, NULL);
    unref(r);
}

static void begin(struct rpc *r, bool fits) {
    const grpc_op closed = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                            .data.recv_close_on_server.cancelled = &r->cancelled};
    r->on_closed.fn = on_closed;
    r->on_wake.fn = on_wake;
    start(r, &closed, 1, &r->on_closed);
    if (!r->method) {
        refuse(r, GRPC_STATUS_UNIMPLEMENTED, "there is no such method");
    } else if (!r->trusted && !r->method->open) {
        log_refused(r);
        refuse(r, GRPC_STATUS_UNAUTHENTICATED,
               "send the server's grpc_token as metadata: authorization: Bearer TOKEN");
    } else if (!fits) {
        refuse(r, GRPC_STATUS_RESOURCE_EXHAUSTED, TOO_MANY);
    } else {
        receive(r);
    }
}

/* Ends the oldest call without a token: it may be one that was begun and never asks. */
static void make_way(struct rpc_server *s) {
    LB_LIST_FOR_EACH(it, &s->calls) {
        struct rpc *r = LB_CONTAINER_OF(it, struct rpc, link);
        if (r->trusted || !r->counted)
            continue;
        uncount(r);
        grpc_call_cancel_with_status(r->call, GRPC_STATUS_RESOURCE_EXHAUSTED, TOO_MANY, NULL);
        return;
    }
}

/* Returns whether there is a place for the call. */
static bool enter(struct rpc *r) {
    struct rpc_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    if (!r->trusted && s->others_n == RPC_OTHERS_MAX)
        make_way(s);
    lb_list_append(&s->calls, &r->link);
    r->counted = true;
    bool fits = ++*count_of(r) <= (r->trusted ? RPC_CALLS_MAX : RPC_OTHERS_MAX);
    pthread_mutex_unlock(&s->lock);
    return fits;
}

static void on_new(struct rpc_tag *tag, bool ok) {
    struct rpc *r = LB_CONTAINER_OF(tag, struct rpc, on_new);
    struct rpc_server *s = r->server;
    if (!ok) { /* the server ends */
        rpc_free(r);
        return;
    }
    rpc_request(s);
    r->method = control_method_find(slice_of(&r->details.method));
    r->trusted = r->method && !r->method->open && has_token(r);
    r->refs = 2; /* of being closed, and of what begins here */
    begin(r, enter(r));
}

void rpc_request(struct rpc_server *s) {
    struct rpc *r = calloc(1, sizeof(*r));
    if (!r)
        abort(); /* nobody would ever be answered again */
    r->server = s;
    r->request = r->last = grpc_empty_slice();
    r->on_new.fn = on_new;
    lb_list_init(&r->link);
    grpc_metadata_array_init(&r->metadata);
    grpc_call_details_init(&r->details);
    if (grpc_server_request_call(s->server, &r->call, &r->details, &r->metadata, s->cq, s->cq,
                                 &r->on_new) != GRPC_CALL_OK)
        rpc_free(r); /* the server ends */
}

void rpc_cancel_streams(struct rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    LB_LIST_FOR_EACH(it, &s->calls) {
        struct rpc *r = LB_CONTAINER_OF(it, struct rpc, link);
        if (r->method && r->method->kind != CONTROL_UNARY)
            grpc_call_cancel_with_status(r->call, GRPC_STATUS_UNAVAILABLE, "the server ends", NULL);
    }
    pthread_mutex_unlock(&s->lock);
}
