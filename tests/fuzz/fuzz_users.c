/* The users file: any bytes decode or are refused, as they are and under a right checksum; what
 * decodes encodes to the same bytes. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "control/users_priv.h"
#include "hash/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LEN_AT 16
#define HEADER_LEN 56

/* Sets length and checksum to what they should be. */
static void mend(char *file, size_t size) {
    struct lb_digest crc;
    if (size < HEADER_LEN + 4)
        return;
    for (unsigned i = 0; i < 8; i++)
        file[LEN_AT + i] = (char)((uint64_t)size >> 8 * i);
    lb_hash_once(LB_HASH_CRC32C, lb_slice(file, size - 4), &crc);
    for (unsigned i = 0; i < 4; i++)
        file[size - 1 - i] = (char)crc.bytes[i];
}

static void check(struct lb_slice file, const uint8_t *master_key) {
    struct users_state *s = users_state_new();
    const char *why = NULL;
    struct lb_buf again;
    assert(s);
    int err = users_format_decode(file, master_key, s, &why);
    assert((err == -EBADMSG) == (why != NULL));
    if (err == 0 && !master_key) {
        lb_buf_init(&again, (size_t)1 << 24);
        for (size_t i = 0; i < s->n; i++)
            assert(users_format_record(s->users[i], NULL) == 0);
        users_format_encode(s, NULL, &again);
        assert(lb_slice_eq(lb_buf_slice(&again), file));
        lb_buf_fini(&again);
    }
    users_state_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t master_key[LB_USERS_MASTER_KEY_LEN] = "a key of thirty-two bytes, yes.";
    char *file = malloc(size ? size : 1);
    if (!file)
        return 0;
    if (size)
        memcpy(file, data, size);
    check(lb_slice(file, size), NULL);
    mend(file, size);
    check(lb_slice(file, size), NULL);
    check(lb_slice(file, size), master_key);
    free(file);
    return 0;
}
