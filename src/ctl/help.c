#include "ctl/help.h"

#include <stdio.h>

#include "ctl/commands.h"

#define COLUMN 36 /* where explanations begin */

static void line(struct lb_buf *out, const char *what, const char *help) {
    if (strlen(what) + 4 > COLUMN)
        lb_buf_printf(out, "  %s\n%*s%s\n", what, COLUMN, "", help);
    else
        lb_buf_printf(out, "  %-*s%s\n", COLUMN - 2, what, help);
}

static void command_line(struct lb_buf *out, const struct lb_command *c) {
    char what[128];
    snprintf(what, sizeof(what), "%s%s%s %s", c->group ? c->group : "", c->group ? " " : "",
             c->name, c->args);
    line(out, what, c->help);
}

static void option_lines(struct lb_buf *out, const struct lb_option *options) {
    for (const struct lb_option *o = options; o && o->name; o++) {
        char what[128];
        snprintf(what, sizeof(what), "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        line(out, what, o->help);
        if (o->choices)
            lb_buf_printf(out, "%*s(%s)\n", COLUMN, "", o->choices);
    }
}

void lb_help_overview(struct lb_buf *out) {
    lb_buf_append(out, LB_S("lobosctl sets up and watches a lobos server.\n\n"
                            "Usage: lobosctl [options] COMMAND [arguments]\n"));
    const char *group = "";
    for (const struct lb_command *c = lb_commands; c->name; c++) {
        const char *here = c->group ? c->group : c->name;
        bool local = c->run == lb_doctor; /* the first of those that need no server */
        if (local || (strcmp(here, group) != 0 && (c->group || (c - 1)->group)))
            lb_buf_append_char(out, '\n');
        group = here;
        command_line(out, c);
    }
    lb_buf_append(out, LB_S("\nOptions:\n"));
    option_lines(out, lb_options_global);
    lb_buf_append(out, LB_S("\nlobosctl help COMMAND shows a command's own options.\n"));
}

int lb_help_topic(struct lb_ctl *c, const char *group_or_name, const char *name) {
    bool found = false;
    for (const struct lb_command *i = lb_commands; i->name; i++) {
        const char *first = i->group ? i->group : i->name;
        if (strcmp(first, group_or_name) != 0 || (name && i->group && strcmp(i->name, name) != 0))
            continue;
        if (found)
            lb_buf_append_char(&c->out, '\n');
        found = true;
        lb_buf_printf(&c->out, "lobosctl %s%s%s %s\n  %s\n", i->group ? i->group : "",
                      i->group ? " " : "", i->name, i->args, i->help);
        if (i->choices)
            lb_buf_printf(&c->out, "  %s: %s\n", i->args, i->choices);
        option_lines(&c->out, i->options);
    }
    if (found)
        return 0;
    return lb_ctl_fail(c, LB_EXIT_USAGE, "there is no command %s%s%s: see lobosctl help",
                       group_or_name, name ? " " : "", name ? name : "");
}

int lb_help(struct lb_ctl *c) {
    if (c->args.words_n > 0)
        return lb_help_topic(c, c->args.words[0], c->args.words_n > 1 ? c->args.words[1] : NULL);
    lb_help_overview(&c->out);
    return 0;
}
