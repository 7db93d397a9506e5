/* What the handlers of lobosadmin.Admin share. */
#ifndef LB_CONTROL_ADMIN_PRIV_H
#define LB_CONTROL_ADMIN_PRIV_H

#include <lobosadmin.pb-c.h>

#include "control/call_priv.h"
#include "control/users.h"

/* A key, in the call's arena; NULL without memory. */
Lobosadmin__Key *control_key(struct control_call *call, const char *user,
                             const struct lb_user_key *key);
/* A key just made, with its secret, which is wiped in `made`; NULL likewise. */
Lobosadmin__NewKey *control_new_key(struct control_call *call, struct lb_new_key *made);
/* Replies with what was done. */
int control_done(struct control_call *call, const char *message);

#endif
