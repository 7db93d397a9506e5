/* The functions of the commands, one file a group; see commands.c for what each does. */
#ifndef LB_CTL_COMMANDS_H
#define LB_CTL_COMMANDS_H

#include "ctl/ctl.h"

int lb_user_add(struct lb_ctl *c);
int lb_user_list(struct lb_ctl *c);
int lb_user_show(struct lb_ctl *c);
int lb_user_rm(struct lb_ctl *c);
int lb_user_admin(struct lb_ctl *c);

int lb_key_add(struct lb_ctl *c);
int lb_key_list(struct lb_ctl *c);
int lb_key_rm(struct lb_ctl *c);
int lb_key_rotate(struct lb_ctl *c);
int lb_key_disable(struct lb_ctl *c);
int lb_key_enable(struct lb_ctl *c);
int lb_key_expire(struct lb_ctl *c);

int lb_grant_add(struct lb_ctl *c);
int lb_grant_rm(struct lb_ctl *c);
int lb_grant_list(struct lb_ctl *c);

int lb_bucket_add(struct lb_ctl *c);
int lb_bucket_list(struct lb_ctl *c);
int lb_bucket_show(struct lb_ctl *c);
int lb_bucket_set(struct lb_ctl *c);
int lb_bucket_rm(struct lb_ctl *c);

int lb_uploads_list(struct lb_ctl *c);
int lb_uploads_abort(struct lb_ctl *c);

int lb_status(struct lb_ctl *c);
int lb_reload(struct lb_ctl *c);
int lb_drain(struct lb_ctl *c);
int lb_top(struct lb_ctl *c);

int lb_doctor(struct lb_ctl *c);
int lb_config(struct lb_ctl *c);
int lb_completion(struct lb_ctl *c);
int lb_help(struct lb_ctl *c);

#endif
