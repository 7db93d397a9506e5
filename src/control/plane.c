/* loboscontrol.ControlPlane: what lobos has always had. Lists are without secrets, and a key has
 * one owner. */
#include <loboscontrol.pb-c.h>

#include <errno.h>

#include "control/call_priv.h"
#include "control/users.h"

#define BACKEND "lobos" /* who keeps users */

static Loboscontrol__UserReply *entry(struct control_call *call, const char *name, const char *key,
                                      const char *secret) {
    Loboscontrol__UserReply *reply = control_new(call, &loboscontrol__user_reply__descriptor);
    Loboscontrol__User *user = control_new(call, &loboscontrol__user__descriptor);
    if (!reply || !user)
        return NULL;
    user->name = control_text(call, lb_slice_cstr(name));
    user->key = control_text(call, lb_slice_cstr(key));
    user->secret = control_text(call, lb_slice_cstr(secret));
    user->backend = control_text(call, LB_S(BACKEND));
    reply->params = user;
    return reply;
}

static int done(struct control_call *call) {
    Google__Protobuf__BoolValue *reply =
        control_reply(call, &google__protobuf__bool_value__descriptor);
    if (reply)
        reply->value = true;
    return GRPC_STATUS_OK;
}

/* In this service, what is in the way has the original's codes. */
static int fail(struct control_call *call, int err) {
    int status = control_users_fail(call, err);
    if (err == -EALREADY)
        return GRPC_STATUS_INVALID_ARGUMENT;
    return err == -EBUSY ? GRPC_STATUS_PERMISSION_DENIED : status;
}

static int check(struct control_call *call, const Loboscontrol__User *user) {
    struct lb_slice backend = lb_slice_cstr(user->backend);
    if (!user->name[0])
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT, "name is missing");
    if (backend.len && !lb_slice_eq(backend, LB_S(BACKEND)))
        return control_fail(call, GRPC_STATUS_UNIMPLEMENTED,
                            "only the backend \"" BACKEND "\" is there; leave backend empty");
    return GRPC_STATUS_OK;
}

static int reply_new(struct control_call *call, struct lb_new_key *made) {
    Loboscontrol__UserReply *reply =
        entry(call, made->user, made->key.access_key, made->secret_key);
    explicit_bzero(made->secret_key, sizeof(made->secret_key));
    call->reply = reply ? &reply->base : NULL;
    return GRPC_STATUS_OK;
}

static struct lb_key_spec spec_of(const Loboscontrol__User *user) {
    return (struct lb_key_spec){.access_key = lb_slice_cstr(user->key),
                                .secret_key = lb_slice_cstr(user->secret)};
}

int control_plane_add_user(struct control_call *call, const void *request) {
    const Loboscontrol__User *user = request;
    const struct lb_key_spec spec = spec_of(user);
    struct lb_new_key made;
    int status = check(call, user);
    if (status != GRPC_STATUS_OK)
        return status;
    int err = lb_users_create(call->control->conf.users, lb_slice_cstr(user->name), false, &spec,
                              NULL, &made, &call->why);
    return err < 0 ? fail(call, err) : reply_new(call, &made);
}

int control_plane_add_key(struct control_call *call, const void *request) {
    const Loboscontrol__User *user = request;
    const struct lb_key_spec spec = spec_of(user);
    struct lb_new_key made;
    int status = check(call, user);
    if (status != GRPC_STATUS_OK)
        return status;
    int err = lb_users_key_create(call->control->conf.users, lb_slice_cstr(user->name), &spec,
                                  &made, &call->why);
    return err < 0 ? fail(call, err) : reply_new(call, &made);
}

static size_t entries_of(const struct lb_user_list *list) {
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += list->users[i].keys_n ? list->users[i].keys_n : 1;
    return n;
}

static void fill(struct control_call *call, const struct lb_user_list *list,
                 Loboscontrol__ListAllUsersReply *reply) {
    reply->users = control_array(call, entries_of(list));
    for (size_t i = 0; i < list->n && !call->no_memory; i++) {
        const struct lb_user *user = &list->users[i];
        if (user->keys_n == 0)
            reply->users[reply->n_users++] = entry(call, user->name, "", "");
        for (size_t k = 0; k < user->keys_n; k++)
            reply->users[reply->n_users++] = entry(call, user->name, user->keys[k].access_key, "");
    }
}

int control_plane_list_users(struct control_call *call, const void *request) {
    const Loboscontrol__Filters *filters = request;
    struct lb_user_list list = {0};
    Loboscontrol__ListAllUsersReply *reply =
        control_reply(call, &loboscontrol__list_all_users_reply__descriptor);
    if (!reply)
        return GRPC_STATUS_OK;
    int err = lb_users_list(call->control->conf.users, lb_slice_cstr(filters->message), LB_S(""),
                            LB_USERS_MAX, &list);
    if (err < 0)
        return control_users_fail(call, err);
    fill(call, &list, reply);
    lb_user_list_fini(&list);
    return GRPC_STATUS_OK;
}

int control_plane_rm_user(struct control_call *call, const void *request) {
    const Loboscontrol__RmUserParams *user = request;
    if (!user->name[0])
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT, "name is missing");
    int err = lb_users_delete(call->control->conf.users, lb_slice_cstr(user->name), user->force,
                              &call->why);
    return err < 0 ? fail(call, err) : done(call);
}

int control_plane_rm_key(struct control_call *call, const void *request) {
    const Loboscontrol__User *user = request;
    if (!user->name[0] || !user->key[0])
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT, "name and key are both needed");
    int err = lb_users_key_delete(call->control->conf.users, lb_slice_cstr(user->name),
                                  lb_slice_cstr(user->key), &call->why);
    return err < 0 ? fail(call, err) : done(call);
}
