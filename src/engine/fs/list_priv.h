/* What the two halves of listing share: the merge of the sources (list.c) and the versions of one
 * key (list_versions.c). Worker. */
#ifndef LB_ENGINE_FS_LIST_PRIV_H
#define LB_ENGINE_FS_LIST_PRIV_H

#include "engine/fs/versions_priv.h"
#include "engine/fs/walk_priv.h"

/* Where a list is in a set of keys. */
struct fs_list_set {
    bool has; /* `key` is the next one of the set */
    size_t len;
    char key[LB_KEY_MAX];
};

/* What comes next. */
struct fs_list_next {
    struct lb_slice key;
    bool plain;             /* from the walk */
    bool in[FS_KEYS_KINDS]; /* from these sets, too */
    bool prefix;
};

/* Adds an entry to op's page, which has room. */
int fs_list_add(struct lb_engine_op *op, struct lb_slice key, const struct lb_object_info *info);
/* Adds all versions of a key, newest first, from where op->after_id says. Returns 0; 1 when the
 * page is full and more remain; negative. */
int fs_list_versions(struct fs_engine *fs, struct lb_engine_op *op, struct lb_slice key,
                     struct lb_buf *blob);

#endif
