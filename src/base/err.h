/* The project's error numbers. They share the space of negative ints with -errno and lie below it.
 */
#ifndef LB_BASE_ERR_H
#define LB_BASE_ERR_H

enum lb_err {
#define LB_ERROR(name, number, s3_code, status, text) LB_ERR_##name = -(number),
#include "base/err.def"
#undef LB_ERROR
};

struct lb_err_info {
    int err;
    const char *name;    /* of the enumerator, without the prefix; the log's word */
    const char *s3_code; /* <Code> of the error document */
    int status;          /* HTTP status */
    const char *text;    /* <Message>, for a person */
};

/* What to tell the client about err (any negative int). A number of the operating system maps to
 * the nearest S3 error: ENOSPC, EDQUOT and EFBIG to STORAGE_FULL, EROFS to READ_ONLY, ENOMEM,
 * EMFILE, ENFILE and ENOBUFS to SLOW_DOWN, ECANCELED to CANCELED, all others to INTERNAL. Never
 * NULL; static. */
const struct lb_err_info *lb_err_info(int err);

/* The name for a log: "NO_SUCH_KEY", or strerrorname_np's "ENOSPC". Static. */
const char *lb_err_name(int err);

#endif
