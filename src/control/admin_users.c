/* Users and grants. */
#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "control/admin_priv.h"

/* Bits of LB_RIGHT_ in the order of the proto's. */
static const struct {
    Lobosadmin__Right right;
    unsigned bit;
} rights[] = {{LOBOSADMIN__RIGHT__RIGHT_READ, LB_RIGHT_READ},
              {LOBOSADMIN__RIGHT__RIGHT_WRITE, LB_RIGHT_WRITE},
              {LOBOSADMIN__RIGHT__RIGHT_LIST, LB_RIGHT_LIST},
              {LOBOSADMIN__RIGHT__RIGHT_OWNER, LB_RIGHT_OWNER}};

#define RIGHTS_N (sizeof(rights) / sizeof(rights[0]))

static int status_of(int err) {
    switch (err) {
    case -EINVAL:
        return GRPC_STATUS_INVALID_ARGUMENT;
    case -ENOENT:
        return GRPC_STATUS_NOT_FOUND;
    case -EEXIST:
    case -EALREADY:
        return GRPC_STATUS_ALREADY_EXISTS;
    case -EBUSY:
    case -EPERM:
    case -EROFS:
        return GRPC_STATUS_FAILED_PRECONDITION;
    case -E2BIG:
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
    case -ENOMEM:
        return GRPC_STATUS_RESOURCE_EXHAUSTED;
    default:
        return GRPC_STATUS_INTERNAL;
    }
}

int control_users_fail(struct control_call *call, int err) {
    int status = status_of(err);
    if (status == GRPC_STATUS_INTERNAL)
        lb_error("a change of users failed", LB_LOG_C("method", call->method->path),
                 LB_LOG_C("err", lb_err_name(err)));
    if (call->why.len == 0)
        return control_fail(call, status, "%s", lb_err_info(err)->text);
    return status;
}

Lobosadmin__Key *control_key(struct control_call *call, const char *user,
                             const struct lb_user_key *key) {
    Lobosadmin__Key *k = control_new(call, &lobosadmin__key__descriptor);
    if (!k)
        return NULL;
    k->access_key = control_text(call, lb_slice_cstr(key->access_key));
    k->user = control_text(call, lb_slice_cstr(user));
    k->created = key->created_s;
    k->expires = key->expires_s;
    k->disabled = key->disabled;
    return k;
}

static Lobosadmin__Grant *grant(struct control_call *call, const struct lb_grant *from) {
    Lobosadmin__Grant *g = control_new(call, &lobosadmin__grant__descriptor);
    Lobosadmin__Right *list = lb_arena_alloc(&call->arena, sizeof(rights));
    if (!g || !list) {
        call->no_memory = true;
        return NULL;
    }
    g->bucket = control_text(call, lb_slice_cstr(from->pattern));
    g->rights = list;
    for (size_t i = 0; i < RIGHTS_N; i++) {
        if (from->rights & rights[i].bit)
            list[g->n_rights++] = rights[i].right;
    }
    return g;
}

static Lobosadmin__User *user_message(struct control_call *call, const struct lb_user *from) {
    Lobosadmin__User *user = control_new(call, &lobosadmin__user__descriptor);
    if (!user)
        return NULL;
    user->name = control_text(call, lb_slice_cstr(from->name));
    user->admin = from->admin;
    user->fixed = from->fixed;
    user->created = from->created_s;
    user->keys = control_array(call, from->keys_n);
    user->grants = control_array(call, from->grants_n);
    for (size_t i = 0; i < from->keys_n && !call->no_memory; i++)
        user->keys[user->n_keys++] = control_key(call, from->name, &from->keys[i]);
    for (size_t i = 0; i < from->grants_n && !call->no_memory; i++)
        user->grants[user->n_grants++] = grant(call, &from->grants[i]);
    return user;
}

/* Replies with the user of a change that ended with err, and frees it. */
static int reply_user(struct control_call *call, int err, struct lb_user *user) {
    if (err < 0)
        return control_users_fail(call, err);
    Lobosadmin__User *reply = user_message(call, user);
    lb_user_fini(user);
    call->reply = reply ? &reply->base : NULL;
    return GRPC_STATUS_OK;
}

