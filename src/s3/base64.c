/* base64 (RFC 4648, 4), strictly: S3 compares digests, so a text that could be read in two ways is
 * none. */
#include <errno.h>

#include "s3/checksum_priv.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t s3_base64_encode(const uint8_t *bytes, size_t n, char *ret) {
    size_t len = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)bytes[i] << 16;
        if (i + 1 < n)
            v |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < n)
            v |= bytes[i + 2];
        ret[len++] = alphabet[v >> 18];
        ret[len++] = alphabet[v >> 12 & 63];
        ret[len++] = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
        ret[len++] = i + 2 < n ? alphabet[v & 63] : '=';
    }
    ret[len] = '\0';
    return len;
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

int s3_base64_decode(struct lb_slice text, uint8_t *ret, size_t n) {
    if (text.len != (n + 2) / 3 * 4)
        return -EINVAL;
    size_t padding = (3 - n % 3) % 3;
    for (size_t i = 0; i < text.len; i++) {
        if (i >= text.len - padding ? text.ptr[i] != '=' : value_of(text.ptr[i]) < 0)
            return -EINVAL;
    }
    uint32_t v = 0;
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        v = v << 6 | (uint32_t)(text.ptr[i] == '=' ? 0 : value_of(text.ptr[i]));
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0 && at < n; shift -= 8)
            ret[at++] = (uint8_t)(v >> shift);
        v = v & (padding && i + 1 == text.len ? (1u << 8 * padding) - 1 : 0);
    }
    return v ? -EINVAL : 0; /* bits behind the last byte */
}
