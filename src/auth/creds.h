/* Who may sign: access keys and their secrets. */
#ifndef LB_AUTH_CREDS_H
#define LB_AUTH_CREDS_H

#include "base/slice.h"

#define LB_ACCESS_KEY_MAX 128
#define LB_SECRET_KEY_MAX 128

struct lb_cred {
    char access_key[LB_ACCESS_KEY_MAX + 1];
    char secret_key[LB_SECRET_KEY_MAX + 1];
    char user_id[65]; /* canonical id shown as Owner ID */
    char display_name[65];
    bool admin;     /* may do everything */
    uint64_t epoch; /* changes when the secret does, so that derived keys are not reused */
};

/* An immutable set. Loops hold a pointer; a change makes a new set. */
struct lb_creds;

/* An empty set; owned. NULL without memory. */
struct lb_creds *lb_creds_new(void);
void lb_creds_free(struct lb_creds *c); /* wipes the secrets */

/* Copies cred in. Returns 0, -EEXIST for a key that is there, -EINVAL for an empty or unprintable
 * key or secret or a space or comma in the key (a header couldn't carry it), -ENOMEM. Only before
 * loops see the set. */
int lb_creds_add(struct lb_creds *c, const struct lb_cred *cred);

/* The credential with that access key, or NULL. Takes the same time whether or not it is there, as
 * far as the hash table allows. */
const struct lb_cred *lb_creds_find(const struct lb_creds *c, struct lb_slice access_key);
size_t lb_creds_len(const struct lb_creds *c);

#endif
