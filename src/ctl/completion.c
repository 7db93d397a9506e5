/* lobosctl completion: what a shell needs to complete command lines, from the table of commands. */
#include "ctl/commands.h"

/* Does the group of *c begin there? */
static bool begins_group(const struct lb_command *c) {
    return c->group &&
           (c == lb_commands || !(c - 1)->group || strcmp(c->group, (c - 1)->group) != 0);
}

/* The first words of command lines. */
static void first_words(struct lb_buf *out) {
    for (const struct lb_command *c = lb_commands; c->name; c++) {
        if (!c->group || begins_group(c))
            lb_buf_printf(out, "%s%s", c == lb_commands ? "" : " ", c->group ? c->group : c->name);
    }
}

/* The names of the commands of a group. */
static void group_words(struct lb_buf *out, const struct lb_command *first) {
    for (const struct lb_command *c = first; c->group && strcmp(c->group, first->group) == 0; c++)
        lb_buf_printf(out, "%s%s", c == first ? "" : " ", c->name);
}

static void option_words(struct lb_buf *out, const struct lb_option *options) {
    for (const struct lb_option *o = options; o && o->name; o++)
        lb_buf_printf(out, " --%s", o->name);
}

/* ---- bash ---- */

static void bash_values(struct lb_buf *out, const struct lb_option *options) {
    for (const struct lb_option *o = options; o && o->name; o++) {
        if (o->choices)
            lb_buf_printf(out, "    --%s) words=\"%s\" ;;\n", o->name, o->choices);
        else if (o->value && strcmp(o->value, "FILE") == 0)
            lb_buf_printf(out, "    --%s) compopt -o default; return ;;\n", o->name);
        else if (o->value)
            lb_buf_printf(out, "    --%s) return ;;\n", o->name);
    }
}

static void bash(struct lb_buf *out) {
    lb_buf_append(out,
                  LB_S("# bash completion of lobosctl\n"
                       "_lobosctl() {\n"
                       "    local cur=${COMP_WORDS[COMP_CWORD]} line=\"\" words word skip=0 i\n"
                       "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                       "        word=${COMP_WORDS[i]}\n"
                       "        if ((skip)); then skip=0; continue; fi\n"
                       "        case $word in\n"
                       "        "));
    bool first = true;
    for (const struct lb_option *o = lb_options_global; o->name; o++) {
        if (o->value)
            lb_buf_printf(out, "%s--%s", first ? "" : "|", o->name);
        first = first && !o->value;
    }
    lb_buf_append(out, LB_S(") skip=1 ;;\n"
                            "        -*) ;;\n"
                            "        *) line+=\"$word \" ;;\n"
                            "        esac\n"
                            "    done\n"
                            "    COMPREPLY=()\n"
                            "    case ${COMP_WORDS[COMP_CWORD-1]} in\n"));
    bash_values(out, lb_options_global);
    for (const struct lb_command *c = lb_commands; c->name; c++)
        bash_values(out, c->options);
    lb_buf_append(out, LB_S("    esac\n    if [[ -z ${words-} ]]; then\n    case $line in\n"
                            "    \"\") words=\""));
    first_words(out);
    option_words(out, lb_options_global);
    lb_buf_append(out, LB_S("\" ;;\n"));
    for (const struct lb_command *c = lb_commands; c->name; c++) {
        lb_buf_printf(out, "    \"%s%s%s \"*) words=\"%s", c->group ? c->group : "",
                      c->group ? " " : "", c->name, c->choices ? c->choices : "");
        option_words(out, c->options);
        option_words(out, lb_options_global);
        lb_buf_append(out, LB_S("\" ;;\n"));
    }
    for (const struct lb_command *c = lb_commands; c->name; c++) {
        if (!begins_group(c))
            continue;
        lb_buf_printf(out, "    \"%s \") words=\"", c->group);
        group_words(out, c);
        lb_buf_append(out, LB_S("\" ;;\n"));
    }
    lb_buf_append(out, LB_S("    esac\n    fi\n"
                            "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                            "}\n"
                            "complete -F _lobosctl lobosctl\n"));
}

/* ---- zsh ---- */

/* Inside single quotes, with what _arguments and _describe take as their own. */
static void zsh_text(struct lb_buf *out, const char *text) {
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            lb_buf_append_char(out, '\\');
        if (*text == '\'')
            lb_buf_append(out, LB_S("'\\'"));
        lb_buf_append_char(out, *text);
    }
}

static void zsh_options(struct lb_buf *out, const struct lb_option *options) {
    for (const struct lb_option *o = options; o && o->name; o++) {
        lb_buf_printf(out, " \\\n            '--%s[", o->name);
        zsh_text(out, o->help);
        lb_buf_append_char(out, ']');
        if (o->value) {
            lb_buf_append_char(out, ':');
            zsh_text(out, o->value);
            lb_buf_append_char(out, ':');
        }
        if (o->choices)
            lb_buf_printf(out, "(%s)", o->choices);
        else if (o->value && strcmp(o->value, "FILE") == 0)
            lb_buf_append(out, LB_S("_files"));
        lb_buf_append_char(out, '\'');
    }
}

/* An element of the list "commands"; with a group, the group that *c begins. */
static void zsh_element(struct lb_buf *out, const struct lb_command *c, bool group) {
    lb_buf_printf(out, "            '%s:", group ? c->group : c->name);
    if (group)
        group_words(out, c);
    else
        zsh_text(out, c->help);
    lb_buf_append(out, LB_S("'\n"));
}

