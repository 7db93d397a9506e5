/* One user with its keys and grants. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "control/users_priv.h"

static uint64_t next_epoch(void) {
    static atomic_uint_fast64_t last;
    return atomic_fetch_add(&last, 1) + 1;
}

struct user_record *user_record_new(struct lb_slice name, size_t keys_n, size_t grants_n) {
    struct user_record *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->refs = 1;
    r->keys = calloc(keys_n + 1, sizeof(*r->keys));
    r->grants = calloc(grants_n + 1, sizeof(*r->grants));
    if (!r->keys || !r->grants) {
        user_record_unref(r);
        return NULL;
    }
    memcpy(r->name, name.ptr, name.len);
    return r;
}

struct user_record *user_record_copy(const struct user_record *r) {
    struct user_record *copy =
        user_record_new(lb_slice_cstr(r->name), r->keys_n + 1, r->grants_n + 1);
    if (!copy)
        return NULL;
    copy->admin = r->admin;
    copy->fixed = r->fixed;
    copy->created_s = r->created_s;
    copy->keys_n = r->keys_n;
    copy->grants_n = r->grants_n;
    memcpy(copy->keys, r->keys, r->keys_n * sizeof(*r->keys));
    memcpy(copy->grants, r->grants, r->grants_n * sizeof(*r->grants));
    return copy;
}

void user_record_unref(struct user_record *r) {
    if (!r || --r->refs > 0)
        return;
    if (r->keys)
        explicit_bzero(r->keys, r->keys_n * sizeof(*r->keys));
    if (r->blob)
        explicit_bzero(r->blob, r->blob_len);
    free(r->keys);
    free(r->grants);
    free(r->blob);
    free(r);
}

struct user_key *user_record_key(const struct user_record *r, struct lb_slice access_key) {
    for (size_t i = 0; i < r->keys_n; i++) {
        if (lb_slice_eq(access_key, lb_slice_cstr(r->keys[i].shown.access_key)))
            return &r->keys[i];
    }
    return NULL;
}

void user_record_add_key(struct user_record *r, const struct user_key *key) {
    size_t at = r->keys_n;
    while (at > 0 && strcmp(r->keys[at - 1].shown.access_key, key->shown.access_key) > 0)
        at--;
    memmove(&r->keys[at + 1], &r->keys[at], (r->keys_n - at) * sizeof(*key));
    r->keys[at] = *key;
    r->keys[at].epoch = next_epoch();
    r->keys_n++;
}

void user_record_remove_key(struct user_record *r, struct user_key *key) {
    struct user_key *end = &r->keys[r->keys_n];
    memmove(key, key + 1, (size_t)((char *)end - (char *)(key + 1)));
    r->keys_n--;
    explicit_bzero(end - 1, sizeof(*key));
}

void user_record_set_grant(struct user_record *r, struct lb_slice pattern, uint8_t rights) {
    size_t at = 0;
    while (at < r->grants_n && lb_slice_cmp(lb_slice_cstr(r->grants[at].pattern), pattern) < 0)
        at++;
    struct lb_grant *g = &r->grants[at];
    bool there = at < r->grants_n && lb_slice_eq(lb_slice_cstr(g->pattern), pattern);
    if (there && rights == 0) {
        memmove(g, g + 1, (r->grants_n - at - 1) * sizeof(*g));
        r->grants_n--;
    } else if (there) {
        g->rights = rights;
    } else if (rights != 0) {
        memmove(g + 1, g, (r->grants_n - at) * sizeof(*g));
        *g = (struct lb_grant){.rights = rights};
        memcpy(g->pattern, pattern.ptr, pattern.len);
        r->grants_n++;
    }
}

int user_record_show(const struct user_record *r, struct lb_user *ret) {
    struct lb_user user = {.admin = r->admin, .fixed = r->fixed, .created_s = r->created_s};
    strcpy(user.name, r->name);
    user.keys = calloc(r->keys_n + 1, sizeof(*user.keys));
    user.grants = calloc(r->grants_n + 1, sizeof(*user.grants));
    if (!user.keys || !user.grants) {
        lb_user_fini(&user);
        return -ENOMEM;
    }
    for (size_t i = 0; i < r->keys_n; i++)
        user.keys[i] = r->keys[i].shown;
    memcpy(user.grants, r->grants, r->grants_n * sizeof(*r->grants));
    user.keys_n = r->keys_n;
    user.grants_n = r->grants_n;
    *ret = user;
    return 0;
}

void lb_user_fini(struct lb_user *user) {
    free(user->keys);
    free(user->grants);
    *user = (struct lb_user){0};
}

void lb_user_list_fini(struct lb_user_list *list) {
    for (size_t i = 0; i < list->n; i++)
        lb_user_fini(&list->users[i]);
    free(list->users);
    *list = (struct lb_user_list){0};
}