int control_done(struct control_call *call, const char *message) {
    Lobosadmin__Done *reply = control_reply(call, &lobosadmin__done__descriptor);
    if (reply)
        reply->message = control_text(call, lb_slice_cstr(message));
    return GRPC_STATUS_OK;
}

int control_admin_list_users(struct control_call *call, const void *request) {
    const Lobosadmin__ListUsersRequest *in = request;
    Lobosadmin__ListUsersReply *reply =
        control_reply(call, &lobosadmin__list_users_reply__descriptor);
    struct lb_user_list list = {0};
    if (!reply)
        return GRPC_STATUS_OK;
    int err = lb_users_list(call->control->conf.users, lb_slice_cstr(in->prefix),
                            lb_slice_cstr(in->after), control_limit(in->limit), &list);
    if (err < 0)
        return control_users_fail(call, err);
    reply->users = control_array(call, list.n);
    for (size_t i = 0; i < list.n && !call->no_memory; i++)
        reply->users[reply->n_users++] = user_message(call, &list.users[i]);
    reply->more = list.more;
    lb_user_list_fini(&list);
    return GRPC_STATUS_OK;
}

int control_admin_get_user(struct control_call *call, const void *request) {
    const Lobosadmin__UserName *in = request;
    struct lb_user user = {0};
    int err = lb_users_get(call->control->conf.users, lb_slice_cstr(in->name), &user);
    if (err == -ENOENT)
        return control_fail(call, GRPC_STATUS_NOT_FOUND, "there is no user %.64s", in->name);
    return reply_user(call, err, &user);
}

int control_admin_create_user(struct control_call *call, const void *request) {
    const Lobosadmin__CreateUserRequest *in = request;
    const struct lb_key_spec spec = {.access_key = lb_slice_cstr(in->access_key),
                                     .secret_key = lb_slice_cstr(in->secret_key),
                                     .expires_s = in->expires};
    struct lb_user user = {0};
    struct lb_new_key made;
    if (in->no_key && (spec.access_key.len || spec.secret_key.len || in->expires))
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT,
                            "no_key, and yet something of a key is given");
    int err =
        lb_users_create(call->control->conf.users, lb_slice_cstr(in->name), in->admin,
                        in->no_key ? NULL : &spec, &user, in->no_key ? NULL : &made, &call->why);
    if (err < 0)
        return control_users_fail(call, err);
    Lobosadmin__CreateUserReply *reply =
        control_reply(call, &lobosadmin__create_user_reply__descriptor);
    if (reply)
        reply->user = user_message(call, &user);
    if (reply && !in->no_key)
        reply->key = control_new_key(call, &made);
    lb_user_fini(&user);
    return GRPC_STATUS_OK;
}

int control_admin_delete_user(struct control_call *call, const void *request) {
    const Lobosadmin__DeleteUserRequest *in = request;
    int err =
        lb_users_delete(call->control->conf.users, lb_slice_cstr(in->name), in->force, &call->why);
    return err < 0 ? control_users_fail(call, err) : control_done(call, "the user was deleted");
}

int control_admin_set_admin(struct control_call *call, const void *request) {
    const Lobosadmin__SetAdminRequest *in = request;
    struct lb_user user = {0};
    int err = lb_users_set_admin(call->control->conf.users, lb_slice_cstr(in->name), in->admin,
                                 &user, &call->why);
    return reply_user(call, err, &user);
}

static unsigned bit_of(Lobosadmin__Right right) {
    for (size_t i = 0; i < RIGHTS_N; i++) {
        if (rights[i].right == right)
            return rights[i].bit;
    }
    return 0;
}

int control_admin_set_grant(struct control_call *call, const void *request) {
    const Lobosadmin__SetGrantRequest *in = request;
    struct lb_user user = {0};
    unsigned bits = 0;
    if (!in->grant)
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT, "grant is missing");
    for (size_t i = 0; i < in->grant->n_rights; i++) {
        unsigned bit = bit_of(in->grant->rights[i]);
        if (bit == 0)
            return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT, "%d is no right",
                                (int)in->grant->rights[i]);
        bits |= bit;
    }
    int err = lb_users_set_grant(call->control->conf.users, lb_slice_cstr(in->user),
                                 lb_slice_cstr(in->grant->bucket), bits, &user, &call->why);
    return reply_user(call, err, &user);
}
