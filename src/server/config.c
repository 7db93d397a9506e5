#include "server/config_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { STRING, UINT, SIZE, BOOL, ENUM, IP, CORES };

struct key {
    const char *section, *name;
    enum kind kind;
    size_t offset;
    const char *initial;
    const char *allowed; /* UINT, SIZE: "min max"; ENUM: the words */
};

static const struct key keys[] = {
#define LB_CONFIG(section, name, kind, member, initial, allowed) \
    {section, name, kind, offsetof(struct lb_config, member), initial, allowed},
#include "server/config.def"
#undef LB_CONFIG
};

#define KEYS_N (sizeof(keys) / sizeof(keys[0]))

_Static_assert(KEYS_N <= CONFIG_KEYS_MAX, "a file counts them all");

static bool is_text(const struct key *k) {
    return k->kind != UINT && k->kind != SIZE && k->kind != BOOL;
}

static void *member(struct lb_config *c, const struct key *k) {
    return (char *)c + k->offset;
}

static int replace_string(char **at, const char *value) {
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    if (*at)
        explicit_bzero(*at, strlen(*at));
    free(*at);
    *at = copy;
    return 0;
}

/* Splits "8M" into its number and the shift of its unit. */
static int parse_size(struct lb_slice s, uint64_t *ret) {
    static const char units[] = "KMGT";
    unsigned shift = 0;
    if (s.len > 1 && (s.ptr[s.len - 1] == 'B' || s.ptr[s.len - 1] == 'b'))
        s.len--;
    if (s.len > 1 && s.ptr[s.len - 1] == 'i')
        s.len--;
    const char *unit = s.len > 1 ? strchr(units, s.ptr[s.len - 1] & ~0x20) : NULL;
    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        s.len--;
    }
    uint64_t v;
    if (lb_slice_to_u64(s, &v) < 0 || v > UINT64_MAX >> shift)
        return -EINVAL;
    *ret = v << shift;
    return 0;
}

static int set_number(struct lb_config *c, const struct key *k, const char *value,
                      struct lb_buf *why) {
    unsigned long long min = 0, max = 0;
    uint64_t v;
    struct lb_slice text = lb_slice_cstr(value);
    int err = k->kind == SIZE ? parse_size(text, &v) : lb_slice_to_u64(text, &v);
    sscanf(k->allowed, "%llu %llu", &min, &max);
    if (err < 0 || v < min || v > max) {
        lb_buf_printf(why, "%s = %s: must be a %s from %llu to %llu", k->name, value,
                      k->kind == SIZE ? "size in bytes (K, M, G, T may follow)" : "number", min,
                      max);
        return -EINVAL;
    }
    *(uint64_t *)member(c, k) = v;
    return 0;
}

static int set_bool(struct lb_config *c, const struct key *k, const char *value,
                    struct lb_buf *why) {
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};
    for (size_t i = 0; i < 8; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *(bool *)member(c, k) = i >= 4;
            return 0;
        }
    }
    lb_buf_printf(why, "%s = %s: must be true or false", k->name, value);
    return -EINVAL;
}

static int set_enum(struct lb_config *c, const struct key *k, const char *value,
                    struct lb_buf *why) {
    struct lb_slice words = lb_slice_cstr(k->allowed);
    while (words.len) {
        struct lb_slice word = lb_slice_cut(&words, ' ');
        if (lb_slice_eq(word, lb_slice_cstr(value)))
            return replace_string(member(c, k), value);
    }
    lb_buf_printf(why, "%s = %s: must be one of: %s", k->name, value, k->allowed);
    return -EINVAL;
}

static int set_ip(struct lb_config *c, const struct key *k, const char *value, struct lb_buf *why) {
    struct in6_addr address;
    if (inet_pton(AF_INET, value, &address) == 1 || inet_pton(AF_INET6, value, &address) == 1)
        return replace_string(member(c, k), value);
    lb_buf_printf(why, "%s = %s: must be an IPv4 or IPv6 address", k->name, value);
    return -EINVAL;
}

