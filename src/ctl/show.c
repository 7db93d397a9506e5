#include "ctl/show.h"

#include <ctype.h>
#include <time.h>

#include "ctl/format.h"

int lb_users_each(struct lb_ctl *c, const char *prefix,
                  int (*fn)(struct lb_ctl *c, const Lobosadmin__User *user, void *data),
                  void *data) {
    Lobosadmin__ListUsersRequest request = LOBOSADMIN__LIST_USERS_REQUEST__INIT;
    Lobosadmin__ListUsersReply *page = NULL, *next;
    bool more = true;
    int err = 0;
    request.limit = LB_CTL_PAGE;
    if (prefix)
        request.prefix = (char *)prefix;
    while (err == 0 && more) {
        if (page)
            request.after = page->users[page->n_users - 1]->name;
        err = lb_ctl_call(c, "ListUsers", &request.base, &next);
        if (err)
            break;
        if (page)
            lb_message_free(&page->base);
        page = next;
        for (size_t i = 0; i < page->n_users && err == 0; i++)
            err = fn(c, page->users[i], data);
        more = page->more && page->n_users > 0;
    }
    if (page)
        lb_message_free(&page->base);
    return err;
}

int lb_user_get(struct lb_ctl *c, const char *name, Lobosadmin__User **ret) {
    Lobosadmin__UserName request = LOBOSADMIN__USER_NAME__INIT;
    request.name = (char *)name;
    return lb_ctl_call(c, "GetUser", &request.base, ret);
}

const char *lb_key_state(const Lobosadmin__Key *key) {
    if (key->disabled)
        return "disabled";
    return key->expires != 0 && key->expires <= time(NULL) ? "expired" : "ok";
}

/* Bytes of the prefix that all names of the type share ("RIGHT_"): its own name in capitals. */
static size_t prefix_len(const ProtobufCEnumDescriptor *type) {
    return strlen(type->short_name) + 1;
}

static char *word_of(const ProtobufCEnumDescriptor *type, const char *name, char *ret) {
    size_t n = 0;
    for (const char *s = name + prefix_len(type); *s && n + 1 < LB_RIGHTS_MAX; s++)
        ret[n++] = *s == '_' ? '-' : (char)tolower((unsigned char)*s);
    ret[n] = '\0';
    return ret;
}

char *lb_enum_word(const ProtobufCEnumDescriptor *type, int value, char ret[LB_RIGHTS_MAX]) {
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);
    if (v)
        return word_of(type, v->name, ret);
    snprintf(ret, LB_RIGHTS_MAX, "%d", value);
    return ret;
}

int lb_enum_value(const ProtobufCEnumDescriptor *type, const char *word) {
    char own[LB_RIGHTS_MAX];
    for (unsigned i = 0; i < type->n_values; i++) {
        if (type->values[i].value != 0 &&
            strcmp(word_of(type, type->values[i].name, own), word) == 0)
            return type->values[i].value;
    }
    return -1;
}

char *lb_rights_text(const Lobosadmin__Grant *g, char ret[LB_RIGHTS_MAX]) {
    size_t n = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < g->n_rights && n < LB_RIGHTS_MAX; i++) {
        char word[LB_RIGHTS_MAX];
        lb_enum_word(&lobosadmin__right__descriptor, (int)g->rights[i], word);
        n += (size_t)snprintf(ret + n, LB_RIGHTS_MAX - n, "%s%s", i > 0 ? " " : "", word);
    }
    return ret;
}

void lb_key_json(struct lb_json *doc, const char *name, const Lobosadmin__Key *key,
                 const char *secret) {
    lb_json_object(doc, name);
    lb_json_str(doc, "access_key", key->access_key);
    if (secret)
        lb_json_str(doc, "secret_key", secret);
    lb_json_str(doc, "user", key->user);
    lb_json_str(doc, "state", lb_key_state(key));
    lb_json_time(doc, "created", key->created);
    lb_json_time(doc, "expires", key->expires);
    lb_json_end(doc);
}

void lb_grant_json(struct lb_json *doc, const char *user, const Lobosadmin__Grant *g) {
    char word[LB_RIGHTS_MAX];
    lb_json_object(doc, NULL);
    lb_json_str(doc, "user", user);
    lb_json_str(doc, "bucket", g->bucket);
    lb_json_array(doc, "rights");
    for (size_t i = 0; i < g->n_rights; i++)
        lb_json_str(doc, NULL,
                    lb_enum_word(&lobosadmin__right__descriptor, (int)g->rights[i], word));
    lb_json_end(doc);
    lb_json_end(doc);
}

void lb_user_json(struct lb_json *doc, const Lobosadmin__User *user) {
    lb_json_object(doc, NULL);
    lb_json_str(doc, "name", user->name);
    lb_json_bool(doc, "admin", user->admin);
    lb_json_bool(doc, "fixed", user->fixed);
    lb_json_time(doc, "created", user->created);
    lb_json_array(doc, "keys");
    for (size_t i = 0; i < user->n_keys; i++)
        lb_key_json(doc, NULL, user->keys[i], NULL);
    lb_json_end(doc);
    lb_json_array(doc, "grants");
    for (size_t i = 0; i < user->n_grants; i++)
        lb_grant_json(doc, user->name, user->grants[i]);
    lb_json_end(doc);
    lb_json_end(doc);
}

int lb_new_key_show(struct lb_ctl *c, const Lobosadmin__NewKey *new_key, bool given) {
    const Lobosadmin__Key *key = new_key->key;
    char until[LB_FORMAT_MAX];
    if (!key)
        return lb_ctl_fail(c, LB_EXIT_FAILED, "the answer of the server has no key");
    if (c->json) {
        lb_key_json(&c->doc, NULL, key, new_key->secret_key);
        return 0;
    }
    struct lb_table t;
    lb_table_init(&t, NULL, "ll");
    lb_table_cell(&t, "user");
    lb_table_cell(&t, key->user);
    lb_table_cell(&t, "access key");
    lb_table_cell(&t, key->access_key);
    lb_table_cell(&t, "secret key");
    lb_table_cell(&t, given ? "(as given)" : new_key->secret_key);
    if (key->expires) {
        lb_table_cell(&t, "expires");
        lb_table_cell(&t, lb_format_time(key->expires, until));
    }
    lb_ctl_print(c, &t, NULL);
    if (!given)
        lb_buf_append(&c->out, LB_S("The secret key is not shown again: keep it now.\n"));
    return 0;
}
