/* Every method that is answered. */
#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <lobosadmin.pb-c.h>
#include <loboscontrol.pb-c.h>

#include "control/call_priv.h"

#define PLANE(name, in, run, changes)                                                              \
    {                                                                                              \
        "/loboscontrol.ControlPlane/" name, &loboscontrol__##in##__descriptor, run, CONTROL_UNARY, \
            false, changes                                                                         \
    }
#define ADMIN(name, in, run, changes)                                                          \
    {                                                                                          \
        "/lobosadmin.Admin/" name, &lobosadmin__##in##__descriptor, run, CONTROL_UNARY, false, \
            changes                                                                            \
    }
#define HEALTH(name, run, kind, open)                                                             \
    {                                                                                             \
        "/grpc.health.v1.Health/" name, &grpc__health__v1__health_check_request__descriptor, run, \
            kind, open, false                                                                     \
    }
/* Both versions have the same messages. */
#define REFLECTION(version)                                                                   \
    {                                                                                         \
        "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo",                 \
            &grpc__reflection__v1__server_reflection_request__descriptor, control_reflection, \
            CONTROL_DIALOG, false, false                                                      \
    }

/* clang-format off */
static const struct control_method methods[] = {
    PLANE("AddUser", user, control_plane_add_user, true),
    PLANE("ListAllUsers", filters, control_plane_list_users, false),
    PLANE("RmUser", rm_user_params, control_plane_rm_user, true),
    PLANE("AddKey", user, control_plane_add_key, true),
    PLANE("RmKey", user, control_plane_rm_key, true),
    ADMIN("ListUsers", list_users_request, control_admin_list_users, false),
    ADMIN("GetUser", user_name, control_admin_get_user, false),
    ADMIN("CreateUser", create_user_request, control_admin_create_user, true),
    ADMIN("DeleteUser", delete_user_request, control_admin_delete_user, true),
    ADMIN("SetAdmin", set_admin_request, control_admin_set_admin, true),
    ADMIN("CreateKey", create_key_request, control_admin_create_key, true),
    ADMIN("RotateKey", rotate_key_request, control_admin_rotate_key, true),
    ADMIN("SetKey", set_key_request, control_admin_set_key, true),
    ADMIN("DeleteKey", key_name, control_admin_delete_key, true),
    ADMIN("SetGrant", set_grant_request, control_admin_set_grant, true),
    ADMIN("ListBuckets", list_buckets_request, control_admin_list_buckets, false),
    ADMIN("GetBucket", bucket_name, control_admin_get_bucket, false),
    ADMIN("CreateBucket", create_bucket_request, control_admin_create_bucket, true),
    ADMIN("DeleteBucket", bucket_name, control_admin_delete_bucket, true),
    ADMIN("SetBucket", set_bucket_request, control_admin_set_bucket, true),
    ADMIN("ListUploads", list_uploads_request, control_admin_list_uploads, false),
    ADMIN("AbortUpload", upload_name, control_admin_abort_upload, true),
    ADMIN("GetStatus", nothing, control_admin_get_status, false),
    ADMIN("GetCounters", nothing, control_admin_get_counters, false),
    ADMIN("Reload", nothing, control_admin_reload, true),
    ADMIN("Drain", nothing, control_admin_drain, true),
    HEALTH("Check", control_health_check, CONTROL_UNARY, true),
    HEALTH("Watch", control_health_watch, CONTROL_WATCH, false),
    REFLECTION("v1"),
    REFLECTION("v1alpha"),
};
/* clang-format on */

const struct control_method *control_method_find(struct lb_slice path) {
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (lb_slice_eq(path, lb_slice_cstr(methods[i].path)))
            return &methods[i];
    }
    return NULL;
}
