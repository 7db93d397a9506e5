/* lobosctl: finds the command in the table, takes the command line apart, runs it, and writes what
 * it has to say. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/help.h"

static int usage(struct lb_ctl *c) {
    const struct lb_command *command = c->command;
    lb_buf_append(&c->why, LB_S(": see lobosctl help"));
    if (command && command->group)
        lb_buf_printf(&c->why, " %s", command->group);
    if (command)
        lb_buf_printf(&c->why, " %s", command->name);
    return LB_EXIT_USAGE;
}

/* Finds the command that the words begin with. Returns how many words name it, 0 for none. */
static int find_command(struct lb_ctl *c, int argc, char **argv) {
    for (const struct lb_command *i = lb_commands; i->name; i++) {
        if (!i->group && strcmp(argv[0], i->name) == 0) {
            c->command = i;
            return 1;
        }
        if (i->group && argc > 1 && strcmp(argv[0], i->group) == 0 &&
            strcmp(argv[1], i->name) == 0) {
            c->command = i;
            return 2;
        }
    }
    return 0;
}

static int unknown_command(struct lb_ctl *c, int argc, char **argv) {
    bool first = true;
    for (const struct lb_command *i = lb_commands; i->name; i++) {
        if (!i->group || strcmp(argv[0], i->group) != 0)
            continue;
        if (first)
            lb_buf_printf(&c->why, "%s what? There is ", i->group);
        lb_buf_printf(&c->why, "%s%s", first ? "" : ", ", i->name);
        first = false;
    }
    if (first)
        lb_buf_printf(&c->why, "there is no command %s", argv[0]);
    return usage(c);
}

static int check_words(struct lb_ctl *c) {
    const struct lb_command *command = c->command;
    const char *group = command->group ? command->group : "";
    const char *space = command->group ? " " : "";
    if (c->args.words_n < command->min || c->args.words_n > command->max) {
        lb_buf_printf(&c->why, "usage: lobosctl %s%s%s %s", group, space, command->name,
                      command->args);
        return usage(c);
    }
    if (command->choices && !lb_choices_have(command->choices, c->args.words[0])) {
        lb_buf_printf(&c->why, "%s: must be one of: %s", c->args.words[0], command->choices);
        return usage(c);
    }
    return 0;
}

static int run_command(struct lb_ctl *c, int argc, char **argv) {
    const struct lb_option *lists[] = {lb_options_global, NULL};
    int taken = lb_args_parse(lists, 1, false, argc, argv, &c->args, &c->why);
    if (taken < 0)
        return usage(c);
    argc -= taken;
    argv += taken;
    if (lb_ctl_option(c, "version")) {
        lb_buf_printf(&c->out, "lobosctl %s\n", LB_VERSION);
        return 0;
    }
    if (argc == 0) {
        lb_help_overview(&c->out);
        return lb_ctl_option(c, "help") ? 0 : LB_EXIT_USAGE;
    }
    int words = find_command(c, argc, argv);
    if (words == 0 && argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return lb_help_topic(c, argv[0], NULL);
    if (words == 0)
        return unknown_command(c, argc, argv);
    lists[1] = c->command->options;
    taken = lb_args_parse(lists, 2, true, argc - words, argv + words, &c->args, &c->why);
    if (taken < 0)
        return usage(c);
    if (lb_ctl_option(c, "help"))
        return lb_help_topic(c, c->command->group ? c->command->group : c->command->name,
                             c->command->group ? c->command->name : NULL);
    c->json = lb_ctl_option(c, "json");
    c->yes = lb_ctl_option(c, "yes");
    int err = check_words(c);
    return err ? err : c->command->run(c);
}

static bool write_all(int fd, struct lb_slice s) {
    while (s.len > 0) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0)
            return false;
        s = lb_slice_from(s, (size_t)n);
    }
    return true;
}

/* Forgets what may hold a secret, then frees it. */
static void wipe(struct lb_buf *b) {
    if (b->ptr)
        explicit_bzero(b->ptr, b->cap);
    lb_buf_fini(b);
}

int main(int argc, char **argv) {
    struct lb_ctl c = {.to_terminal = isatty(STDOUT_FILENO)};
    lb_buf_init(&c.out, LB_CTL_OUTPUT_MAX);
    lb_buf_init(&c.why, 1 << 16);
    lb_buf_init(&c.token, 1 << 16);
    lb_json_init(&c.doc, &c.out);
    int code = run_command(&c, argc - 1, argv + 1);
    lb_client_free(c.client);
    if (c.out.err && code == 0)
        code = lb_ctl_fail(&c, LB_EXIT_FAILED, "out of memory");
    bool overview = code == LB_EXIT_USAGE && c.why.len == 0;
    if (!write_all(overview ? STDERR_FILENO : STDOUT_FILENO, lb_buf_slice(&c.out)) && code == 0)
        code = lb_ctl_fail(&c, LB_EXIT_FAILED, "cannot write the output: %m");
    if (code && c.why.len > 0) {
        struct lb_buf line;
        lb_buf_init(&line, 1 << 18);
        lb_text_escape(&line, lb_buf_slice(&c.why));
        fprintf(stderr, "lobosctl: %.*s\n", LB_SLICE_ARG(lb_buf_slice(&line)));
        lb_buf_fini(&line);
    }
    wipe(&c.out);
    wipe(&c.token);
    lb_buf_fini(&c.why);
    return code;
}
