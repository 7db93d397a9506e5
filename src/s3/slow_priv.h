/* White space for a client that waits long. An operation that may take minutes begins its answer
 * before it knows how it ends: 200, and a space now and then, so that nobody on the way takes the
 * connection for dead; an error then comes in the document. One that is quick keeps its status.
 *
 * The length has to be announced with the head, so it is a fixed one: white space before the root
 * element fills what the document leaves. */
#ifndef LB_S3_SLOW_PRIV_H
#define LB_S3_SLOW_PRIV_H

#include "s3/request_priv.h"

/* From now on s3_fail and s3_reply_xml (documents of at most 32 KiB) may find that the head is out.
 * Without memory nothing changes: the client waits in silence. */
void s3_slow_begin(struct s3_request *r);

/* For reply.c. The answer is known: returns false when its head can still be sent; else sends the
 * document (borrowed until the request ends) and ends the request. */
bool s3_slow_end(struct s3_request *r, struct lb_slice document);

#endif
