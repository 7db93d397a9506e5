/* All users at one time: sorted by name, and their keys in a set as the loops read it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "control/users_priv.h"

#define ROOM_MIN 16

static struct users_state *state_new(size_t room) {
    struct users_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->refs = 1;
    s->room = room;
    s->users = calloc(room, sizeof(struct user_record *));
    if (!s->users) {
        free(s);
        return NULL;
    }
    return s;
}

struct users_state *users_state_new(void) {
    struct users_state *s = state_new(ROOM_MIN);
    if (s)
        s->creds = lb_creds_new();
    if (s && !s->creds) {
        users_state_unref(s);
        s = NULL;
    }
    return s;
}

struct users_state *users_state_copy(const struct users_state *s) {
    struct users_state *copy = state_new(s->n + ROOM_MIN);
    if (!copy)
        return NULL;
    copy->creds = lb_creds_dup(s->creds);
    if (!copy->creds) {
        users_state_unref(copy);
        return NULL;
    }
    for (size_t i = 0; i < s->n; i++) {
        copy->users[i] = s->users[i];
        copy->users[i]->refs++;
    }
    copy->n = s->n;
    copy->fixed_n = s->fixed_n;
    return copy;
}

void users_state_unref(struct users_state *s) {
    if (!s || --s->refs > 0)
        return;
    for (size_t i = 0; i < s->n; i++)
        user_record_unref(s->users[i]);
    lb_creds_unref(s->creds);
    free(s->users);
    free(s);
}

size_t users_state_at(const struct users_state *s, struct lb_slice name) {
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (lb_slice_cmp(lb_slice_cstr(s->users[middle]->name), name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct user_record *users_state_find(const struct users_state *s, struct lb_slice name) {
    size_t at = users_state_at(s, name);
    bool found = at < s->n && lb_slice_eq(lb_slice_cstr(s->users[at]->name), name);
    return found ? s->users[at] : NULL;
}

struct user_record *users_state_find_key(const struct users_state *s, struct lb_slice access_key) {
    const struct lb_cred *cred = lb_creds_find(s->creds, access_key);
    return cred ? users_state_find(s, lb_slice_cstr(cred->user_id)) : NULL;
}

static int add_cred(struct lb_creds *creds, const struct user_record *r,
                    const struct user_key *key) {
    struct lb_cred cred = {
        .admin = r->admin,
        .disabled = key->shown.disabled,
        .expires_s = key->shown.expires_s,
        .epoch = key->epoch,
        .grants = r->grants,
        .grants_n = r->grants_n,
    };
    strcpy(cred.access_key, key->shown.access_key);
    strcpy(cred.secret_key, key->secret_key);
    strcpy(cred.user_id, r->name);
    strcpy(cred.display_name, r->name);
    int err = lb_creds_add(creds, &cred);
    explicit_bzero(&cred, sizeof(cred));
    return err;
}

static void remove_creds(struct users_state *s, const struct user_record *r) {
    for (size_t i = 0; i < r->keys_n; i++)
        lb_creds_remove(s->creds, lb_slice_cstr(r->keys[i].shown.access_key));
}

static int make_room(struct users_state *s) {
    if (s->n < s->room)
        return 0;
    size_t room = s->room * 2;
    struct user_record **users = realloc(s->users, room * sizeof(struct user_record *));
    if (!users)
        return -ENOMEM;
    s->users = users;
    s->room = room;
    return 0;
}

int users_state_put(struct users_state *s, struct user_record *r) {
    size_t at = users_state_at(s, lb_slice_cstr(r->name));
    bool there = at < s->n && strcmp(s->users[at]->name, r->name) == 0;
    int err = there ? 0 : make_room(s);
    assert(s->refs == 1);
    if (err < 0) {
        user_record_unref(r);
        return err;
    }
    if (there) {
        remove_creds(s, s->users[at]);
        user_record_unref(s->users[at]);
    } else {
        memmove(&s->users[at + 1], &s->users[at], (s->n - at) * sizeof(struct user_record *));
        s->n++;
        s->fixed_n += r->fixed;
    }
    s->users[at] = r;
    for (size_t i = 0; i < r->keys_n && err == 0; i++)
        err = add_cred(s->creds, r, &r->keys[i]);
    return err;
}

void users_state_remove(struct users_state *s, struct user_record *r) {
    size_t at = users_state_at(s, lb_slice_cstr(r->name));
    assert(s->refs == 1 && at < s->n && s->users[at] == r);
    remove_creds(s, r);
    memmove(&s->users[at], &s->users[at + 1], (s->n - at - 1) * sizeof(struct user_record *));
    s->n--;
    s->fixed_n -= r->fixed;
    user_record_unref(r);
}