/* What may stand behind a command. */
static void zsh_arguments(struct lb_buf *out, const struct lb_command *c) {
    lb_buf_printf(out, "        %s) _arguments $globals", c->name);
    zsh_options(out, c->options);
    if (c->choices)
        lb_buf_printf(out, " '1:%s:(%s)'", c->args, c->choices);
    else if (strstr(c->args, "DIR"))
        lb_buf_append(out, LB_S(" '1:DIR:_files -/'"));
    else if (c->args[0])
        lb_buf_append(out, LB_S(" '*:argument:'"));
    lb_buf_append(out, LB_S(" ;;\n"));
}

static void zsh_group(struct lb_buf *out, const struct lb_command *first) {
    lb_buf_printf(out, "    %s)\n        if (( CURRENT == 2 )); then\n            commands=(\n",
                  first->group);
    for (const struct lb_command *c = first; c->group && strcmp(c->group, first->group) == 0; c++)
        zsh_element(out, c, false);
    lb_buf_append(out, LB_S("            )\n            _describe command commands\n"
                            "            return\n        fi\n"
                            "        shift words\n        (( CURRENT-- ))\n"
                            "        case $words[1] in\n"));
    for (const struct lb_command *c = first; c->group && strcmp(c->group, first->group) == 0; c++)
        zsh_arguments(out, c);
    lb_buf_append(out, LB_S("        esac ;;\n"));
}

static void zsh(struct lb_buf *out) {
    lb_buf_append(out, LB_S("#compdef lobosctl\n"
                            "_lobosctl() {\n"
                            "    local curcontext=$curcontext state line\n"
                            "    local -a commands globals\n"
                            "    globals=("));
    zsh_options(out, lb_options_global);
    lb_buf_append(out, LB_S(")\n    _arguments -C $globals '(-)1: :->first' '(-)*:: :->rest'\n"
                            "    if [[ $state = first ]]; then\n"
                            "        commands=(\n"));
    for (const struct lb_command *c = lb_commands; c->name; c++) {
        if (!c->group || begins_group(c))
            zsh_element(out, c, c->group);
    }
    lb_buf_append(out, LB_S("        )\n        _describe command commands\n        return\n"
                            "    fi\n    [[ $state = rest ]] || return\n"
                            "    case $words[1] in\n"));
    for (const struct lb_command *c = lb_commands; c->name; c++) {
        if (begins_group(c))
            zsh_group(out, c);
        else if (!c->group)
            zsh_arguments(out, c);
    }
    lb_buf_append(out, LB_S("    esac\n}\n"
                            "if [[ $funcstack[1] = _lobosctl ]]; then\n    _lobosctl \"$@\"\n"
                            "else\n    compdef _lobosctl lobosctl\nfi\n"));
}

/* ---- fish ---- */

static void fish_text(struct lb_buf *out, const char *text) {
    lb_buf_append_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            lb_buf_append_char(out, '\\');
        lb_buf_append_char(out, *text);
    }
    lb_buf_append_char(out, '\'');
}

static void fish_options(struct lb_buf *out, const struct lb_option *options, const char *when) {
    for (const struct lb_option *o = options; o && o->name; o++) {
        lb_buf_printf(out, "complete -c lobosctl%s -l %s", when, o->name);
        if (o->choices)
            lb_buf_printf(out, " -x -a '%s'", o->choices);
        else if (o->value)
            lb_buf_append(out, strcmp(o->value, "FILE") == 0 ? LB_S(" -r -F") : LB_S(" -x"));
        lb_buf_append(out, LB_S(" -d "));
        fish_text(out, o->help);
        lb_buf_append_char(out, '\n');
    }
}

static void fish(struct lb_buf *out) {
    lb_buf_append(out, LB_S("# fish completion of lobosctl\ncomplete -c lobosctl -f\n"));
    fish_options(out, lb_options_global, "");
    for (const struct lb_command *c = lb_commands; c->name; c++) {
        char when[160];
        const char *first = c->group ? c->group : c->name;
        if (!c->group || begins_group(c)) {
            lb_buf_printf(out, "complete -c lobosctl -n __fish_use_subcommand -a %s -d ", first);
            fish_text(out, c->group ? "" : c->help);
            lb_buf_append_char(out, '\n');
        }
        if (c->group) {
            lb_buf_printf(out,
                          "complete -c lobosctl -n '__fish_seen_subcommand_from %s; and not "
                          "__fish_seen_subcommand_from ",
                          c->group);
            const struct lb_command *begin = c;
            while (!begins_group(begin))
                begin--;
            group_words(out, begin);
            lb_buf_printf(out, "' -a %s -d ", c->name);
            fish_text(out, c->help);
            lb_buf_append_char(out, '\n');
        }
        snprintf(when, sizeof(when), " -n '__fish_seen_subcommand_from %s%s%s'", first,
                 c->group ? "; and __fish_seen_subcommand_from " : "", c->group ? c->name : "");
        if (c->choices)
            lb_buf_printf(out, "complete -c lobosctl%s -a '%s'\n", when, c->choices);
        fish_options(out, c->options, when);
    }
}

int lb_completion(struct lb_ctl *c) {
    const char *shell = c->args.words[0];
    struct lb_buf text;
    lb_buf_init(&text, LB_CTL_OUTPUT_MAX);
    if (strcmp(shell, "bash") == 0)
        bash(&text);
    else if (strcmp(shell, "zsh") == 0)
        zsh(&text);
    else
        fish(&text);
    lb_ctl_show_text(c, "completion", &text);
    lb_buf_fini(&text);
    return 0;
}
