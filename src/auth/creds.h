/* Who may sign: access keys, their secrets, and what they may do. */
#ifndef LB_AUTH_CREDS_H
#define LB_AUTH_CREDS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/slice.h"

#define LB_ACCESS_KEY_MAX 128
#define LB_SECRET_KEY_MAX 128
#define LB_GRANT_PATTERN_MAX 64 /* a bucket's name, and the '*' */
#define LB_GRANTS_MAX 128       /* of a user */

/* What a grant allows in a bucket. The numbers are on disk. */
enum {
    LB_RIGHT_READ = 1,  /* to read objects */
    LB_RIGHT_WRITE = 2, /* to write and delete objects */
    LB_RIGHT_LIST = 4,  /* to see which keys there are */
    LB_RIGHT_OWNER = 8, /* everything, also settings and deletion */
    LB_RIGHTS_ALL = 15,
};

struct lb_grant {
    char pattern[LB_GRANT_PATTERN_MAX + 1]; /* a bucket's name, or the beginning of names and '*' */
    uint8_t rights;
};

struct lb_cred {
    char access_key[LB_ACCESS_KEY_MAX + 1];
    char secret_key[LB_SECRET_KEY_MAX + 1];
    char user_id[65]; /* canonical id shown as Owner ID */
    char display_name[65];
    bool admin;        /* may do everything */
    bool disabled;     /* as if it were not there */
    int64_t expires_s; /* seconds since 1970 from which on it is refused; 0: never */
    uint64_t epoch;    /* changes when the secret does, so that derived keys are not reused */
    const struct lb_grant *grants; /* beside what the user owns */
    size_t grants_n;
};

/* The rights that grants give in a bucket: all that match together. */
unsigned lb_cred_rights(const struct lb_cred *cred, struct lb_slice bucket);

/* A copy without the secret, in the arena, for as long as a request needs it: sets come and go
 * meanwhile. NULL without memory. */
const struct lb_cred *lb_cred_copy(const struct lb_cred *cred, struct lb_arena *arena);

/* A set, counted by references. It is filled by the one who made it, and not changed any more once
 * others see it; a change makes a new set, which shares the entries. */
struct lb_creds;

/* An empty set; owned. NULL without memory. */
struct lb_creds *lb_creds_new(void);
/* A set with the same entries, to be changed; owned. NULL without memory. */
struct lb_creds *lb_creds_dup(const struct lb_creds *c);
/* Any thread. */
struct lb_creds *lb_creds_ref(struct lb_creds *c);
/* Any thread. The last one wipes the secrets, and looks at every entry. NULL is allowed. */
void lb_creds_unref(struct lb_creds *c);
/* Does anyone else hold it? Once false, it stays so for who has the only reference. */
bool lb_creds_shared(const struct lb_creds *c);

/* Copies cred in, with its grants. Returns 0, -EEXIST for a key that is there, -EINVAL for an empty
 * or unprintable key or secret or a space or comma in the key (a header couldn't carry it),
 * -ENOMEM. */
int lb_creds_add(struct lb_creds *c, const struct lb_cred *cred);
/* Takes a key out. Returns 0 or -ENOENT. */
int lb_creds_remove(struct lb_creds *c, struct lb_slice access_key);

/* The credential with that access key, or NULL. Takes the same time whether or not it is there, as
 * far as the hash table allows. Borrowed: it lives as long as a set that holds it. */
const struct lb_cred *lb_creds_find(const struct lb_creds *c, struct lb_slice access_key);
size_t lb_creds_len(const struct lb_creds *c);

/* Where the set in force is: one writer at a time puts sets in, readers take them out. What was in
 * force before is kept until its readers have let go of it, so that it is the writer who frees it:
 * with many users that takes longer than a loop may stand still. There are at most as many of these
 * as there are readers. */
struct lb_creds_box {
    atomic_uint_fast64_t generation; /* changes with the set */
    pthread_mutex_t lock;            /* of set */
    struct lb_creds *set;
    struct lb_creds **retired; /* of the writer */
    size_t retired_n;
};

/* set: a reference is taken over. */
void lb_creds_box_init(struct lb_creds_box *b, struct lb_creds *set);
void lb_creds_box_fini(struct lb_creds_box *b);
/* Any thread. Puts a set in force (a reference is taken over): whoever asks after the return, and
 * has heard of it, gets this one or a later one. */
void lb_creds_box_put(struct lb_creds_box *b, struct lb_creds *set);

/* What a loop reads a box by: its own reference to the set, taken anew only when there is another.
 * One thread. */
struct lb_creds_reader {
    struct lb_creds_box *box;
    struct lb_creds *set;
    uint64_t generation;
};

/* box outlives the reader. */
void lb_creds_reader_init(struct lb_creds_reader *r, struct lb_creds_box *box);
void lb_creds_reader_fini(struct lb_creds_reader *r);
/* The set in force; borrowed until the next call. Costs one load when nothing has changed. */
const struct lb_creds *lb_creds_reader_get(struct lb_creds_reader *r);

#endif
