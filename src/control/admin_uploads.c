/* Multipart uploads in progress. */
#include "control/admin_priv.h"
#include "control/storage_priv.h"

static Lobosadmin__Upload *upload_message(struct control_call *call, const char *bucket,
                                          const struct lb_upload_info *info) {
    Lobosadmin__Upload *upload = control_new(call, &lobosadmin__upload__descriptor);
    if (!upload)
        return NULL;
    upload->bucket = control_text(call, lb_slice_cstr(bucket));
    upload->key = control_text(call, info->key);
    upload->id = control_text(call, info->id);
    upload->started = control_seconds(info->created_ns);
    return upload;
}

int control_admin_list_uploads(struct control_call *call, const void *request) {
    const Lobosadmin__ListUploadsRequest *in = request;
    Lobosadmin__ListUploadsReply *reply =
        control_reply(call, &lobosadmin__list_uploads_reply__descriptor);
    struct control_storage_op *o = control_storage_op_new(call->control->storage);
    if (!reply || !o) {
        control_storage_op_free(o);
        call->no_memory = true;
        return GRPC_STATUS_OK;
    }
    o->op.bucket = control_storage_op_copy(o, lb_slice_cstr(in->bucket));
    o->op.after = control_storage_op_copy(o, lb_slice_cstr(in->after));
    o->op.after_id = control_storage_op_copy(o, lb_slice_cstr(in->after_id));
    o->op.max = control_limit(in->limit);
    int err = control_storage_run(o, control_storage_ops(call->control->storage)->upload_list,
                                  call->deadline_ns);
    int status = err < 0 ? control_fail_err(call, err, "the bucket") : GRPC_STATUS_OK;
    if (err == 0) {
        reply->uploads = control_array(call, o->op.n);
        for (size_t i = 0; i < o->op.n && !call->no_memory; i++)
            reply->uploads[reply->n_uploads++] =
                upload_message(call, in->bucket, &o->op.uploads[i]);
        reply->more = o->op.truncated;
    }
    control_storage_op_free(o);
    return status;
}

int control_admin_abort_upload(struct control_call *call, const void *request) {
    const Lobosadmin__UploadName *in = request;
    struct control_storage_op *o = control_storage_op_new(call->control->storage);
    if (!o) {
        call->no_memory = true;
        return GRPC_STATUS_OK;
    }
    o->op.bucket = control_storage_op_copy(o, lb_slice_cstr(in->bucket));
    o->op.key = control_storage_op_copy(o, lb_slice_cstr(in->key));
    o->op.upload_id = control_storage_op_copy(o, lb_slice_cstr(in->id));
    int err = control_storage_run(o, control_storage_ops(call->control->storage)->upload_abort,
                                  call->deadline_ns);
    control_storage_op_free(o);
    return err < 0 ? control_fail_err(call, err, "the upload")
                   : control_done(call, "the upload was aborted");
}
