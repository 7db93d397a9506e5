/* What names, keys, secrets and patterns may be, and keys made here. */
#include "base/prng.h"
#include "control/users_priv.h"

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool lb_users_name_valid(struct lb_slice name) {
    static const struct lb_slice reserved[] = {{"lobos", 5}, {"anonymous", 9}, {".", 1}, {"..", 2}};
    for (size_t i = 0; i < name.len; i++) {
        if (!is_alnum(name.ptr[i]) && (!name.ptr[i] || !strchr("._@+=,-", name.ptr[i])))
            return false;
    }
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (lb_slice_eq(name, reserved[i]))
            return false;
    }
    return name.len > 0 && name.len <= LB_USER_NAME_MAX;
}

bool users_secret_valid(struct lb_slice secret_key) {
    for (size_t i = 0; i < secret_key.len; i++) {
        if (secret_key.ptr[i] <= ' ' || secret_key.ptr[i] > '~')
            return false;
    }
    return secret_key.len > 0 && secret_key.len <= LB_SECRET_KEY_MAX;
}

/* Comma and '/' would end it in a header. */
bool users_key_valid(struct lb_slice access_key) {
    return access_key.len <= LB_ACCESS_KEY_MAX && users_secret_valid(access_key) &&
           lb_slice_find(access_key, ',') < 0 && lb_slice_find(access_key, '/') < 0;
}

bool users_pattern_valid(struct lb_slice pattern) {
    struct lb_slice name = pattern;
    if (lb_slice_ends_with(pattern, LB_S("*")))
        name.len--;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_alnum(name.ptr[i]) && (!name.ptr[i] || !strchr("._-", name.ptr[i])))
            return false;
    }
    return pattern.len > 0 && name.len < LB_GRANT_PATTERN_MAX;
}

/* n characters of an alphabet, each as likely as the others: bytes beyond the last whole multiple
 * of its length are drawn again. */
static void make(const char *alphabet, size_t n, char *ret) {
    unsigned letters = (unsigned)strlen(alphabet), end = 256 / letters * letters;
    uint8_t drawn[64];
    size_t used = sizeof(drawn);
    for (size_t i = 0; i < n;) {
        if (used == sizeof(drawn)) {
            lb_random_bytes(drawn, sizeof(drawn));
            used = 0;
        }
        unsigned byte = drawn[used++];
        if (byte < end)
            ret[i++] = alphabet[byte % letters];
    }
    ret[n] = '\0';
    explicit_bzero(drawn, sizeof(drawn));
}

void users_make_access_key(char *ret) {
    memcpy(ret, "LB", 2);
    make("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 18, ret + 2);
}

void users_make_secret_key(char *ret) {
    make("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+", 40, ret);
}
