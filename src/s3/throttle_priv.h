/* Guessing keys and secrets is slowed: an address from which many requests were refused for their
 * key or signature waits for each further refusal. A request with a right signature never waits,
 * nor does anyone at another address. Per loop; nothing is done while nothing is refused. */
#ifndef LB_S3_THROTTLE_PRIV_H
#define LB_S3_THROTTLE_PRIV_H

#include "base/slice.h"

struct s3_request;

#define S3_THROTTLE_FREE 20      /* refusals in a row that do not wait */
#define S3_THROTTLE_LEVEL_MAX 60 /* refusals that are remembered; one a second is forgotten */
#define S3_THROTTLE_DELAY_NS 1000000000ull
#define S3_THROTTLE_DELAYED_MAX 256 /* refusals of a loop that wait at once */

struct s3_throttle;

/* Returns owned, or NULL without memory. */
struct s3_throttle *s3_throttle_new(void);
/* Nothing may wait. NULL is allowed. */
void s3_throttle_free(struct s3_throttle *t);

/* Notes a refusal of the peer ("192.0.2.1:4711") at that monotonic time. Returns whether it is to
 * wait. */
bool s3_throttle_note(struct s3_throttle *t, struct lb_slice peer, uint64_t now_ns);

/* Does err say that a key or a signature was wrong? */
bool s3_throttle_concerns(int err);

/* Fails the request with err: at once, after a delay, or with AUTH_THROTTLED when too many wait. */
void s3_refuse(struct s3_request *r, int err);

#endif
