/* What the tests of versions share, beside write_env.h. */
#ifndef LB_TESTS_UNIT_ENGINE_FS_VERSIONS_ENV_H
#define LB_TESTS_UNIT_ENGINE_FS_VERSIONS_ENV_H

#include "write_env.h"

#define ON LB_VERSIONING_ON
#define SUSPENDED LB_VERSIONING_SUSPENDED
#define OFF LB_VERSIONING_OFF

/* Puts a text whose ETag tells it. Returns the version's id in ret (may be NULL). */
static inline int put_version(struct env *e, struct lb_slice key, const char *text,
                              enum lb_versioning how, struct lb_version_id *ret) {
    struct call c = call_for(e, key);
    c.op.etag = etag_of(text);
    c.op.meta = LB_S("meta");
    c.op.versioning = how;
    int err = put_call(e, &c, text, strlen(text), 4096);
    if (ret)
        *ret = c.op.info.version;
    return err;
}

static inline struct lb_version_id put_on(struct env *e, struct lb_slice key, const char *text) {
    struct lb_version_id id;
    assert_int_equal(put_version(e, key, text, ON, &id), 0);
    return id;
}

/* A removal; info is left in *ret (may be NULL). version NULL: the current one. */
static inline int remove_how(struct env *e, struct lb_slice key,
                             const struct lb_version_id *version, enum lb_versioning how,
                             struct lb_object_info *ret) {
    struct call c = call_for(e, key);
    c.op.versioning = how;
    if (version)
        c.op.version = lb_version_slice(version);
    e->port->ops->remove(e->port, &c.op);
    int err = finish(e, &c);
    if (ret)
        *ret = c.op.info;
    return err;
}

static inline struct lb_version_id delete_on(struct env *e, struct lb_slice key) {
    struct lb_object_info info;
    assert_int_equal(remove_how(e, key, NULL, ON, &info), 0);
    assert_true(info.marker);
    return info.version;
}

static inline void delete_version(struct env *e, struct lb_slice key, struct lb_version_id id) {
    assert_int_equal(remove_how(e, key, &id, ON, NULL), 0);
}

static const struct lb_version_id null_id = {"null", 4};

static inline bool same_id(const struct lb_version_id *a, const struct lb_version_id *b) {
    return lb_slice_eq(lb_version_slice(a), lb_version_slice(b));
}

/* Head of a version; info in *ret (may be NULL). */
static inline int head_version(struct env *e, struct lb_slice key, const struct lb_version_id *id,
                               struct lb_object_info *ret) {
    struct call c = call_for(e, key);
    if (id)
        c.op.version = lb_version_slice(id);
    e->port->ops->head(e->port, &c.op);
    int err = finish(e, &c);
    if (ret)
        *ret = c.op.info;
    return err;
}

static inline void check_version(struct env *e, struct lb_slice key, const struct lb_version_id *id,
                                 const char *text) {
    char buf[256];
    struct call c = call_for(e, key);
    if (id)
        c.op.version = lb_version_slice(id);
    assert_int_equal(get(e, &c, buf, sizeof(buf)), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
    if (id)
        assert_true(same_id(&c.op.info.version, id));
}

/* The versions of a bucket as text, "key=etag" each ("*" behind the latest, "-" for a marker, "0"
 * behind a null version, "key/ " for a common prefix), read in pages of max. */
struct listing {
    struct lb_slice prefix, delimiter;
    bool plain; /* a list without versions */
};

static inline void list_entry(char *text, size_t cap, const struct lb_list_entry *le) {
    size_t n = strlen(text);
    const struct lb_object_info *i = &le->info;
    if (le->is_prefix)
        snprintf(text + n, cap - n, "<%.*s> ", LB_SLICE_ARG(le->key));
    else
        snprintf(text + n, cap - n, "%.*s=%.*s%s%s ", LB_SLICE_ARG(le->key),
                 i->marker ? 1 : (int)i->etag.len, i->marker ? "-" : i->etag.text,
                 lb_slice_eq(lb_version_slice(&i->version), LB_S("null")) ? "0" : "",
                 i->latest ? "*" : "");
}

static inline char *list_text(struct env *e, struct listing l, size_t max) {
    static _Thread_local char text[65536];
    char after[LB_KEY_MAX];
    struct lb_version_id id = {.len = 0};
    size_t after_len = 0;
    text[0] = '\0';
    for (bool more = true; more;) {
        struct call c = call_for(e, LB_S(""));
        c.op.max = max;
        c.op.versions = !l.plain;
        c.op.prefix = l.prefix;
        c.op.delimiter = l.delimiter;
        c.op.after = lb_slice(after, after_len);
        c.op.after_id = lb_version_slice(&id);
        e->port->ops->list(e->port, &c.op);
        assert_int_equal(finish(e, &c), 0);
        assert_true(c.op.list.n <= max);
        for (size_t i = 0; i < c.op.list.n; i++)
            list_entry(text, sizeof(text), &c.op.list.entries[i]);
        more = c.op.list.truncated;
        if (!more)
            break;
        assert_true(c.op.list.n > 0);
        const struct lb_list_entry *last = &c.op.list.entries[c.op.list.n - 1];
        memcpy(after, last->key.ptr, last->key.len);
        after_len = last->key.len;
        id = last->is_prefix || l.plain ? (struct lb_version_id){.len = 0} : last->info.version;
    }
    return text;
}

/* The same on pages of every size. */
static inline void check_list_of(struct env *e, struct listing l, const char *want) {
    for (size_t max = 1; max <= 5; max++)
        assert_string_equal(list_text(e, l, max), want);
    assert_string_equal(list_text(e, l, 1000), want);
}

static inline void check_versions(struct env *e, const char *want) {
    check_list_of(e, (struct listing){.plain = false}, want);
}

static inline void check_keys(struct env *e, const char *want) {
    check_list_of(e, (struct listing){.plain = true}, want);
}

static inline void reopen(struct env *e) {
    engine_close(e);
    engine_open(e, 0);
}

/* The entry of the key's directory in versions/, as a path below the data root. */
static inline void version_dir(struct env *e, struct lb_slice key, char ret[FS_PATH_MAX]) {
    fs_versions_path(env_fs(e), BUCKET, key, ret);
}

#endif
