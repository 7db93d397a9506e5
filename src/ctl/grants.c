/* lobosctl grant ... */
#include "ctl/commands.h"
#include "ctl/show.h"

#define RIGHTS_N 4

static bool has(const Lobosadmin__Right *rights, size_t n, Lobosadmin__Right right) {
    for (size_t i = 0; i < n; i++) {
        if (rights[i] == right)
            return true;
    }
    return false;
}

/* The rights that the words after USER BUCKET name. */
static int parse_rights(struct lb_ctl *c, Lobosadmin__Right *ret, size_t *ret_n) {
    size_t n = 0;
    for (unsigned i = 2; i < c->args.words_n; i++) {
        int right = lb_enum_value(&lobosadmin__right__descriptor, c->args.words[i]);
        if (right < 0)
            return lb_ctl_fail(c, LB_EXIT_USAGE,
                               "%s is no right: there are read, write, list and owner",
                               c->args.words[i]);
        if (!has(ret, n, (Lobosadmin__Right)right))
            ret[n++] = (Lobosadmin__Right)right;
    }
    *ret_n = n;
    return 0;
}

static const Lobosadmin__Grant *grant_for(const Lobosadmin__User *user, const char *bucket) {
    for (size_t i = 0; user && i < user->n_grants; i++) {
        if (strcmp(user->grants[i]->bucket, bucket) == 0)
            return user->grants[i];
    }
    return NULL;
}

/* Replaces the user's grant for the bucket, and shows what he has then. */
static int set_grant(struct lb_ctl *c, Lobosadmin__Right *rights, size_t n) {
    Lobosadmin__SetGrantRequest request = LOBOSADMIN__SET_GRANT_REQUEST__INIT;
    Lobosadmin__Grant grant = LOBOSADMIN__GRANT__INIT;
    Lobosadmin__User *user;
    char text[LB_RIGHTS_MAX];
    grant.bucket = c->args.words[1];
    grant.rights = rights;
    grant.n_rights = n;
    request.user = c->args.words[0];
    request.grant = &grant;
    int err = lb_ctl_call(c, "SetGrant", &request.base, &user);
    if (err)
        return err;
    const Lobosadmin__Grant *now = grant_for(user, grant.bucket);
    if (c->json)
        lb_user_json(&c->doc, user);
    else if (now)
        lb_buf_printf(&c->out, "%s on %s: %s\n", user->name, now->bucket,
                      lb_rights_text(now, text));
    else
        lb_buf_printf(&c->out, "%s on %s: no grant any more\n", user->name, grant.bucket);
    lb_message_free(&user->base);
    return 0;
}

int lb_grant_add(struct lb_ctl *c) {
    Lobosadmin__Right rights[2 * RIGHTS_N];
    Lobosadmin__User *user;
    size_t n;
    int err = parse_rights(c, rights, &n);
    if (err == 0)
        err = lb_user_get(c, c->args.words[0], &user);
    if (err)
        return err;
    const Lobosadmin__Grant *old = grant_for(user, c->args.words[1]);
    for (size_t i = 0; old && i < old->n_rights && n < 2 * RIGHTS_N; i++) {
        if (!has(rights, n, old->rights[i]))
            rights[n++] = old->rights[i];
    }
    lb_message_free(&user->base);
    return set_grant(c, rights, n);
}

int lb_grant_rm(struct lb_ctl *c) {
    Lobosadmin__Right gone[RIGHTS_N], rights[2 * RIGHTS_N];
    Lobosadmin__User *user;
    size_t gone_n, n = 0;
    int err = parse_rights(c, gone, &gone_n);
    if (err == 0)
        err = lb_user_get(c, c->args.words[0], &user);
    if (err)
        return err;
    const Lobosadmin__Grant *old = grant_for(user, c->args.words[1]);
    for (size_t i = 0; old && gone_n > 0 && i < old->n_rights && n < 2 * RIGHTS_N; i++) {
        if (!has(gone, gone_n, old->rights[i]))
            rights[n++] = old->rights[i];
    }
    lb_message_free(&user->base);
    if (!old)
        return lb_ctl_fail(c, LB_EXIT_NOT_FOUND, "%s has no grant for %s: see lobosctl grant list",
                           c->args.words[0], c->args.words[1]);
    return set_grant(c, rights, n);
}

/* ---- list ---- */

static bool covers(const char *pattern, const char *bucket) {
    size_t len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, bucket, len - 1) == 0;
    return strcmp(pattern, bucket) == 0;
}

static int list_grants(struct lb_ctl *c, const Lobosadmin__User *user, void *data) {
    struct lb_table *t = data;
    const char *bucket = lb_ctl_option(c, "bucket");
    char text[LB_RIGHTS_MAX];
    for (size_t i = 0; i < user->n_grants; i++) {
        const Lobosadmin__Grant *g = user->grants[i];
        if (bucket && !covers(g->bucket, bucket))
            continue;
        if (c->json) {
            lb_grant_json(&c->doc, user->name, g);
            continue;
        }
        lb_table_cell(t, user->name);
        lb_table_cell(t, g->bucket);
        lb_table_cell(t, lb_rights_text(g, text));
    }
    return 0;
}

int lb_grant_list(struct lb_ctl *c) {
    static const char *const heads[] = {"USER", "BUCKET", "RIGHTS"};
    Lobosadmin__User *user = NULL;
    struct lb_table t;
    lb_table_init(&t, heads, "lll");
    lb_ctl_begin_list(c, "grants");
    int err;
    if (c->args.words_n > 0) {
        err = lb_user_get(c, c->args.words[0], &user);
        if (err == 0)
            list_grants(c, user, &t);
    } else {
        err = lb_users_each(c, NULL, list_grants, &t);
    }
    if (user)
        lb_message_free(&user->base);
    return lb_ctl_end_list(c, &t, "There are no grants.", err);
}
