/* Secrets sealed by a master key: AES-256-GCM (NIST SP 800-38D) with a random nonce for each. */
#include <errno.h>
#include <openssl/evp.h>

#include "base/prng.h"
#include "control/users_priv.h"

int users_crypt_seal(const uint8_t *master_key, struct lb_slice about, struct lb_slice plain,
                     uint8_t *ret) {
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t *text = ret + USERS_NONCE_LEN;
    int n, end;
    if (!c)
        return -ENOMEM;
    lb_random_bytes(ret, USERS_NONCE_LEN);
    bool ok = EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, master_key, ret) == 1 &&
              EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)about.ptr, (int)about.len) == 1 &&
              EVP_EncryptUpdate(c, text, &n, (const uint8_t *)plain.ptr, (int)plain.len) == 1 &&
              EVP_EncryptFinal_ex(c, text + plain.len, &end) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, USERS_TAG_LEN, text + plain.len) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok ? 0 : -ENOMEM;
}

int users_crypt_open(const uint8_t *master_key, struct lb_slice about, struct lb_slice sealed,
                     uint8_t *ret) {
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    const uint8_t *nonce = (const uint8_t *)sealed.ptr, *text = nonce + USERS_NONCE_LEN;
    int n, end, len = (int)(sealed.len - USERS_SEAL_LEN);
    uint8_t tag[USERS_TAG_LEN];
    if (!c)
        return -ENOMEM;
    memcpy(tag, text + len, sizeof(tag));
    bool ok = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, master_key, nonce) == 1 &&
              EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)about.ptr, (int)about.len) == 1 &&
              EVP_DecryptUpdate(c, ret, &n, text, len) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1;
    bool genuine = ok && EVP_DecryptFinal_ex(c, ret + len, &end) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!genuine)
        explicit_bzero(ret, (size_t)len);
    return genuine ? 0 : ok ? -EKEYREJECTED : -ENOMEM;
}

static struct lb_slice trim(struct lb_slice s) {
    while (s.len && (uint8_t)s.ptr[s.len - 1] <= ' ')
        s.len--;
    while (s.len && (uint8_t)s.ptr[0] <= ' ')
        s = lb_slice_from(s, 1);
    return s;
}

int lb_users_master_key_parse(struct lb_slice text, uint8_t ret[LB_USERS_MASTER_KEY_LEN]) {
    uint8_t bytes[LB_USERS_MASTER_KEY_LEN + 1]; /* base64 pads 32 bytes with one more */
    struct lb_slice s = trim(text);
    if (lb_hex_decode(s, ret, LB_USERS_MASTER_KEY_LEN) == 0)
        return 0;
    if (s.len != 44 || lb_slice_find(s, '=') != 43 ||
        EVP_DecodeBlock(bytes, (const uint8_t *)s.ptr, 44) != sizeof(bytes))
        return -EINVAL;
    memcpy(ret, bytes, LB_USERS_MASTER_KEY_LEN);
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}
