/* Calls of the control plane by gRPC, one at a time: each returns when it is answered, refused, or
 * out of time. */
#ifndef LB_CTL_CLIENT_H
#define LB_CTL_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"

/* What lobosctl exits with; documented in lobosctl(1). */
enum lb_exit {
    LB_EXIT_OK = 0,
    LB_EXIT_FAILED = 1,      /* the server refused or could not do it */
    LB_EXIT_USAGE = 2,       /* the command line, or an argument that the server does not take */
    LB_EXIT_UNREACHABLE = 3, /* no server, no answer in time */
    LB_EXIT_NOT_FOUND = 4,
    LB_EXIT_EXISTS = 5,
    LB_EXIT_DENIED = 6, /* no token, a wrong one, no certificate */
};

struct lb_client_options {
    const char *server;                 /* host:port */
    const char *ca, *certificate, *key; /* PEM files or NULL; ca: TLS */
    const char *token;                  /* or NULL */
    int timeout_s;                      /* of each call */
};

struct lb_client;

/* Reads the PEM files; connects at the first call. Borrows the strings for the client's life.
 * Returns 0; on failure an exit code, with the reason for a person in *why. */
int lb_client_new(const struct lb_client_options *options, struct lb_buf *why,
                  struct lb_client **ret);
/* NULL is allowed. */
void lb_client_free(struct lb_client *c);

/* Calls a method of lobosadmin.Admin by its name. request is of the method's type; *ret (owned;
 * free it by lb_message_free) of its reply's. Returns 0; on failure an exit code, with the reason
 * in *why. */
int lb_client_call(struct lb_client *c, const char *method, const ProtobufCMessage *request,
                   struct lb_buf *why, ProtobufCMessage **ret);

/* Frees a reply; its bytes are overwritten first, since there may be a secret among them. NULL is
 * allowed. */
void lb_message_free(ProtobufCMessage *m);

#endif
