/* lobosctl user ... */
#include <stdlib.h>

#include "ctl/commands.h"
#include "ctl/format.h"
#include "ctl/show.h"

#define LINES_MAX 100000

/* ---- add ---- */

struct adding {
    struct lb_table table;
    bool made; /* a secret was made by the server */
    int64_t expires;
};

/* Is NAME or NAME:KEY:SECRET? */
static int check_spec(struct lb_ctl *c, const char *spec) {
    struct lb_slice rest = lb_slice_cstr(spec);
    struct lb_slice name = lb_slice_cut(&rest, ':');
    bool named = name.len > 0;
    if (named && !rest.ptr)
        return 0;
    struct lb_slice key = lb_slice_cut(&rest, ':');
    if (named && key.len > 0 && rest.len > 0 && !lb_ctl_option(c, "no-key"))
        return 0;
    return lb_ctl_fail(c, LB_EXIT_USAGE, "user %.*s: must be NAME%s", LB_SLICE_ARG(name),
                       lb_ctl_option(c, "no-key") ? " with --no-key" : " or NAME:KEY:SECRET");
}

static void show_added(struct lb_ctl *c, struct adding *a, const Lobosadmin__CreateUserReply *reply,
                       bool given) {
    const Lobosadmin__NewKey *key = reply->key;
    if (c->json) {
        lb_json_object(&c->doc, NULL);
        lb_json_str(&c->doc, "name", reply->user->name);
        lb_json_bool(&c->doc, "admin", reply->user->admin);
        if (key && key->key)
            lb_key_json(&c->doc, "key", key->key, key->secret_key);
        else
            lb_json_str(&c->doc, "key", NULL);
        lb_json_end(&c->doc);
        return;
    }
    lb_table_cell(&a->table, reply->user->name);
    lb_table_cell(&a->table, key && key->key ? key->key->access_key : "-");
    lb_table_cell(&a->table, !key ? "-" : given ? "(as given)" : key->secret_key);
    a->made = a->made || (key && !given);
}

/* Creates the user of a specification that check_spec has seen; cuts it to pieces. */
static int add_one(struct lb_ctl *c, struct adding *a, char *spec) {
    Lobosadmin__CreateUserRequest request = LOBOSADMIN__CREATE_USER_REQUEST__INIT;
    Lobosadmin__CreateUserReply *reply;
    char *rest = spec;
    request.name = strsep(&rest, ":");
    bool given = rest;
    if (given) {
        request.access_key = strsep(&rest, ":");
        request.secret_key = rest;
    }
    request.admin = lb_ctl_option(c, "admin") != NULL;
    request.no_key = lb_ctl_option(c, "no-key") != NULL;
    request.expires = a->expires;
    int err = lb_ctl_call(c, "CreateUser", &request.base, &reply);
    if (given)
        explicit_bzero(request.secret_key, strlen(request.secret_key));
    if (err)
        return err;
    if (reply->user)
        show_added(c, a, reply, given);
    else
        err = lb_ctl_fail(c, LB_EXIT_FAILED, "the answer of the server has no user");
    lb_message_free(&reply->base);
    return err;
}

static void free_lines(char **lines, size_t n) {
    for (size_t i = 0; i < n; i++) {
        explicit_bzero(lines[i], strlen(lines[i]));
        free(lines[i]);
    }
    free(lines);
}

/* The lines of standard input that are not empty and begin with no "#". *ret is owned. */
static int read_specs(struct lb_ctl *c, char ***ret, size_t *ret_n) {
    char **lines = calloc(LINES_MAX, sizeof(*lines)), *line = NULL;
    size_t n = 0, size = 0;
    int err = lines ? 0 : lb_ctl_fail(c, LB_EXIT_FAILED, "out of memory");
    while (err == 0 && getline(&line, &size, stdin) >= 0) {
        struct lb_slice s = lb_slice(line, strcspn(line, "\r\n"));
        s = lb_slice_trim(s);
        if (s.len == 0 || s.ptr[0] == '#')
            continue;
        if (n == LINES_MAX)
            err = lb_ctl_fail(c, LB_EXIT_USAGE, "more than %d users at once", LINES_MAX);
        else if (!(lines[n] = strndup(s.ptr, s.len)))
            err = lb_ctl_fail(c, LB_EXIT_FAILED, "out of memory");
        else
            n++;
    }
    if (line)
        explicit_bzero(line, size);
    free(line);
    if (err == 0) {
        *ret = lines;
        *ret_n = n;
    } else {
        free_lines(lines, n);
    }
    return err;
}

/* Copies of the words, which are then overwritten where a list of processes shows them. */
static int take_specs(struct lb_ctl *c, char ***ret, size_t *ret_n) {
    size_t n = c->args.words_n;
    char **specs = calloc(n, sizeof(*specs));
    for (size_t i = 0; specs && i < n; i++) {
        char *word = c->args.words[i], *secret = strchr(word, ':');
        specs[i] = strdup(word);
        if (!specs[i]) {
            free_lines(specs, i);
            specs = NULL;
        } else if (secret) {
            explicit_bzero(secret, strlen(secret));
        }
    }
    if (!specs)
        return lb_ctl_fail(c, LB_EXIT_FAILED, "out of memory");
    *ret = specs;
    *ret_n = n;
    return 0;
}