static int set_cores(struct lb_config *c, const struct key *k, const char *value,
                     struct lb_buf *why) {
    if (config_parse_cores(c, lb_slice_cstr(value)) == 0)
        return replace_string(member(c, k), value);
    lb_buf_printf(why, "%s = %s: must be like 1-8 or 1,3,10", k->name, value);
    return -EINVAL;
}

static int set_key(struct lb_config *c, const struct key *k, const char *value,
                   struct lb_buf *why) {
    switch (k->kind) {
    case UINT:
    case SIZE:
        return set_number(c, k, value, why);
    case BOOL:
        return set_bool(c, k, value, why);
    case ENUM:
        return set_enum(c, k, value, why);
    case IP:
        return set_ip(c, k, value, why);
    case CORES:
        return set_cores(c, k, value, why);
    case STRING:
        return replace_string(member(c, k), value);
    }
    return -EINVAL;
}

int lb_config_init(struct lb_config *c) {
    struct lb_buf why;
    *c = (struct lb_config){0};
    lb_buf_init(&why, 1024);
    int err = 0;
    for (size_t i = 0; i < KEYS_N && err == 0; i++)
        err = set_key(c, &keys[i], keys[i].initial, &why);
    lb_buf_fini(&why);
    return err;
}

void lb_config_fini(struct lb_config *c) {
    for (size_t i = 0; i < KEYS_N; i++) {
        char **at = member(c, &keys[i]);
        if (!is_text(&keys[i]))
            continue;
        if (*at)
            explicit_bzero(*at, strlen(*at));
        free(*at);
        *at = NULL;
    }
    lb_config_free_users(c);
}

/* [entry] is what [lobos] was called in older configurations. */
static bool section_is(const struct key *k, struct lb_slice section) {
    return lb_slice_eq(section, lb_slice_cstr(k->section)) ||
           (lb_slice_eq(section, LB_S("entry")) && strcmp(k->section, "lobos") == 0);
}

static const char sections[] = "[lobos], [users], [filesystem], [volume] and [spdk_blobstore]";

int config_check_section(struct lb_slice section, struct lb_buf *why) {
    if (lb_slice_eq(section, LB_S("users")))
        return 0;
    for (size_t i = 0; i < KEYS_N; i++) {
        if (section_is(&keys[i], section))
            return 0;
    }
    lb_buf_printf(why, "unknown section [%.*s]; the sections are %s", LB_SLICE_ARG(section),
                  sections);
    return -EINVAL;
}

int config_find_key(struct lb_slice section, struct lb_slice name, struct lb_buf *why) {
    if (section.ptr && config_check_section(section, why) < 0)
        return -EINVAL;
    for (size_t i = 0; i < KEYS_N; i++) {
        if ((!section.ptr || section_is(&keys[i], section)) &&
            lb_slice_eq(name, lb_slice_cstr(keys[i].name)))
            return (int)i;
    }
    lb_buf_printf(why, "unknown key %.*s", LB_SLICE_ARG(name));
    return -EINVAL;
}

int lb_config_set(struct lb_config *c, const char *section, const char *name, const char *value,
                  struct lb_buf *why) {
    struct lb_slice want = lb_slice_cstr(section), key = lb_slice_cstr(name);
    if (!section && lb_slice_find(key, '.') >= 0)
        want = lb_slice_cut(&key, '.');
    if (lb_slice_eq(want, LB_S("users")))
        return lb_config_add_user(c, key.ptr, value, why);
    int i = config_find_key(want, key, why);
    return i < 0 ? i : set_key(c, &keys[i], value, why);
}

int lb_config_read_environment(struct lb_config *c, struct lb_buf *why) {
    static const char *const names[][2] = {{"LOBOS_ACCESS_KEY", "access_key"},
                                           {"LOBOS_SECRET_KEY", "secret_key"},
                                           {"LOBOS_BUCKETS", "buckets"}};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i][0]);
        int err = value && value[0] ? lb_config_set(c, "lobos", names[i][1], value, why) : 0;
        if (err < 0)
            return err;
    }
    return 0;
}
