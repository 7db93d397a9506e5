/* What every command works with: the command line, the output, the server. */
#ifndef LB_CTL_CTL_H
#define LB_CTL_CTL_H

#include <stdio.h>

#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/json.h"
#include "ctl/table.h"
#include <lobosadmin.pb-c.h>

#define LB_CTL_OUTPUT_MAX ((size_t)1 << 30)
#define LB_CTL_PAGE 1000 /* entries asked for at once */

struct lb_command;

struct lb_ctl {
    const struct lb_command *command;
    struct lb_args args;
    bool json;
    bool yes;           /* don't ask */
    bool to_terminal;   /* standard output is one */
    struct lb_buf out;  /* becomes standard output when the command has ended */
    struct lb_json doc; /* writes to out */
    struct lb_buf why;  /* the reason of a failure, for a person */
    struct lb_buf token;
    struct lb_client *client; /* made at the first call */
};

/* A command. Writes to c->out; returns an exit code, and unless 0 a reason in c->why (none: it was
 * said in the output). */
typedef int (*lb_command_run)(struct lb_ctl *c);

struct lb_command {
    const char *group; /* "user", or NULL */
    const char *name;
    const char *args;    /* as help shows them */
    unsigned min, max;   /* words it takes */
    const char *choices; /* of the first word, separated by spaces; NULL: any */
    const char *help;    /* one line */
    lb_command_run run;
    const struct lb_option *options; /* or NULL */
};

/* All commands; the last has no name. */
extern const struct lb_command lb_commands[];
/* Options of every command. */
extern const struct lb_option lb_options_global[];

/* The value of an option, or NULL. */
const char *lb_ctl_option(const struct lb_ctl *c, const char *name);

/* Fails with a reason: sets c->why and returns code. */
int lb_ctl_fail(struct lb_ctl *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Calls the server: *ret is the reply, owned (lb_message_free). Returns 0 or an exit code, the
 * reason in c->why. */
int lb_ctl_call(struct lb_ctl *c, const char *method, const ProtobufCMessage *request, void *ret);

/* Calls a method that answers Done, and shows its message. */
int lb_ctl_call_done(struct lb_ctl *c, const char *method, const ProtobufCMessage *request);

/* Asks a person ("... Go on?"), unless --yes was given. Returns 0 for yes; an exit code for no, and
 * when there is no terminal to ask on. */
int lb_ctl_confirm(struct lb_ctl *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The moment that an option or word means (lb_parse_moment). Returns 0 or LB_EXIT_USAGE. */
int lb_ctl_moment(struct lb_ctl *c, const char *text, int64_t *ret);

/* A list: between the two, rows go to the table or elements to c->doc. The end prints (or closes
 * the document) and frees the table; with err, an exit code, it shows nothing. Returns err. */
void lb_ctl_begin_list(struct lb_ctl *c, const char *name);
int lb_ctl_end_list(struct lb_ctl *c, struct lb_table *t, const char *when_empty, int err);

/* Shows a text as it is, or as the one member of a JSON document. */
void lb_ctl_show_text(struct lb_ctl *c, const char *name, struct lb_buf *text);

/* Prints a table to the output, or a sentence (NULL: none) when it has no rows, and frees it. */
void lb_ctl_print(struct lb_ctl *c, struct lb_table *t, const char *when_empty);

#endif
