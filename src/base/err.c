#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct lb_err_info infos[] = {
#define LB_ERROR(name, number, s3_code, status, text) {-(number), #name, s3_code, status, text},
#include "base/err.def"
#undef LB_ERROR
};

static int from_errno(int err) {
    switch (-err) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return LB_ERR_STORAGE_FULL;
    case EROFS:
        return LB_ERR_READ_ONLY;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
        return LB_ERR_SLOW_DOWN;
    case ECANCELED:
        return LB_ERR_CANCELED;
    default:
        return LB_ERR_INTERNAL;
    }
}

static const struct lb_err_info *find(int err) {
    for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
        if (infos[i].err == err)
            return &infos[i];
    }
    return NULL;
}

const struct lb_err_info *lb_err_info(int err) {
    const struct lb_err_info *info = find(err);
    return info ? info : find(from_errno(err));
}

const char *lb_err_name(int err) {
    const struct lb_err_info *info = find(err);
    if (info)
        return info->name;
    const char *name = strerrorname_np(-err);
    return name ? name : "UNKNOWN";
}
