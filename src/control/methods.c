/* Every method that is answered. */
#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <lobosadmin.pb-c.h>
#include <loboscontrol.pb-c.h>

#include "control/call_priv.h"

#define PLANE(name, in, run)                                                                       \
    {                                                                                              \
        "/loboscontrol.ControlPlane/" name, &loboscontrol__##in##__descriptor, run, CONTROL_UNARY, \
            false                                                                                  \
    }
#define ADMIN(name, in, run) \
    { "/lobosadmin.Admin/" name, &lobosadmin__##in##__descriptor, run, CONTROL_UNARY, false }
#define HEALTH(name, run, kind)                                                                   \
    {                                                                                             \
        "/grpc.health.v1.Health/" name, &grpc__health__v1__health_check_request__descriptor, run, \
            kind, true                                                                            \
    }
/* Both versions have the same messages. */
#define REFLECTION(version)                                                                   \
    {                                                                                         \
        "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo",                 \
            &grpc__reflection__v1__server_reflection_request__descriptor, control_reflection, \
            CONTROL_DIALOG, false                                                             \
    }

/* clang-format off */
static const struct control_method methods[] = {
    PLANE("AddUser", user, control_plane_add_user),
    PLANE("ListAllUsers", filters, control_plane_list_users),
    PLANE("RmUser", rm_user_params, control_plane_rm_user),
    PLANE("AddKey", user, control_plane_add_key),
    PLANE("RmKey", user, control_plane_rm_key),
    ADMIN("ListUsers", list_users_request, control_admin_list_users),
    ADMIN("GetUser", user_name, control_admin_get_user),
    ADMIN("CreateUser", create_user_request, control_admin_create_user),
    ADMIN("DeleteUser", delete_user_request, control_admin_delete_user),
    ADMIN("SetAdmin", set_admin_request, control_admin_set_admin),
    ADMIN("CreateKey", create_key_request, control_admin_create_key),
    ADMIN("RotateKey", rotate_key_request, control_admin_rotate_key),
    ADMIN("SetKey", set_key_request, control_admin_set_key),
    ADMIN("DeleteKey", key_name, control_admin_delete_key),
    ADMIN("SetGrant", set_grant_request, control_admin_set_grant),
    ADMIN("ListBuckets", list_buckets_request, control_admin_list_buckets),
    ADMIN("GetBucket", bucket_name, control_admin_get_bucket),
    ADMIN("CreateBucket", create_bucket_request, control_admin_create_bucket),
    ADMIN("DeleteBucket", bucket_name, control_admin_delete_bucket),
    ADMIN("SetBucket", set_bucket_request, control_admin_set_bucket),
    ADMIN("ListUploads", list_uploads_request, control_admin_list_uploads),
    ADMIN("AbortUpload", upload_name, control_admin_abort_upload),
    ADMIN("GetStatus", nothing, control_admin_get_status),
    ADMIN("GetCounters", nothing, control_admin_get_counters),
    ADMIN("Reload", nothing, control_admin_reload),
    ADMIN("Drain", nothing, control_admin_drain),
    HEALTH("Check", control_health_check, CONTROL_UNARY),
    HEALTH("Watch", control_health_watch, CONTROL_WATCH),
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
