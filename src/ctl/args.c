#include "ctl/args.h"

#include <errno.h>

bool lb_choices_have(const char *choices, const char *word) {
    struct lb_slice rest = lb_slice_cstr(choices);
    while (rest.len > 0) {
        if (lb_slice_eq(lb_slice_cut(&rest, ' '), lb_slice_cstr(word)))
            return true;
    }
    return false;
}

static const struct lb_option *find(const struct lb_option *const *options, unsigned n,
                                    struct lb_slice name) {
    for (unsigned i = 0; i < n; i++) {
        for (const struct lb_option *o = options[i]; o && o->name; o++) {
            if (lb_slice_eq(lb_slice_cstr(o->name), name))
                return o;
        }
    }
    return NULL;
}

/* Adds an option; value: what stands behind "=", or NULL; next: the argument after it, or NULL.
 * Returns how many arguments that took. */
static int give(const struct lb_option *o, const char *value, const char *next,
                struct lb_args *args, struct lb_buf *why) {
    int taken = 1;
    if (o->value && !value) {
        value = next;
        taken = 2;
    }
    if (o->value && !value)
        lb_buf_printf(why, "--%s needs a value: --%s %s", o->name, o->name, o->value);
    else if (!o->value && value)
        lb_buf_printf(why, "--%s takes no value", o->name);
    else if (o->choices && !lb_choices_have(o->choices, value))
        lb_buf_printf(why, "--%s %s: must be one of: %s", o->name, value, o->choices);
    else if (args->given_n == LB_ARGS_GIVEN_MAX)
        lb_buf_printf(why, "too many options");
    if (why->len > 0)
        return -EINVAL;
    args->given[args->given_n].option = o;
    args->given[args->given_n++].value = value ? value : "";
    return taken;
}

int lb_args_parse(const struct lb_option *const *options, unsigned options_n, bool with_words,
                  int argc, char **argv, struct lb_args *args, struct lb_buf *why) {
    bool only_words = false;
    args->words = argv;
    int i = 0;
    while (i < argc) {
        struct lb_slice arg = lb_slice_cstr(argv[i]);
        if (only_words || arg.len < 2 || arg.ptr[0] != '-') {
            if (!with_words)
                return i;
            argv[args->words_n++] = argv[i++];
            continue;
        }
        if (lb_slice_eq(arg, LB_S("--"))) {
            only_words = true;
            i++;
            continue;
        }
        if (lb_slice_eq(arg, LB_S("-h")))
            arg = LB_S("--help");
        struct lb_slice value = lb_slice_from(arg, 2);
        struct lb_slice name = lb_slice_cut(&value, '=');
        const struct lb_option *o = NULL;
        if (lb_slice_starts_with(arg, LB_S("--")))
            o = find(options, options_n, name);
        if (!o) {
            lb_buf_printf(why, "there is no option %.*s",
                          (int)(arg.ptr[1] == '-' ? name.len + 2 : arg.len), arg.ptr);
            return -EINVAL;
        }
        int taken = give(o, value.ptr, i + 1 < argc ? argv[i + 1] : NULL, args, why);
        if (taken < 0)
            return taken;
        i += taken;
    }
    return i;
}

const char *lb_args_value(const struct lb_args *args, const char *name) {
    for (unsigned i = args->given_n; i > 0; i--) {
        if (strcmp(args->given[i - 1].option->name, name) == 0)
            return args->given[i - 1].value;
    }
    return NULL;
}
