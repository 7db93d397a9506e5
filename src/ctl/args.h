/* Takes a command line apart, by the options that a command has. */
#ifndef LB_CTL_ARGS_H
#define LB_CTL_ARGS_H

#include "base/buf.h"

#define LB_ARGS_GIVEN_MAX 32

struct lb_option {
    const char *name;    /* without "--"; NULL ends a list */
    const char *value;   /* what its value is ("FILE"), or NULL: it has none */
    const char *help;    /* one line */
    const char *choices; /* the values there are, separated by spaces; NULL: any */
};

struct lb_args {
    struct {
        const struct lb_option *option;
        const char *value;
    } given[LB_ARGS_GIVEN_MAX];
    unsigned given_n;
    char **words; /* what is no option; borrowed, in argv */
    unsigned words_n;
};

/* Takes argv[0 .. argc-1] apart and adds what is there to *args (zero at first). options: lists,
 * options_n of them. with_words: all words, which are moved to the front of argv; otherwise it
 * stops at the first. Returns how many of argv it took, or -EINVAL and the reason, for a person, in
 * *why. Borrows everything. */
int lb_args_parse(const struct lb_option *const *options, unsigned options_n, bool with_words,
                  int argc, char **argv, struct lb_args *args, struct lb_buf *why);

/* The value of an option that was given (last, if several times); "" when it has none; NULL when it
 * was not given. */
const char *lb_args_value(const struct lb_args *args, const char *name);

/* Is word one of choices, which spaces separate? */
bool lb_choices_have(const char *choices, const char *word);

#endif
