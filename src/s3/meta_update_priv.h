/* Changing what is kept with an object: its meta blob is read, changed, and written back on the
 * condition that object and blob are still the same; if not, once more, and after a few times
 * OPERATION_ABORTED. */
#ifndef LB_S3_META_UPDATE_PRIV_H
#define LB_S3_META_UPDATE_PRIV_H

#include "s3/meta_priv.h"
#include "s3/request_priv.h"

struct s3_meta_update {
    /* in; change is called again when it has to be done again */
    void (*change)(struct s3_request *r, struct s3_meta *m);
    int status; /* answered when it is done */

    /* inside */
    struct s3_request *r;
    struct lb_engine_op op;
    struct lb_etag etag; /* of the object whose meta was read */
    struct lb_slice was; /* that meta */
    struct lb_buf blob;
    unsigned tries;
};

/* Does it all, and ends the request. u is the caller's, zero but for what goes in, and lives as
 * long as the request. */
void s3_meta_update(struct s3_request *r, struct s3_meta_update *u);

#endif
