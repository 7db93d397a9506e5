/* One call: request bytes in; status, reply or message out. Handlers see no socket, so that tests
 * drive them from memory. A handler runs on one of the control plane's threads and may block. */
#ifndef LB_CONTROL_CALL_PRIV_H
#define LB_CONTROL_CALL_PRIV_H

#include <grpc/status.h>
#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "control/control.h"

#define CONTROL_MESSAGE_MAX (1u << 20)      /* bytes of a request */
#define CONTROL_CALL_MEMORY_MAX (32u << 20) /* bytes of a request and its reply, unpacked */
#define CONTROL_PAGE_MAX 1000               /* entries of a list */

struct control_call;
struct control_storage;

/* What handlers work on. */
struct control {
    struct lb_control_conf conf;
    struct control_storage *storage;
};

/* Returns a status of gRPC; with OK, call->reply is set. request: unpacked by the method's `in`. */
typedef int (*control_handler)(struct control_call *call, const void *request);

enum control_method_kind {
    CONTROL_UNARY,
    CONTROL_DIALOG, /* any number of requests, each with one reply */
    CONTROL_WATCH,  /* one request; a reply, and another whenever it is a different one */
};

struct control_method {
    const char *path; /* "/package.Service/Method" */
    const ProtobufCMessageDescriptor *in;
    control_handler run;
    enum control_method_kind kind;
    bool open;    /* answered without a token */
    bool changes; /* each call is logged */
};

/* The method of that path, or NULL. */
const struct control_method *control_method_find(struct lb_slice path);

struct control_call {
    struct control *control;
    const struct control_method *method;
    int64_t deadline_ns;               /* CLOCK_MONOTONIC; INT64_MAX: none */
    struct lb_arena arena;             /* request and reply */
    ProtobufCMessage *request, *reply; /* in the arena */
    struct lb_buf why;                 /* message of a status other than OK */
    bool no_memory;                    /* the arena had none for a part of the reply */
};

/* deadline_ns as above. */
void control_call_init(struct control_call *call, struct control *control,
                       const struct control_method *method, int64_t deadline_ns);
/* Wipes the secrets of request and reply, and frees. */
void control_call_fini(struct control_call *call);

/* Unpacks and answers. Returns a status of gRPC; with OK there is a reply, otherwise a message in
 * call->why. */
int control_call_run(struct control_call *call, struct lb_slice request);

/* ---- for handlers ---- */

/* A message of that type in the call's arena, zeroed and initialised; NULL without memory (then the
 * call fails whatever the handler returns). */
void *control_new(struct control_call *call, const ProtobufCMessageDescriptor *type);
/* The same, as the call's reply. */
void *control_reply(struct control_call *call, const ProtobufCMessageDescriptor *type);
/* n pointers; NULL likewise. */
void *control_array(struct control_call *call, size_t n);
/* A copy with a NUL; NULL likewise, which protobuf-c takes for the empty string. */
char *control_text(struct control_call *call, struct lb_slice s);

/* Sets the message (in place of what is there) and returns the status. */
int control_fail(struct control_call *call, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The status for an error of the engine or of the storage, with a message; what: "the bucket",
 * the thing that was asked for. */
int control_fail_err(struct control_call *call, int err, const char *what);

/* Seconds since 1970 of a time in nanoseconds. */
int64_t control_seconds(int64_t ns);
/* CLOCK_MONOTONIC. */
int64_t control_now_ns(void);
/* How many entries a list with this limit has. */
size_t control_limit(uint32_t limit);

/* ---- the handlers, by file ---- */

/* plane.c: loboscontrol.ControlPlane */
int control_plane_add_user(struct control_call *call, const void *request);
int control_plane_list_users(struct control_call *call, const void *request);
int control_plane_rm_user(struct control_call *call, const void *request);
int control_plane_add_key(struct control_call *call, const void *request);
int control_plane_rm_key(struct control_call *call, const void *request);

/* admin_users.c */
int control_admin_list_users(struct control_call *call, const void *request);
int control_admin_get_user(struct control_call *call, const void *request);
int control_admin_create_user(struct control_call *call, const void *request);
int control_admin_delete_user(struct control_call *call, const void *request);
int control_admin_set_admin(struct control_call *call, const void *request);
int control_admin_set_grant(struct control_call *call, const void *request);
/* Status and message for an error of users.h, of which call->why has the text. */
int control_users_fail(struct control_call *call, int err);

/* admin_keys.c */
int control_admin_create_key(struct control_call *call, const void *request);
int control_admin_rotate_key(struct control_call *call, const void *request);
int control_admin_set_key(struct control_call *call, const void *request);
int control_admin_delete_key(struct control_call *call, const void *request);

/* admin_buckets.c */
int control_admin_list_buckets(struct control_call *call, const void *request);
int control_admin_get_bucket(struct control_call *call, const void *request);
int control_admin_create_bucket(struct control_call *call, const void *request);
int control_admin_delete_bucket(struct control_call *call, const void *request);
int control_admin_set_bucket(struct control_call *call, const void *request);

/* admin_uploads.c */
int control_admin_list_uploads(struct control_call *call, const void *request);
int control_admin_abort_upload(struct control_call *call, const void *request);

/* admin_server.c */
int control_admin_get_status(struct control_call *call, const void *request);
int control_admin_get_counters(struct control_call *call, const void *request);
int control_admin_reload(struct control_call *call, const void *request);
int control_admin_drain(struct control_call *call, const void *request);

/* health.c, reflection.c */
int control_health_check(struct control_call *call, const void *request);
int control_health_watch(struct control_call *call, const void *request);
int control_reflection(struct control_call *call, const void *request);

#endif
