/* How users, keys and grants are shown, and the walk over all users. */
#ifndef LB_CTL_SHOW_H
#define LB_CTL_SHOW_H

#include "ctl/ctl.h"

/* Calls fn for every user whose name begins with prefix (NULL: all), page by page, until it returns
 * other than 0. Returns what fn did, or an exit code. */
int lb_users_each(struct lb_ctl *c, const char *prefix,
                  int (*fn)(struct lb_ctl *c, const Lobosadmin__User *user, void *data),
                  void *data);

/* Asks for a user; *ret is owned. Returns 0 or an exit code. */
int lb_user_get(struct lb_ctl *c, const char *name, Lobosadmin__User **ret);

/* "ok", "disabled" or "expired". */
const char *lb_key_state(const Lobosadmin__Key *key);

/* The rights of a grant, "read list". Returns ret. */
#define LB_RIGHTS_MAX 64
char *lb_rights_text(const Lobosadmin__Grant *g, char ret[LB_RIGHTS_MAX]);

/* JSON objects, with a name or as elements; secret: NULL, or to show it. */
void lb_user_json(struct lb_json *doc, const Lobosadmin__User *user);
void lb_key_json(struct lb_json *doc, const char *name, const Lobosadmin__Key *key,
                 const char *secret);
void lb_grant_json(struct lb_json *doc, const char *user, const Lobosadmin__Grant *g);

/* Shows a new key with its secret, which the server tells only now. */
int lb_new_key_show(struct lb_ctl *c, const Lobosadmin__NewKey *new_key, bool given);

/* The words of an enumeration: from a protobuf name without its prefix, RIGHT_READ_ALL being
 * "read-all". Returns ret. */
char *lb_enum_word(const ProtobufCEnumDescriptor *type, int value, char ret[LB_RIGHTS_MAX]);
/* The value of a word, or -1. */
int lb_enum_value(const ProtobufCEnumDescriptor *type, const char *word);

#endif