static int add_all(struct lb_ctl *c, char **specs, size_t n) {
    static const char *const heads[] = {"USER", "ACCESS KEY", "SECRET KEY"};
    const char *expires = lb_ctl_option(c, "expires");
    struct adding a = {0};
    int err = expires ? lb_ctl_moment(c, expires, &a.expires) : 0;
    for (size_t i = 0; i < n && err == 0; i++)
        err = check_spec(c, specs[i]);
    if (err)
        return err;
    lb_table_init(&a.table, heads, "lll");
    lb_ctl_begin_list(c, "users");
    for (size_t i = 0; i < n && err == 0; i++)
        err = add_one(c, &a, specs[i]);
    /* What was created before a failure is shown, too: its secrets are never told again. */
    lb_ctl_end_list(c, &a.table, err ? NULL : "There was no user on standard input.", 0);
    if (a.made)
        lb_buf_append(&c->out, LB_S("Secret keys are not shown again: keep them now.\n"));
    return err;
}

int lb_user_add(struct lb_ctl *c) {
    bool input = c->args.words_n == 1 && strcmp(c->args.words[0], "-") == 0;
    char **specs = NULL;
    size_t n = 0;
    int err = input ? read_specs(c, &specs, &n) : take_specs(c, &specs, &n);
    if (err)
        return err;
    err = add_all(c, specs, n);
    free_lines(specs, n);
    return err;
}

/* ---- list, show ---- */

static int list_one(struct lb_ctl *c, const Lobosadmin__User *user, void *data) {
    struct lb_table *t = data;
    char created[LB_FORMAT_MAX];
    if (c->json) {
        lb_user_json(&c->doc, user);
        return 0;
    }
    lb_table_cell(t, user->name);
    lb_table_cell(t, user->admin ? "admin" : "user");
    lb_table_cellf(t, "%zu", user->n_keys);
    lb_table_cellf(t, "%zu", user->n_grants);
    lb_table_cell(t, user->fixed ? "(configuration)" : lb_format_time(user->created, created));
    return 0;
}

int lb_user_list(struct lb_ctl *c) {
    static const char *const heads[] = {"USER", "ROLE", "KEYS", "GRANTS", "CREATED"};
    struct lb_table t;
    lb_table_init(&t, heads, "llrrl");
    lb_ctl_begin_list(c, "users");
    int err = lb_users_each(c, lb_ctl_option(c, "prefix"), list_one, &t);
    return lb_ctl_end_list(c, &t, "There are no users.", err);
}

static void show(struct lb_ctl *c, const Lobosadmin__User *user) {
    char time[LB_FORMAT_MAX], rights[LB_RIGHTS_MAX];
    struct lb_table t;
    lb_table_init(&t, NULL, "ll");
    lb_table_cell(&t, "user");
    lb_table_cell(&t, user->name);
    lb_table_cell(&t, "role");
    lb_table_cell(&t, user->admin ? "admin" : "user");
    lb_table_cell(&t, "created");
    lb_table_cell(&t, user->fixed ? "(configuration)" : lb_format_time(user->created, time));
    for (size_t i = 0; i < user->n_keys; i++) {
        const Lobosadmin__Key *key = user->keys[i];
        lb_table_cell(&t, "key");
        lb_table_cellf(&t, "%s  %s%s%s", key->access_key, lb_key_state(key),
                       key->expires ? ", expires " : "",
                       key->expires ? lb_format_time(key->expires, time) : "");
    }
    for (size_t i = 0; i < user->n_grants; i++) {
        lb_table_cell(&t, "grant");
        lb_table_cellf(&t, "%s  %s", user->grants[i]->bucket,
                       lb_rights_text(user->grants[i], rights));
    }
    lb_ctl_print(c, &t, NULL);
}

int lb_user_show(struct lb_ctl *c) {
    Lobosadmin__User *user;
    int err = lb_user_get(c, c->args.words[0], &user);
    if (err)
        return err;
    if (c->json)
        lb_user_json(&c->doc, user);
    else
        show(c, user);
    lb_message_free(&user->base);
    return 0;
}

/* ---- rm, admin ---- */

int lb_user_rm(struct lb_ctl *c) {
    Lobosadmin__DeleteUserRequest request = LOBOSADMIN__DELETE_USER_REQUEST__INIT;
    Lobosadmin__User *user;
    const char *name = c->args.words[0];
    request.name = (char *)name;
    request.force = true;
    if (!c->yes) {
        int err = lb_user_get(c, name, &user);
        if (err)
            return err;
        size_t keys = user->n_keys;
        lb_message_free(&user->base);
        request.force = keys > 0;
        err = keys ? lb_ctl_confirm(c, "%s has %zu key%s, which will be removed, too.", name, keys,
                                    keys == 1 ? "" : "s")
                   : 0;
        if (err)
            return err;
    }
    return lb_ctl_call_done(c, "DeleteUser", &request.base);
}

int lb_user_admin(struct lb_ctl *c) {
    Lobosadmin__SetAdminRequest request = LOBOSADMIN__SET_ADMIN_REQUEST__INIT;
    Lobosadmin__User *user;
    const char *word = c->args.words[1];
    if (!lb_choices_have("on off", word))
        return lb_ctl_fail(c, LB_EXIT_USAGE, "user admin %s %s: must be on or off",
                           c->args.words[0], word);
    request.name = c->args.words[0];
    request.admin = strcmp(word, "on") == 0;
    int err = lb_ctl_call(c, "SetAdmin", &request.base, &user);
    if (err)
        return err;
    if (c->json)
        lb_user_json(&c->doc, user);
    else
        lb_buf_printf(&c->out, "%s is %s.\n", user->name,
                      user->admin ? "an administrator" : "no administrator");
    lb_message_free(&user->base);
    return 0;
}
